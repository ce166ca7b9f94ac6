//! A file system that keeps only what was synced, and of the rest what a seed decides.
//!
//! Strict: the content of a file is durable after its own sync, and only writes that were done before it began; its
//! name is durable after a sync of its folder. `sync_file_range` makes nothing durable. Un-synced writes are kept or
//! lost in pages of 4 KiB and in any order.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};

use rand_core::Rng;
use stoa_store::conformance::SeededRng;

use crate::trace::Event;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What a power cut does to what was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// All of it is lost.
    Lose,
    /// Each page and each name is kept or lost.
    Some(u64),
    /// Everything is kept but the last write, which is torn at a sector.
    Torn(u64),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
    descriptors: HashMap<u32, Descriptor>,
    /// Writes that have not returned: node and operation.
    writing: HashMap<usize, (usize, usize)>,
    /// Syncs that have not returned: node and how many of its operations they cover.
    syncing: HashMap<usize, (usize, Vec<usize>)>,
    /// Control: syncs of paths that end so are ignored.
    ignore: Option<&'static str>,
    next_operation: usize,
}

#[derive(Debug, Clone, Copy)]
struct Descriptor {
    node: usize,
    position: u64,
}

#[derive(Debug, Clone, Default)]
struct Node {
    is_dir: bool,
    path: String,
    content: Content,
    /// Not durable yet, in order.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    entries: BTreeMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Pending {
    operation: usize,
    done: bool,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(offset, bytes) => {
                let at = usize::try_from(*offset).unwrap();
                if self.bytes.len() < at + bytes.len() {
                    self.bytes.resize(at + bytes.len(), 0);
                }
                self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Change::SetLen(len) => self.bytes.resize(usize::try_from(*len).unwrap(), 0),
            Change::Add(name, node) => {
                self.entries.insert(name.clone(), *node);
            }
            Change::Remove(name) => {
                self.entries.remove(name);
            }
            Change::Rename(from, to) => {
                if let Some(node) = self.entries.remove(from) {
                    self.entries.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Disk {
    /// An empty folder. `ignore`: syncs of files whose path ends so do nothing (a control).
    pub(crate) fn new(ignore: Option<&'static str>) -> Self {
        let root = Node {
            is_dir: true,
            ..Node::default()
        };
        Self {
            nodes: vec![root],
            ignore,
            ..Self::default()
        }
    }

    /// The process ended, the power stayed: nothing is lost, nothing more is durable.
    pub(crate) fn process_ended(&mut self) {
        self.descriptors.clear();
        self.writing.clear();
        self.syncing.clear();
        for node in &mut self.nodes {
            node.pending
                .iter_mut()
                .for_each(|pending| pending.done = true);
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Open {
                fd,
                path,
                create,
                truncate,
            } => match path {
                None => {
                    self.descriptors.remove(fd);
                }
                Some(path) => self.open(*fd, path, *create, *truncate),
            },
            Event::MakeDir(path) => {
                self.add(path, true);
            }
            Event::Remove(path) => {
                let (parent, name) = self.parent(path);
                self.change(parent, Change::Remove(name));
            }
            Event::Rename(from, to) => {
                let (parent, from_name) = self.parent(from);
                let (_, to_name) = self.parent(to);
                // What was there under the new name is gone with the rename, whole.
                let change = Change::Rename(from_name, to_name);
                self.change(parent, change);
            }
            Event::Write {
                call,
                fd,
                offset,
                bytes,
            } => self.write(*call, *fd, *offset, bytes),
            Event::SetLen { fd, len } => {
                let node = self.descriptors[fd].node;
                self.change(node, Change::SetLen(*len));
            }
            Event::Sync { call, fd } => self.sync(*call, *fd),
            Event::Done { call } => self.done(*call),
            Event::Said(_) => {}
        }
    }

    fn open(&mut self, fd: u32, path: &Path, create: bool, truncate: bool) {
        let node = match self.find(path) {
            Some(node) => node,
            None if create => self.add(path, false),
            None => panic!("{} is opened and was never made", path.display()),
        };
        if truncate {
            self.change(node, Change::SetLen(0));
        }
        self.descriptors
            .insert(fd, Descriptor { node, position: 0 });
    }

    fn write(&mut self, call: usize, fd: u32, offset: Option<u64>, bytes: &[u8]) {
        let descriptor = self.descriptors.get_mut(&fd).unwrap();
        let at = offset.unwrap_or(descriptor.position);
        if offset.is_none() {
            descriptor.position += bytes.len() as u64;
        }
        let node = descriptor.node;
        let operation = self.push(node, Change::Write(at, bytes.to_vec()), false);
        self.writing.insert(call, (node, operation));
    }

    fn sync(&mut self, call: usize, fd: u32) {
        let node = self.descriptors[&fd].node;
        if self
            .ignore
            .is_some_and(|end| self.nodes[node].path.ends_with(end))
        {
            return;
        }
        let covered = self.nodes[node]
            .pending
            .iter()
            .filter(|pending| pending.done);
        let covered = covered.map(|pending| pending.operation).collect();
        self.syncing.insert(call, (node, covered));
    }

    fn done(&mut self, call: usize) {
        if let Some((node, operation)) = self.writing.remove(&call)
            && let Some(pending) = self.nodes[node]
                .pending
                .iter_mut()
                .find(|pending| pending.operation == operation)
        {
            pending.done = true;
        }
        if let Some((node, covered)) = self.syncing.remove(&call) {
            let node = &mut self.nodes[node];
            // A write that is still running keeps its place: what is durable of the others is applied before it. That
            // is exact as long as they do not overlap, and sled's threads write different places.
            for pending in &node.pending {
                if covered.contains(&pending.operation) {
                    node.content.apply(&pending.change);
                }
            }
            node.pending
                .retain(|pending| !covered.contains(&pending.operation));
        }
    }

    /// Writes what is left after a cut into a real folder.
    pub(crate) fn after(&self, cut: Cut, folder: &Path) {
        let mut rng = SeededRng::new(match cut {
            Cut::Lose => 0,
            Cut::Some(seed) | Cut::Torn(seed) => seed,
        });
        let last_write = self
            .nodes
            .iter()
            .flat_map(|node| &node.pending)
            .filter(|pending| matches!(pending.change, Change::Write(..)))
            .map(|pending| pending.operation)
            .max();
        let left: Vec<Content> = self
            .nodes
            .iter()
            .map(|node| node.left(cut, last_write, &mut rng))
            .collect();
        self.write_out(&left, 0, folder);
    }

    /// Everything the process saw, as if the power had stayed.
    pub(crate) fn whole(&self, folder: &Path) {
        let all: Vec<Content> = self.nodes.iter().map(Node::current).collect();
        self.write_out(&all, 0, folder);
    }

    fn write_out(&self, contents: &[Content], node: usize, path: &Path) {
        if !self.nodes[node].is_dir {
            std::fs::write(path, &contents[node].bytes).unwrap();
            return;
        }
        std::fs::create_dir(path).unwrap();
        for (name, child) in &contents[node].entries {
            self.write_out(contents, *child, &path.join(name));
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.components().try_fold(0, |node, component| {
            let Component::Normal(name) = component else {
                panic!("{} is no plain path", path.display());
            };
            self.nodes[node]
                .current()
                .entries
                .get(name.to_str()?)
                .copied()
        })
    }

    fn parent(&self, path: &Path) -> (usize, String) {
        let parent = self.find(path.parent().unwrap()).unwrap();
        (
            parent,
            path.file_name().unwrap().to_str().unwrap().to_owned(),
        )
    }

    fn add(&mut self, path: &Path, is_dir: bool) -> usize {
        let (parent, name) = self.parent(path);
        let node = self.nodes.len();
        self.nodes.push(Node {
            is_dir,
            path: path.to_str().unwrap().to_owned(),
            ..Node::default()
        });
        self.change(parent, Change::Add(name, node));
        node
    }

    fn change(&mut self, node: usize, change: Change) {
        self.push(node, change, true);
    }

    fn push(&mut self, node: usize, change: Change, done: bool) -> usize {
        let operation = self.next_operation;
        self.next_operation += 1;
        self.nodes[node].pending.push(Pending {
            operation,
            done,
            change,
        });
        operation
    }
}

impl Node {
    fn current(&self) -> Content {
        let mut content = self.content.clone();
        self.pending
            .iter()
            .for_each(|pending| content.apply(&pending.change));
        content
    }

    fn left(&self, cut: Cut, last_write: Option<usize>, rng: &mut SeededRng) -> Content {
        let mut content = self.content.clone();
        for pending in &self.pending {
            match (cut, &pending.change) {
                (Cut::Lose, _) => {}
                (Cut::Some(_), Change::Write(offset, bytes)) => {
                    for (at, page) in pages(*offset, bytes) {
                        if rng.next_u32().is_multiple_of(2) {
                            content.apply(&Change::Write(at, page.to_vec()));
                        }
                    }
                }
                (Cut::Some(_), change) => {
                    if rng.next_u32().is_multiple_of(2) {
                        content.apply(change);
                    }
                }
                (Cut::Torn(_), Change::Write(offset, bytes))
                    if Some(pending.operation) == last_write =>
                {
                    let sectors = bytes.len() / SECTOR;
                    let kept = rng.next_u32() as usize % (sectors + 1) * SECTOR;
                    content.apply(&Change::Write(*offset, bytes[..kept].to_vec()));
                }
                (Cut::Torn(_), change) => content.apply(change),
            }
        }
        content
    }
}

/// A write in pieces that end where the file's pages end.
fn pages(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let room = PAGE - usize::try_from(at).unwrap() % PAGE;
        let (page, more) = rest.split_at(room.min(rest.len()));
        found.push((at, page));
        at += page.len() as u64;
        rest = more;
    }
    found
}

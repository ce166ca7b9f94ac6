//! strace's output as events: what one process did to the files below one folder, and what it said.
//!
//! Expects `strace -f -y -xx -s N`: all strings in hex, so that a parser of a few lines is enough. Source: strace(1).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The calls that change or sync files, for `-e trace=`.
pub(crate) const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,\
rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,fsync,fdatasync,\
sync_file_range,copy_file_range,sendfile,sync,syncfs";

/// One thing that happened. Paths are relative to the traced folder; the empty path is the folder itself.
#[derive(Clone)]
pub(crate) enum Event {
    /// A file descriptor was opened; `None` for files outside.
    Open {
        fd: u32,
        path: Option<PathBuf>,
        create: bool,
        truncate: bool,
    },
    MakeDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// Bytes were handed over: at `offset`, or where the descriptor stands. The write ends with [`Event::Done`].
    Write {
        call: usize,
        fd: u32,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    SetLen {
        fd: u32,
        len: u64,
    },
    /// Write or sync number `call` returned.
    Done {
        call: usize,
    },
    /// A sync began: only writes that were done before it are covered.
    Sync {
        call: usize,
        fd: u32,
    },
    Said(String),
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { fd, path, .. } => write!(f, "open {fd} {path:?}"),
            Self::MakeDir(path) => write!(f, "mkdir {path:?}"),
            Self::Rename(from, to) => write!(f, "rename {from:?} {to:?}"),
            Self::Remove(path) => write!(f, "remove {path:?}"),
            Self::Write {
                call,
                fd,
                offset,
                bytes,
            } => write!(
                f,
                "write {fd} at {offset:?}, {} bytes, call {call}",
                bytes.len()
            ),
            Self::SetLen { fd, len } => write!(f, "length {fd} {len}"),
            Self::Done { call } => write!(f, "done {call}"),
            Self::Sync { call, fd } => write!(f, "sync {fd}, call {call}"),
            Self::Said(text) => write!(f, "said {:?}", text.trim()),
        }
    }
}

/// Reads a trace. `root` is the folder of interest; what happens in its entries named in `without` is left out.
///
/// Panics on any call that it can't model: a gap in the model would be a hole in the proof.
pub(crate) fn parse(trace: &str, root: &Path, without: &[&str]) -> Vec<Event> {
    let mut parser = Parser {
        root: root.to_owned(),
        without: without.iter().map(|name| root.join(name)).collect(),
        events: Vec::new(),
        begun: HashMap::new(),
        calls: 0,
    };
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        parser.line(thread, rest.trim_start());
    }
    parser.events
}

struct Parser {
    root: PathBuf,
    without: Vec<PathBuf>,
    events: Vec<Event>,
    /// Calls that another thread interrupted: name, arguments, number.
    begun: HashMap<String, (String, String, usize)>,
    calls: usize,
}

impl Parser {
    fn line(&mut self, thread: &str, line: &str) {
        if line.starts_with("---") || line.starts_with("+++") {
            return;
        }
        if let Some(rest) = line.strip_prefix("<... ") {
            let (name, args, call) = self.begun.remove(thread).unwrap();
            let (_, rest) = rest.split_once("resumed>").unwrap();
            let (more, result) = rest.rsplit_once(" = ").unwrap();
            let more = more.trim_end().strip_suffix(')').unwrap();
            self.end(&name, &format!("{args}{more}"), result, call);
            return;
        }
        let (name, rest) = line.split_once('(').unwrap();
        let call = self.calls;
        self.calls += 1;
        if let Some(args) = rest.strip_suffix("<unfinished ...>") {
            let args = args.trim_end().to_owned();
            self.begin(name, &args, call);
            self.begun
                .insert(thread.to_owned(), (name.to_owned(), args, call));
            return;
        }
        let (args, result) = rest.rsplit_once(" = ").unwrap();
        let args = args.trim_end().strip_suffix(')').unwrap();
        self.begin(name, args, call);
        self.end(name, args, result, call);
    }

    /// What may have its effect from the start of the call on.
    fn begin(&mut self, name: &str, args: &str, call: usize) {
        match name {
            "write" | "pwrite64" => {
                let args = split(args);
                let (fd, path) = descriptor(&args[0]);
                if fd == 1 {
                    let said = String::from_utf8(unhex(&args[1])).unwrap();
                    self.events.push(Event::Said(said));
                } else if self.inside(&path).is_some() {
                    self.events.push(Event::Write {
                        call,
                        fd,
                        offset: args.get(3).map(|offset| offset.parse().unwrap()),
                        bytes: unhex(&args[1]),
                    });
                }
            }
            "fsync" | "fdatasync" => {
                let (fd, path) = descriptor(&split(args)[0]);
                if self.inside(&path).is_some() {
                    self.events.push(Event::Sync { call, fd });
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str, args: &str, result: &str, call: usize) {
        // Failed, or never returned because the process was killed in it.
        if result.trim_start().starts_with(['-', '?']) {
            return;
        }
        let args = split(args);
        match name {
            "openat" => {
                let (fd, _) = descriptor(result);
                self.events.push(Event::Open {
                    fd,
                    path: self.inside(&resolve(&args[0], &args[1])),
                    create: args[2].contains("O_CREAT"),
                    truncate: args[2].contains("O_TRUNC"),
                });
            }
            "mkdir" => self.one(&path(&args[0]), Event::MakeDir),
            "unlink" | "rmdir" => self.one(&path(&args[0]), Event::Remove),
            "unlinkat" => self.one(&resolve(&args[0], &args[1]), Event::Remove),
            "rename" => {
                let (from, to) = (path(&args[0]), path(&args[1]));
                if let (Some(from), Some(to)) = (self.inside(&from), self.inside(&to)) {
                    assert_eq!(from.parent(), to.parent(), "renames cross no folders");
                    self.events.push(Event::Rename(from, to));
                }
            }
            "ftruncate" => {
                let (fd, path) = descriptor(&args[0]);
                if self.inside(&path).is_some() {
                    let len = args[1].parse().unwrap();
                    self.events.push(Event::SetLen { fd, len });
                }
            }
            "write" | "pwrite64" | "fsync" | "fdatasync" => {
                self.events.push(Event::Done { call });
            }
            // Into the copy that is thrown away, and nowhere else.
            "copy_file_range" => {
                let target = descriptor(&args[2]).1;
                assert!(self.inside(&target).is_none(), "{}", target.display());
            }
            // Makes nothing durable in this model.
            "sync_file_range" => {}
            other => {
                let paths: Vec<PathBuf> = args
                    .iter()
                    .filter(|arg| arg.contains('<'))
                    .map(|arg| descriptor(arg).1)
                    .collect();
                let known = paths.iter().all(|path| self.inside(path).is_none());
                assert!(
                    known && !paths.is_empty(),
                    "{other} is not modelled: {args:?}"
                );
            }
        }
    }

    fn one(&mut self, path: &Path, event: fn(PathBuf) -> Event) {
        if let Some(path) = self.inside(path) {
            self.events.push(event(path));
        }
    }

    fn inside(&self, path: &Path) -> Option<PathBuf> {
        if self.without.iter().any(|other| path.starts_with(other)) {
            return None;
        }
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }
}

/// Arguments at commas; strings are hex and paths are hex, so no comma hides in them.
fn split(args: &str) -> Vec<String> {
    args.split(", ").map(str::to_owned).collect()
}

/// `5<\x2f..>` or `AT_FDCWD<\x2f..>`.
fn descriptor(arg: &str) -> (u32, PathBuf) {
    let (fd, rest) = arg.split_once('<').unwrap();
    let name = rest.rsplit_once('>').map_or(rest, |(name, _)| name);
    (
        fd.trim().parse().unwrap_or(u32::MAX),
        to_path(unhex_text(name)),
    )
}

fn resolve(folder: &str, name: &str) -> PathBuf {
    descriptor(folder).1.join(path(name))
}

fn path(arg: &str) -> PathBuf {
    to_path(unhex(arg))
}

fn to_path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes).unwrap())
}

/// `"\x41\x42"`; a string that was cut short ends in dots, which must not happen.
fn unhex(arg: &str) -> Vec<u8> {
    let text = arg
        .trim()
        .strip_prefix('"')
        .unwrap()
        .strip_suffix('"')
        .unwrap();
    unhex_text(text)
}

fn unhex_text(text: &str) -> Vec<u8> {
    text.split("\\x")
        .skip(1)
        .map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap())
        .collect()
}

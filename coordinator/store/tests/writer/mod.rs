//! A process that writes into a journal and says what was acknowledged, and the judge of what it left behind.
//!
//! A test that needs it starts itself again: the child is the same test of the same binary, told apart by
//! [`FOLDER`] in its environment. Batch number n always has the content [`batch`] of n, so the judge knows what must
//! be there without having seen it.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rand_core::Rng;
use sha2::{Digest, Sha256};
use stoa_store::conformance::SeededRng;
use stoa_store::{Backend, DataKey, Journal, StoreError};

/// Set in the child: the data folder.
pub(crate) const FOLDER: &str = "STOA_STORE_WRITER_FOLDER";
/// Set in the child: what it does.
pub(crate) const ORDERS: &str = "STOA_STORE_WRITER_ORDERS";

/// Stands in every batch in clear, so that it would be found on the disk.
pub(crate) const MARK: &[u8] = b"plaintext-that-must-not-reach-the-disk";

pub(crate) fn key() -> DataKey {
    DataKey::from_bytes(&[0x55; 32])
}

/// The content of batch `number`: most are small, some take several pieces, some several windows.
pub(crate) fn batch(number: u64) -> Vec<u8> {
    let mut rng = SeededRng::new(number);
    let size = match number % 16 {
        3 | 11 => 4_000 + rng.next_u32() as usize % 9_000,
        7 => 100_000 + rng.next_u32() as usize % 100_000,
        _ => rng.next_u32() as usize % 900,
    };
    let mut content = MARK.to_vec();
    content.extend_from_slice(&number.to_be_bytes());
    let mut random = vec![0; size];
    rng.fill_bytes(&mut random);
    content.extend_from_slice(&random);
    content
}

/// The snapshot after batch `number`: long enough for several pieces.
pub(crate) fn snapshot(number: u64) -> Vec<u8> {
    let mut content = b"snapshot".to_vec();
    content.extend_from_slice(MARK);
    content.extend_from_slice(&number.to_be_bytes());
    content.resize(9_000, number as u8);
    content
}

/// Opens (or creates) the journal and checks that it holds exactly the batches up to its position.
pub(crate) fn open_and_judge(dir: &Path) -> Result<Journal, StoreError> {
    let (journal, contents) = Journal::open(dir, key(), Backend::Sled)?;
    let mut contents = contents.iter();
    let base = journal.base();
    if base > 0 {
        let found = contents.next().unwrap();
        assert!(
            found.as_slice() == snapshot(base),
            "snapshot {base} is not what was written"
        );
    }
    let mut number = base;
    for content in contents {
        number += 1;
        assert!(
            content.as_slice() == batch(number),
            "batch {number} is not what was written"
        );
    }
    assert_eq!(journal.position().sequence, number);
    Ok(journal)
}

/// The child's side: does what [`ORDERS`] say, and ends without closing anything. Does nothing in the parent.
///
/// Orders, separated by blanks: `create`, `open`, `append:N`, `forever` (appends, and compacts now and then),
/// `until-it-fails` (appends), `room-again` (lifts the limit that made it fail), `reopen`,
/// `compact`, `close`, `hold` (waits for its stdin to end).
pub(crate) fn child_if_told() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let mut rng = SeededRng::new(u64::from(std::process::id()));
    let mut journal: Option<Journal> = None;
    for order in std::env::var(ORDERS).unwrap().split_whitespace() {
        match order.split_once(':').unwrap_or((order, "1")) {
            ("create", _) => {
                let made = Journal::create(&dir, key(), Backend::Sled, &mut rng);
                journal = Some(made.unwrap());
                say("created", 0);
            }
            ("open", _) => {
                let opened = open_and_judge(&dir).unwrap();
                say("opened", opened.position().sequence);
                journal = Some(opened);
            }
            ("append", count) => {
                let journal = journal.as_mut().unwrap();
                for _ in 0..count.parse().unwrap() {
                    if append(journal, &mut rng).is_err() {
                        std::process::exit(3);
                    }
                }
            }
            ("until-it-fails", _) => while append(journal.as_mut().unwrap(), &mut rng).is_ok() {},
            ("room-again", _) => {
                use rustix::process::{Resource, getrlimit, setrlimit};
                let mut limit = getrlimit(Resource::Fsize);
                limit.current = limit.maximum;
                setrlimit(Resource::Fsize, limit).unwrap();
            }
            ("reopen", _) => match journal.take().unwrap().reopen() {
                Ok((opened, _)) => {
                    say("opened", opened.position().sequence);
                    journal = Some(opened);
                }
                Err(error) => {
                    say(&format!("failed ({error})"), 0);
                    std::process::exit(4);
                }
            },
            ("forever", _) => {
                let journal = journal.as_mut().unwrap();
                loop {
                    append(journal, &mut rng).unwrap();
                    if rng.next_u32().is_multiple_of(40) {
                        compact(journal, &mut rng);
                    }
                }
            }
            ("compact", _) => compact(journal.as_mut().unwrap(), &mut rng),
            ("close", _) => {
                journal = None;
                say("closed", 0);
            }
            ("hold", _) => {
                say("holding", 0);
                let _ = std::io::stdin().read_line(&mut String::new());
            }
            (order, _) => panic!("no such order: {order}"),
        }
    }
    // Like a kill: no destructor runs, nothing is flushed.
    std::process::exit(0);
}

fn append(journal: &mut Journal, rng: &mut SeededRng) -> Result<(), StoreError> {
    let number = journal.position().sequence + 1;
    say("trying", number);
    match journal.append(&batch(number), rng) {
        Ok((sequence, _)) => {
            say("acknowledged", sequence);
            Ok(())
        }
        Err(error) => {
            say(&format!("failed ({error})"), number);
            Err(error)
        }
    }
}

fn compact(journal: &mut Journal, rng: &mut SeededRng) {
    let number = journal.position().sequence;
    say("compacting", number);
    journal.compact(&snapshot(number), rng).unwrap();
    say("compacted", number);
}

/// One line on stdout in one write: it has left the process when the next order begins.
fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\nwriter: {what} {number}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

/// What a child said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The last number acknowledged, opened included.
    pub(crate) acknowledged: u64,
    /// The last number tried.
    pub(crate) tried: u64,
    /// All lines, for failures.
    pub(crate) lines: Vec<String>,
}

impl Said {
    pub(crate) fn hear(&mut self, line: &str) {
        let Some((what, number)) = line
            .strip_prefix("writer: ")
            .and_then(|rest| rest.rsplit_once(' '))
        else {
            return;
        };
        let number = number.parse().unwrap();
        match what {
            "acknowledged" | "opened" => {
                self.acknowledged = number;
                self.tried = self.tried.max(number);
            }
            "trying" => self.tried = number,
            _ => {}
        }
        self.lines.push(line.to_owned());
    }
}

/// This test again, as a writer: `test` is its full name.
pub(crate) fn command(test: &str, dir: &Path, orders: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(FOLDER, dir)
        .env(ORDERS, orders);
    command
}

pub(crate) fn start(test: &str, dir: &Path, orders: &str) -> Child {
    command(test, dir, orders)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Runs a writer to its end; gives what it said and its exit code.
pub(crate) fn run(test: &str, dir: &Path, orders: &str) -> (Said, Option<i32>) {
    let mut child = start(test, dir, orders);
    let said = hear(&mut child);
    (said, child.wait().unwrap().code())
}

/// Everything a child says until it ends.
pub(crate) fn hear(child: &mut Child) -> Said {
    let mut said = Said::default();
    hear_rest(&mut BufReader::new(child.stdout.take().unwrap()), &mut said);
    said
}

/// The rest of what a child says.
pub(crate) fn hear_rest(out: &mut impl BufRead, said: &mut Said) {
    while hear_line(out, said) {}
}

/// What a child says up to the line that starts with `last`.
pub(crate) fn hear_until(out: &mut impl BufRead, last: &str) -> Said {
    let mut said = Said::default();
    let heard = |said: &Said| said.lines.last().is_some_and(|line| line.starts_with(last));
    while !heard(&said) && hear_line(out, &mut said) {}
    said
}

/// What a child says until so many batches are acknowledged.
pub(crate) fn hear_acknowledged(out: &mut impl BufRead, batches: usize) -> Said {
    let mut said = Said::default();
    let heard = |said: &Said| {
        let lines = said.lines.iter();
        lines
            .filter(|line| line.starts_with("writer: acknowledged"))
            .count()
    };
    while heard(&said) < batches && hear_line(out, &mut said) {}
    said
}

/// One line; false at the end. The last line of a killed child may be half, and half a line is no acknowledgement.
fn hear_line(out: &mut impl BufRead, said: &mut Said) -> bool {
    let mut line = String::new();
    let whole = out.read_line(&mut line).is_ok() && line.ends_with('\n');
    if whole {
        said.hear(line.trim_end());
    }
    whole
}

/// A temporary folder in memory where there is such a place: for tests that judge content and not the disk. Syncs cost
/// nothing there.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Every file and folder with its content's hash.
pub(crate) fn fingerprint(dir: &Path) -> BTreeMap<PathBuf, Option<[u8; 32]>> {
    let mut found = BTreeMap::new();
    for path in tree(dir) {
        let hash = path
            .is_file()
            .then(|| Sha256::digest(std::fs::read(&path).unwrap()).into());
        found.insert(path.strip_prefix(dir).unwrap().to_owned(), hash);
    }
    found
}

/// All files and folders below `dir`.
pub(crate) fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

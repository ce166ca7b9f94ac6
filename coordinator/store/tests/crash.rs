//! Processes that die, fail and meet: nothing acknowledged is lost, and nobody writes beside anybody.
//!
//! These run without privileges and without strace; the power cut, where un-synced writes are lost too, is
//! `tests/power_cut.rs`. Promises I3 and I5.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod writer;

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand_core::Rng;
use stoa_explain::Explain;
use stoa_store::conformance::SeededRng;
use stoa_store::{Backend, DataKey, Folder, Journal};

/// Rounds of the kill loop.
fn kills() -> usize {
    if std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1") {
        300
    } else {
        20
    }
}

/// Threads and writers that keep the machine busy meanwhile.
const LOAD_THREADS: usize = 3;

/// Keeps the processor and the disk busy until dropped.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(dir: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..LOAD_THREADS)
            .map(|number| {
                let stop = stop.clone();
                let path = dir.join(format!("load-{number}"));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        std::fs::write(&path, writer::batch(7)).unwrap();
                        std::fs::File::open(&path).unwrap().sync_all().unwrap();
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_writer_killed_at_any_moment_under_load_loses_nothing_acknowledged() {
    writer::child_if_told();
    let test = "a_writer_killed_at_any_moment_under_load_loses_nothing_acknowledged";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _load = Load::start(dir.path());
    let mut rng = SeededRng::new(u64::from(std::process::id()));
    let (said, code) = writer::run(test, &data, "create append:3");
    assert_eq!((said.acknowledged, code), (3, Some(0)));
    let mut acknowledged = said.acknowledged;
    let (mut in_flight, mut while_opening) = (0, 0);
    for round in 0..kills() {
        let mut child = writer::start(test, &data, "open forever");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // Every third dies while it opens, the others after some batches: in the middle of the next one.
        let batches = if round % 3 == 0 {
            0
        } else {
            1 + rng.next_u32() as usize % 40
        };
        let mut said = writer::hear_acknowledged(&mut out, batches);
        let micros = if batches == 0 { 150_000 } else { 30_000 };
        let wait = Duration::from_micros(u64::from(rng.next_u32() % micros));
        std::thread::sleep(wait);
        child.kill().unwrap();
        writer::hear_rest(&mut out, &mut said);
        child.wait().unwrap();
        let tried = said.tried.max(acknowledged);
        while_opening += usize::from(said.lines.is_empty());
        acknowledged = acknowledged.max(said.acknowledged);
        let journal = writer::open_and_judge(&data).unwrap_or_else(|error| {
            panic!("round {round}, killed {wait:?} after {batches} batches: {error}; {said:?}");
        });
        let found = journal.position().sequence;
        assert!(
            found == acknowledged || found == tried,
            "round {round}: found {found}, acknowledged {acknowledged}, tried {tried}"
        );
        in_flight += usize::from(found > acknowledged);
        acknowledged = found;
    }
    eprintln!(
        "{acknowledged} batches, {in_flight} kept in flight, {while_opening} killed while opening"
    );
    assert!(
        acknowledged > 100,
        "only {acknowledged} batches were written"
    );
}

#[test]
fn a_second_process_is_refused_at_once() {
    writer::child_if_told();
    let test = "a_second_process_is_refused_at_once";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut child = writer::start(test, &data, "create append:2 hold");
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let said = writer::hear_until(&mut out, "writer: holding");
    assert_eq!(said.acknowledged, 2);
    let before = Instant::now();
    let opened = Journal::open(&data, writer::key(), Backend::Sled);
    assert_eq!(opened.unwrap_err().code(), "journal-locked");
    let made = Journal::create(&data, writer::key(), Backend::Sled, &mut SeededRng::new(1));
    assert_eq!(made.unwrap_err().code(), "journal-locked");
    // Without waiting for the other to end; the rest is the machine's load.
    assert!(
        before.elapsed() < Duration::from_secs(3),
        "{:?}",
        before.elapsed()
    );
    // The first goes on, and the folder is free when it ends.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(
        writer::open_and_judge(&data).unwrap().position().sequence,
        2
    );
}

#[test]
fn two_processes_that_start_on_an_empty_folder_found_one_journal() {
    writer::child_if_told();
    let test = "two_processes_that_start_on_an_empty_folder_found_one_journal";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let orders = "create append:3 hold";
    let children: Vec<_> = (0..4)
        .map(|_| {
            writer::command(test, &data, orders)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    // Nobody holds longer than it takes the others to be refused.
    std::thread::sleep(Duration::from_millis(1500));
    let said: Vec<_> = children
        .into_iter()
        .map(|mut child| {
            drop(child.stdin.take());
            let said = writer::hear(&mut child);
            child.wait().unwrap();
            said
        })
        .filter(|said| said.acknowledged > 0)
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        writer::open_and_judge(&data).unwrap().position().sequence,
        3
    );
}

/// A writer whose files may grow to so many KiB and no further: writes fail in the middle, as on a full disk. The signal
/// that would kill it is ignored, which only a shell can do for a program without unsafe code.
fn run_limited(test: &str, data: &Path, kibibytes: usize, orders: &str) -> writer::Said {
    let blocks = kibibytes * shell_blocks_per_kibibyte();
    let writer = writer::command(test, data, orders);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$@\""))
        .arg("sh")
        .arg(writer.get_program())
        .args(writer.get_args())
        .envs(
            writer
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        );
    let mut child = shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = writer::hear(&mut child);
    child.wait().unwrap();
    said
}

fn failures(said: &writer::Said) -> usize {
    let failed = said.lines.iter().filter(|line| line.contains("failed ("));
    failed.count()
}

#[test]
fn a_disk_that_takes_no_more_loses_nothing_acknowledged() {
    writer::child_if_told();
    let test = "a_disk_that_takes_no_more_loses_nothing_acknowledged";
    let dir = tempfile::tempdir().unwrap();
    for (number, kibibytes) in [600, 900, 1100, 1700, 2300].into_iter().enumerate() {
        let data = dir.path().join(format!("data-{number}"));
        let (said, _) = writer::run(test, &data, "create append:2");
        assert_eq!(said.acknowledged, 2);
        // Reopening needs room for the copy, so it is refused too, and changes nothing.
        let orders = "open until-it-fails reopen";
        let said = run_limited(test, &data, kibibytes, orders);
        assert_eq!(failures(&said), 2, "limit of {kibibytes} KiB: {said:?}");
        let journal = writer::open_and_judge(&data).unwrap();
        let found = journal.position().sequence;
        assert!(
            found == said.acknowledged || found == said.tried,
            "found {found}; {said:?}"
        );
        drop(journal);
        // With room again it goes on.
        let (said, code) = writer::run(test, &data, "open append:5 compact append:5");
        assert_eq!((said.acknowledged, code), (found + 10, Some(0)));
    }
}

#[test]
fn a_journal_that_a_full_disk_stopped_goes_on_in_the_same_process_when_there_is_room() {
    writer::child_if_told();
    let test = "a_journal_that_a_full_disk_stopped_goes_on_in_the_same_process_when_there_is_room";
    let dir = tempfile::tempdir().unwrap();
    for (number, kibibytes) in [600, 1100, 2300].into_iter().enumerate() {
        let data = dir.path().join(format!("data-{number}"));
        writer::run(test, &data, "create append:2");
        let orders = "open until-it-fails room-again reopen append:7 compact append:2";
        let said = run_limited(test, &data, kibibytes, orders);
        assert_eq!(failures(&said), 1, "limit of {kibibytes} KiB: {said:?}");
        let compacted = said.lines.iter().any(|line| line.contains("compacted"));
        assert!(compacted, "{said:?}");
        let journal = writer::open_and_judge(&data).unwrap();
        assert_eq!(journal.position().sequence, said.acknowledged);
    }
}

/// `ulimit -f` counts blocks of 512 bytes in POSIX shells and of 1024 in some others.
fn shell_blocks_per_kibibyte() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("measure");
    let script = "trap '' XFSZ; ulimit -f 2; head -c 4096 /dev/zero > \"$1\"";
    let done = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(&path)
        .stderr(Stdio::null())
        .status();
    done.unwrap();
    match std::fs::metadata(&path).unwrap().len() {
        1024 => 2,
        2048 => 1,
        other => panic!("two blocks of this shell are {other} bytes"),
    }
}

#[test]
fn another_data_key_is_refused_by_name_and_changes_nothing() {
    writer::child_if_told();
    let test = "another_data_key_is_refused_by_name_and_changes_nothing";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    writer::run(test, &data, "create append:5");
    let before = writer::fingerprint(&data);
    let other = DataKey::from_bytes(&[0x66; 32]);
    let (found, given) = (hex::encode(writer::key().id()), hex::encode(other.id()));
    let error = Journal::open(&data, other, Backend::Sled).unwrap_err();
    assert_eq!(error.code(), "journal-key-foreign");
    let text = error.to_string();
    assert!(
        text.ends_with(&format!(
            "is sealed under data key {found}, the key given is {given}"
        )),
        "{text}"
    );
    assert_eq!(writer::fingerprint(&data), before);
    writer::open_and_judge(&data).unwrap();
}

#[test]
fn the_journal_can_be_surveyed_without_its_key_and_nothing_changes() {
    writer::child_if_told();
    let test = "the_journal_can_be_surveyed_without_its_key_and_nothing_changes";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    writer::run(test, &data, "create append:5 compact append:2");
    let before = writer::fingerprint(&data);
    let survey = Journal::survey(Folder::lock(&data).unwrap()).unwrap();
    assert_eq!(writer::fingerprint(&data), before);
    assert_eq!((survey.base, survey.key), (5, writer::key().id()));
    let journal = writer::open_and_judge(&data).unwrap();
    assert_eq!(journal.position(), survey.position);
}

#[test]
fn nothing_is_founded_over_a_journal_that_is_gone() {
    writer::child_if_told();
    let test = "nothing_is_founded_over_a_journal_that_is_gone";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert!(!Journal::exists(&data).unwrap());
    let missing = Journal::open(&data, writer::key(), Backend::Sled);
    assert_eq!(missing.unwrap_err().code(), "journal-missing");
    assert!(!data.exists(), "opening made the folder");
    writer::run(test, &data, "create append:1");
    assert!(Journal::exists(&data).unwrap());
    std::fs::remove_dir_all(data.join("journal")).unwrap();
    assert_eq!(Journal::exists(&data).unwrap_err().code(), "journal-gone");
    let made = Journal::create(&data, writer::key(), Backend::Sled, &mut SeededRng::new(1));
    assert_eq!(made.unwrap_err().code(), "journal-gone");
}

#[test]
fn a_creation_that_was_interrupted_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let unfinished = dir
        .path()
        .join("journal.new")
        .join("records.0000000000000000");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("db"), b"half").unwrap();
    assert!(!Journal::exists(dir.path()).unwrap());
    let mut rng = SeededRng::new(1);
    let made = Journal::create(dir.path(), writer::key(), Backend::Sled, &mut rng);
    drop(made.unwrap());
    assert!(!dir.path().join("journal.new").exists());
    writer::open_and_judge(dir.path()).unwrap();
}

#[test]
fn no_plaintext_reaches_the_disk() {
    writer::child_if_told();
    let test = "no_plaintext_reaches_the_disk";
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for orders in [
        "create append:40",
        "open compact append:10",
        "open append:1 close",
    ] {
        writer::run(test, &data, orders);
        let folder = Folder::lock(&data).unwrap();
        folder
            .write_sealed_key(&stoa_store::keyfile::wrap(
                &[0x33; 32],
                &writer::key(),
                stoa_store::keyfile::SealMode::UniqueKey,
                &mut SeededRng::new(1),
            ))
            .unwrap();
        drop(folder);
        let mut bytes = 0;
        for path in writer::tree(&data) {
            if path.is_file() {
                let content = std::fs::read(&path).unwrap();
                bytes += content.len();
                let secrets: [&[u8]; 3] = [writer::MARK, &[0x55; 8], &[0x33; 8]];
                for secret in secrets {
                    assert!(
                        !content.windows(secret.len()).any(|found| found == secret),
                        "{} holds {secret:?}",
                        path.display()
                    );
                }
            }
        }
        assert!(bytes > 20_000, "only {bytes} bytes were searched");
    }
    // The search finds what is there.
    assert!(
        writer::batch(1)
            .windows(writer::MARK.len())
            .any(|found| found == writer::MARK)
    );
}

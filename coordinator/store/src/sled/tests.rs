#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_explain::Explain;

use super::*;
use crate::conformance::{self, SeededRng};
use crate::folder::{HEAD, JOURNAL};
use crate::journal::{Backend, Journal, Opened};
use crate::key::DataKey;

fn key() -> DataKey {
    DataKey::from_bytes(&[0x55; 32])
}

/// A closed journal of `batches` small batches.
fn journal(batches: u8) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SeededRng::new(1);
    let mut journal = Journal::create(dir.path(), key(), Backend::Sled, &mut rng).unwrap();
    for batch in 1..=batches {
        journal.append(&[batch; 100], &mut rng).unwrap();
    }
    dir
}

fn open_journal(dir: &Path) -> Result<(Journal, Opened), StoreError> {
    Journal::open(dir, key(), Backend::Sled)
}

fn records(dir: &Path, base: u64) -> PathBuf {
    dir.join(JOURNAL).join(folder_name(base))
}

#[test]
fn the_store_on_sled_keeps_the_promises_of_the_port() {
    let dir = tempfile::tempdir().unwrap();
    make(&dir.path().join(folder_name(0)), &[]).unwrap();
    let (mut store, _) = SledStore::open(dir.path(), 0, Watch::default()).unwrap();
    conformance::store(&mut store).unwrap();
}

#[test]
fn folder_names_are_read_back_and_nothing_else_is() {
    for base in [0, 1, 0xabc, u64::MAX] {
        assert_eq!(base_of(&folder_name(base)), Some(base));
    }
    for name in [
        "records.1",
        "records.0000000000000001.new",
        "records.000000000000000A",
        "records.+000000000000001",
        "head",
    ] {
        assert_eq!(base_of(name), None, "{name}");
    }
}

#[test]
fn an_interrupted_append_of_many_windows_is_dropped_and_overwritten() {
    let dir = journal(2);
    // Record 3 as a crash between two windows leaves it: 32 of its 50 pieces.
    let big = vec![3; 50 * CHUNK_LEN_MAX - envelope::RECORD_OVERHEAD];
    let head = dir.path().join(JOURNAL).join(HEAD);
    let head_before = std::fs::read(&head).unwrap();
    let (mut grown, _) = open_journal(dir.path()).unwrap();
    grown.append(&big, &mut SeededRng::new(2)).unwrap();
    drop(grown);
    std::fs::write(&head, head_before).unwrap();
    let folder = records(dir.path(), 0);
    let db = super::open(&folder).unwrap();
    for index in 32..50 {
        assert!(db.remove(super::key(RECORD, 3, index)).unwrap().is_some());
    }
    db.flush().unwrap();
    close(db, &folder).unwrap();

    let (mut journal, contents) = open_journal(dir.path()).unwrap();
    assert_eq!(contents.len(), 2);
    // A shorter record takes its place: none of the old pieces may stay behind it.
    journal.append(b"short", &mut SeededRng::new(3)).unwrap();
    drop(journal);
    let (journal, contents) = open_journal(dir.path()).unwrap();
    assert_eq!(contents[2].as_slice(), b"short");
    assert_eq!(journal.position().sequence, 3);
}

#[test]
fn pieces_missing_from_an_acknowledged_record_are_a_refusal() {
    for sequence in [1, 2] {
        let dir = journal(2);
        let folder = records(dir.path(), 0);
        let db = super::open(&folder).unwrap();
        db.remove(super::key(RECORD, sequence, 0)).unwrap();
        db.flush().unwrap();
        close(db, &folder).unwrap();
        let error = open_journal(dir.path()).unwrap_err();
        let code = if sequence == 2 {
            "journal-shorter-than-head"
        } else {
            "journal-damaged"
        };
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn an_entry_that_is_no_record_is_a_refusal() {
    let dir = journal(2);
    let folder = records(dir.path(), 0);
    let db = super::open(&folder).unwrap();
    db.insert(b"stranger", b"x").unwrap();
    db.flush().unwrap();
    close(db, &folder).unwrap();
    let error = open_journal(dir.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("its key is 737472616e676572"),
        "{error}"
    );
}

#[test]
fn a_torn_temporary_of_sled_does_no_harm_and_is_removed() {
    let dir = journal(3);
    let folder = records(dir.path(), 0);
    let torn = folder.join("snap.00000000000FFFFF.generating");
    std::fs::write(&torn, b"torn").unwrap();
    // Without the guard sled takes it for its newest snapshot; if it ever does not, this guard can go.
    let unguarded = dir.path().join("unguarded");
    disk::copy_tree(&folder, &unguarded, |_| false).unwrap();
    assert!(super::open(&unguarded).is_err());

    let (_journal, contents) = open_journal(dir.path()).unwrap();
    assert_eq!(contents.len(), 3);
    assert!(!torn.exists());
}

#[test]
fn a_missing_log_is_refused_and_not_made_anew() {
    let dir = journal(3);
    let log = records(dir.path(), 0).join(LOG);
    std::fs::remove_file(&log).unwrap();
    let error = open_journal(dir.path()).unwrap_err();
    assert!(error.to_string().ends_with("holds no file `db`"), "{error}");
    assert!(!log.exists());
}

#[test]
fn a_file_that_sled_never_syncs_is_refused() {
    let dir = journal(3);
    std::fs::write(records(dir.path(), 0).join(BLOBS).join("17"), b"blob").unwrap();
    let error = open_journal(dir.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("holds `blobs/17`, which sled never syncs"),
        "{error}"
    );
}

/// The guard rests on it: 4 KiB pieces in leaves of any filling stay inside sled's log.
#[test]
fn no_mixture_of_record_sizes_makes_sled_write_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SeededRng::new(4);
    let mut journal = Journal::create(dir.path(), key(), Backend::Sled, &mut rng).unwrap();
    for step in 0..120_usize {
        let size = [10, 700, 4008, 4096, 9000, 70_000, 300_000][step % 7];
        // An append fails if `blobs/` is not empty after it.
        journal.append(&vec![1; size], &mut rng).unwrap();
    }
}

#[test]
fn a_compaction_that_was_interrupted_leaves_the_old_or_the_new_state() {
    let mut rng = SeededRng::new(5);
    let dir = journal(3);
    let keep = tempfile::tempdir().unwrap();
    let old = keep.path().join("old");
    disk::copy_tree(&records(dir.path(), 0), &old, |_| false).unwrap();
    let (mut compacted, _) = open_journal(dir.path()).unwrap();
    compacted.compact(b"snapshot", &mut rng).unwrap();
    drop(compacted);
    assert!(!records(dir.path(), 0).exists());

    // Before the rename: the new folder has its unfinished name.
    let unfinished = records(dir.path(), 3).with_extension("0000000000000003.new");
    disk::copy_tree(&old, &records(dir.path(), 0), |_| false).unwrap();
    std::fs::rename(records(dir.path(), 3), &unfinished).unwrap();
    assert!(unfinished.exists());
    let (journal, contents) = open_journal(dir.path()).unwrap();
    assert_eq!((contents.len(), journal.base()), (3, 0));
    assert!(!unfinished.exists());
    drop(journal);

    // After the rename, before the old folder was removed.
    let (mut journal, _) = open_journal(dir.path()).unwrap();
    journal.compact(b"snapshot", &mut rng).unwrap();
    drop(journal);
    disk::copy_tree(&old, &records(dir.path(), 0), |_| false).unwrap();
    let (journal, contents) = open_journal(dir.path()).unwrap();
    assert_eq!((contents.len(), journal.base()), (1, 3));
    assert_eq!(contents[0].as_slice(), b"snapshot");
    assert!(!records(dir.path(), 0).exists());
}

#[test]
fn a_folder_under_a_name_that_its_snapshot_denies_is_refused() {
    let dir = journal(3);
    std::fs::rename(records(dir.path(), 0), records(dir.path(), 7)).unwrap();
    let error = open_journal(dir.path()).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "should hold a snapshot up to record 7, but its snapshot goes up to record 0 (0: none)"
        ),
        "{error}"
    );
    std::fs::remove_dir_all(records(dir.path(), 7)).unwrap();
    let error = open_journal(dir.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("holds no folder `records.N`"),
        "{error}"
    );
}

#[test]
fn a_panic_becomes_one_short_line() {
    let said = guarded(|| panic!("{}", "x".repeat(5000))).unwrap_err();
    assert_eq!(said.len(), "it panicked: ".len() + 200);
    let said = guarded(|| panic!("first\nsecond")).unwrap_err();
    assert_eq!(said, "it panicked: first");
    assert_eq!(guarded(|| 7), Ok(7));
}

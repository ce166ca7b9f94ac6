//! sled 0.34.7 behind its guard.
//!
//! What sled does not promise, and what the guard does about it (measured; docs/decisions/0007-sled-behind-a-guard.md):
//!
//! - Its `flush` is no fsync on Linux: after each flush its log `db` is synced through a second handle.
//! - It reuses a place in its log once the replacement was flushed in its own sense. Between two syncs at most
//!   [`WINDOW_CHUNKS`] pieces are written, a quarter of a log segment, and a place is free for reuse two segments after
//!   its replacement at the earliest: so the replacement was synced before.
//! - Anything above a quarter of a segment it moves into `blobs/`, which it never syncs: pieces are
//!   [`CHUNK_LEN_MAX`] bytes at most, and `blobs/` is checked to be empty.
//! - Damage makes it panic, and in its newest segment it drops records and overwrites them: it is opened on a copy
//!   first, under `catch_unwind`.
//! - A torn `snap.*.generating` is read as a snapshot: left out of the copy, removed before the original is opened.
//! - Deleting is the part of sled that is used least: compaction makes a new folder and takes away the old one.
//!
//! Keys: kind (`r` record, `s` snapshot), sequence (u64), index of the piece (u32), big-endian; values: pieces.
//!
//! Does not live here: the order of opening (`files`), seals (`envelope`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::sled::{Batch, Config, Db};

use crate::disk::{self, NEW_SUFFIX, Step, SyncedFile, Watch};
use crate::envelope::{self, CHUNK_LEN_MAX, Sealed};
use crate::error::{RecordFault, StoreError};
use crate::store::{Loaded, Store, Unfinished};

pub(crate) const FOLDER_PREFIX: &str = "records.";

/// Pieces written between two syncs: 128 KiB of a segment of 512 KiB.
const WINDOW_CHUNKS: usize = 32;

/// sled's page cache. The journal is read once and then only written.
const CACHE_BYTES: u64 = 16 << 20;

/// How long sled's own threads may hold its lock after it was closed.
const CLOSE_WAIT: Duration = Duration::from_secs(15);
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// Its log.
const LOG: &str = "db";
const BLOBS: &str = "blobs";

const RECORD: u8 = b'r';
const SNAPSHOT: u8 = b's';
const KEY_LEN: usize = 1 + 8 + 4;

/// `records.` and the base as 16 hex digits.
pub(crate) fn folder_name(base: u64) -> String {
    format!("{FOLDER_PREFIX}{base:016x}")
}

/// The base in a folder's name; `None` for any other name, unfinished folders included.
pub(crate) fn base_of(name: &str) -> Option<u64> {
    let base = u64::from_str_radix(name.strip_prefix(FOLDER_PREFIX)?, 16).ok()?;
    (folder_name(base) == name).then_some(base)
}

/// A temporary of sled's that a crash left behind. sled would take it for its newest snapshot.
pub(crate) fn is_leftover(name: &str) -> bool {
    name.starts_with("snap.") && name.ends_with(".generating")
}

/// Removes sled's left-over temporaries, durable when it returns.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), StoreError> {
    for entry in disk::entries(folder)? {
        if is_leftover(&entry.name) {
            disk::remove_file(&entry.path)?;
        }
    }
    disk::sync_folder(folder)
}

/// Makes a sled folder with these entries (kind, sequence, record) and closes it. Everything in it is synced; its name
/// is not.
pub(crate) fn make(folder: &Path, entries: &[(u8, u64, &Sealed)]) -> Result<(), StoreError> {
    let db = open(folder).map_err(failed(folder, "create its database"))?;
    let log = SyncedFile::open(&folder.join(LOG), Step::RecordsSynced, Watch::default())?;
    let written = entries.iter().try_for_each(|(kind, sequence, record)| {
        write(
            &db,
            &log,
            folder,
            (*kind, *sequence, *record),
            &Watch::default(),
        )
    });
    let closed = close(db, folder);
    written.and(closed)?;
    disk::sync_tree(folder)
}

/// Reads the folder `copy`, which may be written to and is thrown away after; errors name the original `records`.
pub(crate) fn read(copy: &Path, records: &Path) -> Result<Loaded, StoreError> {
    // sled would make a new, empty log.
    if !copy.join(LOG).exists() {
        return Err(StoreError::BackendFolder {
            path: records.to_owned(),
            cause: format!("holds no file `{LOG}`"),
        });
    }
    check_blobs(copy, records)?;
    let refused = |cause| StoreError::BackendRefused {
        backend: "sled",
        path: records.to_owned(),
        cause,
    };
    let db = open(copy).map_err(refused)?;
    let loaded = match guarded(|| load(&db, records)) {
        Ok(loaded) => loaded,
        Err(panicked) => Err(refused(panicked)),
    };
    let closed = close(db, records);
    let loaded = loaded?;
    closed.map(|()| loaded)
}

/// The open store. One writer, no threads but sled's own.
pub(crate) struct SledStore {
    journal: PathBuf,
    folder: PathBuf,
    base: u64,
    // `None` only while a compaction changes the folder, and after it failed to.
    db: Option<Db>,
    log: SyncedFile,
    last: u64,
    watch: Watch,
}

impl SledStore {
    /// Opens the original and reads it. Only after its copy checked out.
    pub(crate) fn open(
        journal: &Path,
        base: u64,
        watch: Watch,
    ) -> Result<(Self, Loaded), StoreError> {
        let folder = journal.join(folder_name(base));
        let db = open(&folder).map_err(failed(&folder, "open its database"))?;
        let log = SyncedFile::open(&folder.join(LOG), Step::RecordsSynced, watch.clone())?;
        let mut store = Self {
            journal: journal.to_owned(),
            folder,
            base,
            db: Some(db),
            log,
            last: 0,
            watch,
        };
        // What its recovery changed is durable before anything rests on it.
        store.log.sync()?;
        disk::sync_folder(&store.folder)?;
        let loaded = store.load()?;
        store.last = loaded.last();
        Ok((store, loaded))
    }

    fn db(&self) -> Result<&Db, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError::Stopped {
            cause: "an earlier compaction failed".to_owned(),
        })
    }
}

impl Store for SledStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let db = self.db()?;
        guarded(|| load(db, &self.folder))
            .unwrap_or_else(|panicked| Err(failed(&self.folder, "read its records")(panicked)))
    }

    fn append(&mut self, after: u64, record: &Sealed) -> Result<(), StoreError> {
        if after != self.last {
            return Err(StoreError::Conflict {
                after,
                last: self.last,
            });
        }
        let entry = (RECORD, after + 1, record);
        write(self.db()?, &self.log, &self.folder, entry, &self.watch)?;
        self.last = after + 1;
        Ok(())
    }

    fn compact(&mut self, upto: u64, snapshot: &Sealed) -> Result<(), StoreError> {
        if upto > self.last || upto <= self.base {
            return Err(StoreError::Conflict {
                after: upto,
                last: self.last,
            });
        }
        let later = self.load()?.records;
        let mut entries = vec![(SNAPSHOT, upto, snapshot)];
        for (sequence, record) in later.iter().filter(|(sequence, _)| *sequence > upto) {
            entries.push((RECORD, *sequence, record));
        }
        let name = folder_name(upto);
        let new = self.journal.join(format!("{name}{NEW_SUFFIX}"));
        disk::remove_tree(&new)?;
        make(&new, &entries)?;
        disk::rename(&new, &self.journal.join(name))?;
        disk::sync_folder(&self.journal)?;
        self.watch.saw(Step::Replaced);
        // From here on the new folder is in force: its base is higher.
        let old = self.folder.clone();
        if let Some(db) = self.db.take() {
            close(db, &old)?;
        }
        (*self, _) = Self::open(&self.journal, upto, self.watch.clone())?;
        disk::remove_tree(&old)?;
        disk::sync_folder(&self.journal)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            // Nothing acknowledged rests on a clean close, so there is nothing to report.
            let _ = close(db, &self.folder);
        }
    }
}

/// Opens or makes sled's database in `folder`; its error or the message of its panic otherwise.
fn open(folder: &Path) -> Result<Db, String> {
    let config = Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    match guarded(|| config.open()) {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked),
    }
}

/// Closes the database and waits until sled's threads let go of its log: only then may anyone else touch the folder.
fn close(db: Db, folder: &Path) -> Result<(), StoreError> {
    guarded(move || drop(db)).map_err(failed(folder, "close its database"))?;
    let path = folder.join(LOG);
    let log = std::fs::File::open(&path).map_err(StoreError::io("open", &path))?;
    let deadline = Instant::now() + CLOSE_WAIT;
    loop {
        match log.try_lock() {
            Ok(()) => return Ok(()),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(CLOSE_POLL);
            }
            Err(error) => {
                return Err(failed(folder, "let go of its log")(error.to_string()));
            }
        }
    }
}

/// Writes one record or snapshot in windows; durable when it returns.
///
/// A record of several windows is whole only with its last one; an interrupted one shows by its missing pieces, and
/// they are replaced by the next record of that number.
fn write(
    db: &Db,
    log: &SyncedFile,
    folder: &Path,
    (kind, sequence, record): (u8, u64, &Sealed),
    watch: &Watch,
) -> Result<(), StoreError> {
    let sled = |error: ::sled::Error| failed(folder, "write a record")(error.to_string());
    let pieces: Vec<&[u8]> = record.chunks().collect();
    let write_all = || {
        let mut index = 0;
        for window in pieces.chunks(WINDOW_CHUNKS) {
            let mut batch = Batch::default();
            if index == 0 {
                for stale in db
                    .scan_prefix(key(kind, sequence, 0).split_at(KEY_LEN - 4).0)
                    .keys()
                {
                    batch.remove(stale.map_err(sled)?);
                }
            }
            for piece in window {
                batch.insert(&key(kind, sequence, index), *piece);
                index += 1;
            }
            db.apply_batch(batch).map_err(sled)?;
            db.flush().map_err(sled)?;
            watch.saw(Step::RecordsWritten);
            log.sync()?;
        }
        Ok(())
    };
    guarded(write_all)
        .unwrap_or_else(|panicked| Err(failed(folder, "write a record")(panicked)))?;
    check_blobs(folder, folder)
}

fn key(kind: u8, sequence: u64, index: u32) -> [u8; KEY_LEN] {
    let mut key = [kind; KEY_LEN];
    key[1..9].copy_from_slice(&sequence.to_be_bytes());
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The pieces of one record, by their indexes.
struct Pieces {
    kind: u8,
    sequence: u64,
    pieces: Vec<(u32, ::sled::IVec)>,
}

/// Reads every entry and puts the pieces together. `records` is named in errors.
fn load(db: &Db, records: &Path) -> Result<Loaded, StoreError> {
    let place = records.display().to_string();
    let mut groups: Vec<Pieces> = Vec::new();
    for entry in db.iter() {
        let (key, piece) = entry.map_err(|error| StoreError::BackendRefused {
            backend: "sled",
            path: records.to_owned(),
            cause: error.to_string(),
        })?;
        let (kind, sequence, index) = parse_key(&key).ok_or_else(|| StoreError::BackendEntry {
            place: place.clone(),
            cause: format!("its key is {}", hex::encode(&key)),
        })?;
        match groups.last_mut() {
            Some(group) if group.kind == kind && group.sequence == sequence => {
                group.pieces.push((index, piece));
            }
            _ => groups.push(Pieces {
                kind,
                sequence,
                pieces: vec![(index, piece)],
            }),
        }
    }
    let mut loaded = Loaded::default();
    let last_record = groups.iter().rposition(|group| group.kind == RECORD);
    for (at, group) in groups.iter().enumerate() {
        let sequence = group.sequence;
        match (group.kind, assemble(group)) {
            (RECORD, Ok(record)) => loaded.records.push((sequence, record)),
            (RECORD, Err(RecordFault::Incomplete { have, want })) if Some(at) == last_record => {
                loaded.unfinished = Some(Unfinished {
                    sequence,
                    have,
                    want,
                });
            }
            (_, Err(fault)) => {
                return Err(StoreError::RecordDamaged {
                    place,
                    sequence,
                    fault,
                });
            }
            (_, Ok(snapshot)) => {
                if let Some((first, _)) = &loaded.snapshot {
                    return Err(StoreError::BackendEntry {
                        place,
                        cause: format!(
                            "snapshots up to {first} and up to {sequence} stand side by side"
                        ),
                    });
                }
                loaded.snapshot = Some((sequence, snapshot));
            }
        }
    }
    Ok(loaded)
}

fn parse_key(key: &[u8]) -> Option<(u8, u64, u32)> {
    let (kind, rest) = key.split_first()?;
    let (sequence, index) = rest.split_first_chunk::<8>()?;
    let index: [u8; 4] = index.try_into().ok()?;
    matches!(*kind, RECORD | SNAPSHOT).then_some((
        *kind,
        u64::from_be_bytes(*sequence),
        u32::from_be_bytes(index),
    ))
}

fn assemble(group: &Pieces) -> Result<Sealed, RecordFault> {
    let have = group.pieces.len();
    let first = match group.pieces.first() {
        Some((0, first)) => first,
        _ => return Err(RecordFault::Incomplete { have, want: 0 }),
    };
    let len = envelope::stored_len(first).ok_or(RecordFault::Short {
        len: first.len(),
        min: envelope::RECORD_OVERHEAD,
    })?;
    let want = len.div_ceil(CHUNK_LEN_MAX);
    let mut bytes = Vec::with_capacity(have * CHUNK_LEN_MAX);
    for (at, (index, piece)) in group.pieces.iter().enumerate() {
        if usize::try_from(*index) != Ok(at) {
            return Err(RecordFault::Incomplete { have, want });
        }
        let rest = len.saturating_sub(at * CHUNK_LEN_MAX);
        if piece.len() != rest.min(CHUNK_LEN_MAX) {
            return Err(RecordFault::Piece {
                index: *index,
                len: piece.len(),
                want: rest.min(CHUNK_LEN_MAX),
            });
        }
        bytes.extend_from_slice(piece);
    }
    if have != want {
        return Err(RecordFault::Incomplete { have, want });
    }
    Ok(Sealed::from_stored(bytes))
}

/// sled never syncs `blobs/`, so nothing of ours may be in there. Errors name the original `records`.
fn check_blobs(folder: &Path, records: &Path) -> Result<(), StoreError> {
    let blobs = folder.join(BLOBS);
    if !blobs.is_dir() {
        return Ok(());
    }
    match disk::entries(&blobs)?.first() {
        None => Ok(()),
        Some(first) => Err(StoreError::BackendFolder {
            path: records.to_owned(),
            cause: format!("holds `{BLOBS}/{}`, which sled never syncs", first.name),
        }),
    }
}

fn failed(folder: &Path, action: &'static str) -> impl FnOnce(String) -> StoreError {
    move |cause| StoreError::BackendFailed {
        place: folder.display().to_string(),
        action,
        cause,
    }
}

/// Runs `work`; the message of its panic as an error. sled panics on damage and on some failures of the disk.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        // One line, and not the kilobytes of state that some of sled's messages carry.
        let line: String = text
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .take(200)
            .collect();
        format!("it panicked: {line}")
    })
}

#[cfg(test)]
mod tests;

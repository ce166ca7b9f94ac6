//! The journal: create, open, append, compact. Who holds one may rely on what it acknowledged.
//!
//! The order is the promise. Append: record durable, head durable, then the acknowledgement. Open: read, check
//! everything, compare with the head, and only then let a backend write. A failure in between stops the journal: what
//! is on disk is not known any more, and opening finds it out.
//!
//! Source: docs/reference/journal.md, 4 and 5. Does not live here: bytes (`envelope`, `head`), verdicts (`check`),
//! files (`files`, `sled`), threads (`server` calls from one).

use std::path::Path;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::check::{self, Checked};
use crate::disk::Watch;
use crate::envelope::{self, Kind};
use crate::error::StoreError;
use crate::files::Files;
use crate::folder::Folder;
use crate::ground::Ground;
use crate::head::{self, Head, Position};
use crate::key::{DataKey, Keys};
use crate::memory::Disk;
use crate::store::Store;

/// What carries the records.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Backend {
    /// sled 0.34 behind its guard, in the data folder. The default.
    Sled,
    /// A disk in memory that can be cut off, damaged and told to fail; the data folder is not touched.
    Memory(Disk),
}

/// The contents of a journal that was opened, oldest first, the snapshot's first if [`Journal::base`] is not 0.
pub type Opened = Vec<Zeroizing<Vec<u8>>>;

/// What is known about a journal without its data key. Nothing here is authenticated but the order of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Where it ends.
    pub position: Position,
    /// Number of the last record inside the snapshot, 0 if there is none.
    pub base: u64,
    /// Id of the data key that it names, [`DataKey::id`].
    pub key: [u8; 8],
}

/// The open journal, held exclusively. Dropping it closes it; everything acknowledged is durable at any time.
pub struct Journal {
    // First, so that the backend is closed before the ground lets go of the lock.
    store: Box<dyn Store>,
    ground: Box<dyn Ground>,
    keys: Keys,
    head: Head,
    base: u64,
    stopped: Option<String>,
}

impl Journal {
    /// Whether there is a journal to open in `dir` (sled backend).
    ///
    /// # Errors
    /// [`StoreError::Gone`] if there was one: founding another one over it would hide the loss. [`StoreError::Io`].
    pub fn exists(dir: &Path) -> Result<bool, StoreError> {
        crate::folder::has_journal(dir)
    }

    /// Makes an empty journal in `dir`, durable when it returns; `dir` itself is made if its parent is there.
    ///
    /// Interrupted, it leaves no journal and can be called again.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Exists`], [`StoreError::Io`], [`StoreError::BackendFailed`].
    pub fn create(
        dir: &Path,
        key: DataKey,
        backend: Backend,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, StoreError> {
        match backend {
            Backend::Sled => Self::create_in(Folder::lock(dir)?, key, rng),
            Backend::Memory(disk) => Self::create_on(Box::new(disk.lock()?), &key, rng),
        }
    }

    /// As [`Journal::create`] in a folder that is already locked.
    ///
    /// Write `sealed_key` into it first: a crash in between then leaves a key without a journal, which is harmless,
    /// and not a journal without a key.
    ///
    /// # Errors
    /// As [`Journal::create`].
    pub fn create_in(
        folder: Folder,
        key: DataKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, StoreError> {
        Self::create_on(Box::new(Files::new(folder, Watch::default())), &key, rng)
    }

    /// Opens the journal in `dir`: checks everything, then gives the contents.
    ///
    /// One record more than the head is the one that was in flight: it is kept, and durable when this returns.
    ///
    /// # Errors
    /// Any [`StoreError`]. The folder is then as it was.
    pub fn open(dir: &Path, key: DataKey, backend: Backend) -> Result<(Self, Opened), StoreError> {
        match backend {
            Backend::Sled => Self::open_in(Folder::lock_existing(dir)?, key),
            Backend::Memory(disk) => Self::open_on(Box::new(disk.lock()?), Keys::derive(&key)),
        }
    }

    /// As [`Journal::open`] in a folder that is already locked.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_in(folder: Folder, key: DataKey) -> Result<(Self, Opened), StoreError> {
        let ground = Files::new(folder, Watch::default());
        Self::open_on(Box::new(ground), Keys::derive(&key))
    }

    /// Closes and opens again without letting go of the lock: the way on after a failure.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn reopen(self) -> Result<(Self, Opened), StoreError> {
        let Self {
            store,
            ground,
            keys,
            ..
        } = self;
        drop(store);
        Self::open_on(ground, keys)
    }

    /// What can be told without the data key, for a coordinator in recovery. Changes nothing.
    ///
    /// # Errors
    /// Any [`StoreError`] that needs no key: damage to the layout, a broken chain, an end that is not the head's.
    pub fn survey(folder: Folder) -> Result<Survey, StoreError> {
        let found = Files::new(folder, Watch::default()).read()?;
        let (position, base, key) = check::check_unkeyed(&found)?;
        Ok(Survey {
            position,
            base,
            key,
        })
    }

    /// Where it ends: every record up to here is durable.
    #[must_use]
    pub fn position(&self) -> Position {
        self.head.position
    }

    /// Number of the last record inside the snapshot, 0 if there is no snapshot.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Appends one batch and gives its number and the hash of its record. When it returns, the batch is acknowledged:
    /// durable, and the head says so.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] changes nothing. After any other error the journal is stopped, the batch may or may
    /// not be there, and every later call gives [`StoreError::Stopped`]: [`Journal::reopen`].
    pub fn append(
        &mut self,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(u64, [u8; 32]), StoreError> {
        self.running()?;
        let last = self.head.position;
        let sequence = last.sequence + 1;
        let record = envelope::seal(
            &self.keys,
            Kind::Batch,
            sequence,
            &last.head,
            plaintext,
            rng,
        )?;
        let position = Position {
            sequence,
            head: record.hash(),
        };
        let done = self
            .store
            .append(last.sequence, &record)
            .and_then(|()| self.write_head(position));
        self.stop_on_error(done)?;
        Ok((position.sequence, position.head))
    }

    /// Replaces all records by a snapshot of the state they led to. The position stays as it is.
    ///
    /// # Errors
    /// As [`Journal::append`]; after a failure either the records or the snapshot are in force.
    pub fn compact(&mut self, snapshot: &[u8], rng: &mut dyn CryptoRng) -> Result<(), StoreError> {
        self.running()?;
        let last = self.head.position;
        if last.sequence == self.base {
            // Nothing came after the last snapshot (or nothing at all), so there is nothing to replace.
            return Ok(());
        }
        let sealed = envelope::seal(
            &self.keys,
            Kind::Snapshot,
            last.sequence,
            &last.head,
            snapshot,
            rng,
        )?;
        // Both slots must hold this position first. Otherwise damage to the newer one would leave a head that says
        // one record less, and nothing behind the snapshot could show that the two belong together.
        let done = self
            .write_head(last)
            .and_then(|()| self.store.compact(last.sequence, &sealed));
        self.stop_on_error(done)?;
        self.base = last.sequence;
        Ok(())
    }

    pub(crate) fn create_on(
        mut ground: Box<dyn Ground>,
        key: &DataKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, StoreError> {
        let keys = Keys::derive(key);
        let mut start = [0; 32];
        rng.fill_bytes(&mut start);
        let (head, file) = head::encode_new(&keys, start);
        let store = ground.create(&file)?;
        Ok(Self {
            store,
            ground,
            keys,
            head,
            base: 0,
            stopped: None,
        })
    }

    pub(crate) fn open_on(
        mut ground: Box<dyn Ground>,
        keys: Keys,
    ) -> Result<(Self, Opened), StoreError> {
        let found = ground.read()?;
        let checked = check::check(&found, &keys)?;
        let store = ground.open(&found.loaded)?;
        let in_flight = checked.in_flight();
        let Checked {
            head,
            position,
            base,
            contents,
        } = checked;
        let mut journal = Self {
            store,
            ground,
            keys,
            head,
            base,
            stopped: None,
        };
        if in_flight {
            journal.write_head(position)?;
        }
        Ok((journal, contents))
    }

    fn write_head(&mut self, position: Position) -> Result<(), StoreError> {
        let next = self.head.next(position);
        self.ground
            .write_head(next.slot(), &next.encode(&self.keys))?;
        self.head = next;
        Ok(())
    }

    fn running(&self) -> Result<(), StoreError> {
        match &self.stopped {
            Some(cause) => Err(StoreError::Stopped {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    fn stop_on_error<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &done {
            self.stopped = Some(whole_chain(error));
        }
        done
    }
}

/// An error with its sources, for those who come later and only hear that it happened.
fn whole_chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("place", &self.ground.place())
            .field("position", &self.head.position)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

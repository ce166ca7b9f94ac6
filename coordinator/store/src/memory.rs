//! A disk in memory for simulations: it forgets what was not synced, fails where it is told to, and can be damaged.
//!
//! Faults are planted by the number of the operation, so a run with one seed and one fault is the same run each time.
//! An append is four operations: write the record, sync the records, write a slot of the head, sync the head.
//!
//! Does not live here: real files (`files`, `sled`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::Rng;

use crate::check::Found;
use crate::envelope::{self, CHUNK_LEN_MAX, Sealed};
use crate::error::StoreError;
use crate::ground::Ground;
use crate::head::{HEAD_LEN, SLOT_LEN};
use crate::seeded::SeededRng;
use crate::store::{Loaded, Store, Unfinished};

const PLACE: &str = "a disk in memory";

/// A disk in memory; clones are the same disk. It outlives the journals on it, as a disk outlives processes.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// What is on the disk: the bytes a host could read and change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Both slots of the head.
    pub head: Vec<u8>,
    /// The snapshot and the number of the last record in it.
    pub snapshot: Option<(u64, Vec<u8>)>,
    /// The records by number.
    pub records: BTreeMap<u64, Vec<u8>>,
}

/// What was done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// An empty journal was made.
    Create,
    /// A record was written.
    WriteRecord,
    /// All records were synced.
    SyncRecords,
    /// A slot of the head was written.
    WriteHead,
    /// The head was synced.
    SyncHead,
    /// Records were replaced by a snapshot, durably, all or nothing.
    Compact,
}

/// What goes wrong at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    FailBefore,
    /// It fails and has its effect all the same.
    FailAfter,
    /// The process ends before it: this and all later operations of the open journal fail.
    Kill,
    /// It reports success without effect: a disk whose sync is none.
    Lie,
}

/// What a power cut does to writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All are lost.
    Lose,
    /// All had reached the disk: the process was killed, the power stayed.
    Keep,
    /// Each is lost or kept, and the last one that is kept may be torn, by this seed.
    Random(u64),
}

#[derive(Debug, Default)]
struct State {
    /// Who opened the disk before the last cut may not touch it any more.
    boot: u64,
    locked: bool,
    dead: bool,
    image: Option<Image>,
    unsynced: Vec<Write>,
    done: Vec<Operation>,
    faults: BTreeMap<usize, Fault>,
}

#[derive(Debug, Clone)]
enum Write {
    Record(u64, Vec<u8>),
    Head(usize, Vec<u8>),
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plants a fault at operation number `operation`, counted from 0 over the life of the disk.
    pub fn plant(&self, operation: usize, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// What was done so far, failed operations included.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.state().done.clone()
    }

    /// Ends whatever runs on the disk; what was not synced is lost, kept or torn. Then it can be opened again.
    pub fn cut(&self, cut: Cut) {
        let mut state = self.state();
        let writes = std::mem::take(&mut state.unsynced);
        if let Some(image) = &mut state.image {
            match cut {
                Cut::Lose => {}
                Cut::Keep => writes.into_iter().for_each(|write| image.apply(write)),
                Cut::Random(seed) => image.apply_some(writes, &mut SeededRng::new(seed)),
            }
        }
        state.boot += 1;
        state.locked = false;
        state.dead = false;
    }

    /// What is on the disk, un-synced writes excluded; `None` before a journal was made.
    #[must_use]
    pub fn image(&self) -> Option<Image> {
        self.state().image.clone()
    }

    /// Puts other bytes on the disk: the host at work.
    pub fn set_image(&self, image: Image) {
        self.state().image = Some(image);
    }

    pub(crate) fn lock(&self) -> Result<Held, StoreError> {
        let mut state = self.state();
        if state.locked {
            return Err(StoreError::Locked { path: PLACE.into() });
        }
        state.locked = true;
        Ok(Held(Handle {
            disk: self.clone(),
            boot: state.boot,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a failed test; the state is still the state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Image {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Record(sequence, bytes) => {
                self.records.insert(sequence, bytes);
            }
            Write::Head(slot, bytes) => {
                let at = slot * SLOT_LEN;
                self.head[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }

    fn apply_some(&mut self, writes: Vec<Write>, rng: &mut SeededRng) {
        let mut kept: Vec<Write> = writes
            .into_iter()
            .filter(|_| rng.next_u32().is_multiple_of(2))
            .collect();
        if rng.next_u32().is_multiple_of(2)
            && let Some(Write::Record(_, bytes) | Write::Head(_, bytes)) = kept.last_mut()
        {
            let len = rng.next_u64() as usize % bytes.len().max(1);
            bytes.truncate(len);
        }
        kept.into_iter().for_each(|write| self.apply(write));
    }

    fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded {
            snapshot: self
                .snapshot
                .as_ref()
                .map(|(upto, bytes)| (*upto, Sealed::from_stored(bytes.clone()))),
            ..Loaded::default()
        };
        let last = self.records.last_key_value().map(|(sequence, _)| *sequence);
        for (&sequence, bytes) in &self.records {
            let want = envelope::stored_len(bytes);
            if Some(sequence) == last && want.is_none_or(|want| bytes.len() < want) {
                loaded.unfinished = Some(Unfinished {
                    sequence,
                    have: bytes.len().div_ceil(CHUNK_LEN_MAX),
                    want: want.map_or(0, |want| want.div_ceil(CHUNK_LEN_MAX)),
                });
            } else {
                let record = Sealed::from_stored(bytes.clone());
                loaded.records.push((sequence, record));
            }
        }
        Ok(loaded)
    }
}

impl State {
    /// Counts an operation and lets its fault decide: whether it has its effect, and what it answers.
    fn operate(
        &mut self,
        boot: u64,
        operation: Operation,
        effect: impl FnOnce(&mut Self),
    ) -> Result<(), StoreError> {
        let failed = |cause: String| StoreError::BackendFailed {
            place: PLACE.to_owned(),
            action: "go on",
            cause,
        };
        if boot != self.boot || self.dead {
            return Err(failed("it was cut off".to_owned()));
        }
        let number = self.done.len();
        self.done.push(operation);
        match self.faults.get(&number) {
            None => {
                effect(self);
                Ok(())
            }
            Some(Fault::Lie) => Ok(()),
            Some(Fault::Kill) => {
                self.dead = true;
                Err(failed(format!(
                    "it was killed at operation {number}, {operation:?}"
                )))
            }
            Some(Fault::FailBefore) => Err(failed(format!(
                "operation {number}, {operation:?}, was told to fail"
            ))),
            Some(Fault::FailAfter) => {
                effect(self);
                Err(failed(format!(
                    "operation {number}, {operation:?}, was told to fail after its effect"
                )))
            }
        }
    }

    fn sync(&mut self, these: fn(&Write) -> bool) {
        for write in std::mem::take(&mut self.unsynced) {
            match &mut self.image {
                Some(image) if these(&write) => image.apply(write),
                _ => self.unsynced.push(write),
            }
        }
    }

    /// What a reader sees: un-synced writes included.
    fn cached(&self) -> Option<Image> {
        let mut image = self.image.clone()?;
        for write in self.unsynced.clone() {
            image.apply(write);
        }
        Some(image)
    }
}

/// The disk as one boot of the machine sees it.
#[derive(Clone)]
struct Handle {
    disk: Disk,
    boot: u64,
}

/// The disk, held exclusively until dropped.
pub(crate) struct Held(Handle);

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.disk.state();
        if state.boot == self.0.boot {
            state.locked = false;
        }
    }
}

fn missing() -> StoreError {
    StoreError::Missing { path: PLACE.into() }
}

impl Handle {
    fn cached(&self) -> Result<Image, StoreError> {
        self.disk.state().cached().ok_or_else(missing)
    }

    fn operate(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut State),
    ) -> Result<(), StoreError> {
        self.disk.state().operate(self.boot, operation, effect)
    }

    fn store(&self, last: u64) -> Box<dyn Store> {
        Box::new(MemoryStore {
            handle: self.clone(),
            last,
        })
    }
}

impl Ground for Held {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn create(&mut self, head: &[u8; HEAD_LEN]) -> Result<Box<dyn Store>, StoreError> {
        if self.0.disk.state().image.is_some() {
            return Err(StoreError::Exists { path: PLACE.into() });
        }
        self.0.operate(Operation::Create, |state| {
            state.image = Some(Image {
                head: head.to_vec(),
                ..Image::default()
            });
        })?;
        Ok(self.0.store(0))
    }

    fn read(&mut self) -> Result<Found, StoreError> {
        let image = self.0.cached()?;
        Ok(Found {
            head: image.head.clone(),
            loaded: image.load()?,
            place: self.place(),
        })
    }

    fn open(&mut self, checked: &Loaded) -> Result<Box<dyn Store>, StoreError> {
        // As with real files: what was checked is made durable before anything rests on it.
        self.0
            .operate(Operation::SyncRecords, |state| state.sync(|_| true))?;
        Ok(self.0.store(checked.last()))
    }

    fn write_head(&mut self, slot: usize, bytes: &[u8; SLOT_LEN]) -> Result<(), StoreError> {
        self.0.operate(Operation::WriteHead, |state| {
            state.unsynced.push(Write::Head(slot, bytes.to_vec()));
        })?;
        self.0.operate(Operation::SyncHead, |state| {
            state.sync(|write| matches!(write, Write::Head(..)));
        })
    }
}

struct MemoryStore {
    handle: Handle,
    last: u64,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.handle.cached()?.load()
    }

    fn append(&mut self, after: u64, record: &Sealed) -> Result<(), StoreError> {
        if after != self.last {
            return Err(StoreError::Conflict {
                after,
                last: self.last,
            });
        }
        let sequence = after + 1;
        self.handle.operate(Operation::WriteRecord, |state| {
            let bytes = record.as_bytes().to_vec();
            state.unsynced.push(Write::Record(sequence, bytes));
        })?;
        self.handle.operate(Operation::SyncRecords, |state| {
            state.sync(|write| matches!(write, Write::Record(..)));
        })?;
        self.last = sequence;
        Ok(())
    }

    fn compact(&mut self, upto: u64, snapshot: &Sealed) -> Result<(), StoreError> {
        let base = self.load()?.snapshot.map_or(0, |(base, _)| base);
        if upto > self.last || upto <= base {
            return Err(StoreError::Conflict {
                after: upto,
                last: self.last,
            });
        }
        self.handle.operate(Operation::Compact, |state| {
            if let Some(image) = &mut state.image {
                image.records.retain(|sequence, _| *sequence > upto);
                image.snapshot = Some((upto, snapshot.as_bytes().to_vec()));
            }
        })
    }
}

#[cfg(test)]
mod tests;

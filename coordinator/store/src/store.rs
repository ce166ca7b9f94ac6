//! The port behind which sealed records outlive the process: three verbs.
//!
//! Does not live here: sealing (`envelope`), the head (`head`), what a good chain is (`check`).

use crate::envelope::Sealed;
use crate::error::StoreError;

/// Where sealed records outlive the process. A backend sees ciphertext only and judges nothing but its own files.
///
/// `&mut self`: there is one writer, and the type says so. Every backend passes [`crate::conformance::store`] and,
/// through the journal, [`crate::conformance::run`].
pub trait Store: Send {
    /// The snapshot, if there is one, and the records after it, oldest first, as they lie there.
    ///
    /// # Errors
    /// What the backend can tell about its own files: an entry that is no part of a record, a record before the last
    /// one with missing pieces.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Makes `record` durable as number `after + 1`, all or nothing. Durable when it returns: a power cut after that
    /// may not take it away.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if `after` is not the last record: someone else wrote, stop serving. After any other
    /// error the record may or may not be there: open again.
    fn append(&mut self, after: u64, record: &Sealed) -> Result<(), StoreError>;

    /// Replaces every record up to `upto` by `snapshot`, all or nothing, durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if `upto` lies behind the last record. After any other error either the records or
    /// the snapshot are in force: open again.
    fn compact(&mut self, upto: u64, snapshot: &Sealed) -> Result<(), StoreError>;
}

/// What a backend found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The snapshot with the number of the last record it replaces.
    pub snapshot: Option<(u64, Sealed)>,
    /// The records after it with their numbers, ascending.
    pub records: Vec<(u64, Sealed)>,
    /// The pieces of one record behind all these, if its append was interrupted.
    pub unfinished: Option<Unfinished>,
}

impl Loaded {
    /// Number of the last whole record, 0 if there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |(sequence, _)| *sequence);
        self.records
            .last()
            .map_or(snapshot, |(sequence, _)| *sequence)
    }
}

/// A record of which some pieces are missing. Never acknowledged if it comes right after the head; else damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number.
    pub sequence: u64,
    /// Pieces found.
    pub have: usize,
    /// Pieces wanted, 0 if the first is missing.
    pub want: usize,
}

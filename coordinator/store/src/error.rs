//! Why the journal was not created, opened, appended to or compacted.
//!
//! Does not live here: the refusals of `sealed_key` (`keyfile`).

use std::io;
use std::path::{Path, PathBuf};

use stoa_explain::Explain;

/// Why the store refused or failed. A refusal to open has changed nothing in the folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another journal of this process, holds the folder.
    #[error("the data folder {} is in use: its file `lock` is locked by another process", .path.display())]
    Locked {
        /// The data folder.
        path: PathBuf,
    },
    /// [`crate::Journal::create`] where there is one.
    #[error("{} already holds a journal", .path.display())]
    Exists {
        /// The data folder.
        path: PathBuf,
    },
    /// [`crate::Journal::open`] where there is none.
    #[error("{} holds no journal: there is no `journal` in it", .path.display())]
    Missing {
        /// The data folder.
        path: PathBuf,
    },
    /// `sealed_data` is written after the journal was made, so the journal was there and is gone.
    #[error("{} holds `sealed_data` but no `journal`: the journal was there and is gone", .path.display())]
    Gone {
        /// The data folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("can't {action} {}", .path.display())]
    Io {
        /// What was tried, in the imperative: `sync`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
    /// The head file is not there, though the journal is.
    #[error("the head file {} is missing, so nothing says where the journal ended", .path.display())]
    HeadMissing {
        /// The head file.
        path: PathBuf,
    },
    /// Neither slot of the head can be believed.
    #[error("both slots of the head {place} are damaged: slot 0 {}; slot 1 {}", .slots[0], .slots[1])]
    HeadDamaged {
        /// The head file.
        place: String,
        /// What is wrong with each slot.
        slots: Box<[SlotFault; 2]>,
    },
    /// Each slot is genuine, but they were not written one after the other.
    #[error(
        "the slots of the head {place} hold generations {first} and {second}, which are not neighbours"
    )]
    HeadSpliced {
        /// The head file.
        place: String,
        /// Generation in slot 0.
        first: u64,
        /// Generation in slot 1.
        second: u64,
    },
    /// Sealed under another data key than the one given.
    #[error("{place} is sealed under data key {found}, the key given is {given}")]
    ForeignKey {
        /// Head file or record.
        place: String,
        /// Id of the key it was sealed under, hex.
        found: String,
        /// Id of the key given, hex.
        given: String,
    },
    /// Written by a version of Stoa that this one does not know.
    #[error("{place} has format version {found}, this build knows version {known}")]
    VersionUnknown {
        /// Head file, record or `sealed_data`.
        place: String,
        /// The version found.
        found: u16,
        /// The version known.
        known: u16,
    },
    /// One record is not what was written.
    #[error("record {sequence} in {place} is damaged: {fault}")]
    RecordDamaged {
        /// Where the records are.
        place: String,
        /// Its number.
        sequence: u64,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// A hole in the numbers.
    #[error("record {wanted} in {place} is missing: {found} follows {after}")]
    RecordMissing {
        /// Where the records are.
        place: String,
        /// The number that should come.
        wanted: u64,
        /// The number that comes.
        found: u64,
        /// The number before the hole; 0 is the start of the journal.
        after: u64,
    },
    /// A genuine record stands behind another one than it was written behind.
    #[error("record {sequence} in {place} continues {wanted}, but the record before it is {found}")]
    ChainBroken {
        /// Where the records are.
        place: String,
        /// The record that does not fit.
        sequence: u64,
        /// SHA-256 that it names as its predecessor, hex.
        wanted: String,
        /// SHA-256 of the record before it, hex.
        found: String,
    },
    /// Head and journal have the same number and another history.
    #[error(
        "at record {sequence} the head {place} holds {head}, the journal holds {journal}: two histories"
    )]
    Forked {
        /// The head file.
        place: String,
        /// The number both have.
        sequence: u64,
        /// SHA-256 in the head, hex.
        head: String,
        /// SHA-256 in the journal, hex.
        journal: String,
    },
    /// Acknowledged records are not there.
    #[error(
        "the journal in {place} ends at record {journal}, the head says {head}: acknowledged records are lost"
    )]
    Shorter {
        /// Where the records are.
        place: String,
        /// Last record found whole.
        journal: u64,
        /// Last record acknowledged.
        head: u64,
    },
    /// More than the one record that can have been in flight.
    #[error("the journal in {place} ends at record {journal}, the head says {head}: at most {} can have been in flight", .head.saturating_add(1))]
    Longer {
        /// Where the records are.
        place: String,
        /// Last record found.
        journal: u64,
        /// Last record acknowledged.
        head: u64,
    },
    /// The backend could not read its own files (tried on a copy).
    #[error("{backend} can't read a copy of {}: {cause}", .path.display())]
    BackendRefused {
        /// The backend's name.
        backend: &'static str,
        /// The original of the copy.
        path: PathBuf,
        /// Its error, or the message of its panic.
        cause: String,
    },
    /// The backend's folder holds what must not, or lacks what must be there.
    #[error("{} {cause}", .path.display())]
    BackendFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The backend holds an entry that no version of Stoa wrote.
    #[error("{place} holds an entry that is no part of a record: {cause}")]
    BackendEntry {
        /// Where the records are.
        place: String,
        /// Its key or its size.
        cause: String,
    },
    /// The backend failed while it was running.
    #[error("{place} could not {action}: {cause}")]
    BackendFailed {
        /// Where the records are.
        place: String,
        /// What was tried, in the imperative.
        action: &'static str,
        /// Its error, or the message of its panic.
        cause: String,
    },
    /// The original read otherwise than the copy that was checked a moment before.
    #[error(
        "{place} changed while it was opened: the checked copy ends at record {checked}, the original at {opened}"
    )]
    Changed {
        /// Where the records are.
        place: String,
        /// Last record of the copy.
        checked: u64,
        /// Last record of the original; the same number if the content differs.
        opened: u64,
    },
    /// Append behind a record that is not the last.
    #[error("the record was to follow {after}, but the last record is {last}")]
    Conflict {
        /// The record it was to follow.
        after: u64,
        /// The last record there is.
        last: u64,
    },
    /// More than one record may hold.
    #[error("a batch of {len} bytes is larger than the limit of {max} bytes")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// An earlier failure left the end of the journal unknown.
    #[error("the journal stopped after an earlier failure: {cause}")]
    Stopped {
        /// The failure.
        cause: String,
    },
    /// `sealed_data` is not what was written.
    #[error("{} is damaged: {cause}", .path.display())]
    SealedDataDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

/// What is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// Too few bytes for a record.
    #[error("it has {len} bytes, a record has at least {min}")]
    Short {
        /// Its length.
        len: usize,
        /// The shortest record.
        min: usize,
    },
    /// The first four bytes.
    #[error("it starts with {found}, a record starts with {wanted}")]
    Magic {
        /// Found, hex.
        found: String,
        /// Wanted, hex.
        wanted: String,
    },
    /// Batch where a snapshot belongs, or the other way, or neither.
    #[error("its kind is {found}, wanted is {wanted}")]
    Kind {
        /// Found.
        found: u8,
        /// Wanted.
        wanted: u8,
    },
    /// Byte 7 of the header.
    #[error("its reserved byte is {found}, wanted is 0")]
    Reserved {
        /// Found.
        found: u8,
    },
    /// The header has another number than the place where it stands.
    #[error("its header says record {found}")]
    Sequence {
        /// The number in the header.
        found: u64,
    },
    /// The header's length does not fit the bytes.
    #[error("its header says {said} bytes of content, there are {found}")]
    Length {
        /// Length in the header.
        said: usize,
        /// Length found.
        found: usize,
    },
    /// The seal does not open: bytes were changed, or were sealed elsewhere.
    #[error("its seal does not open under data key {key}")]
    Seal {
        /// Id of the key, hex.
        key: String,
    },
    /// Some of its pieces are not there.
    #[error("{have} of its {want} pieces are there")]
    Incomplete {
        /// Pieces found.
        have: usize,
        /// Pieces wanted; 0 if the first is missing, which would say so.
        want: usize,
    },
    /// A piece of a size that no writer makes.
    #[error("piece {index} has {len} bytes, wanted are {want}")]
    Piece {
        /// Its index.
        index: u32,
        /// Its length.
        len: usize,
        /// The length wanted.
        want: usize,
    },
}

/// What is wrong with one slot of the head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotFault {
    /// The head file is too short or too long.
    #[error("lies in a file of {len} bytes, wanted are {want}")]
    Length {
        /// Its length.
        len: usize,
        /// The length wanted.
        want: usize,
    },
    /// The first eight bytes.
    #[error("starts with {found}, wanted is {wanted}")]
    Magic {
        /// Found, hex.
        found: String,
        /// Wanted, hex.
        wanted: String,
    },
    /// A format version that this build does not know.
    #[error("has format version {found}, known is {known}")]
    Version {
        /// Found.
        found: u16,
        /// Known.
        known: u16,
    },
    /// Sealed under another data key.
    #[error("names data key {found}, given is {given}")]
    Key {
        /// Found, hex.
        found: String,
        /// Given, hex.
        given: String,
    },
    /// Even generations live in slot 0, odd ones in slot 1.
    #[error("holds generation {found}, which belongs into the other slot")]
    Place {
        /// The generation found.
        found: u64,
    },
    /// Its authentication code is wrong: bytes were changed, or torn by a power cut.
    #[error("has a wrong authentication code (says generation {generation}, record {sequence})")]
    Mac {
        /// What it says.
        generation: u64,
        /// What it says.
        sequence: u64,
    },
}

impl StoreError {
    /// For `map_err`: the operating system's answer with what was tried on what.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

const FROM_BACKUP: &str = "Keep the folder as it is, make a copy of it, and restore the whole data folder from a backup, or let the recovery keys found a new journal. Nothing in the folder was changed.";

impl Explain for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "journal-locked",
            Self::Exists { .. } => "journal-exists",
            Self::Missing { .. } => "journal-missing",
            Self::Gone { .. } => "journal-gone",
            Self::Io { .. } => "journal-io",
            Self::HeadMissing { .. } => "head-missing",
            Self::HeadDamaged { .. } | Self::HeadSpliced { .. } => "head-damaged",
            Self::ForeignKey { .. } => "journal-key-foreign",
            Self::VersionUnknown { .. } => "journal-version-unknown",
            Self::RecordDamaged { .. }
            | Self::RecordMissing { .. }
            | Self::BackendRefused { .. }
            | Self::BackendFolder { .. }
            | Self::BackendEntry { .. } => "journal-damaged",
            Self::ChainBroken { .. } => "journal-chain-broken",
            Self::Forked { .. } => "journal-forked",
            Self::Shorter { .. } => "journal-shorter-than-head",
            Self::Longer { .. } => "journal-longer-than-head",
            Self::BackendFailed { .. } => "journal-backend-failed",
            Self::Changed { .. } => "journal-changed",
            Self::Conflict { .. } => "journal-conflict",
            Self::TooLarge { .. } => "batch-too-large",
            Self::Stopped { .. } => "journal-stopped",
            Self::SealedDataDamaged { .. } => "sealed-data-damaged",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Locked { .. } => {
                "Stop the other coordinator on this folder, or give this one a folder of its own with `--data`."
            }
            Self::Exists { .. } => "Open the journal that is there, or choose an empty folder.",
            Self::Missing { .. } => "Check `--data`; an empty folder is founded, not opened.",
            Self::Io { .. } | Self::BackendFailed { .. } => {
                "Check free space, permissions and the health of the disk, then start again; what was acknowledged is checked at the start."
            }
            Self::ForeignKey { .. } => {
                "Give the data key of this journal: check that `sealed_key` belongs to this folder, or recover with the shares."
            }
            Self::VersionUnknown { .. } => "Use the version of Stoa that wrote it, or a later one.",
            Self::Changed { .. } => {
                "Make sure that nothing else writes into the data folder, then start again."
            }
            Self::Stopped { .. } => "Open the journal again, or restart the coordinator.",
            Self::SealedDataDamaged { .. } => {
                "Restore `sealed_data` from a backup of this folder or from a recovery file. If `sealed_key` opens here, you can remove it instead: it is written again at the next start."
            }
            Self::Conflict { .. } => {
                "Another writer appended: stop serving and open the journal again."
            }
            Self::TooLarge { .. } => return None,
            Self::Gone { .. }
            | Self::HeadMissing { .. }
            | Self::HeadDamaged { .. }
            | Self::HeadSpliced { .. }
            | Self::RecordDamaged { .. }
            | Self::RecordMissing { .. }
            | Self::BackendRefused { .. }
            | Self::BackendFolder { .. }
            | Self::BackendEntry { .. }
            | Self::ChainBroken { .. }
            | Self::Forked { .. }
            | Self::Shorter { .. }
            | Self::Longer { .. } => FROM_BACKUP,
        };
        Some(text.to_owned())
    }
}

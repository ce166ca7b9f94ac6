//! The sealed journal: what was acknowledged is still there, once, whole, and unread by the host.
//!
//! A [`Journal`] is a chain of sealed records in a data folder, with a head file that says where the chain ends.
//! [`Journal::append`] returns when the record and then the head are on the disk; [`Journal::open`] gives back exactly
//! what was acknowledged, or refuses with the exact cause and leaves the folder as it was. Format and opening rules:
//! docs/reference/journal.md.
//!
//! Does not live here: what a batch means (`mesh`), where the keys come from (`source`), threads and clocks
//! (`server`). Plaintext is seen in `envelope` and nowhere else; backends move sealed bytes.
//!
//! Not noticed here: a whole folder put back to an older, intact state. No local store can; see the page.

mod check;
pub mod conformance;
mod disk;
mod envelope;
mod error;
mod files;
mod folder;
mod ground;
mod head;
mod journal;
mod key;
pub mod keyfile;
pub mod memory;
pub mod sealed_data;
mod seeded;
mod sled;
mod store;

pub use envelope::{CHUNK_LEN_MAX, PLAINTEXT_LEN_MAX, RECORD_OVERHEAD, Sealed};
pub use error::{RecordFault, SlotFault, StoreError};
pub use folder::Folder;
pub use head::Position;
pub use journal::{Backend, Journal, Opened, Survey};
pub use key::DataKey;
pub use sealed_data::{RecoveryData, RecoveryHolder};
pub use store::{Loaded, Store, Unfinished};

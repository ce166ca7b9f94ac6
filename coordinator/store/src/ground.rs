//! What a journal stands on: somewhere for records and somewhere for the head, held exclusively.
//!
//! Two grounds: `files` (a folder; records in sled) and `memory` (a disk that can be cut off and damaged).

use crate::check::Found;
use crate::error::StoreError;
use crate::head::{HEAD_LEN, SLOT_LEN};
use crate::store::{Loaded, Store};

/// The order of the calls is the rule of the house: `create`, or `read`, then a verdict, then `open`.
pub(crate) trait Ground: Send {
    /// Where it is, for errors.
    fn place(&self) -> String;

    /// Makes an empty journal with this head, durable when it returns, all or nothing.
    fn create(&mut self, head: &[u8; HEAD_LEN]) -> Result<Box<dyn Store>, StoreError>;

    /// Reads everything and changes nothing.
    fn read(&mut self) -> Result<Found, StoreError>;

    /// Opens what [`Ground::read`] read, after it checked out as `checked`; everything in it is durable when this
    /// returns. Leftovers of interrupted work are removed here and not earlier.
    fn open(&mut self, checked: &Loaded) -> Result<Box<dyn Store>, StoreError>;

    /// Writes one slot of the head, durable when it returns.
    fn write_head(&mut self, slot: usize, bytes: &[u8; SLOT_LEN]) -> Result<(), StoreError>;
}

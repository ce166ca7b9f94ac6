//! The stored form: what a batch of events, or a snapshot of the state, is in the journal, byte by byte.
//!
//! Everything is a sequence of `LP` fields (a u32 big-endian length, then the bytes), integers big-endian. A batch is
//! `LP("stoa/journal/1") LP(form u8) ..`; form 1 is `LP(count u64)` and that many `LP(event)`, form 2 is a snapshot. An
//! event is `LP(tag u16)` and its fields. A layout that was released never changes: another layout is another tag. The
//! golden files under `tests/stored/` hold one of each.
//!
//! Secrets are in it, so it is written into one buffer of the right size, which is wiped when dropped; who seals it is
//! the store's matter.
//!
//! Does not live here: what events mean (`machine`), sealing and chaining (`stoa_store`).

mod event;
mod field;
mod snapshot;

use stoa_attestation::lp::{LpFault, Reader};
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::certificate::NotOurs;
use crate::event::Event;
use crate::state::State;
use field::{Measure, Put};

const LABEL: &str = "stoa/journal/1";
const FORM_EVENTS: u8 = 1;
const FORM_SNAPSHOT: u8 = 2;

/// Largest event in bytes: a manifest of 1 MiB with 4096 secrets of its own stays below.
pub const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one record of the journal holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// What happened after the record before.
    Events(Vec<Event>),
    /// All that happened until now, as state.
    Snapshot(Box<State>),
}

/// The stored form of some events.
#[must_use]
pub fn encode(events: &[Event]) -> Zeroizing<Vec<u8>> {
    written(|out| {
        out.field(LABEL.as_bytes());
        out.u8(FORM_EVENTS);
        out.u64(events.len() as u64);
        for event in events {
            let mut size = Measure::default();
            event::put(&mut size, event);
            out.length(size.bytes());
            event::put(out, event);
        }
    })
}

/// The stored form of a whole state.
pub(crate) fn encode_snapshot(state: &State) -> Zeroizing<Vec<u8>> {
    written(|out| {
        out.field(LABEL.as_bytes());
        out.u8(FORM_SNAPSHOT);
        snapshot::put(out, state);
    })
}

/// Measures first, so that the buffer with the secrets never grows and leaves no copy behind.
fn written(put: impl Fn(&mut dyn Put)) -> Zeroizing<Vec<u8>> {
    let mut size = Measure::default();
    put(&mut size);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.bytes()));
    put(&mut *bytes);
    bytes
}

/// Reads one record of the journal.
///
/// # Errors
/// [`Damaged`] names the field and what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Batch, Damaged> {
    let mut reader = Reader::new(bytes);
    reader.label(LABEL)?;
    let batch = match reader.u8("form of the batch")? {
        FORM_EVENTS => Batch::Events(decode_events(&mut reader)?),
        FORM_SNAPSHOT => Batch::Snapshot(Box::new(snapshot::take(&mut reader)?)),
        form => {
            return Err(Damaged::Unknown {
                what: "form of the batch",
                got: u64::from(form),
            });
        }
    };
    reader.finish()?;
    Ok(batch)
}

/// The events of one record of the journal, for audit; a snapshot has none.
///
/// # Errors
/// [`Damaged`] names the field and what is wrong with it.
pub fn events(record: &[u8]) -> Result<Vec<Event>, Damaged> {
    match decode(record)? {
        Batch::Events(events) => Ok(events),
        Batch::Snapshot(_) => Ok(Vec::new()),
    }
}

fn decode_events(reader: &mut Reader<'_>) -> Result<Vec<Event>, Damaged> {
    let count = reader.u64("count of events")?;
    // A count that is too high runs out of bytes at its first missing event; nothing is set aside for it.
    (0..count)
        .map(|_| event::take(reader.field("event", EVENT_BYTES_MAX)?))
        .collect()
}

/// Why bytes of the journal, though whole and sealed by us, can't be read by this version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damaged {
    /// A field is not as it must be.
    #[error("a record of the journal has another layout than this version knows")]
    Layout(#[from] LpFault),
    /// A number that this version gives no meaning.
    #[error("{what} is {got}, which this version does not know")]
    Unknown {
        /// What the number stands for.
        what: &'static str,
        /// The number.
        got: u64,
    },
    /// A list longer than it can be.
    #[error("{got} {what} in one record; at most {limit}")]
    TooMany {
        /// What is listed.
        what: &'static str,
        /// How many the record says there are.
        got: u64,
        /// The most.
        limit: u64,
    },
    /// A text that is none.
    #[error("{what} is no UTF-8 text")]
    Text {
        /// Which field.
        what: &'static str,
    },
    /// A certificate that is none of this mesh's.
    #[error("a certificate of the journal can't be read")]
    Certificate(#[from] NotOurs),
    /// The manifest in force is none for this version.
    #[error("the manifest of epoch {epoch}, once accepted, is refused by this version")]
    Manifest {
        /// Its epoch.
        epoch: u64,
        /// All that is wrong with it.
        #[source]
        faults: stoa_manifest::Faults,
    },
}

impl Explain for Damaged {
    fn code(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => "stored-manifest-refused",
            _ => "stored-form-unknown",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "start the version of the coordinator that wrote this data folder, or a later one"
                .to_owned(),
        )
    }
}

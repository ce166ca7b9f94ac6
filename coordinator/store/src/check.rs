//! The verdict on what was read: walk the chain, open every record, compare the end with the head. Pure.
//!
//! Source: docs/reference/journal.md, 4. Does not live here: reading (`files`, `sled`, `memory`), acting on the
//! verdict (`journal`).

use zeroize::Zeroizing;

use crate::envelope::{self, Kind, Sealed};
use crate::error::{RecordFault, StoreError};
use crate::head::{self, Head, Position};
use crate::key::Keys;
use crate::store::Loaded;

/// What a backend and the head file hold, before anyone believes it.
pub(crate) struct Found {
    /// The head file's bytes.
    pub(crate) head: Vec<u8>,
    /// The records.
    pub(crate) loaded: Loaded,
    /// Where they are, for errors.
    pub(crate) place: String,
}

/// A journal that checked out.
pub(crate) struct Checked {
    /// The head in force.
    pub(crate) head: Head,
    /// The end of the journal: the head's, or one further.
    pub(crate) position: Position,
    /// Number of the last record inside the snapshot, 0 if there is none.
    pub(crate) base: u64,
    /// Contents, oldest first, the snapshot's first if there is one.
    pub(crate) contents: Vec<Zeroizing<Vec<u8>>>,
}

impl Checked {
    /// One record was in flight when the last process ended: it is kept, and the head must follow.
    pub(crate) fn in_flight(&self) -> bool {
        self.position.sequence > self.head.position.sequence
    }
}

/// Checks everything under the data key.
///
/// # Errors
/// The first thing that is wrong: the head, then the records from the oldest on, then the end.
pub(crate) fn check(found: &Found, keys: &Keys) -> Result<Checked, StoreError> {
    let place = &found.place;
    let (head, _) = head::read(&found.head, Some(keys), place)?;
    let mut contents = Vec::with_capacity(found.loaded.records.len() + 1);
    let chain = walk(found, |kind, sequence, record| {
        let (content, previous) = envelope::open(keys, kind, sequence, record, place)?;
        contents.push(content);
        Ok(previous)
    })?;
    let position = compare(found, head, &chain)?;
    Ok(Checked {
        head,
        position,
        base: chain.base,
        contents,
    })
}

/// Checks what can be checked without the data key: layout, chain, and the numbers and hashes of the head, which
/// anyone could have written. Gives the end of the journal, its base, and the id of the key it is sealed under.
///
/// # Errors
/// As [`check`], but for seals and codes.
pub(crate) fn check_unkeyed(found: &Found) -> Result<(Position, u64, [u8; 8]), StoreError> {
    let place = &found.place;
    let (head, key) = head::read(&found.head, None, place)?;
    let chain = walk(found, |kind, sequence, record| {
        let (previous, record_key) = envelope::inspect(kind, sequence, record, place)?;
        if record_key != key {
            return Err(StoreError::ForeignKey {
                place: format!("record {sequence} in {place}"),
                found: hex::encode(record_key),
                given: hex::encode(key),
            });
        }
        Ok(previous)
    })?;
    let position = compare(found, head, &chain)?;
    Ok((position, chain.base, key))
}

/// The end of a chain whose links all fit.
struct Chain {
    base: u64,
    /// The last record; `None` if there is neither snapshot nor record.
    last: Option<Position>,
    /// What the last record names as its predecessor; for a snapshot that is not known.
    before_last: Option<[u8; 32]>,
}

fn walk(
    found: &Found,
    mut open: impl FnMut(Kind, u64, &Sealed) -> Result<[u8; 32], StoreError>,
) -> Result<Chain, StoreError> {
    let mut chain = Chain {
        base: 0,
        last: None,
        before_last: None,
    };
    if let Some((sequence, snapshot)) = &found.loaded.snapshot {
        let head = open(Kind::Snapshot, *sequence, snapshot)?;
        chain.base = *sequence;
        chain.last = Some(Position {
            sequence: *sequence,
            head,
        });
    }
    for (sequence, record) in &found.loaded.records {
        let after = chain.last.map_or(0, |last| last.sequence);
        if *sequence != after + 1 {
            return Err(StoreError::RecordMissing {
                place: found.place.clone(),
                wanted: after + 1,
                found: *sequence,
                after,
            });
        }
        let previous = open(Kind::Batch, *sequence, record)?;
        match chain.last {
            Some(last) if last.head != previous => {
                return Err(StoreError::ChainBroken {
                    place: found.place.clone(),
                    sequence: *sequence,
                    wanted: hex::encode(previous),
                    found: hex::encode(last.head),
                });
            }
            // The first record names the journal's start value, which only the head of an empty journal holds.
            _ => {}
        }
        chain.last = Some(Position {
            sequence: *sequence,
            head: record.hash(),
        });
        chain.before_last = Some(previous);
    }
    Ok(chain)
}

/// The end of the journal, if it is the head's or exactly one record further.
fn compare(found: &Found, head: Head, chain: &Chain) -> Result<Position, StoreError> {
    let wanted = head.position;
    let Some(last) = chain.last else {
        return if wanted.sequence == 0 {
            unfinished_is_next(found, 0).map(|()| wanted)
        } else {
            Err(shorter(found, 0, wanted.sequence))
        };
    };
    let same_history = |hash: [u8; 32]| {
        if hash == wanted.head {
            return Ok(());
        }
        Err(StoreError::Forked {
            place: found.place.clone(),
            sequence: wanted.sequence,
            head: hex::encode(wanted.head),
            journal: hex::encode(hash),
        })
    };
    if last.sequence < wanted.sequence {
        return Err(shorter(found, last.sequence, wanted.sequence));
    }
    if last.sequence == wanted.sequence {
        same_history(last.head)?;
        unfinished_is_next(found, last.sequence)?;
        return Ok(last);
    }
    match chain.before_last {
        Some(before_last)
            if last.sequence == wanted.sequence + 1 && found.loaded.unfinished.is_none() =>
        {
            same_history(before_last)?;
            Ok(last)
        }
        _ => Err(StoreError::Longer {
            place: found.place.clone(),
            journal: found
                .loaded
                .unfinished
                .map_or(last.sequence, |unfinished| unfinished.sequence),
            head: wanted.sequence,
        }),
    }
}

/// Pieces of a record are harmless only where the record in flight belongs.
fn unfinished_is_next(found: &Found, last: u64) -> Result<(), StoreError> {
    match found.loaded.unfinished {
        Some(unfinished) if unfinished.sequence != last + 1 => Err(StoreError::RecordMissing {
            place: found.place.clone(),
            wanted: last + 1,
            found: unfinished.sequence,
            after: last,
        }),
        _ => Ok(()),
    }
}

fn shorter(found: &Found, journal: u64, head: u64) -> StoreError {
    match found.loaded.unfinished {
        Some(unfinished) if unfinished.sequence == journal + 1 => StoreError::RecordDamaged {
            place: found.place.clone(),
            sequence: unfinished.sequence,
            fault: RecordFault::Incomplete {
                have: unfinished.have,
                want: unfinished.want,
            },
        },
        _ => StoreError::Shorter {
            place: found.place.clone(),
            journal,
            head,
        },
    }
}

#[cfg(test)]
mod tests;

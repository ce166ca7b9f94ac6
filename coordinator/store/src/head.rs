//! The head: where the journal ended when the last batch was acknowledged.
//!
//! It exists because every embedded store loses its end silently in some damage: sled takes damage in its newest
//! segment for a torn write and starts without the records behind it. A journal that is shorter than its head is
//! refused.
//!
//! One file of two slots of 512 bytes, written in turn; a torn write leaves the other slot. Generation g lies in slot
//! g mod 2. Slot, all integers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `STOAHEAD` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 6 | 0 |
//! | 16 | 8 | id of the data key |
//! | 24 | 8 | generation |
//! | 32 | 8 | sequence number of the last acknowledged record, 0 if none |
//! | 40 | 32 | SHA-256 of that record; with number 0 the journal's random start value |
//! | 72 | 408 | 0 |
//! | 480 | 32 | HMAC-SHA-256 over bytes 0 to 479 |
//!
//! Source: docs/reference/journal.md, 3. Does not live here: writing and syncing it (`files`, `memory`), comparing it
//! with the journal (`check`).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{SlotFault, StoreError};
use crate::key::Keys;

/// One sector of the smallest size: written whole or not at all by most disks, found out by its code if not.
pub(crate) const SLOT_LEN: usize = 512;

/// Two slots.
pub(crate) const HEAD_LEN: usize = 2 * SLOT_LEN;

const MAGIC: &[u8; 8] = b"STOAHEAD";
const VERSION: u16 = 1;
const MAC_AT: usize = SLOT_LEN - 32;

/// Where the journal ends. Together with the mesh's root this is what clients and marbles remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the last record, counted from 1; 0 if there is none.
    pub sequence: u64,
    /// SHA-256 of the last record; the journal's random start value if there is none.
    pub head: [u8; 32],
}

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Counts the writes of the head.
    pub(crate) generation: u64,
    /// Where the journal ended.
    pub(crate) position: Position,
}

impl Head {
    /// Which slot it is written to.
    pub(crate) fn slot(self) -> usize {
        usize::from(self.generation % 2 == 1)
    }

    /// The head after this one, for a journal that ends at `position`.
    pub(crate) fn next(self, position: Position) -> Self {
        Self {
            generation: self.generation + 1,
            position,
        }
    }

    /// The slot's bytes.
    pub(crate) fn encode(self, keys: &Keys) -> [u8; SLOT_LEN] {
        let mut slot = [0; SLOT_LEN];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..10].copy_from_slice(&VERSION.to_be_bytes());
        slot[16..24].copy_from_slice(&keys.id);
        slot[24..32].copy_from_slice(&self.generation.to_be_bytes());
        slot[32..40].copy_from_slice(&self.position.sequence.to_be_bytes());
        slot[40..72].copy_from_slice(&self.position.head);
        let code = mac(keys, &slot).finalize().into_bytes();
        slot[MAC_AT..].copy_from_slice(&code);
        slot
    }
}

/// The first head of a new journal, both slots.
pub(crate) fn encode_new(keys: &Keys, start: [u8; 32]) -> (Head, [u8; HEAD_LEN]) {
    let first = Head {
        generation: 0,
        position: Position {
            sequence: 0,
            head: start,
        },
    };
    let second = first.next(first.position);
    let mut file = [0; HEAD_LEN];
    file[..SLOT_LEN].copy_from_slice(&first.encode(keys));
    file[SLOT_LEN..].copy_from_slice(&second.encode(keys));
    (second, file)
}

/// The head in force: the genuine slot with the higher generation.
///
/// Without `keys` the codes can't be checked; then the layout decides alone.
///
/// # Errors
/// [`StoreError::ForeignKey`] if both slots name the same other key, [`StoreError::VersionUnknown`] if both name the
/// same other version, else [`StoreError::HeadDamaged`] with both causes; [`StoreError::HeadSpliced`].
pub(crate) fn read(
    file: &[u8],
    keys: Option<&Keys>,
    place: &str,
) -> Result<(Head, [u8; 8]), StoreError> {
    let slots = match file.split_first_chunk::<SLOT_LEN>() {
        Some((first, second)) if second.len() == SLOT_LEN => {
            [parse(0, first, keys), parse(1, second, keys)]
        }
        _ => {
            let fault = SlotFault::Length {
                len: file.len(),
                want: HEAD_LEN,
            };
            [Err(fault.clone()), Err(fault)]
        }
    };
    match slots {
        [Ok((first, key)), Ok((second, _))] => {
            if first.generation.abs_diff(second.generation) != 1 {
                return Err(StoreError::HeadSpliced {
                    place: place.to_owned(),
                    first: first.generation,
                    second: second.generation,
                });
            }
            let newest = if first.generation > second.generation {
                first
            } else {
                second
            };
            Ok((newest, key))
        }
        [Ok(one), Err(_)] | [Err(_), Ok(one)] => Ok(one),
        [Err(first), Err(second)] => Err(both_bad(place, first, second)),
    }
}

fn both_bad(place: &str, first: SlotFault, second: SlotFault) -> StoreError {
    let place = place.to_owned();
    match first {
        SlotFault::Key { found, given } if matches!(&second, SlotFault::Key { found: f, .. } if *f == found) => {
            StoreError::ForeignKey {
                place: format!("the head {place}"),
                found,
                given,
            }
        }
        SlotFault::Version { found, known } if first == second => StoreError::VersionUnknown {
            place: format!("the head {place}"),
            found,
            known,
        },
        first => StoreError::HeadDamaged {
            place,
            slots: Box::new([first, second]),
        },
    }
}

fn parse(index: u64, slot: &[u8], keys: Option<&Keys>) -> Result<(Head, [u8; 8]), SlotFault> {
    if &slot[..8] != MAGIC {
        return Err(SlotFault::Magic {
            found: hex::encode(&slot[..8]),
            wanted: hex::encode(MAGIC),
        });
    }
    let version = u16::from_be_bytes(field(slot, 8));
    if version != VERSION {
        return Err(SlotFault::Version {
            found: version,
            known: VERSION,
        });
    }
    let key = field(slot, 16);
    let head = Head {
        generation: u64::from_be_bytes(field(slot, 24)),
        position: Position {
            sequence: u64::from_be_bytes(field(slot, 32)),
            head: field(slot, 40),
        },
    };
    if let Some(keys) = keys {
        if key != keys.id {
            return Err(SlotFault::Key {
                found: hex::encode(key),
                given: keys.id_hex(),
            });
        }
        // Constant time (hmac): the code is a secret until it is right.
        if mac(keys, slot).verify_slice(&slot[MAC_AT..]).is_err() {
            return Err(SlotFault::Mac {
                generation: head.generation,
                sequence: head.position.sequence,
            });
        }
    }
    if head.generation % 2 != index {
        return Err(SlotFault::Place {
            found: head.generation,
        });
    }
    Ok((head, key))
}

fn mac(keys: &Keys, slot: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.head.as_slice())
        .expect("HMAC takes a key of any length");
    mac.update(&slot[..MAC_AT]);
    mac
}

fn field<const N: usize>(slot: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&slot[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::key::DataKey;

    fn keys() -> Keys {
        Keys::derive(&DataKey::from_bytes(&[0x41; 32]))
    }

    fn position(sequence: u64) -> Position {
        Position {
            sequence,
            head: [sequence as u8; 32],
        }
    }

    /// A head that was written `writes` times after its creation, each time for one more record.
    fn written(writes: u64) -> Vec<u8> {
        let keys = keys();
        let (mut head, file) = encode_new(&keys, [0; 32]);
        let mut file = file.to_vec();
        for sequence in 1..=writes {
            head = head.next(position(sequence));
            let at = head.slot() * SLOT_LEN;
            file[at..at + SLOT_LEN].copy_from_slice(&head.encode(&keys));
        }
        file
    }

    #[test]
    fn the_newest_slot_is_in_force() {
        for writes in 1..6 {
            let (head, key) = read(&written(writes), Some(&keys()), "head").unwrap();
            assert_eq!((head.position, key), (position(writes), keys().id));
        }
    }

    #[test]
    fn a_damaged_slot_leaves_the_other_one() {
        let intact = written(5);
        for at in 0..HEAD_LEN {
            let mut file = intact.clone();
            file[at] ^= 0x20;
            let (head, _) = read(&file, Some(&keys()), "head").unwrap();
            // Generation 6 is in slot 0; its damage leaves record 4.
            let wanted = if at < SLOT_LEN { 4 } else { 5 };
            assert_eq!(head.position, position(wanted), "byte {at}");
        }
    }

    #[test]
    fn two_damaged_slots_are_refused_with_both_causes() {
        let mut file = written(5);
        file[0] = b'X';
        file[SLOT_LEN + 100] = 1;
        let error = read(&file, Some(&keys()), "head").unwrap_err();
        assert_eq!(
            error.to_string(),
            "both slots of the head head are damaged: slot 0 starts with 58544f4148454144, wanted is 53544f4148454144; \
             slot 1 has a wrong authentication code (says generation 5, record 4)"
        );
        for len in [0, 1, SLOT_LEN, HEAD_LEN - 1] {
            let error = read(&written(5)[..len], Some(&keys()), "head").unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("lies in a file of {len} bytes, wanted are 1024"))
            );
        }
    }

    #[test]
    fn slots_that_were_not_written_one_after_the_other_are_refused() {
        let mut file = written(5);
        file[SLOT_LEN..].copy_from_slice(&written(2)[SLOT_LEN..]);
        let error = read(&file, Some(&keys()), "head").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the slots of the head head hold generations 6 and 3, which are not neighbours"
        );
        let mut swapped = written(5);
        swapped.rotate_left(SLOT_LEN);
        let error = read(&swapped, Some(&keys()), "head").unwrap_err();
        assert!(error.to_string().contains("belongs into the other slot"));
    }

    #[test]
    fn another_key_is_refused_by_its_name() {
        let other = Keys::derive(&DataKey::from_bytes(&[0x42; 32]));
        let error = read(&written(5), Some(&other), "head").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the head head is sealed under data key {}, the key given is {}",
                keys().id_hex(),
                other.id_hex()
            )
        );
    }

    #[test]
    fn a_head_can_be_read_without_the_key_but_not_forged_for_its_holder() {
        let mut file = written(5);
        file[39] = 9;
        assert_eq!(read(&file, None, "head").unwrap().0.position.sequence, 9);
        let (head, _) = read(&file, Some(&keys()), "head").unwrap();
        assert_eq!(head.position.sequence, 4);
    }
}

//! The sealed record: the only place where plaintext of the journal exists as bytes.
//!
//! Record, all integers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `STOA` |
//! | 4 | 2 | format version, 1 |
//! | 6 | 1 | kind: 1 batch, 2 snapshot |
//! | 7 | 1 | 0 |
//! | 8 | 8 | id of the data key |
//! | 16 | 8 | sequence number; a snapshot carries the number of the last record it holds |
//! | 24 | 32 | batch: SHA-256 of the whole previous record; snapshot: of the record with its own number |
//! | 56 | 12 | nonce, random |
//! | 68 | 4 | length n of the content |
//! | 72 | n | ciphertext |
//! | 72 + n | 16 | tag |
//!
//! AES-256-GCM-SIV (RFC 8452); the first 72 bytes are the associated data. Misuse-resistant, because a coordinator
//! whose folder was put back seals another record under a number that was used before, perhaps with a random
//! generator that was put back too.
//!
//! Source: docs/reference/journal.md, 2. Does not live here: the chain of records (`check`), where they lie (`store`).

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{RecordFault, StoreError};
use crate::key::Keys;

/// Backends store a record in pieces of this size (the last may be shorter): sled moves anything much larger into
/// files that it never syncs.
pub const CHUNK_LEN_MAX: usize = 4096;

/// The most content one record may hold, 64 MiB: far above any batch, and above a snapshot of 100 000 identities.
pub const PLAINTEXT_LEN_MAX: usize = 64 << 20;

/// Bytes a record adds to its content: header and tag.
pub const RECORD_OVERHEAD: usize = HEADER_LEN + TAG_LEN;

pub(crate) const HEADER_LEN: usize = 72;
const TAG_LEN: usize = 16;
const MAGIC: &[u8; 4] = b"STOA";
const VERSION: u16 = 1;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One batch of events, in the chain.
    Batch,
    /// The whole state after a record, beside the chain.
    Snapshot,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::Snapshot => 2,
        }
    }
}

/// One sealed record as it lies on disk. Safe to show to anyone; holding one proves nothing about its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Bytes that a backend found; they are judged when the journal is opened.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The whole record.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The pieces a backend stores, each [`CHUNK_LEN_MAX`] bytes but the last.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.chunks(CHUNK_LEN_MAX)
    }

    /// SHA-256 over header, ciphertext and tag: the link to the next record.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// How many bytes the record has whose first piece is `first`; `None` if that is too short to say.
pub(crate) fn stored_len(first: &[u8]) -> Option<usize> {
    let length = first.get(68..HEADER_LEN)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    usize::try_from(length).ok()?.checked_add(RECORD_OVERHEAD)
}

/// Seals `content` as record `sequence`, to follow the record with hash `previous`.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub(crate) fn seal(
    keys: &Keys,
    kind: Kind,
    sequence: u64,
    previous: &[u8; 32],
    content: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Sealed, StoreError> {
    if content.len() > PLAINTEXT_LEN_MAX {
        return Err(StoreError::TooLarge {
            len: content.len(),
            max: PLAINTEXT_LEN_MAX,
        });
    }
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let header = Header {
        key: keys.id,
        kind: kind.number(),
        sequence,
        previous: *previous,
        nonce,
        length: u32::try_from(content.len()).expect("the limit of 64 MiB was checked above"),
    }
    .encode();
    // One allocation of the final size: the content is never left behind in a buffer that was outgrown.
    let mut record = Vec::with_capacity(HEADER_LEN + content.len() + TAG_LEN);
    record.extend_from_slice(&header);
    record.extend_from_slice(content);
    let tag = seal_in_place(&keys.record, nonce, &header, &mut record[HEADER_LEN..]);
    record.extend_from_slice(&tag);
    Ok(Sealed(record))
}

/// Checks and opens a record of `kind` that stands at `sequence`; gives its content and the hash it names as previous.
///
/// # Errors
/// [`StoreError::ForeignKey`], [`StoreError::VersionUnknown`], [`StoreError::RecordDamaged`], each naming `place`.
pub(crate) fn open(
    keys: &Keys,
    kind: Kind,
    sequence: u64,
    record: &Sealed,
    place: &str,
) -> Result<(Zeroizing<Vec<u8>>, [u8; 32]), StoreError> {
    let header = parse(kind, sequence, record, place)?;
    if header.key != keys.id {
        return Err(StoreError::ForeignKey {
            place: format!("record {sequence} in {place}"),
            found: hex::encode(header.key),
            given: keys.id_hex(),
        });
    }
    let (associated, sealed) = record.0.split_at(HEADER_LEN);
    let mut content = Zeroizing::new(sealed.to_vec());
    let opened = keys
        .record
        .open_in_place(
            Nonce::assume_unique_for_key(header.nonce),
            Aad::from(associated),
            content.as_mut_slice(),
        )
        .map(|plain| plain.len())
        .map_err(|_| StoreError::RecordDamaged {
            place: place.to_owned(),
            sequence,
            fault: RecordFault::Seal { key: keys.id_hex() },
        })?;
    content.truncate(opened);
    Ok((content, header.previous))
}

/// What can be said about a record without the key: the hash it names as previous, and the id of its key.
///
/// # Errors
/// As [`open`], but for the seal.
pub(crate) fn inspect(
    kind: Kind,
    sequence: u64,
    record: &Sealed,
    place: &str,
) -> Result<([u8; 32], [u8; 8]), StoreError> {
    let header = parse(kind, sequence, record, place)?;
    Ok((header.previous, header.key))
}

struct Header {
    key: [u8; 8],
    kind: u8,
    sequence: u64,
    previous: [u8; 32],
    nonce: [u8; NONCE_LEN],
    length: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_be_bytes());
        out[6] = self.kind;
        out[8..16].copy_from_slice(&self.key);
        out[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        out[24..56].copy_from_slice(&self.previous);
        out[56..68].copy_from_slice(&self.nonce);
        out[68..].copy_from_slice(&self.length.to_be_bytes());
        out
    }
}

/// Everything about a record that needs no key.
fn parse(kind: Kind, sequence: u64, record: &Sealed, place: &str) -> Result<Header, StoreError> {
    let bytes = record.as_bytes();
    let fault = |fault| StoreError::RecordDamaged {
        place: place.to_owned(),
        sequence,
        fault,
    };
    let Some((header, rest)) = bytes
        .split_first_chunk::<HEADER_LEN>()
        .filter(|(_, rest)| rest.len() >= TAG_LEN)
    else {
        return Err(fault(RecordFault::Short {
            len: bytes.len(),
            min: RECORD_OVERHEAD,
        }));
    };
    if &header[..4] != MAGIC {
        return Err(fault(RecordFault::Magic {
            found: hex::encode(&header[..4]),
            wanted: hex::encode(MAGIC),
        }));
    }
    let version = u16::from_be_bytes(field(header, 4));
    if version != VERSION {
        return Err(StoreError::VersionUnknown {
            place: format!("record {sequence} in {place}"),
            found: version,
            known: VERSION,
        });
    }
    if header[6] != kind.number() {
        return Err(fault(RecordFault::Kind {
            found: header[6],
            wanted: kind.number(),
        }));
    }
    if header[7] != 0 {
        return Err(fault(RecordFault::Reserved { found: header[7] }));
    }
    let parsed = Header {
        key: field(header, 8),
        kind: header[6],
        sequence: u64::from_be_bytes(field(header, 16)),
        previous: field(header, 24),
        nonce: field(header, 56),
        length: u32::from_be_bytes(field(header, 68)),
    };
    if parsed.sequence != sequence {
        return Err(fault(RecordFault::Sequence {
            found: parsed.sequence,
        }));
    }
    let found = rest.len() - TAG_LEN;
    if usize::try_from(parsed.length) != Ok(found) {
        return Err(fault(RecordFault::Length {
            said: usize::try_from(parsed.length).unwrap_or(usize::MAX),
            found,
        }));
    }
    Ok(parsed)
}

fn field<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

/// Encrypts `content` where it lies and gives the tag. Shared with `keyfile`.
pub(crate) fn seal_in_place(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    content: &mut [u8],
) -> [u8; TAG_LEN] {
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            content,
        )
        .expect(
            "AES-GCM-SIV seals anything below 2^36 bytes, and every caller's limit is far below",
        );
    let mut out = [0; TAG_LEN];
    out.copy_from_slice(tag.as_ref());
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::conformance::SeededRng;
    use crate::key::DataKey;

    const PREVIOUS: [u8; 32] = [7; 32];

    fn keys() -> Keys {
        Keys::derive(&DataKey::from_bytes(&[0x41; 32]))
    }

    fn sealed(content: &[u8]) -> Sealed {
        let mut rng = SeededRng::new(5);
        seal(&keys(), Kind::Batch, 3, &PREVIOUS, content, &mut rng).unwrap()
    }

    #[test]
    fn a_record_opens_to_what_was_sealed() {
        for len in [0, 1, 15, 16, 17, 4095, 4096, 4097, 100_000] {
            let content: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let record = sealed(&content);
            assert_eq!(record.as_bytes().len(), len + RECORD_OVERHEAD);
            assert_eq!(stored_len(record.as_bytes()), Some(record.as_bytes().len()));
            let (opened, previous) = open(&keys(), Kind::Batch, 3, &record, "here").unwrap();
            assert_eq!((&*opened, previous), (&content, PREVIOUS));
        }
    }

    #[test]
    fn any_flipped_byte_and_any_truncation_is_refused() {
        let record = sealed(b"three batches of nothing");
        for at in 0..record.as_bytes().len() {
            for mask in [1, 0x80, 0xff] {
                let mut bytes = record.as_bytes().to_vec();
                bytes[at] ^= mask;
                let opened = open(&keys(), Kind::Batch, 3, &Sealed(bytes), "here");
                assert!(opened.is_err(), "byte {at} ^ {mask:#x} was accepted");
            }
        }
        for len in 0..record.as_bytes().len() {
            let cut = Sealed(record.as_bytes()[..len].to_vec());
            let opened = open(&keys(), Kind::Batch, 3, &cut, "here");
            assert!(opened.is_err(), "{len} bytes were accepted");
        }
    }

    #[test]
    fn each_refusal_names_its_exact_cause() {
        let record = sealed(b"content");
        let cause = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = record.as_bytes().to_vec();
            edit(&mut bytes);
            let error = open(&keys(), Kind::Batch, 3, &Sealed(bytes), "here").unwrap_err();
            error.to_string()
        };
        let id = keys().id_hex();
        let foreign = Keys::derive(&DataKey::from_bytes(&[0x42; 32]));
        for (got, wanted) in [
            (
                cause(&|b| b.truncate(87)),
                "record 3 in here is damaged: it has 87 bytes, a record has at least 88".to_owned(),
            ),
            (
                cause(&|b| b[0] = b'X'),
                "record 3 in here is damaged: it starts with 58544f41, a record starts with 53544f41".to_owned(),
            ),
            (
                cause(&|b| b[5] = 2),
                "record 3 in here has format version 2, this build knows version 1".to_owned(),
            ),
            (
                cause(&|b| b[6] = 2),
                "record 3 in here is damaged: its kind is 2, wanted is 1".to_owned(),
            ),
            (
                cause(&|b| b[7] = 9),
                "record 3 in here is damaged: its reserved byte is 9, wanted is 0".to_owned(),
            ),
            (
                cause(&|b| b[8..16].copy_from_slice(&foreign.id)),
                format!(
                    "record 3 in here is sealed under data key {}, the key given is {id}",
                    foreign.id_hex()
                ),
            ),
            (
                cause(&|b| b[23] = 4),
                "record 3 in here is damaged: its header says record 4".to_owned(),
            ),
            (
                cause(&|b| b[71] = 8),
                "record 3 in here is damaged: its header says 8 bytes of content, there are 7".to_owned(),
            ),
            (
                cause(&|b| b[24] ^= 1),
                format!("record 3 in here is damaged: its seal does not open under data key {id}"),
            ),
        ] {
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_snapshot_never_passes_for_a_batch() {
        let mut rng = SeededRng::new(5);
        let record = seal(&keys(), Kind::Snapshot, 3, &PREVIOUS, b"state", &mut rng).unwrap();
        assert!(open(&keys(), Kind::Batch, 3, &record, "here").is_err());
        let mut bytes = record.as_bytes().to_vec();
        bytes[6] = 1;
        assert!(open(&keys(), Kind::Batch, 3, &Sealed(bytes), "here").is_err());
    }

    #[test]
    fn the_same_content_is_sealed_differently_each_time() {
        let mut rng = SeededRng::new(5);
        let mut once = || seal(&keys(), Kind::Batch, 3, &PREVIOUS, b"same", &mut rng).unwrap();
        assert_ne!(once(), once());
    }

    #[test]
    fn content_over_the_limit_is_refused_with_both_values() {
        let mut rng = SeededRng::new(5);
        let content = vec![0; PLAINTEXT_LEN_MAX + 1];
        let error = seal(&keys(), Kind::Batch, 1, &PREVIOUS, &content, &mut rng).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a batch of 67108865 bytes is larger than the limit of 67108864 bytes"
        );
    }
}

//! What a verifier remembers of a mesh: how far its journal was when it was last verified.
//!
//! Source: docs/protocol/attest-1.md, section 5 ("History went back"). One small JSON file a mesh, named by K of its
//! root CA; where those files lie and how they are written is the CLI's.

use std::collections::BTreeMap;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use stoa_attestation::channel::Seen;
use stoa_attestation::{Floors, Mark};
use stoa_explain::Explain;

use crate::json;

/// One such file, in bytes.
pub const SEEN_BYTES_MAX: usize = 64 * 1024;
/// Objects of collateral that are remembered for one mesh, at most.
pub const SEEN_MARKS_MAX: usize = 128;
const FORMAT: u32 = 1;

/// A mesh as it was last verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMesh {
    /// K of its root CA.
    pub root: [u8; 32],
    /// Sequence number of its journal.
    pub sequence: u64,
    /// Head of its journal at that number.
    pub head: [u8; 32],
    /// The state bytes' time, Unix seconds.
    pub time: u64,
    /// Where it was met, `host:port`, so that a mesh that vanished behind its address is missed. Absent for bundles.
    pub address: Option<String>,
    /// How new the collateral was that its evidence was judged by.
    pub collateral: Floors,
}

impl SeenMesh {
    /// What the next statement of this mesh is held against.
    #[must_use]
    pub fn position(&self) -> Seen {
        Seen {
            root: self.root,
            sequence: self.sequence,
            head: self.head,
        }
    }

    /// Whether it was already known at that time; a bundle that is older than the memory can't be held against it.
    #[must_use]
    pub fn known_at(&self, as_of: UnixTime) -> bool {
        self.time <= as_of.as_secs()
    }

    /// The memory after this mesh was verified again: it never goes back, and an address is not forgotten.
    #[must_use]
    pub fn advanced(self, before: Option<SeenMesh>) -> Self {
        match before {
            Some(before) if before.root == self.root => {
                let address = self.address.clone().or_else(|| before.address.clone());
                let mut collateral = before.collateral.clone();
                collateral.raise(&self.collateral);
                let newest = if before.sequence > self.sequence {
                    before
                } else {
                    self
                };
                Self {
                    address,
                    collateral,
                    ..newest
                }
            }
            _ => self,
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            format: FORMAT,
            root_spki_sha256: hex::encode(self.root),
            sequence: self.sequence,
            head: hex::encode(self.head),
            time: self.time,
            address: self.address.clone(),
            collateral: stored_marks(&self.collateral),
        };
        serde_json::to_vec(&stored).expect("a struct of numbers and strings always is JSON")
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`BadSeen`]: memory that can't be read is an error, not an empty memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSeen> {
        if bytes.len() > SEEN_BYTES_MAX {
            return Err(BadSeen(format!(
                "has {} bytes, the limit is {SEEN_BYTES_MAX}",
                bytes.len()
            )));
        }
        let stored: Stored = json::read(bytes).map_err(BadSeen)?;
        if stored.format != FORMAT {
            return Err(BadSeen(format!(
                "`format` is {}, wanted {FORMAT}",
                stored.format
            )));
        }
        Ok(Self {
            root: hash("root_spki_sha256", &stored.root_spki_sha256)?,
            sequence: stored.sequence,
            head: hash("head", &stored.head)?,
            time: stored.time,
            address: stored.address,
            collateral: read_marks(stored.collateral)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    root_spki_sha256: String,
    sequence: u64,
    head: String,
    time: u64,
    address: Option<String>,
    /// By object; absent in files of before it was kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    collateral: BTreeMap<String, StoredMark>,
}

#[derive(Serialize, Deserialize)]
struct StoredMark {
    number: String,
    issued: u64,
}

/// The marks that fit the file: a coordinator moves between few platforms.
fn stored_marks(floors: &Floors) -> BTreeMap<String, StoredMark> {
    let stored = |(name, mark): (&str, &Mark)| {
        let mark = StoredMark {
            number: hex::encode(&mark.number),
            issued: mark.issued,
        };
        (name.to_owned(), mark)
    };
    floors.marks().take(SEEN_MARKS_MAX).map(stored).collect()
}

fn read_marks(stored: BTreeMap<String, StoredMark>) -> Result<Floors, BadSeen> {
    let read = |(name, mark): (String, StoredMark)| {
        let number = hex::decode(&mark.number)
            .map_err(|error| BadSeen(format!("`collateral.{name}.number` is no hex: {error}")))?;
        let issued = mark.issued;
        Ok((name, Mark { number, issued }))
    };
    let marks = stored
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Floors::kept(marks))
}

fn hash(member: &str, text: &str) -> Result<[u8; 32], BadSeen> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|error| BadSeen(format!("`{member}` is not the hex of 32 bytes: {error}")))?;
    Ok(bytes)
}

/// Why the memory of a mesh can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the memory of a mesh can't be read: {0}")]
pub struct BadSeen(String);

impl Explain for BadSeen {
    fn code(&self) -> &'static str {
        "memory-malformed"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "restore the file from a backup, or delete it if you accept that a coordinator that went back is not \
             noticed this once"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn marks(number: u8) -> Floors {
        let mark = Mark {
            number: vec![number],
            issued: 100,
        };
        Floors::kept([("00/root-crl".to_owned(), mark)])
    }

    fn mesh(sequence: u64, address: Option<&str>) -> SeenMesh {
        SeenMesh {
            root: [1; 32],
            sequence,
            head: [2; 32],
            time: 100,
            address: address.map(str::to_owned),
            collateral: marks(20),
        }
    }

    #[test]
    fn memory_is_read_back_as_written() {
        for mesh in [mesh(7, None), mesh(u64::MAX, Some("mesh.example:4433"))] {
            assert_eq!(SeenMesh::parse(&mesh.encode()).unwrap(), mesh);
        }
    }

    #[test]
    fn memory_never_goes_back() {
        let addressed = mesh(7, Some("a:1"));
        assert_eq!(
            mesh(8, None).advanced(Some(addressed.clone())),
            mesh(8, Some("a:1"))
        );
        assert_eq!(
            mesh(6, Some("b:1")).advanced(Some(addressed.clone())),
            mesh(7, Some("b:1"))
        );
        assert_eq!(mesh(6, None).advanced(None), mesh(6, None));
        let newer = SeenMesh {
            collateral: marks(21),
            ..mesh(6, None)
        };
        let kept = newer.advanced(Some(mesh(7, None)));
        assert_eq!((kept.sequence, kept.collateral), (7, marks(21)));
        let other = SeenMesh {
            root: [9; 32],
            ..mesh(1, None)
        };
        assert_eq!(other.clone().advanced(Some(addressed)), other);
    }

    #[test]
    fn memory_that_is_damaged_is_an_error_and_not_empty() {
        let good = mesh(7, None).encode();
        for end in 0..good.len() {
            assert!(SeenMesh::parse(&good[..end]).is_err(), "cut at {end}");
        }
        let text = String::from_utf8(good).unwrap();
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("\"sequence\":7", "\"sequence\":-7"),
            ("\"sequence\":7", "\"sequence\":7,\"sequence\":8"),
            ("0101", "01"),
        ] {
            assert!(text.contains(from));
            assert!(
                SeenMesh::parse(text.replacen(from, to, 1).as_bytes()).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn a_bundle_older_than_the_memory_is_not_held_against_it() {
        let at = |secs| UnixTime::since_unix_epoch(core::time::Duration::from_secs(secs));
        assert!(mesh(7, None).known_at(at(100)));
        assert!(!mesh(7, None).known_at(at(99)));
    }
}

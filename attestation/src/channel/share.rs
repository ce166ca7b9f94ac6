//! A share of a mesh's data key as its holder has it, and what the holder signs when handing it over.
//!
//! Both sides of a recovery read it: the coordinator puts shares together, a holder's client looks whose share it is.
//! Does not live here: splitting and combining (`mesh::recover`), encryption (the shells).
//! Source: docs/reference/recovery.md, sections 1 and 4.

use sha2::{Digest as _, Sha256};
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::lp::Writer;

/// Bytes of an encoded share.
pub const SHARE_BYTES: usize = 84;
/// Bytes of a data key's id.
pub const DATA_KEY_ID_BYTES: usize = 8;

const MAGIC: &[u8; 8] = b"STOASHAR";
const VERSION: u16 = 1;
const SIGNED_LABEL: &[u8] = b"stoa/recover/1";

/// One share. Its value is erased when it is dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// How many shares make the key, 1 to 255.
    pub threshold: u8,
    /// Where the polynomial was taken, 1 to 255.
    pub point: u8,
    /// Id of the data key that it is a share of.
    pub data_key: [u8; DATA_KEY_ID_BYTES],
    /// K(root SPKI) of the mesh.
    pub root: [u8; 32],
    /// The polynomials' values there, one byte for each of the key's.
    pub value: Zeroizing<[u8; 32]>,
}

impl Share {
    /// Its [`SHARE_BYTES`] bytes.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SHARE_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[self.threshold, self.point]);
        bytes.extend_from_slice(&self.data_key);
        bytes.extend_from_slice(&self.root);
        bytes.extend_from_slice(self.value.as_slice());
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`BadShare`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadShare> {
        let wrong = || BadShare::Length { len: bytes.len() };
        let bytes: &[u8; SHARE_BYTES] = bytes.try_into().map_err(|_| wrong())?;
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (&[threshold, point], rest) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (data_key, rest) = rest
            .split_first_chunk::<DATA_KEY_ID_BYTES>()
            .ok_or_else(wrong)?;
        let (root, rest) = rest.split_first_chunk::<32>().ok_or_else(wrong)?;
        let value = rest.first_chunk::<32>().ok_or_else(wrong)?;
        if magic != MAGIC || u16::from_be_bytes(*version) != VERSION {
            return Err(BadShare::Format {
                found: hex::encode(&bytes[..10]),
                wanted: hex::encode([&MAGIC[..], &VERSION.to_be_bytes()].concat()),
            });
        }
        if threshold == 0 || point == 0 {
            return Err(BadShare::Numbers { threshold, point });
        }
        Ok(Self {
            threshold,
            point,
            data_key: *data_key,
            root: *root,
            value: Zeroizing::new(*value),
        })
    }

    /// SHA-256 of its bytes: names the share without giving it away.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.encode().as_slice()).into()
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share")
            .field("threshold", &self.threshold)
            .field("point", &self.point)
            .field("data_key", &hex::encode(self.data_key))
            .field("root", &hex::encode(self.root))
            .field("value", &"<secret>")
            .finish()
    }
}

/// Why bytes are no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadShare {
    /// Not as long as one.
    #[error("a share has {SHARE_BYTES} bytes, this has {len}")]
    Length {
        /// Its length.
        len: usize,
    },
    /// Another format or version.
    #[error("a share starts with {wanted}, this with {found} (hex)")]
    Format {
        /// Its first ten bytes, hex.
        found: String,
        /// What they must be, hex.
        wanted: String,
    },
    /// Zero is neither a threshold nor a point.
    #[error("the share has threshold {threshold} and point {point}; both are 1 to 255")]
    Numbers {
        /// Byte 10.
        threshold: u8,
        /// Byte 11.
        point: u8,
    },
}

impl Explain for BadShare {
    fn code(&self) -> &'static str {
        "share-malformed"
    }

    fn remedy(&self) -> Option<String> {
        Some("decrypt the holder's share from the recovery file with the holder's key (RSA-OAEP, SHA-256)".to_owned())
    }
}

/// What a holder signs (RSA PKCS #1 v1.5, SHA-256): this share, for this mesh and data key, to this upload key.
///
/// LP("stoa/recover/1") LP(K(root SPKI)) LP(id of the data key) LP(SHA-256 of the share) LP(K(SPKI of the upload key)).
#[must_use]
pub fn share_signature_input(
    root: &[u8; 32],
    data_key: &[u8; DATA_KEY_ID_BYTES],
    share: &[u8; 32],
    upload_key: &[u8; 32],
) -> Vec<u8> {
    Writer::new()
        .field(SIGNED_LABEL)
        .field(root)
        .field(data_key)
        .field(share)
        .field(upload_key)
        .finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn share() -> Share {
        Share {
            threshold: 2,
            point: 3,
            data_key: [4; 8],
            root: [5; 32],
            value: Zeroizing::new([6; 32]),
        }
    }

    #[test]
    fn a_share_is_written_as_the_page_says_and_read_back() {
        let bytes = share().encode();
        let golden = format!(
            "53544f415348415200010203{}{}{}",
            "04".repeat(8),
            "05".repeat(32),
            "06".repeat(32)
        );
        assert_eq!(hex::encode(&bytes), golden);
        assert_eq!(Share::decode(&bytes).unwrap(), share());
        let hidden = format!("{:?}", share());
        assert!(
            hidden.contains("<secret>") && !hidden.contains("06"),
            "{hidden}"
        );
    }

    #[test]
    fn bytes_that_are_no_share_are_refused_by_what_is_wrong() {
        let bytes = share().encode();
        for len in [0, SHARE_BYTES - 1] {
            assert_eq!(Share::decode(&bytes[..len]), Err(BadShare::Length { len }));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Share::decode(&longer), Err(BadShare::Length { len: 85 }));
        for at in 0..10 {
            let mut other = bytes.to_vec();
            other[at] ^= 1;
            assert!(
                matches!(Share::decode(&other), Err(BadShare::Format { .. })),
                "byte {at}"
            );
        }
        for at in [10, 11] {
            let mut other = bytes.to_vec();
            other[at] = 0;
            assert!(
                matches!(Share::decode(&other), Err(BadShare::Numbers { .. })),
                "byte {at}"
            );
        }
    }

    #[test]
    fn every_field_of_what_a_holder_signs_counts() {
        let base = share_signature_input(&[1; 32], &[2; 8], &[3; 32], &[4; 32]);
        assert_eq!(base.len(), 4 * 5 + 14 + 32 + 8 + 32 + 32);
        for other in [
            share_signature_input(&[9; 32], &[2; 8], &[3; 32], &[4; 32]),
            share_signature_input(&[1; 32], &[9; 8], &[3; 32], &[4; 32]),
            share_signature_input(&[1; 32], &[2; 8], &[9; 32], &[4; 32]),
            share_signature_input(&[1; 32], &[2; 8], &[3; 32], &[9; 32]),
        ] {
            assert_ne!(base, other);
        }
    }
}

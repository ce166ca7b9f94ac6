//! The file `sealed_key`: the data key, wrapped under a key that only this TEE can derive again.
//!
//! File, 80 bytes, integers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `STOA-KEY` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 1 | seal mode: 1 product key, 2 unique key |
//! | 11 | 1 | 0 |
//! | 12 | 8 | id of the data key |
//! | 20 | 12 | nonce, random |
//! | 32 | 32 | the data key, AES-256-GCM-SIV |
//! | 64 | 16 | tag; the first 32 bytes are the associated data |
//!
//! A file that is missing, damaged or foreign puts the coordinator into recovery; the journal is not touched.
//!
//! Source: docs/reference/journal.md, 6. Does not live here: deriving the wrapping key (`source`).

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use rand_core::CryptoRng;
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::disk;
use crate::envelope;
use crate::error::StoreError;
use crate::key::{DataKey, siv_key};

/// Its name in the data folder.
pub const NAME: &str = "sealed_key";

/// Its length in bytes.
pub const LEN: usize = HEADER_LEN + 32 + 16;

const HEADER_LEN: usize = 32;
const MAGIC: &[u8; 8] = b"STOA-KEY";
const VERSION: u16 = 1;

/// Which code may derive the wrapping key. `Disabled` in a manifest means: no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealMode {
    /// Bound to the signer and the product: later versions can unwrap.
    ProductKey,
    /// Bound to the measurement: only exactly this code can unwrap.
    UniqueKey,
}

impl SealMode {
    fn number(self) -> u8 {
        match self {
            Self::ProductKey => 1,
            Self::UniqueKey => 2,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::ProductKey),
            2 => Some(Self::UniqueKey),
            _ => None,
        }
    }
}

impl fmt::Display for SealMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProductKey => "ProductKey",
            Self::UniqueKey => "UniqueKey",
        })
    }
}

/// Why a `sealed_key` gave no data key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedKeyError {
    /// Not 80 bytes.
    #[error("`sealed_key` has {len} bytes, wanted are {LEN}")]
    Length {
        /// Its length.
        len: usize,
    },
    /// The first eight bytes.
    #[error("`sealed_key` starts with {found}, wanted is {wanted}")]
    Magic {
        /// Found, hex.
        found: String,
        /// Wanted, hex.
        wanted: String,
    },
    /// Written by a version of Stoa that this one does not know.
    #[error("`sealed_key` has format version {found}, this build knows version {VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// Neither of the two modes, or a reserved byte that is not 0.
    #[error(
        "`sealed_key` has seal mode {mode} and reserved byte {reserved}; modes are 1 and 2, the byte is 0"
    )]
    Mode {
        /// Byte 10.
        mode: u8,
        /// Byte 11.
        reserved: u8,
    },
    /// Sealed for the other seal mode than the one asked for.
    #[error(
        "`sealed_key` is sealed in mode {found}, the coordinator derives the key of mode {given}"
    )]
    OtherMode {
        /// The mode in the file.
        found: SealMode,
        /// The mode of the wrapping key.
        given: SealMode,
    },
    /// The seal does not open.
    #[error(
        "`sealed_key` does not open under this TEE's {mode} sealing key: it was sealed by other code, another signer or another platform, or it was damaged"
    )]
    Foreign {
        /// The mode of both.
        mode: SealMode,
    },
}

impl Explain for SealedKeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } | Self::Magic { .. } | Self::Version { .. } | Self::Mode { .. } => {
                "sealed-key-damaged"
            }
            Self::OtherMode { .. } => "sealed-key-mode",
            Self::Foreign { .. } => "sealed-key-foreign",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::OtherMode { .. } => {
                "Start with the seal mode that it was sealed in, or recover with the shares."
            }
            Self::Foreign { .. } => {
                "Start the coordinator that sealed it on the platform that sealed it, or recover with the shares."
            }
            _ => "Restore `sealed_key` from a backup of this folder, or recover with the shares.",
        };
        Some(text.to_owned())
    }
}

/// Wraps the data key; the bytes of the file.
#[must_use]
pub fn wrap(
    sealing_key: &[u8; 32],
    key: &DataKey,
    mode: SealMode,
    rng: &mut dyn CryptoRng,
) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut file = Vec::with_capacity(LEN);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&[mode.number(), 0]);
    file.extend_from_slice(&key.id());
    file.extend_from_slice(&nonce);
    let mut secret = Zeroizing::new(*key.expose_secret());
    let tag = envelope::seal_in_place(&siv_key(sealing_key), nonce, &file, secret.as_mut_slice());
    file.extend_from_slice(secret.as_slice());
    file.extend_from_slice(&tag);
    file
}

/// Unwraps the data key.
///
/// # Errors
/// The exact cause; [`SealedKeyError::Foreign`] can't tell damage from another TEE, because the seal can't.
pub fn unwrap(
    sealing_key: &[u8; 32],
    file: &[u8],
    mode: SealMode,
) -> Result<DataKey, SealedKeyError> {
    let (header, sealed) = match file.split_first_chunk::<HEADER_LEN>() {
        Some(parts) if file.len() == LEN => parts,
        _ => return Err(SealedKeyError::Length { len: file.len() }),
    };
    if &header[..8] != MAGIC {
        return Err(SealedKeyError::Magic {
            found: hex::encode(&header[..8]),
            wanted: hex::encode(MAGIC),
        });
    }
    let version = u16::from_be_bytes([header[8], header[9]]);
    if version != VERSION {
        return Err(SealedKeyError::Version { found: version });
    }
    let found = match SealMode::from_number(header[10]) {
        Some(found) if header[11] == 0 => found,
        _ => {
            return Err(SealedKeyError::Mode {
                mode: header[10],
                reserved: header[11],
            });
        }
    };
    if found != mode {
        return Err(SealedKeyError::OtherMode { found, given: mode });
    }
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&header[20..]);
    let mut secret = Zeroizing::new(sealed.to_vec());
    let opened = siv_key(sealing_key).open_in_place(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(header),
        secret.as_mut_slice(),
    );
    match opened.map(|plain| <&[u8; 32]>::try_from(&*plain)) {
        Ok(Ok(secret)) => Ok(DataKey::from_bytes(secret)),
        _ => Err(SealedKeyError::Foreign { mode }),
    }
}

/// Replaces the file in `dir`, durable when it returns, all or nothing. Hold the lock: [`crate::Folder`].
///
/// # Errors
/// [`StoreError::Io`]; the old file is then still there, or the new one is.
pub fn write(dir: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    disk::replace(dir, NAME, bytes)
}

/// Reads the file in `dir`, `None` if there is none.
///
/// # Errors
/// [`StoreError::Io`].
pub fn read(dir: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    disk::read_up_to(&dir.join(NAME), LEN + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::conformance::SeededRng;

    const SEALING: [u8; 32] = [9; 32];

    fn file() -> (DataKey, Vec<u8>) {
        let key = DataKey::from_bytes(&[0x41; 32]);
        let file = wrap(&SEALING, &key, SealMode::ProductKey, &mut SeededRng::new(1));
        (key, file)
    }

    #[test]
    fn unwraps_what_was_wrapped_and_shows_no_key() {
        let (key, file) = file();
        assert_eq!(file.len(), LEN);
        assert!(!file.windows(4).any(|window| window == [0x41; 4]));
        let unwrapped = unwrap(&SEALING, &file, SealMode::ProductKey).unwrap();
        assert_eq!(unwrapped.expose_secret(), key.expose_secret());
    }

    #[test]
    fn refuses_another_sealing_key_another_mode_and_another_length_by_name() {
        let (_, file) = file();
        let cause = |key: &[u8; 32], file: &[u8], mode| unwrap(key, file, mode).unwrap_err();
        assert_eq!(
            cause(&[8; 32], &file, SealMode::ProductKey),
            SealedKeyError::Foreign {
                mode: SealMode::ProductKey
            }
        );
        assert_eq!(
            cause(&SEALING, &file, SealMode::UniqueKey),
            SealedKeyError::OtherMode {
                found: SealMode::ProductKey,
                given: SealMode::UniqueKey
            }
        );
        for len in (0..LEN).chain([LEN + 1]) {
            let mut other = file.clone();
            other.resize(len, 0);
            assert_eq!(
                cause(&SEALING, &other, SealMode::ProductKey),
                SealedKeyError::Length { len }
            );
        }
    }

    #[test]
    fn refuses_any_flipped_byte() {
        let (_, file) = file();
        for at in 0..LEN {
            for mask in [1, 2, 3, 0x80] {
                let mut other = file.clone();
                other[at] ^= mask;
                // Both modes are tried, so that a changed mode is caught by the seal and not only by the question.
                for mode in [SealMode::ProductKey, SealMode::UniqueKey] {
                    assert!(
                        unwrap(&SEALING, &other, mode).is_err(),
                        "byte {at} ^ {mask}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_write_replaces_the_file_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join("sealed_key.new"), b"left by a crash").unwrap();
        for content in [b"first".as_slice(), b"second"] {
            write(dir.path(), content).unwrap();
            assert_eq!(read(dir.path()).unwrap().unwrap(), content);
        }
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
    }
}

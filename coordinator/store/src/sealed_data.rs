//! The file `sealed_data`: a format marker, and in clear what recovery needs to know before the data key is back.
//!
//! Text, one entry a line, so that a person can read it. Without recovery keys two lines, with them:
//!
//! ```text
//! stoa sealed_data 1              stoa sealed_data 1
//! recovery none                   recovery shares
//!                                 data-key <id of the data key, 16 hex digits>
//!                                 threshold <1 to the number of holders>
//!                                 root <root CA's certificate, DER in base64>
//!                                 holder <SHA-256 of the share, hex> <recovery key, SPKI in base64> <name>
//!                                 ..
//!                                 check <SHA-256 of all lines before, hex>
//! ```
//!
//! What is in here is advisory: it follows from the journal and the data key, and is written again from them when it is
//! missing or another. The check line finds damage; it is no proof of anything.
//!
//! Source: docs/reference/journal.md, 1; docs/reference/recovery.md, 2. Does not live here: the state (that is the
//! journal), the wrapped key (`keyfile`), what the shares are (`mesh`).

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::disk;
use crate::error::StoreError;

/// Its name in the data folder.
pub const NAME: &str = "sealed_data";

const MARKER: &str = "stoa sealed_data ";
const VERSION: u16 = 1;
const NONE: &[u8] = b"stoa sealed_data 1\nrecovery none\n";
const SHARES: &[u8] = b"stoa sealed_data 1\nrecovery shares\n";

/// The most that is read of it: 255 holders with the longest keys and names fit.
pub const SEALED_DATA_BYTES_MAX: usize = 1 << 20;

/// What is told in clear about the shares of the data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryData {
    /// [`crate::DataKey::id`] of the key that they are shares of.
    pub data_key: [u8; 8],
    /// How many of them make it, from 1.
    pub threshold: u8,
    /// The root CA's certificate, DER.
    pub root: Vec<u8>,
    /// Who holds them.
    pub holders: Vec<RecoveryHolder>,
}

/// One holder of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryHolder {
    /// Name of the recovery key, without control characters.
    pub name: String,
    /// The recovery key, SPKI (DER).
    pub spki: Vec<u8>,
    /// SHA-256 of the share.
    pub share: [u8; 32],
}

impl RecoveryData {
    /// The content of the file, `recovery none` for `None`.
    #[must_use]
    pub fn encode(data: Option<&Self>) -> Vec<u8> {
        let Some(data) = data else {
            return NONE.to_vec();
        };
        let mut text = String::from_utf8_lossy(SHARES).into_owned();
        // Writing into a String does not fail.
        let _ = writeln!(text, "data-key {}", hex::encode(data.data_key));
        let _ = writeln!(text, "threshold {}", data.threshold);
        let _ = writeln!(text, "root {}", STANDARD.encode(&data.root));
        for holder in &data.holders {
            let (share, spki) = (hex::encode(holder.share), STANDARD.encode(&holder.spki));
            let _ = writeln!(text, "holder {share} {spki} {}", holder.name);
        }
        let check = hex::encode(Sha256::digest(text.as_bytes()));
        let _ = writeln!(text, "check {check}");
        text.into_bytes()
    }

    /// Reads the content of the file; exactly what [`RecoveryData::encode`] writes is read.
    fn decode(content: &[u8]) -> Result<Option<Self>, String> {
        if content == NONE {
            return Ok(None);
        }
        let rest = content.strip_prefix(SHARES).ok_or_else(|| {
            let at = content
                .iter()
                .zip(NONE)
                .position(|(found, wanted)| found != wanted);
            format!(
                "it differs from format {VERSION} at byte {} ({} bytes, wanted are {})",
                at.unwrap_or(content.len().min(NONE.len())),
                content.len(),
                NONE.len()
            )
        })?;
        let text = std::str::from_utf8(rest).map_err(|error| format!("it is no text: {error}"))?;
        let data = Self::lines(text)?;
        if Self::encode(Some(&data)) != content {
            return Err("its check line is not that of the lines before it".to_owned());
        }
        Ok(Some(data))
    }

    fn lines(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let mut entry = |name: &'static str| {
            let line = lines.next().unwrap_or_default();
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '));
            value.ok_or_else(|| format!("there is no line `{name}` where it must be"))
        };
        let unreadable = |name: &str| format!("its line `{name}` can't be read");
        let data_key = hex_of(entry("data-key")?).ok_or_else(|| unreadable("data-key"))?;
        let threshold = entry("threshold")?
            .parse()
            .map_err(|_| unreadable("threshold"))?;
        let root = STANDARD
            .decode(entry("root")?)
            .map_err(|_| unreadable("root"))?;
        let mut holders = Vec::new();
        for line in lines {
            let Some(holder) = line.strip_prefix("holder ") else {
                break;
            };
            let mut words = holder.splitn(3, ' ');
            let mut word = || words.next().ok_or_else(|| unreadable("holder"));
            holders.push(RecoveryHolder {
                share: hex_of(word()?).ok_or_else(|| unreadable("holder"))?,
                spki: STANDARD.decode(word()?).map_err(|_| unreadable("holder"))?,
                name: word()?.to_owned(),
            });
        }
        if threshold == 0 || usize::from(threshold) > holders.len() {
            return Err(format!(
                "its threshold is {threshold}, its holders are {}",
                holders.len()
            ));
        }
        Ok(Self {
            data_key,
            threshold,
            root,
            holders,
        })
    }
}

fn hex_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

/// Writes it, durable when it returns, all or nothing.
pub(crate) fn write(dir: &Path, data: Option<&RecoveryData>) -> Result<(), StoreError> {
    disk::replace(dir, NAME, &RecoveryData::encode(data))
}

/// Writes `recovery none` if it is not there: a crash came between the journal and this file, or someone removed it.
pub(crate) fn write_if_missing(dir: &Path) -> Result<(), StoreError> {
    match disk::read_up_to(&dir.join(NAME), SEALED_DATA_BYTES_MAX)? {
        Some(_) => Ok(()),
        None => write(dir, None),
    }
}

/// Refuses a file that another version wrote or that was damaged; none at all is fine.
pub(crate) fn check(dir: &Path) -> Result<(), StoreError> {
    read(dir).map(|_| ())
}

/// What it says; `None` if it is not there, `Some(None)` if there are no shares.
///
/// # Errors
/// [`StoreError::SealedDataDamaged`], [`StoreError::VersionUnknown`], [`StoreError::Io`].
pub(crate) fn read(dir: &Path) -> Result<Option<Option<RecoveryData>>, StoreError> {
    let path = dir.join(NAME);
    let Some(content) = disk::read_up_to(&path, SEALED_DATA_BYTES_MAX)? else {
        return Ok(None);
    };
    let decoded = RecoveryData::decode(&content);
    decoded
        .map(Some)
        .map_err(|cause| refusal(&path, &content, cause))
}

fn refusal(path: &Path, content: &[u8], cause: String) -> StoreError {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let version = std::str::from_utf8(first)
        .ok()
        .and_then(|line| line.strip_prefix(MARKER))
        .and_then(|version| version.parse::<u16>().ok());
    if let Some(found) = version.filter(|version| *version != VERSION) {
        return StoreError::VersionUnknown {
            place: path.display().to_string(),
            found,
            known: VERSION,
        };
    }
    StoreError::SealedDataDamaged {
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn judged(content: &[u8]) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), content).unwrap();
        check(dir.path()).map_err(|error| {
            let text = error.to_string();
            text.split("sealed_data").last().unwrap().trim().to_owned()
        })
    }

    #[test]
    fn refuses_what_this_version_did_not_write() {
        assert_eq!(judged(NONE), Ok(()));
        assert_eq!(
            judged(b"stoa sealed_data 2\nrecovery none\n"),
            Err("has format version 2, this build knows version 1".to_owned())
        );
        for at in 0..NONE.len() {
            let mut content = NONE.to_vec();
            content[at] ^= 1;
            assert!(judged(&content).is_err(), "byte {at}");
        }
        assert_eq!(
            judged(&NONE[..20]),
            Err(
                "is damaged: it differs from format 1 at byte 20 (20 bytes, wanted are 33)"
                    .to_owned()
            )
        );
    }

    #[test]
    fn is_written_again_when_it_is_missing_and_left_alone_when_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check(dir.path()).is_ok());
        write_if_missing(dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), NONE);
        std::fs::write(dir.path().join(NAME), b"other").unwrap();
        write_if_missing(dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), b"other");
    }

    fn shares() -> RecoveryData {
        let holder = |name: &str, byte| RecoveryHolder {
            name: name.to_owned(),
            spki: vec![byte; 5],
            share: [byte; 32],
        };
        RecoveryData {
            data_key: [0xd; 8],
            threshold: 2,
            root: vec![1, 2, 3],
            holders: vec![holder("ann b.", 0xa), holder("bob", 0xb)],
        }
    }

    #[test]
    fn shares_are_written_as_the_page_says_and_read_back() {
        let text = RecoveryData::encode(Some(&shares()));
        let golden = format!(
            "stoa sealed_data 1\nrecovery shares\ndata-key {}\nthreshold 2\nroot AQID\nholder {} CgoKCgo= ann b.\n\
             holder {} CwsLCws= bob\n",
            "0d".repeat(8),
            "0a".repeat(32),
            "0b".repeat(32)
        );
        let check = hex::encode(Sha256::digest(golden.as_bytes()));
        assert_eq!(
            String::from_utf8(text.clone()).unwrap(),
            format!("{golden}check {check}\n")
        );
        assert_eq!(RecoveryData::decode(&text), Ok(Some(shares())));
        assert_eq!(RecoveryData::decode(NONE), Ok(None));
    }

    #[test]
    fn no_changed_byte_and_no_missing_end_of_shares_is_read() {
        let text = RecoveryData::encode(Some(&shares()));
        for at in 0..text.len() {
            for bit in [1, 0x20, 0x80] {
                let mut other = text.clone();
                other[at] ^= bit;
                assert!(judged(&other).is_err(), "byte {at}, bit {bit:#x}");
            }
            assert!(judged(&text[..at]).is_err(), "{at} bytes");
        }
        assert!(judged(&[&text[..], b"\n"].concat()).is_err());
        let none_enough = RecoveryData {
            threshold: 3,
            ..shares()
        };
        assert_eq!(
            judged(&RecoveryData::encode(Some(&none_enough))),
            Err("is damaged: its threshold is 3, its holders are 2".to_owned())
        );
    }
}

//! The file `sealed_data`: a format marker, and in clear what recovery needs to know before the data key is back.
//!
//! Text, one entry a line, so that a person can read it:
//!
//! ```text
//! stoa sealed_data 1
//! recovery none
//! ```
//!
//! `recovery none` is all that format 1 knows; threshold, share hashes and recovery keys come with another value of
//! that line. What is in here is advisory: it is a copy of what the journal holds, written again when it is missing.
//!
//! Source: docs/reference/journal.md, 1. Does not live here: the state (that is the journal), the wrapped key
//! (`keyfile`).

use std::path::Path;

use crate::disk;
use crate::error::StoreError;

/// Its name in the data folder.
pub const NAME: &str = "sealed_data";

const MARKER: &str = "stoa sealed_data ";
const VERSION: u16 = 1;
const CONTENT: &[u8] = b"stoa sealed_data 1\nrecovery none\n";

/// The most that is read of it.
const LEN_MAX: usize = 64 << 10;

/// Writes it, durable when it returns, all or nothing.
pub(crate) fn write(dir: &Path) -> Result<(), StoreError> {
    disk::replace(dir, NAME, CONTENT)
}

/// Writes it if it is not there: a crash came between the journal and this file, or someone removed it.
pub(crate) fn write_if_missing(dir: &Path) -> Result<(), StoreError> {
    match disk::read_up_to(&dir.join(NAME), LEN_MAX)? {
        Some(_) => Ok(()),
        None => write(dir),
    }
}

/// Refuses a file that another version wrote or that was damaged; none at all is fine.
pub(crate) fn check(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(NAME);
    match disk::read_up_to(&path, LEN_MAX)? {
        Some(content) if content != CONTENT => Err(refusal(&path, &content)),
        _ => Ok(()),
    }
}

fn refusal(path: &Path, content: &[u8]) -> StoreError {
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
    let at = content
        .iter()
        .zip(CONTENT)
        .position(|(found, wanted)| found != wanted)
        .unwrap_or(content.len().min(CONTENT.len()));
    StoreError::SealedDataDamaged {
        path: path.to_owned(),
        cause: format!(
            "it differs from format {VERSION} at byte {at} ({} bytes, wanted are {})",
            content.len(),
            CONTENT.len()
        ),
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
        assert_eq!(judged(CONTENT), Ok(()));
        assert_eq!(
            judged(b"stoa sealed_data 2\nrecovery none\n"),
            Err("has format version 2, this build knows version 1".to_owned())
        );
        for at in 0..CONTENT.len() {
            let mut content = CONTENT.to_vec();
            content[at] ^= 1;
            assert!(judged(&content).is_err(), "byte {at}");
        }
        assert_eq!(
            judged(&CONTENT[..20]),
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
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), CONTENT);
        std::fs::write(dir.path().join(NAME), b"other").unwrap();
        write_if_missing(dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), b"other");
    }
}

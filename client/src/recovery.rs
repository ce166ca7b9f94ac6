//! What a holder of a recovery share keeps and sees: the recovery file, and the mesh that a coordinator in recovery names.
//!
//! The file is JSON, format 1: `{"format": 1, "root_spki_sha256": hex, "data_key": hex, "threshold": n, "shares": [{"name",
//! "key_sha256": hex, "share": base64}, ..], "sealed_data": base64}`. Nothing in it is secret from its reader but each
//! share, which only its holder's key decrypts.
//!
//! Source: docs/reference/recovery.md, section 3. Does not live here: decrypting and signing (the CLI, or an HSM).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use stoa_attestation::channel::{DATA_KEY_ID_BYTES, key_id};
use stoa_explain::Explain;
use stoa_proto::wire;

use crate::certificates;
use crate::json;

/// A recovery file, in bytes: 255 shares for the longest keys, and the coordinator's file beside them.
pub const RECOVERY_FILE_BYTES_MAX: usize = 4 << 20;
const FORMAT: u32 = 1;

/// The shares of one mesh's data key, each encrypted for its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryFile {
    format: u32,
    #[serde(flatten)]
    shares: wire::RecoveryShares,
}

impl RecoveryFile {
    /// From the answer to the manifest that has the recovery keys.
    #[must_use]
    pub fn of(shares: &wire::RecoveryShares) -> Self {
        Self {
            format: FORMAT,
            shares: shares.clone(),
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("a struct of numbers and strings always is JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`BadRecoveryFile`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRecoveryFile> {
        let bad = |cause: String| BadRecoveryFile { cause };
        let file: Self = json::read(bytes).map_err(bad)?;
        if file.format != FORMAT {
            return Err(bad(format!(
                "it has format {}, wanted {FORMAT}",
                file.format
            )));
        }
        Ok(file)
    }

    /// Names of the holders.
    pub fn holders(&self) -> impl Iterator<Item = &str> {
        self.shares.shares.iter().map(|share| share.name.as_str())
    }

    /// Name and encrypted share of the holder whose recovery key has this SPKI; `None` if there is none.
    ///
    /// # Errors
    /// [`BadRecoveryFile`] if that share can't be read.
    pub fn share_of(&self, spki: &[u8]) -> Result<Option<(&str, Vec<u8>)>, BadRecoveryFile> {
        let key = hex::encode(key_id(spki));
        let share = self
            .shares
            .shares
            .iter()
            .find(|share| share.key_sha256 == key);
        share
            .map(|share| {
                let bytes = STANDARD
                    .decode(&share.share)
                    .map_err(|error| BadRecoveryFile {
                        cause: format!(
                            "the share of {} is not canonical base64: {error}",
                            share.name
                        ),
                    })?;
                Ok((share.name.as_str(), bytes))
            })
            .transpose()
    }
}

/// Why a file is no recovery file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no recovery file: {cause}")]
pub struct BadRecoveryFile {
    cause: String,
}

impl Explain for BadRecoveryFile {
    fn code(&self) -> &'static str {
        "recovery-file-malformed"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "give the file that `stoa manifest set --recovery-data FILE` wrote, unchanged"
                .to_owned(),
        )
    }
}

/// The mesh that a coordinator in recovery says it is. Its host could have written that: it is true when the root CA is
/// the one that a holder's own share names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedRecovery {
    /// K(root SPKI), from the certificate that was stated.
    pub root: [u8; 32],
    /// Id of the data key.
    pub data_key: [u8; DATA_KEY_ID_BYTES],
    /// How many shares make it.
    pub threshold: u64,
    /// How many there are.
    pub shares: u64,
}

impl StatedRecovery {
    /// From a statement's member.
    pub(crate) fn of(wire: &wire::StatementRecovery) -> Result<Self, String> {
        let root = STANDARD
            .decode(&wire.root)
            .map_err(|error| format!("has a root that is not canonical base64: {error}"))?;
        let spki = certificates::spki(&root)
            .map_err(|_| "has a root that is no certificate".to_owned())?;
        let mut data_key = [0; DATA_KEY_ID_BYTES];
        hex::decode_to_slice(&wire.data_key, &mut data_key)
            .map_err(|error| format!("has a data key id that is no hex: {error}"))?;
        Ok(Self {
            root: key_id(&spki),
            data_key,
            threshold: wire.threshold,
            shares: wire.shares,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file() -> RecoveryFile {
        RecoveryFile::of(&wire::RecoveryShares {
            root_spki_sha256: "ab".repeat(32),
            data_key: "cd".repeat(8),
            threshold: 2,
            shares: vec![wire::EncryptedShare {
                name: "ann".to_owned(),
                key_sha256: hex::encode(key_id(b"ann's key")),
                share: "AQID".to_owned(),
            }],
            sealed_data: "c2Q=".to_owned(),
        })
    }

    #[test]
    fn a_recovery_file_is_read_as_it_was_written_and_a_share_is_found_by_its_key() {
        let read = RecoveryFile::parse(&file().encode()).unwrap();
        assert_eq!(read, file());
        assert_eq!(
            read.share_of(b"ann's key").unwrap(),
            Some(("ann", vec![1, 2, 3]))
        );
        assert_eq!(read.share_of(b"bob's key").unwrap(), None);
        assert_eq!(read.holders().collect::<Vec<_>>(), ["ann"]);
    }

    #[test]
    fn what_is_no_recovery_file_is_refused_by_its_cause() {
        let text = String::from_utf8(file().encode()).unwrap();
        for (from, to, cause) in [
            ("\"format\": 1", "\"format\": 2", "format 2"),
            (
                "\"threshold\": 2",
                "\"threshold\": 2, \"threshold\": 1",
                "threshold",
            ),
            ("\"data_key\"", "\"data-key\"", "data_key"),
        ] {
            let error = RecoveryFile::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(cause), "{error}");
        }
        let broken = text.replace("AQID", "AQI");
        let read = RecoveryFile::parse(broken.as_bytes()).unwrap();
        assert!(read.share_of(b"ann's key").is_err());
    }
}

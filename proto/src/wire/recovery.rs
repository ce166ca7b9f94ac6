//! Bodies of the recover route, and the shares that a manifest's recovery keys get (docs/reference/recovery.md).
//!
//! Bytes are base64 (RFC 4648 section 4, padded). Does not live here: what a share is (`attestation::channel`).

use serde::{Deserialize, Serialize};

/// The shares of the data key, in the answer to the manifest that has the recovery keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryShares {
    /// SHA-256 of the root CA's SPKI, lower-case hex.
    pub root_spki_sha256: String,
    /// Id of the data key, lower-case hex.
    pub data_key: String,
    /// How many shares make the key.
    pub threshold: u64,
    /// One for each recovery key, in order of names.
    pub shares: Vec<EncryptedShare>,
    /// The coordinator's file `sealed_data` as it is now, base64: without it the shares can't be used.
    pub sealed_data: String,
}

/// The share of one recovery key, which only its private key reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedShare {
    /// The manifest's name of the recovery key.
    pub name: String,
    /// SHA-256 of the recovery key's SPKI, lower-case hex.
    pub key_sha256: String,
    /// The share, RSA-OAEP with SHA-256 and MGF1-SHA-256 and an empty label, base64.
    pub share: String,
}

/// Answer to `GET` recover. Nothing in it is proved but the upload key, by the TLS connection it came over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryAsked {
    /// The RSA key that shares are encrypted for, SPKI, base64. New in each process and each recovery.
    pub upload_key: String,
    /// SHA-256 of the root CA's SPKI by the clear recovery data, lower-case hex.
    pub root_spki_sha256: String,
    /// Id of the data key, lower-case hex.
    pub data_key: String,
    /// How many shares make the key.
    pub threshold: u64,
    /// Names of all holders.
    pub holders: Vec<String>,
    /// Names of those whose shares are there.
    pub given: Vec<String>,
}

/// Body of `POST` recover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareGiven {
    /// The share, RSA-OAEP with SHA-256 for the upload key, base64.
    pub share: String,
    /// The holder's signature (RSA PKCS #1 v1.5, SHA-256), base64.
    pub signature: String,
}

/// Answer to `POST` recover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareTaken {
    /// Whose share it is.
    pub holder: String,
    /// How many are there.
    pub given: u64,
    /// How many must be.
    pub needed: u64,
    /// The state is open again and sealed to this TEE; the coordinator goes on with it at once.
    pub recovered: bool,
}

/// What a statement in state 1 says of the mesh that asks. Only the coordinator's clear recovery data says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRecovery {
    /// The root CA's certificate, DER, base64.
    pub root: String,
    /// Id of the data key, lower-case hex.
    pub data_key: String,
    /// How many shares make it.
    pub threshold: u64,
    /// How many there are.
    pub shares: u64,
}

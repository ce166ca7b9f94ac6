//! Bodies of the manifest route.

use serde::{Deserialize, Serialize};

use super::RecoveryShares;

/// Answer to `POST` manifest: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSet {
    /// Lower-case hex of SHA-256 of the bytes as posted.
    pub manifest_sha256: String,
    /// From 1.
    pub epoch: u64,
    /// Names of the marbles that may now activate.
    pub marbles: Vec<String>,
    /// What a deployer should know, one sentence each.
    pub warnings: Vec<String>,
    /// The shares of its recovery keys; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryShares>,
}

/// Answer to `GET` manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestInForce {
    /// Lower-case hex of SHA-256 of the bytes.
    pub manifest_sha256: String,
    /// From 1.
    pub epoch: u64,
    /// The bytes as posted, base64 (RFC 4648 section 4, padded).
    pub manifest: String,
}

/// Answer to `POST` update: the yes is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateAgreed {
    /// Lower-case hex of SHA-256 of the bytes as posted.
    pub manifest_sha256: String,
    /// Whether it is in force; else it waits for others.
    pub in_force: bool,
    /// Of the manifest in force now.
    pub epoch: u64,
    /// Who agreed, by name; empty if it is in force.
    pub agreed: Vec<String>,
    /// Who may, by name; empty if it is in force.
    pub may_agree: Vec<String>,
    /// How many of them must; 0 if it is in force.
    pub needed: u64,
    /// What a deployer should know, one sentence each.
    pub warnings: Vec<String>,
    /// If it is in force and has recovery keys, which the one before had not: their shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryShares>,
}

/// Answer to `GET` update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateWaiting {
    /// Lower-case hex of SHA-256 of the manifest that waits.
    pub manifest_sha256: String,
    /// When the first user agreed, Unix time.
    pub since: u64,
    /// Of the manifest in force.
    pub epoch: u64,
    /// Who agreed, by name.
    pub agreed: Vec<String>,
    /// Who may, by name.
    pub may_agree: Vec<String>,
    /// How many of them must.
    pub needed: u64,
    /// Its bytes, base64 (RFC 4648 section 4, padded).
    pub manifest: String,
}

/// Answer to `DELETE` update: it is taken back, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCancelled {
    /// Lower-case hex of SHA-256 of the manifest that waited.
    pub manifest_sha256: String,
}

//! Bodies of the manifest route.

use serde::{Deserialize, Serialize};

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

//! Body of the status route: for operators and probes, not signed.

use serde::{Deserialize, Serialize};

/// State of the coordinator. Whoever needs proof asks for the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// 1 recovery, 2 waiting for a manifest, 3 accepting marbles.
    pub state: u8,
    /// The same in words.
    pub state_text: String,
    /// Version of the coordinator.
    pub version: String,
    /// Sequence of the newest durable record.
    pub sequence: u64,
    /// Hash of the newest durable record, lower-case hex.
    pub head: String,
    /// SHA-256 of the root CA's SPKI, lower-case hex: the pin of marbles.
    pub root_spki_sha256: Option<String>,
    /// SHA-256 of the manifest in force, lower-case hex.
    pub manifest_sha256: Option<String>,
    /// From 1; 0 before the first manifest.
    pub epoch: u64,
    /// The manifest that waits for users to agree; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateCount>,
    /// Live identities by marble type.
    pub marbles: Vec<MarbleCount>,
    /// `none`, `etcd` or `tpm-nv`.
    pub rollback_witness: String,
    /// Whether the state can be opened without this TEE's sealing key.
    pub recoverable: bool,
    /// What ends when.
    pub expiries: Vec<IdentityExpiry>,
    /// What an operator should look at, one sentence each.
    pub warnings: Vec<String>,
}

/// A manifest that waits for users to agree. It waits until enough did or one of them takes it back; it does not expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCount {
    /// Lower-case hex of SHA-256 of its bytes.
    pub manifest_sha256: String,
    /// When the first user agreed, Unix time.
    pub since: u64,
    /// Who agreed, by name.
    pub agreed: Vec<String>,
    /// Who may and did not, by name.
    pub missing: Vec<String>,
    /// How many must agree in all.
    pub needed: u64,
}

/// Live identities of one marble type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarbleCount {
    /// The manifest's name.
    #[serde(rename = "type")]
    pub marble_type: String,
    /// Distinct instances admitted.
    pub live: u64,
    /// How many may be; null if unlimited.
    #[serde(deserialize_with = "super::present")]
    pub budget: Option<u64>,
}

/// One thing that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityExpiry {
    /// `issuing-ca`, `coordinator-leaf`, `collateral`...
    pub what: String,
    /// Unix seconds.
    pub not_after: u64,
}

//! Body of the audit route: what was done, who was refused; no secret.

use serde::{Deserialize, Serialize};

/// Answer to `GET` audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// What was done, newest first.
    pub entries: Vec<AuditEntry>,
    /// `before` for the entries before these; null if there are none.
    #[serde(deserialize_with = "super::present")]
    pub next: Option<u64>,
    /// Users, and others, who were refused since the coordinator started; the last of them.
    pub denied: Vec<AuditDenied>,
    /// Marbles that were refused since the coordinator started; the last of them.
    pub refused: Vec<AuditRefused>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without a hole when it was entered.
    pub number: u64,
    /// Sequence of the record of the journal in which it stands.
    pub sequence: u64,
    /// Unix time.
    pub time: u64,
    /// `founded`, `manifest-set`, `update-proposed`, `update-agreed`, `update-cancelled`, `manifest-updated`,
    /// `issuing-ca-replaced`, `secret-set`, `secret-read`.
    pub what: String,
    /// The user's name; null if it was no user.
    #[serde(deserialize_with = "super::present")]
    pub user: Option<String>,
    /// SHA-256 of their client certificate, lower-case hex; null if there was none.
    #[serde(deserialize_with = "super::present")]
    pub certificate_sha256: Option<String>,
    /// The secret's name; empty for everything else.
    pub subject: String,
    /// Digest before, lower-case hex: SHA-256 of a manifest or certificate, or a keyed one of a secret's value; null if there
    /// was none.
    #[serde(deserialize_with = "super::present")]
    pub before: Option<String>,
    /// Digest after, likewise.
    #[serde(deserialize_with = "super::present")]
    pub after: Option<String>,
}

/// Someone who was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDenied {
    /// Unix time.
    pub time: u64,
    /// SHA-256 of their client certificate, lower-case hex; null if there was none.
    #[serde(deserialize_with = "super::present")]
    pub certificate_sha256: Option<String>,
    /// Method and path.
    pub what: String,
    /// Stable code of the refusal.
    pub code: String,
    /// The refusal in words.
    pub reason: String,
}

/// A marble that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRefused {
    /// Unix time.
    pub time: u64,
    /// The manifest's name; empty if the manifest has none of the name that was asked for.
    pub marble: String,
    /// Stable code of the refusal.
    pub code: String,
}

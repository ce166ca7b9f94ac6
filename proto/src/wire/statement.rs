//! The statement as it travels (docs/protocol/attest-1.md, section 7).
//!
//! Members that hold bytes are base64 (RFC 4648 section 4, padded, canonical). Does not live here: the check of a
//! statement and the refusal of duplicate members (`client`), who makes it (`server`).

use serde::{Deserialize, Serialize};

use super::{MarbleCount, StatementRecovery};

/// Answer to `GET` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The bytes of a [`StatementBody`] in JSON, base64. What is signed is the hash of the decoded bytes.
    pub body: String,
    /// The session key's signature, base64.
    pub signature: String,
}

/// What the coordinator states. Every member but `recovery` is always present; unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementBody {
    /// The client's 32 bytes, base64.
    pub nonce: String,
    /// Kind of evidence: 1 sgx-dcap, 2 tdx-dcap, 3 snp, 4 tpm.
    pub kind: u16,
    /// When the session key was quoted, Unix seconds.
    pub quoted_at: u64,
    /// The state bytes' time, Unix seconds.
    pub time: u64,
    /// The session key's evidence, base64.
    pub evidence: String,
    /// The collateral's JSON, base64; empty if the kind has none.
    pub collateral: String,
    /// SPKI of the session key, base64.
    pub session_key: String,
    /// The state bytes, base64.
    pub state: String,
    /// The manifest as it was set, base64; empty if none is in force.
    pub manifest: String,
    /// Certificates in DER, each base64: issuing CA and root; in state 2 the root alone; in state 1 none.
    pub chain: Vec<String>,
    /// Every manifest that ever was in force, oldest first.
    pub history: Vec<StatementTransition>,
    /// Live identities by marble type.
    pub marbles: Vec<MarbleCount>,
    /// The last refusals.
    pub refused: Vec<StatementRefusal>,
    /// What MarbleRun's protocol weakens here; null if it is not served.
    #[serde(deserialize_with = "super::present")]
    pub legacy: Option<Vec<String>>,
    /// In state 1, which mesh asks, by the clear recovery data; absent without such data and in other states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<StatementRecovery>,
}

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementTransition {
    /// SHA-256 of the manifest's bytes, lower-case hex.
    pub manifest_sha256: String,
    /// From 1.
    pub epoch: u64,
    /// When it came into force, Unix seconds.
    pub time: u64,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRefusal {
    /// Stable code.
    pub code: String,
    /// The marble type that was asked for; it may be one that the manifest does not have.
    #[serde(rename = "type")]
    pub marble_type: String,
    /// Unix seconds.
    pub time: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BODY: &str = r#"{"nonce":"bm9uY2U=","kind":1,"quoted_at":10,"time":11,"evidence":"ZQ==","collateral":"","session_key":"c2s=","state":"c3Q=","manifest":"","chain":["cm9vdA=="],"history":[{"manifest_sha256":"00","epoch":1,"time":9}],"marbles":[{"type":"store","live":1,"budget":null}],"refused":[{"code":"marble-unknown","type":"x","time":8}],"legacy":null}"#;

    #[test]
    fn a_body_is_written_as_it_was_read() {
        let body: StatementBody = serde_json::from_str(BODY).unwrap();
        assert_eq!(serde_json::to_string(&body).unwrap(), BODY);
    }

    #[test]
    fn every_member_must_be_there_also_those_that_may_be_null() {
        let whole: serde_json::Value = serde_json::from_str(BODY).unwrap();
        let serde_json::Value::Object(members) = &whole else {
            unreachable!("the body is an object")
        };
        for name in members.keys() {
            let mut less = members.clone();
            less.remove(name);
            let read: Result<StatementBody, _> = serde_json::from_value(less.into());
            assert!(read.is_err(), "{name} was missed by nobody");
        }
        let no_budget = BODY.replace(r#","budget":null"#, "");
        assert!(serde_json::from_str::<StatementBody>(&no_budget).is_err());
    }
}

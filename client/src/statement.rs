//! The statement: bytes as received to [`Statement`], and nothing believed yet.
//!
//! Source: docs/protocol/attest-1.md, section 7 (members) and 8 (limits).
//! Does not live here: the checks (`judge`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stoa_attestation::Kind;
use stoa_attestation::channel::{StateBytes, Transition, limits};
use stoa_explain::Explain;
use stoa_proto::wire;

use crate::json;
use crate::recovery::StatedRecovery;

/// Certificates in the chain, at most: issuing CA and root.
const CHAIN_MAX: usize = 2;
/// One certificate of the chain, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// A statement that can be read. Whether it holds is [`judge`](crate::judge())'s to say.
#[derive(Debug, Clone)]
pub struct Statement {
    /// As received, to be kept in a bundle.
    pub wire: wire::Statement,
    /// The decoded bytes of the body: what is signed is their hash.
    pub body: Vec<u8>,
    /// ECDSA P-256 in DER, by the session key.
    pub signature: Vec<u8>,
    /// The nonce that it answers.
    pub nonce: [u8; 32],
    /// Kind of the evidence.
    pub kind: Kind,
    /// When the session key was quoted, Unix seconds.
    pub quoted_at: u64,
    /// What it says its time is, Unix seconds.
    pub time: u64,
    /// The session key's evidence, as it travels.
    pub evidence: Vec<u8>,
    /// The collateral's JSON; empty if there is none.
    pub collateral: Vec<u8>,
    /// SPKI of the session key.
    pub session_key: Vec<u8>,
    /// What the coordinator says of itself.
    pub state: StateBytes,
    /// The manifest as it was set; `None` if none is in force.
    pub manifest: Option<Vec<u8>>,
    /// Certificates in DER: issuing CA and root, or the root alone, or none.
    pub chain: Vec<Vec<u8>>,
    /// Every manifest that ever was in force, oldest first.
    pub history: Vec<Transition>,
    /// Live identities by marble type.
    pub marbles: Vec<wire::MarbleCount>,
    /// The last refusals.
    pub refused: Vec<wire::StatementRefusal>,
    /// What MarbleRun's protocol weakens; `None` if it is not served.
    pub legacy: Option<Vec<String>>,
    /// Which mesh a coordinator in recovery says it is; signed by it, and known from its host alone.
    pub recovery: Option<StatedRecovery>,
}

impl Statement {
    /// Reads the answer to `GET` statement.
    ///
    /// # Errors
    /// [`BadStatement`] names the member and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadStatement> {
        limit("the statement", bytes.len(), limits::STATEMENT_BYTES_MAX)?;
        let wire: wire::Statement = json::read(bytes).map_err(|cause| BadStatement::Json {
            place: "the statement",
            cause,
        })?;
        Self::from_wire(wire)
    }

    /// Reads a statement out of a bundle.
    ///
    /// # Errors
    /// As [`Statement::parse`].
    pub fn from_wire(wire: wire::Statement) -> Result<Self, BadStatement> {
        limit(
            "the statement",
            wire.body.len(),
            limits::STATEMENT_BYTES_MAX,
        )?;
        let body = base64("body", &wire.body, limits::STATEMENT_BYTES_MAX)?;
        let signature = base64("signature", &wire.signature, limits::SIGNATURE_BYTES_MAX)?;
        let read: wire::StatementBody = json::read(&body).map_err(|cause| BadStatement::Json {
            place: "its body",
            cause,
        })?;
        limit("history", read.history.len(), limits::STATEMENT_HISTORY_MAX)?;
        limit(
            "refused",
            read.refused.len(),
            limits::STATEMENT_REFUSALS_MAX,
        )?;
        limit("chain", read.chain.len(), CHAIN_MAX)?;

        let recovery = read.recovery.as_ref().map(StatedRecovery::of).transpose();
        let recovery = recovery.map_err(|cause| BadStatement::Member {
            member: "recovery",
            cause,
        })?;
        let nonce = base64("nonce", &read.nonce, 32)?;
        let state = base64("state", &read.state, limits::STATE_BYTES_MAX)?;
        let manifest = base64(
            "manifest",
            &read.manifest,
            limits::STATEMENT_MANIFEST_BYTES_MAX,
        )?;
        let chain = read
            .chain
            .iter()
            .map(|one| base64("chain", one, CERTIFICATE_BYTES_MAX));
        Ok(Self {
            nonce: nonce
                .as_slice()
                .try_into()
                .map_err(|_| BadStatement::Member {
                    member: "nonce",
                    cause: format!("has {} bytes, wanted 32", nonce.len()),
                })?,
            kind: Kind::from_number(read.kind).ok_or_else(|| BadStatement::Member {
                member: "kind",
                cause: format!("is {}, wanted 1 to 4", read.kind),
            })?,
            quoted_at: read.quoted_at,
            time: read.time,
            evidence: base64("evidence", &read.evidence, limits::EVIDENCE_BYTES_MAX)?,
            collateral: base64("collateral", &read.collateral, limits::COLLATERAL_BYTES_MAX)?,
            session_key: base64("session_key", &read.session_key, limits::SPKI_BYTES_MAX)?,
            state: StateBytes::decode(&state).map_err(|error| BadStatement::Member {
                member: "state",
                cause: format!("does not decode: {error}"),
            })?,
            manifest: (!manifest.is_empty()).then_some(manifest),
            chain: chain.collect::<Result<_, _>>()?,
            history: read
                .history
                .iter()
                .map(transition)
                .collect::<Result<_, _>>()?,
            marbles: read.marbles,
            refused: read.refused,
            legacy: read.legacy,
            recovery,
            body,
            signature,
            wire,
        })
    }

    /// The root CA's certificate in DER; the last of the chain.
    #[must_use]
    pub fn root(&self) -> Option<&[u8]> {
        self.chain.last().map(Vec::as_slice)
    }
}

/// Why bytes are no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadStatement {
    /// More than a limit.
    #[error("{what} is {got} long, the limit is {limit}")]
    TooLarge {
        /// What is too long.
        what: &'static str,
        /// Its length in bytes, or its number of entries.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// No JSON, a member that is missing, twice, or of another type.
    #[error("{place} is not the JSON of a statement: {cause}")]
    Json {
        /// The statement or its body.
        place: &'static str,
        /// What is wrong, with line and column.
        cause: String,
    },
    /// A member whose value can't be.
    #[error("`{member}` {cause}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

impl Explain for BadStatement {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Json { .. } | Self::Member { .. } => "statement-malformed",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "check the address: it must be the client port of a Stoa coordinator of this version"
                .to_owned(),
        )
    }
}

fn limit(what: &'static str, got: usize, limit: usize) -> Result<(), BadStatement> {
    if got > limit {
        return Err(BadStatement::TooLarge { what, got, limit });
    }
    Ok(())
}

/// Canonical base64 of at most `max` bytes; judged by the length of the text before anything is decoded.
fn base64(member: &'static str, text: &str, max: usize) -> Result<Vec<u8>, BadStatement> {
    limit(member, text.len() / 4 * 3, max.next_multiple_of(3))?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| BadStatement::Member {
            member,
            cause: format!("is not canonical base64: {error}"),
        })?;
    limit(member, bytes.len(), max)?;
    Ok(bytes)
}

fn transition(entry: &wire::StatementTransition) -> Result<Transition, BadStatement> {
    let fault = || BadStatement::Member {
        member: "history",
        cause: format!(
            "entry {} has `{}` for a SHA-256, wanted 64 lower-case hex digits",
            entry.epoch,
            entry.manifest_sha256.escape_debug()
        ),
    };
    let mut manifest_sha256 = [0; 32];
    let lower = entry
        .manifest_sha256
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !lower || hex::decode_to_slice(&entry.manifest_sha256, &mut manifest_sha256).is_err() {
        return Err(fault());
    }
    Ok(Transition {
        manifest_sha256,
        epoch: entry.epoch,
        time: entry.time,
    })
}

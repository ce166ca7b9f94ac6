//! A saved proof: a statement with the nonce it answers, so that it can be judged later, elsewhere and offline.
//!
//! Format 1: `{"format": 1, "nonce": base64url, "fetched_at": Unix seconds, "tls_leaf": base64 of DER or "",
//! "statement": as received}`. Only the statement is signed; whoever made the bundle chose the rest.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use stoa_attestation::channel::limits::STATEMENT_BYTES_MAX;
use stoa_explain::Explain;
use stoa_proto::wire;

use crate::json;
use crate::statement::{BadStatement, Statement};

/// A bundle, in bytes: a statement and what is around it.
pub const BUNDLE_BYTES_MAX: usize = STATEMENT_BYTES_MAX + 64 * 1024;
/// The TLS leaf in a bundle, in bytes.
const LEAF_BYTES_MAX: usize = 16 * 1024;
const FORMAT: u32 = 1;

/// A statement as it was fetched.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The nonce that was sent.
    pub nonce: [u8; 32],
    /// When it was fetched, by the clock of who fetched it.
    pub fetched_at: UnixTime,
    /// The coordinator's TLS leaf on that connection, in DER.
    pub tls_leaf: Option<Vec<u8>>,
    /// The answer.
    pub statement: Statement,
}

impl Bundle {
    /// The file's bytes, one line of JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            format: FORMAT,
            nonce: URL_SAFE_NO_PAD.encode(self.nonce),
            fetched_at: self.fetched_at.as_secs(),
            tls_leaf: STANDARD.encode(self.tls_leaf.as_deref().unwrap_or_default()),
            statement: self.statement.wire.clone(),
        };
        let mut bytes =
            serde_json::to_vec(&stored).expect("a struct of numbers and strings always is JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a bundle; nothing in it is believed yet.
    ///
    /// # Errors
    /// [`BadBundle`] names the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadBundle> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BadBundle::TooLarge {
                got: bytes.len(),
                limit: BUNDLE_BYTES_MAX,
            });
        }
        let stored: Stored = json::read(bytes).map_err(|cause| BadBundle::Json { cause })?;
        let member = |member, cause: String| BadBundle::Member { member, cause };
        if stored.format != FORMAT {
            return Err(member(
                "format",
                format!("is {}, wanted {FORMAT}", stored.format),
            ));
        }
        let nonce = URL_SAFE_NO_PAD.decode(&stored.nonce).map_err(|error| {
            member(
                "nonce",
                format!("is not base64url without padding: {error}"),
            )
        })?;
        let nonce = nonce
            .as_slice()
            .try_into()
            .map_err(|_| member("nonce", format!("has {} bytes, wanted 32", nonce.len())))?;
        let leaf = STANDARD
            .decode(&stored.tls_leaf)
            .map_err(|error| member("tls_leaf", format!("is not canonical base64: {error}")))?;
        if leaf.len() > LEAF_BYTES_MAX {
            return Err(member(
                "tls_leaf",
                format!("has {} bytes, the limit is {LEAF_BYTES_MAX}", leaf.len()),
            ));
        }
        Ok(Self {
            nonce,
            fetched_at: UnixTime::since_unix_epoch(core::time::Duration::from_secs(
                stored.fetched_at,
            )),
            tls_leaf: (!leaf.is_empty()).then_some(leaf),
            statement: Statement::from_wire(stored.statement).map_err(BadBundle::Statement)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    nonce: String,
    fetched_at: u64,
    tls_leaf: String,
    statement: wire::Statement,
}

/// Why bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// More than the limit.
    #[error("the bundle has {got} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// No JSON, or a member that is missing, twice, or of another type.
    #[error("the bundle is not the JSON of a bundle: {cause}")]
    Json {
        /// What is wrong, with line and column.
        cause: String,
    },
    /// A member whose value can't be.
    #[error("`{member}` of the bundle {cause}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// The statement in it can't be read.
    #[error("the statement in the bundle can't be read")]
    Statement(#[source] BadStatement),
}

impl Explain for BadBundle {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Statement(inner) => inner.code(),
            Self::Json { .. } | Self::Member { .. } => "bundle-malformed",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some("save it again: stoa verify URL --save FILE".to_owned())
    }
}

//! What stands in report data, and what the session key and a new key sign.
//!
//! Each function gives the bytes that are hashed or signed; nothing here signs, and nothing here reads what a peer
//! restates.
//! Source: docs/protocol/attest-1.md, sections 4 and 7.

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::keys::key_id;
use super::names::{Purpose, Role};
use super::state::StateBytes;
use crate::Kind;
use crate::lp::{self, Writer};

const REPORT_LABEL: &str = "stoa/report/1";
const SESSION_LABEL: &str = "stoa/session/1";
const SESSION_SIGNATURE_LABEL: &str = "stoa/session-sig/1";
const NEW_KEY_LABEL: &str = "stoa/key/1";

/// The fields of report data, in their order; `None` is hashed as the empty field.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The frame's kind of evidence.
    pub kind: Kind,
    /// Whose evidence it is.
    pub direction: Role,
    /// What for.
    pub purpose: Purpose,
    /// `E_client` in a marble's evidence.
    pub exporter: Option<&'a [u8; 48]>,
    /// K of the TLS server leaf.
    pub server_leaf: Option<&'a [u8; 32]>,
    /// K of the TLS client leaf.
    pub client_leaf: Option<&'a [u8; 32]>,
    /// The nonce of who verifies.
    pub verifier_nonce: Option<&'a [u8; 32]>,
    /// The nonce of who attests.
    pub attester_nonce: Option<&'a [u8; 32]>,
    /// K of the key that is to be certified, or of the session key.
    pub certified: &'a [u8; 32],
    /// What else the evidence binds, hashed.
    pub bound: &'a [u8; 48],
}

impl ReportInput<'_> {
    /// The string that is hashed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let key = |key: Option<&'_ [u8; 32]>| key.map_or(Vec::new(), |key| key.to_vec());
        Writer::new()
            .field(REPORT_LABEL.as_bytes())
            .u16(self.kind.number())
            .u8(self.direction.number())
            .u8(self.purpose.number())
            .optional(self.exporter.map(<[u8; 48]>::as_slice))
            .field(&key(self.server_leaf))
            .field(&key(self.client_leaf))
            .field(&key(self.verifier_nonce))
            .field(&key(self.attester_nonce))
            .field(self.certified)
            .empty() // KEM key: none in version 1
            .field(self.bound)
            .finish()
    }

    /// Report data of kinds 1 to 3: SHA-512 of the string.
    #[must_use]
    pub fn report_data(&self) -> [u8; 64] {
        Sha512::digest(self.bytes()).into()
    }

    /// Qualifying data of kind 4 (TPM): SHA-256 of the same string.
    #[must_use]
    pub fn qualifying_data(&self) -> [u8; 32] {
        Sha256::digest(self.bytes()).into()
    }
}

/// `bound` of a session key's quote: root CA, security digest and the time of the quote.
///
/// `root_key_id` is K of the root CA's key, `None` in state 1; `quoted_at` are Unix seconds.
#[must_use]
pub fn session_bound(
    root_key_id: Option<&[u8; 32]>,
    security_digest: &[u8; 48],
    quoted_at: u64,
) -> [u8; 48] {
    Sha384::digest(
        Writer::new()
            .field(SESSION_LABEL.as_bytes())
            .optional(root_key_id.map(<[u8; 32]>::as_slice))
            .field(security_digest)
            .u64(quoted_at)
            .finish(),
    )
    .into()
}

/// `bound` of a marble's evidence: what the marble verified before it attested, which is frame 3.
#[must_use]
pub fn evidence_bound(body_3: &[u8]) -> [u8; 48] {
    Sha384::new()
        .chain_update(lp::length(body_3))
        .chain_update(body_3)
        .finalize()
        .into()
}

/// The report input of a session key's quote; `session` is K of its SPKI.
#[must_use]
pub fn session_report_input<'a>(
    kind: Kind,
    session: &'a [u8; 32],
    bound: &'a [u8; 48],
) -> ReportInput<'a> {
    ReportInput {
        kind,
        direction: Role::Server,
        purpose: Purpose::Coordinator,
        exporter: None,
        server_leaf: None,
        client_leaf: None,
        verifier_nonce: None,
        attester_nonce: None,
        certified: session,
        bound,
    }
}

/// The report data that a quote must have to vouch for a session key.
///
/// The server quotes it; every verifier builds it again from the state bytes whose signature it checks.
/// `root_key_id` is K of the root CA's key, computed by the server from the private key that it holds (never from a
/// certificate or a record); `None` in state 1. `quoted_at` are Unix seconds.
#[must_use]
pub fn session_report_data(
    kind: Kind,
    session_spki: &[u8],
    root_key_id: Option<[u8; 32]>,
    security_digest: &[u8; 48],
    quoted_at: u64,
) -> [u8; 64] {
    let bound = session_bound(root_key_id.as_ref(), security_digest, quoted_at);
    session_report_input(kind, &key_id(session_spki), &bound).report_data()
}

/// What a session key signs, in a Join or for a statement; `None` is signed as the empty field.
#[derive(Clone, Copy)]
pub(super) struct SessionSignatureInput<'a> {
    pub(super) purpose: Purpose,
    pub(super) exporter: Option<&'a [u8; 48]>,
    pub(super) transcript: Option<&'a [u8; 48]>,
    pub(super) client_leaf: Option<&'a [u8; 32]>,
    pub(super) client_nonce: &'a [u8; 32],
    pub(super) server_nonce: Option<&'a [u8; 32]>,
    /// Gives the server leaf and the hash of the state bytes.
    pub(super) state: &'a StateBytes,
    pub(super) statement_body: Option<&'a [u8]>,
}

impl SessionSignatureInput<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let body_hash = self.statement_body.map(Sha384::digest);
        Writer::new()
            .field(SESSION_SIGNATURE_LABEL.as_bytes())
            .u8(self.purpose.number())
            .optional(self.exporter.map(<[u8; 48]>::as_slice))
            .optional(self.transcript.map(<[u8; 48]>::as_slice))
            .field(&self.state.tls_leaf)
            .optional(self.client_leaf.map(<[u8; 32]>::as_slice))
            .field(self.client_nonce)
            .optional(self.server_nonce.map(<[u8; 32]>::as_slice))
            .field(&Sha384::digest(self.state.encode()))
            .optional(body_hash.as_deref())
            .finish()
    }
}

/// What the session key signs for a statement: purpose 6, without exporter, transcript, client leaf and server nonce.
///
/// `nonce` are the client's 32 decoded bytes, `body` the decoded bytes of the statement's body.
#[must_use]
pub fn statement_signature_input(nonce: &[u8; 32], state: &StateBytes, body: &[u8]) -> Vec<u8> {
    SessionSignatureInput {
        purpose: Purpose::VerifyBundle,
        exporter: None,
        transcript: None,
        client_leaf: None,
        client_nonce: nonce,
        server_nonce: None,
        state,
        statement_body: Some(body),
    }
    .bytes()
}

/// What a new key signs on renew to prove that its holder speaks in this session.
pub(super) fn possession_input(exporter_client: &[u8; 48], transcript: &[u8; 48]) -> Vec<u8> {
    Writer::new()
        .field(NEW_KEY_LABEL.as_bytes())
        .field(exporter_client)
        .field(transcript)
        .finish()
}

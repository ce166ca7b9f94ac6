//! What both sides hold after the Hellos: the same facts, so the same bytes to hash, sign and quote.
//!
//! Does not live here: whose turn it is (`server`, `marble`).
//! Source: docs/protocol/attest-1.md, sections 4 and 6.

use rustls_pki_types::SignatureVerificationAlgorithm;

use super::check::key_unknown;
use super::error::ChannelError;
use super::evidence::{NewKey, decode_finish, encode_finish};
use super::frame::Frame;
use super::hello::Hello;
use super::keys::{NotVerified, PublicKey, key_id};
use super::names::{FrameType, Purpose, Role};
use super::report::{ReportInput, SessionSignatureInput, possession_input};
use super::secrets::{SessionSecrets, TlsFacts, Transcript};
use super::state::StateBytes;
use crate::Kind;

/// One connection after frames 1 and 2.
///
/// The state machines of both sides are made of it. Whoever only wants to join uses those; this is public for programs
/// that check the bytes themselves, such as the test vectors.
#[derive(Debug)]
pub struct Session {
    pub(super) tls: TlsFacts,
    pub(super) client: Hello,
    pub(super) server: Hello,
    secrets: SessionSecrets,
    hellos: [u8; 48],
    transcript: Transcript,
}

impl Session {
    /// From both Hellos, each with its body as it travelled.
    #[must_use]
    pub fn new(tls: TlsFacts, client: (Hello, &[u8]), server: (Hello, &[u8])) -> Self {
        let mut transcript = Transcript::new();
        transcript.add(client.1);
        transcript.add(server.1);
        let hellos = transcript.hash();
        let secrets = SessionSecrets::derive(&tls.exporter, &hellos);
        Self {
            tls,
            client: client.0,
            server: server.0,
            secrets,
            hellos,
            transcript,
        }
    }

    /// T, the hash of both Hellos.
    #[must_use]
    pub fn hellos(&self) -> &[u8; 48] {
        &self.hellos
    }

    /// What was derived from the exporter and T.
    #[must_use]
    pub fn secrets(&self) -> &SessionSecrets {
        &self.secrets
    }

    /// Adds the body of a frame after the Hellos to what the finishes cover.
    pub fn add(&mut self, body: &[u8]) {
        self.transcript.add(body);
    }

    /// What the session key signs for this connection.
    #[must_use]
    pub fn signature_input(&self, state: &StateBytes) -> Vec<u8> {
        SessionSignatureInput {
            purpose: self.client.purpose,
            exporter: Some(&self.secrets.server),
            transcript: Some(&self.hellos),
            client_leaf: Some(&self.tls.client_leaf()),
            client_nonce: &self.client.nonce,
            server_nonce: Some(&self.server.nonce),
            state,
            statement_body: None,
        }
        .bytes()
    }

    /// What a new key signs on renew.
    #[must_use]
    pub fn possession_input(&self) -> Vec<u8> {
        possession_input(&self.secrets.client, &self.hellos)
    }

    /// The report data of the marble's evidence.
    ///
    /// `certified` is the SPKI of the key to be certified, `bound` comes from [`super::evidence_bound`].
    #[must_use]
    pub fn marble_report(&self, kind: Kind, certified: &[u8], bound: &[u8; 48]) -> MarbleReport {
        let (server_leaf, client_leaf, certified) = (
            self.tls.server_leaf(),
            self.tls.client_leaf(),
            key_id(certified),
        );
        let input = ReportInput {
            kind,
            direction: Role::Client,
            purpose: self.client.purpose,
            exporter: Some(&self.secrets.client),
            server_leaf: Some(&server_leaf),
            client_leaf: Some(&client_leaf),
            verifier_nonce: Some(&self.server.nonce),
            attester_nonce: Some(&self.client.nonce),
            certified: &certified,
            bound,
        };
        MarbleReport {
            input: input.bytes(),
            report_data: input.report_data(),
            qualifying_data: input.qualifying_data(),
        }
    }

    /// One side's finish over the frames so far.
    #[must_use]
    pub fn finish(&self, role: Role) -> Frame {
        let kind = match role {
            Role::Client => FrameType::ClientFinish,
            Role::Server => FrameType::ServerFinish,
        };
        Frame {
            kind,
            body: encode_finish(&self.secrets.finish_mac(role, &self.transcript.hash())),
        }
    }

    /// Checks the other side's finish over the frames so far, in constant time.
    pub(super) fn check_finish(&self, role: Role, frame: &Frame) -> Result<(), ChannelError> {
        let frames = self.transcript.hash();
        if self
            .secrets
            .finish_is(role, &frames, &decode_finish(frame)?)
        {
            return Ok(());
        }
        Err(ChannelError::FinishDiffers {
            role,
            frames: hex::encode(frames),
        })
    }

    /// The marble's kinds that the coordinator accepts, in the marble's order.
    pub(super) fn common_kinds(&self) -> impl Iterator<Item = Kind> {
        self.client
            .known_kinds()
            .filter(|kind| self.server.kinds.contains(&kind.number()))
    }

    /// The error for evidence, or a pair of Hellos, without a common kind.
    pub(super) fn kind_not_common(&self, what: String) -> ChannelError {
        ChannelError::KindNotCommon {
            what,
            marble: self.client.kinds.clone(),
            coordinator: self.server.kinds.clone(),
        }
    }

    /// A new key may be certified: the session renews, and the key is of a known kind and another than the leaf's.
    pub(super) fn check_new_key<'a>(
        &self,
        new_key: &'a NewKey,
    ) -> Result<PublicKey<'a>, ChannelError> {
        if self.client.purpose != Purpose::Renew {
            return Err(ChannelError::RenewOnly {
                what: "a new key",
                purpose: self.client.purpose,
            });
        }
        if new_key.spki == self.tls.client_spki {
            let why = "it stands as new SPKI, but is the TLS leaf's own; leave both fields empty";
            return Err(key_not_proven(new_key, why.to_owned()));
        }
        PublicKey::from_spki(&new_key.spki)
            .ok_or_else(|| key_unknown("the new SPKI", &new_key.spki))
    }

    /// The new key signed this connection's exporter and Hellos.
    pub(super) fn check_possession(
        &self,
        new_key: &NewKey,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), ChannelError> {
        let key = self.check_new_key(new_key)?;
        key.verify(&self.possession_input(), &new_key.possession, algorithms)
            .map_err(|no| match no {
                NotVerified::NoAlgorithm { name } => ChannelError::AlgorithmMissing { name },
                NotVerified::Signature { name } => {
                    let why = format!(
                        "its {name} signature is not over this connection's exporter and Hellos"
                    );
                    key_not_proven(new_key, why)
                }
            })
    }
}

/// What a marble's evidence must carry, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarbleReport {
    /// The string that is hashed.
    pub input: Vec<u8>,
    /// Kinds 1 to 3: its SHA-512.
    pub report_data: [u8; 64],
    /// Kind 4: its SHA-256.
    pub qualifying_data: [u8; 32],
}

/// The frame is the one whose turn it is, and keeps to its limit.
pub(super) fn expect(wanted: FrameType, frame: &Frame) -> Result<(), ChannelError> {
    if frame.kind != wanted {
        return Err(ChannelError::FrameUnexpected {
            wanted,
            got: frame.kind,
        });
    }
    Ok(frame.check_length()?)
}

/// The TLS client leaf's key is of a kind that may be certified.
pub(super) fn check_certifiable(client_spki: &[u8]) -> Result<(), ChannelError> {
    match PublicKey::from_spki(client_spki) {
        Some(_) => Ok(()),
        None => Err(key_unknown(
            "the TLS client leaf's key, which is to be certified,",
            client_spki,
        )),
    }
}

fn key_not_proven(new_key: &NewKey, why: String) -> ChannelError {
    ChannelError::KeyNotProven {
        key: hex::encode(key_id(&new_key.spki)),
        why,
    }
}

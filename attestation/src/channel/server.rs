//! The coordinator's side of a Join: frames in, frames out, one type for each turn.
//!
//! [`ServerHelloState`] -> [`ServerHello`] -> [`AwaitSignature`] -> [`AwaitMarble`] -> [`MarbleProof`] ->
//! [`VerifiedMarble`]: each is consumed by the step to the next, so no step can be left out, done twice, or done for
//! another connection. A marble's evidence is only ever verified against the report data of its own session.
//!
//! Does not live here: TLS, timers, signing, whether the marble is admitted, the content of frame 7.
//! Source: docs/protocol/attest-1.md, sections 3, 4 and 6.

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};

use super::check::check_tls_leaf;
use super::error::ChannelError;
use super::evidence::{CoordinatorEvidence, MarbleEvidence, NewKey, SessionEvidence};
use super::frame::Frame;
use super::hello::Hello;
use super::leaf::LeafReceipt;
use super::names::{FrameType, Purpose, Role};
use super::report::evidence_bound;
use super::secrets::TlsFacts;
use super::session::{Session, check_certifiable, expect};
use super::state::StateBytes;
use crate::{Claims, Collateral, Evidence, Expected, Kind, Trust, Verified};

/// Waits for frame 1.
#[derive(Debug, Clone, Copy)]
pub struct ServerHelloState;

impl ServerHelloState {
    /// Takes frame 1 and answers with frame 2.
    ///
    /// `accepts` are the kinds that the manifest and this version can judge, in order of preference, 1 to 16;
    /// `nonce` are 32 fresh random bytes.
    ///
    /// # Errors
    /// [`ChannelError`]: `hello-malformed`, `version-unsupported`, `purpose-not-allowed`, `kind-not-common`,
    /// `key-not-proven` for a key that can't be certified on activate, `too-large`.
    pub fn receive(
        tls: TlsFacts,
        frame_1: &Frame,
        accepts: &[Kind],
        nonce: [u8; 32],
    ) -> Result<(ServerHello, Frame), ChannelError> {
        expect(FrameType::ClientHello, frame_1)?;
        let client = Hello::decode(Role::Client, &frame_1.body)?;
        if client.purpose == Purpose::Activate {
            check_certifiable(&tls.client_spki)?;
        }
        let server = Hello {
            role: Role::Server,
            nonce,
            kinds: accepts.iter().map(|kind| kind.number()).collect(),
            marble_type: String::new(),
            instance: None,
            purpose: client.purpose,
        };
        server.check_kinds()?;
        let frame_2 = Frame {
            kind: FrameType::ServerHello,
            body: server.encode(),
        };
        let session = Session::new(tls, (client, &frame_1.body), (server, &frame_2.body));
        if session.common_kinds().next().is_none() {
            return Err(session.kind_not_common("no kind of evidence is in both Hellos".to_owned()));
        }
        Ok((ServerHello { session }, frame_2))
    }
}

/// Both Hellos are known; the coordinator's evidence is due.
#[derive(Debug)]
pub struct ServerHello {
    session: Session,
}

impl ServerHello {
    /// What the marble asks for; nothing of it is proved.
    #[must_use]
    pub fn client_hello(&self) -> &Hello {
        &self.session.client
    }

    /// On renew: the leaf in force, whose chain the caller verified, is of the type and instance that the Hello names.
    ///
    /// # Errors
    /// [`ChannelError::LeafNotValid`] with both values.
    pub fn check_renewing_leaf(&self, receipt: &LeafReceipt) -> Result<(), ChannelError> {
        receipt.check_names(
            &self.session.client.marble_type,
            self.session.client.instance.as_ref(),
        )
    }

    /// Fixes frame 3 but for the signature, and gives the bytes that the session key has to sign (ECDSA P-256 with
    /// SHA-256, DER).
    ///
    /// # Errors
    /// `binding-differs` if the state bytes were made for another TLS leaf, which is our bug.
    pub fn evidence_to_sign(
        self,
        state: &StateBytes,
        session_evidence: &SessionEvidence,
        collateral: &[u8],
    ) -> Result<(AwaitSignature, Vec<u8>), ChannelError> {
        check_tls_leaf(state, &self.session.tls.server_spki)?;
        let to_sign = self.session.signature_input(state);
        let unsigned = CoordinatorEvidence {
            session: session_evidence.clone(),
            state: state.clone(),
            collateral: collateral.to_vec(),
            signature: Vec::new(),
        };
        Ok((
            AwaitSignature {
                session: self.session,
                unsigned,
            },
            to_sign,
        ))
    }
}

/// Waits for the session key's signature.
#[derive(Debug)]
pub struct AwaitSignature {
    session: Session,
    unsigned: CoordinatorEvidence,
}

impl AwaitSignature {
    /// Takes the signature and gives frame 3.
    ///
    /// # Errors
    /// `too-large` or `frame-malformed` if evidence, collateral or signature break a rule that the marble would refuse.
    pub fn signed(mut self, signature: Vec<u8>) -> Result<(AwaitMarble, Frame), ChannelError> {
        let body = CoordinatorEvidence {
            signature,
            ..self.unsigned
        }
        .encode();
        // Whatever the marble will refuse is told here, where it can be mended.
        CoordinatorEvidence::decode(&body)?;
        let frame_3 = Frame {
            kind: FrameType::CoordinatorEvidence,
            body,
        };
        self.session.add(&frame_3.body);
        Ok((
            AwaitMarble {
                bound: evidence_bound(&frame_3.body),
                session: self.session,
            },
            frame_3,
        ))
    }
}

/// Waits for frames 4 and 5.
#[derive(Debug)]
pub struct AwaitMarble {
    session: Session,
    bound: [u8; 48],
}

impl AwaitMarble {
    /// Takes the marble's evidence and finish.
    ///
    /// `algorithms` verify the possession of a new key: ECDSA P-256 with SHA-256, and Ed25519.
    ///
    /// # Errors
    /// `finish-differs`, `kind-not-common`, `purpose-not-allowed` (a new key on activate), `key-not-proven`,
    /// `frame-malformed`, `too-large`, and the verifier's own for evidence that can't be read.
    pub fn receive(
        mut self,
        frame_4: &Frame,
        frame_5: &Frame,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<MarbleProof, ChannelError> {
        expect(FrameType::MarbleEvidence, frame_4)?;
        expect(FrameType::ClientFinish, frame_5)?;
        let MarbleEvidence {
            kind,
            evidence,
            new_key,
        } = MarbleEvidence::decode(&frame_4.body)?;
        self.session.add(&frame_4.body);
        self.session.check_finish(Role::Client, frame_5)?;
        self.session.add(&frame_5.body);

        if !self.session.common_kinds().any(|common| common == kind) {
            return Err(self
                .session
                .kind_not_common(format!("the evidence is of kind {}", kind.number())));
        }
        let spki = match new_key {
            Some(new_key) => {
                self.session.check_possession(&new_key, algorithms)?;
                let NewKey { spki, .. } = new_key;
                spki
            }
            None => {
                check_certifiable(&self.session.tls.client_spki)?;
                self.session.tls.client_spki.clone()
            }
        };
        let report = self.session.marble_report(kind, &spki, &self.bound);
        let expected = Expected::bound(report.report_data).map_err(ChannelError::Evidence)?;
        let parsed = Evidence::parse(kind, &evidence).map_err(ChannelError::Evidence)?;
        Ok(MarbleProof {
            session: self.session,
            kind,
            raw: evidence,
            parsed,
            expected,
            spki,
        })
    }
}

/// The marble holds this connection's secrets and the key that it wants certified; its evidence is not verified yet.
#[derive(Debug)]
pub struct MarbleProof {
    session: Session,
    kind: Kind,
    raw: Vec<u8>,
    parsed: Evidence,
    expected: Expected,
    spki: Vec<u8>,
}

impl MarbleProof {
    /// Kind of the evidence, which is in both Hellos.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The evidence in its wire form, to fetch collateral for.
    #[must_use]
    pub fn evidence(&self) -> &[u8] {
        &self.raw
    }

    /// SPKI of the key that is to be certified.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the marble asked for.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.session.client
    }

    /// Verifies the evidence against the report data of this very session.
    ///
    /// # Errors
    /// The verifier's own, `binding-differs` among them.
    pub fn verify(
        self,
        trust: &Trust<'_>,
        collateral: &Verified<Collateral>,
        now: UnixTime,
    ) -> Result<VerifiedMarble, ChannelError> {
        let claims = self
            .parsed
            .verify(&self.expected, trust, collateral, now)
            .map_err(ChannelError::Evidence)?;
        Ok(VerifiedMarble {
            session: self.session,
            kind: self.kind,
            spki: self.spki,
            claims,
        })
    }
}

/// A marble whose evidence is genuine and made for this session. Whether it is admitted, the manifest says.
#[derive(Debug)]
pub struct VerifiedMarble {
    session: Session,
    kind: Kind,
    spki: Vec<u8>,
    claims: Verified<Claims>,
}

impl VerifiedMarble {
    /// What the evidence says.
    #[must_use]
    pub fn claims(&self) -> &Verified<Claims> {
        &self.claims
    }

    /// Kind of the evidence.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// SPKI of the key that is to be certified.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the marble asked for.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.session.client
    }

    /// Frames 6 and 7. `body_7` is the Provision; call this only when the admission is durable.
    ///
    /// # Errors
    /// `too-large` if the Provision is above its limit.
    pub fn provision(mut self, body_7: Vec<u8>) -> Result<(Frame, Frame), ChannelError> {
        let frame_7 = Frame {
            kind: FrameType::Provision,
            body: body_7,
        };
        expect(FrameType::Provision, &frame_7)?;
        self.session.add(&frame_7.body);
        Ok((self.session.finish(Role::Server), frame_7))
    }
}

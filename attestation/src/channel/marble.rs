//! The marble's side of a Join: frames in, frames out, one type for each turn.
//!
//! [`ClientHelloState`] -> [`AwaitServerHello`] -> [`AwaitCoordinator`] -> [`Attesting`] -> [`AwaitProvision`] ->
//! [`Provisioned`]. The marble's evidence can only be made from [`Attesting`], and that only comes from a coordinator
//! whose frame 3 passed every check: nobody else sees the marble's platform ids.
//!
//! Does not live here: TLS, timers, keys and signing, asking the TEE, reading frame 7's protobuf.
//! Source: docs/protocol/attest-1.md, sections 3, 4 and 6.

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use zeroize::Zeroizing;

use super::check::{
    Pin, Seen, check_clock, check_pin, check_security_digest, check_seen, check_session_signature,
    check_tls_leaf,
};
use super::error::ChannelError;
use super::evidence::{CoordinatorEvidence, MarbleEvidence, NewKey};
use super::frame::Frame;
use super::hello::Hello;
use super::leaf::LeafReceipt;
use super::names::{FrameType, Purpose, Role};
use super::provision::{WantedChain, check_chain};
use super::report::{evidence_bound, session_report_data};
use super::secrets::TlsFacts;
use super::session::{MarbleReport, Session, check_certifiable, expect};
use super::state::{CoordinatorState, StateBytes};
use crate::policy::{self, Reference};
use crate::{Claims, Collateral, Evidence, Expected, Floors, Kind, Trust, Verified};

/// By what a marble judges a coordinator; all of it from measured configuration, code, or the marble's own memory.
#[derive(Clone, Copy)]
pub struct CoordinatorCheck<'a> {
    /// Which code may coordinate, on which platforms, with which security digest.
    pub reference: &'a Reference,
    /// Which mesh.
    pub pin: Pin,
    /// Vendor roots and algorithms (ECDSA P-256 with SHA-256 among them).
    pub trust: &'a Trust<'a>,
    /// Where the journal stood: from the leaf that is renewed, or a memory.
    pub seen: Option<Seen>,
    /// How new the vendor's collateral was when it was seen last, if it is remembered; what is stapled must not be older.
    pub floors: Option<&'a Floors>,
}

/// The beginning of a Join.
#[derive(Debug, Clone, Copy)]
pub struct ClientHelloState;

impl ClientHelloState {
    /// Makes frame 1.
    ///
    /// `kinds` are what this platform can make, in order of preference, 1 to 16, none twice; `instance` is proposed on
    /// activate (`None`: the coordinator chooses) and the leaf's own on renew; `nonce` are 32 fresh random bytes.
    ///
    /// # Errors
    /// `hello-malformed` for names or kinds outside the rules, `purpose-not-allowed` for a purpose that no Hello has,
    /// `key-not-proven` for a TLS key that can't be certified on activate.
    pub fn start(
        tls: TlsFacts,
        kinds: &[Kind],
        marble_type: &str,
        instance: Option<[u8; 16]>,
        purpose: Purpose,
        nonce: [u8; 32],
    ) -> Result<(AwaitServerHello, Frame), ChannelError> {
        let hello = Hello {
            role: Role::Client,
            nonce,
            kinds: kinds.iter().map(|kind| kind.number()).collect(),
            marble_type: marble_type.to_owned(),
            instance,
            purpose,
        };
        let frame_1 = Frame {
            kind: FrameType::ClientHello,
            body: hello.encode(),
        };
        // Whatever the coordinator will refuse is told here, where it can be mended.
        Hello::decode(Role::Client, &frame_1.body)?;
        if purpose == Purpose::Activate {
            check_certifiable(&tls.client_spki)?;
        }
        Ok((
            AwaitServerHello {
                tls,
                hello,
                body_1: frame_1.body.clone(),
            },
            frame_1,
        ))
    }
}

/// Waits for frame 2.
#[derive(Debug)]
pub struct AwaitServerHello {
    tls: TlsFacts,
    hello: Hello,
    body_1: Vec<u8>,
}

impl AwaitServerHello {
    /// Takes frame 2.
    ///
    /// # Errors
    /// `hello-malformed`, `version-unsupported`, `purpose-not-allowed` (another purpose in the answer),
    /// `kind-not-common`, `too-large`.
    pub fn receive(self, frame_2: &Frame) -> Result<AwaitCoordinator, ChannelError> {
        expect(FrameType::ServerHello, frame_2)?;
        let server = Hello::decode(Role::Server, &frame_2.body)?;
        if server.purpose != self.hello.purpose {
            return Err(ChannelError::PurposeDiffers {
                wanted: self.hello.purpose,
                got: server.purpose,
            });
        }
        let session = Session::new(
            self.tls,
            (self.hello, &self.body_1),
            (server, &frame_2.body),
        );
        let Some(kind) = session.common_kinds().next() else {
            return Err(session.kind_not_common("no kind of evidence is in both Hellos".to_owned()));
        };
        Ok(AwaitCoordinator { session, kind })
    }
}

/// Waits for frame 3.
#[derive(Debug)]
pub struct AwaitCoordinator {
    session: Session,
    kind: Kind,
}

impl AwaitCoordinator {
    /// Takes frame 3 and believes nothing of it before every check of "The coordinator goes first" passed.
    ///
    /// What costs nothing and tells most comes first (state, clocks, leaf, pin), then evidence, reference and security
    /// digest, then the session key's signature, then the history. Nothing of the marble's leaves before the last.
    ///
    /// # Errors
    /// `state-not-accepting`, `clock-differs`, `session-key-stale`, `binding-differs` (TLS leaf, report data or
    /// session signature), `mesh-differs`, the verifier's own, `measurement-differs`, `tcb-not-accepted`,
    /// `platform-not-listed`, `security-digest-differs`, `history-went-back`, `collateral-went-back`, `frame-malformed`,
    /// `too-large`.
    pub fn receive(
        mut self,
        frame_3: &Frame,
        check: &CoordinatorCheck<'_>,
        now: UnixTime,
    ) -> Result<Attesting, ChannelError> {
        expect(FrameType::CoordinatorEvidence, frame_3)?;
        let CoordinatorEvidence {
            session,
            state,
            collateral,
            signature,
        } = CoordinatorEvidence::decode(&frame_3.body)?;
        check_state(&state)?;
        check_clock(session.quoted_at, state.time, now)?;
        check_tls_leaf(&state, &self.session.tls.server_spki)?;
        check_pin(&check.pin, &state)?;

        let report_data = session_report_data(
            session.kind,
            &session.spki,
            state.root(),
            &state.security_digest,
            session.quoted_at,
        );
        let (claims, floors) = Evidence::parse(session.kind, &session.evidence)
            .and_then(|evidence| {
                let expected = Expected::bound(report_data)?;
                let collateral = Collateral::parse(&collateral)?.verify(check.trust)?;
                let claims = evidence.verify(&expected, check.trust, &collateral, now)?;
                Ok((claims, Floors::of(&collateral)))
            })
            .map_err(ChannelError::Evidence)?;
        if let Some(seen) = check.floors {
            seen.check(&floors).map_err(ChannelError::CollateralOlder)?;
        }
        policy::appraise(
            &claims,
            &check.reference.identities,
            &check.reference.tcb,
            now,
        )
        .map_err(ChannelError::Appraisal)?;
        let anchor = check
            .trust
            .anchors
            .iter()
            .find(|anchor| anchor.sha256() == claims.anchor)
            .expect("the evidence was just verified under one of these anchors");
        check_security_digest(
            &state.security_digest,
            check.reference,
            anchor,
            check.trust.anchors,
        )?;
        check_session_signature(
            &self.session.signature_input(&state),
            &session.spki,
            &signature,
            check.trust.algorithms,
        )?;
        if let Some(seen) = &check.seen {
            check_seen(seen, &state)?;
        }
        self.session.add(&frame_3.body);
        Ok(Attesting {
            bound: evidence_bound(&frame_3.body),
            session: self.session,
            kind: self.kind,
            accepted: AcceptedCoordinator {
                state,
                claims,
                quoted_at: session.quoted_at,
                floors,
            },
            new_key: None,
        })
    }
}

fn check_state(state: &StateBytes) -> Result<(), ChannelError> {
    match state.state {
        CoordinatorState::AcceptingMarbles { .. } => Ok(()),
        _ => Err(ChannelError::StateNotAccepting {
            got: state.state.to_string(),
        }),
    }
}

/// The coordinator of this session, as it was verified.
#[derive(Debug)]
pub struct AcceptedCoordinator {
    /// What it said about itself, signed by its session key; in state 3.
    pub state: StateBytes,
    /// What its evidence says.
    pub claims: Verified<Claims>,
    /// When its session key was quoted, Unix seconds.
    pub quoted_at: u64,
    /// How new its stapled collateral is; what to remember.
    pub floors: Floors,
}

/// The coordinator is verified; the marble's own evidence is due.
#[derive(Debug)]
pub struct Attesting {
    session: Session,
    bound: [u8; 48],
    kind: Kind,
    accepted: AcceptedCoordinator,
    new_key: Option<NewKey>,
}

impl Attesting {
    /// The kind of evidence to make: the first of ours that the coordinator accepts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The verified coordinator.
    #[must_use]
    pub fn accepted(&self) -> &AcceptedCoordinator {
        &self.accepted
    }

    /// What a new key has to sign on renew: ECDSA P-256 with SHA-256 in DER, or Ed25519.
    #[must_use]
    pub fn possession_input(&self) -> Vec<u8> {
        self.session.possession_input()
    }

    /// On renew: has this key certified in place of the leaf's. Call it before [`Attesting::report_data`], which names
    /// the key.
    ///
    /// # Errors
    /// `purpose-not-allowed` on activate, `key-not-proven` for the leaf's own key or one of another kind.
    pub fn with_new_key(self, new_key: NewKey) -> Result<Self, ChannelError> {
        self.session.check_new_key(&new_key)?;
        Ok(Self {
            new_key: Some(new_key),
            ..self
        })
    }

    /// The 64 bytes of report data that the evidence must carry (kinds 1 to 3).
    #[must_use]
    pub fn report_data(&self) -> [u8; 64] {
        self.report().report_data
    }

    /// The 32 bytes of qualifying data that the evidence must carry (kind 4).
    #[must_use]
    pub fn qualifying_data(&self) -> [u8; 32] {
        self.report().qualifying_data
    }

    /// Takes the evidence, in its wire form, and gives frames 4 and 5, which travel together.
    ///
    /// # Errors
    /// `too-large` or `frame-malformed` for evidence that the coordinator would refuse, `key-not-proven` for a key
    /// that can't be certified.
    pub fn evidence(
        mut self,
        evidence: Vec<u8>,
    ) -> Result<(AwaitProvision, Frame, Frame), ChannelError> {
        if self.new_key.is_none() {
            check_certifiable(&self.session.tls.client_spki)?;
        }
        let certified = self.certified().to_vec();
        let body = MarbleEvidence {
            kind: self.kind,
            evidence,
            new_key: self.new_key.clone(),
        }
        .encode();
        MarbleEvidence::decode(&body)?;
        let frame_4 = Frame {
            kind: FrameType::MarbleEvidence,
            body,
        };
        self.session.add(&frame_4.body);
        let frame_5 = self.session.finish(Role::Client);
        self.session.add(&frame_5.body);
        let next = AwaitProvision {
            session: self.session,
            accepted: self.accepted,
            certified,
        };
        Ok((next, frame_4, frame_5))
    }

    fn certified(&self) -> &[u8] {
        self.new_key
            .as_ref()
            .map_or(&self.session.tls.client_spki, |key| &key.spki)
    }

    fn report(&self) -> MarbleReport {
        self.session
            .marble_report(self.kind, self.certified(), &self.bound)
    }
}

/// Waits for frames 6 and 7.
#[derive(Debug)]
pub struct AwaitProvision {
    session: Session,
    accepted: AcceptedCoordinator,
    certified: Vec<u8>,
}

impl AwaitProvision {
    /// Takes frames 6 and 7; nothing of 7 is handed out before 6, which covers it, checked out.
    ///
    /// # Errors
    /// `finish-differs`, `frame-malformed`, `too-large`.
    pub fn receive(mut self, frame_6: &Frame, frame_7: Frame) -> Result<Provisioned, ChannelError> {
        expect(FrameType::ServerFinish, frame_6)?;
        expect(FrameType::Provision, &frame_7)?;
        let body = Zeroizing::new(frame_7.body);
        self.session.add(&body);
        self.session.check_finish(Role::Server, frame_6)?;
        let instance = self.session.client.instance;
        Ok(Provisioned {
            body,
            accepted: self.accepted,
            certified: self.certified,
            marble_type: self.session.client.marble_type,
            instance,
        })
    }
}

/// The provision, from the verified coordinator and nobody else.
pub struct Provisioned {
    body: Zeroizing<Vec<u8>>,
    accepted: AcceptedCoordinator,
    certified: Vec<u8>,
    marble_type: String,
    instance: Option<[u8; 16]>,
}

impl Provisioned {
    /// Body 7, protobuf. Wiped when this is dropped.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The coordinator that sent it.
    #[must_use]
    pub fn accepted(&self) -> &AcceptedCoordinator {
        &self.accepted
    }

    /// Body 7's chain agrees with frame 3's state bytes. It must pass before anything of the body is used.
    ///
    /// `chain` is leaf and issuing CA, `trust` the roots of the mesh, all DER. The leaf certifies the key that this
    /// session proved, names this type (and instance, if one was proposed), is within its validity and is signed by
    /// the issuing CA that the state bytes name, which in turn is signed by the root that they name.
    ///
    /// # Errors
    /// [`ChannelError::LeafNotValid`] with both values.
    pub fn check_chain(
        &self,
        chain: &[Vec<u8>],
        trust: &[Vec<u8>],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        now: UnixTime,
    ) -> Result<LeafReceipt, ChannelError> {
        let wanted = WantedChain {
            state: &self.accepted.state,
            certified: &self.certified,
            marble_type: &self.marble_type,
            instance: self.instance.as_ref(),
        };
        check_chain(&wanted, chain, trust, algorithms, now)
    }
}

impl std::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioned")
            .field("body", &format_args!("<secret>, {} bytes", self.body.len()))
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

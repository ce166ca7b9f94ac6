//! One mesh, one platform, two honest sides; tests change what they want before or between the steps.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use std::time::Duration;
use stoa_attestation::channel::{
    Attesting, AwaitCoordinator, AwaitMarble, AwaitProvision, AwaitSignature, ChannelError,
    ClientHelloState, CoordinatorCheck, CoordinatorState, Frame, MarbleProof, NewKey, Pin,
    Provisioned, Purpose, Seen, ServerHello, ServerHelloState, SessionEvidence, StateBytes,
    Switches, TlsFacts, VerifiedMarble, Witness, key_id, session_report_data,
};
use stoa_attestation::{
    Anchor, Collateral, Floors, Invalid, Kind, NoMemo, Reference, ReferenceValue, SgxReference,
    Trust, Verified,
};
use stoa_synthetic::{Knobs, Platform, SgxIdentity, TdIdentity, Tee};

/// 2027-01-15 08:00:00 UTC.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ED25519,
];

/// The coordinator's enclave.
pub(crate) const COORDINATOR: SgxIdentity = SgxIdentity {
    mrenclave: [0xc0; 32],
    mrsigner: [0xc1; 32],
    isv_prod_id: 3,
    isv_svn: 4,
    debug: false,
};
/// The marble's trust domain.
pub(crate) const MARBLE: TdIdentity = TdIdentity {
    mrtd: [0xaa; 48],
    rtmr: [[0xab; 48]; 4],
    debug: false,
};

pub(crate) enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
                [
                    hex::decode(head).unwrap(),
                    key.public_key().as_ref().to_vec(),
                ]
                .concat()
            }
            Self::Ed25519(key) => [
                hex::decode("302a300506032b6570032100").unwrap(),
                key.public_key().as_ref().to_vec(),
            ]
            .concat(),
        }
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        key_id(&self.spki())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => key
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// What each side believes about itself and the other. `x_marble` and `x_coordinator` are equal on a straight connection.
pub(crate) struct World {
    pub(crate) platform: Platform,
    /// Where the coordinator runs, if not on the marble's platform.
    pub(crate) coordinator_platform: Option<Platform>,
    pub(crate) anchors: Vec<Anchor>,
    pub(crate) reference: Reference,
    pub(crate) coordinator: SgxIdentity,
    pub(crate) root: Key,
    pub(crate) issuing: Key,
    pub(crate) session: Key,
    pub(crate) server_tls: Key,
    pub(crate) client_tls: Key,
    pub(crate) x_marble: [u8; 48],
    pub(crate) x_coordinator: [u8; 48],
    /// The leaf keys as the other side of the connection sees them, if not the real ones.
    pub(crate) server_seen_by_marble: Option<Vec<u8>>,
    pub(crate) client_seen_by_coordinator: Option<Vec<u8>>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) accepts: Vec<Kind>,
    pub(crate) purpose: Purpose,
    pub(crate) instance: Option<[u8; 16]>,
    pub(crate) switches: Switches,
    pub(crate) quoted_at: u64,
    pub(crate) time: u64,
    pub(crate) marble_now: u64,
    pub(crate) pin: Option<[u8; 32]>,
    pub(crate) seen: Option<Seen>,
    pub(crate) floors: Option<Floors>,
    /// Changed before the coordinator quotes and signs.
    pub(crate) state: fn(&mut StateBytes),
}

pub(crate) const MARBLE_TYPE: &str = "signer";
pub(crate) const INSTANCE: [u8; 16] = [0x11; 16];
pub(crate) const CLIENT_NONCE: [u8; 32] = [0x0c; 32];
pub(crate) const SERVER_NONCE: [u8; 32] = [0x05; 32];
pub(crate) const SEQUENCE: u64 = 41;
pub(crate) const HEAD: [u8; 32] = [0x4e; 32];

impl World {
    pub(crate) fn new() -> Self {
        let platform = Platform::seeded([7; 32], Knobs::default());
        let anchor = Anchor::insecure_from_pem(platform.root_pem()).unwrap();
        let switches = Switches::insecure_trust_root(&anchor.sha256());
        let identity = SgxReference {
            unique_id: Some(COORDINATOR.mrenclave),
            ..SgxReference::default()
        };
        Self {
            platform,
            coordinator_platform: None,
            anchors: vec![Anchor::intel(), anchor],
            reference: Reference {
                identities: vec![ReferenceValue::Sgx(identity)],
                ..Reference::default()
            },
            coordinator: COORDINATOR,
            root: Key::p256(),
            issuing: Key::p256(),
            session: Key::p256(),
            server_tls: Key::p256(),
            client_tls: Key::p256(),
            x_marble: [0x58; 48],
            x_coordinator: [0x58; 48],
            server_seen_by_marble: None,
            client_seen_by_coordinator: None,
            kinds: vec![Kind::TdxDcap, Kind::SgxDcap],
            accepts: vec![Kind::SgxDcap, Kind::TdxDcap],
            purpose: Purpose::Activate,
            instance: Some(INSTANCE),
            switches,
            quoted_at: NOW - 20,
            time: NOW,
            marble_now: NOW,
            pin: None,
            seen: None,
            floors: None,
            state: |_| {},
        }
    }

    pub(crate) fn renewing() -> Self {
        Self {
            purpose: Purpose::Renew,
            ..Self::new()
        }
    }

    pub(crate) fn marble_tls(&self) -> TlsFacts {
        TlsFacts {
            exporter: self.x_marble,
            server_spki: self
                .server_seen_by_marble
                .clone()
                .unwrap_or_else(|| self.server_tls.spki()),
            client_spki: self.client_tls.spki(),
        }
    }

    pub(crate) fn coordinator_tls(&self) -> TlsFacts {
        TlsFacts {
            exporter: self.x_coordinator,
            server_spki: self.server_tls.spki(),
            client_spki: self
                .client_seen_by_coordinator
                .clone()
                .unwrap_or_else(|| self.client_tls.spki()),
        }
    }

    pub(crate) fn trust(&self) -> Trust<'_> {
        Trust {
            anchors: &self.anchors,
            algorithms: ALGORITHMS,
            seen: &NoMemo,
        }
    }

    pub(crate) fn state_bytes(&self) -> StateBytes {
        let mut state = StateBytes {
            state: CoordinatorState::AcceptingMarbles {
                root: self.root.id(),
                issuing: self.issuing.id(),
                manifest_sha256: [0x3a; 32],
                transition_head: [0x3b; 32],
                owner: None,
            },
            sequence: SEQUENCE,
            head: HEAD,
            tls_leaf: self.server_tls.id(),
            security_digest: self.switches.digest(),
            witness: Witness::None,
            time: self.time,
        };
        (self.state)(&mut state);
        state
    }

    pub(crate) fn quote_coordinator(&self, report_data: [u8; 64]) -> Vec<u8> {
        self.coordinator_platform
            .as_ref()
            .unwrap_or(&self.platform)
            .quote_sgx(&self.coordinator, report_data)
    }

    pub(crate) fn quote_marble(&self, report_data: [u8; 64]) -> Vec<u8> {
        self.platform.quote_tdx(&MARBLE, report_data)
    }

    pub(crate) fn session_evidence(&self) -> SessionEvidence {
        let (state, spki) = (self.state_bytes(), self.session.spki());
        let report_data = session_report_data(
            Kind::SgxDcap,
            &spki,
            state.root(),
            &state.security_digest,
            self.quoted_at,
        );
        SessionEvidence {
            kind: Kind::SgxDcap,
            evidence: self.quote_coordinator(report_data),
            spki,
            quoted_at: self.quoted_at,
        }
    }

    pub(crate) fn coordinators_collateral(&self) -> Vec<u8> {
        self.coordinator_platform
            .as_ref()
            .unwrap_or(&self.platform)
            .collateral_json(Tee::Sgx, unix(NOW))
    }

    /// How new the coordinator's collateral is that was published `secs` from now.
    pub(crate) fn floors_at(&self, secs: i64) -> Floors {
        let when = unix(NOW.saturating_add_signed(secs));
        let collateral = Collateral::parse(&self.platform.collateral_json(Tee::Sgx, when))
            .and_then(|parsed| parsed.verify(&self.trust()))
            .unwrap();
        Floors::of(&collateral)
    }

    pub(crate) fn marbles_collateral(&self) -> Verified<Collateral> {
        Collateral::parse(&self.platform.collateral_json(Tee::Tdx, unix(NOW)))
            .unwrap()
            .verify(&self.trust())
            .unwrap()
    }

    // --- The steps, both sides ---------------------------------------------------------------------------------------

    pub(crate) fn hellos(&self) -> Result<(AwaitCoordinator, ServerHello), ChannelError> {
        self.changed_hellos(|_| {}, |_| {})
    }

    /// The Hellos, changed on the way.
    pub(crate) fn changed_hellos(
        &self,
        frame_1: impl FnOnce(&mut Frame),
        frame_2: impl FnOnce(&mut Frame),
    ) -> Result<(AwaitCoordinator, ServerHello), ChannelError> {
        let tls = self.marble_tls();
        let (marble, mut sent_1) = ClientHelloState::start(
            tls,
            &self.kinds,
            MARBLE_TYPE,
            self.instance,
            self.purpose,
            CLIENT_NONCE,
        )?;
        frame_1(&mut sent_1);
        let (server, mut sent_2) = ServerHelloState::receive(
            self.coordinator_tls(),
            &sent_1,
            &self.accepts,
            SERVER_NONCE,
        )?;
        frame_2(&mut sent_2);
        Ok((marble.receive(&sent_2)?, server))
    }

    pub(crate) fn to_sign(&self, server: ServerHello) -> (AwaitSignature, Vec<u8>) {
        self.to_sign_with(server, &self.session_evidence())
    }

    pub(crate) fn to_sign_with(
        &self,
        server: ServerHello,
        evidence: &SessionEvidence,
    ) -> (AwaitSignature, Vec<u8>) {
        server
            .evidence_to_sign(
                &self.state_bytes(),
                evidence,
                &self.coordinators_collateral(),
            )
            .unwrap()
    }

    pub(crate) fn frame_3(&self, server: ServerHello) -> (AwaitMarble, Frame) {
        let (signing, to_sign) = self.to_sign(server);
        signing.signed(self.session.sign(&to_sign)).unwrap()
    }

    pub(crate) fn accept(
        &self,
        marble: AwaitCoordinator,
        frame_3: &Frame,
    ) -> Result<Attesting, ChannelError> {
        let pin = Pin::RootSpki(self.pin.unwrap_or_else(|| self.root.id()));
        let trust = self.trust();
        let check = CoordinatorCheck {
            reference: &self.reference,
            pin,
            trust: &trust,
            seen: self.seen,
            floors: self.floors.as_ref(),
        };
        marble.receive(frame_3, &check, unix(self.marble_now))
    }

    /// Frames 1 to 3: the marble has accepted the coordinator, or refused it.
    pub(crate) fn until_accepted(&self) -> Result<(Attesting, AwaitMarble), ChannelError> {
        let (marble, server) = self.hellos()?;
        let (waiting, frame_3) = self.frame_3(server);
        Ok((self.accept(marble, &frame_3)?, waiting))
    }

    /// Frames 4 and 5 of an honest marble.
    pub(crate) fn attest(&self, marble: Attesting) -> (AwaitProvision, Frame, Frame) {
        let quote = self.quote_marble(marble.report_data());
        marble.evidence(quote).unwrap()
    }

    pub(crate) fn verify(&self, proof: MarbleProof) -> Result<VerifiedMarble, ChannelError> {
        proof.verify(&self.trust(), &self.marbles_collateral(), unix(NOW))
    }

    /// Frames 1 to 5: both sides are proved.
    pub(crate) fn until_proved(&self) -> (AwaitProvision, VerifiedMarble) {
        let (marble, waiting) = self.until_accepted().unwrap();
        let (marble, frame_4, frame_5) = self.attest(marble);
        let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
        (marble, self.verify(proof).unwrap())
    }

    /// All seven frames.
    pub(crate) fn until_provisioned(&self, body_7: &[u8]) -> Provisioned {
        let (marble, verified) = self.until_proved();
        let (frame_6, frame_7) = verified.provision(body_7.to_vec()).unwrap();
        marble.receive(&frame_6, frame_7).unwrap()
    }
}

/// A new key with its proof for this session.
pub(crate) fn new_key(marble: &Attesting, key: &Key) -> NewKey {
    NewKey {
        spki: key.spki(),
        possession: key.sign(&marble.possession_input()),
    }
}

pub(crate) fn unix(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// What the verifier said, if it was the verifier that refused.
pub(crate) fn evidence_error(error: &ChannelError) -> Option<&Invalid> {
    match error {
        ChannelError::Evidence(invalid) => Some(invalid),
        _ => None,
    }
}

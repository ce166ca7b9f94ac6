//! A coordinator in a synthetic TEE that states something, and a client that asks: everything a test changes is a field.
//!
//! The statement is made as docs/protocol/attest-1.md, 7, says, with real quotes, real certificates and real signatures.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

pub mod cases;

use core::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PublicKeyData,
};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use stoa_attestation::channel::{
    CoordinatorState, Seen, StateBytes, Switches, Transition, Witness, history_head, key_id,
    session_report_data, statement_signature_input,
};
use stoa_attestation::{
    Anchor, Collateral, Floors, Kind, NoMemo, Reference, ReferenceValue, SgxReference, Trust,
};
use stoa_client::{
    Check, Connection, Memory, Outcome, Question, Report, SeenMesh, Statement, judge,
};
use stoa_proto::wire;
use stoa_synthetic::{Knobs, Platform, SgxIdentity, Tee};

pub const NOW: u64 = 1_795_000_000;
pub const DAY: u64 = 24 * 3600;
pub const MANIFEST: &[u8] = br#"{"Packages":{"p":{"UniqueID":"11"}},"Marbles":{"signer":{"Package":"p","MaxActivations":2},"store":{"Package":"p"}}}"#;
const SEED: [u8; 32] = [7; 32];

/// A P-256 key that signs certificates and statements.
pub struct Key {
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { pair }
    }

    /// The key of that name, always the same: what is golden must not change by itself.
    pub fn named(name: &str) -> Self {
        let secret = p256::SecretKey::from_slice(&Sha256::digest(name)).unwrap();
        let pkcs8 = p256::pkcs8::EncodePrivateKey::to_pkcs8_der(&secret).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_bytes()).unwrap();
        Self { pair }
    }

    pub fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    pub fn id(&self) -> [u8; 32] {
        key_id(&self.spki())
    }

    /// PKCS #8, for a TLS server.
    pub fn pkcs8(&self) -> Vec<u8> {
        self.pair.to_pkcs8v1().unwrap().as_ref().to_vec()
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.pair
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signature(message))
    }
}

/// What a certificate says; its key and issuer come beside it.
pub fn params(name: &str, ca: bool, from: u64, until: u64) -> CertificateParams {
    let at = |secs: u64| {
        time::OffsetDateTime::from_unix_timestamp(i64::try_from(secs).unwrap()).unwrap()
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(1.into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]);
    (params.not_before, params.not_after) = (at(from), at(until));
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
    }
    params
}

pub fn self_signed(params: &CertificateParams, key: &Key) -> Vec<u8> {
    params.self_signed(key).unwrap().der().to_vec()
}

pub fn signed_by(
    params: &CertificateParams,
    key: &Key,
    issuer: &CertificateParams,
    issuer_key: &Key,
) -> Vec<u8> {
    let issuer = Issuer::from_params(issuer, issuer_key);
    params.signed_by(key, &issuer).unwrap().der().to_vec()
}

type Edit = Box<dyn Fn(&mut wire::StatementBody) + Send + Sync>;

/// Coordinator, mesh and client. [`World::new`] is a world in which everything holds.
pub struct World {
    pub platform: Platform,
    pub identity: SgxIdentity,
    pub collateral: Vec<u8>,
    pub session: Key,
    /// Signs instead of the session key, if it is there.
    pub signs_instead: Option<Key>,
    pub quoted_at: u64,
    /// Stands in the quote instead of what the state says.
    pub quoted_root: Option<[u8; 32]>,
    pub quoted_digest: Option<[u8; 48]>,
    pub quoted_session: Option<Vec<u8>>,
    pub flip_evidence: Option<usize>,

    pub root: Key,
    pub issuing: Key,
    pub leaf: Key,
    pub chain: Vec<Vec<u8>>,
    pub state: StateBytes,
    pub manifest: Vec<u8>,
    pub history: Vec<Transition>,
    pub marbles: Vec<wire::MarbleCount>,
    pub answered: [u8; 32],
    pub signed_nonce: Option<[u8; 32]>,
    /// Before the body is signed, and after.
    pub edit: Option<Edit>,
    pub tamper: Option<Edit>,

    pub nonce: [u8; 32],
    pub tls_leaf: Vec<u8>,
    pub online: bool,
    pub reference: Reference,
    pub wanted_manifest: Option<Vec<u8>>,
    pub seen: Option<Seen>,
    /// How new the collateral was when the mesh was seen; with `seen` only.
    pub collateral_seen: Floors,
    pub anchors: Vec<Anchor>,
    pub now: u64,
}

impl World {
    pub fn new() -> Self {
        Self::at(NOW)
    }

    /// The same at another time, for programs that look at the clock.
    pub fn at(now: u64) -> Self {
        let platform = Platform::seeded(SEED, Knobs::default());
        let identity = SgxIdentity {
            mrenclave: [0xaa; 32],
            mrsigner: [0xbb; 32],
            isv_prod_id: 3,
            isv_svn: 5,
            debug: false,
        };
        let (root, issuing, leaf) = (
            Key::named("root"),
            Key::named("issuing"),
            Key::named("leaf"),
        );
        let root_params = params("root", true, now - DAY, now + 3650 * DAY);
        let issuing_params = params("issuing", true, now - DAY, now + 90 * DAY);
        let leaf_params = params("coordinator", false, now - DAY, now + DAY);
        let root_der = self_signed(&root_params, &root);
        let anchors = vec![
            Anchor::intel(),
            Anchor::insecure_from_pem(platform.root_pem()).unwrap(),
        ];
        let history = history(&[[1; 32], Sha256::digest(MANIFEST).into()]);
        let state = StateBytes {
            state: CoordinatorState::AcceptingMarbles {
                root: root.id(),
                issuing: issuing.id(),
                manifest_sha256: Sha256::digest(MANIFEST).into(),
                transition_head: history_head(&history).unwrap().unwrap(),
                owner: None,
            },
            sequence: 41,
            head: [9; 32],
            tls_leaf: leaf.id(),
            security_digest: Switches::insecure_trust_root(&anchors[1].sha256()).digest(),
            witness: Witness::None,
            time: now,
        };
        Self {
            collateral: platform.collateral_json(Tee::Sgx, at(now)),
            chain: vec![
                signed_by(&issuing_params, &issuing, &root_params, &root),
                root_der,
            ],
            tls_leaf: signed_by(&leaf_params, &leaf, &root_params, &root),
            platform,
            identity,
            session: Key::named("session"),
            signs_instead: None,
            quoted_at: now - 30,
            quoted_root: None,
            quoted_digest: None,
            quoted_session: None,
            flip_evidence: None,
            root,
            issuing,
            leaf,
            state,
            manifest: MANIFEST.to_vec(),
            history,
            marbles: vec![count("signer", 1, Some(2)), count("store", 7, None)],
            answered: [5; 32],
            signed_nonce: None,
            edit: None,
            tamper: None,
            nonce: [5; 32],
            online: true,
            reference: Reference {
                identities: vec![ReferenceValue::Sgx(SgxReference {
                    unique_id: Some(identity.mrenclave),
                    ..SgxReference::default()
                })],
                ..Reference::default()
            },
            wanted_manifest: Some(MANIFEST.to_vec()),
            seen: None,
            collateral_seen: Floors::none(),
            anchors,
            now: now + 1,
        }
    }

    /// How new the collateral is that the vendor publishes at `secs`.
    pub fn floors_at(&self, secs: u64) -> Floors {
        let trust = Trust {
            anchors: &self.anchors,
            algorithms: webpki::ALL_VERIFICATION_ALGS,
            seen: &NoMemo,
        };
        let json = self.platform.collateral_json(Tee::Sgx, at(secs));
        let parsed = Collateral::parse(&json).unwrap();
        Floors::of(&parsed.verify(&trust).unwrap())
    }

    /// State 2: founded, and nothing in force.
    pub fn without_manifest(&mut self) {
        self.state.state = CoordinatorState::AcceptingManifest {
            root: self.root.id(),
            owner: None,
        };
        self.manifest.clear();
        self.history.clear();
        self.marbles.clear();
        self.chain.remove(0);
    }

    /// State 1: no keys of the mesh, a self-signed leaf.
    pub fn in_recovery(&mut self) {
        self.without_manifest();
        self.state.state = CoordinatorState::Recovery;
        self.chain.clear();
        self.tls_leaf = self_signed(
            &params("recovery", false, self.now - DAY, self.now + DAY),
            &self.leaf,
        );
    }

    /// Sets another history, and the state bytes' head to it.
    pub fn rewrite_history(&mut self, history: Vec<Transition>) {
        let CoordinatorState::AcceptingMarbles {
            transition_head, ..
        } = &mut self.state.state
        else {
            unreachable!("called in state 3")
        };
        *transition_head = history_head(&history).unwrap().unwrap();
        self.history = history;
    }

    /// The statement as the coordinator sends it.
    pub fn wire(&self) -> wire::Statement {
        let quoted_session = self
            .quoted_session
            .clone()
            .unwrap_or_else(|| self.session.spki());
        let report_data = session_report_data(
            Kind::SgxDcap,
            &quoted_session,
            self.quoted_root.or(self.state.root()),
            &self.quoted_digest.unwrap_or(self.state.security_digest),
            self.quoted_at,
        );
        let mut evidence = self.platform.quote_sgx(&self.identity, report_data);
        if let Some(index) = self.flip_evidence {
            evidence[index] ^= 1;
        }
        let mut body = wire::StatementBody {
            nonce: STANDARD.encode(self.answered),
            kind: Kind::SgxDcap.number(),
            quoted_at: self.quoted_at,
            time: self.state.time,
            evidence: STANDARD.encode(&evidence),
            collateral: STANDARD.encode(&self.collateral),
            session_key: STANDARD.encode(self.session.spki()),
            state: STANDARD.encode(self.state.encode()),
            manifest: STANDARD.encode(&self.manifest),
            chain: self.chain.iter().map(|der| STANDARD.encode(der)).collect(),
            history: self
                .history
                .iter()
                .map(|entry| wire::StatementTransition {
                    manifest_sha256: hex::encode(entry.manifest_sha256),
                    epoch: entry.epoch,
                    time: entry.time,
                })
                .collect(),
            marbles: self.marbles.clone(),
            refused: Vec::new(),
            legacy: None,
            recovery: None,
        };
        if let Some(edit) = &self.edit {
            edit(&mut body);
        }
        let signed = serde_json::to_vec(&body).unwrap();
        let nonce = self.signed_nonce.unwrap_or(self.answered);
        let input = statement_signature_input(&nonce, &self.state, &signed);
        let signature = self
            .signs_instead
            .as_ref()
            .unwrap_or(&self.session)
            .signature(&input);
        if let Some(tamper) = &self.tamper {
            tamper(&mut body);
        }
        wire::Statement {
            body: STANDARD.encode(serde_json::to_vec(&body).unwrap()),
            signature: STANDARD.encode(signature),
        }
    }

    pub fn statement(&self) -> Statement {
        Statement::from_wire(self.wire()).unwrap()
    }

    /// What the client comes to.
    pub fn report(&self) -> Report {
        self.judged(&self.statement())
    }

    pub fn judged(&self, statement: &Statement) -> Report {
        let trust = Trust {
            anchors: &self.anchors,
            algorithms: webpki::ALL_VERIFICATION_ALGS,
            seen: &NoMemo,
        };
        let seen = self.seen.map(|seen| SeenMesh {
            root: seen.root,
            sequence: seen.sequence,
            head: seen.head,
            time: self.now,
            address: None,
            collateral: self.collateral_seen.clone(),
        });
        judge(
            statement,
            &Question {
                nonce: &self.nonce,
                connection: if self.online {
                    Connection::Live(&self.tls_leaf)
                } else {
                    Connection::Saved(Some(&self.tls_leaf))
                },
                reference: &self.reference,
                manifest: self.wanted_manifest.as_deref(),
                memory: seen.as_ref().map_or(Memory::Nothing, Memory::Seen),
                trust: &trust,
                now: at(self.now),
            },
        )
    }
}

pub fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// One manifest after the other, a day apart.
pub fn history(manifests: &[[u8; 32]]) -> Vec<Transition> {
    (1..)
        .zip(manifests)
        .map(|(epoch, manifest_sha256)| Transition {
            manifest_sha256: *manifest_sha256,
            epoch,
            time: NOW - (10 - epoch) * DAY,
        })
        .collect()
}

pub fn count(name: &str, live: u64, budget: Option<u64>) -> wire::MarbleCount {
    wire::MarbleCount {
        marble_type: name.to_owned(),
        live,
        budget,
    }
}

/// The failed checks with their codes, as one comparable text.
pub fn failed(report: &Report) -> String {
    let rows: Vec<String> = report
        .failed()
        .map(|(check, cause)| format!("{}: {}", check.name(), cause.code))
        .collect();
    rows.join(", ")
}

pub fn outcome(report: &Report, check: Check) -> &Outcome {
    &report
        .rows
        .iter()
        .find(|row| row.check == check)
        .unwrap()
        .outcome
}

//! What the tests of this room stand on: seeded keys and bytes, evidence of a synthetic platform, a founded mesh.
#![allow(dead_code, reason = "each test program uses its part of this module")]
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rand_core::{TryCryptoRng, TryRng};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::UnixTime;
use sha2::{Digest as _, Sha256};
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Kind, NoMemo, Trust, Verified,
};
use stoa_manifest::Manifest;
use stoa_mesh::{
    Applicant, Caller, Command, CoordinatorLeaf, Draft, Entry, Env, Event, Found, Instance,
    KeyError, KeyKind, KeyMaterial, Keys, Machine, Outcome, Position, Refusal, Sequencer,
    SetManifest, View, admit, draft,
};
use stoa_synthetic::{Knobs, Platform, SgxIdentity, Tee};
use zeroize::Zeroizing;

/// When the tests take place: 2026-01-01.
pub const START: u64 = 1_767_225_600;

pub fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// Bytes that come from a seed: SHA-256 over seed and counter.
pub struct SeededRng {
    seed: u64,
    counter: u64,
}

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.try_next_u64().unwrap() % end
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(self.counter.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.counter += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}

/// P-256 keys that come from a seed; signatures with the nonce of RFC 6979, so that equal runs give equal bytes.
pub struct SeededKeys {
    seed: u64,
    made: Mutex<u64>,
}

impl SeededKeys {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            made: Mutex::new(0),
        }
    }

    pub fn made(&self) -> u64 {
        *self.made.lock().unwrap()
    }
}

/// The P-256 key of a number.
pub fn p256_key(seed: u64, number: u64) -> KeyMaterial {
    let scalar = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let secret = SecretKey::from_slice(&scalar).unwrap();
    material(&secret)
}

fn material(secret: &SecretKey) -> KeyMaterial {
    KeyMaterial {
        kind: KeyKind::EcdsaP256,
        pkcs8: Zeroizing::new(secret.to_pkcs8_der().unwrap().as_bytes().to_vec()),
        spki: secret
            .public_key()
            .to_public_key_der()
            .unwrap()
            .as_bytes()
            .to_vec(),
    }
}

impl Keys for SeededKeys {
    fn generate(&self, kind: KeyKind) -> Result<KeyMaterial, KeyError> {
        if kind != KeyKind::EcdsaP256 {
            return Err(KeyError {
                kind,
                cause: "seeded keys are P-256".to_owned(),
            });
        }
        let mut made = self.made.lock().unwrap();
        *made += 1;
        Ok(p256_key(self.seed, *made))
    }

    fn signer<'a>(
        &'a self,
        key: &'a KeyMaterial,
    ) -> Result<Box<dyn rcgen::SigningKey + 'a>, KeyError> {
        let secret = SecretKey::from_pkcs8_der(&key.pkcs8).map_err(|error| KeyError {
            kind: key.kind,
            cause: error.to_string(),
        })?;
        let point = secret.public_key().to_sec1_bytes().to_vec();
        Ok(Box::new(P256Signer {
            key: SigningKey::from(secret),
            point,
        }))
    }

    fn public(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
        let secret = SecretKey::from_pkcs8_der(pkcs8).map_err(|error| KeyError {
            kind,
            cause: error.to_string(),
        })?;
        Ok(material(&secret).spki)
    }
}

struct P256Signer {
    key: SigningKey,
    point: Vec<u8>,
}

impl PublicKeyData for P256Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for P256Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// An enclave by one byte of its measurement.
pub fn enclave(measurement: u8) -> SgxIdentity {
    SgxIdentity {
        mrenclave: [measurement; 32],
        mrsigner: [0x51; 32],
        isv_prod_id: 1,
        isv_svn: 1,
        debug: false,
    }
}

/// Genuine claims of an enclave on a synthetic platform whose collateral was issued at `now`.
pub fn claims(identity: &SgxIdentity, knobs: Knobs, now: u64) -> Verified<Claims> {
    let platform = Platform::seeded([7; 32], knobs);
    let anchors = [Anchor::insecure_from_pem(platform.root_pem()).unwrap()];
    let trust = Trust {
        anchors: &anchors,
        algorithms: &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
        seen: &NoMemo,
    };
    let collateral = platform.collateral_json(Tee::Sgx, at(now));
    let collateral = Collateral::parse(&collateral)
        .unwrap()
        .verify(&trust)
        .unwrap();
    let quote = platform.quote_sgx(identity, [3; 64]);
    let evidence = Evidence::parse(Kind::SgxDcap, &quote).unwrap();
    evidence
        .verify(
            &Expected::bound([3; 64]).unwrap(),
            &trust,
            &collateral,
            at(now),
        )
        .unwrap()
}

/// The manifest of most tests: `signer` (budget 3, names, parameters), `verifier` (unlimited), `single` (budget 1).
pub const MANIFEST: &str = r#"{
  "Packages": {
    "p1": {"UniqueID": "1111111111111111111111111111111111111111111111111111111111111111"},
    "p2": {"UniqueID": "2222222222222222222222222222222222222222222222222222222222222222"}
  },
  "Marbles": {
    "signer": {
      "Package": "p1",
      "MaxActivations": 3,
      "DNSNames": ["signer.example", "localhost", "127.0.0.1"],
      "Parameters": {
        "Files": {
          "/etc/shared": "{{ hex .Secrets.shared }}",
          "/etc/own": "{{ raw .Secrets.own }}",
          "/etc/cert.pem": "{{ pem .Secrets.pair.Cert }}{{ pem .Secrets.pair.Private }}",
          "/etc/leaf.pem": "{{ pem .MarbleRun.MarbleCert.Cert }}"
        },
        "Env": {"OWN": "{{ hex .Secrets.own }}", "ROOT": "{{ pem .MarbleRun.RootCA.Cert }}"},
        "Argv": ["signer", "--serve"]
      }
    },
    "verifier": {"Package": "p2", "DNSNames": ["verifier.example"]},
    "single": {"Package": "p1", "MaxActivations": 1, "Parameters": {"Env": {"TLS": "{{ pem .Secrets.common.Cert }}"}}}
  },
  "Secrets": {
    "shared": {"Type": "symmetric-key", "Size": 128, "Shared": true},
    "own": {"Type": "symmetric-key", "Size": 256},
    "pair": {"Type": "cert-ecdsa", "Size": 256, "Cert": {"DNSNames": ["pair.example"]}},
    "unused": {"Type": "cert-ecdsa", "Size": 256},
    "common": {"Type": "cert-ecdsa", "Size": 256, "Shared": true, "ValidFor": 30}
  }
}"#;

/// Evidence for each marble of [`MANIFEST`], verified at the beginning of the day of `now`, under collateral of 30 days.
pub fn claims_of(marble: &str, now: u64) -> Verified<Claims> {
    static MADE: Mutex<BTreeMap<(u8, u64), Verified<Claims>>> = Mutex::new(BTreeMap::new());
    let measurement = if marble == "verifier" { 0x22 } else { 0x11 };
    let day = now - now % (24 * 3600);
    let mut made = MADE.lock().unwrap();
    let claims = made
        .entry((measurement, day))
        .or_insert_with(|| claims(&enclave(measurement), Knobs::default(), day));
    claims.clone()
}

pub fn manifest(text: &str) -> Manifest {
    Manifest::parse(text.as_bytes()).unwrap()
}

pub const POSITION: Position = Position {
    sequence: 42,
    head: [9; 32],
};

/// A mesh with its journal: every record that was written, oldest first.
pub struct Mesh {
    pub keys: Box<dyn Keys>,
    pub rng: SeededRng,
    pub sequencer: Sequencer,
    pub journal: Vec<Vec<u8>>,
}

impl Mesh {
    pub fn empty(seed: u64) -> Self {
        Self::with_keys(Box::new(SeededKeys::new(seed)), seed)
    }

    pub fn with_keys(keys: Box<dyn Keys>, seed: u64) -> Self {
        Self {
            keys,
            rng: SeededRng::new(seed),
            sequencer: Sequencer::new(Machine::empty()),
            journal: Vec::new(),
        }
    }

    /// Founded at [`START`].
    pub fn founded(seed: u64) -> Self {
        let mut mesh = Self::empty(seed);
        mesh.found();
        mesh
    }

    /// Founded, with a manifest in force.
    pub fn with_manifest(seed: u64, text: &str) -> Self {
        let mut mesh = Self::founded(seed);
        mesh.set_manifest(text, START).unwrap();
        mesh
    }

    pub fn found(&mut self) {
        let names = ["coordinator.example".to_owned()];
        let found = Found::prepare(&*self.keys, &names, at(START), &mut self.rng).unwrap();
        self.run(Command::Found(found), START).unwrap();
    }

    pub fn start(&mut self, now: u64) -> Result<Outcome, Refusal> {
        let key = p256_key(999, now);
        let names = ["coordinator.example".to_owned(), "10.1.2.3".to_owned()];
        let leaf = CoordinatorLeaf::prepare(
            &self.view(),
            &key.spki,
            &names,
            &*self.keys,
            at(now),
            &mut self.rng,
        )?;
        self.run(Command::Start(leaf), now)
    }

    pub fn set_manifest(&mut self, text: &str, now: u64) -> Result<Outcome, Refusal> {
        let set = SetManifest::prepare(
            &self.view(),
            manifest(text),
            Caller {
                certificate: Some([5; 32]),
            },
            &*self.keys,
            at(now),
            &mut self.rng,
        )?;
        self.run(Command::SetManifest(set), now)
    }

    pub fn view(&self) -> View {
        self.sequencer.view()
    }

    /// Submits, writes, commits.
    pub fn run(&mut self, command: Command, now: u64) -> Result<Outcome, Refusal> {
        self.sequencer.submit(
            7,
            command,
            Env {
                now: at(now),
                rng: &mut self.rng,
            },
        );
        if let Some(batch) = self.sequencer.batch() {
            self.journal.push(batch.to_vec());
        }
        let mut replies = self.sequencer.committed();
        assert_eq!(replies.len(), 1);
        let (ticket, reply) = replies.remove(0);
        assert_eq!(ticket, 7);
        reply
    }

    pub fn draft(
        &mut self,
        marble: &str,
        applicant: &Applicant<'_>,
        now: u64,
    ) -> Result<Draft, Refusal> {
        self.draft_with(marble, &claims_of(marble, now), applicant, now)
    }

    pub fn draft_with(
        &mut self,
        marble: &str,
        claims: &Verified<Claims>,
        applicant: &Applicant<'_>,
        now: u64,
    ) -> Result<Draft, Refusal> {
        let view = self.view();
        let admission = admit(&view, marble, claims, at(now))?;
        draft(
            &view,
            &admission,
            applicant,
            &*self.keys,
            at(now),
            &mut self.rng,
        )
    }

    /// Activates under the key of a number.
    pub fn activate(
        &mut self,
        marble: &str,
        key: u64,
        proposal: Option<Instance>,
        now: u64,
    ) -> Result<Outcome, Refusal> {
        let spki = p256_key(1, key).spki;
        let applicant = Applicant {
            entry: Entry::Activate { proposal },
            spki: &spki,
            position: POSITION,
        };
        let draft = self.draft(marble, &applicant, now)?;
        self.run(Command::Activate(draft), now)
    }

    /// Renews on the strength of `leaf`, for the key of a number.
    pub fn renew(
        &mut self,
        marble: &str,
        leaf: &[u8],
        key: u64,
        now: u64,
    ) -> Result<Outcome, Refusal> {
        let spki = p256_key(1, key).spki;
        let applicant = Applicant {
            entry: Entry::Renew { leaf },
            spki: &spki,
            position: POSITION,
        };
        let draft = self.draft(marble, &applicant, now)?;
        self.run(Command::Activate(draft), now)
    }

    pub fn replayed(&self) -> Machine {
        Machine::replay(&self.journal).unwrap()
    }

    /// How one marble stands.
    pub fn status(&self, marble: &str, now: u64) -> (u64, u64) {
        let status = self
            .view()
            .marbles(at(now))
            .into_iter()
            .find(|status| status.marble == marble)
            .unwrap();
        (status.live, status.activated)
    }
}

/// The provision of a granted activation.
pub fn provision(outcome: Result<Outcome, Refusal>) -> stoa_mesh::Provision {
    match outcome {
        Ok(Outcome::Granted(grant)) => grant.into_provision(),
        other => panic!("not granted: {other:?}"),
    }
}

/// The code of a refusal.
pub fn code(outcome: Result<Outcome, Refusal>) -> &'static str {
    use stoa_explain::Explain as _;
    match outcome {
        Err(refusal) => {
            assert!(
                stoa_explain::lookup(refusal.code()).is_some(),
                "`{}` is not listed",
                refusal.code()
            );
            refusal.code()
        }
        Ok(outcome) => panic!("allowed: {outcome:?}"),
    }
}

/// The events of all records.
pub fn events(journal: &[Vec<u8>]) -> Vec<Event> {
    journal
        .iter()
        .flat_map(|record| stoa_mesh::stored::events(record).unwrap())
        .collect()
}

/// The same, DER.
pub fn user_der(number: u64) -> Vec<u8> {
    use base64::Engine as _;
    let pem = user(number).0;
    let body: String = pem
        .split("\\n")
        .filter(|line| !line.starts_with('-'))
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap()
}

/// A user's certificate by number: PEM, and the SHA-256 of its DER.
pub fn user(number: u64) -> (String, [u8; 32]) {
    static MADE: Mutex<BTreeMap<u64, (String, [u8; 32])>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    made.entry(number)
        .or_insert_with(|| make_user(number))
        .clone()
}

fn make_user(number: u64) -> (String, [u8; 32]) {
    let key = p256_key(77, number);
    let keys = SeededKeys::new(77);
    let signer = keys.signer(&key).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![format!("user{number}")]).unwrap();
    params.serial_number = Some(number.into());
    let der = params.self_signed(&&*signer).unwrap().der().to_vec();
    (pem_of(&der), Sha256::digest(&der).into())
}

/// One certificate as PEM, with its lines' ends as JSON writes them.
fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\\n{text}\\n-----END CERTIFICATE-----\\n")
}

//! Reads vectors (tests/vectors/README.md) and runs the verifier on them. Shared by the test binaries of this folder.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

pub mod der;
pub mod forge;
pub mod mutate;
pub mod random;
pub mod snp;
pub mod snp_world;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use serde_json::Value;
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, SignatureMemo, Trust,
    Verified,
};

/// What the server passes, too.
pub static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// The compiled-in roots, read once.
static VENDORS: LazyLock<Vec<Anchor>> = LazyLock::new(Anchor::vendors);

/// The groups of vectors with evidence.
pub const GROUPS: [&str; 10] = [
    "sgx",
    "sgx-negative",
    "tdx",
    "tdx-negative",
    "tdx-synthetic",
    "dcap-probes",
    "snp",
    "snp-negative",
    "snp-revocation",
    "snp-synthetic",
];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

/// The long run, by `STOA_TEST_FULL=1`.
pub fn full() -> bool {
    std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1")
}

pub fn time(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// One folder: quote, collateral, anchor, time.
#[derive(Clone)]
pub struct Vector {
    pub name: String,
    pub verdict: Value,
    pub kind: Kind,
    /// The evidence as it travels; with SNP report and certificate.
    pub quote: Vec<u8>,
    pub collateral: Vec<u8>,
    pub anchor_pem: String,
    pub now: u64,
}

impl Vector {
    pub fn load(name: &str) -> Self {
        let folder = root().join(name);
        let verdict: Value =
            serde_json::from_slice(&fs::read(folder.join("verdict.json")).unwrap()).unwrap();
        if verdict["tee"] == "snp" {
            return snp::load(name, &folder, verdict);
        }
        let collateral = folder.join(verdict["collateral"].as_str().unwrap_or("collateral.json"));
        let anchor = verdict["trust_anchor"]
            .as_str()
            .unwrap_or("dcap-roots/intel-sgx-root-ca.pem");
        Self {
            name: name.to_owned(),
            kind: match verdict["tee"].as_str().unwrap() {
                "sgx" => Kind::SgxDcap,
                "tdx" => Kind::TdxDcap,
                other => panic!("{name}: tee {other}"),
            },
            quote: fs::read(folder.join("quote.bin")).unwrap(),
            // One vector has none: it must be refused before anybody asks for it.
            collateral: fs::read(collateral).unwrap_or_default(),
            anchor_pem: fs::read_to_string(root().join(anchor)).unwrap(),
            now: verdict["evaluation_unix"].as_u64().unwrap_or(1_675_209_600),
            verdict,
        }
    }

    pub fn all() -> Vec<Self> {
        let mut names = Vec::new();
        for group in GROUPS {
            for entry in fs::read_dir(root().join(group)).unwrap() {
                let folder = entry.unwrap().file_name().into_string().unwrap();
                names.push(format!("{group}/{folder}"));
            }
        }
        names.sort();
        names.iter().map(|name| Self::load(name)).collect()
    }

    pub fn expected(&self, member: &str) -> Option<&str> {
        self.verdict["expected"][member].as_str()
    }

    /// The compiled-in roots if the vector wants a vendor's, else the vector's own.
    pub fn anchors(&self) -> Vec<Anchor> {
        let anchor = Anchor::insecure_from_pem(&self.anchor_pem).unwrap();
        if VENDORS
            .iter()
            .any(|vendor| vendor.sha256() == anchor.sha256())
        {
            return VENDORS.clone();
        }
        vec![anchor]
    }

    /// Where the 64 bytes of report data begin in the quote as it stands, even if it is broken elsewhere.
    pub fn report_data_at(&self) -> Option<usize> {
        if self.kind == Kind::Snp {
            return Some(snp::REPORT_AT + 0x50);
        }
        let header = self.quote.get(..54)?;
        let sgx = header[4..8] == [0; 4];
        let body = match header[0] {
            5 => 54,
            _ => 48,
        };
        Some(body + if sgx { 320 } else { 520 })
    }

    pub fn report_data(&self) -> [u8; 64] {
        let at = self.report_data_at();
        at.and_then(|at| self.quote.get(at..at + 64)?.try_into().ok())
            .unwrap_or([0; 64])
    }

    pub fn verified_collateral(
        &self,
        seen: &dyn SignatureMemo,
    ) -> Result<Verified<Collateral>, Invalid> {
        let anchors = self.anchors();
        let trust = Trust {
            anchors: &anchors,
            algorithms: ALGORITHMS,
            seen,
        };
        Collateral::parse(&self.collateral)?.verify(&trust)
    }

    pub fn verify(&self) -> Result<Verified<Claims>, Invalid> {
        self.verify_with(&NoMemo)
    }

    pub fn verify_with(&self, seen: &dyn SignatureMemo) -> Result<Verified<Claims>, Invalid> {
        let evidence = Evidence::parse(self.kind, &self.quote)?;
        let collateral = self.verified_collateral(seen)?;
        let anchors = self.anchors();
        let trust = Trust {
            anchors: &anchors,
            algorithms: ALGORITHMS,
            seen,
        };
        let expected = Expected::as_given(self.report_data());
        evidence.verify(&expected, &trust, &collateral, time(self.now))
    }
}

/// The DER inside a PEM file with one certificate.
pub fn pem_der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD
        .decode(base64.trim())
        .unwrap()
}

//! What a page in a browser does: judge a saved proof with nothing of the system. The guide shows this very code.
#![allow(clippy::unwrap_used, missing_docs)]

// guide: begin
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use stoa_attestation::{Anchor, NoMemo, Trust};
use stoa_client::{Bundle, Connection, Memory, Question, Report, judge, reference};

/// ECDSA P-256 with SHA-256, in Rust alone: the one algorithm that is needed.
#[derive(Debug)]
struct P256;

impl SignatureVerificationAlgorithm for P256 {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

/// Judges a saved proof as of `now` (the page's clock). Only `Verdict::Verified` is a yes.
fn judge_bundle(
    bundle: &[u8],
    coordinator: &[u8],
    manifest: &[u8],
    anchors: &[Anchor],
    now: UnixTime,
) -> Option<Report> {
    let bundle = Bundle::parse(bundle).ok()?;
    let reference = reference::parse(coordinator).ok()?;
    let trust = Trust {
        anchors,
        algorithms: &[&P256],
        seen: &NoMemo,
    };
    let question = Question {
        nonce: &bundle.nonce,
        connection: Connection::Saved(bundle.tls_leaf.as_deref()),
        reference: &reference,
        manifest: Some(manifest),
        memory: Memory::Nothing,
        trust: &trust,
        now,
    };
    Some(judge(&bundle.statement, &question))
}
// guide: end

use stoa_client::Verdict;

const DATA: [&[u8]; 3] = [
    include_bytes!("data/mesh.bundle"),
    include_bytes!("data/coordinator.json"),
    include_bytes!("data/manifest.json"),
];

fn anchors() -> Vec<Anchor> {
    vec![Anchor::insecure_from_pem(include_str!("data/synthetic-root.pem")).unwrap()]
}

#[test]
fn the_code_of_the_guide_verifies_a_proof_and_refuses_it_when_it_is_old_or_foreign() {
    let [bundle, coordinator, manifest] = DATA;
    let then = Bundle::parse(bundle).unwrap().fetched_at;
    let verdict = |manifest: &[u8], anchors: &[Anchor], now| {
        let report = judge_bundle(bundle, coordinator, manifest, anchors, now).unwrap();
        report.verdict == Verdict::Verified
    };
    assert!(verdict(manifest, &anchors(), then));
    assert!(!verdict(b"{}", &anchors(), then));
    assert!(!verdict(manifest, &[Anchor::intel()], then));
    let later =
        UnixTime::since_unix_epoch(core::time::Duration::from_secs(then.as_secs() + 86_400));
    assert!(!verdict(manifest, &anchors(), later));
}

#[test]
fn the_guide_shows_this_code() {
    let source = include_str!("browser.rs");
    let begin = source.find("// guide: begin\n").unwrap() + "// guide: begin\n".len();
    let end = source.find("// guide: end").unwrap();
    let page = include_str!("../../docs/guides/verify-in-the-browser.md");
    assert!(page.contains(&source[begin..end]), "copy it into the guide");
}

//! A saved proof from an earlier day is still read and still verified, with the files that a user would have beside it.
//!
//! `STOA_BLESS_BUNDLE=1 cargo test -p stoa-client --test golden` makes the files anew; do so only when the format changes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use std::path::PathBuf;

use stoa_attestation::Anchor;
use stoa_client::{Bundle, Verdict, reference};
use world::{MANIFEST, World, at, failed};

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name]
        .iter()
        .collect()
}

fn bless() {
    let mut world = World::new();
    world.nonce = *b"thirty-two bytes of fixed nonce!";
    world.answered = world.nonce;
    let bundle = Bundle {
        nonce: world.nonce,
        fetched_at: at(world.now),
        tls_leaf: Some(world.tls_leaf.clone()),
        statement: world.statement(),
    };
    let reference = serde_json::json!({
        "format": 1, "identities": [{"tee": "sgx", "unique_id": hex::encode(world.identity.mrenclave)}],
    });
    for (name, bytes) in [
        ("mesh.bundle", bundle.encode()),
        ("manifest.json", MANIFEST.to_vec()),
        ("coordinator.json", format!("{reference}\n").into_bytes()),
        (
            "synthetic-root.pem",
            world.platform.root_pem().as_bytes().to_vec(),
        ),
    ] {
        std::fs::write(data(name), bytes).unwrap();
    }
}

#[test]
fn a_proof_of_an_earlier_day_is_still_verified() {
    if std::env::var_os("STOA_BLESS_BUNDLE").is_some() {
        bless();
    }
    let bytes = std::fs::read(data("mesh.bundle")).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!(bundle.encode(), bytes, "the format of bundles changed");

    let mut world = World::new();
    world.online = false;
    world.nonce = bundle.nonce;
    world.now = bundle.fetched_at.as_secs();
    world.tls_leaf = bundle.tls_leaf.clone().unwrap();
    world.reference = reference::parse(&std::fs::read(data("coordinator.json")).unwrap()).unwrap();
    world.wanted_manifest = Some(std::fs::read(data("manifest.json")).unwrap());
    let root = std::fs::read_to_string(data("synthetic-root.pem")).unwrap();
    world.anchors = vec![Anchor::intel(), Anchor::insecure_from_pem(&root).unwrap()];
    let report = world.judged(&bundle.statement);
    assert_eq!(report.verdict, Verdict::Verified, "{}", failed(&report));

    world.now += 301;
    assert_eq!(
        failed(&world.judged(&bundle.statement)),
        "time: clock-differs"
    );
}

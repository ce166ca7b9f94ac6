//! An auditor without our code: tests/auditor/audit.py, written from docs/protocol/bundle.md, judges saved bundles as this
//! client does.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stoa_client::{Bundle, Outcome, Statement, Verdict, reference};
use world::cases::CASES;
use world::{World, at};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the page says, not what the code does: names in the first column of its tables.
fn documented(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

fn bundle(world: &World) -> Vec<u8> {
    Bundle {
        nonce: world.nonce,
        fetched_at: at(world.now),
        tls_leaf: Some(world.tls_leaf.clone()),
        statement: Statement::from_wire(world.wire()).unwrap(),
    }
    .encode()
}

/// `coordinator.json` of this world; `None` if it asks for what the script does not read.
fn reference_file(world: &World) -> Option<Vec<u8>> {
    let tcb = &world.reference.tcb;
    if tcb.families.is_some() || tcb.minimum != Default::default() {
        return None;
    }
    if world.reference.identities.is_empty() {
        return None;
    }
    let mut file: Value =
        serde_json::from_slice(&reference::encode(&world.reference.identities)).unwrap();
    let accepted: Vec<String> = tcb.accepted.iter().map(ToString::to_string).collect();
    file["debug"] = json!(tcb.debug);
    file["accepted_tcb"] = json!(accepted);
    file["platforms"] = json!(tcb.platforms);
    file["security_digest"] = json!(world.reference.security_digest.map(hex::encode));
    Some(file.to_string().into_bytes())
}

/// What the script says: whether it verified, and the checks that failed.
fn audit(world: &World, bundle: &[u8], reference: &[u8]) -> (bool, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let vendor = repository().join("tests/vectors/dcap-roots/intel-sgx-root-ca.pem");
    let anchor = if world.anchors.len() == 1 {
        vendor
    } else {
        put("root.pem", world.platform.root_pem().as_bytes())
    };
    let mut command = Command::new("python3");
    command
        .arg(repository().join("tests/auditor/audit.py"))
        .arg(put("mesh.bundle", bundle))
        .arg("--reference")
        .arg(put("coordinator.json", reference))
        .arg("--anchor")
        .arg(anchor);
    if let Some(manifest) = &world.wanted_manifest {
        command
            .arg("--manifest")
            .arg(put("manifest.json", manifest));
    }
    if let Some(seen) = &world.seen {
        let (root, head) = (hex::encode(seen.root), hex::encode(seen.head));
        command.args(["--seen", &format!("{root}:{}:{head}", seen.sequence)]);
    }
    let output = command.output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let failed = said["failed"].as_array().unwrap().iter();
    let failed: BTreeSet<String> = failed
        .map(|check| check.as_str().unwrap().to_owned())
        .collect();
    let verified = said["verdict"] == "verified";
    assert_eq!(verified, output.status.success(), "{output:?}");
    (verified, failed)
}

/// What this client says of the same bundle, offline.
fn ours(world: &mut World) -> (bool, BTreeSet<String>) {
    world.online = false;
    let report = world.report();
    let failed = report
        .rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::No(_)))
        .map(|row| row.check.name().to_owned())
        .collect();
    (report.verdict == Verdict::Verified, failed)
}

#[test]
#[ignore = "needs: python3, python3-cryptography"]
fn an_auditor_with_the_page_alone_judges_bundles_as_this_client_does() {
    let mut good = World::new();
    let reference = reference_file(&good).unwrap();
    assert_eq!(
        audit(&good, &bundle(&good), &reference),
        (true, BTreeSet::new())
    );
    assert_eq!(ours(&mut good), (true, BTreeSet::new()));

    let (mut wrong, mut judged) = (Vec::new(), 0);
    for (name, change, _) in CASES {
        let mut world = World::new();
        change(&mut world);
        // The page gives a verifier the journal's position to remember; how new collateral was is this client's own.
        if !world.collateral_seen.is_empty() {
            continue;
        }
        let Some(reference) = reference_file(&world) else {
            continue;
        };
        let theirs = audit(&world, &bundle(&world), &reference);
        let ours = ours(&mut world);
        if theirs != ours {
            wrong.push(format!(
                "{name}: the auditor says {theirs:?}, we say {ours:?}"
            ));
        }
        judged += 1;
    }
    assert!(
        judged >= 50 && wrong.is_empty(),
        "{judged}:\n{}",
        wrong.join("\n")
    );
}

/// Bytes of the file itself: each is refused by both, before any check.
#[test]
#[ignore = "needs: python3, python3-cryptography"]
fn an_auditor_refuses_files_that_are_no_bundle_as_this_client_does() {
    let world = World::new();
    let (reference, good) = (reference_file(&world).unwrap(), bundle(&world));
    let text = String::from_utf8(good.clone()).unwrap();
    let broken = [
        Vec::new(),
        good[..good.len() / 2].to_vec(),
        text.replacen("\"format\":1", "\"format\":2", 1)
            .into_bytes(),
        text.replacen("\"format\":1", "\"format\":1,\"format\":1", 1)
            .into_bytes(),
        text.replacen("\"nonce\":\"", "\"nonce\":\"A", 1)
            .into_bytes(),
        text.replacen("\"body\":\"", "\"body\":\"A", 1).into_bytes(),
        text.replacen("\"signature\":\"", "\"other\":\"", 1)
            .into_bytes(),
    ];
    for bytes in broken {
        assert!(Bundle::parse(&bytes).is_err());
        let (verified, failed) = audit(&world, &bytes, &reference);
        assert!(!verified && failed.contains("bundle"), "{failed:?}");
    }
}

/// A member that the pages do not name can't be judged by who has only the pages.
#[test]
fn every_member_of_a_bundle_stands_in_the_pages() {
    let stored: Map<String, Value> = serde_json::from_slice(&bundle(&World::new())).unwrap();
    let body = STANDARD
        .decode(stored["statement"]["body"].as_str().unwrap())
        .unwrap();
    let body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
    let mut missing = undocumented(&stored, "docs/protocol/bundle.md");
    let statement = stored["statement"].as_object().unwrap();
    missing.extend(undocumented(statement, "docs/protocol/bundle.md"));
    missing.extend(undocumented(&body, "docs/protocol/attest-1.md"));
    assert!(missing.is_empty(), "documented nowhere: {missing:?}");

    let mut planted = stored.clone();
    planted.insert("hint".to_owned(), json!("trust me"));
    assert_eq!(undocumented(&planted, "docs/protocol/bundle.md"), ["hint"]);
}

fn undocumented(object: &Map<String, Value>, page: &str) -> Vec<String> {
    let known = documented(page);
    let names = object.keys().filter(|name| !known.contains(*name));
    names.cloned().collect()
}

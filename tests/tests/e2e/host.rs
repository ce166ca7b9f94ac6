//! What the host of a coordinator can do without touching its code: variables, one more root, a manifest of its own.

use serde_json::{Value, json};
use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use stoa_harness::platform::Platform;
use tempfile::TempDir;

use crate::mesh::{KNOWN, Mesh};

/// Exit code and report of `stoa verify` with a manifest of the mesh's folder.
fn verify(mesh: &Mesh, manifest: &str) -> (Option<i32>, Value) {
    let (url, manifest) = (mesh.coordinator().url.clone(), mesh.path(manifest));
    let output = mesh.stoa(&["verify", &url, "--json", "--manifest", &manifest]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report)
}

fn failed(report: &Value) -> Vec<&str> {
    let rows = report["checks"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["outcome"] == "NO");
    rows.map(|row| row["check"].as_str().unwrap()).collect()
}

/// Starts the coordinator again as its host wants it.
fn started_again(mesh: &mut Mesh, more: &[&str], env: &[(&str, &str)]) {
    let mut coordinator = mesh.coordinator.take().unwrap();
    coordinator.process.kill_inner().unwrap();
    let limit = stoa_harness::platform::START_TIME_MAX;
    coordinator.process.await_end(limit).unwrap();
    drop(coordinator);
    let enclave = Coordinator::enclave(&mesh.programs);
    let back = Coordinator::start_by_host(
        &mesh.platform,
        &enclave,
        mesh.folder.path(),
        ["127.0.0.1:0"; 2],
        more,
        env,
    );
    mesh.coordinator = Some(back.unwrap());
}

#[test]
fn variables_of_the_host_add_no_root_and_take_no_check_away() {
    let mut mesh = Mesh::with_budget(5);
    let strangers = TempDir::new().unwrap();
    let seed = "5f".repeat(32);
    let stranger =
        Platform::start_with(&mesh.programs, strangers.path(), &["--seed", &seed]).unwrap();
    let root = stranger.root().display().to_string();
    let names = [
        "STOA_INSECURE_TRUST_ROOT",
        "STOA_TRUST_ROOT",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    let mut env: Vec<(&str, &str)> = names.iter().map(|name| (*name, &*root)).collect();
    env.extend([
        ("STOA_SIMULATION", "1"),
        ("OE_SIMULATION", "1"),
        ("EDG_COORDINATOR_DEV_MODE", "1"),
    ]);
    started_again(&mut mesh, &[], &env);
    let (exit, report) = verify(&mesh, "manifest.json");
    assert_eq!(exit, Some(0), "{report}");
    // Evidence under the other root is what it was before.
    let config = mesh.marble_config("worker", &mesh.root_key);
    let options = marble_sdk::Options {
        mesh_addr: mesh.coordinator().mesh_addr.clone(),
        source: Mesh::enclave_of([0x5f; 32], KNOWN),
        instance: None,
    };
    let error = crate::mesh::runtime()
        .block_on(marble_sdk::activate(&config, &options))
        .unwrap_err();
    assert_eq!(error.code(), "root-untrusted", "{error:?}");
    mesh.join("worker", KNOWN).unwrap();
}

/// Such a root lets its owner make marbles; so it is in the security digest, which nobody accepts who does not name it.
#[test]
fn one_more_root_is_seen_by_clients_and_marbles() {
    let mut mesh = Mesh::with_budget(5);
    let (exit, report) = verify(&mesh, "manifest.json");
    assert_eq!(exit, Some(0), "{report}");
    let strangers = TempDir::new().unwrap();
    let stranger = Platform::start_with(&mesh.programs, strangers.path(), &["--snp"]).unwrap();
    let root = stranger.snp_root().display().to_string();
    started_again(&mut mesh, &["--insecure-trust-root", &root], &[]);
    let (exit, report) = verify(&mesh, "manifest.json");
    assert_eq!(
        (exit, failed(&report)),
        (Some(1), vec!["switches"]),
        "{report}"
    );
    let error = mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(error.code(), "security-digest-differs", "{error:?}");
    started_again(&mut mesh, &[], &[]);
    mesh.join("worker", KNOWN).unwrap();
}

#[test]
fn a_manifest_of_the_hosts_on_a_genuine_coordinator_is_not_the_deployers() {
    let mesh = Mesh::founded();
    let deployers = mesh.path("deployers.json");
    let manifest = |budget: u64| {
        json!({
            "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
            "Marbles": {"worker": {"Package": "worker", "MaxActivations": budget}},
        })
    };
    std::fs::write(&deployers, manifest(1).to_string()).unwrap();
    mesh.set_manifest(&manifest(1000));
    let (exit, report) = verify(&mesh, "deployers.json");
    assert_eq!(
        (exit, failed(&report)),
        (Some(1), vec!["manifest"]),
        "{report}"
    );
    let url = mesh.coordinator().url.clone();
    let output = mesh.stoa(&["manifest", "set", &deployers, "--url", &url]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("[manifest-already-set]"), "{words}");
    let (exit, report) = verify(&mesh, "manifest.json");
    assert_eq!(exit, Some(0), "{report}");
}

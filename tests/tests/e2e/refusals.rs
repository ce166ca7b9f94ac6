//! Who is refused: by the coordinator, and by the marble. Each refusal has an honest twin that passes.

use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use stoa_harness::marble::altered;

use crate::mesh::{KNOWN, Mesh, UNKNOWN};

#[test]
fn a_measurement_that_the_manifest_does_not_know_is_refused() {
    let mesh = Mesh::with_budget(5);
    let error = mesh.join("worker", UNKNOWN).unwrap_err();
    assert_eq!(error.code(), "measurement-differs", "{error}");
    // A marble that proved nothing learns the rule, not the reference values.
    assert!(!error.to_string().contains(&hex::encode(KNOWN)), "{error}");
    mesh.join("worker", KNOWN).unwrap();
    assert_eq!(mesh.live("worker"), 1);
}

#[test]
fn a_marble_that_the_manifest_does_not_name_is_refused() {
    let mesh = Mesh::with_budget(5);
    let error = mesh.join("stranger", KNOWN).unwrap_err();
    assert_eq!(error.code(), "marble-unknown", "{error}");
}

#[test]
fn nothing_joins_before_there_is_a_manifest() {
    let mesh = Mesh::founded();
    let error = mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(error.code(), "state-not-accepting", "{error}");
    assert!(error.is_worth_a_retry());
}

#[test]
fn a_genuine_coordinator_of_another_mesh_is_refused_by_the_marble() {
    let mesh = Mesh::with_budget(5);
    let other = "ab".repeat(32);
    let config = mesh.marble_config("worker", &other);
    let error = mesh
        .join_at(&mesh.coordinator().mesh_addr, &config, KNOWN)
        .unwrap_err();
    assert_eq!(error.code(), "mesh-differs", "{error:?}");
    assert_eq!(
        mesh.live("worker"),
        0,
        "the coordinator saw evidence of a marble that refused it"
    );
    mesh.join("worker", KNOWN).unwrap();
}

#[test]
fn a_coordinator_with_other_code_is_refused_by_the_marble() {
    let mut mesh = Mesh::with_budget(5);
    let config = mesh.marble_config("worker", &mesh.root_key);
    mesh.join_at(&mesh.coordinator().mesh_addr, &config, KNOWN)
        .unwrap();
    let mut enclave = Coordinator::enclave(&mesh.programs);
    let to = mesh.folder.path().join("altered-coordinator");
    enclave.executable = altered(&enclave.executable, b"stoa-coordinator", &to).unwrap();
    let coordinator = mesh.coordinator.take().unwrap();
    // Same signer, so the altered one opens the same state: it is the measured code that gives it away.
    let (back, _) = coordinator
        .crash_and_restart(&mesh.platform, &enclave)
        .unwrap();
    mesh.coordinator = Some(back);
    let error = mesh
        .join_at(&mesh.coordinator().mesh_addr, &config, KNOWN)
        .unwrap_err();
    assert_eq!(error.code(), "measurement-differs", "{error:?}");
}

#[test]
fn the_first_manifest_stays() {
    let mesh = Mesh::with_budget(5);
    let before = mesh.status()["manifest_sha256"].clone();
    let other = mesh.path("other.json");
    let mut text = std::fs::read(mesh.path("manifest.json")).unwrap();
    text.push(b'\n');
    std::fs::write(&other, text).unwrap();
    let output = mesh.stoa(&["manifest", "set", &other, "--url", &mesh.coordinator().url]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("[manifest-already-set]"), "{words}");
    assert_eq!(mesh.status()["manifest_sha256"], before);
}

#[test]
fn an_insecure_root_never_starts_on_hardware_and_hardware_is_no_word_of_the_host() {
    let mesh = Mesh::founded();
    let output = std::process::Command::new(mesh.programs.path("stoa-coordinator"))
        .args([
            "--tee",
            "gramine",
            "--pccs",
            mesh.platform.pccs(),
            "--data",
            &mesh.path("none"),
        ])
        .args([
            "--insecure-trust-root",
            &mesh.root_pem(),
            "--client-addr",
            "127.0.0.1:0",
            "--mesh-addr",
            "127.0.0.1:0",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("[insecure-root-on-hardware]"), "{words}");
    assert!(
        !std::path::Path::new(&mesh.path("none")).exists(),
        "a refused start left state behind"
    );
}

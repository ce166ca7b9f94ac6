//! `stoa verify`: what passes, and each thing that must not, named by its failed check.

use serde_json::Value;
use stoa_harness::coordinator::{Coordinator, write_reference};
use stoa_harness::digest::sha256;
use stoa_harness::platform::Platform;

use crate::mesh::{KNOWN, Mesh};

/// Rows of a `--json` report that failed.
fn failed_checks(report: &Value) -> Vec<String> {
    let rows = report["checks"]
        .as_array()
        .unwrap_or_else(|| panic!("no checks in {report}"));
    assert!(
        rows.len() >= 6,
        "all checks are shown, also after one failed: {report}"
    );
    rows.iter()
        .filter(|row| row["outcome"] == "NO")
        .map(|row| row["check"].as_str().unwrap().to_owned())
        .collect()
}

fn verify(mesh: &Mesh, args: &[&str]) -> (Option<i32>, Value) {
    let output = mesh
        .cli
        .run(&[&["verify"], args, &["--json"]].concat())
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code(), report)
}

#[test]
fn a_true_mesh_verifies_live_and_from_its_bundle() {
    let mesh = Mesh::with_budget(5);
    mesh.join("worker", KNOWN).unwrap();
    let url = mesh.coordinator().url.clone();
    let (reference, root, manifest, bundle) = (
        mesh.path("coordinator.json"),
        mesh.root_pem(),
        mesh.path("manifest.json"),
        mesh.path("mesh.bundle"),
    );
    let trust = [
        "--coordinator",
        &reference,
        "--insecure-trust-root",
        &root,
        "--manifest",
        &manifest,
    ];
    let (code, report) = verify(
        &mesh,
        &[&[url.as_str()], &trust[..], &["--save", &bundle]].concat(),
    );
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["verdict"], "verified");
    assert_eq!(failed_checks(&report), Vec::<String>::new());
    let (code, report) = verify(&mesh, &[&["--bundle", &bundle], &trust[..]].concat());
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["verdict"], "verified");
}

#[test]
fn whatever_is_not_as_it_should_be_is_named_by_its_check() {
    let mesh = Mesh::with_budget(5);
    let url = mesh.coordinator().url.clone();
    let (reference, root, manifest, bundle) = (
        mesh.path("coordinator.json"),
        mesh.root_pem(),
        mesh.path("manifest.json"),
        mesh.path("mesh.bundle"),
    );

    // Another manifest: one byte.
    let other_manifest = mesh.path("other-manifest.json");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes.push(b' ');
    std::fs::write(&other_manifest, bytes).unwrap();
    // Another coordinator: a reference that names other code.
    let other_reference = mesh.path("other-reference.json");
    let genuine = std::fs::read_to_string(&reference).unwrap();
    let mut enclave = Coordinator::enclave(&mesh.programs);
    enclave.executable = mesh.programs.path("stoa");
    write_reference(
        &mesh.platform,
        &enclave,
        std::path::Path::new(&other_reference),
    )
    .unwrap();
    assert_ne!(genuine, std::fs::read_to_string(&other_reference).unwrap());
    // Another vendor.
    let stranger = Platform::start(
        &mesh.programs,
        &mesh.folder.path().join("stranger/platform"),
    )
    .unwrap();
    let false_root = stranger.root().display().to_string();

    let save = ["--save", bundle.as_str()];
    let cases: [(&str, Vec<&str>, &str); 4] = [
        (
            "a manifest that differs in one byte",
            vec![
                "--coordinator",
                &reference,
                "--insecure-trust-root",
                &root,
                "--manifest",
                &other_manifest,
            ],
            "manifest",
        ),
        (
            "another coordinator",
            vec![
                "--coordinator",
                &other_reference,
                "--insecure-trust-root",
                &root,
                "--manifest",
                &manifest,
            ],
            "code",
        ),
        (
            "a false root",
            vec![
                "--coordinator",
                &reference,
                "--insecure-trust-root",
                &false_root,
                "--manifest",
                &manifest,
            ],
            "hardware",
        ),
        (
            "a synthetic coordinator under the vendor's root",
            vec!["--coordinator", &reference, "--manifest", &manifest],
            "hardware",
        ),
    ];
    for (what, args, check) in cases {
        let (code, report) = verify(&mesh, &[&[url.as_str()], &args[..], &save].concat());
        assert_eq!(code, Some(1), "{what}: {report}");
        assert_eq!(report["verdict"], "not verified", "{what}: {report}");
        let failed = failed_checks(&report);
        assert!(
            failed.iter().any(|name| name == check),
            "{what}: failed {failed:?}, wanted `{check}`: {report}"
        );
    }
}

#[test]
fn facts_without_anything_to_compare_are_not_a_verification() {
    let mesh = Mesh::with_budget(5);
    let url = mesh.coordinator().url.clone();
    let (root, reference) = (mesh.root_pem(), mesh.path("coordinator.json"));
    for args in [
        vec!["--insecure-trust-root", &root],
        vec!["--insecure-trust-root", &root, "--coordinator", &reference],
    ] {
        let (code, report) = verify(&mesh, &[&[url.as_str()], &args[..]].concat());
        assert_eq!(code, Some(1), "{report}");
        let verdict = report["verdict"].as_str().unwrap();
        assert_eq!(verdict, "unverified", "{report}");
    }
}

#[test]
fn a_history_that_went_back_is_refused_by_a_client_that_remembers() {
    let mut mesh = Mesh::with_budget(5);
    let state = mesh.folder.path().join("state");
    let copy = mesh.folder.path().join("state-copy");
    let enclave = Coordinator::enclave(&mesh.programs);
    // An older, intact folder: what the host can put back.
    let coordinator = mesh.coordinator.take().unwrap();
    let coordinator = coordinator
        .crash_and_restart_after(&mesh.platform, &enclave, |_| {
            std::process::Command::new("cp")
                .args(["-a"])
                .args([&state, &copy])
                .status()?;
            Ok(())
        })
        .unwrap();
    mesh.coordinator = Some(coordinator);
    mesh.join("worker", KNOWN).unwrap();
    let url = mesh.coordinator().url.clone();
    let (reference, root, manifest) = (
        mesh.path("coordinator.json"),
        mesh.root_pem(),
        mesh.path("manifest.json"),
    );
    let args = [
        url.as_str(),
        "--coordinator",
        &reference,
        "--insecure-trust-root",
        &root,
        "--manifest",
        &manifest,
    ];
    let (code, report) = verify(&mesh, &args);
    assert_eq!(code, Some(0), "{report}");

    let coordinator = mesh.coordinator.take().unwrap();
    let coordinator = coordinator
        .crash_and_restart_after(&mesh.platform, &enclave, |state| {
            std::fs::remove_dir_all(state)?;
            std::process::Command::new("cp")
                .args(["-a"])
                .args([copy.as_path(), state])
                .status()?;
            Ok(())
        })
        .unwrap();
    mesh.coordinator = Some(coordinator);
    let (code, report) = verify(&mesh, &args);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        failed_checks(&report).iter().any(|name| name == "memory"),
        "{report}"
    );
}

#[test]
fn a_bundle_after_its_collateral_ended_is_refused() {
    let mesh = Mesh::with_budget(5);
    let url = mesh.coordinator().url.clone();
    let (reference, root, manifest, bundle) = (
        mesh.path("coordinator.json"),
        mesh.root_pem(),
        mesh.path("manifest.json"),
        mesh.path("mesh.bundle"),
    );
    let trust = [
        "--coordinator",
        &reference,
        "--insecure-trust-root",
        &root,
        "--manifest",
        &manifest,
    ];
    verify(
        &mesh,
        &[&[url.as_str()], &trust[..], &["--save", &bundle]].concat(),
    );
    let (code, report) = verify(
        &mesh,
        &[
            &["--bundle", &bundle, "--at", "2099-01-01T00:00:00Z"],
            &trust[..],
        ]
        .concat(),
    );
    assert_eq!(code, Some(1), "{report}");
    assert!(
        failed_checks(&report).iter().any(|name| name == "hardware"),
        "{report}"
    );
}

#[test]
fn what_verify_saves_is_the_root_that_the_mesh_serves() {
    let mesh = Mesh::with_budget(5);
    let marble = mesh.join("worker", KNOWN).unwrap();
    let url = mesh.coordinator().url.clone();
    let (reference, root, manifest, saved) = (
        mesh.path("coordinator.json"),
        mesh.root_pem(),
        mesh.path("manifest.json"),
        mesh.path("mesh-root.pem"),
    );
    let (code, report) = verify(
        &mesh,
        &[
            &url,
            "--coordinator",
            &reference,
            "--insecure-trust-root",
            &root,
            "--manifest",
            &manifest,
            "--save-root",
            &saved,
        ],
    );
    assert_eq!(code, Some(0), "{report}");
    let der = stoa_harness::digest::der_of_pem(std::path::Path::new(&saved)).unwrap();
    assert_eq!(sha256(&der), sha256(&marble.trust()[0]));
}

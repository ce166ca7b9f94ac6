//! One mesh of both vendors: an SGX, a TDX and an SNP marble behind one manifest and one statement.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use stoa_harness::marble::package;
use stoa_harness::platform::Enclave;

use crate::mesh::Mesh;

const TEES: [&str; 3] = ["sgx", "tdx", "snp"];
/// Longest life of the short programs of these tests.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// What runs in `tee`: the launcher, and behind it a program that ends with 7.
fn marble(mesh: &Mesh, tee: &'static str) -> Enclave {
    let name = format!("m-{tee}");
    mesh.marble_config(&name, &mesh.root_key);
    let config = mesh.path(&format!("stoa-marble-{name}.json"));
    let mut enclave = Enclave::sgx(&name, mesh.programs.path("stoa-launcher"));
    enclave.tee = tee;
    enclave.argv = ["--config", &config, "--", "/bin/sh"]
        .map(str::to_owned)
        .to_vec();
    enclave.trusted_files = vec![PathBuf::from(config)];
    enclave
}

/// Runs it to its end: what it said, or its refusal's words.
fn run(mesh: &Mesh, enclave: &Enclave) -> Result<Value, String> {
    let addr = [("STOA_MESH_ADDR", mesh.coordinator().mesh_addr.as_str())];
    let mut process = mesh.platform.run(enclave, &[], &addr).unwrap();
    let status = process.await_end(END_TIME_MAX).unwrap();
    let output = process.output();
    let activated = output.iter().find(|line| line.contains("\"activated\""));
    match activated {
        Some(line) if status.code() == Some(7) => Ok(serde_json::from_str(line).unwrap()),
        _ => Err(output.join("\n")),
    }
}

fn with_all_three(mesh: &Mesh) -> Vec<Enclave> {
    let enclaves: Vec<Enclave> = TEES.map(|tee| marble(mesh, tee)).to_vec();
    let (mut packages, mut marbles) = (json!({}), json!({}));
    for enclave in &enclaves {
        packages[&enclave.name] = package(&mesh.platform, enclave).unwrap();
        marbles[&enclave.name] = json!({
            "Package": enclave.name,
            "Parameters": {"Argv": ["sh", "-c", "exit 7"]},
        });
    }
    mesh.set_manifest(&json!({"Packages": packages, "Marbles": marbles}));
    enclaves
}

#[test]
fn one_manifest_admits_an_sgx_a_tdx_and_an_snp_marble_and_each_by_its_measurement_alone() {
    let mesh = Mesh::founded_of_both_vendors("sgx");
    let enclaves = with_all_three(&mesh);
    for enclave in &enclaves {
        let activated = run(&mesh, enclave).unwrap_or_else(|words| panic!("{words}"));
        assert_eq!(activated["marble"], enclave.name);
    }

    // One statement covers the three.
    let manifest = mesh.path("manifest.json");
    let url = &mesh.coordinator().url;
    let output = mesh.stoa(&["verify", url, "--manifest", &manifest, "--json"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "verified", "{report}");
    let live = report["marbles"].as_array().unwrap().iter();
    let live: Vec<_> = live
        .map(|row| (row["type"].as_str().unwrap(), row["live"].as_u64().unwrap()))
        .collect();
    assert_eq!(live, [("m-sgx", 1), ("m-snp", 1), ("m-tdx", 1)]);

    // One measurement changed refuses exactly that one.
    for changed in &enclaves {
        for enclave in &enclaves {
            let mut enclave = enclave.clone();
            let other = enclave.name == changed.name;
            if other {
                enclave.env.push(("OTHER".to_owned(), "1".to_owned()));
            }
            match run(&mesh, &enclave) {
                Ok(_) => assert!(!other, "{} was admitted", enclave.name),
                Err(words) => {
                    assert!(other, "{}: {words}", enclave.name);
                    assert!(words.contains("measurement-differs"), "{words}");
                }
            }
        }
    }
}

/// The coordinator itself under AMD's kind of evidence: clients and marbles of the other vendor judge it all the same.
#[test]
fn a_coordinator_in_an_snp_guest_is_verified_and_serves_all_three() {
    let mesh = Mesh::founded_of_both_vendors("snp");
    for enclave in with_all_three(&mesh) {
        run(&mesh, &enclave).unwrap_or_else(|words| panic!("{words}"));
    }
    // A client that has only Intel's synthetic root does not believe it.
    let (reference, root) = (mesh.path("coordinator.json"), mesh.root_pem());
    let url = mesh.coordinator().url.clone();
    let trust = ["--coordinator", &reference, "--insecure-trust-root", &root];
    let output = mesh
        .cli
        .run(&[&["verify", &url][..], &trust].concat())
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("root-untrusted"), "{words}");
}

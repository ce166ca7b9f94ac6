//! Manifests that Go's encoding/json wrote, by a program of our own (tests/go/manifest), are read as Go would read them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use stoa_attestation::ReferenceValue;
use stoa_manifest::{Attribute, KeyUsage, Manifest, SecretKind, Source};

#[test]
#[ignore = "needs: go"]
fn what_go_writes_is_read_and_what_says_something_unserved_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/go/manifest");
    let output = Command::new("go")
        .args(["run", "."])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut read = std::collections::BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = line["name"].as_str().unwrap().to_owned();
        let text = line["manifest"].as_str().unwrap();
        let parsed = Manifest::parse(text.as_bytes());
        match (name.starts_with("bad-"), &parsed) {
            (true, Err(_)) => {}
            (false, Ok(_)) => _ = read.insert(name, parsed.unwrap()),
            _ => panic!("{name}: {parsed:?}\n{text}"),
        }
    }
    assert_eq!(read.len(), 7);
    let plain = &read["all-keys"];
    let ReferenceValue::Sgx(sgx) = &plain.packages()["signer"].reference else {
        panic!("an SGX package")
    };
    assert_eq!(
        (sgx.product_id, sgx.security_version, sgx.unique_id),
        (Some(3), Some(2), None)
    );
    let two = &plain.marbles()["two"];
    assert_eq!(two.max_activations, Some((1 << 32) - 1));
    assert_eq!(two.argv, ["./two", "<&>\u{2028}"]);
    assert_eq!(plain.marbles()["one"].max_activations, None);
    for same in ["empty-maps", "cert-nil", "cert-zero"] {
        assert_eq!(read[same].marbles(), plain.marbles(), "{same}");
    }
    assert_eq!(read["infrastructure"].infrastructures()[0].qe_svn, Some(2));
    assert_eq!(
        read["infrastructure"].infrastructures()[0].cpu_svn,
        Some([0; 16])
    );
    let zero = &read["cert-zero"].secrets()["c"];
    assert_eq!(*zero, read["cert-nil"].secrets()["c"]);
    let named = &read["cert-names"].secrets()["c"].certificate;
    assert_eq!(named.attributes[0], (Attribute::Country, "DE".to_owned()));
    assert_eq!(named.ip_addresses.len(), 2);
    assert_eq!(
        named.key_usages,
        [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment]
    );
    assert_eq!(named.not_after, Some(1_893_546_245));
    let user = &read["user-defined"].secrets()["u"];
    assert_eq!((user.kind, user.source), (SecretKind::Plain, Source::User));
}

//! Every example is a manifest without a fault or a warning, and what its name promises.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use stoa_manifest::{Manifest, SecretBinding, SecretKind, Sort, Source, advice};

fn example(name: &str) -> Manifest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    Manifest::parse(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_example_can_be_set_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let manifest = example(&name);
        assert!(
            manifest.warnings().is_empty(),
            "{name}: {:?}",
            manifest.warnings()
        );
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} examples");
}

#[test]
fn the_strict_example_leaves_nothing_to_be_strengthened_in_its_packages() {
    let manifest = example("strict.json");
    let package = &manifest.packages()["issuer"];
    assert!(package.tcb.platforms.is_some() && package.tcb.minimum.evaluation_number.is_some());
    let stronger: Vec<_> = advice(&manifest)
        .into_iter()
        .filter(|one| one.sort == Sort::Stronger && one.fault.path.starts_with("Packages"))
        .collect();
    assert!(stronger.is_empty(), "{stronger:?}");
    assert!(!manifest.infrastructures().is_empty());
}

#[test]
fn the_example_of_secrets_has_one_of_every_kind_that_is_made() {
    let manifest = example("secrets.json");
    let kinds: Vec<_> = manifest
        .secrets()
        .values()
        .map(|secret| secret.kind)
        .collect();
    for wanted in [
        SecretKind::SymmetricKey { bits: 256 },
        SecretKind::CertEcdsa { bits: 256 },
        SecretKind::CertEcdsa { bits: 521 },
        SecretKind::CertEd25519,
        SecretKind::CertRsa { bits: 3072 },
    ] {
        assert!(kinds.contains(&wanted), "{wanted:?}");
    }
    let sources = manifest.secrets().values().map(|secret| secret.source);
    assert!(sources.clone().any(|source| source == Source::Shared));
    assert!(sources.clone().any(|source| source == Source::Instance));
    assert_eq!(manifest.marbles()["gateway"].binding, SecretBinding::Marble);
    let used = manifest.marbles()["gateway"].secrets_used().count();
    assert_eq!(used, manifest.secrets().len(), "a range over all of them");
}

//! Files that people and other programs hand over: manifests, templates, references, proofs, memories, configurations.

use marble_sdk::MarbleConfig;
use stoa_client::{Bundle, SeenMesh, Statement, reference};
use stoa_manifest::Manifest;
use stoa_manifest::template::{Entry, EntryKind, Facts, Place, Root, Scope, Template};

use crate::{Seed, seeds};

pub(crate) fn manifest(bytes: &[u8]) {
    let _ = Manifest::parse(bytes);
}

/// Parses for both places and renders with values for every name.
pub(crate) fn template(bytes: &[u8]) {
    struct Anything;
    impl Scope for Anything {
        fn names(&self, _: Root) -> Vec<&str> {
            vec!["a", "bc", "def"]
        }

        fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
            let kind = match (root, name.len() % 3) {
                (Root::MarbleRun, _) | (_, 0) => EntryKind::Certificate,
                (_, 1) => EntryKind::SymmetricKey,
                _ => EntryKind::Plain,
            };
            Some(Entry {
                kind,
                certificate: b"\x30\x00",
                private: b"\x00private",
                public: b"\xffpublic",
                facts: Facts::default(),
            })
        }
    }
    for place in [Place::File, Place::Env] {
        if let Ok(template) = Template::parse(bytes, place) {
            let _ = template.secrets_used().count();
            let _ = template.render(&Anything);
        }
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let _ = reference::parse(bytes);
    if let Ok(bundle) = Bundle::parse(bytes) {
        let written = bundle.encode();
        let again = Bundle::parse(&written).map(|again| again.encode());
        assert!(
            again.is_ok_and(|again| again == written),
            "a saved proof is not read as it was written: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    let _ = Statement::parse(bytes);
    if let Ok(seen) = SeenMesh::parse(bytes) {
        let again = SeenMesh::parse(&seen.encode()).map(|again| again.encode());
        assert!(
            again.is_ok_and(|again| again == seen.encode()),
            "a memory is not read as it was written: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    let _ = MarbleConfig::parse(bytes);
    if let Ok(bundle) = stoa_collateral::Bundle::parse("(input)", bytes) {
        let again = bundle
            .encode("(input)")
            .and_then(|written| stoa_collateral::Bundle::parse("(input)", &written));
        assert!(
            again.is_ok_and(|again| again == bundle),
            "a bundle of collateral is not read as it was written: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

pub(crate) fn manifest_seeds() -> Vec<Seed> {
    let mut all = seeds::files("manifests/examples", "json");
    all.extend(seeds::one("client/tests/data/manifest.json"));
    // Manifests with faults, in the shorthand of their table: what a parser meets that expects something else.
    for file in seeds::files("manifests/tests", "txt") {
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        for line in text.lines().filter(|line| line.starts_with('{')) {
            all.push(Seed {
                name: format!("{}: {line}", file.name),
                bytes: line.as_bytes().to_vec(),
            });
        }
    }
    seeds::without_repetitions(all)
}

pub(crate) fn template_seeds() -> Vec<Seed> {
    let corpus = seeds::one("manifests/tests/templates/corpus.txt");
    let lines = corpus.iter().flat_map(|file| {
        String::from_utf8_lossy(&file.bytes)
            .lines()
            // The corpus writes a line end as this sign.
            .map(|line| Seed {
                name: format!("{}: {line}", file.name),
                bytes: line.replace('␤', "\n").into_bytes(),
            })
            .collect::<Vec<_>>()
    });
    seeds::without_repetitions(lines.collect())
}

pub(crate) fn seeds() -> Vec<Seed> {
    let mut all = seeds::files("client/tests/data", "json");
    all.extend(seeds::files("client/tests/data", "bundle"));
    let proof = seeds::one("client/tests/data/mesh.bundle");
    for file in &proof {
        if let Ok(bundle) = serde_json::from_slice::<serde_json::Value>(&file.bytes) {
            all.push(Seed {
                name: format!("{}: its statement", file.name),
                bytes: bundle["statement"].to_string().into_bytes(),
            });
        }
    }
    let id = "ab".repeat(32);
    let reference = format!(
        r#"{{"format":1,"identities":[{{"tee":"sgx","signer_id":"{id}","product_id":3,"security_version":0}},{{"tee":"tdx","mrtd":["{id}{}"]}}]}}"#,
        "cd".repeat(16)
    );
    let written = [
        (
            "a marble's configuration",
            format!(
                r#"{{"format":1,"marble":"signer","coordinator":{reference},"pin":{{"root_spki_sha256":"{id}"}},"anchors":["vendor"]}}"#
            ),
        ),
        (
            "a memory",
            format!(
                r#"{{"format":1,"root_spki_sha256":"{id}","sequence":7,"head":"{id}","time":1795000000,"address":"localhost:4433","collateral":[]}}"#
            ),
        ),
        (
            "era",
            format!(r#"{{"UniqueID":"{id}","SecurityVersion":1,"Debug":true,"AcceptedTCBStatuses":["UpToDate"]}}"#),
        ),
        (
            "a bundle of collateral",
            r#"{"format":1,"entries":[{"platform":"sgx:00606a000000:platform","fetched_at":1795000000,"collateral":"{}"}]}"#
                .to_owned(),
        ),
        ("a reference", reference.clone()),
    ];
    all.extend(written.map(|(name, text)| Seed {
        name: name.to_owned(),
        bytes: text.into_bytes(),
    }));
    all
}

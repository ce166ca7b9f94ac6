//! What a manifest without faults holds, its limits, and that nothing posted can bring the parser down.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;
use stoa_attestation::policy::{Advisories, SnpPolicy, SnpTcbMinimum, Tolerance};
use stoa_attestation::{ReferenceValue, SgxReference, SnpReference, TcbStatus, TdxReference};
use stoa_explain::Explain;
use stoa_manifest::limits::{FAULTS_MAX, MANIFEST_BYTES_MAX, PACKAGES_MAX, PARAMETERS_MAX};
use stoa_manifest::template::{Entry, EntryKind, Generation, Root, Scope};
use stoa_manifest::{CoordinatorEvidence, Manifest, Parameter, SealMode, SecretKind};

const CREDENTIALS: &[u8] = include_bytes!("../examples/credentials.json");

#[test]
fn the_example_says_what_its_text_says() {
    let manifest = Manifest::parse(CREDENTIALS).unwrap();
    assert!(manifest.warnings().is_empty(), "{:?}", manifest.warnings());
    assert_eq!(
        manifest.marbles().keys().collect::<Vec<_>>(),
        ["signer", "statuslist", "store"]
    );
    let statuslist = &manifest.marbles()["statuslist"];
    assert_eq!(
        (statuslist.max_activations, &statuslist.calls),
        (Some(4), &None)
    );
    assert_eq!(
        statuslist.dns_names,
        ["statuslist", "localhost", "127.0.0.1"]
    );
    let uses: Vec<_> = statuslist
        .secrets_used()
        .map(|used| (used.generation, used.name.as_str()))
        .collect();
    let current = Generation::Current;
    assert_eq!(uses, [(current, "signing_key"), (current, "store_token")]);
    assert_eq!(manifest.marbles()["store"].argv, ["demo-store"]);
    let key = &manifest.secrets()["signing_key"];
    assert_eq!(
        (key.kind, key.shared),
        (SecretKind::CertEcdsa { bits: 256 }, true)
    );
    assert_eq!(
        manifest.secrets()["store_token"].kind,
        SecretKind::SymmetricKey { bits: 256 }
    );
    assert_eq!(
        manifest.config().mesh_name.as_deref(),
        Some("credentials.example")
    );
}

#[test]
fn packages_become_reference_values_and_policies() {
    let id = "ab".repeat(32);
    let mrtd = "cd".repeat(48);
    let text = format!(
        r#"{{"Packages":{{
            "a":{{"UniqueID":"{}","AcceptedTCBStatuses":["OutOfDate"],"AcceptedAdvisories":["intel-sa-00334"]}},
            "b":{{"SignerID":"{id}","ProductID":0,"SecurityVersion":7,"Debug":true}},
            "c":{{"TDX":{{"MRTD":"{mrtd}","RTMR":{{"2":"{mrtd}"}}}}}}}},
          "Marbles":{{"a":{{"Package":"a"}},"b":{{"Package":"b"}},"c":{{"Package":"c"}}}}}}"#,
        id.to_uppercase()
    );
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let package = |name: &str| &manifest.packages()[name];
    let by_id = SgxReference {
        unique_id: Some([0xab; 32]),
        ..SgxReference::default()
    };
    assert_eq!(package("a").reference, ReferenceValue::Sgx(by_id));
    assert_eq!(
        Vec::from_iter(package("a").tcb.accepted.clone()),
        [TcbStatus::UpToDate, TcbStatus::OutOfDate]
    );
    assert_eq!(
        package("a").tcb.advisories,
        Advisories::Only(["INTEL-SA-00334".to_owned()].into())
    );
    let by_signer = SgxReference {
        unique_id: None,
        signer_id: Some([0xab; 32]),
        product_id: Some(0),
        security_version: Some(7),
        ..SgxReference::default()
    };
    assert_eq!(package("b").reference, ReferenceValue::Sgx(by_signer));
    assert!(package("b").tcb.debug && !package("a").tcb.debug);
    let default = [TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded];
    assert_eq!(Vec::from_iter(package("b").tcb.accepted.clone()), default);
    assert_eq!(package("b").tcb.advisories, Advisories::All);
    let domain = TdxReference {
        mrtd: vec![[0xcd; 48]],
        rtmr: [None, None, Some([0xcd; 48]), None],
        ..TdxReference::default()
    };
    assert_eq!(package("c").reference, ReferenceValue::Tdx(domain));
}

#[test]
fn an_snp_package_is_read_to_its_last_key() {
    let hex = |byte: &str, len: usize| byte.repeat(len);
    let json = format!(
        r#"{{"Packages":{{"g":{{"SNP":{{"Measurement":["{}"],"HostData":"{}","IDKeyDigest":"{}","AuthorKeyDigest":"{}","FamilyID":"{}","ImageID":"{}","GuestSVN":3,"ABIMin":"1.55","VMPLMax":2,"AllowMigration":true,"ForbidSMT":true,"SingleSocket":true,"AllowUncheckedAliases":true,"AllowMissingCRL":true,"CommittedTCBMin":{{"FMC":1,"Bootloader":2,"TEE":3,"SNP":4,"Microcode":5}},"LaunchTCBMin":{{"Microcode":255}}}}}}}},"Marbles":{{"m":{{"Package":"g"}}}}}}"#,
        hex("01", 48),
        hex("02", 32),
        hex("03", 48),
        hex("04", 48),
        hex("05", 16),
        hex("06", 16),
    );
    let manifest = Manifest::parse(json.as_bytes()).unwrap();
    let package = &manifest.packages()["g"];
    let guest = SnpReference {
        measurement: vec![[1; 48]],
        host_data: Some([2; 32]),
        id_key_digest: Some([3; 48]),
        author_key_digest: Some([4; 48]),
        family_id: Some([5; 16]),
        image_id: Some([6; 16]),
        guest_svn: Some(3),
    };
    assert_eq!(package.reference, ReferenceValue::Snp(guest));
    let policy = SnpPolicy {
        migratable: Tolerance::Accept,
        smt: Tolerance::Refuse,
        several_sockets: Tolerance::Refuse,
        abi_min: Some((1, 55)),
        vmpl_max: 2,
        unchecked_aliases: Tolerance::Accept,
        committed_min: SnpTcbMinimum {
            fmc: Some(1),
            boot_loader: Some(2),
            tee: Some(3),
            snp: Some(4),
            microcode: Some(5),
        },
        launch_min: SnpTcbMinimum {
            microcode: Some(255),
            ..SnpTcbMinimum::default()
        },
        no_crl: Tolerance::Accept,
    };
    assert_eq!(package.tcb.snp, policy);
    let least = json.split("\"HostData\"").next().unwrap();
    let least = format!(
        "{}}}}}}},\"Marbles\":{{\"m\":{{\"Package\":\"g\"}}}}}}",
        least.trim_end_matches(',')
    );
    let manifest = Manifest::parse(least.as_bytes()).unwrap();
    assert_eq!(manifest.packages()["g"].tcb.snp, SnpPolicy::default());
}

/// A manifest with one marble, whose parameters are given.
fn with_parameters(parameters: &str, secrets: &str) -> Manifest {
    let text = format!(
        r#"{{"Packages":{{"p":{{"UniqueID":"{}"}}}},"Marbles":{{"m":{{"Package":"p","Parameters":{parameters}}}}},"Secrets":{secrets}}}"#,
        "00".repeat(32)
    );
    Manifest::parse(text.as_bytes()).unwrap()
}

struct OneKey;

impl Scope for OneKey {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        (root == Root::Secrets && name == "k").then_some(Entry {
            kind: EntryKind::SymmetricKey,
            public: b"\xff\x00key",
            ..Entry::default()
        })
    }

    fn names(&self, _: Root) -> Vec<&str> {
        vec!["k"]
    }
}

#[test]
fn parameters_are_templates_on_bytes_unless_they_are_literal() {
    let manifest = with_parameters(
        r#"{"Files":{"/raw":"<{{ raw .Secrets.k }}>",
                     "/bytes":{"Data":"gP97eyBoZXggLlNlY3JldHMuayB9fQ==","Encoding":"base64"},
                     "/literal":{"Data":"{{ raw .Secrets.k }}","NoTemplates":true}},
            "Env":{"K":"{{ base64 .Secrets.k }}"}}"#,
        r#"{"k":{"Type":"symmetric-key","Size":40}}"#,
    );
    let marble = &manifest.marbles()["m"];
    let rendered = |parameter: &Parameter| parameter.render(&OneKey).unwrap().to_vec();
    assert_eq!(rendered(&marble.files["/raw"]), b"<\xff\x00key>");
    assert_eq!(rendered(&marble.files["/bytes"]), b"\x80\xffff006b6579");
    assert_eq!(rendered(&marble.files["/literal"]), b"{{ raw .Secrets.k }}");
    assert_eq!(rendered(&marble.env["K"]), b"/wBrZXk=");
    // One secret in three templates; what is literal names none.
    assert_eq!(marble.secrets_used().count(), 1);
}

#[test]
fn config_has_the_documented_defaults() {
    let config = with_parameters("{}", "{}").config().clone();
    assert_eq!(config.mesh_name, None);
    assert_eq!(config.certificate_lifetime, Duration::from_secs(86_400));
    assert!(!config.legacy_marbles);
    assert_eq!(config.coordinator_evidence, CoordinatorEvidence::Shared);
    assert_eq!(config.seal_mode, SealMode::ProductKey);
}

#[test]
fn the_fingerprint_is_of_the_bytes_as_posted() {
    let text = String::from_utf8(CREDENTIALS.to_vec()).unwrap();
    let spaced = format!("{text}\n ");
    let (one, other) = (
        Manifest::parse(text.as_bytes()).unwrap(),
        Manifest::parse(spaced.as_bytes()).unwrap(),
    );
    // sha256sum of "abc" as a check of the function, then of the two texts against each other.
    assert_ne!(one.sha256(), other.sha256());
    assert_eq!(
        (one.bytes(), other.bytes()),
        (text.as_bytes(), spaced.as_bytes())
    );
    assert_eq!(one.packages(), other.packages());
}

#[test]
fn limits_are_inclusive() {
    let padded = |length: usize| [CREDENTIALS, &vec![b' '; length - CREDENTIALS.len()]].concat();
    assert!(Manifest::parse(&padded(MANIFEST_BYTES_MAX)).is_ok());
    let refused = Manifest::parse(&padded(MANIFEST_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(
        refused.faults()[0].to_string(),
        "manifest has 1048577 bytes; at most 1048576 are allowed"
    );

    let many = |count: usize| {
        let packages: Vec<_> = (0..count)
            .map(|n| format!(r#""p{n}":{{"UniqueID":"{}"}}"#, "00".repeat(32)))
            .collect();
        format!(
            r#"{{"Packages":{{{}}},"Marbles":{{"m":{{"Package":"p0"}}}}}}"#,
            packages.join(",")
        )
    };
    assert!(Manifest::parse(many(PACKAGES_MAX).as_bytes()).is_ok());
    let refused = Manifest::parse(many(PACKAGES_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(
        refused.faults()[0].to_string(),
        "Packages has 4097 entries; at most 4096 are allowed"
    );

    let arguments = |count: usize| {
        let text = format!(
            r#"{{"Packages":{{"p":{{"UniqueID":"{}"}}}},"Marbles":{{"m":{{"Package":"p","Parameters":{{"Argv":[{}]}}}}}}}}"#,
            "00".repeat(32),
            vec!["\"x\""; count].join(",")
        );
        Manifest::parse(text.as_bytes())
    };
    assert!(arguments(PARAMETERS_MAX).is_ok());
    assert_eq!(arguments(PARAMETERS_MAX + 1).unwrap_err().faults().len(), 1);
}

#[test]
fn more_faults_than_are_listed_are_counted() {
    let marbles: Vec<_> = (0..300)
        .map(|n| format!(r#""m{n}":{{"Package":"nope"}}"#))
        .collect();
    let text = format!(
        r#"{{"Packages":{{"p":{{"UniqueID":"{}"}}}},"Marbles":{{{}}}}}"#,
        "00".repeat(32),
        marbles.join(",")
    );
    let refused = Manifest::parse(text.as_bytes()).unwrap_err();
    assert_eq!((refused.faults().len(), refused.more()), (FAULTS_MAX, 200));
    assert_eq!(refused.to_string(), "the manifest has 300 faults");
    assert_eq!(refused.code(), "manifest-invalid");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_bring_the_parser_down(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Manifest::parse(&bytes);
    }

    /// Any change of a byte of a good manifest ends in a manifest or in faults that name a field.
    #[test]
    fn no_changed_byte_brings_the_parser_down(at in 0..CREDENTIALS.len(), byte: u8) {
        let mut bytes = CREDENTIALS.to_vec();
        bytes[at] = byte;
        match Manifest::parse(&bytes) {
            Ok(manifest) => prop_assert_eq!(manifest.bytes(), &bytes[..]),
            Err(faults) => {
                for fault in faults.faults() {
                    prop_assert!(!fault.path.is_empty() && !fault.cause.is_empty());
                    prop_assert!(!fault.to_string().contains('\n'), "{}", fault);
                }
            }
        }
    }
}

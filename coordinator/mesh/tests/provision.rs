//! What a marble is given: parameters, secrets, injected variables; what fails and burns nothing; what Debug shows.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stoa_explain::Explain as _;
use stoa_mesh::render::FILE_MODE_DEFAULT;
use stoa_mesh::{
    Applicant, Caller, Command, Entry, KeyError, KeyKind, KeyMaterial, Keys, Outcome, Refusal,
    SetManifest,
};
use support::{
    MANIFEST, Mesh, POSITION, START, SeededKeys, at, claims_of, code, p256_key, provision,
};
use x509_parser::pem::Pem;

/// Real keys of every kind that a secret may have; P-256 as seeded.
struct RealKeys(SeededKeys);

impl Keys for RealKeys {
    fn generate(&self, kind: KeyKind) -> Result<KeyMaterial, KeyError> {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
        use aws_lc_rs::rsa::KeySize;
        use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let ecdsa = |algorithm| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
            let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
            (pkcs8.as_ref().to_vec(), spki.as_ref().to_vec())
        };
        let rsa = |size| {
            let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
            let pkcs8: Pkcs8V1Der = pair.as_der().unwrap();
            let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
            (pkcs8.as_ref().to_vec(), spki.as_ref().to_vec())
        };
        let (pkcs8, spki) = match kind {
            KeyKind::EcdsaP384 => ecdsa(&sig::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyKind::EcdsaP521 => ecdsa(&sig::ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyKind::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyKind::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyKind::Rsa4096 => rsa(KeySize::Rsa4096),
            KeyKind::Ed25519 => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&rng).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
                let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
                (pkcs8.as_ref().to_vec(), spki.as_ref().to_vec())
            }
            _ => return self.0.generate(kind),
        };
        Ok(KeyMaterial {
            kind,
            pkcs8: pkcs8.into(),
            spki,
        })
    }

    fn signer<'a>(
        &'a self,
        key: &'a KeyMaterial,
    ) -> Result<Box<dyn rcgen::SigningKey + 'a>, KeyError> {
        self.0.signer(key)
    }

    fn public(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.public(kind, pkcs8)
    }
}

fn applicant(spki: &[u8]) -> Applicant<'_> {
    Applicant {
        entry: Entry::Activate { proposal: None },
        spki,
        position: POSITION,
    }
}

/// `MANIFEST` with one file more for `signer`.
fn with_file(template: &str) -> String {
    MANIFEST.replacen(
        "\"/etc/own\":",
        &format!("\"/etc/more\": \"{template}\", \"/etc/own\":"),
        1,
    )
}

#[test]
fn parameters_hold_the_values_that_their_templates_name() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let given = provision(mesh.activate("signer", 1, None, START));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(given.argv, ["signer", "--serve"]);
    assert_eq!(given.files.len(), 4);
    assert!(
        given
            .files
            .values()
            .all(|file| file.mode == FILE_MODE_DEFAULT && file.owner.is_empty())
    );
    assert_eq!(given.files["/etc/shared"].data.len(), 32, "16 bytes in hex");
    assert_eq!(given.files["/etc/own"].data.len(), 32, "32 raw bytes");
    assert_eq!(
        text(&given.env["OWN"]),
        hex::encode(&*given.files["/etc/own"].data)
    );

    let pems = |bytes: &[u8]| -> Vec<(String, Vec<u8>)> {
        Pem::iter_from_buffer(bytes)
            .map(|pem| pem.unwrap())
            .map(|pem| (pem.label, pem.contents))
            .collect()
    };
    let certificate = |der: &[u8]| ("CERTIFICATE".to_owned(), der.to_vec());
    let root = given.trust[0].clone();
    assert_eq!(
        pems(&given.files["/etc/leaf.pem"].data),
        [certificate(&given.chain[0])]
    );
    assert_eq!(pems(&given.env["ROOT"]), [certificate(&root)]);
    assert_eq!(
        pems(&given.env["MARBLE_PREDEFINED_ROOT_CA"]),
        [certificate(&root)]
    );
    assert_eq!(
        pems(&given.env["MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"]),
        [certificate(&root)]
    );
    assert_eq!(
        pems(&given.env["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"]),
        [certificate(&given.chain[0]), certificate(&given.chain[1])]
    );
    assert!(
        !given.env.contains_key("MARBLE_PREDEFINED_PRIVATE_KEY"),
        "that key was made in the marble"
    );

    let pair = pems(&given.files["/etc/cert.pem"].data);
    assert_eq!(pair[0].0, "CERTIFICATE");
    assert_eq!(pair[1].0, "PRIVATE KEY");
    let (_, parsed) = x509_parser::parse_x509_certificate(&pair[0].1).unwrap();
    assert_eq!(
        mesh.keys.public(KeyKind::EcdsaP256, &pair[1].1).unwrap(),
        parsed.public_key().raw
    );
}

#[test]
fn only_secrets_that_a_marble_uses_are_made_for_it() {
    let keys_made = |mesh: &Mesh| {
        // Each key that is made has a certificate in the journal: root, issuing, shared, those of activations.
        support::events(&mesh.journal)
            .iter()
            .map(|event| match event {
                stoa_mesh::Event::Admitted(admitted) => {
                    admitted.certificates.keys().cloned().collect::<Vec<_>>()
                }
                _ => Vec::new(),
            })
            .collect::<Vec<_>>()
            .concat()
    };
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    provision(mesh.activate("verifier", 1, None, START));
    provision(mesh.activate("single", 2, None, START));
    assert!(keys_made(&mesh).is_empty());
    provision(mesh.activate("signer", 3, None, START));
    assert_eq!(keys_made(&mesh), ["pair"]);
}

/// Counts what is asked of the keys below it.
#[derive(Clone, Default)]
struct Counted {
    made: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    signed: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

struct Counting(SeededKeys, Counted);

impl Keys for Counting {
    fn generate(&self, kind: KeyKind) -> Result<KeyMaterial, KeyError> {
        self.1
            .made
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.generate(kind)
    }

    fn signer<'a>(
        &'a self,
        key: &'a KeyMaterial,
    ) -> Result<Box<dyn rcgen::SigningKey + 'a>, KeyError> {
        self.1
            .signed
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.signer(key)
    }

    fn public(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.public(kind, pkcs8)
    }
}

/// Keys, signatures and random bytes of one activation beside so many secrets that no parameter names.
fn cost_beside(unused: usize) -> (usize, usize, usize) {
    use std::sync::atomic::Ordering::SeqCst;
    let secrets: String = (0..unused)
        .map(|n| match n % 2 {
            0 => format!(r#""u{n}": {{"Type": "cert-ecdsa", "Size": 256}},"#),
            _ => format!(r#""u{n}": {{"Type": "symmetric-key", "Size": 256}},"#),
        })
        .collect();
    let text = MANIFEST.replacen("\"Secrets\": {", &format!("\"Secrets\": {{{secrets}"), 1);
    let counted = Counted::default();
    let mut mesh = Mesh::with_keys(Box::new(Counting(SeededKeys::new(1), counted.clone())), 1);
    mesh.found();
    mesh.set_manifest(&text, START).unwrap();
    let before = (
        counted.made.load(SeqCst),
        counted.signed.load(SeqCst),
        mesh.journal.iter().map(|batch| batch.len()).sum::<usize>(),
    );
    provision(mesh.activate("signer", 1, None, START));
    let bytes: usize = mesh.journal.iter().map(|batch| batch.len()).sum();
    (
        counted.made.load(SeqCst) - before.0,
        counted.signed.load(SeqCst) - before.1,
        bytes - before.2,
    )
}

/// Deterministic stand-ins for instructions: what an activation makes, signs and writes does not depend on secrets that its
/// marble does not use.
#[test]
fn a_thousand_unused_secrets_cost_an_activation_no_key_no_signature_and_no_record() {
    let alone = cost_beside(0);
    assert_eq!(
        (alone.0, alone.1),
        (1, 2),
        "its pair; its leaf and its pair"
    );
    let beside = cost_beside(1000);
    assert_eq!((beside.0, beside.1), (alone.0, alone.1));
    // Two signatures in DER, each one to three bytes shorter or longer (they cover the manifest's digest).
    assert!(
        beside.2.abs_diff(alone.2) <= 8,
        "{} bytes and {}",
        beside.2,
        alone.2
    );
}

#[test]
fn marbles_without_secret_binding_share_what_is_derived_for_an_instance() {
    let text = MANIFEST.replacen(
        "\"MaxActivations\": 3,",
        "\"MaxActivations\": 3, \"DisableSecretBinding\": true,",
        1,
    );
    assert_ne!(text, MANIFEST);
    let own = |text: &str| {
        let mut mesh = Mesh::with_manifest(1, text);
        provision(mesh.activate("signer", 1, Some([7; 16]), START)).files["/etc/own"]
            .data
            .to_vec()
    };
    assert_ne!(own(&text), own(MANIFEST));
    assert_eq!(own(&text), own(&text));
}

#[test]
fn a_secret_that_no_user_has_set_stops_the_activation_that_needs_it_and_counts_nothing() {
    let text = with_file("{{ string .Secrets.word }}")
        .replacen("string .Secrets.word", "hex .Secrets.word", 1)
        .replacen(
            "\"Secrets\": {",
            "\"Secrets\": {\"word\": {\"Type\": \"plain\", \"UserDefined\": true},",
            1,
        );
    let mut mesh = Mesh::with_manifest(1, &text);
    let refused = mesh.activate("signer", 1, None, START);
    let Err(refusal @ Refusal::SecretNotSet { secret, .. }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(secret, "word");
    assert!(refusal.to_string().contains("Files./etc/more"), "{refusal}");
    assert_eq!(mesh.status("signer", START), (0, 0));
    provision(mesh.activate("verifier", 1, None, START));
}

#[test]
fn a_template_that_fails_burns_no_budget() {
    // A failure that only real values bring: 1100 times a key of 8192 bytes is more than a template may give.
    let text = with_file(&"{{ hex .Secrets.big }}".repeat(1100)).replacen(
        "\"Secrets\": {",
        "\"Secrets\": {\"big\": {\"Type\": \"symmetric-key\", \"Size\": 65536},",
        1,
    );
    let mut mesh = Mesh::with_manifest(1, &text);
    let before = mesh.sequencer.machine().clone();
    for key in 1..=5 {
        let refused = mesh.activate("signer", key, None, START);
        let Err(refusal @ Refusal::Template { .. }) = &refused else {
            panic!("{refused:?}")
        };
        assert!(refusal.to_string().contains("Files./etc/more"), "{refusal}");
        assert_eq!(code(refused), "template-failed");
    }
    assert_eq!(mesh.sequencer.machine(), &before);
    assert_eq!(mesh.status("signer", START), (0, 0));
    assert_eq!(mesh.journal.len(), 2, "founding and manifest, nothing else");
}

#[test]
fn a_key_that_can_not_be_made_counts_nothing() {
    // Seeded keys are P-256 only.
    let text = MANIFEST.replacen(
        r#""pair": {"Type": "cert-ecdsa", "Size": 256,"#,
        r#""pair": {"Type": "cert-ed25519","#,
        1,
    );
    let mut mesh = Mesh::with_manifest(1, &text);
    let refused = mesh.activate("signer", 1, None, START);
    assert!(matches!(&refused, Err(Refusal::Key { holder, .. }) if holder == "secret `pair`"));
    assert_eq!(code(refused), "key-not-usable");
    assert_eq!(mesh.status("signer", START), (0, 0));
    assert_eq!(mesh.journal.len(), 2, "founding and manifest, nothing else");
}

/// Holds the signature over what stands in a certificate against the root's key (ECDSA P-256).
fn verified_by_the_root(der: &[u8], root: &[u8]) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    let (_, root) = x509_parser::parse_x509_certificate(root).unwrap();
    let key = root.public_key().subject_public_key.data.as_ref();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(
            certificate.tbs_certificate.as_ref(),
            &certificate.signature_value.data,
        )
        .expect("signed over what stands in it");
}

#[test]
fn secrets_can_be_of_every_kind_and_say_what_the_manifest_says() {
    for (definition, algorithm) in [
        (
            r#"{"Type": "cert-ecdsa", "Size": 384,"#,
            "1.2.840.10045.2.1",
        ),
        (
            r#"{"Type": "cert-ecdsa", "Size": 521,"#,
            "1.2.840.10045.2.1",
        ),
        (
            r#"{"Type": "cert-rsa", "Size": 2048,"#,
            "1.2.840.113549.1.1.1",
        ),
        (
            r#"{"Type": "cert-rsa", "Size": 3072,"#,
            "1.2.840.113549.1.1.1",
        ),
        (
            r#"{"Type": "cert-rsa", "Size": 4096,"#,
            "1.2.840.113549.1.1.1",
        ),
        (r#"{"Type": "cert-ed25519","#, "1.3.101.112"),
    ] {
        let text = MANIFEST
            .replacen(r#"{"Type": "cert-ecdsa", "Size": 256, "Cert": {"#, &format!(r#"{definition} "Cert": {{"Subject": {{"CommonName": "Bank", "Organization": ["Org"], "OrganizationalUnit": ["Unit"], "Country": ["DE"], "Locality": ["Bonn"],
                "PostalCode": ["53111"], "SerialNumber": "42"}}, "KeyUsage": 5, "ExtKeyUsage": [2], "NotAfter": "2026-06-01T00:00:00Z", "IPAddresses": ["10.0.0.7"], "#), 1);
        let mut mesh = Mesh::with_keys(Box::new(RealKeys(SeededKeys::new(1))), 1);
        mesh.found();
        mesh.set_manifest(&text, START).unwrap();
        let given = provision(mesh.activate("signer", 1, None, START));
        let pem = Pem::iter_from_buffer(&given.files["/etc/cert.pem"].data)
            .next()
            .unwrap()
            .unwrap();
        let certificate = pem.parse_x509().unwrap();
        assert_eq!(
            certificate.subject().to_string(),
            "C=DE, O=Org, OU=Unit, L=Bonn, postalCode=53111, serialNumber=42, CN=Bank"
        );
        assert_eq!(
            certificate.public_key().algorithm.algorithm.to_id_string(),
            algorithm
        );
        let names = certificate
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names
            .len();
        assert_eq!(names, 2);
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let extended = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.client_auth && !extended.server_auth);
        assert_eq!(certificate.validity().not_after.timestamp(), 1_780_272_000);
        verified_by_the_root(&pem.contents, &given.trust[0]);
        assert_eq!(mesh.replayed().view(), mesh.view());
    }
}

#[test]
fn parameters_larger_than_a_provision_are_refused_and_count_nothing() {
    // 1 MiB is the most a manifest has, a template may multiply it: 40 times the shared pair's 16 KiB of printf.
    let printed = "{{ printf \\\"%01000d\\\" 1 }}".repeat(900);
    let files = (0..20)
        .map(|number| format!("\"/etc/{number}\": \"{printed}\","))
        .collect::<String>();
    let text = MANIFEST.replacen("\"/etc/own\":", &format!("{files} \"/etc/own\":"), 1);
    let mut mesh = Mesh::with_manifest(1, &text);
    let refused = mesh.activate("signer", 1, None, START);
    assert!(
        matches!(&refused, Err(Refusal::ProvisionTooLarge { bytes, max, .. }) if bytes > max),
        "{refused:?}"
    );
    assert_eq!(code(refused), "provision-too-large");
    assert_eq!(mesh.status("signer", START), (0, 0));
}

/// Every secret of a mesh as hex, to be looked for in what Debug shows.
fn secrets_of(mesh: &Mesh, given: &stoa_mesh::Provision) -> Vec<String> {
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for event in support::events(&mesh.journal) {
        if let stoa_mesh::Event::ManifestSet(set) = event {
            for secret in set.shared.values() {
                match secret {
                    stoa_mesh::secret::Secret::Symmetric(key) => secrets.push(key.to_vec()),
                    stoa_mesh::secret::Secret::Certificate(_) => {}
                }
            }
        }
    }
    // Keys of the seeded source: root, issuing and so on.
    for number in 1..=8 {
        secrets.push(p256_key(1, number).pkcs8.to_vec());
    }
    secrets.push(given.files["/etc/own"].data.to_vec());
    secrets.push(given.files["/etc/cert.pem"].data.to_vec());
    secrets
        .iter()
        .flat_map(|secret| {
            [
                hex::encode(secret),
                format!("{secret:?}"),
                String::from_utf8_lossy(secret).into_owned(),
            ]
        })
        .collect()
}

#[test]
fn debug_output_of_everything_shows_no_secret() {
    let mut mesh = Mesh::founded(1);
    let set = SetManifest::prepare(
        &mesh.view(),
        support::manifest(MANIFEST),
        Caller::default(),
        &*mesh.keys,
        at(START),
        &mut mesh.rng,
    )
    .unwrap();
    let mut shown = vec![format!("{set:#?}")];
    mesh.run(Command::SetManifest(set), START).unwrap();
    let spki = p256_key(1, 50).spki;
    let draft = mesh.draft("signer", &applicant(&spki), START).unwrap();
    let command = Command::Activate(draft);
    shown.push(format!("{command:#?}"));
    let outcome = mesh.run(command, START);
    shown.push(format!("{outcome:#?}"));
    let given = provision(outcome);
    let found =
        stoa_mesh::Found::prepare(&SeededKeys::new(1), &[], at(START), &mut mesh.rng).unwrap();
    shown.extend([
        format!("{given:#?}"),
        format!("{found:#?}"),
        format!("{:#?}", mesh.view()),
        format!("{:#?}", mesh.sequencer),
        format!("{:#?}", mesh.sequencer.machine()),
        format!("{:#?}", support::events(&mesh.journal)),
        format!(
            "{:#?}",
            stoa_mesh::admit(
                &mesh.view(),
                "signer",
                &claims_of("signer", START),
                at(START)
            )
            .unwrap()
        ),
    ]);
    for (place, text) in shown.iter().enumerate() {
        for secret in secrets_of(&mesh, &given) {
            assert!(!text.contains(&secret), "output {place} shows {secret}");
        }
    }
    assert!(
        shown
            .iter()
            .filter(|text| text.contains("<secret>"))
            .count()
            >= 7
    );
    assert_eq!(
        shown[3],
        DEBUG_OF_A_PROVISION.replace("{instance}", &hex::encode(given.instance))
    );
}

/// The snapshot: names of what is there, and nothing of it.
const DEBUG_OF_A_PROVISION: &str = r#"Provision {
    files: {
        "/etc/cert.pem": File {
            data: "<secret>",
            mode: 600,
            owner: "",
            form: "",
        },
        "/etc/leaf.pem": File {
            data: "<secret>",
            mode: 600,
            owner: "",
            form: "",
        },
        "/etc/own": File {
            data: "<secret>",
            mode: 600,
            owner: "",
            form: "",
        },
        "/etc/shared": File {
            data: "<secret>",
            mode: 600,
            owner: "",
            form: "",
        },
    },
    env: [
        (
            "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA",
            "<secret>",
        ),
        (
            "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
            "<secret>",
        ),
        (
            "MARBLE_PREDEFINED_ROOT_CA",
            "<secret>",
        ),
        (
            "OWN",
            "<secret>",
        ),
        (
            "ROOT",
            "<secret>",
        ),
    ],
    argv: [
        "signer",
        "--serve",
    ],
    not_after: 1767312000,
    renew_at: 1767268800,
    instance: "{instance}",
    ..
}"#;

#[test]
fn every_refusal_has_a_listed_code_and_a_remedy_or_is_ours() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let outcomes = [
        mesh.activate("nobody", 1, None, START),
        mesh.set_manifest(MANIFEST, START),
        mesh.renew("signer", b"x", 1, START),
    ];
    for outcome in outcomes {
        let Err(refusal) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(refusal.remedy().is_some(), "{refusal}");
        assert!(!refusal.to_string().ends_with('.'));
        let _ = code(Err::<Outcome, _>(refusal));
    }
}

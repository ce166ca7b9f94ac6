//! What stands in a certificate, read with x509-parser and verified with webpki: names, dates, usages, receipt, chain.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use stoa_attestation::channel::LeafReceipt;
use stoa_mesh::ca::BACKDATE_SECS;
use stoa_mesh::{Applicant, Command, Entry, Outcome, Provision};
use stoa_synthetic::Knobs;
use support::{
    MANIFEST, Mesh, POSITION, START, at, claims, claims_of, code, enclave, p256_key, provision,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY: u64 = 24 * 3600;

fn parsed(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

/// Every name in a certificate, as text.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Some(names) = certificate.subject_alternative_name().unwrap() else {
        return Vec::new();
    };
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => format!("dns {name}"),
            GeneralName::URI(name) => format!("uri {name}"),
            GeneralName::IPAddress(address) => format!("ip {address:?}"),
            other => panic!("{other}"),
        })
        .collect()
}

/// Whether webpki takes `chain` (leaf first) under `root` for both usages at `time`.
fn verifies(chain: &[Vec<u8>], root: &[u8], time: UnixTime) -> Result<(), webpki::Error> {
    let root = CertificateDer::from(root);
    let anchors = [anchor_from_trusted_cert(&root)?];
    let below: Vec<_> = chain[1..]
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf = CertificateDer::from(chain[0].as_slice());
    let leaf = EndEntityCert::try_from(&leaf)?;
    let algorithms = [webpki::aws_lc_rs::ECDSA_P256_SHA256];
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        leaf.verify_for_usage(&algorithms, &anchors, &below, time, usage, None, None)?;
    }
    Ok(())
}

fn has_name(der: &[u8], name: &str) -> bool {
    let der = CertificateDer::from(der);
    let name = ServerName::try_from(name).unwrap();
    EndEntityCert::try_from(&der)
        .unwrap()
        .verify_is_valid_for_subject_name(&name)
        .is_ok()
}

#[test]
fn a_leaf_says_what_the_manifest_says_and_chains_to_the_root() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let now = START + 1000;
    let given = provision(mesh.activate("signer", 1, Some([0xab; 16]), now));
    let root = mesh.view().root().unwrap().der().to_vec();
    assert_eq!(given.trust, std::slice::from_ref(&root));
    let leaf = parsed(&given.chain[0]);
    let issuing = parsed(&given.chain[1]);

    let domain = mesh.view().trust_domain().unwrap();
    let root_key = hex::encode(&mesh.view().root().unwrap().spki_sha256()[..16]);
    assert_eq!(domain, format!("{root_key}.stoa"));
    let uri = format!("uri spiffe://{domain}/signer/{}", "ab".repeat(16));
    assert_eq!(
        names(&leaf),
        [
            &uri,
            "dns signer.example",
            "dns localhost",
            "ip [127, 0, 0, 1]"
        ]
    );
    assert_eq!(
        leaf.subject().to_string(),
        format!("CN={}", "ab".repeat(16))
    );
    assert_eq!(leaf.issuer().to_string(), issuing.subject().to_string());
    assert_eq!(leaf.public_key().raw, p256_key(1, 1).spki);

    let (not_before, not_after) = (
        leaf.validity().not_before.timestamp(),
        leaf.validity().not_after.timestamp(),
    );
    assert_eq!(not_before, i64::try_from(now - BACKDATE_SECS).unwrap());
    assert_eq!(not_after, i64::try_from(now + DAY).unwrap());
    assert_eq!(given.not_after, now + DAY);
    assert_eq!(given.renew_at, now + DAY / 2);

    let basic = leaf.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && !basic.value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(
        usage.critical && usage.value.flags == 1,
        "digitalSignature alone"
    );
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(
        extended.server_auth && extended.client_auth && !extended.any && extended.other.is_empty()
    );

    let serial = leaf.raw_serial();
    assert_eq!(serial.len(), 16);
    assert!(serial[0] & 0x80 == 0 && serial[0] != 0);

    assert_eq!(verifies(&given.chain, &root, at(now)), Ok(()));
    assert!(verifies(&given.chain, &root, at(now + DAY + 1)).is_err());
    assert!(
        verifies(&given.chain[..1], &root, at(now)).is_err(),
        "the issuing CA is needed"
    );
    let other = Mesh::with_manifest(2, MANIFEST);
    assert!(verifies(&given.chain, other.view().root().unwrap().der(), at(now)).is_err());
    for (name, has) in [
        ("signer.example", true),
        ("localhost", true),
        ("127.0.0.1", true),
        ("verifier.example", false),
        ("coordinator.example", false),
        ("a.signer.example", false),
    ] {
        assert_eq!(has_name(&given.chain[0], name), has, "{name}");
    }
}

#[test]
fn a_leaf_is_a_receipt_of_the_journal() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let given = provision(mesh.activate("signer", 1, Some([0xab; 16]), START + 5));
    let receipt = LeafReceipt::from_certificate(&parsed(&given.chain[0]))
        .unwrap()
        .unwrap();
    let wanted = LeafReceipt {
        marble_type: "signer".to_owned(),
        instance: [0xab; 16],
        epoch: 1,
        attested_at: START + 5,
        sequence: POSITION.sequence,
        head: POSITION.head,
    };
    assert_eq!(receipt, wanted);
    let extension = parsed(&given.chain[0])
        .extensions()
        .iter()
        .find(|extension| extension.value == wanted.extension_value())
        .map(|extension| (extension.critical, extension.oid.to_id_string_or_hex()));
    let (critical, _) = extension.unwrap();
    assert!(!critical);
    for der in &mesh.view().chain() {
        assert_eq!(LeafReceipt::from_certificate(&parsed(der)).unwrap(), None);
    }
}

trait OidText {
    fn to_id_string_or_hex(&self) -> String;
}

impl OidText for x509_parser::der_parser::oid::Oid<'_> {
    fn to_id_string_or_hex(&self) -> String {
        hex::encode(self.as_bytes())
    }
}

#[test]
fn key_identifiers_are_the_first_160_bits_of_the_keys_hash_and_link_the_chain() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let given = provision(mesh.activate("signer", 1, None, START));
    let root = mesh.view().root().unwrap().der().to_vec();
    let chain: Vec<_> = given
        .chain
        .iter()
        .map(|der| parsed(der))
        .chain([parsed(&root)])
        .collect();
    let subject = |certificate: &X509Certificate<'_>| {
        let wanted =
            Sha256::digest(&*certificate.public_key().subject_public_key.data)[..20].to_vec();
        let found = certificate.iter_extensions().find_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            }
        });
        assert_eq!(found.as_deref(), Some(wanted.as_slice()));
        wanted
    };
    let authority = |certificate: &X509Certificate<'_>| {
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(authority(&chain[0]), subject(&chain[1]));
    assert_eq!(authority(&chain[1]), subject(&chain[2]));
    assert_eq!(authority(&chain[2]), subject(&chain[2]));
    subject(&chain[0]);
}

#[test]
fn cas_are_cas_and_only_the_root_stands_above_another() {
    let mesh = Mesh::with_manifest(1, MANIFEST);
    let view = mesh.view();
    let (root, issuing) = (view.root().unwrap(), view.issuing().unwrap());
    for (ca, below, days) in [(root, 1, 3650), (issuing, 0, 90)] {
        let certificate = parsed(ca.der());
        let basic = certificate.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && basic.value.ca);
        assert_eq!(basic.value.path_len_constraint, Some(below));
        let usage = certificate.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert_eq!(ca.not_after(), START + days * DAY);
        assert!(ca.not_before() <= START);
    }
    assert_eq!(
        names(&parsed(root.der())),
        [
            "dns coordinator.example",
            "ip [127, 0, 0, 1]",
            "ip [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]"
        ]
    );
    assert!(names(&parsed(issuing.der())).is_empty());
}

#[test]
fn a_leaf_never_outlives_the_collateral_that_admitted_it() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let short = Knobs {
        collateral_lifetime_secs: 3600,
        ..Knobs::default()
    };
    let claims = claims(&enclave(0x11), short, START);
    let end = claims.dates.collateral_until().as_secs();
    assert!(end > START && end <= START + 3600);
    let spki = p256_key(1, 1).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: POSITION,
    };
    let draft = mesh
        .draft_with("signer", &claims, &applicant, START)
        .unwrap();
    let given = provision(mesh.run(Command::Activate(draft), START));
    assert_eq!(given.not_after, end);
    assert_eq!(
        parsed(&given.chain[0]).validity().not_after.timestamp(),
        i64::try_from(end).unwrap()
    );
    // Too short to be of use: refused, and nothing counted.
    let late = mesh.draft_with("signer", &claims, &applicant, end - 9);
    assert_eq!(code(late.map(|_| Outcome::Rotated)), "leaf-too-short");
    assert_eq!(
        code(
            mesh.draft_with("signer", &claims, &applicant, end + 1)
                .map(|_| Outcome::Rotated)
        ),
        "collateral-expired"
    );
    assert_eq!(mesh.status("signer", START), (1, 1));
}

#[test]
fn a_leaf_never_outlives_the_issuing_ca_and_lives_as_the_manifest_says() {
    let text = MANIFEST.replacen("\"Packages\"", "\"Config\": {\"CertificateLifetime\": \"1h\", \"MeshName\": \"bank.example\"}, \"Packages\"", 1);
    let mut mesh = Mesh::with_manifest(1, &text);
    let given = provision(mesh.activate("signer", 1, None, START));
    assert_eq!(given.not_after, START + 3600);
    let uri = names(&parsed(&given.chain[0])).remove(0);
    assert!(
        uri.starts_with("uri spiffe://bank.example/signer/"),
        "{uri}"
    );
    let issuing_end = mesh.view().issuing().unwrap().not_after();
    let given = provision(mesh.activate("signer", 2, None, issuing_end - 600));
    assert_eq!(given.not_after, issuing_end);
}

#[test]
fn a_marble_gets_no_names_but_its_own() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let mut leaves = Vec::new();
    for (marble, key) in [("signer", 1), ("verifier", 2), ("single", 3)] {
        leaves.push((marble, provision(mesh.activate(marble, key, None, START))));
    }
    let own = |marble: &str| -> BTreeSet<String> {
        let manifest = support::manifest(MANIFEST);
        manifest.marbles()[marble]
            .dns_names
            .iter()
            .cloned()
            .collect()
    };
    for (marble, given) in &leaves {
        let uris: Vec<_> = names(&parsed(&given.chain[0]))
            .into_iter()
            .filter(|name| name.starts_with("uri"))
            .collect();
        assert_eq!(uris.len(), 1);
        assert!(uris[0].contains(&format!("/{marble}/")));
        for name in [
            "signer.example",
            "verifier.example",
            "localhost",
            "127.0.0.1",
            "single",
            "pair.example",
        ] {
            assert_eq!(
                has_name(&given.chain[0], name),
                own(marble).contains(name),
                "{marble} {name}"
            );
        }
    }
    // Same evidence, another marble's instance name: still no other marble's path.
    let stolen = provision(
        mesh.activate("single", 3, Some(leaves[0].1.instance), START + 1)
            .or_else(|_| mesh.activate("signer", 9, None, START + 1)),
    );
    assert!(
        !names(&parsed(&stolen.chain[0]))
            .iter()
            .any(|name| name.contains("/verifier/"))
    );
}

#[test]
fn keys_that_no_leaf_may_hold_are_refused() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let good = p256_key(1, 1).spki;
    let mut compressed = good.clone();
    compressed[26] = 2;
    let p384_length = [
        &[
            0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
        ][..],
        &[7; 96],
    ]
    .concat();
    for (what, spki) in [
        ("compressed", compressed),
        ("P-384", p384_length),
        ("nothing", vec![]),
        ("long", [good.clone(), vec![0]].concat()),
    ] {
        let applicant = Applicant {
            entry: Entry::Activate { proposal: None },
            spki: &spki,
            position: POSITION,
        };
        let refused = mesh.draft_with("signer", &claims_of("signer", START), &applicant, START);
        assert_eq!(
            code(refused.map(|_| Outcome::Rotated)),
            "key-not-certifiable",
            "{what}"
        );
    }
    // Ed25519 is allowed.
    let ed25519 = [
        &[
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ][..],
        &[9; 32],
    ]
    .concat();
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &ed25519,
        position: POSITION,
    };
    let draft = mesh
        .draft_with("signer", &claims_of("signer", START), &applicant, START)
        .unwrap();
    let given = provision(mesh.run(Command::Activate(draft), START));
    assert_eq!(parsed(&given.chain[0]).public_key().raw, ed25519);
}

#[test]
fn the_client_ports_leaf_is_issued_by_the_root_and_journaled_before_use() {
    let mut mesh = Mesh::founded(1);
    let Ok(Outcome::Started { chain, renew_at }) = mesh.start(START + 10) else {
        panic!("refused")
    };
    let root = mesh.view().root().unwrap().der().to_vec();
    assert_eq!(chain[1], root);
    assert_eq!(verifies(&chain, &root, at(START + 10)), Ok(()));
    for (name, has) in [
        ("coordinator.example", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("10.1.2.3", true),
        ("localhost", false),
    ] {
        assert_eq!(has_name(&chain[0], name), has, "{name}");
    }
    assert!(renew_at > START + 44 * DAY && renew_at < START + 46 * DAY);
    let journaled = support::events(&mesh.journal).iter().any(
        |event| matches!(event, stoa_mesh::Event::Started(started) if started.leaf.der() == chain[0]),
    );
    assert!(journaled);
    assert_eq!(
        mesh.replayed().view().coordinator_leaf().unwrap().der(),
        chain[0]
    );
}

#[test]
fn certificate_secrets_verify_under_the_root_alone_and_are_nobodys_identity() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let root = mesh.view().root().unwrap().der().to_vec();
    let signer = provision(mesh.activate("signer", 1, None, START));
    let single = provision(mesh.activate("single", 1, None, START));
    let certificate_in = |text: &[u8]| -> Vec<u8> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(text).unwrap();
        assert_eq!(pem.label, "CERTIFICATE");
        pem.contents
    };
    let pair = certificate_in(&signer.files["/etc/cert.pem"].data);
    let common = certificate_in(&single.env["TLS"]);
    for (der, days, wanted) in [
        (&pair, 365, vec!["dns pair.example"]),
        (
            &common,
            30,
            vec![
                "dns localhost",
                "ip [127, 0, 0, 1]",
                "ip [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
            ],
        ),
    ] {
        assert_eq!(
            verifies(std::slice::from_ref(der), &root, at(START)),
            Ok(())
        );
        let certificate = parsed(der);
        assert_eq!(names(&certificate), wanted);
        assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
        assert_eq!(
            certificate.validity().not_after.timestamp(),
            i64::try_from(START + days * DAY).unwrap()
        );
        assert_eq!(LeafReceipt::from_certificate(&certificate).unwrap(), None);
    }
}

#[test]
fn every_identity_that_left_stands_in_the_journal() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    mesh.start(START).unwrap();
    let mut given: Vec<Provision> = Vec::new();
    for key in 1..=3 {
        given.push(provision(mesh.activate("signer", key, None, START + key)));
    }
    given.push(provision(mesh.activate("verifier", 9, None, START + 9)));
    let leaf = given[0].chain[0].clone();
    given.push(provision(mesh.renew("signer", &leaf, 1, START + 20)));
    let journal = mesh.journal.concat();
    let holds = |der: &[u8]| journal.windows(der.len()).any(|window| window == der);
    for provision in &given {
        assert!(
            provision
                .chain
                .iter()
                .chain(&provision.trust)
                .all(|der| holds(der))
        );
        for text in provision
            .files
            .values()
            .map(|file| &file.data)
            .chain(provision.env.values())
        {
            for pem in x509_parser::pem::Pem::iter_from_buffer(text).flatten() {
                assert!(pem.label != "CERTIFICATE" || holds(&pem.contents));
            }
        }
    }
    // Serials are given out once.
    let serials: Vec<_> = support::events(&mesh.journal)
        .iter()
        .filter_map(|event| match event {
            stoa_mesh::Event::Admitted(admitted) => Some(admitted),
            _ => None,
        })
        .flat_map(|admitted| {
            std::iter::once(admitted.leaf.serial())
                .chain(admitted.certificates.values().map(|c| c.serial()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        serials.len(),
        5 + 4,
        "five leaves, and one pair for each of signer's four"
    );
    assert_eq!(serials.iter().collect::<BTreeSet<_>>().len(), serials.len());
}

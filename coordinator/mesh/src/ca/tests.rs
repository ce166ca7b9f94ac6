//! The validator, by truth table: what may not stand in a certificate is refused whatever the template says.
#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_explain::Explain as _;

use super::*;

const NOW: u64 = 1_767_225_600;

fn spki() -> Vec<u8> {
    let prefix = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    [hex::decode(prefix).unwrap(), vec![7; 64]].concat()
}

fn template() -> Template {
    Template {
        role: Role::Marble,
        common_name: "00".repeat(16),
        wishes: Wishes::default(),
        dns_names: vec!["a.example".to_owned()],
        ip_addresses: vec!["127.0.0.1".parse().unwrap()],
        uri: Some("spiffe://mesh/a/00".to_owned()),
        spki: spki(),
        serial: [0x41; SERIAL_BYTES],
        issued_at: NOW,
        not_after: NOW + 3600,
        receipt: Some(vec![4, 0]),
    }
}

/// What the manifest gives: two DNS names, one address, one URI, an hour.
fn judged(template: Template) -> Result<Content, NotCertified> {
    let dns_names = ["a.example".to_owned(), "b.example".to_owned()];
    let ip_addresses = ["127.0.0.1".parse().unwrap()];
    let limits = Limits {
        dns_names: &dns_names,
        ip_addresses: &ip_addresses,
        uri: Some("spiffe://mesh/a/00"),
        not_after: NOW + 3600,
        issuer: None,
    };
    validate(template, &limits)
}

fn refused(change: impl FnOnce(&mut Template)) -> &'static str {
    let mut template = template();
    change(&mut template);
    judged(template).unwrap_err().code()
}

#[test]
fn what_the_manifest_gives_is_certified() {
    let content = judged(template()).unwrap();
    assert_eq!(content.not_before, NOW - BACKDATE_SECS);
    let mut fewer = template();
    fewer.dns_names.clear();
    fewer.ip_addresses.clear();
    judged(fewer).unwrap();
}

#[test]
fn names_that_the_manifest_does_not_give_are_refused_whatever_the_template_says() {
    for name in ["c.example", "sub.a.example", "example", "A.example"] {
        assert_eq!(
            refused(|template| template.dns_names.push(name.to_owned())),
            "name-not-allowed",
            "{name}"
        );
    }
    for address in ["127.0.0.2", "10.0.0.1", "::1"] {
        let push = |template: &mut Template| template.ip_addresses.push(address.parse().unwrap());
        assert_eq!(refused(push), "name-not-allowed", "{address}");
    }
    for uri in [
        None,
        Some("spiffe://mesh/b/00"),
        Some("spiffe://mesh/a/01"),
        Some("https://mesh/a/00"),
    ] {
        assert_eq!(
            refused(|template| template.uri = uri.map(str::to_owned)),
            "name-not-allowed",
            "{uri:?}"
        );
    }
}

#[test]
fn wildcards_and_malformed_names_are_refused_even_if_they_were_given() {
    let dns_names: Vec<String> = [
        "*.example",
        "",
        "a..b",
        "-a",
        "a-",
        "a b",
        "a/b",
        "127.0.0.1",
        "gr\u{fc}n",
    ]
    .map(str::to_owned)
    .into();
    for name in &dns_names {
        let limits = Limits {
            dns_names: &dns_names,
            ip_addresses: &["127.0.0.1".parse().unwrap()],
            uri: Some("spiffe://mesh/a/00"),
            not_after: NOW + 3600,
            issuer: None,
        };
        let wanted = Template {
            dns_names: vec![name.clone()],
            ..template()
        };
        let fault = validate(wanted, &limits).unwrap_err();
        assert!(
            matches!(&fault, NotCertified::NameMalformed { name: found } if found == name),
            "{name}: {fault}"
        );
    }
    assert!(is_dns_name("a_b-1.example") && is_dns_name(&"a".repeat(63)));
    assert!(!is_dns_name(&"a".repeat(64)) && !is_dns_name(&["a"; 128].join(".")));
}

#[test]
fn no_certificate_outlives_its_grounds_or_is_over_before_it_is_used() {
    assert_eq!(
        refused(|template| template.not_after = NOW + 3601),
        "leaf-too-long"
    );
    assert_eq!(
        refused(|template| template.not_after = NOW + LEAF_LIFETIME_SECS_MIN - 1),
        "leaf-too-short"
    );
    assert_eq!(
        refused(|template| template.not_after = NOW - 1),
        "leaf-too-short"
    );
    let mut shortest = template();
    shortest.not_after = NOW + LEAF_LIFETIME_SECS_MIN;
    judged(shortest).unwrap();
}

#[test]
fn serials_keys_and_receipts_are_as_their_role_wants_them() {
    for first in [0x00, 0x3f, 0x80, 0xff] {
        assert_eq!(
            refused(|template| template.serial[0] = first),
            "certificate-not-made",
            "{first:#x}"
        );
    }
    assert_eq!(
        refused(|template| template.spki.truncate(90)),
        "key-not-certifiable"
    );
    assert_eq!(
        refused(|template| template.receipt = None),
        "certificate-not-made"
    );
    assert_eq!(
        refused(|template| template.role = Role::Secret),
        "certificate-not-made"
    );
    assert_eq!(
        refused(|template| template.common_name.clear()),
        "certificate-not-made"
    );
    let long =
        |template: &mut Template| template.common_name = "x".repeat(COMMON_NAME_BYTES_MAX + 1);
    assert_eq!(refused(long), "certificate-not-made");
    let many =
        |template: &mut Template| template.dns_names = vec!["a.example".to_owned(); NAMES_MAX + 1];
    assert_eq!(refused(many), "name-not-allowed");
}

#[test]
fn the_stand_in_takes_the_room_of_our_oid_and_is_replaced_in_one_place_only() {
    assert_eq!(STAND_IN_OID.len(), LEAF_RECEIPT_OID_DER.len());
    let patch = Patch::new(STAND_IN_OID.to_vec(), LEAF_RECEIPT_OID_DER.to_vec());
    let once = [&b"before"[..], STAND_IN_OID, b"after"].concat();
    assert_eq!(
        patch.applied(&once).unwrap(),
        [&b"before"[..], &LEAF_RECEIPT_OID_DER, b"after"].concat()
    );
    assert_eq!(patch.applied(&[&once[..], &once].concat()), None);
    assert_eq!(patch.applied(b"none"), None);
    assert!(
        String::from_utf8(STAND_IN_OID.to_vec()).is_err(),
        "no text can hold it"
    );
}

#[test]
fn wishes_of_a_manifest_stand_in_its_secrets_only() {
    for role in [Role::Root, Role::Issuing, Role::Coordinator, Role::Marble] {
        let template = Template {
            role,
            wishes: Wishes {
                key_usages: vec![KeyUsage::KeyEncipherment],
                ..Wishes::default()
            },
            ..template()
        };
        let refused = judged(template).unwrap_err();
        assert!(matches!(refused, NotCertified::Wishes { .. }), "{refused}");
    }
}

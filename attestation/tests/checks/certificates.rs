//! Checks 2, 3, 6 and 7: each certificate at its place, link by link.

use stoa_attestation::{Anchor, Collateral, NoMemo, Trust};
use stoa_explain::Explain;

use crate::endings;
use crate::support::ALGORITHMS;
use crate::support::der::{OID_AMD_VERSION, OID_BASIC, OID_SGX, extension, integer, oid, seq, tlv};
use crate::support::forge::{CERT_AND_CRL_SIGN, Cert, DIGITAL_SIGNATURE, OTHER, World};

endings! {
    // Check 2: the anchor.
    refuses_a_root_with_the_anchors_name_and_another_key: World::tdx(), |w| {
        w.root.key = OTHER;
        w.root.spki = Cert { key: OTHER, ..w.root.clone() }.spki_of_key();
    } => "root-untrusted";
    refuses_a_root_with_the_anchors_name_and_key_that_nobody_signed: World::tdx(), |w| {
        w.root.signer = OTHER;
        w.root.serial = vec![9];
    } => "root-signature-invalid";
    a_root_that_was_issued_again_with_its_key_is_the_anchor: World::tdx(), |w| w.root.serial = vec![9] => "genuine";
    refuses_a_root_with_the_anchors_key_and_another_name: World::tdx(), |w| w.root.subject = "Somebody".to_owned() => "root-untrusted";
    the_rest_of_a_chains_root_is_not_looked_at: World::tdx(), |w| w.root.until += 1 => "genuine";
    refuses_an_anchor_that_is_no_ca: World::tdx(), |w| w.anchor.ca = None => "certificate-profile-differs";
    refuses_an_anchor_that_signs_no_lists: World::tdx(), |w| w.anchor.usage = 0x04 => "certificate-profile-differs";
    refuses_an_anchor_that_somebody_else_issued: World::tdx(), |w| w.anchor.issuer = "Somebody".to_owned() => "certificate-profile-differs";

    // Check 3: the signer of the TCB info.
    refuses_a_tcb_signer_of_another_name: World::tdx(), |w| w.tcb_signer.subject = "SGX PCK Certificate".to_owned() => "certificate-profile-differs";
    refuses_a_tcb_signer_that_is_a_ca: World::tdx(), |w| w.tcb_signer.ca = Some(None) => "certificate-profile-differs";
    refuses_a_tcb_signer_that_may_not_sign: World::tdx(), |w| w.tcb_signer.usage = 0x40 => "certificate-profile-differs";
    refuses_a_tcb_signer_that_may_sign_certificates: World::tdx(), |w| w.tcb_signer.usage |= 0x04 => "certificate-profile-differs";
    refuses_a_tcb_signer_that_may_sign_lists: World::tdx(), |w| w.tcb_signer.usage |= 0x02 => "certificate-profile-differs";
    refuses_a_tcb_signer_of_another_issuer: World::tdx(), |w| w.tcb_signer.issuer = w.pck_ca.subject.clone() => "certificate-profile-differs";
    refuses_a_tcb_signer_of_another_issuers_key: World::tdx(), |w| w.tcb_signer.issuer_id = OTHER.id() => "certificate-profile-differs";
    refuses_a_tcb_signer_that_the_root_did_not_sign: World::tdx(), |w| w.tcb_signer.signer = OTHER => "tcb-signer-signature-invalid";
    refuses_a_revoked_tcb_signer: World::tdx(), |w| w.root_crl.revoked.push((w.tcb_signer.serial.clone(), vec![])) => "tcb-signer-revoked";

    // Check 5: the signer of the QE identity.
    refuses_a_qe_identity_signer_of_another_name: World::tdx(), |w| w.qe_signer.subject = "SGX PCK Certificate".to_owned() => "certificate-profile-differs";
    refuses_a_qe_identity_signer_that_the_root_did_not_sign: World::tdx(), |w| w.qe_signer.signer = OTHER => "tcb-signer-signature-invalid";
    refuses_a_revoked_qe_identity_signer: World::tdx(), |w| {
        w.qe_signer.serial = vec![9];
        w.root_crl.revoked.push((vec![9], vec![]));
    } => "tcb-signer-revoked";

    // Check 6: the PCK CA, in the collateral and in the quote.
    refuses_a_pck_ca_of_another_name: World::tdx(), |w| both_cas(&mut w, |ca| ca.subject = "SGX TCB Signing".to_owned()) => "certificate-profile-differs";
    refuses_a_pck_ca_of_another_name_in_the_quote: World::tdx(), |w| w.pck_ca.subject = "SGX TCB Signing".to_owned() => "certificate-profile-differs";
    refuses_a_pck_ca_that_is_no_ca: World::tdx(), |w| w.pck_ca.ca = None => "certificate-profile-differs";
    refuses_a_pck_ca_that_signs_no_certificates: World::tdx(), |w| w.pck_ca.usage = 0x02 => "certificate-profile-differs";
    refuses_a_pck_ca_that_signs_no_lists: World::tdx(), |w| w.crl_ca.usage = 0x04 => "certificate-profile-differs";
    refuses_a_pck_ca_without_path_length: World::tdx(), |w| w.pck_ca.ca = Some(None) => "certificate-profile-differs";
    refuses_a_pck_ca_with_path_length_1: World::tdx(), |w| w.pck_ca.ca = Some(Some(1)) => "certificate-profile-differs";
    refuses_a_pck_ca_of_another_issuer: World::tdx(), |w| w.pck_ca.issuer = "Somebody".to_owned() => "certificate-profile-differs";
    refuses_a_pck_ca_that_the_root_did_not_sign: World::tdx(), |w| w.pck_ca.signer = OTHER => "pck-ca-signature-invalid";
    refuses_a_pck_ca_of_the_list_that_the_root_did_not_sign: World::tdx(), |w| w.crl_ca.signer = OTHER => "pck-ca-signature-invalid";
    refuses_a_revoked_pck_ca: World::tdx(), |w| w.root_crl.revoked.push((w.pck_ca.serial.clone(), vec![])) => "pck-ca-revoked";
    refuses_a_revoked_pck_ca_of_the_quote_alone: World::tdx(), |w| {
        w.pck_ca.serial = vec![9];
        w.root_crl.revoked.push((vec![9], vec![]));
    } => "pck-ca-revoked";
    a_pck_ca_may_be_issued_again_with_its_key: World::tdx(), |w| w.pck_ca.serial = vec![9] => "genuine";
    refuses_a_list_of_a_ca_with_another_key: World::tdx(), |w| {
        w.pck_ca.key = OTHER;
        w.pck_ca.spki = w.pck_ca.spki_of_key();
        w.pck.signer = OTHER;
        w.pck.issuer_id = OTHER.id();
    } => "pck-crl-other-ca";
    refuses_a_list_of_the_other_ca: World::tdx(), |w| {
        w.pck_ca.subject = "Forged SGX PCK Processor CA".to_owned();
        w.pck.issuer = w.pck_ca.subject.clone();
        w.sgx.platform_ca = false;
    } => "pck-crl-other-ca";
    a_processor_ca_works_as_well: World::tdx(), |w| {
        both_cas(&mut w, |ca| ca.subject = "Forged SGX PCK Processor CA".to_owned());
        w.pck.issuer = w.pck_ca.subject.clone();
        w.pck_crl.issuer = w.pck_ca.subject.clone();
        w.sgx.platform_ca = false;
    } => "genuine";

    // Check 7: the platform's certificate.
    refuses_a_pck_certificate_of_another_name: World::tdx(), |w| w.pck.subject = "SGX TCB Signing".to_owned() => "certificate-profile-differs";
    refuses_a_pck_certificate_that_is_a_ca: World::tdx(), |w| w.pck.ca = Some(None) => "certificate-profile-differs";
    refuses_a_pck_certificate_that_may_not_sign: World::tdx(), |w| w.pck.usage = 0x40 => "certificate-profile-differs";
    refuses_a_pck_certificate_of_another_issuer: World::tdx(), |w| w.pck.issuer = w.root.subject.clone() => "certificate-profile-differs";
    refuses_a_pck_certificate_of_another_issuers_key: World::tdx(), |w| w.pck.issuer_id = OTHER.id() => "certificate-profile-differs";
    refuses_a_pck_certificate_that_the_ca_did_not_sign: World::tdx(), |w| w.pck.signer = OTHER => "pck-signature-invalid";
    refuses_a_revoked_platform: World::tdx(), |w| w.pck_crl.revoked.push((w.pck.serial.clone(), vec![])) => "pck-revoked";
    refuses_a_revoked_platform_whatever_the_zeros_in_front: World::tdx(), |w| {
        w.pck.serial = vec![0, 0, 7];
        w.pck_crl.revoked.push((vec![7], vec![]));
    } => "pck-revoked";
    a_serial_revoked_by_the_other_list_is_not_this_one: World::tdx(), |w| w.root_crl.revoked.push((w.pck.serial.clone(), vec![])) => "genuine";
    refuses_a_pck_certificate_without_sgx_extension: World::tdx(), |w| w.pck.sgx = Some(vec![]) => "pck-extension-malformed";
    refuses_components_that_differ_from_cpusvn: World::tdx(), |w| w.sgx.components[3] = 1 => "pck-extension-malformed";
    refuses_a_platform_element_from_the_processor_ca: World::tdx(), |w| w.sgx.platform_ca = false => "pck-extension-malformed";

    // Every certificate: its form.
    refuses_x509_version_1: World::tdx(), |w| w.pck.version = 0 => "certificate-malformed";
    refuses_bytes_behind_a_certificate: World::tdx(), |w| w.pck.behind = vec![0] => "certificate-malformed";
    refuses_another_signature_algorithm: World::tdx(), |w| {
        w.pck.inner_algorithm = ecdsa_sha384();
        w.pck.outer_algorithm = ecdsa_sha384();
    } => "certificate-malformed";
    refuses_two_different_signature_algorithms: World::tdx(), |w| w.pck.inner_algorithm = ecdsa_sha384() => "certificate-malformed";
    refuses_another_signature_algorithm_outside: World::tdx(), |w| w.pck.outer_algorithm = ecdsa_sha384() => "certificate-malformed";
    refuses_a_key_on_another_curve: World::tdx(), |w| w.pck.spki[22] = 1 => "certificate-malformed";
    refuses_a_compressed_point: World::tdx(), |w| w.pck.spki[26] = 2 => "certificate-malformed";
    refuses_an_extension_that_stands_there_twice: World::tdx(), |w| w.pck.more.push(extension(OID_BASIC, true, &seq(&[]))) => "certificate-malformed";
    refuses_the_sgx_extension_twice: World::tdx(), |w| {
        let sgx = w.sgx.der();
        w.pck.more.push(extension(OID_SGX, false, &sgx));
    } => "certificate-malformed";
    refuses_an_unknown_critical_extension: World::tdx(), |w| w.pck.more.push(extension(&[0x55, 0x1d, 0x7f], true, &[5, 0])) => "certificate-malformed";
    refuses_a_critical_extension_of_the_other_vendor: World::tdx(), |w| w.pck.more.push(extension(OID_AMD_VERSION, true, &[2, 1, 0])) => "certificate-malformed";
    refuses_a_critical_extension_of_the_other_vendor_in_a_ca: World::tdx(), |w| both_cas(&mut w, |ca| ca.more.push(extension(OID_AMD_VERSION, true, &[2, 1, 0]))) => "certificate-malformed";
    refuses_a_critical_extension_of_platforms_in_a_ca: World::tdx(), |w| both_cas(&mut w, |ca| ca.more.push(extension(OID_SGX, true, &seq(&[])))) => "certificate-malformed";
    ignores_an_unknown_extension_that_is_not_critical: World::tdx(), |w| w.pck.more.push(extension(&[0x55, 0x1d, 0x7f], false, &[5, 0])) => "genuine";
    refuses_a_known_extension_that_can_not_be_read: World::tdx(), |w| w.pck.more.push(extension(&[0x55, 0x1d, 0x25], false, &integer(&[1]))) => "certificate-malformed";
}

impl Cert {
    fn spki_of_key(&self) -> Vec<u8> {
        crate::support::der::spki(&self.key.point())
    }
}

fn both_cas(world: &mut World, change: impl Fn(&mut Cert)) {
    change(&mut world.pck_ca);
    change(&mut world.crl_ca);
}

fn ecdsa_sha384() -> Vec<u8> {
    seq(&[oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03])])
}

#[test]
fn the_algorithm_takes_no_parameters() {
    let mut world = World::tdx();
    let with_null = seq(&[oid(crate::support::der::OID_ECDSA_SHA256), tlv(5, &[])]);
    world.pck.inner_algorithm = with_null.clone();
    world.pck.outer_algorithm = with_null;
    assert_eq!(crate::ending(&world.verify()), "certificate-malformed");
}

#[test]
fn chains_have_exactly_their_shape() {
    let world = World::tdx();
    let collateral = world.collateral();
    let [leaf, ca, root] = [0, 1, 2].map(|at| {
        let chain = world.chain();
        chain
            .split_inclusive("-----END CERTIFICATE-----\n")
            .nth(at)
            .unwrap()
            .to_owned()
    });
    for (what, chain, wanted) in [
        ("whole", format!("{leaf}{ca}{root}"), "genuine"),
        (
            "with the C string's zero",
            format!("{leaf}{ca}{root}\0"),
            "genuine",
        ),
        ("without root", format!("{leaf}{ca}"), "chain-incomplete"),
        ("without CA", format!("{leaf}{root}"), "chain-incomplete"),
        ("leaf alone", leaf.clone(), "chain-incomplete"),
        ("nothing", String::new(), "chain-incomplete"),
        (
            "root twice",
            format!("{leaf}{ca}{root}{root}"),
            "chain-incomplete",
        ),
        (
            "turned around",
            format!("{root}{ca}{leaf}"),
            "root-untrusted",
        ),
        (
            "CA and leaf swapped",
            format!("{ca}{leaf}{root}"),
            "certificate-profile-differs",
        ),
        (
            "text in front",
            format!("hello\n{leaf}{ca}{root}"),
            "chain-malformed",
        ),
        (
            "text behind",
            format!("{leaf}{ca}{root}hello"),
            "chain-malformed",
        ),
        (
            "five",
            format!("{leaf}{ca}{root}{root}{root}"),
            "chain-malformed",
        ),
    ] {
        let result = world.verify_bytes(&world.quote_with_chain(&chain), &collateral);
        assert_eq!(crate::ending(&result), wanted, "{what}: {:?}", result.err());
    }
    let (tcb_info, qe_identity) = (world.tcb_info.to_string(), world.qe_identity.to_string());
    for (root, wanted) in [
        (root.repeat(2), "chain-incomplete"),
        (String::new(), "chain-incomplete"),
    ] {
        let collateral = world.collateral_of(&root, &tcb_info, &qe_identity);
        assert_eq!(
            crate::ending(&world.verify_bytes(&world.quote(), &collateral)),
            wanted
        );
    }
}

/// Two anchors are trusted; all chains of one verification must lead to the same one.
#[test]
fn all_chains_lead_to_one_anchor() {
    let world = World::tdx();
    let mut second = world.clone();
    for cert in [&mut second.root, &mut second.anchor] {
        cert.subject = "Second SGX Root CA".to_owned();
        cert.issuer = cert.subject.clone();
        cert.key = OTHER;
        cert.signer = OTHER;
        cert.spki = cert.spki_of_key();
    }
    for cert in [
        &mut second.tcb_signer,
        &mut second.qe_signer,
        &mut second.pck_ca,
        &mut second.crl_ca,
    ] {
        cert.issuer = second.root.subject.clone();
        cert.signer = OTHER;
        cert.issuer_id = OTHER.id();
    }
    second.root_crl.issuer = second.root.subject.clone();
    second.root_crl.signer = OTHER;
    second.root_crl.issuer_id = Some(OTHER.id());
    assert_eq!(crate::ending(&second.verify()), "genuine");

    let anchors =
        [&world, &second].map(|world| Anchor::insecure_from_pem(&world.anchor.pem()).unwrap());
    let trust = Trust {
        anchors: &anchors,
        algorithms: ALGORITHMS,
        seen: &NoMemo,
    };
    let member = |world: &World, name: &str| {
        let json: serde_json::Value = serde_json::from_slice(&world.collateral()).unwrap();
        json[name].clone()
    };
    for chain in ["qe_identity_issuer_chain", "pck_crl_issuer_chain"] {
        let mut json: serde_json::Value = serde_json::from_slice(&world.collateral()).unwrap();
        json[chain] = member(&second, chain);
        let error = Collateral::parse(json.to_string().as_bytes())
            .unwrap()
            .verify(&trust)
            .unwrap_err();
        assert_eq!(error.code(), "root-untrusted", "{chain}");
    }
    let collateral = Collateral::parse(&world.collateral())
        .unwrap()
        .verify(&trust)
        .unwrap();
    let evidence = stoa_attestation::Evidence::parse(second.kind, &second.quote()).unwrap();
    let expected = stoa_attestation::Expected::as_given(second.report_data());
    let error = evidence
        .verify(
            &expected,
            &trust,
            &collateral,
            crate::support::time(second.now),
        )
        .unwrap_err();
    assert_eq!(error.code(), "root-untrusted");
}

#[test]
fn usages_are_the_bits_of_rfc_5280() {
    assert_eq!(
        (DIGITAL_SIGNATURE, CERT_AND_CRL_SIGN),
        (1 << 7, 1 << 2 | 1 << 1)
    );
}

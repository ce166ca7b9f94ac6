//! Check 1: the quote's form.

use stoa_attestation::{EVIDENCE_LEN_MAX, Evidence, Kind};
use stoa_explain::Explain;

use crate::endings;
use crate::support::Vector;
use crate::support::forge::{Report, World, tdx_svn};

endings! {
    forged_sgx_evidence_is_genuine: World::sgx(), |_w| () => "genuine";
    forged_tdx_evidence_is_genuine: World::tdx(), |_w| () => "genuine";
    sgx_in_version_4_is_read: World::sgx(), |w| w.version = 4 => "genuine";
    sgx_in_version_5_is_read: World::sgx(), |w| w.version = 5 => "genuine";
    tdx_1_0_in_version_5_is_read: World::tdx(), |w| w.version = 5 => "genuine";
    tdx_1_5_in_version_5_is_read: World::tdx15(tdx_svn(4, 1, 2)), |_w| () => "genuine";
    tdx_1_5_extended_in_version_5_is_read: World::tdx15(tdx_svn(4, 1, 2)), |w| {
        w.body_type = 4;
        w.body.extend([0; 237]);
    } => "genuine";
    zeros_behind_the_quote_are_padding: World::tdx(), |w| w.behind = vec![0; 3000] => "genuine";
    refuses_a_byte_behind_the_quote: World::tdx(), |w| w.behind = vec![0, 1] => "evidence-malformed";
    refuses_tdx_in_version_3: World::tdx(), |w| w.version = 3 => "tee-type-unsupported";
    refuses_version_6: World::tdx(), |w| w.version = 6 => "quote-version-unsupported";
    refuses_a_td_body_under_the_sgx_type: World::sgx(), |w| {
        w.version = 5;
        w.body_type = 2;
    } => "quote-body-unsupported";
    refuses_an_enclave_body_under_the_tdx_type: World::tdx(), |w| {
        w.version = 5;
        w.body_type = 1;
    } => "quote-body-unsupported";
    refuses_body_type_5: World::tdx(), |w| {
        w.version = 5;
        w.body_type = 5;
    } => "quote-body-unsupported";
    refuses_a_body_of_another_length_than_its_type: World::tdx(), |w| {
        w.version = 5;
        w.body_type = 3;
    } => "evidence-malformed";
    refuses_a_quoting_enclave_with_reserved_bytes: World::tdx(), |w| w.qe_report.0[160] = 1 => "evidence-malformed";
}

#[test]
fn reserved_bytes_of_an_enclave_report_are_zero() {
    for at in (20..32).chain(96..128).chain(160..192).chain(262..304) {
        let mut world = World::sgx();
        world.body[at] = 1;
        assert_eq!(
            crate::ending(&world.verify()),
            "evidence-malformed",
            "byte {at}"
        );
    }
    let fields = Report::new(0, 0, 0).0.len() - 12 - 32 - 32 - 42;
    assert_eq!(fields, 266, "all other bytes are fields");
}

#[test]
fn reserved_bytes_of_the_header_are_zero_from_version_4_on() {
    for (mut world, version) in [
        (World::sgx(), 4),
        (World::sgx(), 5),
        (World::tdx(), 4),
        (World::tdx(), 5),
    ] {
        world.version = version;
        for at in 8..12 {
            let mut quote = world.quote();
            quote[at] = 1;
            let result = world.verify_bytes(&quote, &world.collateral());
            assert_eq!(
                crate::ending(&result),
                "evidence-malformed",
                "version {version}, byte {at}"
            );
        }
    }
}

#[test]
fn refuses_every_beginning_of_a_quote() {
    for world in [World::sgx(), World::tdx(), World::tdx15(tdx_svn(4, 1, 2))] {
        let quote = world.quote();
        for len in 0..quote.len() {
            let error = Evidence::parse(world.kind, &quote[..len]).unwrap_err();
            assert_eq!(
                error.code(),
                "evidence-malformed",
                "{len} of {} bytes: {error}",
                quote.len()
            );
        }
        assert!(Evidence::parse(world.kind, &quote).is_ok());
    }
}

#[test]
fn refuses_lengths_that_are_one_too_short_or_too_long() {
    // Version 4: body to 632, length, signature and key to 764, outer type and length, QE report and its signature to
    // 1218, authentication data 2 + 32, inner type, inner length.
    for (at, field) in [
        (632, "signature data"),
        (766, "outer"),
        (1218, "authentication data"),
        (1254, "inner"),
    ] {
        for change in [1u8, u8::MAX] {
            let world = World::tdx();
            let mut quote = world.quote();
            quote[at] = quote[at].wrapping_add(change);
            let result = world.verify_bytes(&quote, &world.collateral());
            let code = crate::ending(&result);
            assert!(
                matches!(
                    code,
                    "evidence-malformed" | "certification-data-unsupported"
                ),
                "length of the {field}: {code}"
            );
        }
    }
}

#[test]
fn evidence_is_at_most_64_kib() {
    let mut world = World::tdx();
    world.behind = vec![0; EVIDENCE_LEN_MAX - world.quote().len()];
    assert_eq!(crate::ending(&world.verify()), "genuine");
    world.behind.push(0);
    assert_eq!(crate::ending(&world.verify()), "evidence-too-large");
}

#[test]
fn evidence_is_of_the_kind_announced() {
    let quote = World::tdx().quote();
    assert_eq!(
        Evidence::parse(Kind::SgxDcap, &quote).unwrap_err().code(),
        "evidence-kind-differs"
    );
    for (kind, code) in [
        (Kind::Snp, "evidence-malformed"),
        (Kind::Tpm, "evidence-kind-unsupported"),
    ] {
        assert_eq!(Evidence::parse(kind, &quote).unwrap_err().code(), code);
    }
    assert_eq!(Evidence::detect(&quote).unwrap().kind(), Kind::TdxDcap);
    assert_eq!(
        Evidence::detect(&World::sgx().quote()).unwrap().kind(),
        Kind::SgxDcap
    );
}

#[test]
fn kinds_have_the_numbers_of_the_wire() {
    for (kind, number, name) in [
        (Kind::SgxDcap, 1, "sgx-dcap"),
        (Kind::TdxDcap, 2, "tdx-dcap"),
        (Kind::Snp, 3, "snp"),
        (Kind::Tpm, 4, "tpm"),
    ] {
        assert_eq!((kind.number(), kind.name()), (number, name));
        assert_eq!(Kind::from_number(number), Some(kind));
    }
    assert_eq!((Kind::from_number(0), Kind::from_number(5)), (None, None));
}

#[test]
fn says_which_collateral_to_fetch() {
    let mut world = World::tdx();
    let platform = Evidence::parse(world.kind, &world.quote())
        .unwrap()
        .unverified_platform()
        .unwrap();
    assert_eq!((platform.kind, platform.ca), (Kind::TdxDcap, "platform"));
    assert_eq!(platform.fmspc, world.sgx.fmspc);
    world.pck.issuer = "Somebody".to_owned();
    let evidence = Evidence::parse(world.kind, &world.quote()).unwrap();
    assert_eq!(
        evidence.unverified_platform().unwrap_err().code(),
        "certificate-profile-differs"
    );
    let real = Vector::load("sgx/01-processor-config-and-sw-hardening");
    let platform = Evidence::parse(real.kind, &real.quote)
        .unwrap()
        .unverified_platform()
        .unwrap();
    assert_eq!(
        (hex::encode(platform.fmspc).as_str(), platform.ca),
        ("00a067110000", "processor")
    );
}

/// Fields of the header, written over in the finished quote: they are judged before any signature.
#[test]
fn refuses_what_the_header_may_not_say() {
    for (at, value, code) in [
        (2, 3, "attestation-key-type-unsupported"),
        (2, 1, "attestation-key-type-unsupported"),
        (12, 0x92, "qe-vendor-unknown"),
        (27, 0x08, "qe-vendor-unknown"),
    ] {
        for world in [World::sgx(), World::tdx()] {
            let mut quote = world.quote();
            assert_ne!(quote[at], value);
            quote[at] = value;
            let result = world.verify_bytes(&quote, &world.collateral());
            assert_eq!(crate::ending(&result), code, "byte {at}");
        }
    }
}

//! Checks 9 and 10: the signatures inside the quote, and what the evidence is bound to.

use stoa_attestation::{Anchor, Collateral, Evidence, Expected, Invalid, NoMemo, Trust, Verified};
use stoa_explain::Explain;

use crate::endings;
use crate::support::forge::{OTHER, World};
use crate::support::{ALGORITHMS, Vector, time};

endings! {
    refuses_a_qe_report_signed_by_another_key: World::tdx(), |w| w.qe_report_key = OTHER => "qe-report-signature-invalid";
    refuses_a_qe_report_with_a_second_half: World::tdx(), |w| w.qe_report_data_tail[31] = 1 => "qe-report-data-differs";
    refuses_a_quote_signed_by_another_key: World::tdx(), |w| w.quote_key = OTHER => "quote-signature-invalid";
    authentication_data_may_be_empty: World::sgx(), |w| w.qe_auth_data.clear() => "genuine";
    authentication_data_may_be_long: World::sgx(), |w| w.qe_auth_data = vec![1; 1000] => "genuine";
}

#[test]
fn refuses_an_attestation_key_that_the_qe_did_not_vouch_for() {
    let world = World::tdx();
    let mut quote = world.quote();
    // Another key and its good signature; the QE report stays.
    let point = OTHER.point();
    quote[700..764].copy_from_slice(&point[1..]);
    let signature = OTHER.sign_raw(&quote[..632]);
    quote[636..700].copy_from_slice(&signature);
    let result = world.verify_bytes(&quote, &world.collateral());
    assert_eq!(crate::ending(&result), "qe-report-data-differs");
}

#[test]
fn every_byte_that_is_signed_is_signed() {
    let world = World::tdx();
    let (vector, quote) = (world.vector("forged"), world.quote());
    let collateral = vector.verified_collateral(&NoMemo).unwrap();
    let anchors = vector.anchors();
    let trust = Trust {
        anchors: &anchors,
        algorithms: ALGORITHMS,
        seen: &NoMemo,
    };
    let expected = Expected::as_given(world.report_data());
    // Header and body without the fields that name formats.
    for at in 28..632 {
        let mut changed = quote.clone();
        changed[at] ^= 0x40;
        let evidence = Evidence::parse(world.kind, &changed).unwrap();
        let error = evidence
            .verify(&expected, &trust, &collateral, time(world.now))
            .unwrap_err();
        assert_eq!(error.code(), "quote-signature-invalid", "byte {at}");
    }
}

fn verify(
    vector: &Vector,
    collateral: &Verified<Collateral>,
    expected: [u8; 64],
) -> Result<(), Invalid> {
    let anchors = vector.anchors();
    let trust = Trust {
        anchors: &anchors,
        algorithms: ALGORITHMS,
        seen: &NoMemo,
    };
    let evidence = Evidence::parse(vector.kind, &vector.quote)?;
    let expected = Expected::as_given(expected);
    evidence
        .verify(&expected, &trust, collateral, time(vector.now))
        .map(drop)
}

#[test]
fn refuses_evidence_bound_to_something_else() {
    for name in [
        "sgx/02-platform-sw-hardening",
        "tdx/01-v4-up-to-date",
        "tdx/06-v5-service-td-bound",
    ] {
        let vector = Vector::load(name);
        let bound = vector.report_data();
        let collateral = vector.verified_collateral(&NoMemo).unwrap();
        assert_eq!(verify(&vector, &collateral, bound), Ok(()), "{name}");
        for at in 0..64 {
            let mut other = bound;
            other[at] ^= 1;
            let error = verify(&vector, &collateral, other).unwrap_err();
            assert_eq!(error.code(), "binding-differs", "{name}, byte {at}");
            assert!(
                error.to_string().contains(&hex::encode(bound))
                    && error.to_string().contains(&hex::encode(other))
            );
        }
    }
}

#[test]
fn what_a_protocol_expects_is_never_zero() {
    let zero = Expected::bound([0; 64]).unwrap_err();
    assert_eq!(zero, Invalid::ExpectedZero);
    assert_eq!(zero.code(), "expected-report-data-zero");
    let mut one = [0; 64];
    one[63] = 1;
    assert_eq!(Expected::bound(one).unwrap().bytes(), &one);
}

#[test]
fn collateral_of_another_anchor_is_not_used() {
    let world = World::tdx();
    let [mine, other] = [&world.anchor, &World::sgx().pck_ca].map(|anchor| {
        let mut anchor = anchor.clone();
        anchor.issuer = anchor.subject.clone();
        Anchor::insecure_from_pem(&anchor.pem()).unwrap()
    });
    let (mine, other) = ([mine], [other]);
    let trust = |anchors| Trust {
        anchors,
        algorithms: ALGORITHMS,
        seen: &NoMemo,
    };
    let collateral = Collateral::parse(&world.collateral())
        .unwrap()
        .verify(&trust(&mine))
        .unwrap();
    let evidence = Evidence::parse(world.kind, &world.quote()).unwrap();
    let expected = Expected::as_given(world.report_data());
    let error = evidence
        .verify(&expected, &trust(&other), &collateral, time(world.now))
        .unwrap_err();
    assert_eq!(error.code(), "collateral-anchor-differs");
}

#[test]
fn without_the_one_algorithm_nothing_is_verified() {
    let vector = Vector::load("tdx/01-v4-up-to-date");
    let anchors = vector.anchors();
    let others = [
        webpki::aws_lc_rs::ED25519,
        webpki::aws_lc_rs::ECDSA_P256_SHA384,
    ];
    let trust = Trust {
        anchors: &anchors,
        algorithms: &others,
        seen: &NoMemo,
    };
    let error = Collateral::parse(&vector.collateral)
        .unwrap()
        .verify(&trust)
        .unwrap_err();
    let missing = Invalid::AlgorithmMissing {
        wanted: "ECDSA P-256 with SHA-256",
        passed: 2,
    };
    assert_eq!(error, missing);
    assert_eq!(error.code(), "signature-algorithm-missing");
}

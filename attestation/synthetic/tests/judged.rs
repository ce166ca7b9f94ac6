//! What the synthetic TEE makes, judged by a verifier that is not ours: accepted under our root, refused under the
//! vendor's and for each fault.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::config::{Config, CryptoProvider};
use dcap_qvl::verify::QuoteVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest as _, Sha256, Sha384};
use stoa_synthetic::{
    Flip, Knobs, PckCa, Platform, PlatformTcb, Revoked, SgxIdentity, TdIdentity, Tee,
};

struct Crypto;

impl CryptoProvider for Crypto {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        webpki::aws_lc_rs::ECDSA_P256_SHA256
    }
    fn sha256(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
    fn sha384(data: &[u8]) -> [u8; 48] {
        Sha384::digest(data).into()
    }
}

struct Judge;

impl Config for Judge {
    type X509 = dcap_qvl::x509::X509CertBackend;
    type SigEncoder = dcap_qvl::signature::DerSigEncoder;
    type Crypto = Crypto;
}

const NOW: u64 = 1_795_000_000;
const TEES: [Tee; 2] = [Tee::Sgx, Tee::Tdx];

/// DER of the vendor's production root.
fn vendors_root() -> Vec<u8> {
    CertificateDer::from_pem_slice(include_bytes!("../../roots/intel-sgx-root-ca.pem"))
        .unwrap()
        .to_vec()
}

fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

fn platform(knobs: Knobs) -> Platform {
    Platform::seeded([1; 32], knobs)
}

fn quote(platform: &Platform, tee: Tee, debug: bool) -> Vec<u8> {
    let report_data = [0xAB; 64];
    match tee {
        Tee::Sgx => platform.quote_sgx(
            &SgxIdentity {
                mrenclave: [2; 32],
                mrsigner: [3; 32],
                isv_prod_id: 4,
                isv_svn: 5,
                debug,
            },
            report_data,
        ),
        Tee::Tdx => platform.quote_tdx(
            &TdIdentity {
                mrtd: [2; 48],
                rtmr: [[6; 48]; 4],
                debug,
            },
            report_data,
        ),
    }
}

/// Status, or the whole chain of errors; debug TEEs allowed.
fn judged(root: &[u8], quote: &[u8], collateral: &[u8], now: u64) -> Result<String, String> {
    let collateral: QuoteCollateralV3 = serde_json::from_slice(collateral).unwrap();
    QuoteVerifier::<Judge>::new_with_config(root.to_vec())
        .allow_debug(true)
        .verify(quote, &collateral, now)
        .map(|report| report.status.to_string())
        .map_err(|error| format!("{error:#}"))
}

fn judged_here(platform: &Platform, tee: Tee) -> Result<String, String> {
    judged(
        platform.root_der(),
        &quote(platform, tee, false),
        &platform.collateral_json(tee, at(NOW)),
        NOW,
    )
}

fn assert_refused(outcome: &Result<String, String>, cause: &str) {
    assert!(
        matches!(outcome, Err(text) if text.contains(cause)),
        "expected a refusal with `{cause}`, got {outcome:?}"
    );
}

#[test]
fn evidence_is_accepted_under_our_root_and_refused_under_the_vendors() {
    for ca in [PckCa::Platform, PckCa::Processor] {
        let platform = platform(Knobs {
            pck_ca: ca,
            ..Knobs::default()
        });
        for tee in TEES {
            assert_eq!(judged_here(&platform, tee), Ok("UpToDate".to_owned()));
            let vendors = judged(
                &vendors_root(),
                &quote(&platform, tee, false),
                &platform.collateral_json(tee, at(NOW)),
                NOW,
            );
            assert_refused(&vendors, "InvalidCrlSignatureForPublicKey");
        }
    }
}

#[test]
fn our_own_verifier_which_is_stricter_accepts_it_too() {
    use stoa_attestation::{
        Anchor, Collateral, Evidence, Expected, Kind, NoMemo, TcbStatus, Trust,
    };

    for ca in [PckCa::Platform, PckCa::Processor] {
        let platform = platform(Knobs {
            pck_ca: ca,
            ..Knobs::default()
        });
        let ours = [Anchor::insecure_from_pem(platform.root_pem()).unwrap()];
        let vendors = [Anchor::intel()];
        let algorithms = [webpki::aws_lc_rs::ECDSA_P256_SHA256];
        let trust = |anchors| Trust {
            anchors,
            algorithms: &algorithms,
            seen: &NoMemo,
        };
        for (tee, kind) in [(Tee::Sgx, Kind::SgxDcap), (Tee::Tdx, Kind::TdxDcap)] {
            let json = platform.collateral_json(tee, at(NOW));
            let evidence = || Evidence::parse(kind, &quote(&platform, tee, false)).unwrap();
            let collateral = Collateral::parse(&json)
                .unwrap()
                .verify(&trust(&ours))
                .unwrap();
            let expected = Expected::bound([0xAB; 64]).unwrap();
            let claims = evidence()
                .verify(&expected, &trust(&ours), &collateral, at(NOW))
                .unwrap();
            assert_eq!(claims.tcb().unwrap().status, TcbStatus::UpToDate);
            assert_eq!(claims.platform().unwrap().ppid, platform.ppid());
            assert_eq!(claims.platform().unwrap().piid, platform.instance_id());
            let under_vendors = Collateral::parse(&json).unwrap().verify(&trust(&vendors));
            assert!(under_vendors.is_err());
            assert!(
                evidence()
                    .verify(&expected, &trust(&vendors), &collateral, at(NOW))
                    .is_err()
            );
        }
    }
}

#[test]
fn every_tcb_status_is_found_as_it_was_turned() {
    for tee in TEES {
        for tcb in PlatformTcb::LEVELS {
            let platform = platform(Knobs {
                tcb,
                ..Knobs::default()
            });
            let outcome = judged_here(&platform, tee);
            if tcb == PlatformTcb::Revoked {
                assert_refused(&outcome, "Revoked");
            } else {
                assert_eq!(outcome, Ok(tcb.vendor_name().to_owned()));
            }
        }
        let below = platform(Knobs {
            tcb: PlatformTcb::BelowAllLevels,
            ..Knobs::default()
        });
        assert_refused(&judged_here(&below, tee), "No matching TCB level");
    }
}

#[test]
fn platforms_of_one_seed_share_root_and_collateral_whatever_their_status() {
    let good = platform(Knobs::default());
    let bad = good.with_knobs(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    });
    assert_eq!(good.root_der(), bad.root_der());
    for tee in TEES {
        let collateral = good.collateral_json(tee, at(NOW));
        assert_eq!(collateral, bad.collateral_json(tee, at(NOW)));
        assert_eq!(
            judged(good.root_der(), &quote(&bad, tee, false), &collateral, NOW),
            Ok("OutOfDate".to_owned())
        );
    }
}

#[test]
fn every_fault_is_refused_for_its_own_cause() {
    let revoked = |what| Knobs {
        revoked: vec![what],
        ..Knobs::default()
    };
    let faults = [
        (revoked(Revoked::Pck), "CertRevoked"),
        (revoked(Revoked::PckCa), "CertRevoked"),
        (revoked(Revoked::TcbSigner), "CertRevoked"),
        (
            Knobs {
                collateral_shift_secs: -40 * 24 * 3600,
                ..Knobs::default()
            },
            "CrlExpired",
        ),
        (
            Knobs {
                collateral_shift_secs: 2 * 24 * 3600,
                ..Knobs::default()
            },
            "TCBInfo issue date is in the future",
        ),
        (
            Knobs {
                pck_not_after: Some(NOW - 1),
                ..Knobs::default()
            },
            "CertExpired",
        ),
        (
            Knobs {
                // MRENCLAVE of a v3 quote and a piece of MRSEAM of a v4 quote.
                flip: Some(Flip {
                    byte: 48 + 64,
                    mask: 1,
                }),
                ..Knobs::default()
            },
            "signature is invalid",
        ),
        (
            Knobs {
                qe_isv_svn: 3,
                ..Knobs::default()
            },
            "QE ISVSVN 3 is below",
        ),
    ];
    for (knobs, cause) in faults {
        for tee in TEES {
            assert_refused(&judged_here(&platform(knobs.clone()), tee), cause);
        }
    }
}

#[test]
fn an_old_quoting_enclave_is_out_of_date() {
    for tee in TEES {
        let platform = platform(Knobs {
            qe_isv_svn: 7,
            ..Knobs::default()
        });
        assert_eq!(judged_here(&platform, tee), Ok("OutOfDate".to_owned()));
    }
}

#[test]
fn a_debug_tee_says_so() {
    let platform = platform(Knobs::default());
    for tee in TEES {
        let collateral: QuoteCollateralV3 =
            serde_json::from_slice(&platform.collateral_json(tee, at(NOW))).unwrap();
        let strict = |debug| {
            QuoteVerifier::<Judge>::new_with_config(platform.root_der().to_vec())
                .verify(&quote(&platform, tee, debug), &collateral, NOW)
                .map(|_| ())
                .map_err(|error| format!("{error:#}"))
        };
        assert_eq!(strict(false), Ok(()));
        assert_eq!(strict(true), Err("Debug mode is enabled".to_owned()));
    }
}

#[test]
fn a_quote_of_another_seed_is_refused() {
    let here = platform(Knobs::default());
    let elsewhere = Platform::seeded([9; 32], Knobs::default());
    for tee in TEES {
        let outcome = judged(
            here.root_der(),
            &quote(&elsewhere, tee, false),
            &here.collateral_json(tee, at(NOW)),
            NOW,
        );
        assert!(outcome.is_err(), "{outcome:?}");
    }
}

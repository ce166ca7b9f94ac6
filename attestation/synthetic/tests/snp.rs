//! SNP evidence of the synthetic platform, judged by our own verifier: real formats, another root.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::policy::{Refusal, SnpPolicy, SnpTcbMinimum, appraise};
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, ReferenceValue,
    SnpReference, TcbPolicy, Trust, Vendor, Verified,
};
use stoa_explain::Explain;
use stoa_synthetic::{
    Flip, GuestIdentity, Knobs, Platform, PlatformTcb, Revoked, SnpVendor, folder,
};

const NOW: u64 = 1_795_000_000;
const REPORT_DATA: [u8; 64] = [0x5a; 64];
const GUEST: GuestIdentity = GuestIdentity {
    measurement: [0x11; 48],
    id_key_digest: [0x22; 48],
    product_id: 3,
    guest_svn: 7,
    debug: false,
};

fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// One vendor is enough for all tests: its keys take seconds.
fn vendor() -> Arc<SnpVendor> {
    static VENDOR: OnceLock<Arc<SnpVendor>> = OnceLock::new();
    let made = VENDOR.get_or_init(|| Arc::new(SnpVendor::generate().unwrap()));
    Arc::clone(made)
}

fn platform(knobs: Knobs) -> Platform {
    Platform::seeded([7; 32], knobs).with_snp_vendor(vendor())
}

fn judged(
    platform: &Platform,
    guest: &GuestIdentity,
    anchors: &[Anchor],
) -> Result<Verified<Claims>, Invalid> {
    let trust = Trust {
        anchors,
        algorithms: webpki::ALL_VERIFICATION_ALGS,
        seen: &NoMemo,
    };
    let evidence = Evidence::parse(Kind::Snp, &platform.evidence_snp(guest, REPORT_DATA))?;
    let collateral = platform.snp_collateral_json(at(NOW)).unwrap();
    let collateral = Collateral::parse(&collateral)?.verify(&trust)?;
    let expected = Expected::bound(REPORT_DATA)?;
    evidence.verify(&expected, &trust, &collateral, at(NOW))
}

fn own() -> Vec<Anchor> {
    vec![Anchor::insecure_from_pem(&vendor().root_pem()).unwrap()]
}

fn accepted(claims: &Verified<Claims>, tcb: &TcbPolicy) -> Result<(), Refusal> {
    let reference = ReferenceValue::Snp(SnpReference {
        measurement: vec![GUEST.measurement],
        id_key_digest: Some(GUEST.id_key_digest),
        guest_svn: Some(GUEST.guest_svn),
        ..SnpReference::default()
    });
    appraise(claims, &[reference], tcb, at(NOW))
}

#[test]
fn a_guest_is_genuine_and_accepted_under_the_own_ark_and_under_no_other() {
    let platform = platform(Knobs::default());
    assert_eq!(own()[0].vendor(), Vendor::Amd);
    let claims = judged(&platform, &GUEST, &own()).unwrap();
    assert_eq!(claims.snp().unwrap().chip_id, Some(platform.chip_id()));
    assert_eq!(accepted(&claims, &TcbPolicy::default()), Ok(()));
    let stranger = judged(&platform, &GUEST, &Anchor::vendors()).unwrap_err();
    assert_eq!(stranger.code(), "root-untrusted");
}

#[test]
fn each_knob_is_seen() {
    let turned = |knobs| judged(&platform(knobs), &GUEST, &own());
    let revoked = |what| {
        let revoked = vec![what];
        turned(Knobs {
            revoked,
            ..Knobs::default()
        })
        .unwrap_err()
        .code()
    };
    assert_eq!(revoked(Revoked::Ask), "ask-revoked");
    assert_eq!(revoked(Revoked::Vcek), "vek-revoked");
    // In the report data: behind the length of 4 bytes and 0x50.
    let flip = Some(Flip {
        byte: 0x54,
        mask: 1,
    });
    let flipped = turned(Knobs {
        flip,
        ..Knobs::default()
    })
    .unwrap_err();
    assert_eq!(flipped.code(), "report-signature-invalid");

    let old = turned(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    })
    .unwrap();
    let newest = SnpTcbMinimum {
        microcode: Some(platform(Knobs::default()).snp_tcb()[3]),
        ..SnpTcbMinimum::default()
    };
    let strict = TcbPolicy {
        snp: SnpPolicy {
            committed_min: newest,
            ..SnpPolicy::default()
        },
        ..TcbPolicy::default()
    };
    assert_eq!(accepted(&old, &TcbPolicy::default()), Ok(()));
    assert_eq!(
        accepted(&old, &strict).unwrap_err().code(),
        "tcb-below-minimum"
    );

    let debug = GuestIdentity {
        debug: true,
        ..GUEST
    };
    let debug = judged(&platform(Knobs::default()), &debug, &own()).unwrap();
    let refused = accepted(&debug, &TcbPolicy::default()).unwrap_err();
    assert_eq!(refused.code(), "debug-not-accepted");
}

#[test]
fn a_folder_keeps_its_vendor_and_its_chip() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let platform = folder::create_or_open(folder.path(), None, None).unwrap();
        folder::with_snp_vendor(folder.path(), platform).unwrap()
    };
    let (first, again) = (open(), open());
    let root = first.snp_vendor().unwrap().root_pem();
    assert_eq!(again.snp_vendor().unwrap().root_pem(), root);
    assert_eq!(first.chip_id(), again.chip_id());
    let written = std::fs::read_to_string(folder.path().join("snp-root.pem")).unwrap();
    assert_eq!(written, root);
    // A program on the platform has no vendor, and the same chip.
    let inside = folder::open(folder.path()).unwrap();
    assert!(inside.snp_vendor().is_none() && inside.chip_id() == first.chip_id());

    std::fs::write(folder.path().join("snp-vendor.json"), b"{}").unwrap();
    let platform = folder::open(folder.path()).unwrap();
    let error = folder::with_snp_vendor(folder.path(), platform).unwrap_err();
    assert_eq!(error.code(), "synthetic-folder-malformed");
}

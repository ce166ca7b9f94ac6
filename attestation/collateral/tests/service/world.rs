//! A synthetic vendor, doubles that serve its collateral, and evidence of its platform.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::policy::{Refusal, appraise};
use stoa_attestation::{
    Anchor, Claims, Evidence, Expected, Invalid, Kind, NoMemo, ReferenceValue, SgxReference,
    TcbPolicy, Verified,
};
use stoa_collateral::{Endorsement, Keeper, Platform, Source};
use stoa_synthetic::pccs::{Response, respond};
use stoa_synthetic::{Knobs, SgxIdentity};

use crate::double::{Double, Reply, answer};

/// 2026-07-16, the day on which Intel's PCK CRL stood still.
pub(crate) const NOW: u64 = 1_784_160_000;
pub(crate) const DAY: u64 = 24 * 3600;
const ENCLAVE: SgxIdentity = SgxIdentity {
    mrenclave: [0x11; 32],
    mrsigner: [0x22; 32],
    isv_prod_id: 1,
    isv_svn: 1,
    debug: false,
};

pub(crate) fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

pub(crate) fn vendor() -> stoa_synthetic::Platform {
    vendor_with(Knobs::default())
}

pub(crate) fn vendor_with(knobs: Knobs) -> stoa_synthetic::Platform {
    stoa_synthetic::Platform::seeded([7; 32], knobs)
}

pub(crate) fn platform() -> Platform {
    "sgx:009067110000:platform".parse().unwrap()
}

/// The response as it travels.
pub(crate) fn bytes(response: &Response) -> Vec<u8> {
    let headers: Vec<_> = response
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let status = match response.status {
        200 => "200 OK",
        404 => "404 Not Found",
        _ => "400 Bad Request",
    };
    answer(status, &headers, &response.body)
}

/// Serves what the vendor publishes at `secs`, for ever the same.
pub(crate) fn published(secs: u64) -> impl Fn(&str) -> Reply + Send + 'static {
    published_by(vendor(), secs)
}

pub(crate) fn published_by(
    vendor: stoa_synthetic::Platform,
    secs: u64,
) -> impl Fn(&str) -> Reply + Send + 'static {
    move |target| Reply::Bytes(bytes(&respond(&vendor, target, at(secs))))
}

pub(crate) fn sources(doubles: &[&Double]) -> Vec<Source> {
    doubles
        .iter()
        .map(|double| Source::parse(double.url(), None).unwrap())
        .collect()
}

pub(crate) fn keeper(sources: Vec<Source>) -> Keeper {
    let anchors = vec![Anchor::insecure_from_pem(vendor().root_pem()).unwrap()];
    Keeper::new(
        sources,
        anchors,
        webpki::ALL_VERIFICATION_ALGS,
        Arc::new(NoMemo),
    )
}

/// Evidence of the vendor's platform, judged with what is kept.
pub(crate) fn judged(
    keeper: &Keeper,
    endorsement: &Endorsement,
    secs: u64,
) -> Result<Verified<Claims>, Invalid> {
    let quote = vendor().quote_sgx(&ENCLAVE, [3; 64]);
    let expected = Expected::bound([3; 64])?;
    Evidence::parse(Kind::SgxDcap, &quote)?.verify(
        &expected,
        &keeper.trust(),
        endorsement.verified(),
        at(secs),
    )
}

/// Whether a policy with this grace takes it.
pub(crate) fn accepted(
    claims: &Verified<Claims>,
    grace_days: u64,
    secs: u64,
) -> Result<(), Refusal> {
    let policy = TcbPolicy {
        grace: Duration::from_secs(grace_days * DAY),
        ..TcbPolicy::default()
    };
    let reference = ReferenceValue::Sgx(SgxReference {
        unique_id: Some(ENCLAVE.mrenclave),
        ..SgxReference::default()
    });
    appraise(claims, &[reference], &policy, at(secs)).map(|_| ())
}

//! What one verification costs, in V: cold (collateral and quote, nothing known) and warm (a fresh quote of a known
//! platform, its collateral verified before).
//!
//! CPU of this thread alone, the fastest of some samples: others were disturbed. Evidence is made before the clock runs.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls_pki_types::UnixTime;
use stoa_attestation::{
    Anchor, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, SignatureMemo, Trust, Verified,
};
use stoa_harness::{Failed, Outcome};
use stoa_synthetic::{Knobs, Platform, SgxIdentity, TdIdentity, Tee};
use webpki::ALL_VERIFICATION_ALGS;

use crate::cpu;

/// Verifications in one sample.
const SAMPLE: u32 = 50;
const SAMPLES: usize = 7;

/// CPU of one verification of one kind of evidence.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// `SGX` or `TDX`.
    pub kind: &'static str,
    /// Collateral and quote, with nothing known.
    pub cold: Duration,
    /// A fresh quote of a platform that was verified before.
    pub warm: Duration,
}

#[derive(Default)]
struct Memo(Mutex<HashSet<[u8; 32]>>);

impl SignatureMemo for Memo {
    fn contains(&self, key: &[u8; 32]) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(key)
    }

    fn insert(&self, keys: &[[u8; 32]]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(keys);
    }
}

/// Measures both kinds of DCAP evidence.
///
/// # Errors
/// If honest evidence is refused, or /proc can't be read.
pub fn measure() -> Outcome<Vec<Cost>> {
    let platform = Platform::seeded([7; 32], Knobs::default());
    [(Tee::Sgx, "SGX"), (Tee::Tdx, "TDX")]
        .into_iter()
        .map(|(tee, kind)| cost(&platform, tee, kind))
        .collect()
}

fn cost(platform: &Platform, tee: Tee, kind: &'static str) -> Outcome<Cost> {
    let now = UnixTime::since_unix_epoch(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|error| Failed(error.to_string()))?,
    );
    let refused = |invalid: Invalid| Failed(format!("honest {kind} evidence: {invalid}"));
    let anchors = [Anchor::insecure_from_pem(platform.root_pem()).map_err(refused)?];
    let json = platform.collateral_json(tee, now);
    let quotes: Vec<Quote> = (1..=SAMPLE)
        .map(|number| Quote::make(platform, tee, number))
        .collect();

    let cold = fastest(|| {
        for quote in &quotes {
            let memo = Memo::default();
            let trust = trust(&anchors, &memo);
            let collateral = Collateral::parse(&json)?.verify(&trust)?;
            quote.judge(&trust, &collateral, now)?;
        }
        Ok(())
    })?;

    // A memo of its own for each sample, into which the first quote of the platform goes: the others are fresh.
    let first = Quote::make(platform, tee, 0);
    let collateral = Collateral::parse(&json)
        .and_then(|collateral| collateral.verify(&trust(&anchors, &NoMemo)))
        .map_err(refused)?;
    let mut memos: Vec<Memo> = (0..SAMPLES).map(|_| Memo::default()).collect();
    for memo in &memos {
        first
            .judge(&trust(&anchors, memo), &collateral, now)
            .map_err(refused)?;
    }
    let warm = fastest(|| {
        let memo = memos.pop().unwrap_or_default();
        for quote in &quotes {
            quote.judge(&trust(&anchors, &memo), &collateral, now)?;
        }
        Ok(())
    })?;
    Ok(Cost { kind, cold, warm })
}

fn trust<'a>(anchors: &'a [Anchor], seen: &'a dyn SignatureMemo) -> Trust<'a> {
    Trust {
        anchors,
        algorithms: ALL_VERIFICATION_ALGS,
        seen,
    }
}

/// CPU of one of the [`SAMPLE`] verifications that `sample` makes.
fn fastest(mut sample: impl FnMut() -> Result<(), Invalid>) -> Outcome<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..SAMPLES {
        let before = cpu::own_thread()?;
        sample().map_err(|invalid| Failed(format!("honest evidence: {invalid}")))?;
        best = best.min((cpu::own_thread()? - before) / SAMPLE);
    }
    Ok(best)
}

struct Quote {
    kind: Kind,
    bytes: Vec<u8>,
    report_data: [u8; 64],
}

impl Quote {
    fn make(platform: &Platform, tee: Tee, number: u32) -> Self {
        let mut report_data = [0x42; 64];
        report_data[..4].copy_from_slice(&number.to_be_bytes());
        let (kind, bytes) = match tee {
            Tee::Tdx => {
                let identity = TdIdentity {
                    mrtd: [1; 48],
                    rtmr: [[2; 48]; 4],
                    debug: false,
                };
                (Kind::TdxDcap, platform.quote_tdx(&identity, report_data))
            }
            _ => {
                let identity = SgxIdentity {
                    mrenclave: [1; 32],
                    mrsigner: [2; 32],
                    isv_prod_id: 1,
                    isv_svn: 1,
                    debug: false,
                };
                (Kind::SgxDcap, platform.quote_sgx(&identity, report_data))
            }
        };
        Self {
            kind,
            bytes,
            report_data,
        }
    }

    fn judge(
        &self,
        trust: &Trust<'_>,
        collateral: &Verified<Collateral>,
        now: UnixTime,
    ) -> Result<(), Invalid> {
        let expected = Expected::bound(self.report_data)?;
        let claims =
            Evidence::parse(self.kind, &self.bytes)?.verify(&expected, trust, collateral, now)?;
        black_box(claims);
        Ok(())
    }
}

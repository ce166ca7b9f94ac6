//! Minimum TCB: floors under what the vendor's status says, each one absent by default.
//!
//! Does not live here: the status (`tcb`), the security version of the code itself (`reference`).

use core::fmt;

use rustls_pki_types::UnixTime;

use crate::claims::Claims;
use crate::dates::Utc;
use crate::policy::refusal::Refusal;
use crate::quote::Body;
use crate::tcb::reaches;

/// What a platform must at least be. Absent fields are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minimum {
    /// tcbEvaluationDataNumber of the collateral: how recent the vendor's judgement must be.
    pub evaluation_number: Option<u32>,
    /// tcbDate of the matched levels: every update until that day is in the platform.
    pub tcb_date: Option<UnixTime>,
    /// The 16 SGX TCB components of the PCK certificate, each at least.
    pub cpu_svn: Option<[u8; 16]>,
    /// PCESVN of the PCK certificate.
    pub pce_svn: Option<u16>,
    /// ISVSVN of the quoting enclave.
    pub qe_svn: Option<u16>,
    /// TDX: the 16 components of TEE_TCB_SVN, of the module at launch, each at least. What has none is refused.
    pub tee_tcb_svn: Option<[u8; 16]>,
}

impl Minimum {
    pub(super) fn check(&self, claims: &Claims) -> Result<(), Refusal> {
        // What another vendor's platform has not, it does not reach.
        let (tcb, platform) = (claims.tcb(), claims.platform());
        at_least(
            "TCB evaluation number",
            self.evaluation_number,
            tcb.map(|tcb| tcb.evaluation_number),
        )?;
        let date = self.tcb_date.map(Utc);
        at_least("TCB date", date, tcb.map(|tcb| Utc(tcb.tcb_date)))?;
        let components = platform.map(|platform| platform.components);
        each_at_least("CPUSVN", self.cpu_svn, components)?;
        at_least(
            "PCESVN",
            self.pce_svn,
            platform.map(|platform| platform.pce_svn),
        )?;
        at_least("QE ISVSVN", self.qe_svn, tcb.map(|tcb| tcb.qe_isv_svn))?;
        let tee_tcb_svn = match &claims.body {
            Body::Tdx(td) => Some(td.tee_tcb_svn),
            Body::Sgx(_) | Body::Snp(_) => None,
        };
        each_at_least("TEE_TCB_SVN", self.tee_tcb_svn, tee_tcb_svn)
    }
}

fn at_least<T: PartialOrd + fmt::Display>(
    field: &'static str,
    wanted: Option<T>,
    found: Option<T>,
) -> Result<(), Refusal> {
    let below = wanted.filter(|wanted| found.as_ref().is_none_or(|found| found < wanted));
    match below {
        Some(wanted) => Err(Refusal::BelowMinimum {
            field,
            wanted: wanted.to_string(),
            found: found.map_or("none".to_owned(), |found| found.to_string()),
        }),
        None => Ok(()),
    }
}

/// Each component at least; what has no components fails.
fn each_at_least(
    field: &'static str,
    wanted: Option<[u8; 16]>,
    found: Option<[u8; 16]>,
) -> Result<(), Refusal> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    if found.is_some_and(|found| reaches(&found, &wanted)) {
        return Ok(());
    }
    Err(Refusal::BelowMinimum {
        field,
        wanted: hex::encode(wanted),
        found: found.map_or("none".to_owned(), hex::encode),
    })
}

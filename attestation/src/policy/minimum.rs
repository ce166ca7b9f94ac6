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
    /// TDX: the 16 components of TEE_TCB_SVN, of the module at launch, each at least. An enclave has none and is refused.
    pub tee_tcb_svn: Option<[u8; 16]>,
}

impl Minimum {
    pub(super) fn check(&self, claims: &Claims) -> Result<(), Refusal> {
        let tcb = &claims.tcb;
        at_least(
            "TCB evaluation number",
            self.evaluation_number,
            tcb.evaluation_number,
        )?;
        let date = self.tcb_date.map(Utc);
        at_least("TCB date", date, Utc(tcb.tcb_date))?;
        each_at_least("CPUSVN", self.cpu_svn, Some(claims.platform.components))?;
        at_least("PCESVN", self.pce_svn, claims.platform.pce_svn)?;
        at_least("QE ISVSVN", self.qe_svn, tcb.qe_isv_svn)?;
        let tee_tcb_svn = match &claims.body {
            Body::Sgx(_) => None,
            Body::Tdx(td) => Some(td.tee_tcb_svn),
        };
        each_at_least("TEE_TCB_SVN", self.tee_tcb_svn, tee_tcb_svn)
    }
}

fn at_least<T: PartialOrd + fmt::Display>(
    field: &'static str,
    wanted: Option<T>,
    found: T,
) -> Result<(), Refusal> {
    match wanted {
        Some(wanted) if found < wanted => Err(Refusal::BelowMinimum {
            field,
            wanted: wanted.to_string(),
            found: found.to_string(),
        }),
        Some(_) | None => Ok(()),
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

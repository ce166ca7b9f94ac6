//! What one platform's security versions are worth under a TCB info and a QE identity.
//!
//! Source: Intel's QuoteVerificationLibrary, clauses 4.1.2.4.17.1 to .5 (matching), .17.4.1 (TDX module), .17.4.3
//! (relaunch) and 4.1.2.9.9 (quoting enclave), as its source cites them.
//! Does not live here: how statuses come together (`status`), reading the signed JSON (`tcb_info`, `qe_identity`), which
//! status is acceptable (`policy`).

use rustls_pki_types::UnixTime;

use crate::invalid::{Invalid, TcbPart};
use crate::pck::Platform;
use crate::qe_identity::QeLevel;
use crate::status::{ComponentStatus, TcbStatus};
use crate::tcb_info::{ModuleLevel, TcbInfo, TcbLevel};
use crate::tdx::TdxBody;

/// What a platform's security versions are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcb {
    /// Of platform, TDX module and quoting enclave together. Never [`TcbStatus::Revoked`].
    pub status: TcbStatus,
    /// Advisories (`INTEL-SA-00615`) of the matched levels: platform, TDX module, quoting enclave, each once.
    pub advisories: Vec<String>,
    /// tcbEvaluationDataNumber, the lower one of TCB info and QE identity.
    pub evaluation_number: u32,
    /// tcbDate of the oldest matched level.
    pub tcb_date: UnixTime,
    /// Of the platform's level alone.
    pub platform_status: TcbStatus,
    /// Of the TDX module at launch; `None` with SGX and with module version 0, which the platform's level judges.
    pub module_status: Option<ComponentStatus>,
    /// Of the quoting enclave.
    pub qe_status: ComponentStatus,
    /// ISVSVN of the quoting enclave.
    pub qe_isv_svn: u16,
}

/// Checks 11 (levels) and 12.
pub(crate) fn evaluate(
    info: &TcbInfo,
    platform: &Platform,
    td: Option<&TdxBody>,
    qe: (&QeLevel, u16, u32),
) -> Result<Tcb, Invalid> {
    let (qe_level, qe_isv_svn, qe_evaluation_number) = qe;
    let Matched {
        status,
        level,
        module,
    } = match td {
        None => match_sgx(info, platform)?,
        Some(td) => match_tdx(info, platform, td, qe_level.status)?,
    };
    let status = status.converge(qe_level.status);
    if qe_level.status == ComponentStatus::Revoked {
        return Err(Invalid::TcbRevoked {
            part: TcbPart::QuotingEnclave,
        });
    }
    let mut advisories: Vec<String> = Vec::new();
    let module_advisories = module.map_or(&[][..], |module| &module.advisories);
    for advisory in level
        .advisories
        .iter()
        .chain(module_advisories)
        .chain(&qe_level.advisories)
    {
        if !advisories.contains(advisory) {
            advisories.push(advisory.clone());
        }
    }
    let dates = [
        Some(level.date),
        module.map(|module| module.date),
        Some(qe_level.date),
    ];
    Ok(Tcb {
        status,
        advisories,
        evaluation_number: info.evaluation_number.min(qe_evaluation_number),
        tcb_date: dates.into_iter().flatten().min().unwrap_or(level.date),
        platform_status: level.status,
        module_status: module.map(|module| module.status),
        qe_status: qe_level.status,
        qe_isv_svn,
    })
}

struct Matched<'a> {
    status: TcbStatus,
    level: &'a TcbLevel,
    module: Option<&'a ModuleLevel>,
}

fn match_sgx<'a>(info: &'a TcbInfo, platform: &Platform) -> Result<Matched<'a>, Invalid> {
    let level = platform_level(info, platform, None, TcbPart::Platform)?;
    Ok(Matched {
        status: level.status,
        level,
        module: None,
    })
}

fn match_tdx<'a>(
    info: &'a TcbInfo,
    platform: &Platform,
    td: &TdxBody,
    qe_status: ComponentStatus,
) -> Result<Matched<'a>, Invalid> {
    let level = platform_level(info, platform, Some(&td.tee_tcb_svn), TcbPart::Platform)?;
    let module = module_level(info, &td.tee_tcb_svn, TcbPart::TdxModule)?;
    let mut status = level
        .status
        .converge(module.map_or(ComponentStatus::UpToDate, |module| module.status));
    // A TD that was preserved over an update runs on the module of now, so that one must have a level, too.
    if let Some(v15) = &td.v15 {
        let svn = &v15.tee_tcb_svn2;
        let now = platform_level(info, platform, Some(svn), TcbPart::CurrentPlatform)?;
        let module_now = module_level(info, svn, TcbPart::CurrentTdxModule)?;
        let module_now = module_now.map_or(ComponentStatus::UpToDate, |module| module.status);
        if is_good(now.status.converge(module_now)) {
            status = relaunch(info, platform, status, module, svn, qe_status);
        }
    }
    Ok(Matched {
        status,
        level,
        module,
    })
}

/// The highest level of which the platform meets every component.
fn platform_level<'a>(
    info: &'a TcbInfo,
    platform: &Platform,
    tee_tcb_svn: Option<&[u8; 16]>,
    part: TcbPart,
) -> Result<&'a TcbLevel, Invalid> {
    let level = info
        .levels
        .iter()
        .find(|level| {
            meets_sgx(platform, level) && tee_tcb_svn.is_none_or(|svn| meets_tdx(svn, level))
        })
        .ok_or_else(|| Invalid::TcbLevelNone {
            part,
            found: describe(&platform.components, platform.pce_svn, tee_tcb_svn),
            lowest: info.levels.last().map_or("none".to_owned(), |level| {
                describe(&level.sgx, level.pce_svn, level.tdx.as_ref())
            }),
        })?;
    if level.status == TcbStatus::Revoked {
        return Err(Invalid::TcbRevoked { part });
    }
    Ok(level)
}

fn meets_sgx(platform: &Platform, level: &TcbLevel) -> bool {
    reaches(&platform.components, &level.sgx) && platform.pce_svn >= level.pce_svn
}

/// Each component at least: security versions are never compared as one number.
pub(crate) fn reaches(found: &[u8], wanted: &[u8]) -> bool {
    found.iter().zip(wanted).all(|(have, want)| have >= want)
}

/// With a module version, components 0 and 1 are judged by the module's identity.
fn meets_tdx(svn: &[u8; 16], level: &TcbLevel) -> bool {
    let skip = if svn[1] > 0 { 2 } else { 0 };
    level
        .tdx
        .is_some_and(|want| reaches(&svn[skip..], &want[skip..]))
}

fn describe(sgx: &[u8; 16], pce_svn: u16, tdx: Option<&[u8; 16]>) -> String {
    let tdx = tdx.map_or(String::new(), |tdx| format!(", TDX {}", hex::encode(tdx)));
    format!("SGX {}, PCE {pce_svn}{tdx}", hex::encode(sgx))
}

/// The level of a TDX module; `None` for module version 0, which has no identity of its own.
fn module_level<'a>(
    info: &'a TcbInfo,
    svn: &[u8; 16],
    part: TcbPart,
) -> Result<Option<&'a ModuleLevel>, Invalid> {
    let Some(identity) = info.module_identity(svn)? else {
        return Ok(None);
    };
    let level = identity
        .levels
        .iter()
        .find(|level| svn[0] >= level.isv_svn)
        .ok_or_else(|| Invalid::TcbLevelNone {
            part,
            found: format!("ISVSVN {}", svn[0]),
            lowest: identity.levels.last().map_or("none".to_owned(), |level| {
                format!("ISVSVN {}", level.isv_svn)
            }),
        })?;
    if level.status == ComponentStatus::Revoked {
        return Err(Invalid::TcbRevoked { part });
    }
    Ok(Some(level))
}

/// Clause 4.1.2.4.17.4.3: out of date only because the module was old at launch, and the module of now is the newest.
fn relaunch(
    info: &TcbInfo,
    platform: &Platform,
    status: TcbStatus,
    module: Option<&ModuleLevel>,
    current_svn: &[u8; 16],
    qe_status: ComponentStatus,
) -> TcbStatus {
    let out_of_date = matches!(
        status,
        TcbStatus::OutOfDate | TcbStatus::OutOfDateConfigurationNeeded
    );
    let module_out_of_date =
        module.is_some_and(|module| module.status == ComponentStatus::OutOfDate);
    let sgx_status = info
        .levels
        .iter()
        .find(|level| meets_sgx(platform, level))
        .map(|level| level.status);
    let (Some(sgx_status), true) = (
        sgx_status.filter(|status| is_good(*status)),
        out_of_date && module_out_of_date && qe_status == ComponentStatus::UpToDate,
    ) else {
        return status;
    };
    if !is_latest(info, current_svn) {
        return status;
    }
    if sgx_status.configuration_needed() || status.configuration_needed() {
        TcbStatus::TdRelaunchAdvisedConfigurationNeeded
    } else {
        TcbStatus::TdRelaunchAdvised
    }
}

/// Whether nothing is out of date.
fn is_good(status: TcbStatus) -> bool {
    matches!(
        status,
        TcbStatus::UpToDate
            | TcbStatus::SwHardeningNeeded
            | TcbStatus::ConfigurationNeeded
            | TcbStatus::ConfigurationAndSwHardeningNeeded
    )
}

/// Whether the module of now, and its microcode, are those of the newest level.
fn is_latest(info: &TcbInfo, svn: &[u8; 16]) -> bool {
    let Some(latest) = info.levels.first().and_then(|level| level.tdx) else {
        return false;
    };
    let module = match info.module_identity(svn) {
        // A module without version is not the newest where the newest level has one.
        Ok(None) => (svn[1] >= latest[1]).then_some(latest[0]),
        Ok(Some(identity)) => identity.levels.first().map(|level| level.isv_svn),
        Err(_) => None,
    };
    module.is_some_and(|module| svn[0] >= module) && svn[2] >= latest[2]
}

//! Reference values and TCB policy: is genuine evidence acceptable?
//!
//! Does not live here: how manifests and reference files spell these (stoa-manifest, stoa-client), whether the evidence
//! is genuine (`verify`). Docs: docs/protocol/dcap.md and snp.md, section 4.

mod freshness;
mod infrastructure;
mod minimum;
mod reference;
mod refusal;
mod snp;

use core::time::Duration;
use std::collections::BTreeSet;

use rustls_pki_types::UnixTime;

use crate::claims::{Claims, Origin};
use crate::quote::Body;
use crate::status::TcbStatus;
use crate::tdx::TdxBody;
use crate::verified::Verified;

pub use freshness::{Freshness, freshness};
pub use infrastructure::{Infrastructure, appraise_infrastructures};
pub use minimum::Minimum;
pub use reference::{ReferenceValue, SgxReference, TdxReference};
use refusal::differs;
pub use refusal::{Difference, Refusal, TdProperty};
pub use snp::{SnpPolicy, SnpProperty, SnpReference, SnpTcbMinimum};

/// The coordinator's reference: what a marble or a client holds against its evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Any of these.
    pub identities: Vec<ReferenceValue>,
    /// How current its platform must be.
    pub tcb: TcbPolicy,
    /// The security digest that is accepted; `None` is the default one.
    pub security_digest: Option<[u8; 48]>,
}

/// Which advisories a platform that needs software hardening may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Advisories {
    /// Any.
    #[default]
    All,
    /// These and no others; case does not matter.
    Only(BTreeSet<String>),
}

/// Whether a property that weakens a TD is tolerated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tolerance {
    /// It is not.
    #[default]
    Refuse,
    /// It is.
    Accept,
}

/// What is acceptable beside the measurement. The default is strict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcbPolicy {
    /// Statuses that are accepted; `UpToDate` always is. Default: `UpToDate` and `SWHardeningNeeded`.
    pub accepted: BTreeSet<TcbStatus>,
    /// Looked at if the status is `SWHardeningNeeded` (docs: MarbleRun's AcceptedAdvisories).
    pub advisories: Advisories,
    /// DEBUG attribute, equal both ways: a policy for debug refuses production. Default: false.
    pub debug: bool,
    /// PPIDs, PIIDs and chip ids in lowercase hex on which the code may run; `None` is anywhere.
    pub platforms: Option<Vec<String>>,
    /// Kinds of platform on which the code may run: FMSPC in lowercase hex, or `milan`, `genoa`, `turin`. `None` is
    /// any.
    pub families: Option<Vec<String>>,
    /// What the platform must at least be, whatever its status says.
    pub minimum: Minimum,
    /// How long before its end collateral is [`Freshness::Ending`]. Default: zero.
    pub warn: Duration,
    /// How long after its end collateral is still accepted, as [`Freshness::Grace`]. Default: zero.
    pub grace: Duration,
    /// TDX: the host may profile the TD (attribute bits 4 to 6).
    pub profiling: Tolerance,
    /// TDX: a service TD is bound (MRSERVICETD is not zero) or may be bound (SERVTD_EXT).
    pub service_td: Tolerance,
    /// TDX: the TD may be migrated (MIGRATABLE).
    pub migratable: Tolerance,
    /// TDX: the host may inject #VE (SEPT_VE_DISABLE is off).
    pub sept_ve: Tolerance,
    /// TDX: attribute bits are set that the specification does not define.
    pub reserved_attributes: Tolerance,
    /// SNP: guest policy, privilege level, firmware, revocation.
    pub snp: SnpPolicy,
}

impl Default for TcbPolicy {
    fn default() -> Self {
        Self {
            accepted: BTreeSet::from([TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded]),
            advisories: Advisories::All,
            debug: false,
            platforms: None,
            families: None,
            minimum: Minimum::default(),
            warn: Duration::ZERO,
            grace: Duration::ZERO,
            profiling: Tolerance::Refuse,
            service_td: Tolerance::Refuse,
            migratable: Tolerance::Refuse,
            sept_ve: Tolerance::Refuse,
            reserved_attributes: Tolerance::Refuse,
            snp: SnpPolicy::default(),
        }
    }
}

/// Holds genuine claims against reference values and a policy. Any of the references may fit.
///
/// # Errors
/// The first rule that refuses: [`appraise_code`], then [`appraise_platform`].
pub fn appraise(
    claims: &Verified<Claims>,
    references: &[ReferenceValue],
    policy: &TcbPolicy,
    now: UnixTime,
) -> Result<(), Refusal> {
    appraise_code(claims, references, policy)?;
    appraise_platform(claims, policy, now)
}

/// Is it the code, and does it run as it should?
///
/// # Errors
/// The first rule that refuses, in this order: measurement, debug, attributes of the TD or policy of the SNP guest.
pub fn appraise_code(
    claims: &Verified<Claims>,
    references: &[ReferenceValue],
    policy: &TcbPolicy,
) -> Result<(), Refusal> {
    check_measurement(&claims.body, references, policy)?;
    check_debug(&claims.body, policy)?;
    match &claims.body {
        Body::Sgx(_) => Ok(()),
        Body::Tdx(td) => check_td(td, policy),
        Body::Snp(guest) => policy.snp.check_guest(guest),
    }
}

/// Is the platform accepted, whatever runs on it?
///
/// # Errors
/// The first rule that refuses, in this order: SNP's revocation, aliases and firmware, freshness, TCB status, advisories,
/// minimum, families, platforms.
pub fn appraise_platform(
    claims: &Verified<Claims>,
    policy: &TcbPolicy,
    now: UnixTime,
) -> Result<(), Refusal> {
    match (&claims.body, &claims.origin) {
        (Body::Snp(guest), Origin::Amd(origin)) => policy.snp.check_platform(guest, origin)?,
        (Body::Sgx(_) | Body::Tdx(_), Origin::Intel(_)) => {}
        (body, _) => {
            let found = "a platform of another vendor".to_owned();
            let tried = differs("vendor", format!("that of {}", body.tee()), found);
            return Err(Refusal::MeasurementDiffers {
                tried: tried.into_iter().collect(),
            });
        }
    }
    // Before the status: expired collateral does not know today's.
    freshness(&claims.dates, policy, now)?;
    check_tcb(claims, policy)?;
    policy.minimum.check(claims)?;
    check_families(claims, policy)?;
    check_platforms(claims, policy)
}

fn check_measurement(
    body: &Body,
    references: &[ReferenceValue],
    policy: &TcbPolicy,
) -> Result<(), Refusal> {
    let mut tried = Vec::new();
    for reference in references {
        let difference = match (reference, body) {
            // MarbleRun lets a debug package name nothing; anywhere else that would admit every enclave.
            (ReferenceValue::Sgx(reference), _) if reference.names_nothing() && !policy.debug => {
                differs(
                    "reference",
                    "unique_id or signer_id".to_owned(),
                    "empty".to_owned(),
                )
            }
            (ReferenceValue::Sgx(reference), Body::Sgx(body)) => reference.difference(body),
            (ReferenceValue::Tdx(reference), Body::Tdx(body)) => reference.difference(body),
            (ReferenceValue::Snp(reference), Body::Snp(body)) => reference.difference(body),
            (reference, body) => differs("tee", reference.tee().to_owned(), body.tee().to_owned()),
        };
        match difference {
            None => return Ok(()),
            Some(difference) => tried.push(difference),
        }
    }
    Err(Refusal::MeasurementDiffers { tried })
}

fn check_debug(body: &Body, policy: &TcbPolicy) -> Result<(), Refusal> {
    if body.debug() == policy.debug {
        return Ok(());
    }
    Err(Refusal::DebugNotAccepted {
        wanted: policy.debug,
        found: body.debug(),
    })
}

fn check_td(td: &TdxBody, policy: &TcbPolicy) -> Result<(), Refusal> {
    let attributes = td.td_attributes;
    let service_td = td.v15.as_ref().map_or("no MRSERVICETD".to_owned(), |v15| {
        hex::encode(v15.mr_service_td)
    });
    let found = format!("{:#018x}", attributes.0);
    for (property, weak, tolerance, field, wanted, found) in [
        (
            TdProperty::Profiling,
            attributes.profiling(),
            policy.profiling,
            "TDATTRIBUTES",
            "bits 4 to 6 clear",
            found.clone(),
        ),
        (
            TdProperty::ServiceTd,
            td.service_td(),
            policy.service_td,
            "MRSERVICETD or SERVTD_EXT",
            "zero and bit 17 clear",
            format!("{service_td}, TDATTRIBUTES {found}"),
        ),
        (
            TdProperty::Migratable,
            attributes.migratable(),
            policy.migratable,
            "TDATTRIBUTES",
            "bit 29 clear",
            found.clone(),
        ),
        (
            TdProperty::SeptVe,
            !attributes.sept_ve_disable(),
            policy.sept_ve,
            "TDATTRIBUTES",
            "bit 28 set",
            found.clone(),
        ),
        (
            TdProperty::ReservedAttributes,
            attributes.reserved() != 0,
            policy.reserved_attributes,
            "TDATTRIBUTES",
            "bits 1 to 3, 7 to 15, 23 to 26 and 32 to 61 clear",
            found,
        ),
    ] {
        if weak && tolerance == Tolerance::Refuse {
            return Err(Refusal::TdNotAccepted {
                property,
                field,
                wanted,
                found,
            });
        }
    }
    Ok(())
}

fn check_tcb(claims: &Claims, policy: &TcbPolicy) -> Result<(), Refusal> {
    // AMD gives no status.
    let (Some(tcb), Some(platform)) = (claims.tcb(), claims.platform()) else {
        return Ok(());
    };
    let (status, fmspc) = (tcb.status, hex::encode(platform.fmspc));
    if status != TcbStatus::UpToDate && !policy.accepted.contains(&status) {
        let mut accepted = policy.accepted.clone();
        accepted.insert(TcbStatus::UpToDate);
        return Err(Refusal::TcbNotAccepted {
            fmspc,
            found: status,
            accepted: accepted.into_iter().collect(),
        });
    }
    let Advisories::Only(accepted) = &policy.advisories else {
        return Ok(());
    };
    let found: Vec<String> = tcb
        .advisories
        .iter()
        .filter(|found| {
            !accepted
                .iter()
                .any(|accepted| accepted.eq_ignore_ascii_case(found))
        })
        .cloned()
        .collect();
    if status != TcbStatus::SwHardeningNeeded || found.is_empty() {
        return Ok(());
    }
    Err(Refusal::AdvisoryNotAccepted {
        fmspc,
        status,
        found,
        accepted: accepted.iter().cloned().collect(),
    })
}

fn check_families(claims: &Claims, policy: &TcbPolicy) -> Result<(), Refusal> {
    let family = match &claims.origin {
        Origin::Intel(origin) => hex::encode(origin.platform.fmspc),
        Origin::Amd(origin) => origin.product.name().to_lowercase(),
    };
    match &policy.families {
        Some(listed) if !listed.contains(&family) => Err(Refusal::FamilyNotListed {
            found: family,
            listed: listed.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_platforms(claims: &Claims, policy: &TcbPolicy) -> Result<(), Refusal> {
    let Some(listed) = &policy.platforms else {
        return Ok(());
    };
    let has = |id: &String| listed.contains(id);
    match &claims.origin {
        Origin::Intel(origin) => {
            let ppid = hex::encode(origin.platform.ppid);
            let piid = origin.platform.piid.map(hex::encode);
            if has(&ppid) || piid.as_ref().is_some_and(has) {
                return Ok(());
            }
            Err(Refusal::PlatformNotListed {
                ppid,
                piid,
                listed: listed.len(),
            })
        }
        Origin::Amd(origin) => {
            // The zeros behind a short id may be left away.
            let len = origin.product.chip_id_len();
            let chip_id = origin.chip_id.map(hex::encode);
            let short = origin.chip_id.map(|id| hex::encode(&id[..len]));
            if chip_id.as_ref().is_some_and(has) || short.as_ref().is_some_and(has) {
                return Ok(());
            }
            Err(Refusal::ChipNotListed {
                chip_id: short,
                listed: listed.len(),
            })
        }
    }
}

//! Reference values and TCB policy: is genuine evidence acceptable?
//!
//! Does not live here: how manifests and reference files spell these (stoa-manifest, stoa-client), whether the evidence
//! is genuine (`verify`). Docs: docs/protocol/dcap.md, section 4.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeSet;

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;

use crate::claims::Claims;
use crate::dates::Utc;
use crate::invalid::Dated;
use crate::quote::Body;
use crate::sgx::SgxBody;
use crate::status::TcbStatus;
use crate::tdx::TdxBody;
use crate::verified::Verified;

/// What the code inside must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceValue {
    /// An SGX enclave.
    Sgx(SgxReference),
    /// A trust domain.
    Tdx(TdxReference),
}

/// An SGX enclave by what was loaded, or by who signed it. Absent fields are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SgxReference {
    /// MRENCLAVE, equal.
    pub unique_id: Option<[u8; 32]>,
    /// MRSIGNER, equal.
    pub signer_id: Option<[u8; 32]>,
    /// ISVPRODID, equal.
    pub product_id: Option<u16>,
    /// ISVSVN, at least.
    pub security_version: Option<u16>,
}

/// A trust domain by its initial contents and what it measured later. Absent registers are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TdxReference {
    /// MRTD, one of these.
    pub mrtd: Vec<[u8; 48]>,
    /// RTMR0 to RTMR3, equal.
    pub rtmr: [Option<[u8; 48]>; 4],
}

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
    /// PPIDs and PIIDs in lowercase hex on which the code may run; `None` is anywhere.
    pub platforms: Option<Vec<String>>,
    /// How long after its end collateral is still accepted. Default: zero.
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
}

impl Default for TcbPolicy {
    fn default() -> Self {
        Self {
            accepted: BTreeSet::from([TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded]),
            advisories: Advisories::All,
            debug: false,
            platforms: None,
            grace: Duration::ZERO,
            profiling: Tolerance::Refuse,
            service_td: Tolerance::Refuse,
            migratable: Tolerance::Refuse,
            sept_ve: Tolerance::Refuse,
            reserved_attributes: Tolerance::Refuse,
        }
    }
}

/// One field in which the evidence differs from one reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as references name it: `unique_id`, `rtmr2`.
    pub field: &'static str,
    /// What the reference has.
    pub wanted: String,
    /// What the evidence has.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, wanted {}",
            self.field, self.found, self.wanted
        )
    }
}

/// Why an appraisal refused evidence whose signatures are good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No reference fits; one entry for each that was tried.
    #[error("{}", measurement_text(tried))]
    MeasurementDiffers {
        /// Where each reference failed, in the order of the references.
        tried: Vec<Difference>,
    },
    /// DEBUG is not as the policy wants.
    #[error("DEBUG attribute is {found}, wanted {wanted}")]
    DebugNotAccepted {
        /// What the policy wants.
        wanted: bool,
        /// What the evidence has.
        found: bool,
    },
    /// A status outside the accepted ones.
    #[error(
        "TCB status of platform {fmspc} is {found}, accepted are {}",
        list(accepted)
    )]
    TcbNotAccepted {
        /// The platform's FMSPC, lowercase hex.
        fmspc: String,
        /// The status.
        found: TcbStatus,
        /// The accepted ones.
        accepted: Vec<TcbStatus>,
    },
    /// An advisory outside the accepted ones.
    #[error("advisories {} apply to platform {fmspc} (status {status}), accepted are {}", found.join(", "), list(accepted))]
    AdvisoryNotAccepted {
        /// The platform's FMSPC, lowercase hex.
        fmspc: String,
        /// The status that makes advisories count.
        status: TcbStatus,
        /// Those that apply and are not accepted.
        found: Vec<String>,
        /// The accepted ones.
        accepted: Vec<String>,
    },
    /// A TD whose attributes weaken it.
    #[error("TD {property}: {field} is {found}, wanted {wanted}")]
    TdNotAccepted {
        /// Which property.
        property: TdProperty,
        /// The field of the report.
        field: &'static str,
        /// What the policy wants.
        wanted: &'static str,
        /// What the report has.
        found: String,
    },
    /// A platform outside the allow-list.
    #[error("platform with PPID {ppid} and PIID {} is not listed; {listed} platforms are", piid.as_deref().unwrap_or("none"))]
    PlatformNotListed {
        /// PPID, lowercase hex.
        ppid: String,
        /// PIID, lowercase hex.
        piid: Option<String>,
        /// How many platforms the list has.
        listed: usize,
    },
    /// Collateral that ended, and the grace is over.
    #[error("collateral expired: {object} held until {}, now is {} ({} s of grace)", Utc(*until), Utc(*now), grace.as_secs())]
    CollateralExpired {
        /// The object that ended first.
        object: Dated,
        /// Its last second.
        until: UnixTime,
        /// The time of the appraisal.
        now: UnixTime,
        /// The grace that the policy gives.
        grace: Duration,
    },
}

/// A property of a TD that a policy must tolerate expressly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TdProperty {
    /// [`TcbPolicy::profiling`].
    Profiling,
    /// [`TcbPolicy::service_td`].
    ServiceTd,
    /// [`TcbPolicy::migratable`].
    Migratable,
    /// [`TcbPolicy::sept_ve`].
    SeptVe,
    /// [`TcbPolicy::reserved_attributes`].
    ReservedAttributes,
}

impl fmt::Display for TdProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TdProperty::Profiling => "can be profiled by the host",
            TdProperty::ServiceTd => "has or may get a service TD",
            TdProperty::Migratable => "can be migrated",
            TdProperty::SeptVe => "can be sent #VE by the host",
            TdProperty::ReservedAttributes => "has unknown attributes",
        })
    }
}

impl Refusal {
    /// The rule's name, which may be told to a peer that has proved nothing; wanted values may not.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Refusal::MeasurementDiffers { .. } => "measurement",
            Refusal::DebugNotAccepted { .. } => "debug",
            Refusal::TcbNotAccepted { .. } => "tcb status",
            Refusal::AdvisoryNotAccepted { .. } => "advisories",
            Refusal::TdNotAccepted { property, .. } => match property {
                TdProperty::Profiling => "profiling",
                TdProperty::ServiceTd => "service TD",
                TdProperty::Migratable => "migration",
                TdProperty::SeptVe => "SEPT_VE_DISABLE",
                TdProperty::ReservedAttributes => "reserved attributes",
            },
            Refusal::PlatformNotListed { .. } => "platforms",
            Refusal::CollateralExpired { .. } => "freshness",
        }
    }
}

impl Explain for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::MeasurementDiffers { .. } => "measurement-differs",
            Refusal::DebugNotAccepted { .. } => "debug-not-accepted",
            Refusal::TcbNotAccepted { .. } => "tcb-not-accepted",
            Refusal::AdvisoryNotAccepted { .. } => "advisory-not-accepted",
            Refusal::TdNotAccepted { property, .. } => match property {
                TdProperty::Profiling => "td-profiling-not-accepted",
                TdProperty::ServiceTd => "service-td-not-accepted",
                TdProperty::Migratable => "td-migratable-not-accepted",
                TdProperty::SeptVe => "td-sept-ve-not-accepted",
                TdProperty::ReservedAttributes => "td-attributes-not-accepted",
            },
            Refusal::PlatformNotListed { .. } => "platform-not-listed",
            Refusal::CollateralExpired { .. } => "collateral-expired",
        }
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

/// Holds genuine claims against reference values and a policy. Any of the references may fit.
///
/// # Errors
/// The first rule that refuses, in this order: measurement, debug, TD attributes, freshness, TCB status, advisories,
/// platforms.
pub fn appraise(
    claims: &Verified<Claims>,
    references: &[ReferenceValue],
    policy: &TcbPolicy,
    now: UnixTime,
) -> Result<(), Refusal> {
    check_measurement(&claims.body, references, policy)?;
    check_debug(&claims.body, policy)?;
    if let Body::Tdx(td) = &claims.body {
        check_td(td, policy)?;
    }
    // Before the status: expired collateral does not know today's.
    check_freshness(claims, policy, now)?;
    check_tcb(claims, policy)?;
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
            (ReferenceValue::Sgx(_), Body::Tdx(_)) => {
                differs("tee", "sgx".to_owned(), "tdx".to_owned())
            }
            (ReferenceValue::Tdx(_), Body::Sgx(_)) => {
                differs("tee", "tdx".to_owned(), "sgx".to_owned())
            }
        };
        match difference {
            None => return Ok(()),
            Some(difference) => tried.push(difference),
        }
    }
    Err(Refusal::MeasurementDiffers { tried })
}

impl SgxReference {
    fn names_nothing(&self) -> bool {
        self.unique_id.is_none() && self.signer_id.is_none()
    }

    /// The first field in which `body` differs.
    fn difference(&self, body: &SgxBody) -> Option<Difference> {
        let bytes = |field, wanted: Option<[u8; 32]>, found: [u8; 32]| {
            wanted
                .filter(|wanted| *wanted != found)
                .and_then(|wanted| differs(field, hex::encode(wanted), hex::encode(found)))
        };
        bytes("unique_id", self.unique_id, body.mr_enclave)
            .or_else(|| bytes("signer_id", self.signer_id, body.mr_signer))
            .or_else(|| {
                let wanted = self
                    .product_id
                    .filter(|wanted| *wanted != body.isv_prod_id)?;
                differs(
                    "product_id",
                    wanted.to_string(),
                    body.isv_prod_id.to_string(),
                )
            })
            .or_else(|| {
                let wanted = self
                    .security_version
                    .filter(|wanted| *wanted > body.isv_svn)?;
                differs(
                    "security_version",
                    format!("at least {wanted}"),
                    body.isv_svn.to_string(),
                )
            })
    }
}

impl TdxReference {
    /// The first register in which `body` differs.
    fn difference(&self, body: &TdxBody) -> Option<Difference> {
        if !self.mrtd.contains(&body.mr_td) {
            let wanted: Vec<String> = self.mrtd.iter().map(hex::encode).collect();
            return differs("mrtd", list(&wanted), hex::encode(body.mr_td));
        }
        let names = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        names
            .into_iter()
            .zip(self.rtmr)
            .zip(body.rtmr)
            .find_map(|((name, wanted), found)| {
                let wanted = wanted.filter(|wanted| *wanted != found)?;
                differs(name, hex::encode(wanted), hex::encode(found))
            })
    }
}

fn differs(field: &'static str, wanted: String, found: String) -> Option<Difference> {
    Some(Difference {
        field,
        wanted,
        found,
    })
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
    let (status, fmspc) = (claims.tcb.status, hex::encode(claims.platform.fmspc));
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
    let found: Vec<String> = claims
        .tcb
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

fn check_platforms(claims: &Claims, policy: &TcbPolicy) -> Result<(), Refusal> {
    let Some(listed) = &policy.platforms else {
        return Ok(());
    };
    let ppid = hex::encode(claims.platform.ppid);
    let piid = claims.platform.piid.map(hex::encode);
    if listed
        .iter()
        .any(|entry| *entry == ppid || Some(entry) == piid.as_ref())
    {
        return Ok(());
    }
    Err(Refusal::PlatformNotListed {
        ppid,
        piid,
        listed: listed.len(),
    })
}

fn check_freshness(claims: &Claims, policy: &TcbPolicy, now: UnixTime) -> Result<(), Refusal> {
    let late = UnixTime::since_unix_epoch(Duration::from_secs(
        now.as_secs().saturating_sub(policy.grace.as_secs()),
    ));
    match claims.dates.expired(late).first() {
        None => Ok(()),
        Some((object, window)) => Err(Refusal::CollateralExpired {
            object: *object,
            until: window.until,
            now,
            grace: policy.grace,
        }),
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn measurement_text(tried: &[Difference]) -> String {
    if tried.is_empty() {
        return "measurement can't be accepted: no reference value was given".to_owned();
    }
    let each: Vec<String> = tried
        .iter()
        .enumerate()
        .map(|(at, difference)| format!("reference {}: {difference}", at + 1))
        .collect();
    format!(
        "measurement differs from each reference: {}",
        each.join("; ")
    )
}

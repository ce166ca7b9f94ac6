//! Why an appraisal refused genuine evidence: rule, what was wanted, what was found.

use core::fmt;
use core::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;

use crate::dates::Utc;
use crate::invalid::Dated;
use crate::policy::snp::SnpProperty;
use crate::product::Product;
use crate::status::TcbStatus;

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
    /// A platform below the policy's minimum.
    #[error("{field} is {found}, wanted at least {wanted}")]
    BelowMinimum {
        /// The field of evidence or collateral.
        field: &'static str,
        /// The least that the policy accepts.
        wanted: String,
        /// What was found.
        found: String,
    },
    /// A kind of platform outside the list.
    #[error("platform is of family {found}, accepted are {}", list(listed))]
    FamilyNotListed {
        /// The platform's FMSPC, lowercase hex.
        found: String,
        /// The accepted ones.
        listed: Vec<String>,
    },
    /// No infrastructure fits; one entry for each that was tried.
    #[error("no infrastructure fits: {}", infrastructures_text(tried))]
    InfrastructureDiffers {
        /// Name of each infrastructure, and where it failed.
        tried: Vec<(String, Difference)>,
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
    /// A chip outside the allow-list.
    #[error("chip with id {} is not listed; {listed} platforms are", chip_id.as_deref().unwrap_or("masked by its host"))]
    ChipNotListed {
        /// Chip id, lowercase hex; `None` if it is masked.
        chip_id: Option<String>,
        /// How many platforms the list has.
        listed: usize,
    },
    /// An SNP guest or its platform that is weaker than the policy allows.
    #[error("{property}: {field} is {found}, wanted {wanted}")]
    SnpNotAccepted {
        /// Which property.
        property: SnpProperty,
        /// The field of the report.
        field: &'static str,
        /// What the policy wants.
        wanted: String,
        /// What the report has.
        found: String,
    },
    /// The collateral has no revocation list.
    #[error("the collateral for {product} has no revocation list, wanted one")]
    RevocationUnknown {
        /// The product whose list is missing.
        product: Product,
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
    /// [`crate::TcbPolicy::profiling`].
    Profiling,
    /// [`crate::TcbPolicy::service_td`].
    ServiceTd,
    /// [`crate::TcbPolicy::migratable`].
    Migratable,
    /// [`crate::TcbPolicy::sept_ve`].
    SeptVe,
    /// [`crate::TcbPolicy::reserved_attributes`].
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
            Refusal::BelowMinimum { .. } => "minimum TCB",
            Refusal::FamilyNotListed { .. } => "families",
            Refusal::InfrastructureDiffers { .. } => "infrastructures",
            Refusal::PlatformNotListed { .. } | Refusal::ChipNotListed { .. } => "platforms",
            Refusal::SnpNotAccepted { property, .. } => match property {
                SnpProperty::Migratable => "migration",
                SnpProperty::Smt => "SMT",
                SnpProperty::SeveralSockets => "single socket",
                SnpProperty::Abi => "ABI version",
                SnpProperty::Vmpl => "VMPL",
                SnpProperty::UncheckedAliases => "alias check",
            },
            Refusal::RevocationUnknown { .. } => "revocation",
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
            Refusal::BelowMinimum { .. } => "tcb-below-minimum",
            Refusal::FamilyNotListed { .. } => "family-not-listed",
            Refusal::InfrastructureDiffers { .. } => "infrastructure-differs",
            Refusal::PlatformNotListed { .. } | Refusal::ChipNotListed { .. } => {
                "platform-not-listed"
            }
            Refusal::SnpNotAccepted { property, .. } => match property {
                SnpProperty::Migratable => "snp-migratable-not-accepted",
                SnpProperty::Smt => "snp-smt-not-accepted",
                SnpProperty::SeveralSockets => "snp-sockets-not-accepted",
                SnpProperty::Abi => "snp-abi-not-accepted",
                SnpProperty::Vmpl => "snp-vmpl-not-accepted",
                SnpProperty::UncheckedAliases => "snp-alias-check-missing",
            },
            Refusal::RevocationUnknown { .. } => "revocation-unknown",
            Refusal::CollateralExpired { .. } => "collateral-expired",
        }
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

pub(crate) fn differs(field: &'static str, wanted: String, found: String) -> Option<Difference> {
    Some(Difference {
        field,
        wanted,
        found,
    })
}

pub(crate) fn list<T: fmt::Display>(items: &[T]) -> String {
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

fn infrastructures_text(tried: &[(String, Difference)]) -> String {
    let each: Vec<String> = tried
        .iter()
        .map(|(name, difference)| format!("`{name}`: {difference}"))
        .collect();
    each.join("; ")
}

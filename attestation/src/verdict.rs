//! What a verification comes to in the four words of the test vectors, and the class of what failed.
//!
//! One table for the tests and for `stoa evidence verify`: tests/vectors/README.md has the words. Every error names its
//! verdict and its classes here, so one that is added can't be forgotten.
//! Does not live here: the checks (`verify`), the rules of a policy (`policy`), codes and remedies (`invalid`, `policy`).

use core::fmt;
use std::collections::BTreeSet;

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;

use crate::claims::Claims;
use crate::invalid::{CrlName, Invalid, Role};
use crate::kind::Kind;
use crate::policy::{
    ReferenceValue, Refusal, SnpPolicy, SnpProperty, TcbPolicy, TdProperty, Tolerance, appraise,
};
use crate::status::{ComponentStatus, TcbStatus};
use crate::tcb::Tcb;
use crate::verified::Verified;

/// What evidence with its collateral is, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Evidence and collateral hold; the TCB status is the policy's to judge.
    Genuine,
    /// Genuine, with a property that a policy must accept expressly.
    Policy,
    /// Only dates of collateral are wrong. A grace may accept what expired, never what is not yet valid.
    Freshness,
    /// Refused under every policy.
    Never,
}

impl Verdict {
    /// `genuine`, `policy`, `freshness` or `never`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Genuine => "genuine",
            Verdict::Policy => "policy",
            Verdict::Freshness => "freshness",
            Verdict::Never => "never",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The verdict on genuine claims, with the rule that stands against `genuine`.
///
/// Measurements are not compared and every TCB status is taken: what remains is what the evidence itself has about it.
#[must_use]
pub fn verdict(claims: &Verified<Claims>, now: UnixTime) -> (Verdict, Option<Refusal>) {
    let itself = [ReferenceValue::exactly(&claims.body)];
    let any_status = TcbPolicy {
        accepted: TcbStatus::all().collect(),
        snp: snp_of_vectors(),
        ..TcbPolicy::default()
    };
    if let Err(refusal) = appraise(claims, &itself, &any_status, now) {
        return (refusal.verdict(), Some(refusal));
    }
    let up_to_date = |tcb: &Tcb| tcb.qe_status == ComponentStatus::UpToDate;
    if claims.tcb().is_none_or(up_to_date) {
        return (Verdict::Genuine, None);
    }
    let up_to_date = TcbPolicy {
        accepted: BTreeSet::new(),
        ..TcbPolicy::default()
    };
    let refusal = appraise(claims, &itself, &up_to_date, now).err();
    (Verdict::Policy, refusal)
}

/// What a vector's SNP evidence is not held to: it was captured without revocation lists, on firmware from before the
/// check for aliases, and in a cloud whose guests run at VMPL 1.
#[must_use]
pub fn snp_of_vectors() -> SnpPolicy {
    SnpPolicy {
        vmpl_max: 1,
        unchecked_aliases: Tolerance::Accept,
        no_crl: Tolerance::Accept,
        ..SnpPolicy::default()
    }
}

impl Invalid {
    /// [`Verdict::Never`], but for dates of collateral alone.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Invalid::CollateralNotYetValid { .. } => Verdict::Freshness,
            _ => Verdict::Never,
        }
    }

    /// The class of the failure: the first of [`Invalid::vector_classes`], else the code with `_` for `-`.
    #[must_use]
    pub fn failure_class(&self) -> String {
        class_name(self.vector_classes(), self)
    }

    /// The failure classes of vectors than which this error is no less precise.
    #[must_use]
    pub fn vector_classes(&self) -> &'static [&'static str] {
        match self {
            // The evidence's form
            Invalid::Malformed { .. } => &["malformed", "malformed_or_signature_invalid"],
            Invalid::BodyType { .. } => &["malformed"],
            Invalid::QuoteVersion { .. } => &["unsupported_version"],
            Invalid::AttestationKeyType { .. } => &["unsupported_attestation_key_type"],
            Invalid::TeeType { .. } => &["unsupported_tee_type"],
            Invalid::CertificationData { .. } => &["unsupported_certification_data_type"],
            // Its signatures and chain
            Invalid::QuoteSignature => {
                &["quote_signature_invalid", "malformed_or_signature_invalid"]
            }
            // Known before any signature is looked at; a vector sees the signature that breaks with it.
            Invalid::QeVendor { .. } => &["quote_signature_invalid"],
            Invalid::QeReportSignature => &["qe_report_signature_invalid"],
            Invalid::QeReportData { .. } => &["qe_report_data_binding"],
            Invalid::ChainIncomplete { .. } => &["chain_incomplete"],
            Invalid::RootUntrusted { .. } => &["untrusted_root"],
            Invalid::Revoked { role, .. } => match role {
                Role::Root | Role::Ark | Role::Vek => &[],
                Role::PckCa | Role::Ask => &["intermediate_ca_revoked"],
                Role::Pck => &["pck_revoked"],
                Role::TcbInfoSigner | Role::QeIdentitySigner => &["tcb_signing_cert_revoked"],
            },
            Invalid::CertificateNotYetValid { role, .. } => match role {
                Role::Pck => &["pck_certificate_not_yet_valid"],
                _ => &[],
            },
            Invalid::QeDiffers { .. } | Invalid::QeIdentityTee { .. } => &["qe_identity_mismatch"],
            // The collateral
            Invalid::TcbInfoSignature => &["tcb_info_signature_invalid"],
            Invalid::QeIdentitySignature => &["qe_identity_signature_invalid"],
            Invalid::CrlSignature { crl } => match crl {
                CrlName::Root => &["root_crl_invalid"],
                CrlName::Pck => &["pck_crl_signature_invalid"],
                CrlName::Ark => &[],
            },
            Invalid::CrlIssuer { crl, .. } => match crl {
                CrlName::Root => &["root_crl_invalid"],
                CrlName::Pck | CrlName::Ark => &[],
            },
            Invalid::FmspcDiffers { .. } => &["fmspc_mismatch", "fmspc_mismatch_or_unsupported"],
            Invalid::TcbInfoVersion { .. } => {
                &["legacy_tcb_info_v2", "fmspc_mismatch_or_unsupported"]
            }
            Invalid::CollateralTee { .. } => &["tee_type_mismatch"],
            Invalid::TdxModuleDiffers { .. } => &["tdx_module_mismatch"],
            Invalid::TcbLevelNone { .. } => &["no_matching_tcb_level"],
            Invalid::TcbStatusUnknown { .. } => &["tcb_status_unrecognised"],
            Invalid::TcbRevoked { .. } => &["tcb_revoked"],
            Invalid::CollateralNotYetValid { .. } => &["collateral_not_yet_valid"],
            // SNP
            Invalid::SnpReportVersion { .. } => &["unsupported_version_or_signature_invalid"],
            Invalid::SnpSignatureAlgorithm { .. } => &["unsupported_signature_algorithm"],
            Invalid::ReportSignature => &[
                "report_signature_invalid",
                "unsupported_version_or_signature_invalid",
            ],
            Invalid::CertificateSignature { role: Role::Vek } => &["vek_certificate_untrusted"],
            Invalid::CertificateProfile {
                role: Role::Vek, ..
            } => &["vek_certificate_untrusted"],
            Invalid::SnpProductDiffers { .. } => &["vek_certificate_untrusted"],
            Invalid::VekKindDiffers { .. } => &["vek_kind_mismatch"],
            Invalid::HardwareIdDiffers { .. } => &["hwid_mismatch"],
            Invalid::ReportedTcbDiffers { .. } => &["tcb_mismatch"],
            Invalid::CertificateExpired {
                role: Role::Vek, ..
            } => &["vek_certificate_expired"],
            // No vector has a word for these.
            Invalid::VekMissing { .. }
            | Invalid::VekExtension { .. }
            | Invalid::SnpSigningKey { .. }
            | Invalid::SnpProductUnknown { .. }
            | Invalid::TooLarge { .. }
            | Invalid::ExpectedZero
            | Invalid::AlgorithmMissing { .. }
            | Invalid::KindUnsupported { .. }
            | Invalid::KindDiffers { .. }
            | Invalid::OpenEnclave { .. }
            | Invalid::CollateralMalformed { .. }
            | Invalid::ChainMalformed { .. }
            | Invalid::CertificateMalformed { .. }
            | Invalid::CertificateProfile { .. }
            | Invalid::CollateralAnchor { .. }
            | Invalid::CertificateSignature { .. }
            | Invalid::CrlMalformed { .. }
            | Invalid::TcbInfoMalformed { .. }
            | Invalid::QeIdentityMalformed { .. }
            | Invalid::PckCrlOfOtherCa { .. }
            | Invalid::PckExtension { .. }
            | Invalid::PceIdDiffers { .. }
            | Invalid::ReportDataDiffers { .. }
            | Invalid::CertificateExpired { .. } => &[],
        }
    }
}

impl Refusal {
    /// [`Verdict::Policy`], but for dates of collateral.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Refusal::CollateralExpired { .. } => Verdict::Freshness,
            _ => Verdict::Policy,
        }
    }

    /// The class of the failure: the first of [`Refusal::vector_classes`], else the code with `_` for `-`.
    #[must_use]
    pub fn failure_class(&self, kind: Kind) -> String {
        class_name(self.vector_classes(kind), self)
    }

    /// The failure classes of vectors than which this refusal of evidence of that kind is no less precise.
    #[must_use]
    pub fn vector_classes(&self, kind: Kind) -> &'static [&'static str] {
        match self {
            Refusal::CollateralExpired { .. } => &["collateral_expired"],
            Refusal::DebugNotAccepted { .. } => match kind {
                Kind::SgxDcap => &["debug_enclave"],
                Kind::TdxDcap => &["debug_td"],
                Kind::Snp => &["debug_guest"],
                Kind::Tpm => &[],
            },
            Refusal::TdNotAccepted { property, .. } => match property {
                TdProperty::ServiceTd => &["mr_service_td_nonzero"],
                TdProperty::SeptVe => &["out_of_date_and_sept_ve_disable_off"],
                TdProperty::Profiling | TdProperty::Migratable | TdProperty::ReservedAttributes => {
                    &[]
                }
            },
            Refusal::TcbNotAccepted { .. } => {
                &["qe_out_of_date", "out_of_date_and_sept_ve_disable_off"]
            }
            Refusal::SnpNotAccepted { property, .. } => match property {
                SnpProperty::Migratable => &["migration_agent_allowed"],
                SnpProperty::Vmpl => &["vmpl_not_allowed"],
                _ => &[],
            },
            Refusal::MeasurementDiffers { .. }
            | Refusal::RevocationUnknown { .. }
            | Refusal::ChipNotListed { .. }
            | Refusal::AdvisoryNotAccepted { .. }
            | Refusal::BelowMinimum { .. }
            | Refusal::FamilyNotListed { .. }
            | Refusal::InfrastructureDiffers { .. }
            | Refusal::PlatformNotListed { .. } => &[],
        }
    }
}

fn class_name(classes: &[&str], error: &dyn Explain) -> String {
    classes.first().map_or_else(
        || error.code().replace('-', "_"),
        |class| (*class).to_owned(),
    )
}

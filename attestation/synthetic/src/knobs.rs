//! What can be wrong with a synthetic platform: TCB status, revocations, dates, flipped bytes.
//!
//! Faults live in what the platform is or says, never in a verifier: a verifier under test meets real formats.

use std::fmt;
use std::str::FromStr;

/// What a program runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramTee {
    /// An SGX enclave; quotes v3.
    Sgx,
    /// A TDX trust domain; quotes v4.
    Tdx,
    /// A guest under SEV-SNP; reports v3.
    Snp,
}

impl ProgramTee {
    /// `sgx`, `tdx` or `snp`, as in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
        }
    }

    /// The evidence kind on the wire: 1 sgx-dcap, 2 tdx-dcap, 3 snp (docs/protocol/attest-1.md, 1).
    #[must_use]
    pub fn kind_number(self) -> u16 {
        match self {
            Self::Sgx => 1,
            Self::Tdx => 2,
            Self::Snp => 3,
        }
    }
}

/// Which of Intel's TEEs a quote and its collateral are of.
///
/// A type of this crate, so that the unit tests of `stoa-attestation` can name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tee {
    /// An SGX enclave; quotes v3.
    Sgx,
    /// A TDX trust domain; quotes v4.
    Tdx,
}

impl Tee {
    /// `sgx` or `tdx`, as in configurations and URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
        }
    }
}

/// The TCB status of a platform.
///
/// TCB info always holds one level for each status; the SVNs in the PCK certificate say which of them the platform
/// reaches, as on hardware. So platforms of different status share one TCB info.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum PlatformTcb {
    /// `UpToDate`.
    #[default]
    UpToDate,
    /// `SWHardeningNeeded`.
    SwHardeningNeeded,
    /// `ConfigurationNeeded`.
    ConfigurationNeeded,
    /// `ConfigurationAndSWHardeningNeeded`.
    ConfigurationAndSwHardeningNeeded,
    /// `OutOfDate`.
    OutOfDate,
    /// `OutOfDateConfigurationNeeded`.
    OutOfDateConfigurationNeeded,
    /// `Revoked`.
    Revoked,
    /// SVNs below every level of TCB info: a verifier finds no level.
    BelowAllLevels,
}

impl PlatformTcb {
    /// Every status that has a level in TCB info, best first.
    pub const LEVELS: [Self; 7] = [
        Self::UpToDate,
        Self::SwHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSwHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
        Self::Revoked,
    ];

    /// The vendor's spelling in TCB info.
    #[must_use]
    pub fn vendor_name(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
            Self::BelowAllLevels => "below-all-levels",
        }
    }

    /// The spelling in configurations and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::SwHardeningNeeded => "sw-hardening-needed",
            Self::ConfigurationNeeded => "configuration-needed",
            Self::ConfigurationAndSwHardeningNeeded => "configuration-and-sw-hardening-needed",
            Self::OutOfDate => "out-of-date",
            Self::OutOfDateConfigurationNeeded => "out-of-date-configuration-needed",
            Self::Revoked => "revoked",
            Self::BelowAllLevels => "below-all-levels",
        }
    }

    /// The SVN of the platform's microcode components at this status; one step for each level.
    pub(crate) fn svn(self) -> u8 {
        match self {
            Self::UpToDate => 12,
            Self::SwHardeningNeeded => 11,
            Self::ConfigurationNeeded => 10,
            Self::ConfigurationAndSwHardeningNeeded => 9,
            Self::OutOfDate => 8,
            Self::OutOfDateConfigurationNeeded => 7,
            Self::Revoked => 6,
            Self::BelowAllLevels => 5,
        }
    }

    /// Advisories that TCB info names at this level.
    #[must_use]
    pub fn advisories(self) -> &'static [&'static str] {
        match self {
            Self::UpToDate | Self::BelowAllLevels => &[],
            Self::SwHardeningNeeded => &["INTEL-SA-00615"],
            Self::ConfigurationNeeded => &["INTEL-SA-00289"],
            Self::ConfigurationAndSwHardeningNeeded => &["INTEL-SA-00289", "INTEL-SA-00615"],
            Self::OutOfDate => &["INTEL-SA-00615", "INTEL-SA-00828"],
            Self::OutOfDateConfigurationNeeded | Self::Revoked => {
                &["INTEL-SA-00289", "INTEL-SA-00615", "INTEL-SA-00828"]
            }
        }
    }
}

impl FromStr for PlatformTcb {
    type Err = UnknownName;

    /// Takes our spelling (`out-of-date`) and the vendor's (`OutOfDate`).
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::LEVELS
            .into_iter()
            .chain([Self::BelowAllLevels])
            .find(|status| text == status.name() || text == status.vendor_name())
            .ok_or_else(|| {
                UnknownName::new(
                    "TCB status",
                    text,
                    "up-to-date, sw-hardening-needed, configuration-needed, \
                     configuration-and-sw-hardening-needed, out-of-date, out-of-date-configuration-needed, revoked, \
                     below-all-levels",
                )
            })
    }
}

impl fmt::Display for PlatformTcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of the vendor's two PCK CAs certified the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PckCa {
    /// `Intel SGX PCK Platform CA`: multi-package platforms, with instance id and configuration.
    #[default]
    Platform,
    /// `Intel SGX PCK Processor CA`.
    Processor,
}

impl PckCa {
    /// `platform` or `processor`, as in the CRL's URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Processor => "processor",
        }
    }
}

/// A certificate that the vendor's CRLs can name as revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revoked {
    /// The platform's PCK leaf, at every TCB status (PCK CRL).
    Pck,
    /// The PCK CA (root CRL).
    PckCa,
    /// The signer of TCB info and QE identity (root CRL).
    TcbSigner,
    /// SNP's ASK (the ARK's list).
    Ask,
    /// The VCEK of the chip at its TCB (the ARK's list).
    Vcek,
}

impl FromStr for Revoked {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "pck" => Ok(Self::Pck),
            "pck-ca" => Ok(Self::PckCa),
            "tcb-signer" => Ok(Self::TcbSigner),
            "ask" => Ok(Self::Ask),
            "vcek" => Ok(Self::Vcek),
            _ => Err(UnknownName::new(
                "certificate to revoke",
                text,
                "pck, pck-ca, tcb-signer, ask, vcek",
            )),
        }
    }
}

/// One byte of the finished evidence that is changed on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// Offset in the quote; beyond its end nothing changes.
    pub byte: usize,
    /// XORed into that byte.
    pub mask: u8,
}

/// Everything about a platform that a test can turn. The default is a flawless platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knobs {
    /// What the platform's SVNs reach in TCB info.
    pub tcb: PlatformTcb,
    /// Platform model; TCB info is per model.
    pub fmspc: [u8; 6],
    /// The CA of the PCK certificate.
    pub pck_ca: PckCa,
    /// What the CRLs name as revoked.
    pub revoked: Vec<Revoked>,
    /// End of the PCK leaf's validity, Unix seconds; `None` = 2049-12-31.
    pub pck_not_after: Option<u64>,
    /// From issue date to next update of collateral, in seconds.
    pub collateral_lifetime_secs: u64,
    /// Moves all dates of collateral: negative = older (expired when beyond the lifetime), positive = not yet valid.
    pub collateral_shift_secs: i64,
    /// `tcbEvaluationDataNumber` of TCB info and QE identity.
    pub tcb_evaluation_number: u32,
    /// ISVSVN of the quoting enclaves; 8 and up is up to date, 6 and 7 out of date, below none.
    pub qe_isv_svn: u16,
    /// Changed in every quote after it was signed.
    pub flip: Option<Flip>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            tcb: PlatformTcb::UpToDate,
            // Decimal digits only: verifiers disagree on the case of letters in TCB info.
            fmspc: [0x00, 0x90, 0x67, 0x11, 0x00, 0x00],
            pck_ca: PckCa::Platform,
            revoked: Vec::new(),
            pck_not_after: None,
            collateral_lifetime_secs: 30 * 24 * 3600,
            collateral_shift_secs: 0,
            tcb_evaluation_number: 20,
            qe_isv_svn: 8,
            flip: None,
        }
    }
}

/// A name in a configuration or on the command line that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is no {what}; known are {known}")]
pub struct UnknownName {
    what: &'static str,
    got: String,
    known: &'static str,
}

impl UnknownName {
    fn new(what: &'static str, got: &str, known: &'static str) -> Self {
        Self {
            what,
            got: got.to_owned(),
            known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_two_spellings_and_its_own_svn() {
        let mut svns: Vec<u8> = PlatformTcb::LEVELS
            .iter()
            .map(|status| {
                assert_eq!(status.name().parse(), Ok(*status));
                assert_eq!(status.vendor_name().parse(), Ok(*status));
                status.svn()
            })
            .collect();
        svns.dedup();
        assert_eq!(svns.len(), PlatformTcb::LEVELS.len());
        assert!(svns.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn unknown_status_is_refused_with_the_known_ones() {
        let error = "outdated".parse::<PlatformTcb>().map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| {
            text.starts_with("`outdated` is no TCB status; known are up-to-date,")
        }));
    }
}

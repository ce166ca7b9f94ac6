//! TCB statuses: their names, and how those of one platform's parts come together.
//!
//! Source: Intel PCS API v4 (names); Intel's QuoteVerificationLibrary, clauses 4.1.2.4.17.4.1 and .5 (converging).
//! Does not live here: which level a platform has (`tcb`), which status is acceptable (`policy`).

use core::fmt;
use core::str::FromStr;

/// How current a platform is, in Intel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcbStatus {
    /// Nothing is missing.
    UpToDate,
    /// Software inside must defend itself against a known weakness.
    SwHardeningNeeded,
    /// The platform's configuration must change.
    ConfigurationNeeded,
    /// Both.
    ConfigurationAndSwHardeningNeeded,
    /// An update is missing.
    OutOfDate,
    /// An update is missing, and the configuration must change.
    OutOfDateConfigurationNeeded,
    /// The module was updated under a TD that was launched before; it would be current if it were launched again.
    TdRelaunchAdvised,
    /// The same, and the configuration must change.
    TdRelaunchAdvisedConfigurationNeeded,
    /// The keys of such platforms are lost. Never returned by a verification, which refuses instead.
    Revoked,
}

impl TcbStatus {
    const ALL: [(TcbStatus, &'static str); 9] = [
        (TcbStatus::UpToDate, "UpToDate"),
        (TcbStatus::SwHardeningNeeded, "SWHardeningNeeded"),
        (TcbStatus::ConfigurationNeeded, "ConfigurationNeeded"),
        (
            TcbStatus::ConfigurationAndSwHardeningNeeded,
            "ConfigurationAndSWHardeningNeeded",
        ),
        (TcbStatus::OutOfDate, "OutOfDate"),
        (
            TcbStatus::OutOfDateConfigurationNeeded,
            "OutOfDateConfigurationNeeded",
        ),
        (TcbStatus::TdRelaunchAdvised, "TDRelaunchAdvised"),
        (
            TcbStatus::TdRelaunchAdvisedConfigurationNeeded,
            "TDRelaunchAdvisedConfigurationNeeded",
        ),
        (TcbStatus::Revoked, "Revoked"),
    ];

    /// Every status.
    pub fn all() -> impl Iterator<Item = TcbStatus> {
        Self::ALL.iter().map(|(status, _)| *status)
    }

    pub(crate) fn configuration_needed(self) -> bool {
        matches!(
            self,
            TcbStatus::ConfigurationNeeded
                | TcbStatus::ConfigurationAndSwHardeningNeeded
                | TcbStatus::OutOfDateConfigurationNeeded
                | TcbStatus::TdRelaunchAdvisedConfigurationNeeded
        )
    }

    /// This status, pulled down by a component (TDX module or quoting enclave) of the same platform.
    pub(crate) fn converge(self, component: ComponentStatus) -> Self {
        match (component, self) {
            (ComponentStatus::Revoked, _) => TcbStatus::Revoked,
            (ComponentStatus::UpToDate, status) => status,
            (ComponentStatus::OutOfDate, TcbStatus::UpToDate | TcbStatus::SwHardeningNeeded) => {
                TcbStatus::OutOfDate
            }
            (
                ComponentStatus::OutOfDate,
                TcbStatus::ConfigurationNeeded | TcbStatus::ConfigurationAndSwHardeningNeeded,
            ) => TcbStatus::OutOfDateConfigurationNeeded,
            (ComponentStatus::OutOfDate, status) => status,
        }
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL
            .iter()
            .find(|(status, _)| status == self)
            .map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// No status has that name; Intel's spelling is exact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no TCB status: use UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded or Revoked"
)]
pub struct UnknownTcbStatus(pub String);

impl FromStr for TcbStatus {
    type Err = UnknownTcbStatus;

    fn from_str(text: &str) -> Result<Self, UnknownTcbStatus> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(status, _)| *status)
            .ok_or_else(|| UnknownTcbStatus(text.to_owned()))
    }
}

/// The status of a TDX module or of a quoting enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComponentStatus {
    /// Nothing is missing.
    UpToDate,
    /// An update is missing.
    OutOfDate,
    /// Its keys are lost.
    Revoked,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn statuses_have_intels_spelling_both_ways() {
        for (status, name) in TcbStatus::ALL {
            assert_eq!(status.to_string(), name);
            assert_eq!(name.parse::<TcbStatus>().unwrap(), status);
        }
        for name in ["uptodate", "UpToDate ", "SwHardeningNeeded", ""] {
            assert!(name.parse::<TcbStatus>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_component_only_ever_pulls_a_status_down() {
        use TcbStatus::{
            ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
            OutOfDateConfigurationNeeded, SwHardeningNeeded, UpToDate,
        };
        for (status, _) in TcbStatus::ALL {
            assert_eq!(status.converge(ComponentStatus::UpToDate), status);
            assert_eq!(
                status.converge(ComponentStatus::Revoked),
                TcbStatus::Revoked
            );
        }
        for (status, with_old_component) in [
            (UpToDate, OutOfDate),
            (SwHardeningNeeded, OutOfDate),
            (ConfigurationNeeded, OutOfDateConfigurationNeeded),
            (
                ConfigurationAndSwHardeningNeeded,
                OutOfDateConfigurationNeeded,
            ),
            (OutOfDate, OutOfDate),
            (OutOfDateConfigurationNeeded, OutOfDateConfigurationNeeded),
        ] {
            assert_eq!(
                status.converge(ComponentStatus::OutOfDate),
                with_old_component
            );
        }
    }
}

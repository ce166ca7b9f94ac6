//! Why a marble did not become one.

use std::time::Duration;

use stoa_attestation::channel::ChannelError;
use stoa_explain::Explain;
use stoa_source::SourceError;

use crate::config::ConfigFault;

/// Why an activation failed. Nothing was received in any of these cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// The measured configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// No connection to the mesh port.
    #[error("the coordinator at {addr} can't be reached: {cause}")]
    Unreachable {
        /// `host:port`.
        addr: String,
        /// The system's words.
        cause: String,
    },
    /// No end of the Join in time.
    #[error("the coordinator at {addr} did not finish the Join within {limit:?}")]
    TooSlow {
        /// `host:port`.
        addr: String,
        /// The limit.
        limit: Duration,
    },
    /// This marble refuses the coordinator, or the channel broke a rule.
    #[error("the coordinator at {addr} was refused")]
    CoordinatorRefused {
        /// `host:port`.
        addr: String,
        /// Which check failed.
        #[source]
        source: ChannelError,
    },
    /// The coordinator refuses this marble.
    #[error("the coordinator at {addr} refused this marble: {message}  [{code}]")]
    Refused {
        /// `host:port`.
        addr: String,
        /// The coordinator's code.
        code: String,
        /// Its words.
        message: String,
        /// What it advises.
        remedy: Option<String>,
    },
    /// The stream ended or broke.
    #[error("the Join with {addr} broke off: {cause}")]
    Broken {
        /// `host:port`.
        addr: String,
        /// gRPC's words.
        cause: String,
    },
    /// The TEE gave no evidence.
    #[error("the TEE gives no evidence")]
    Source(#[source] SourceError),
    /// What the verified coordinator sent can't be used.
    #[error("{what} in the provision can't be used: {cause}")]
    ProvisionMalformed {
        /// Which part.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// Ours.
    #[error("{0}")]
    Bug(String),
}

impl Explain for SdkError {
    fn code(&self) -> &'static str {
        match self {
            Self::Config(fault) => fault.code(),
            Self::Unreachable { .. } => "coordinator-unreachable",
            Self::TooSlow { .. } => "too-slow",
            Self::CoordinatorRefused { source, .. } => source.code(),
            Self::Refused { code, .. } => {
                stoa_explain::lookup(code).map_or("refused-by-coordinator", |entry| entry.code)
            }
            Self::Broken { .. } => "join-broken",
            Self::Source(error) => error.code(),
            Self::ProvisionMalformed { .. } => "provision-malformed",
            Self::Bug(_) => "bug",
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Config(fault) => fault.remedy(),
            Self::Unreachable { .. } => Some(
                "check STOA_MESH_ADDR and that the coordinator runs, then try again".to_owned(),
            ),
            Self::TooSlow { .. } | Self::Broken { .. } => {
                Some("try again; look at the coordinator's log".to_owned())
            }
            Self::CoordinatorRefused { source, .. } => source.remedy(),
            Self::Refused { remedy, .. } => remedy.clone(),
            Self::Source(error) => error.remedy(),
            Self::ProvisionMalformed { .. } => {
                Some("check the manifest's parameters of this marble".to_owned())
            }
            Self::Bug(_) => None,
        }
    }
}

impl SdkError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TooSlow { .. } | Self::Broken { .. } => true,
            Self::Refused { code, .. } => matches!(
                code.as_str(),
                "state-not-accepting"
                    | "store-unavailable"
                    | "evidence-unavailable"
                    | "collateral-unavailable"
                    | "too-many-requests"
                    | "stopping"
                    | "in-recovery"
            ),
            _ => false,
        }
    }
}

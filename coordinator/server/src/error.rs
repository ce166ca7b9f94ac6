//! What the edges themselves refuse, and the one function that turns any error into the error body.

use std::time::Duration;

use stoa_explain::Explain;
use stoa_proto::wire::{ErrorBody, ErrorField};

/// Why a request did not get what it asked for, where the reason lies in the request or in this process, not in a
/// rule of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// A value of the request can't be read.
    #[error("{what} is {got}; wanted {wanted}")]
    RequestInvalid {
        /// Which value.
        what: &'static str,
        /// What it is.
        got: String,
        /// What it must be.
        wanted: String,
    },
    /// No such path.
    #[error("there is no `{path}` here")]
    PathUnknown {
        /// As asked.
        path: String,
    },
    /// The path is there, but not with this method.
    #[error("`{path}` does not take {method}")]
    MethodNotAllowed {
        /// As asked.
        path: String,
        /// As asked.
        method: String,
    },
    /// More than a named limit.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Bytes.
        limit: usize,
    },
    /// Not in time.
    #[error("{what} did not come within {limit_s} s")]
    TooSlow {
        /// What.
        what: &'static str,
        /// Seconds.
        limit_s: u64,
    },
    /// More than this process takes from one address, or in all.
    #[error("more than {limit} requests for {what} {scope}")]
    TooManyRequests {
        /// What was asked for.
        what: &'static str,
        /// Requests.
        limit: u32,
        /// `a second from one address`, `at once`...
        scope: &'static str,
    },
    /// There is no manifest yet.
    #[error("no manifest is set yet")]
    ManifestNotSet,
    /// Nothing waits for users to agree.
    #[error("no update waits for users to agree")]
    NoUpdateWaits,
    /// The sealed state can't be opened here; only status and statement are served.
    #[error("the coordinator is in recovery: {reason}")]
    InRecovery {
        /// Why the state can't be opened.
        reason: String,
    },
    /// The store failed; the state is being loaded again.
    #[error("the sealed journal can't be written: {reason}")]
    StoreUnavailable {
        /// The store's words.
        reason: String,
    },
    /// The coordinator has no evidence or no collateral of its own at this moment.
    #[error("the coordinator can't prove itself now: {reason}")]
    EvidenceUnavailable {
        /// The failing step.
        reason: String,
    },
    /// The process is ending.
    #[error("the coordinator is stopping")]
    Stopping,
    /// Not the state for a Join.
    #[error("the coordinator is in state {state}; marbles join in state 3")]
    NotAccepting {
        /// Number and words.
        state: String,
    },
    /// A second Join, or another protocol error of the peer.
    #[error("{0}")]
    ProtocolMisused(&'static str),
    /// Ours.
    #[error("{0}")]
    Bug(String),
}

impl Explain for EdgeError {
    fn code(&self) -> &'static str {
        match self {
            Self::RequestInvalid { .. } => "request-invalid",
            Self::PathUnknown { .. } => "path-unknown",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::TooLarge { .. } => "too-large",
            Self::TooSlow { .. } => "too-slow",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::ManifestNotSet => "manifest-not-set",
            Self::NoUpdateWaits => "no-update-pending",
            Self::InRecovery { .. } => "in-recovery",
            Self::StoreUnavailable { .. } => "store-unavailable",
            Self::EvidenceUnavailable { .. } => "evidence-unavailable",
            Self::Stopping => "stopping",
            Self::NotAccepting { .. } => "state-not-accepting",
            Self::ProtocolMisused(_) => "protocol-misused",
            Self::Bug(_) => "bug",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::RequestInvalid { what, .. } => format!("correct {what} and ask again"),
            Self::PathUnknown { .. } | Self::MethodNotAllowed { .. } => {
                "see docs/reference/rest.md for what is served".to_owned()
            }
            Self::TooLarge { what, limit } => format!("send {what} with at most {limit} bytes"),
            Self::TooSlow { .. } => "try again; look at the network if it happens often".to_owned(),
            Self::TooManyRequests { .. } => "wait a second and ask again".to_owned(),
            Self::ManifestNotSet => "set one: stoa manifest set FILE".to_owned(),
            Self::NoUpdateWaits => "propose one: stoa manifest update FILE".to_owned(),
            Self::InRecovery { .. } => {
                "give shares with `stoa recover`; or start the coordinator in the TEE that sealed the state, or restore the file `sealed_key`".to_owned()
            }
            Self::StoreUnavailable { .. } => "look at the disk of the coordinator; then try again".to_owned(),
            Self::EvidenceUnavailable { .. } => {
                "look at the coordinator's log and at the collateral service, then try again".to_owned()
            }
            Self::Stopping => "try again when the coordinator is back".to_owned(),
            Self::NotAccepting { .. } => "set a manifest, or recover the coordinator, then let the marble try again".to_owned(),
            Self::ProtocolMisused(_) => "open a new connection for each Join".to_owned(),
            Self::Bug(_) => return None,
        })
    }
}

impl EdgeError {
    /// After how long a retry is worth it, if it is.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { .. } => Some(Duration::from_secs(1)),
            Self::StoreUnavailable { .. } | Self::Stopping => Some(Duration::from_secs(2)),
            Self::NotAccepting { .. } | Self::EvidenceUnavailable { .. } => {
                Some(Duration::from_secs(5))
            }
            _ => None,
        }
    }
}

/// The error body of any error; causes behind it are joined by `: `.
#[must_use]
pub fn body(
    error: &dyn Explain,
    fields: Vec<ErrorField>,
    retry_after: Option<Duration>,
    request_id: &str,
) -> ErrorBody {
    ErrorBody {
        code: error.code().to_owned(),
        message: chain(error),
        remedy: error.remedy(),
        fields,
        retry_after_s: retry_after.map(|d| d.as_secs()),
        request_id: request_id.to_owned(),
    }
}

/// `Display` of the error and of each cause behind it, joined by `: `.
#[must_use]
pub fn chain(error: &dyn Explain) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

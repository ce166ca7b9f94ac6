//! Why collateral can't be had, with the URL and what came back.

use std::time::Duration;

use stoa_explain::Explain;

/// Why the collateral service did not give what was asked for. Nothing is verified without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// The configured URL can't be used.
    #[error("`{url}` is no URL of a collateral service: {cause}")]
    UrlInvalid {
        /// As configured.
        url: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// No connection, or it broke.
    #[error("GET {url}: {cause}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The system's words.
        cause: String,
    },
    /// No answer in time.
    #[error("GET {url}: no answer within {limit:?}")]
    TooSlow {
        /// What was asked.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// Another status than 200.
    #[error("GET {url}: answered {status} {text:?}")]
    Status {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        text: String,
    },
    /// An answer that is not what the API promises.
    #[error("GET {url}: {what} is {found}, wanted {wanted}")]
    Malformed {
        /// What was asked.
        url: String,
        /// Header or member.
        what: &'static str,
        /// What came.
        found: String,
        /// What the API promises.
        wanted: &'static str,
    },
    /// The answer is there, but it does not verify.
    #[error("the collateral that {url} gives does not verify: {cause}")]
    NotVerified {
        /// The service.
        url: String,
        /// The verifier's words.
        cause: String,
    },
    /// More platforms than are kept.
    #[error("collateral of {limit} platforms is kept already; {platform} is one more")]
    TooManyPlatforms {
        /// TEE, FMSPC and CA.
        platform: String,
        /// The limit.
        limit: usize,
    },
    /// A kind of evidence that needs no such collateral.
    #[error("no collateral service is known for evidence of kind {kind}")]
    KindUnknown {
        /// The kind's name.
        kind: &'static str,
    },
    /// The platform can't be read from the evidence.
    #[error("the evidence does not say which platform it is of: {cause}")]
    PlatformUnknown {
        /// The parser's words.
        cause: String,
    },
}

impl Explain for CollateralError {
    fn code(&self) -> &'static str {
        match self {
            Self::UrlInvalid { .. } => "collateral-url-invalid",
            Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::Status { .. }
            | Self::Malformed { .. }
            | Self::TooManyPlatforms { .. } => "collateral-unavailable",
            Self::NotVerified { .. } => "collateral-not-verified",
            Self::KindUnknown { .. } | Self::PlatformUnknown { .. } => {
                "collateral-platform-unknown"
            }
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::UrlInvalid { .. } => "write it as http://HOST:PORT or https://HOST[:PORT]".to_owned(),
            Self::Unreachable { .. } | Self::TooSlow { .. } => {
                "check that the collateral service runs and can be reached from here, then try again".to_owned()
            }
            Self::Status { status: 404, .. } => {
                "check that the service knows this platform (register it, or fill its cache)".to_owned()
            }
            Self::Status { .. } | Self::Malformed { .. } => {
                "check that the URL is that of a PCCS or PCS with API version 4".to_owned()
            }
            Self::NotVerified { .. } => {
                "check that the service serves the vendor's own collateral and that its cache is current".to_owned()
            }
            Self::TooManyPlatforms { .. } => "restart the coordinator if the fleet changed; else look who asks".to_owned(),
            Self::KindUnknown { .. } | Self::PlatformUnknown { .. } => {
                "send evidence of a supported kind with its certificate chain".to_owned()
            }
        })
    }
}

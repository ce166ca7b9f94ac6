//! Why collateral can't be had, with the URL and what came back.

use std::time::Duration;

use stoa_attestation::CollateralOlder;
use stoa_explain::Explain;

/// Why the collateral service did not give what was asked for. Nothing is verified without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// A configured source is none.
    #[error("`{source_text}` is no source of collateral: {cause}")]
    SourceInvalid {
        /// As configured.
        source_text: String,
        /// What is wrong with it.
        cause: String,
    },
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
    /// Another place is named; redirects are not followed.
    #[error("GET {url}: answered {status}, to {to}; redirects are not followed")]
    Redirected {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// Where to.
        to: String,
    },
    /// The service is busy, or we asked too often.
    #[error("GET {url}: answered {status}; it may be asked again in {} s", retry_after.as_secs())]
    Busy {
        /// What was asked.
        url: String,
        /// HTTP status: 429 or 503.
        status: u16,
        /// From its Retry-After.
        retry_after: Duration,
    },
    /// The service wants to be left alone for a while, and is.
    #[error("GET {url}: not asked, because the service wants {} s more of pause", left.as_secs())]
    Paused {
        /// What would have been asked.
        url: String,
        /// For how long.
        left: Duration,
    },
    /// A body over the limit.
    #[error("GET {url}: the answer has more than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// Bytes.
        limit: usize,
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
    /// It verifies, but it is older than what was seen before.
    #[error("the collateral that {url} gives is older than what was seen before")]
    WentBack {
        /// The service.
        url: String,
        /// Which object, and both marks.
        #[source]
        older: CollateralOlder,
    },
    /// None of the sources is one that could have it.
    #[error("no source of collateral is configured that could have that of {platform}")]
    SourceMissing {
        /// Which platform.
        platform: String,
    },
    /// No source gave it; what each said.
    #[error("no source has collateral of {platform}: {}", causes.join("; "))]
    NoSource {
        /// TEE, FMSPC and CA.
        platform: String,
        /// One sentence for each source, in their order.
        causes: Vec<String>,
    },
    /// A bundle that can't be used.
    #[error("bundle {path}: {cause}")]
    BundleUnusable {
        /// Where.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The bundle has no collateral of this platform.
    #[error("bundle {path} has no collateral of {platform}; it has that of {has}")]
    NotInBundle {
        /// Where.
        path: String,
        /// TEE, FMSPC and CA.
        platform: String,
        /// The platforms that it has.
        has: String,
    },
    /// A platform as somebody wrote it.
    #[error("`{text}` is no platform: {cause}")]
    PlatformMalformed {
        /// As written.
        text: String,
        /// What is wrong with it.
        cause: &'static str,
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

impl CollateralError {
    /// When it is worth asking again, if the service said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::Paused { left, .. } => Some(*left),
            _ => None,
        }
    }

    /// Whether a service says that it does not have it, in which case another version of its API may.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }
}

impl Explain for CollateralError {
    fn code(&self) -> &'static str {
        match self {
            Self::UrlInvalid { .. } => "collateral-url-invalid",
            Self::SourceInvalid { .. } => "collateral-source-invalid",
            Self::SourceMissing { .. } => "collateral-source-missing",
            Self::WentBack { older, .. } => older.code(),
            Self::BundleUnusable { .. } => "collateral-bundle-unusable",
            Self::Unreachable { .. }
            | Self::NoSource { .. }
            | Self::Redirected { .. }
            | Self::Busy { .. }
            | Self::Paused { .. }
            | Self::TooLarge { .. }
            | Self::NotInBundle { .. }
            | Self::TooSlow { .. }
            | Self::Status { .. }
            | Self::Malformed { .. }
            | Self::TooManyPlatforms { .. } => "collateral-unavailable",
            Self::NotVerified { .. } => "collateral-not-verified",
            Self::KindUnknown { .. }
            | Self::PlatformUnknown { .. }
            | Self::PlatformMalformed { .. } => "collateral-platform-unknown",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::UrlInvalid { .. } | Self::SourceInvalid { .. } => {
                "write http://HOST:PORT, https://HOST[:PORT], kds:URL or bundle:FILE (docs/reference/collateral.md)".to_owned()
            }
            Self::SourceMissing { .. } => {
                "add one to --collateral: for SGX and TDX the URL of a PCCS, for SNP kds:https://kdsintf.amd.com, for any a bundle"
                    .to_owned()
            }
            Self::NoSource { .. } => {
                "check each source in the message: that it can be reached from here, and knows this platform".to_owned()
            }
            Self::Redirected { to, .. } => format!("if {to} is the service, configure that URL"),
            Self::Busy { .. } | Self::Paused { .. } => {
                "wait; if it repeats, put a cache (PCCS) in between, or name a second source".to_owned()
            }
            Self::TooLarge { .. } => "check that the URL is that of a collateral service".to_owned(),
            Self::WentBack { older, .. } => return older.remedy(),
            Self::BundleUnusable { .. } => "make it again: stoa collateral fetch, then stoa collateral pack".to_owned(),
            Self::NotInBundle { .. } => "fetch this platform's collateral and pack it into the bundle".to_owned(),
            Self::PlatformMalformed { .. } => {
                "write it as sgx:FMSPC:CA, say sgx:00906ed50000:platform, or as snp:PRODUCT:vcek".to_owned()
            },
            Self::Unreachable { .. } | Self::TooSlow { .. } => {
                "check that the collateral service runs and can be reached from here, then try again".to_owned()
            }
            Self::Status { status: 404, .. } => {
                "check that the service knows this platform (register it, or fill its cache)".to_owned()
            }
            Self::Status { .. } | Self::Malformed { .. } => {
                "check that the URL is that of a PCCS or PCS, and that its API version is 4 or 3".to_owned()
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

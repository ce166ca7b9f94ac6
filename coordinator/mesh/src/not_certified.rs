//! Why a certificate may not hold what its template says, and the bounds that the reasons name.
//!
//! Source: RFC 5280, 4.1.2.2 (serial numbers), 4.2.1.6 (names), appendix A (upper bounds).
//! Does not live here: the judging (`ca`).

use stoa_explain::Explain;

use crate::keys::{KeyError, KeyKind};

/// A leaf that would end sooner than this is refused rather than issued.
pub const LEAF_LIFETIME_SECS_MIN: u64 = 10;
/// Longest common name in bytes (RFC 5280, appendix A: ub-common-name).
pub const COMMON_NAME_BYTES_MAX: usize = 64;
/// Most names in one certificate.
pub const NAMES_MAX: usize = 256;

/// Why a certificate may not hold what its template says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCertified {
    /// The key has no layout that this mesh certifies.
    #[error(
        "the public key ({spki_bytes} bytes of SPKI) is neither uncompressed P-256, P-384 or P-521 nor Ed25519 nor RSA of 2048, 3072 or 4096"
    )]
    KeyUnknown {
        /// Bytes of the SPKI.
        spki_bytes: usize,
    },
    /// The key has another kind than its role allows.
    #[error("a marble's key is {kind}; it may be ECDSA P-256 or Ed25519")]
    KeyKind {
        /// The kind that it has.
        kind: KeyKind,
    },
    /// The serial number is not positive or could be shorter.
    #[error("the serial number begins with {first:#04x}; it must begin with 0x40 to 0x7f")]
    Serial {
        /// Its first byte.
        first: u8,
    },
    /// The common name is empty or too long.
    #[error("the common name has {bytes} bytes; it has 1 to {COMMON_NAME_BYTES_MAX}")]
    CommonName {
        /// Its bytes.
        bytes: usize,
    },
    /// A name that nobody may have.
    #[error(
        "`{name}` is no DNS name: labels of letters, digits and dashes, no wildcard, no address"
    )]
    NameMalformed {
        /// The name.
        name: String,
    },
    /// A name that the manifest does not give to this holder.
    #[error("the name `{name}` is not one that the manifest gives to this holder")]
    NameNotAllowed {
        /// The name; empty if one that must be there is missing.
        name: String,
    },
    /// More names than a certificate may hold.
    #[error("{count} names are more than {NAMES_MAX}")]
    TooManyNames {
        /// How many there are.
        count: usize,
    },
    /// It would outlive what it rests on.
    #[error(
        "it would end at {not_after}, after what it rests on, which ends at {last} (Unix times)"
    )]
    TooLong {
        /// Its last second.
        not_after: u64,
        /// The last second that its issuer and what admitted its holder are good for.
        last: u64,
    },
    /// It would begin before its issuer.
    #[error(
        "it would be issued at {issued_at}, before its issuer begins, at {issuer_start} (Unix times)"
    )]
    BeforeIssuer {
        /// The moment of issue.
        issued_at: u64,
        /// The issuer's first second.
        issuer_start: u64,
    },
    /// It would end before anyone could use it.
    #[error(
        "it would be issued at {issued_at} and end at {not_after} (Unix times), less than {LEAF_LIFETIME_SECS_MIN} s later"
    )]
    TooShort {
        /// The moment of issue.
        issued_at: u64,
        /// Its last second.
        not_after: u64,
    },
    /// The private extension is there where it may not be, or missing.
    #[error(
        "the private extension belongs into the leaf of a marble and nowhere else; this is for role {role}"
    )]
    Receipt {
        /// The role of the template.
        role: String,
    },
    /// A manifest's wishes for its secrets stand in another certificate.
    #[error(
        "attributes and usages of a manifest belong into its secrets only; this is for role {role}"
    )]
    Wishes {
        /// The role of the template.
        role: String,
    },
    /// The issuer's private key could not be used.
    #[error("it could not be signed")]
    Signing(#[source] KeyError),
    /// What the encoder made is not what was asked for.
    #[error("it could not be encoded: {cause}")]
    Encoding {
        /// What the encoder said, or what differs.
        cause: String,
    },
}

impl Explain for NotCertified {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyUnknown { .. } | Self::KeyKind { .. } => "key-not-certifiable",
            Self::NameMalformed { .. }
            | Self::NameNotAllowed { .. }
            | Self::TooManyNames { .. } => "name-not-allowed",
            Self::TooShort { .. } => "leaf-too-short",
            Self::TooLong { .. } | Self::BeforeIssuer { .. } => "leaf-too-long",
            Self::Signing(cause) => cause.code(),
            Self::Serial { .. }
            | Self::CommonName { .. }
            | Self::Receipt { .. }
            | Self::Wishes { .. }
            | Self::Encoding { .. } => "certificate-not-made",
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::KeyUnknown { .. } | Self::KeyKind { .. } => {
                Some("make a P-256 or Ed25519 key for the marble".to_owned())
            }
            Self::NameMalformed { name } | Self::NameNotAllowed { name } => Some(format!(
                "correct `{name}` where the manifest or the coordinator's --dns-names has it"
            )),
            Self::TooManyNames { .. } => Some(format!("give at most {NAMES_MAX} names")),
            Self::TooShort { .. } => Some(
                "refresh the collateral of the platform and the coordinator's issuing CA"
                    .to_owned(),
            ),
            Self::Signing(cause) => cause.remedy(),
            Self::TooLong { .. }
            | Self::BeforeIssuer { .. }
            | Self::Serial { .. }
            | Self::CommonName { .. }
            | Self::Receipt { .. }
            | Self::Wishes { .. }
            | Self::Encoding { .. } => None,
        }
    }
}

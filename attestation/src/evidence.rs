//! Evidence as it travels: wire forms, [`Evidence`].
//!
//! Sources: docs/protocol/attest-1.md, section 1 (kinds 1 and 2 are the raw quote); OpenEnclave's
//! `oe_report_header_t` (version 1, report type 2, size, then the raw SGX quote), which MarbleRun's marbles send.
//! Does not live here: the layout of quotes (`quote`), the judgement (`verify`).

use crate::invalid::{Chain, Invalid, Role};
use crate::kind::Kind;
use crate::pck;
use crate::pem;
use crate::quote::{Body, Quote};
use crate::x509::Certificate;

/// Evidence of any kind, at most (docs/protocol/attest-1.md, section 8).
pub const EVIDENCE_LEN_MAX: usize = 64 * 1024;

const OPENENCLAVE_HEADER_LEN: usize = 16;
const OPENENCLAVE_VERSION: u32 = 1;
/// OE_REPORT_TYPE_SGX_REMOTE.
const OPENENCLAVE_TYPE_SGX_REMOTE: u32 = 2;

/// Well-formed, and nothing more: no signature has been looked at.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub(crate) quote: Quote,
}

impl Evidence {
    /// Reads evidence in its wire form.
    ///
    /// # Errors
    /// [`Invalid::TooLarge`], [`Invalid::KindUnsupported`], [`Invalid::KindDiffers`], and what check 1 of
    /// docs/protocol/dcap.md finds.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, Invalid> {
        if matches!(kind, Kind::Snp | Kind::Tpm) {
            return Err(Invalid::KindUnsupported { kind });
        }
        let evidence = Self::parse_quote(bytes)?;
        if evidence.kind() != kind {
            return Err(Invalid::KindDiffers {
                wanted: kind,
                found: evidence.kind(),
            });
        }
        Ok(evidence)
    }

    /// Reads an SGX quote behind OpenEnclave's header of 16 bytes: version 1, type 2, length of the quote (little-endian).
    ///
    /// # Errors
    /// [`Invalid::OpenEnclave`] for another version, type or length (bytes behind the quote make the length wrong),
    /// then as [`Evidence::parse`].
    pub fn parse_openenclave(bytes: &[u8]) -> Result<Self, Invalid> {
        let too_short = Invalid::OpenEnclave {
            field: "length of the header",
            wanted: OPENENCLAVE_HEADER_LEN as u64,
            found: bytes.len() as u64,
        };
        let (header, quote) = bytes
            .split_at_checked(OPENENCLAVE_HEADER_LEN)
            .ok_or(too_short)?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let len = u64::from(word(8)) | u64::from(word(12)) << 32;
        for (field, wanted, found) in [
            (
                "version",
                u64::from(OPENENCLAVE_VERSION),
                u64::from(word(0)),
            ),
            (
                "report type",
                u64::from(OPENENCLAVE_TYPE_SGX_REMOTE),
                u64::from(word(4)),
            ),
            ("length of the quote", quote.len() as u64, len),
        ] {
            if wanted != found {
                return Err(Invalid::OpenEnclave {
                    field,
                    wanted,
                    found,
                });
            }
        }
        Self::parse(Kind::SgxDcap, quote)
    }

    /// Reads evidence whose kind nobody told: raw quotes of either TEE, or OpenEnclave's form.
    ///
    /// For files given by hand. Where a kind was negotiated, [`Evidence::parse`] is the door.
    ///
    /// # Errors
    /// As the other two.
    pub fn detect(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut openenclave = OPENENCLAVE_VERSION.to_le_bytes().to_vec();
        openenclave.extend(OPENENCLAVE_TYPE_SGX_REMOTE.to_le_bytes());
        if bytes.starts_with(&openenclave) {
            return Self::parse_openenclave(bytes);
        }
        Self::parse_quote(bytes)
    }

    /// What this evidence is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.quote.kind()
    }

    /// What the evidence says of the thing that it is about. Nothing here is verified: show it, and decide nothing by it.
    #[must_use]
    pub fn unverified_body(&self) -> &Body {
        &self.quote.body
    }

    /// Which collateral to ask the vendor for. Nothing here is verified: use it in a request and for nothing else.
    ///
    /// # Errors
    /// The chain or the certificate inside the quote can't be read.
    pub fn unverified_platform(&self) -> Result<UnverifiedPlatform, Invalid> {
        let chain = pem::certificates(&self.quote.certificates).map_err(|cause| {
            Invalid::ChainMalformed {
                chain: Chain::Quote,
                cause,
            }
        })?;
        let Some(leaf) = chain.first() else {
            return Err(Invalid::ChainIncomplete {
                chain: Chain::Quote,
                wanted: 3,
                found: 0,
            });
        };
        let leaf = Certificate::parse(Role::Pck, leaf)?;
        let ca = pck::Ca::of_common_name(&leaf.issuer_common_name).ok_or_else(|| {
            Invalid::CertificateProfile {
                role: Role::Pck,
                field: "common name of the issuer",
                wanted: pck::Ca::WANTED.to_owned(),
                found: leaf.issuer_common_name.clone(),
            }
        })?;
        let platform = pck::Platform::parse(ca, &leaf)?;
        Ok(UnverifiedPlatform {
            kind: self.kind(),
            fmspc: platform.fmspc,
            ca: ca.name(),
        })
    }

    fn parse_quote(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() > EVIDENCE_LEN_MAX {
            return Err(Invalid::TooLarge {
                what: "evidence",
                len: bytes.len(),
                limit: EVIDENCE_LEN_MAX,
            });
        }
        Ok(Self {
            quote: Quote::parse(bytes)?,
        })
    }
}

/// What a request for collateral needs to name, as the evidence claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedPlatform {
    /// SGX or TDX.
    pub kind: Kind,
    /// Family of the platform, 6 bytes.
    pub fmspc: [u8; 6],
    /// `platform` or `processor`, as the PCS names the CA in `pckcrl?ca=`.
    pub ca: &'static str,
}

//! Evidence as it travels: wire forms, [`Evidence`].
//!
//! Sources: docs/protocol/attest-1.md, section 1 (kinds 1 and 2 are the raw quote, 3 is report and certificate);
//! OpenEnclave's
//! `oe_report_header_t` (version 1, report type 2, size, then the raw SGX quote), which MarbleRun's marbles send.
//! Does not live here: the layout of quotes and reports (`quote`, `snp`), the judgement (`verify`).

use crate::invalid::{Chain, Invalid, Role};
use crate::kind::Kind;
use crate::lp::{LpFault, Reader};
use crate::pck;
use crate::pem;
use crate::product::{Product, SnpTcb, VekKind};
use crate::quote::{Body, Quote};
use crate::signatures::Algorithm;
use crate::snp::{REPORT_LEN, Report};
use crate::snp_collateral;
use crate::snp_verify::SnpEvidence;
use crate::vek::Vek;
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
    pub(crate) content: Content,
}

/// What was read.
// There is one at a time, and it is consumed.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// SGX or TDX.
    Quote(Quote),
    /// SEV-SNP.
    Snp(SnpEvidence),
}

impl Evidence {
    /// Reads evidence in its wire form.
    ///
    /// # Errors
    /// [`Invalid::TooLarge`], [`Invalid::KindUnsupported`], [`Invalid::KindDiffers`], and what check 1 of
    /// docs/protocol/dcap.md finds.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, Invalid> {
        let evidence = match kind {
            Kind::SgxDcap | Kind::TdxDcap => Self::parse_quote(bytes)?,
            Kind::Snp => return Self::parse_snp(bytes),
            Kind::Tpm => return Err(Invalid::KindUnsupported { kind }),
        };
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

    /// Reads evidence whose kind nobody told: raw quotes of either TEE, OpenEnclave's form, an SNP report with its
    /// certificate, or alone.
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
        if bytes.len() == REPORT_LEN {
            let report = Report::parse(bytes)?;
            return Ok(Self::of_snp(SnpEvidence { report, vek: None }));
        }
        if bytes.starts_with(&(REPORT_LEN as u32).to_be_bytes()) {
            return Self::parse_snp(bytes);
        }
        Self::parse_quote(bytes)
    }

    /// What this evidence is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.content {
            Content::Quote(quote) => quote.kind(),
            Content::Snp(_) => Kind::Snp,
        }
    }

    /// What the evidence says of the thing that it is about. Nothing here is verified: show it, and decide nothing by it.
    #[must_use]
    pub fn unverified_body(&self) -> Body {
        match &self.content {
            Content::Quote(quote) => quote.body.clone(),
            Content::Snp(snp) => Body::Snp(Box::new(snp.report.body.clone())),
        }
    }

    /// Which collateral to ask the vendor for. Nothing here is verified: use it in a request and for nothing else.
    ///
    /// # Errors
    /// The chain or the certificate inside the quote can't be read; [`Invalid::KindUnsupported`] if it is no quote.
    pub fn unverified_platform(&self) -> Result<UnverifiedPlatform, Invalid> {
        let Content::Quote(quote) = &self.content else {
            return Err(Invalid::KindUnsupported { kind: self.kind() });
        };
        let chain =
            pem::certificates(&quote.certificates).map_err(|cause| Invalid::ChainMalformed {
                chain: Chain::Quote,
                cause,
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

    /// The chip or provider of an SNP report, to ask the vendor for its collateral; `None` if it is no SNP report.
    /// Nothing here is verified: use it in a request and for nothing else.
    ///
    /// # Errors
    /// [`Invalid::SnpProductUnknown`], also for a report of version 2 that comes without certificate; the certificate
    /// can't be read.
    pub fn unverified_chip(&self) -> Result<Option<UnverifiedChip>, Invalid> {
        let Content::Snp(snp) = &self.content else {
            return Ok(None);
        };
        let body = &snp.report.body;
        let of_certificate = match &snp.vek {
            Some(der) => Some(Vek::parse(der)?.product),
            None => None,
        };
        let product = body.product()?.or(of_certificate).ok_or_else(|| {
            let found = "a report of version 2 without certificate".to_owned();
            Invalid::SnpProductUnknown { found }
        })?;
        Ok(Some(UnverifiedChip {
            product,
            signer: body.signing_key,
            chip_id: body.chip_id,
            reported_tcb: SnpTcb::of(product, body.reported_tcb),
            carries_vek: snp.vek.is_some(),
        }))
    }

    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match &self.content {
            Content::Quote(_) => &[Algorithm::EcdsaP256Sha256],
            Content::Snp(_) => &snp_collateral::ALGORITHMS,
        }
    }

    fn of_snp(snp: SnpEvidence) -> Self {
        Self {
            content: Content::Snp(snp),
        }
    }

    /// `LP(report) LP(VEK certificate, or empty)`.
    fn parse_snp(bytes: &[u8]) -> Result<Self, Invalid> {
        check_len(bytes)?;
        let malformed = |cause: LpFault| Invalid::Malformed {
            field: "SNP evidence",
            cause: cause.to_string(),
        };
        let mut reader = Reader::new(bytes);
        let report = reader.field("report", REPORT_LEN).map_err(malformed)?;
        let vek = reader
            .field("VEK certificate", EVIDENCE_LEN_MAX)
            .map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        Ok(Self::of_snp(SnpEvidence {
            report: Report::parse(report)?,
            vek: (!vek.is_empty()).then(|| vek.to_vec()),
        }))
    }

    fn parse_quote(bytes: &[u8]) -> Result<Self, Invalid> {
        check_len(bytes)?;
        Ok(Self {
            content: Content::Quote(Quote::parse(bytes)?),
        })
    }
}

fn check_len(bytes: &[u8]) -> Result<(), Invalid> {
    if bytes.len() > EVIDENCE_LEN_MAX {
        return Err(Invalid::TooLarge {
            what: "evidence",
            len: bytes.len(),
            limit: EVIDENCE_LEN_MAX,
        });
    }
    Ok(())
}

/// What a request to the KDS needs to name, as the report claims it (docs/protocol/snp.md, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedChip {
    /// `{product}` of the request.
    pub product: Product,
    /// `vcek` or `vlek`.
    pub signer: VekKind,
    /// `{hwid}` of the request, its first [`Product::chip_id_len`] bytes; all zero if masked.
    pub chip_id: [u8; 64],
    /// The SPLs of the request.
    pub reported_tcb: SnpTcb,
    /// Whether the evidence carries its certificate, so that none need be asked for.
    pub carries_vek: bool,
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

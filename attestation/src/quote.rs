//! DCAP quotes of versions 3, 4 and 5: bytes to [`Quote`], and the checks that need no collateral.
//!
//! Sources: Intel SGX ECDSA QuoteLib Reference, appendix A.4 (version 3); Intel TDX DCAP Quoting Library API,
//! appendix A.3 (version 4) and A.4 (version 5). All integers are little-endian. Every length is exact, every reserved
//! byte is zero; behind the signature data only zeros may stand, because genuine TDX quotes are padded.
//! Does not live here: the layout of reports (`sgx`, `tdx`), certificates (`pem`, `x509`), any signature.

use crate::invalid::Invalid;
use crate::kind::Kind;
use crate::reader::{Reader, not_zero};
use crate::sgx::{REPORT_LEN, SgxBody};
use crate::snp::SnpBody;
use crate::tdx::{TD_REPORT_10_LEN, TD_REPORT_15_EX_LEN, TD_REPORT_15_LEN, TdxBody};

const HEADER_LEN: usize = 48;
const KEY_TYPE_P256: u16 = 2;
const TEE_SGX: u32 = 0;
const TEE_TDX: u32 = 0x81;
const INTEL_QE_VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
/// Certification data: a PEM chain of PCK certificate, PCK CA and root.
const CERTIFICATION_PCK_CHAIN: u16 = 5;
/// Certification data: QE report, its signature, authentication data and certification data of type 5.
const CERTIFICATION_QE_REPORT: u16 = 6;

/// What evidence says of the thing that it is about: an enclave, a TD or a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// An SGX enclave.
    Sgx(Box<SgxBody>),
    /// A trust domain.
    Tdx(Box<TdxBody>),
    /// An SEV-SNP guest.
    Snp(Box<SnpBody>),
}

impl Body {
    /// Whether the DEBUG attribute is set, so that the host can read and change what runs inside.
    #[must_use]
    pub fn debug(&self) -> bool {
        match self {
            Body::Sgx(body) => body.attributes.debug(),
            Body::Tdx(body) => body.td_attributes.debug(),
            Body::Snp(body) => body.policy.debug(),
        }
    }

    /// `sgx`, `tdx` or `snp`, as references spell it.
    #[must_use]
    pub fn tee(&self) -> &'static str {
        match self {
            Body::Sgx(_) => "sgx",
            Body::Tdx(_) => "tdx",
            Body::Snp(_) => "snp",
        }
    }

    /// The 64 bytes that the code inside chose.
    #[must_use]
    pub fn report_data(&self) -> &[u8; 64] {
        match self {
            Body::Sgx(body) => &body.report_data,
            Body::Tdx(body) => &body.report_data,
            Body::Snp(body) => &body.report_data,
        }
    }
}

/// A well-formed quote; no signature has been looked at.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    pub(crate) version: u16,
    pub(crate) body: Body,
    /// Header and body, as the attestation key signed them.
    pub(crate) signed: Vec<u8>,
    /// By the attestation key, `r || s`.
    pub(crate) signature: [u8; 64],
    /// Attestation key, `x || y`.
    pub(crate) attestation_key: [u8; 64],
    pub(crate) qe_report: [u8; REPORT_LEN],
    /// By the PCK's key, `r || s`.
    pub(crate) qe_report_signature: [u8; 64],
    pub(crate) qe_auth_data: Vec<u8>,
    /// PEM: PCK certificate, PCK CA, root.
    pub(crate) certificates: Vec<u8>,
}

impl Quote {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut reader = Reader(bytes);
        let version = reader.u16("version")?;
        if !(3..=5).contains(&version) {
            return Err(Invalid::QuoteVersion { found: version });
        }
        let tee = header(version, &mut reader)?;
        let body = body(version, tee, &mut reader)?;
        let signed = bytes[..bytes.len() - reader.0.len()].to_vec();

        let len = reader.u32("length of the signature data")?;
        let mut data = Reader(reader.take(len as usize, "signature data")?);
        only_zeros(reader.0)?;

        let signature = data.array("quote signature")?;
        let attestation_key = data.array("attestation key")?;
        let mut qe = if version == 3 {
            data
        } else {
            let inside = certification(&mut data, "outer", CERTIFICATION_QE_REPORT)?;
            data.end("signature data")?;
            Reader(inside)
        };
        let qe_report = qe.array("QE report")?;
        let qe_report_signature = qe.array("QE report signature")?;
        let len = qe.u16("length of the QE authentication data")?;
        let qe_auth_data = qe.take(len as usize, "QE authentication data")?.to_vec();
        let certificates = certification(&mut qe, "inner", CERTIFICATION_PCK_CHAIN)?.to_vec();
        qe.end("certification data")?;

        Ok(Self {
            version,
            body,
            signed,
            signature,
            attestation_key,
            qe_report,
            qe_report_signature,
            qe_auth_data,
            certificates,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.body {
            Body::Sgx(_) => Kind::SgxDcap,
            Body::Tdx(_) => Kind::TdxDcap,
            Body::Snp(_) => Kind::Snp,
        }
    }
}

/// The header behind the version; gives the TEE type.
fn header(version: u16, reader: &mut Reader<'_>) -> Result<u32, Invalid> {
    let mut rest = Reader(reader.take(HEADER_LEN - 2, "header")?);
    let key_type = rest.u16("attestation key type")?;
    if key_type != KEY_TYPE_P256 {
        return Err(Invalid::AttestationKeyType { found: key_type });
    }
    let tee = rest.u32("TEE type")?;
    let (known, wanted) = match version {
        3 => (tee == TEE_SGX, "0x0 (SGX)"),
        _ => (tee == TEE_SGX || tee == TEE_TDX, "0x0 (SGX) or 0x81 (TDX)"),
    };
    if !known {
        return Err(Invalid::TeeType {
            version,
            found: tee,
            wanted,
        });
    }
    // Version 3 has the security versions of QE and PCE here (informative; the QE report and the PCK certificate count),
    // later versions have four reserved bytes.
    let svns: [u8; 4] = rest.array("QE and PCE SVN")?;
    if version > 3 && svns != [0; 4] {
        return Err(not_zero("reserved bytes of the header", &svns));
    }
    let vendor: [u8; 16] = rest.array("QE vendor")?;
    if vendor != INTEL_QE_VENDOR {
        return Err(Invalid::QeVendor {
            found: hex::encode(vendor),
        });
    }
    Ok(tee)
}

fn body(version: u16, tee: u32, reader: &mut Reader<'_>) -> Result<Body, Invalid> {
    let (body_type, len) = match (version, tee) {
        (5, _) => {
            let body_type = reader.u16("type of the body")?;
            (body_type, Some(reader.u32("length of the body")?))
        }
        (_, TEE_SGX) => (1, None),
        _ => (2, None),
    };
    let wanted = match (tee, body_type) {
        (TEE_SGX, 1) => REPORT_LEN,
        (TEE_TDX, 2) => TD_REPORT_10_LEN,
        (TEE_TDX, 3) => TD_REPORT_15_LEN,
        (TEE_TDX, 4) => TD_REPORT_15_EX_LEN,
        _ => {
            return Err(Invalid::BodyType {
                found: body_type,
                tee,
                wanted: if tee == TEE_SGX { "1" } else { "2, 3 or 4" },
            });
        }
    };
    if let Some(len) = len.filter(|len| *len as usize != wanted) {
        return Err(Invalid::Malformed {
            field: "length of the body",
            cause: format!("is {len}, wanted {wanted} for type {body_type}"),
        });
    }
    let bytes = reader.take(wanted, "body")?;
    if tee == TEE_SGX {
        Ok(Body::Sgx(Box::new(SgxBody::parse("body", bytes)?)))
    } else {
        Ok(Body::Tdx(Box::new(TdxBody::parse(bytes)?)))
    }
}

fn only_zeros(behind: &[u8]) -> Result<(), Invalid> {
    match behind.iter().position(|b| *b != 0) {
        None => Ok(()),
        Some(at) => Err(Invalid::Malformed {
            field: "end",
            cause: format!(
                "has {} bytes behind the signature data, of which number {at} is {:#04x}; only zeros may stand there",
                behind.len(),
                behind[at]
            ),
        }),
    }
}

/// Type, length and contents of certification data.
fn certification<'a>(
    reader: &mut Reader<'a>,
    place: &'static str,
    wanted: u16,
) -> Result<&'a [u8], Invalid> {
    let found = reader.u16("type of the certification data")?;
    if found != wanted {
        return Err(Invalid::CertificationData {
            place,
            wanted,
            found,
        });
    }
    let len = reader.u32("length of the certification data")?;
    reader.take(len as usize, "certification data")
}

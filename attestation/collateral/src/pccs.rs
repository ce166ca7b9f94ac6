//! The API of Intel's PCS and of PCCS: four GETs make one platform's collateral.
//!
//! Version 4 is asked; where it has nothing, version 3, which is SGX's only. The verifier takes TCB info of version 3, which
//! is API version 4's, so an old service that has only its own TCB info is named by the verifier.
//! Source: Intel SGX and TDX PCS API documentation, v4 and v3 (`tcb`, `qe/identity`, `pckcrl`); `rootcacrl` is PCCS's own,
//! the PCS publishes the root's CRL beside its certificates.
//! Issuer chains travel percent-encoded in headers; the signed JSON must be kept byte for byte.

use std::sync::Arc;

use http::HeaderMap;
use http::header::DATE;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::value::RawValue;
use stoa_attestation::Kind;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::error::CollateralError;
use crate::platform::Platform;
use crate::transport::{Answer, Transport};

/// Intel's own PCS, which has no `rootcacrl`.
const INTEL_PCS_HOST: &str = "api.trustedservices.intel.com";
/// Where Intel publishes its root CA and the root's CRL.
const INTEL_CERTIFICATES: &str = "https://certificates.trustedservices.intel.com";
/// The root's CRL there.
const ROOT_CRL: &str = "/IntelSGXRootCA.der";

/// A collateral service.
#[derive(Clone)]
pub struct Pccs {
    transport: Transport,
    /// Where the vendor publishes the root's CRL, if that is another host.
    certificates: Option<Transport>,
}

impl Pccs {
    /// The service whose routes stand behind `url` (`http://127.0.0.1:8081`).
    ///
    /// # Errors
    /// [`CollateralError::UrlInvalid`]; https without `tls` is one.
    pub fn new(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, CollateralError> {
        let transport = Transport::new(url, tls.clone())?;
        let certificates = (transport.host() == INTEL_PCS_HOST)
            .then(|| Transport::new(INTEL_CERTIFICATES, tls))
            .transpose()?;
        Ok(Self {
            transport,
            certificates,
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.transport.base()
    }

    /// The collateral of one platform, nothing of it verified.
    ///
    /// # Errors
    /// [`CollateralError`] of the first request that fails.
    pub async fn fetch(&self, platform: &Platform) -> Result<Fetched, CollateralError> {
        let (tee, fmspc, ca) = match platform {
            Platform::Intel {
                kind: Kind::SgxDcap,
                fmspc,
                ca,
            } => ("sgx", fmspc, ca),
            Platform::Intel {
                kind: Kind::TdxDcap,
                fmspc,
                ca,
            } => ("tdx", fmspc, ca),
            Platform::Intel { .. } | Platform::Amd { .. } => {
                let kind = platform.kind().name();
                return Err(CollateralError::KindUnknown { kind });
            }
        };
        let tcb = format!("tcb?fmspc={}", hex::encode(fmspc));
        let pck_crl = format!("pckcrl?ca={ca}&encoding=der");
        let ((tcb, tcb_api), (qe, qe_api), (pck_crl, crl_api), root_crl) = tokio::try_join!(
            self.get(tee, &tcb),
            self.get(tee, "qe/identity"),
            self.get("sgx", &pck_crl),
            self.root_crl(),
        )?;
        let (tcb_info, tcb_info_signature) = signed::<TcbInfo>(&tcb)?;
        let (qe_identity, qe_identity_signature) = signed::<Identity>(&qe)?;
        let collateral = serde_json::json!({
            "pck_crl_issuer_chain": chain(&pck_crl, "SGX-PCK-CRL-Issuer-Chain")?,
            "root_ca_crl": crl_hex(&root_crl)?,
            "pck_crl": crl_hex(&pck_crl)?,
            "tcb_info_issuer_chain": chain(&tcb, "TCB-Info-Issuer-Chain")?,
            "tcb_info": tcb_info,
            "tcb_info_signature": tcb_info_signature,
            "qe_identity_issuer_chain": chain(&qe, "SGX-Enclave-Identity-Issuer-Chain")?,
            "qe_identity": qe_identity,
            "qe_identity_signature": qe_identity_signature,
        });
        let api = tcb_api.min(qe_api).min(crl_api);
        Ok(Fetched {
            json: collateral.to_string().into_bytes(),
            source: format!("{} (API v{api})", self.url()),
            served_at: served_at(&tcb.headers),
        })
    }

    /// `rest` under the newest version of the API that has it.
    async fn get(&self, tee: &str, rest: &str) -> Result<(Answer, u8), CollateralError> {
        let newest = self
            .transport
            .get(&format!("/{tee}/certification/v4/{rest}"))
            .await;
        match newest {
            Err(not_found) if not_found.is_not_found() && tee == "sgx" => {
                let older = self
                    .transport
                    .get(&format!("/{tee}/certification/v3/{rest}"))
                    .await;
                // What version 3 says of a platform that neither has is less than what version 4 said.
                older.map(|answer| (answer, 3)).map_err(|_| not_found)
            }
            other => other.map(|answer| (answer, 4)),
        }
    }

    async fn root_crl(&self) -> Result<Answer, CollateralError> {
        let of_pccs = self.get("sgx", "rootcacrl").await;
        match (of_pccs, &self.certificates) {
            (Err(not_found), certificates) if not_found.is_not_found() => {
                let of_pcs = certificates.as_ref().unwrap_or(&self.transport);
                of_pcs.get(ROOT_CRL).await.map_err(|_| not_found)
            }
            (other, _) => other.map(|(answer, _)| answer),
        }
    }
}

/// Collateral as a source gave it: nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// JSON in the layout of `stoa_attestation::Collateral`.
    pub json: Vec<u8>,
    /// Who gave it, in words.
    pub source: String,
    /// When, by the clock of who gave it (Unix seconds), if it said so. Nobody vouches for it.
    pub served_at: Option<u64>,
}

#[derive(Deserialize)]
struct TcbInfo<'a> {
    #[serde(borrow, rename = "tcbInfo")]
    text: &'a RawValue,
    signature: String,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow, rename = "enclaveIdentity")]
    text: &'a RawValue,
    signature: String,
}

/// A signed text as it stands in the answer, and its signature.
trait Signed<'a>: Deserialize<'a> {
    const WANTED: &'static str;
    fn parts(self) -> (&'a str, String);
}

impl<'a> Signed<'a> for TcbInfo<'a> {
    const WANTED: &'static str = "JSON with tcbInfo and signature";
    fn parts(self) -> (&'a str, String) {
        (self.text.get(), self.signature)
    }
}

impl<'a> Signed<'a> for Identity<'a> {
    const WANTED: &'static str = "JSON with enclaveIdentity and signature";
    fn parts(self) -> (&'a str, String) {
        (self.text.get(), self.signature)
    }
}

fn signed<'a, T: Signed<'a>>(answer: &'a Answer) -> Result<(&'a str, String), CollateralError> {
    let parsed: T =
        serde_json::from_slice(&answer.body).map_err(|error| CollateralError::Malformed {
            url: answer.url.clone(),
            what: "the body",
            found: format!("something else ({error})"),
            wanted: T::WANTED,
        })?;
    Ok(parsed.parts())
}

fn chain(answer: &Answer, header: &'static str) -> Result<String, CollateralError> {
    let malformed = |found: String| CollateralError::Malformed {
        url: answer.url.clone(),
        what: header,
        found,
        wanted: "a percent-encoded PEM chain",
    };
    let value = find(&answer.headers, header).ok_or_else(|| malformed("missing".to_owned()))?;
    let decoded = percent_decode_str(&value)
        .decode_utf8()
        .map_err(|error| malformed(format!("no text ({error})")))?;
    Ok(decoded.into_owned())
}

/// The header Date (RFC 9110, 6.6.1), in the one form that may be sent.
pub(crate) fn served_at(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    u64::try_from(date.unix_timestamp()).ok()
}

/// Header by name; an older API called the chain of TCB info by another one.
fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let alias = if name == "TCB-Info-Issuer-Chain" {
        "SGX-TCB-Info-Issuer-Chain"
    } else {
        name
    };
    let value = headers.get(name).or_else(|| headers.get(alias))?;
    value.to_str().ok().map(str::to_owned)
}

/// The body in hex, if it is DER: a SEQUENCE with a length of more than 127 bytes. No hex digit is above 0x7F.
pub(crate) fn der_hex(answer: &Answer) -> Option<String> {
    let is_der = matches!(answer.body.as_ref(), [0x30, 0x80..=0xff, ..]);
    is_der.then(|| hex::encode(&answer.body))
}

/// A CRL in hex. Services answer DER or hex of it, depending on the resource, their version and what was asked for.
fn crl_hex(answer: &Answer) -> Result<String, CollateralError> {
    if let Some(hex) = der_hex(answer) {
        return Ok(hex);
    }
    let malformed = |found: String| CollateralError::Malformed {
        url: answer.url.clone(),
        what: "the body",
        found,
        wanted: "a CRL, in hex or DER",
    };
    let text = std::str::from_utf8(&answer.body)
        .map_err(|_| malformed("neither".to_owned()))?
        .trim();
    if text.is_empty() {
        return Err(malformed("empty".to_owned()));
    }
    hex::decode(text).map_err(|error| malformed(format!("no hex ({error})")))?;
    Ok(text.to_owned())
}

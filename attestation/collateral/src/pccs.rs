//! The API of Intel's PCS and of PCCS, version 4: four GETs make one platform's collateral.
//!
//! Source: Intel SGX and TDX PCS API documentation, v4 (`tcb`, `qe/identity`, `pckcrl`); `rootcacrl` is PCCS's own.
//! Issuer chains travel percent-encoded in headers; the signed JSON must be kept byte for byte.

use std::sync::Arc;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::value::RawValue;
use stoa_attestation::{Kind, UnverifiedPlatform};

use crate::error::CollateralError;
use crate::transport::{Answer, Transport};

/// A collateral service.
#[derive(Clone)]
pub struct Pccs {
    transport: Transport,
}

impl Pccs {
    /// The service whose routes stand behind `url` (`http://127.0.0.1:8081`).
    ///
    /// # Errors
    /// [`CollateralError::UrlInvalid`]; https without `tls` is one.
    pub fn new(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, CollateralError> {
        Ok(Self {
            transport: Transport::new(url, tls)?,
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.transport.base()
    }

    /// The collateral of one platform: JSON in the layout of `stoa_attestation::Collateral`, nothing of it verified.
    ///
    /// # Errors
    /// [`CollateralError`] of the first request that fails.
    pub async fn fetch(&self, platform: &UnverifiedPlatform) -> Result<Vec<u8>, CollateralError> {
        let tee = match platform.kind {
            Kind::SgxDcap => "sgx",
            Kind::TdxDcap => "tdx",
            other => return Err(CollateralError::KindUnknown { kind: other.name() }),
        };
        let fmspc = hex::encode(platform.fmspc);
        let tcb_target = format!("/{tee}/certification/v4/tcb?fmspc={fmspc}");
        let qe_target = format!("/{tee}/certification/v4/qe/identity");
        let crl_target = format!(
            "/sgx/certification/v4/pckcrl?ca={}&encoding=der",
            platform.ca
        );
        let (tcb, qe, pck_crl, root_crl) = tokio::try_join!(
            self.transport.get(&tcb_target),
            self.transport.get(&qe_target),
            self.transport.get(&crl_target),
            self.transport.get("/sgx/certification/v4/rootcacrl"),
        )?;
        let (tcb_info, tcb_info_signature) = signed::<TcbInfo>(&tcb)?;
        let (qe_identity, qe_identity_signature) = signed::<Identity>(&qe)?;
        let collateral = serde_json::json!({
            "pck_crl_issuer_chain": chain(&pck_crl, "SGX-PCK-CRL-Issuer-Chain")?,
            "root_ca_crl": root_crl_hex(&root_crl)?,
            "pck_crl": hex::encode(&pck_crl.body),
            "tcb_info_issuer_chain": chain(&tcb, "TCB-Info-Issuer-Chain")?,
            "tcb_info": tcb_info,
            "tcb_info_signature": tcb_info_signature,
            "qe_identity_issuer_chain": chain(&qe, "SGX-Enclave-Identity-Issuer-Chain")?,
            "qe_identity": qe_identity,
            "qe_identity_signature": qe_identity_signature,
        });
        Ok(collateral.to_string().into_bytes())
    }
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

/// PCCS answers hex of the DER; some versions answer the DER itself.
fn root_crl_hex(answer: &Answer) -> Result<String, CollateralError> {
    if answer.body.first() == Some(&0x30)
        && answer.body.get(1).is_some_and(|length| *length >= 0x80)
    {
        return Ok(hex::encode(&answer.body));
    }
    let malformed = |found: String| CollateralError::Malformed {
        url: answer.url.clone(),
        what: "the body",
        found,
        wanted: "the root CA's CRL, in hex or DER",
    };
    let text = std::str::from_utf8(&answer.body)
        .map_err(|_| malformed("neither".to_owned()))?
        .trim();
    hex::decode(text).map_err(|error| malformed(format!("no hex ({error})")))?;
    Ok(text.to_owned())
}

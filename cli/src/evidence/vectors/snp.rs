//! Vectors of SEV-SNP: report, certificate, chain and list are files there, and are put into the forms that travel.
//!
//! Formats: tests/vectors/README.md for the files, docs/protocol/snp.md for the forms.

use std::path::Path;

use base64::Engine as _;
use serde_json::json;
use stoa_attestation::lp::Writer;
use stoa_attestation::{COLLATERAL_LEN_MAX, EVIDENCE_LEN_MAX};

use crate::failure::{Failure, Refused};
use crate::files;

/// `LP(report) LP(certificate)`; the certificate is PEM or DER, as its file's name says.
pub(super) fn evidence(report: &Path, certificate: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let report = files::read(report, EVIDENCE_LEN_MAX)?;
    let certificate = match certificate {
        Some(path) => der(path)?,
        None => Vec::new(),
    };
    Ok(Writer::new().field(&report).field(&certificate).finish())
}

/// The object of docs/protocol/snp.md, section 2.
pub(super) fn collateral(chain: &Path, crl: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let crl = match crl {
        Some(path) => files::read(path, COLLATERAL_LEN_MAX)?,
        None => Vec::new(),
    };
    let chain = text(chain)?;
    let object = json!({"tee": "snp", "ask_ark_chain": chain, "crl": hex::encode(crl), "vek": ""});
    Ok(object.to_string().into_bytes())
}

/// The last certificate of a PEM file, as PEM: in a chain, the root.
pub(super) fn last_certificate(path: &Path) -> Result<String, Failure> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = text(path)?;
    let at = text.rfind(BEGIN).unwrap_or(0);
    Ok(text[at..].to_owned())
}

fn der(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.extension().is_none_or(|extension| extension != "pem") {
        return Ok(files::read(path, EVIDENCE_LEN_MAX)?);
    }
    let text = text(path)?;
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(base64.trim());
    der.map_err(|error| unreadable(path, format!("it is no PEM: {error}")))
}

fn text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, COLLATERAL_LEN_MAX)?;
    String::from_utf8(bytes).map_err(|error| unreadable(path, format!("it is no text: {error}")))
}

fn unreadable(path: &Path, cause: String) -> Failure {
    let path = path.display().to_string();
    Refused::NotReadable { path, cause }.into()
}

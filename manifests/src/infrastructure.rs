//! `Infrastructures`: platforms, one of which evidence must fit.
//!
//! Does not live here: the comparison (`attestation::policy`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use stoa_attestation::policy::Infrastructure;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::fault::{Path, Sink};
use crate::fields::Fields;
use crate::json::Value;
use crate::keys::INFRASTRUCTURE;

/// Reads one; absent, empty and 0 are not compared.
pub(crate) fn read(name: &str, value: &Value, path: &Path, sink: &mut Sink) -> Infrastructure {
    let fields = Fields::open(value, path, &INFRASTRUCTURE, sink);
    let mut short = |key| {
        let number = fields.number(key, u64::from(u16::MAX), sink)?;
        u16::try_from(number).ok().filter(|number| *number > 0)
    };
    let (qe_svn, pce_svn) = (short("QESVN"), short("PCESVN"));
    let cpu_svn = fields.bytes("CPUSVN", sink).and_then(|bytes| {
        let length = bytes.len();
        let fits = <[u8; 16]>::try_from(bytes).ok();
        if fits.is_none() {
            let cause = format!("has {length} bytes");
            sink.fault(
                &fields.path("CPUSVN"),
                cause,
                "write the 16 components, a byte each",
            );
        }
        fits
    });
    let root_ca = fields.bytes("RootCA", sink).and_then(|bytes| {
        let der = certificate_der(&bytes);
        if der.is_none() {
            sink.fault(
                &fields.path("RootCA"),
                "is no certificate",
                "write one X.509 certificate, DER or PEM, as bytes",
            );
        }
        der.map(|der| Sha256::digest(der).into())
    });
    Infrastructure {
        name: name.to_owned(),
        qe_svn,
        pce_svn,
        cpu_svn,
        root_ca,
    }
}

/// One certificate, DER or PEM, as DER.
fn certificate_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let der = match std::str::from_utf8(bytes) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN") => pem(text, "CERTIFICATE").ok()?,
        _ => bytes.to_vec(),
    };
    let (rest, _) = X509Certificate::from_der(&der).ok()?;
    rest.is_empty().then_some(der)
}

/// Exactly one PEM block of that label (RFC 7468), as bytes; else what is wrong.
pub(crate) fn pem(text: &str, label: &str) -> Result<Vec<u8>, &'static str> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let inner = text
        .trim()
        .strip_prefix(&begin)
        .ok_or("it does not begin with the line BEGIN")?;
    let inner = inner
        .strip_suffix(&end)
        .ok_or("it does not end with the line END")?;
    let characters: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD
        .decode(characters)
        .map_err(|_| "it holds something that is not base64")?;
    (!bytes.is_empty()).then_some(bytes).ok_or("it is empty")
}

//! SHA-256 of files and certificates, computed here and not by the programs under test.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::{Failed, Outcome, failed};

/// Lower-case hex of SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Lower-case hex of SHA-256 of a file's bytes.
///
/// # Errors
/// If it can't be read.
pub fn sha256_of_file(path: &Path) -> Outcome<String> {
    Ok(sha256(&read(path)?))
}

/// The DER of the first certificate in a PEM file.
///
/// # Errors
/// If there is none.
pub fn der_of_pem(path: &Path) -> Outcome<Vec<u8>> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let body = text
        .split("-----BEGIN CERTIFICATE-----")
        .nth(1)
        .and_then(|rest| rest.split("-----END").next());
    let Some(body) = body else {
        return failed(format!("{} holds no certificate", path.display()));
    };
    let joined: String = body.split_whitespace().collect();
    STANDARD
        .decode(joined)
        .map_err(|error| Failed(format!("{}: {error}", path.display())))
}

/// A file's bytes, with its path in the error.
///
/// # Errors
/// If it can't be read.
pub fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failed(format!("{}: {error}", path.display())))
}

/// The first four and the last two hex digits: `5c1f..09`.
#[must_use]
pub fn short(hex: &str) -> String {
    match (hex.get(..4), hex.get(hex.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if hex.len() > 8 => format!("{head}..{tail}"),
        _ => hex.to_owned(),
    }
}

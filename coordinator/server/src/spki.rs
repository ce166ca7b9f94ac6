//! The SubjectPublicKeyInfo of a certificate, exactly as its bytes stand there.

use x509_parser::prelude::{FromDer, X509Certificate};

/// SPKI bytes of the certificate `der`, or why it can't be read.
///
/// # Errors
/// The parser's words, if `der` is no X.509 certificate or has bytes behind it.
pub fn of_certificate(der: &[u8]) -> Result<Vec<u8>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate.public_key().raw.to_vec()),
        Ok((rest, _)) => Err(format!("{} bytes stand behind the certificate", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

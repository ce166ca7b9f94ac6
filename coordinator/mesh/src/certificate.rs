//! A certificate of this mesh, read once: the DER as it was signed, and the few fields that decisions rest on.
//!
//! Source: RFC 5280, 4.1 and 4.2.1.2; RFC 7093, 2 (key identifiers).
//! Does not live here: what may stand in a certificate and who signs it (`ca`).

use std::fmt;

use rcgen::PublicKeyData;
use sha2::{Digest, Sha256};
use stoa_explain::Explain;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::keys::Subject;

/// Length in bytes of every serial number that this mesh gives out.
pub const SERIAL_BYTES: usize = 16;
/// Length in bytes of a key identifier (RFC 7093, 2, method 1).
pub(crate) const KEY_IDENTIFIER_BYTES: usize = 20;
/// Largest certificate in bytes that is read; ours are below 2 KiB unless a manifest names very many DNS names.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// A certificate that this mesh issued, with the fields that decisions rest on.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    spki: Vec<u8>,
    common_name: String,
    serial: [u8; SERIAL_BYTES],
    not_before: u64,
    not_after: u64,
}

impl Certificate {
    /// Reads a certificate that this mesh once signed.
    ///
    /// # Errors
    /// [`NotOurs`] names what does not have the shape of this mesh's certificates.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, NotOurs> {
        let fault = |cause: &str| NotOurs {
            bytes: der.len(),
            cause: cause.to_owned(),
        };
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(fault(&format!(
                "it has more than {CERTIFICATE_BYTES_MAX} bytes"
            )));
        }
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| fault(&format!("it is no X.509 certificate: {error}")))?;
        if !rest.is_empty() {
            return Err(fault(&format!("{} bytes follow it", rest.len())));
        }
        let spki = parsed.public_key().raw.to_vec();
        Subject::from_spki(&spki)
            .ok_or_else(|| fault("its key is of no kind that this mesh makes"))?;
        let serial = parsed.raw_serial().try_into().map_err(|_| {
            fault(&format!(
                "its serial number does not have {SERIAL_BYTES} bytes"
            ))
        })?;
        let common_name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .ok_or_else(|| fault("its subject has no common name"))?
            .to_owned();
        let seconds =
            |time: i64| u64::try_from(time).map_err(|_| fault("its dates lie before 1970"));
        let not_before = seconds(parsed.validity().not_before.timestamp())?;
        let not_after = seconds(parsed.validity().not_after.timestamp())?;
        Ok(Self {
            der: der.to_vec(),
            spki,
            common_name,
            serial,
            not_before,
            not_after,
        })
    }

    /// The certificate, DER, as it was signed.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SubjectPublicKeyInfo, DER, as its bytes stand in the certificate.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the SPKI.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.spki).into()
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The serial number, big-endian.
    #[must_use]
    pub fn serial(&self) -> [u8; SERIAL_BYTES] {
        self.serial
    }

    /// The subject's common name.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// First second in which it is valid, Unix time.
    #[must_use]
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Last second in which it is valid, Unix time.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("common_name", &self.common_name)
            .field("serial", &hex::encode(self.serial))
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The key identifier of a public key: the first 160 bits of SHA-256 over the key itself, without its algorithm.
///
/// Source: RFC 7093, 2, method 1.
pub(crate) fn key_identifier(subject: &Subject) -> Vec<u8> {
    Sha256::digest(subject.der_bytes())[..KEY_IDENTIFIER_BYTES].to_vec()
}

/// Bytes that are no certificate of this mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these {bytes} bytes are no certificate of this mesh: {cause}")]
pub struct NotOurs {
    /// How many bytes there were.
    pub bytes: usize,
    /// What is wrong with them.
    pub cause: String,
}

impl Explain for NotOurs {
    fn code(&self) -> &'static str {
        "certificate-not-ours"
    }

    fn remedy(&self) -> Option<String> {
        None
    }
}

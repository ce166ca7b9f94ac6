//! A signer's key: RSA-3072 in PEM, and how SGX names it.
//!
//! Source: Intel SDM vol. 3D, 38.13 (SIGSTRUCT: RSA-3072), 39.1.4 (MRSIGNER: SHA-256 of the modulus, little-endian).
//! Nothing is signed with it here; whoever has the private key may be the signer, as with Gramine's `sign`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use stoa_explain::Explain;
use zeroize::Zeroizing;

/// Bytes of the modulus: RSA-3072.
const MODULUS_LEN: usize = 384;

/// Why there is no signer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The key file cannot be read or made.
    #[error("cannot use the signer's key file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key is not one that SGX could sign with.
    #[error("the signer's key {} is not usable: {cause}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl Explain for SignerError {
    fn code(&self) -> &'static str {
        "synthetic-signer-unusable"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "make a key with `stoa-synthetic signer FILE`, in a file that does not exist yet"
                .to_owned(),
        )
    }
}

/// MRSIGNER of the private key in a PEM file (PKCS #8 or PKCS #1).
///
/// # Errors
/// [`SignerError`] with the cause.
pub fn id_of(path: &Path) -> Result<[u8; 32], SignerError> {
    let pem = fs::read(path).map_err(|source| SignerError::File {
        path: path.to_owned(),
        source,
    })?;
    id(&Zeroizing::new(pem)).map_err(|cause| SignerError::Unusable {
        path: path.to_owned(),
        cause,
    })
}

fn id(pem: &[u8]) -> Result<[u8; 32], String> {
    let key = if let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(pem) {
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
    } else if let Ok(der) = PrivatePkcs1KeyDer::from_pem_slice(pem) {
        RsaKeyPair::from_der(der.secret_pkcs1_der())
    } else {
        return Err("no `PRIVATE KEY` or `RSA PRIVATE KEY` in PEM is in it".to_owned());
    };
    let key = key.map_err(|error| format!("it is no RSA private key: {error}"))?;
    if key.public_modulus_len() != MODULUS_LEN {
        return Err(format!(
            "it is RSA-{}, and SGX signs with RSA-3072",
            key.public_modulus_len() * 8
        ));
    }
    // RSAPublicKey in DER: SEQUENCE and INTEGER with two octets of length each, a zero before the modulus.
    let mut modulus = key.public_key().as_ref()[9..9 + MODULUS_LEN].to_vec();
    modulus.reverse();
    Ok(Sha256::digest(&modulus).into())
}

/// Makes a key in a new file of mode 0600.
///
/// # Errors
/// [`SignerError`]; an existing file is left as it is.
pub fn create(path: &Path) -> Result<(), SignerError> {
    let unusable = |cause: &str| SignerError::Unusable {
        path: path.to_owned(),
        cause: cause.to_owned(),
    };
    let key = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| unusable("no key was made"))?;
    let der = key
        .as_der()
        .map_err(|_| unusable("the key has no encoding"))?;
    let body = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));
    let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(pem.as_bytes()))
        .map_err(|source| SignerError::File {
            path: path.to_owned(),
            source,
        })
}

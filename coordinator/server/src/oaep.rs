//! RSA-OAEP with SHA-256, MGF1-SHA-256 and an empty label (RFC 8017, 7.1): shares out to their holders, shares in.
//!
//! Does not live here: what is encrypted (`custody`, `recovering`).

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use zeroize::Zeroizing;

use crate::error::EdgeError;

/// Encrypts `plaintext` for the RSA key with this SPKI (DER).
///
/// # Errors
/// [`EdgeError::Bug`]: the manifest takes no key that the crypto library does not take.
pub fn encrypt(spki: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EdgeError> {
    let bug = |step: &str| EdgeError::Bug(format!("a share could not be encrypted: {step}"));
    let key = PublicEncryptingKey::from_der(spki).map_err(|error| bug(&error.to_string()))?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| bug("the key"))?;
    let mut out = vec![0; key.ciphertext_size()];
    let written = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None)
        .map_err(|_| bug("the encryption"))?;
    let len = written.len();
    out.truncate(len);
    Ok(out)
}

/// The key of one recovery, for which holders encrypt what they send. It is made when the recovery starts and never
/// leaves the process.
pub struct UploadKey {
    key: OaepPrivateDecryptingKey,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
}

impl UploadKey {
    /// RSA-3072; takes some tenths of a second.
    ///
    /// # Errors
    /// [`EdgeError::Bug`] if the crypto library fails.
    pub fn generate() -> Result<Self, EdgeError> {
        let bug = |_| EdgeError::Bug("the upload key could not be made".to_owned());
        let key = PrivateDecryptingKey::generate(KeySize::Rsa3072).map_err(bug)?;
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(bug)?;
        let spki = spki.as_ref().to_vec();
        let key = OaepPrivateDecryptingKey::new(key).map_err(bug)?;
        Ok(Self { key, spki })
    }

    /// What was encrypted for it; `None` if it was not, with no word about why.
    #[must_use]
    pub fn decrypt(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let len = self
            .key
            .decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut out, None)
            .ok()?
            .len();
        out.truncate(len);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_encrypted_for_an_upload_key_is_read_by_it_and_by_no_other() {
        let (key, other) = (
            UploadKey::generate().unwrap(),
            UploadKey::generate().unwrap(),
        );
        let mut sealed = encrypt(&key.spki, &[7; 84]).unwrap();
        assert_eq!(key.decrypt(&sealed).unwrap().as_slice(), &[7; 84]);
        assert!(other.decrypt(&sealed).is_none());
        sealed[9] ^= 1;
        assert!(key.decrypt(&sealed).is_none());
        assert!(key.decrypt(&[]).is_none());
        assert!(encrypt(&[1, 2, 3], &[7; 84]).is_err());
    }
}

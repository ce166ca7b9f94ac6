//! P-256 keys that come from a seed, so that a platform can be opened again and still is the same platform.
//!
//! Signatures use the nonce of RFC 6979: the same key and message give the same bytes. A key of this file protects
//! nothing but tests and demos.
//! Does not live here: what is signed (`pki`, `tcb`, `quote`).

use hkdf::Hkdf;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a P-256 scalar.
const SCALAR_LEN: usize = 32;

/// `N` bytes under a label, from the platform's seed (HKDF-SHA256, RFC 5869; no salt, the label as info).
pub(crate) fn derive<const N: usize>(seed: &[u8; 32], label: &str) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0_u8; N]);
    Hkdf::<Sha256>::new(None, seed)
        .expand(label.as_bytes(), out.as_mut_slice())
        .expect("callers ask for less than 255 hash lengths");
    out
}

/// A P-256 key pair of the synthetic vendor, with its uncompressed public point at hand.
#[derive(Clone)]
pub(crate) struct VendorKey {
    secret: SigningKey,
    /// 0x04, x, y.
    point: [u8; 65],
}

impl VendorKey {
    /// The key that `label` names on the platform with this seed.
    pub(crate) fn seeded(seed: &[u8; 32], label: &str) -> Self {
        for attempt in 0_u32.. {
            let scalar = derive::<SCALAR_LEN>(seed, &format!("{label}/{attempt}"));
            // Zero and values from the group's order on are no keys; one in 2^32 draws is such a value.
            if let Ok(secret) = SigningKey::from_slice(scalar.as_slice()) {
                let mut point = [0_u8; 65];
                point.copy_from_slice(secret.verifying_key().to_sec1_point(false).as_bytes());
                return Self { secret, point };
            }
        }
        unreachable!("2^32 draws in a row that are no scalar")
    }

    /// r and s, 32 bytes each: the form of quotes and collateral.
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.secret.sign(message);
        signature.to_bytes().into()
    }

    /// x and y, 32 bytes each: the form of quotes.
    pub(crate) fn x_y(&self) -> [u8; 64] {
        let mut out = [0_u8; 64];
        out.copy_from_slice(&self.point[1..]);
        out
    }

    /// Subject key identifier: the first 20 bytes of SHA-256 of the public point (RFC 7093, method 1).
    pub(crate) fn id(&self) -> Vec<u8> {
        Sha256::digest(self.point)[..20].to_vec()
    }
}

impl std::fmt::Debug for VendorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VendorKey(<secret>)")
    }
}

impl PublicKeyData for VendorKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for VendorKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.secret.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_label_give_the_same_key_and_signature() {
        let key = VendorKey::seeded(&[7; 32], "root");
        assert_eq!(
            key.sign_fixed(b"m"),
            VendorKey::seeded(&[7; 32], "root").sign_fixed(b"m")
        );
        assert_ne!(key.x_y(), VendorKey::seeded(&[8; 32], "root").x_y());
        assert_ne!(key.x_y(), VendorKey::seeded(&[7; 32], "pck").x_y());
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(
            format!("{:?}", VendorKey::seeded(&[7; 32], "root")),
            "VendorKey(<secret>)"
        );
    }
}

//! Symmetric secrets of single instances: derived, not stored, so that a restarted instance gets its own back.
//!
//! Source: docs/reference/derivation.md (with test vectors made by an independent program); RFC 5869 (HKDF).
//! Does not live here: secrets that are shared or certificates (`secrets`).

use hkdf::Hkdf;
use sha2::Sha512;
use stoa_attestation::lp::Writer;
use zeroize::Zeroizing;

use crate::identity::Instance;
use crate::secret::DerivationSecret;

const LABEL: &str = "stoa/secret";
/// Version of the derivation: another one gives unrelated secrets.
const VERSION: u8 = 1;
/// Longest derived secret in bytes: 255 blocks of SHA-512 (RFC 5869, 2.3).
pub(crate) const DERIVED_BYTES_MAX: usize = 255 * 64;

/// HKDF-SHA-512 without salt over the mesh's derivation secret, `bytes` long; `None` above [`DERIVED_BYTES_MAX`].
///
/// The info is LP("stoa/secret") LP(version u8) LP(marble) LP(instance) LP(secret's name) LP(bytes u64).
pub(crate) fn symmetric(
    derivation: &DerivationSecret,
    marble: &str,
    instance: &Instance,
    secret: &str,
    bytes: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let info = Writer::new()
        .field(LABEL.as_bytes())
        .u8(VERSION)
        .field(marble.as_bytes())
        .field(instance)
        .field(secret.as_bytes())
        .u64(bytes as u64)
        .finish();
    if bytes > DERIVED_BYTES_MAX {
        return None;
    }
    let mut derived = Zeroizing::new(vec![0; bytes]);
    Hkdf::<Sha512>::new(None, derivation.0.as_slice())
        .expand(&info, &mut derived)
        .ok()?;
    Some(derived)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made by `tests/derivation.py`, which knows docs/reference/derivation.md and nothing else.
    const VECTORS: &str = include_str!("../tests/derivation.json");

    #[test]
    fn derives_what_an_independent_program_derives() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            let bytes = |name: &str| hex::decode(text(name)).unwrap();
            let derivation = DerivationSecret(Zeroizing::new(
                bytes("derivation_secret").try_into().unwrap(),
            ));
            let instance = bytes("instance").try_into().unwrap();
            let length = usize::try_from(vector["bytes"].as_u64().unwrap()).unwrap();
            let got = symmetric(
                &derivation,
                &text("marble"),
                &instance,
                &text("secret"),
                length,
            )
            .unwrap();
            assert_eq!(hex::encode(&got), text("derived"), "{vector}");
        }
    }

    #[test]
    fn every_input_changes_the_secret() {
        let derive = |root: u8, marble: &str, instance: u8, secret: &str, bytes: usize| {
            let derivation = DerivationSecret(Zeroizing::new([root; 32]));
            symmetric(&derivation, marble, &[instance; 16], secret, bytes).unwrap()[..16].to_vec()
        };
        let base = derive(1, "a", 1, "s", 32);
        let others = [
            derive(2, "a", 1, "s", 32),
            derive(1, "b", 1, "s", 32),
            derive(1, "a", 2, "s", 32),
            derive(1, "a", 1, "t", 32),
            derive(1, "a", 1, "s", 33),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(base, *other, "input {place}");
        }
    }

    #[test]
    fn a_secret_longer_than_hkdf_can_give_is_none() {
        let derivation = DerivationSecret(Zeroizing::new([1; 32]));
        assert!(symmetric(&derivation, "a", &[1; 16], "s", DERIVED_BYTES_MAX).is_some());
        assert!(symmetric(&derivation, "a", &[1; 16], "s", DERIVED_BYTES_MAX + 1).is_none());
    }
}

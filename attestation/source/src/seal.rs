//! Keys that Stoa seals with, from the TEE's own key.
//!
//! The TEE's key never seals anything itself: what is used is derived from it under a label with a version byte, so that
//! another purpose, or the next version of a format, has another key from the same TEE.
//! Does not live here: what is sealed (`stoa-store`, file `sealed_key`).

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use stoa_attestation::lp::Writer;
use zeroize::Zeroizing;

use crate::{SealPolicy, Source, SourceError};

/// Version of what [`data_key_wrapper`] derives.
const DATA_KEY_WRAPPER_VERSION: u8 = 1;

/// The key that wraps the journal's data key in the file `sealed_key`; 32 bytes.
///
/// HKDF-SHA256 over the TEE's key for the id SHA-256(LP("stoa/seal/data-key")), without salt, with the info
/// LP("stoa/seal/data-key") LP(version u8 = 1) LP(policy u8: 1 measurement, 2 signer).
///
/// # Errors
/// What the TEE says.
///
/// Source: RFC 5869.
pub fn data_key_wrapper(
    source: &dyn Source,
    policy: SealPolicy,
) -> Result<Zeroizing<[u8; 32]>, SourceError> {
    let label = Writer::new().field(b"stoa/seal/data-key");
    let id: [u8; 32] = Sha256::digest(label.clone().finish()).into();
    let root = source.sealing_key(policy, &id)?;
    let info = label
        .u8(DATA_KEY_WRAPPER_VERSION)
        .u8(match policy {
            SealPolicy::Measurement => 1,
            SealPolicy::Signer => 2,
        })
        .finish();
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, root.as_slice())
        .expand(&info, key.as_mut_slice())
        .expect("32 bytes are one hash length, below the 255 that HKDF gives");
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Mutex;

    use stoa_attestation::Kind;

    use super::*;

    const GOLDEN_ID: [u8; 32] = [
        0x6D, 0x9C, 0xBC, 0x97, 0x37, 0xEC, 0xC0, 0x24, 0x15, 0x5A, 0x26, 0x0D, 0x95, 0xC0, 0x09,
        0x31, 0x0E, 0xD8, 0x22, 0x97, 0xF3, 0x8D, 0x2B, 0x7B, 0xBB, 0x94, 0x6B, 0x0D, 0x1B, 0xAC,
        0x81, 0xDB,
    ];
    const GOLDEN_SIGNER: [u8; 32] = [
        0x90, 0x4B, 0x18, 0x8B, 0xA1, 0x70, 0x5B, 0xF4, 0x58, 0x37, 0x71, 0xCD, 0xD4, 0x9F, 0x26,
        0x4F, 0xCF, 0xD3, 0x75, 0x5D, 0x94, 0x7F, 0x82, 0x68, 0x9B, 0x22, 0xD7, 0xDF, 0xB7, 0xF9,
        0x94, 0x16,
    ];

    /// Gives the same key whatever is asked, and remembers what was.
    struct Fixed([u8; 32], Mutex<Vec<(SealPolicy, [u8; 32])>>);

    impl Source for Fixed {
        fn kind(&self) -> Kind {
            Kind::SgxDcap
        }
        fn evidence(&self, _: &[u8; 64]) -> Result<Vec<u8>, SourceError> {
            Ok(Vec::new())
        }
        fn sealing_key(
            &self,
            policy: SealPolicy,
            id: &[u8; 32],
        ) -> Result<Zeroizing<[u8; 32]>, SourceError> {
            self.1.lock().unwrap().push((policy, *id));
            Ok(Zeroizing::new(self.0))
        }
        fn is_hardware(&self) -> bool {
            false
        }
    }

    #[test]
    fn the_wrapping_key_is_this_one_for_ever() {
        let source = Fixed([7; 32], Mutex::default());
        let key = data_key_wrapper(&source, SealPolicy::Signer).unwrap();
        // Computed with Python's hmac and hashlib from the doc comment.
        assert_eq!(*key, GOLDEN_SIGNER);
        let (policy, id) = source.1.lock().unwrap()[0];
        assert_eq!(policy, SealPolicy::Signer);
        assert_eq!(id, GOLDEN_ID);
    }

    #[test]
    fn policy_and_tee_key_change_it_and_it_is_never_the_tee_key() {
        let key = |root: [u8; 32], policy| {
            *data_key_wrapper(&Fixed(root, Mutex::default()), policy).unwrap()
        };
        let signer = key([7; 32], SealPolicy::Signer);
        assert_ne!(signer, key([7; 32], SealPolicy::Measurement));
        assert_ne!(signer, key([8; 32], SealPolicy::Signer));
        assert_ne!(signer, [7; 32]);
    }
}

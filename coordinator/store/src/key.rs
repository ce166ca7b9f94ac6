//! The data key (DEK) and what is derived from it. The data key itself seals nothing.
//!
//! Does not live here: how it is wrapped for the disk (`keyfile`), how it is shared for recovery (`mesh`).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Info strings of HKDF-SHA-256 (RFC 5869, empty salt, data key as input).
const INFO_ID: &[u8] = b"stoa/key-id/1";
const INFO_RECORD: &[u8] = b"stoa/record/1";
const INFO_HEAD: &[u8] = b"stoa/head/1";

/// The 32-byte key under which a journal is sealed. It is erased when dropped and never printed.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new random key.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// A key that was handed over or put together from shares.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The secret itself, for wrapping it and for making recovery shares.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the key without giving it away: the first 8 bytes of HKDF(key, `stoa/key-id/1`).
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        self.expand(INFO_ID, &mut id);
        id
    }

    fn expand(&self, info: &[u8], out: &mut [u8]) {
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(info, out)
            .expect("HKDF-SHA-256 gives up to 8160 bytes and we ask for 32 at most");
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(<secret>)")
    }
}

/// What the journal works with.
pub(crate) struct Keys {
    /// Stands in every record and in the head.
    pub(crate) id: [u8; 8],
    /// Seals records: AES-256-GCM-SIV under HKDF(key, `stoa/record/1`).
    pub(crate) record: LessSafeKey,
    /// Authenticates the head: HMAC-SHA-256 under HKDF(key, `stoa/head/1`).
    pub(crate) head: Zeroizing<[u8; 32]>,
}

impl Keys {
    pub(crate) fn derive(key: &DataKey) -> Self {
        let mut record = Zeroizing::new([0; 32]);
        key.expand(INFO_RECORD, record.as_mut_slice());
        let mut head = Zeroizing::new([0; 32]);
        key.expand(INFO_HEAD, head.as_mut_slice());
        Self {
            id: key.id(),
            record: siv_key(&record),
            head,
        }
    }

    pub(crate) fn id_hex(&self) -> String {
        hex::encode(self.id)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, <secret>)", self.id_hex())
    }
}

/// AES-256-GCM-SIV (RFC 8452) under `key`.
pub(crate) fn siv_key(key: &[u8; 32]) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM_SIV, key)
        .expect("AES-256-GCM-SIV takes a key of 32 bytes, and it has 32");
    LessSafeKey::new(unbound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::SeededRng;

    #[test]
    fn debug_output_hides_the_key() {
        let key = DataKey::from_bytes(&[0x41; 32]);
        assert_eq!(format!("{key:?}"), "DataKey(<secret>)");
        let keys = format!("{:?}", Keys::derive(&key));
        assert_eq!(keys, format!("Keys({}, <secret>)", hex::encode(key.id())));
    }

    #[test]
    fn key_ids_tell_keys_apart_and_stay_the_same() {
        let mut rng = SeededRng::new(1);
        let (one, two) = (DataKey::generate(&mut rng), DataKey::generate(&mut rng));
        assert_ne!(one.id(), two.id());
        assert_eq!(one.id(), DataKey::from_bytes(one.expose_secret()).id());
        // Golden, computed by another program (Python, hmac): the id is part of the format on disk.
        assert_eq!(
            hex::encode(DataKey::from_bytes(&[0; 32]).id()),
            GOLDEN_ID_OF_ZERO_KEY
        );
    }

    const GOLDEN_ID_OF_ZERO_KEY: &str = "e890553b683797ad";
}

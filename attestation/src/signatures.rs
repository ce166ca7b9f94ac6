//! Signature checks: ECDSA P-256 with SHA-256 through the caller's algorithm, and the memory of those that were good.
//!
//! Does not live here: what is signed by whom (`x509`, `crl`, `collateral`, `verify`), the memory itself (the server's).

use core::fmt;

use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256};

use crate::der::tlv;
use crate::invalid::Invalid;

/// DER of SubjectPublicKeyInfo for P-256 up to the point (RFC 5480, 2.1.1): `ecPublicKey`, `prime256v1`, BIT STRING.
const SPKI_P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Remembers signatures that were checked and good. Whether a signature is good does not depend on time, so this is sound.
///
/// Keys are SHA-256 over algorithm, public key, message and signature. They are inserted only after the whole
/// verification that needed them succeeded, so that nobody can fill the memory with signatures of his own.
pub trait SignatureMemo: Sync {
    /// Whether that check is known to succeed.
    fn contains(&self, key: &[u8; 32]) -> bool;
    /// Remembers checks that succeeded.
    fn insert(&self, keys: &[[u8; 32]]);
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemo;

impl SignatureMemo for NoMemo {
    fn contains(&self, _key: &[u8; 32]) -> bool {
        false
    }

    fn insert(&self, _keys: &[[u8; 32]]) {}
}

/// A public key on P-256: `04 || x || y`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; 65]);

impl Key {
    /// From a SubjectPublicKeyInfo in DER; `None` if it is not on P-256, or compressed.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let point: [u8; 65] = spki.strip_prefix(&SPKI_P256_PREFIX)?.try_into().ok()?;
        (point[0] == 4).then_some(Self(point))
    }

    /// From `x || y`, as quotes carry it.
    pub(crate) fn from_coordinates(xy: &[u8; 64]) -> Self {
        let mut point = [4; 65];
        point[1..].copy_from_slice(xy);
        Self(point)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The signature checks of one verification.
pub(crate) struct Signatures<'a> {
    algorithm: &'a dyn SignatureVerificationAlgorithm,
    seen: &'a dyn SignatureMemo,
    fresh: Vec<[u8; 32]>,
}

impl<'a> Signatures<'a> {
    pub(crate) fn new(
        algorithms: &[&'a dyn SignatureVerificationAlgorithm],
        seen: &'a dyn SignatureMemo,
    ) -> Result<Self, Invalid> {
        let algorithm = algorithms
            .iter()
            .find(|algorithm| {
                algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                    && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
            })
            .ok_or(Invalid::AlgorithmMissing {
                passed: algorithms.len(),
            })?;
        Ok(Self {
            algorithm: *algorithm,
            seen,
            fresh: Vec::new(),
        })
    }

    /// ECDSA P-256 with SHA-256; `signature` is DER, as in certificates.
    #[must_use]
    pub(crate) fn check(&mut self, key: &Key, message: &[u8], signature: &[u8]) -> bool {
        let memo_key = memo_key(key, message, signature);
        // The TCB info and the QE identity come with one signer: it is checked once.
        if self.fresh.contains(&memo_key) || self.seen.contains(&memo_key) {
            return true;
        }
        let good = self
            .algorithm
            .verify_signature(&key.0, message, signature)
            .is_ok();
        if good {
            self.fresh.push(memo_key);
        }
        good
    }

    /// The same for `r || s`, as quotes and signed JSON carry it.
    #[must_use]
    pub(crate) fn check_raw(&mut self, key: &Key, message: &[u8], signature: &[u8; 64]) -> bool {
        self.check(key, message, &der_signature(signature))
    }

    /// The whole verification succeeded: its checks may be remembered.
    pub(crate) fn remember(self) {
        if !self.fresh.is_empty() {
            self.seen.insert(&self.fresh);
        }
    }
}

/// Parts are of fixed length or hashed, so no two inputs run together.
fn memo_key(key: &Key, message: &[u8], signature: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"stoa/signature-memo/1 ecdsa-p256-sha256")
        .chain_update(key.0)
        .chain_update(Sha256::digest(message))
        .chain_update(Sha256::digest(signature))
        .finalize()
        .into()
}

/// `r || s` as `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, 2.2.3).
fn der_signature(raw: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for half in raw.chunks_exact(32) {
        let first = half.iter().position(|b| *b != 0).unwrap_or(half.len() - 1);
        let magnitude = &half[first..];
        let sign = u8::from(magnitude[0] >= 0x80);
        // A half has at most 32 bytes, so its length fits one byte below 0x80.
        body.extend([0x02, magnitude.len() as u8 + sign]);
        body.extend(core::iter::repeat_n(0, sign.into()));
        body.extend(magnitude);
    }
    tlv(0x30, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_signatures_become_minimal_der() {
        let mut raw = [0; 64];
        assert_eq!(der_signature(&raw), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        raw[31] = 0x7f;
        raw[63] = 0x80;
        assert_eq!(der_signature(&raw), [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]);
        raw = [0xff; 64];
        let der = der_signature(&raw);
        assert_eq!(der.len(), 2 + 2 * 35);
        assert_eq!(der[..5], [0x30, 70, 2, 33, 0]);
    }
}

//! Signature checks through the caller's algorithms, and the memory of those that were good.
//!
//! Does not live here: what is signed by whom (`x509`, `crl`, `collateral`, `verify`), the memory itself (the server's).

use core::fmt;

use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256};

use crate::der::tlv;
use crate::invalid::Invalid;

/// DER of SubjectPublicKeyInfo for P-256 up to the point (RFC 5480, 2.1.1): `ecPublicKey`, `prime256v1`, BIT STRING.
const SPKI_P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The same for P-384: `ecPublicKey`, `secp384r1`.
const SPKI_P384_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// The same for RSA of 4096 bits (RFC 3279, 2.3.1): `rsaEncryption`, NULL, BIT STRING.
const SPKI_RSA_4096_PREFIX: [u8; 24] = [
    0x30, 0x82, 0x02, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x02, 0x0f, 0x00,
];

/// RSAPublicKey in DER with a modulus of 4096 bits and an exponent of 3 bytes.
const RSA_4096_KEY_LEN: usize = 526;

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

/// A public key of a vendor's chain, as signature algorithms take it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// On P-256: `04 || x || y`.
    P256([u8; 65]),
    /// On P-384: `04 || x || y`.
    P384([u8; 97]),
    /// RSA of 4096 bits: RSAPublicKey in DER (RFC 8017, A.1.1).
    Rsa(Vec<u8>),
}

impl Key {
    /// From a SubjectPublicKeyInfo in DER; `None` if it is none of the three, or compressed.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let uncompressed = |point: &[u8]| point[0] == 4;
        if let Some(point) = spki.strip_prefix(&SPKI_P256_PREFIX) {
            let point = point.try_into().ok();
            return point.filter(|p: &[u8; 65]| uncompressed(p)).map(Self::P256);
        }
        if let Some(point) = spki.strip_prefix(&SPKI_P384_PREFIX) {
            let point = point.try_into().ok();
            return point.filter(|p: &[u8; 97]| uncompressed(p)).map(Self::P384);
        }
        let key = spki.strip_prefix(&SPKI_RSA_4096_PREFIX)?;
        (key.len() == RSA_4096_KEY_LEN).then(|| Self::Rsa(key.to_vec()))
    }

    /// From `x || y`, as quotes carry it.
    pub(crate) fn from_coordinates(xy: &[u8; 64]) -> Self {
        let mut point = [4; 65];
        point[1..].copy_from_slice(xy);
        Self::P256(point)
    }

    /// `P-256`, `P-384` or `RSA of 4096 bits`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Key::P256(_) => "P-256",
            Key::P384(_) => "P-384",
            Key::Rsa(_) => "RSA of 4096 bits",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Key::P256(point) => point,
            Key::P384(point) => point,
            Key::Rsa(key) => key,
        }
    }

    /// What signatures by this key are: with what a key of these vendors signs is fixed by what it is.
    fn algorithm(&self) -> Algorithm {
        match self {
            Key::P256(_) => Algorithm::EcdsaP256Sha256,
            Key::P384(_) => Algorithm::EcdsaP384Sha384,
            Key::Rsa(_) => Algorithm::RsaPssSha384,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes()))
    }
}

/// The algorithms that evidence is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Intel's.
    EcdsaP256Sha256,
    /// AMD's reports.
    EcdsaP384Sha384,
    /// AMD's certificates.
    RsaPssSha384,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Algorithm::EcdsaP384Sha384 => "ECDSA P-384 with SHA-384",
            Algorithm::RsaPssSha384 => "RSASSA-PSS with SHA-384",
        }
    }

    fn ids(self) -> (AlgorithmIdentifier, AlgorithmIdentifier) {
        match self {
            Algorithm::EcdsaP256Sha256 => (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
            Algorithm::EcdsaP384Sha384 => (alg_id::ECDSA_P384, alg_id::ECDSA_SHA384),
            Algorithm::RsaPssSha384 => (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384),
        }
    }

    /// Keeps the memo's keys apart.
    fn label(self) -> &'static [u8] {
        match self {
            Algorithm::EcdsaP256Sha256 => b"stoa/signature-memo/1 ecdsa-p256-sha256",
            Algorithm::EcdsaP384Sha384 => b"stoa/signature-memo/1 ecdsa-p384-sha384",
            Algorithm::RsaPssSha384 => b"stoa/signature-memo/1 rsa-pss-sha384",
        }
    }
}

/// The signature checks of one verification.
pub(crate) struct Signatures<'a> {
    algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    seen: &'a dyn SignatureMemo,
    fresh: Vec<[u8; 32]>,
}

impl<'a> Signatures<'a> {
    /// `wanted` are the algorithms that the verification will use.
    pub(crate) fn new(
        algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
        wanted: &[Algorithm],
        seen: &'a dyn SignatureMemo,
    ) -> Result<Self, Invalid> {
        let signatures = Self {
            algorithms,
            seen,
            fresh: Vec::new(),
        };
        match wanted
            .iter()
            .find(|wanted| signatures.find(**wanted).is_none())
        {
            None => Ok(signatures),
            Some(missing) => Err(Invalid::AlgorithmMissing {
                wanted: missing.name(),
                passed: algorithms.len(),
            }),
        }
    }

    fn find(&self, wanted: Algorithm) -> Option<&'a dyn SignatureVerificationAlgorithm> {
        let (key, signature) = wanted.ids();
        self.algorithms.iter().copied().find(|algorithm| {
            algorithm.public_key_alg_id() == key && algorithm.signature_alg_id() == signature
        })
    }

    /// `signature` is as certificates have it: DER for ECDSA, the number for RSA.
    #[must_use]
    pub(crate) fn check(&mut self, key: &Key, message: &[u8], signature: &[u8]) -> bool {
        let memo_key = memo_key(key, message, signature);
        // The TCB info and the QE identity come with one signer: it is checked once.
        if self.fresh.contains(&memo_key) || self.seen.contains(&memo_key) {
            return true;
        }
        let good = self.find(key.algorithm()).is_some_and(|algorithm| {
            algorithm
                .verify_signature(key.bytes(), message, signature)
                .is_ok()
        });
        if good {
            self.fresh.push(memo_key);
        }
        good
    }

    /// The same for `r || s`, big-endian and of equal length, as quotes and signed JSON carry it.
    #[must_use]
    pub(crate) fn check_raw<const N: usize>(
        &mut self,
        key: &Key,
        message: &[u8],
        signature: &[u8; N],
    ) -> bool {
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
        .chain_update(key.algorithm().label())
        .chain_update(Sha256::digest(key.bytes()))
        .chain_update(Sha256::digest(message))
        .chain_update(Sha256::digest(signature))
        .finalize()
        .into()
}

/// `r || s` as `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, 2.2.3).
fn der_signature(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(raw.len() + 6);
    for half in raw.chunks_exact(raw.len() / 2) {
        let first = half.iter().position(|b| *b != 0).unwrap_or(half.len() - 1);
        let magnitude = &half[first..];
        let sign = u8::from(magnitude[0] >= 0x80);
        // A half has at most 48 bytes, so every length fits one byte below 0x80.
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

//! Sharing the data key among the holders of recovery keys, and putting it together again.
//!
//! [`split`] is a function of key and [`Terms`] alone, so that the same shares can be made again. [`Collector`] takes
//! shares from strangers: one that is not in the clear recovery data, or not signed by its holder, is refused at once
//! and kept nowhere, so it can't be in the way of a right one; nothing is tried in subsets.
//!
//! Source: docs/reference/recovery.md. Does not live here: the bytes of a share (`stoa_attestation::channel`), RSA
//! encryption, the file `sealed_data`, opening the journal (`server`, `store`).

use std::collections::{BTreeMap, BTreeSet};

use hkdf::Hkdf;
use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest as _, Sha256};
use stoa_attestation::channel::{BadShare, DATA_KEY_ID_BYTES, Share, share_signature_input};
use stoa_attestation::lp::Writer;
use stoa_explain::Explain;
use stoa_manifest::Manifest;
use vsss_rs::Gf256;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use crate::refusal::Refusal;

/// Label of the coefficients' HKDF, in its info.
const POLYNOMIAL_LABEL: &[u8] = b"stoa/recovery-polynomial/1";
/// Label of the digest of the terms.
const TERMS_LABEL: &[u8] = b"stoa/recovery-terms/1";
const KEY_BYTES: usize = 32;

/// Who holds shares, and how many of them make the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// 1 to the number of holders.
    pub threshold: u8,
    /// Name and SPKI (DER) of each, in order of names; the first has point 1.
    pub holders: Vec<(String, Vec<u8>)>,
}

impl Terms {
    /// What a manifest says; `None` if it has no recovery keys.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let keys = manifest.recovery_keys();
        let count = u8::try_from(keys.len()).ok().filter(|count| *count > 0)?;
        let wanted = u8::try_from(manifest.config().recovery_threshold).ok()?;
        Some(Self {
            threshold: if wanted == 0 {
                count
            } else {
                wanted.min(count)
            },
            holders: keys
                .iter()
                .map(|(name, spki)| (name.clone(), spki.clone()))
                .collect(),
        })
    }

    /// SHA-256( LP("stoa/recovery-terms/1") LP(threshold u8) then for each holder LP(name) LP(SPKI) ).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::new().field(TERMS_LABEL).u8(self.threshold);
        for (name, spki) in &self.holders {
            writer = writer.field(name.as_bytes()).field(spki);
        }
        Sha256::digest(writer.finish()).into()
    }
}

/// Whether a manifest may follow another: who has shares of a data key keeps them as long as the key lives. Where there
/// were none, there may be some.
pub(crate) fn may_follow(before: &Manifest, after: &Manifest) -> Result<(), Refusal> {
    let (before, after) = (Terms::of(before), Terms::of(after));
    if before.is_none() || before == after {
        return Ok(());
    }
    let said = |terms: Option<Terms>| match terms {
        Some(terms) => {
            let names = terms.holders.iter().map(|(name, _)| name.as_str());
            let names: Vec<_> = names.collect();
            format!("{} of {}", terms.threshold, names.join(", "))
        }
        None => "none".to_owned(),
    };
    Err(Refusal::RecoveryKeysFixed {
        before: said(before),
        after: said(after),
    })
}

/// The coefficients of the polynomials, from x^1 up: 32 bytes, one for each byte of the key, threshold - 1 times.
///
/// They come from the key itself: HKDF-SHA-256 without salt, info LP(label) LP(digest of the terms). Whoever has fewer
/// shares than the threshold would have to guess the key to know them; and shares whose delivery failed can be made
/// again, the same.
#[must_use]
pub fn coefficients(key: &[u8; KEY_BYTES], terms: &Terms) -> Zeroizing<Vec<u8>> {
    let info = Writer::new()
        .field(POLYNOMIAL_LABEL)
        .field(&terms.digest())
        .finish();
    let mut bytes = Zeroizing::new(vec![
        0;
        KEY_BYTES
            * usize::from(terms.threshold.saturating_sub(1))
    ]);
    Hkdf::<Sha256>::new(None, key)
        .expand(&info, &mut bytes)
        .expect("HKDF-SHA-256 gives up to 8160 bytes, and 254 times 32 is less");
    bytes
}

/// One share for each holder, in their order: the polynomials of [`coefficients`] over the key, at 1, 2, 3..
#[must_use]
pub fn split(
    key: &[u8; KEY_BYTES],
    data_key: [u8; DATA_KEY_ID_BYTES],
    root: [u8; 32],
    terms: &Terms,
) -> Vec<Share> {
    let coefficients = coefficients(key, terms);
    let points = 1..=u8::try_from(terms.holders.len()).unwrap_or(u8::MAX);
    points
        .map(|point| Share {
            threshold: terms.threshold,
            point,
            data_key,
            root,
            value: value_at(point, key, &coefficients),
        })
        .collect()
}

/// The polynomials at `point`, GF(2^8) modulo 0x11b.
fn value_at(point: u8, key: &[u8; KEY_BYTES], coefficients: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut value = Zeroizing::new([0; KEY_BYTES]);
    // Horner's rule, from the highest power down.
    for powers in coefficients.chunks_exact(KEY_BYTES).rev().chain([&key[..]]) {
        for (sum, coefficient) in value.iter_mut().zip(powers) {
            *sum = (Gf256(*sum) * Gf256(point) + Gf256(*coefficient)).0;
        }
    }
    value
}

/// The polynomials' values at 0, from as many shares as they were split for; whether it is the key must be checked.
///
/// # Errors
/// [`ShareRefused::PointTwice`]: two shares are of one point.
pub fn combine<'a>(
    shares: impl IntoIterator<Item = &'a Share>,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, ShareRefused> {
    let mut points = BTreeMap::new();
    for share in shares {
        if points.insert(share.point, share).is_some() {
            return Err(ShareRefused::PointTwice { point: share.point });
        }
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (&point, share) in &points {
        // Lagrange's coefficient at 0; points are public, and no two are equal.
        let others = points.keys().filter(|other| **other != point);
        let weight = others.fold(Gf256(1), |product, &other| {
            product * (Gf256(other) / (Gf256(other) - Gf256(point)))
        });
        for (sum, byte) in key.iter_mut().zip(share.value.iter()) {
            *sum = (Gf256(*sum) + Gf256(*byte) * weight).0;
        }
    }
    Ok(key)
}

/// What the clear recovery data asks for. Nobody vouches for it before the state is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// K(root SPKI) of the mesh.
    pub root: [u8; 32],
    /// Id of the data key.
    pub data_key: [u8; DATA_KEY_ID_BYTES],
    /// How many shares make the key.
    pub threshold: u8,
    /// Who holds them.
    pub holders: Vec<Holder>,
}

/// One holder of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The manifest's name of the recovery key.
    pub name: String,
    /// The recovery key, SPKI (DER).
    pub spki: Vec<u8>,
    /// SHA-256 of the share.
    pub share: [u8; 32],
}

/// What came of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose it is.
    pub holder: String,
    /// How many are there now.
    pub given: usize,
    /// How many must be.
    pub needed: usize,
}

/// Gathers shares until there are enough: one place for each holder, and only the holder's own share gets into it.
pub struct Collector {
    asked: Asked,
    given: BTreeMap<usize, Given>,
}

struct Given {
    share: Share,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Collector {
    /// Nothing given yet.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        Self {
            asked,
            given: BTreeMap::new(),
        }
    }

    /// What is asked for.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Names of the holders whose shares are there.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        let holders = self
            .given
            .keys()
            .filter_map(|index| self.asked.holders.get(*index));
        holders.map(|holder| holder.name.clone()).collect()
    }

    /// Whether enough shares are there.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.given.len() >= usize::from(self.asked.threshold)
    }

    /// Takes a share that its holder signed for the upload key with the id `upload_key`. The same again changes nothing.
    ///
    /// # Errors
    /// [`ShareRefused`]; what was given before stays as it is.
    pub fn offer(
        &mut self,
        share: &[u8],
        signature: &[u8],
        upload_key: &[u8; 32],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<Taken, ShareRefused> {
        let share = Share::decode(share).map_err(ShareRefused::Malformed)?;
        let asked = &self.asked;
        if (share.root, share.data_key) != (asked.root, asked.data_key) {
            return Err(ShareRefused::OfAnother {
                got: format!(
                    "{} of mesh {}",
                    hex::encode(share.data_key),
                    hex::encode(share.root)
                ),
                wanted: format!(
                    "{} of mesh {}",
                    hex::encode(asked.data_key),
                    hex::encode(asked.root)
                ),
            });
        }
        let fingerprint = share.fingerprint();
        let index = asked
            .holders
            .iter()
            .position(|holder| holder.share == fingerprint);
        let index = index.ok_or_else(|| ShareRefused::Unknown {
            fingerprint: hex::encode(fingerprint),
        })?;
        let holder = &asked.holders[index];
        let signed = share_signature_input(&asked.root, &asked.data_key, &fingerprint, upload_key);
        verify(&holder.spki, &signed, signature, algorithms).map_err(|()| {
            ShareRefused::NotSigned {
                holder: holder.name.clone(),
            }
        })?;
        let holder = holder.name.clone();
        self.given.insert(
            index,
            Given {
                share,
                signed,
                signature: signature.to_vec(),
            },
        );
        Ok(Taken {
            holder,
            given: self.given.len(),
            needed: usize::from(self.asked.threshold),
        })
    }

    /// The key that the given shares make; `None` while there are too few.
    ///
    /// # Errors
    /// As [`combine`].
    pub fn combine(&self) -> Option<Result<Zeroizing<[u8; KEY_BYTES]>, ShareRefused>> {
        self.is_enough()
            .then(|| combine(self.given.values().map(|given| &given.share)))
    }

    /// The binding checks, when the state is open: the given shares were signed, for this very root, by enough
    /// different recovery keys of the manifest in force.
    ///
    /// # Errors
    /// [`ShareRefused::RootDiffers`], [`ShareRefused::TooFewKeys`]: the clear recovery data was not this mesh's.
    pub fn bind(
        &self,
        manifest: Option<&Manifest>,
        root: &[u8; 32],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), ShareRefused> {
        if *root != self.asked.root {
            return Err(ShareRefused::RootDiffers {
                clear: hex::encode(self.asked.root),
                opened: hex::encode(root),
            });
        }
        let terms = manifest.and_then(Terms::of);
        let (needed, keys) = match &terms {
            Some(terms) => (usize::from(terms.threshold), terms.holders.as_slice()),
            None => (usize::MAX, &[][..]),
        };
        let signers: BTreeSet<&[u8]> = self
            .given
            .values()
            .filter_map(|given| {
                let (_, spki) = keys.iter().find(|(_, spki)| {
                    verify(spki, &given.signed, &given.signature, algorithms).is_ok()
                })?;
                Some(spki.as_slice())
            })
            .collect();
        if signers.len() < needed {
            return Err(ShareRefused::TooFewKeys {
                got: signers.len(),
                keys: keys.len(),
                needed,
            });
        }
        Ok(())
    }

    /// Forgets what was given.
    pub fn clear(&mut self) {
        self.given.clear();
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("asked", &self.asked)
            .field("given", &self.given())
            .finish()
    }
}

/// RSA PKCS #1 v1.5 with SHA-256, under a key in SubjectPublicKeyInfo form.
fn verify(
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), ()> {
    let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| ())?;
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        algorithm.public_key_alg_id() == alg_id::RSA_ENCRYPTION
            && algorithm.signature_alg_id() == alg_id::RSA_PKCS1_SHA256
    };
    let algorithm = algorithms.iter().find(fits).ok_or(())?;
    algorithm
        .verify_signature(&parsed.subject_public_key.data, message, signature)
        .map_err(|_| ())
}

/// Why a share, or what was put together from shares, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareRefused {
    /// The bytes are no share.
    #[error("what was sent is no share")]
    Malformed(#[source] BadShare),
    /// A share of another data key, retired perhaps, or of another mesh.
    #[error("the share is of data key {got}; asked for is {wanted}")]
    OfAnother {
        /// Data key and mesh of the share.
        got: String,
        /// Those that are asked for.
        wanted: String,
    },
    /// It names the right key, and is none of those that were given out.
    #[error("the share with SHA-256 {fingerprint} is none of those that were given out")]
    Unknown {
        /// SHA-256 of the share, hex.
        fingerprint: String,
    },
    /// The signature is not the holder's, or over something else.
    #[error(
        "the share of `{holder}` is not signed by the recovery key of `{holder}` for this upload key"
    )]
    NotSigned {
        /// Whose share it is.
        holder: String,
    },
    /// Two shares are of one point: the clear recovery data is not what was written.
    #[error("two shares are of point {point}")]
    PointTwice {
        /// The point.
        point: u8,
    },
    /// The key put together is not the one that the journal is sealed under.
    #[error("the shares make data key {got}, the journal is sealed under {wanted}")]
    KeyDiffers {
        /// Id of what came out, hex.
        got: String,
        /// Id of the journal's key, hex.
        wanted: String,
    },
    /// The state that was opened has another root CA than the clear recovery data said.
    #[error("the holders signed for root CA {clear}, the state that was opened has {opened}")]
    RootDiffers {
        /// By the clear recovery data, hex.
        clear: String,
        /// K(root SPKI) from the root's private key, hex.
        opened: String,
    },
    /// Not enough recovery keys of the manifest in force signed.
    #[error("{got} of the {keys} RecoveryKeys of the manifest in force signed, {needed} must")]
    TooFewKeys {
        /// Different keys whose signatures are there.
        got: usize,
        /// Keys of the manifest.
        keys: usize,
        /// How many of them must have signed.
        needed: usize,
    },
}

impl Explain for ShareRefused {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(bad) => bad.code(),
            Self::OfAnother { .. } => "share-of-another-key",
            Self::Unknown { .. } => "share-unknown",
            Self::NotSigned { .. } => "share-not-signed",
            Self::PointTwice { .. } | Self::KeyDiffers { .. } => "shares-do-not-fit",
            Self::RootDiffers { .. } | Self::TooFewKeys { .. } => "recovery-not-bound",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Malformed(bad) => return bad.remedy(),
            Self::OfAnother { .. } => {
                "give a share from the newest recovery file of this very mesh".to_owned()
            }
            Self::Unknown { .. } => {
                "give the share as it was decrypted from the recovery file, unchanged".to_owned()
            }
            Self::NotSigned { holder } => {
                format!("sign with the private key of `{holder}`, for the upload key that the coordinator has now")
            }
            Self::PointTwice { .. }
            | Self::KeyDiffers { .. }
            | Self::RootDiffers { .. }
            | Self::TooFewKeys { .. } => {
                "restore `sealed_data` and `journal` from one backup: the host's clear recovery data is not this state's".to_owned()
            }
        })
    }
}

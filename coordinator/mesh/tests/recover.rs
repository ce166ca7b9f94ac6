//! Shares: every set of enough makes the key and no smaller one does; junk is refused, kept nowhere, in nobody's way.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use proptest::prelude::*;
use rustls_pki_types::SignatureVerificationAlgorithm;
use sha2::{Digest as _, Sha256};
use stoa_attestation::channel::{Share, share_signature_input};
use stoa_explain::Explain as _;
use stoa_manifest::Manifest;
use stoa_mesh::recover::{
    Asked, Collector, Holder, ShareRefused, Taken, Terms, coefficients, combine, split,
};
use vsss_rs::Gf256;

const ROOT: [u8; 32] = [0x20; 32];
const DATA_KEY: [u8; 8] = [0x0d; 8];
const UPLOAD: [u8; 32] = [0x30; 32];

fn algorithms() -> [&'static dyn SignatureVerificationAlgorithm; 1] {
    [webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256]
}

fn terms(threshold: u8, count: u8) -> Terms {
    Terms {
        threshold,
        holders: (0..count)
            .map(|n| (format!("h{n:03}"), vec![n; 4]))
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_set_of_enough_shares_makes_the_key_and_no_smaller_one_does(
        key in any::<[u8; 32]>(),
        (threshold, count) in (1u8..=7).prop_flat_map(|count| (1..=count, Just(count))),
    ) {
        let shares = split(&key, DATA_KEY, ROOT, &terms(threshold, count));
        for set in 1u32..1 << count {
            let chosen: Vec<&Share> = shares
                .iter()
                .enumerate()
                .filter(|(at, _)| set >> at & 1 == 1)
                .map(|(_, share)| share)
                .collect();
            let made = combine(chosen.iter().copied()).unwrap();
            let enough = chosen.len() >= usize::from(threshold);
            prop_assert_eq!(*made == key, enough, "{} of {}: {:b}", threshold, count, set);
            // In any order.
            let turned = combine(chosen.iter().rev().copied()).unwrap();
            prop_assert_eq!(&*turned, &*made);
        }
    }

    #[test]
    fn a_share_that_is_one_bit_off_makes_another_key(
        key in any::<[u8; 32]>(),
        at in 0usize..32,
        bit in 0u8..8,
        which in 0usize..3,
    ) {
        let mut shares = split(&key, DATA_KEY, ROOT, &terms(3, 5));
        shares[which].value[at] ^= 1 << bit;
        prop_assert_ne!(*combine(&shares[..3]).unwrap(), key);
    }

    #[test]
    fn the_field_library_itself_puts_our_shares_together(
        key in any::<[u8; 32]>(),
        first in 0usize..3,
    ) {
        let shares = split(&key, DATA_KEY, ROOT, &terms(3, 5));
        let foreign: Vec<Vec<u8>> = shares[first..first + 3]
            .iter()
            .map(|share| [&[share.point][..], share.value.as_slice()].concat())
            .collect();
        prop_assert_eq!(Gf256::combine_bytes(foreign).unwrap(), key);
    }

    #[test]
    fn bytes_that_nobody_gave_out_are_refused_and_leave_nothing(
        junk in prop::collection::vec(any::<u8>(), 0..200),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mesh = FIXED.with(|mesh| mesh.asked.clone());
        let mut collector = Collector::new(mesh);
        prop_assert!(collector.offer(&junk, &signature, &UPLOAD, &algorithms()).is_err());
        prop_assert!(collector.given().is_empty());
    }
}

#[test]
fn the_largest_sharing_works_and_needs_all() {
    let key = [7; 32];
    let shares = split(&key, DATA_KEY, ROOT, &terms(255, 255));
    assert_eq!(*combine(&shares).unwrap(), key);
    assert_ne!(*combine(&shares[1..]).unwrap(), key);
    let points: BTreeSet<u8> = shares.iter().map(|share| share.point).collect();
    assert_eq!(points, (1..=255).collect());
}

#[test]
fn shares_depend_on_every_term_and_on_the_key_and_are_the_same_each_time() {
    let base = split(&[1; 32], DATA_KEY, ROOT, &terms(2, 3));
    assert_eq!(base, split(&[1; 32], DATA_KEY, ROOT, &terms(2, 3)));
    let mut renamed = terms(2, 3);
    renamed.holders[0].0.push('x');
    let mut other_key = terms(2, 3);
    other_key.holders[0].1.push(0);
    for other in [renamed, other_key, terms(3, 3), terms(2, 4)] {
        let shares = split(&[1; 32], DATA_KEY, ROOT, &other);
        assert_ne!(shares[0].value, base[0].value);
    }
    let shares = split(&[2; 32], DATA_KEY, ROOT, &terms(2, 3));
    assert_ne!(shares[0].value, base[0].value);
}

#[test]
fn shares_are_what_an_independent_program_makes() {
    // tests/recover.py beside this file, standard library only.
    let key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let terms = terms(3, 5);
    assert_eq!(hex::encode(terms.digest()), GOLDEN_TERMS);
    assert_eq!(
        hex::encode(Sha256::digest(coefficients(&key, &terms).as_slice())),
        GOLDEN_COEFFICIENTS
    );
    let shares = split(&key, DATA_KEY, ROOT, &terms);
    let encoded: Vec<String> = shares.iter().map(|s| hex::encode(s.encode())).collect();
    assert_eq!(encoded, GOLDEN_SHARES);
}

const GOLDEN_TERMS: &str = "a157a09d47e547cf040518694c52822f323618580de3e972cbfd7d9b36c948e5";
const GOLDEN_COEFFICIENTS: &str =
    "2b559e6919bbd1a359103acde1a8d2027d5f8da4396765271dfb9c4f146ad9a4";
const GOLDEN_SHARES: [&str; 5] = [
    "53544f4153484152000103010d0d0d0d0d0d0d0d2020202020202020202020202020202020202020202020202020202020202020d36b0736667d9fb292d99f6d1c9371c30b1096dfb73f9905cf45876472b6af50",
    "53544f4153484152000103020d0d0d0d0d0d0d0d2020202020202020202020202020202020202020202020202020202020202020909cb94c6ecb8d84487a70513c3fb7719982f8d50db4133106aee6ad28b128b5",
    "53544f4153484152000103030d0d0d0d0d0d0d0d202020202020202020202020202020202020202020202020202020202020202043f6bc790cb31431d2aae5372ca1c8bd82837c19ae9e9c23d1f27bd2461a99fa",
    "53544f4153484152000103040d0d0d0d0d0d0d0d20202020202020202020202020202020202020202020202020202020202020208f1f9d095e7ab5ff2fe2c9d12c3d602ad35e148b2db51c53be50a057f9f75580",
    "53544f4153484152000103050d0d0d0d0d0d0d0d20202020202020202020202020202020202020202020202020202020202020205c75983c3c022c4ab5325cb73ca31fe6c85f90478e9f9341690c3d28975ce4cf",
];

/// A mesh with three holders who have real keys, two of whom must come together.
struct Fixed {
    keys: Vec<KeyPair>,
    shares: Vec<Share>,
    asked: Asked,
    manifest: Manifest,
}

thread_local! {
    static FIXED: Fixed = Fixed::new();
}

const KEY: [u8; 32] = [0x5a; 32];

fn manifest_of(spkis: &[(&str, &[u8])], threshold: u32) -> Manifest {
    use base64::Engine as _;
    let keys: serde_json::Map<_, _> = spkis
        .iter()
        .map(|(name, spki)| {
            let text = base64::engine::general_purpose::STANDARD.encode(spki);
            let lines: Vec<&str> = text
                .as_bytes()
                .chunks(64)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            let pem = format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                lines.join("\n")
            );
            ((*name).to_owned(), pem.into())
        })
        .collect();
    let text = serde_json::json!({
        "Packages": {"p": {"UniqueID": "11".repeat(32)}},
        "Marbles": {"m": {"Package": "p"}},
        "RecoveryKeys": keys,
        "Config": {"RecoveryThreshold": threshold},
    });
    Manifest::parse(text.to_string().as_bytes()).unwrap()
}

fn spki_of(key: &KeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

impl Fixed {
    fn new() -> Self {
        let keys: Vec<KeyPair> = (0..3)
            .map(|_| KeyPair::generate(KeySize::Rsa2048).unwrap())
            .collect();
        let spkis: Vec<Vec<u8>> = keys.iter().map(spki_of).collect();
        let named: Vec<(&str, &[u8])> = ["ann", "bob", "eve"]
            .into_iter()
            .zip(spkis.iter().map(Vec::as_slice))
            .collect();
        let manifest = manifest_of(&named, 2);
        let terms = Terms::of(&manifest).unwrap();
        let shares = split(&KEY, DATA_KEY, ROOT, &terms);
        let holders = terms.holders.iter().zip(&shares);
        let asked = Asked {
            root: ROOT,
            data_key: DATA_KEY,
            threshold: terms.threshold,
            holders: holders
                .map(|((name, spki), share)| Holder {
                    name: name.clone(),
                    spki: spki.clone(),
                    share: share.fingerprint(),
                })
                .collect(),
        };
        Self {
            keys,
            shares,
            asked,
            manifest,
        }
    }

    fn signature(&self, signer: usize, share: &Share, upload: &[u8; 32]) -> Vec<u8> {
        let input =
            share_signature_input(&share.root, &share.data_key, &share.fingerprint(), upload);
        let key = &self.keys[signer];
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            &input,
            &mut signature,
        )
        .unwrap();
        signature
    }

    fn give(&self, collector: &mut Collector, holder: usize) -> Result<Taken, ShareRefused> {
        let share = &self.shares[holder];
        let signature = self.signature(holder, share, &UPLOAD);
        collector.offer(&share.encode(), &signature, &UPLOAD, &algorithms())
    }
}

#[test]
fn junk_in_every_place_is_refused_by_its_cause_and_never_in_the_way_of_a_right_share() {
    let mesh = Fixed::new();
    let share = &mesh.shares[0];
    let flipped = {
        let mut other = share.clone();
        other.value[31] ^= 0x80;
        other
    };
    let of_other_key = Share {
        data_key: [1; 8],
        ..share.clone()
    };
    let of_other_mesh = Share {
        root: [1; 32],
        ..share.clone()
    };
    let signed = |signer, share: &Share| mesh.signature(signer, share, &UPLOAD);
    let mut broken = signed(0, share);
    broken[100] ^= 1;
    let junk: Vec<(Vec<u8>, Vec<u8>, &str)> = vec![
        (vec![], vec![], "share-malformed"),
        (
            share.encode()[..83].to_vec(),
            signed(0, share),
            "share-malformed",
        ),
        (
            flipped.encode().to_vec(),
            signed(0, &flipped),
            "share-unknown",
        ),
        (
            of_other_key.encode().to_vec(),
            signed(0, &of_other_key),
            "share-of-another-key",
        ),
        (
            of_other_mesh.encode().to_vec(),
            signed(0, &of_other_mesh),
            "share-of-another-key",
        ),
        (share.encode().to_vec(), vec![], "share-not-signed"),
        (share.encode().to_vec(), broken, "share-not-signed"),
        (
            share.encode().to_vec(),
            signed(1, share),
            "share-not-signed",
        ),
        (
            share.encode().to_vec(),
            signed(0, &mesh.shares[1]),
            "share-not-signed",
        ),
        (
            share.encode().to_vec(),
            mesh.signature(0, share, &[0x31; 32]),
            "share-not-signed",
        ),
    ];
    // In every order of the three holders, with all junk before each share.
    for order in [[0, 1], [1, 0], [2, 0], [1, 2]] {
        let mut collector = Collector::new(mesh.asked.clone());
        for (at, holder) in order.into_iter().enumerate() {
            let before = collector.given();
            for (bytes, signature, code) in &junk {
                let refused = collector.offer(bytes, signature, &UPLOAD, &algorithms());
                assert_eq!(refused.unwrap_err().code(), *code);
                assert_eq!(collector.given(), before, "{code}");
            }
            assert!(collector.combine().is_none());
            for _again in 0..2 {
                let taken = mesh.give(&mut collector, holder).unwrap();
                assert_eq!((taken.given, taken.needed), (at + 1, 2));
                assert_eq!(taken.holder, mesh.asked.holders[holder].name);
            }
        }
        assert_eq!(*collector.combine().unwrap().unwrap(), KEY);
        collector
            .bind(Some(&mesh.manifest), &ROOT, &algorithms())
            .unwrap();
        // One more than needed does no harm.
        for holder in 0..3 {
            mesh.give(&mut collector, holder).unwrap();
        }
        assert_eq!(*collector.combine().unwrap().unwrap(), KEY);
    }
}

#[test]
fn what_was_opened_must_be_what_enough_of_its_own_holders_signed_for() {
    let mesh = Fixed::new();
    let mut collector = Collector::new(mesh.asked.clone());
    for holder in [0, 2] {
        mesh.give(&mut collector, holder).unwrap();
    }
    let bind = |manifest: Option<&Manifest>, root: &[u8; 32]| {
        collector
            .bind(manifest, root, &algorithms())
            .map_err(|refused| {
                assert_eq!(refused.code(), "recovery-not-bound");
                refused.to_string()
            })
    };
    assert_eq!(bind(Some(&mesh.manifest), &ROOT), Ok(()));
    let refused = bind(Some(&mesh.manifest), &[9; 32]).unwrap_err();
    assert!(refused.contains(&"20".repeat(32)) && refused.contains(&"09".repeat(32)));
    // No manifest, other keys, fewer of the keys, a higher threshold.
    let spkis: Vec<Vec<u8>> = mesh.keys.iter().map(spki_of).collect();
    let stranger = spki_of(&KeyPair::generate(KeySize::Rsa2048).unwrap());
    assert!(bind(None, &ROOT).is_err());
    for (keys, threshold) in [
        (vec![("ann", &spkis[0]), ("eve", &stranger)], 2),
        (vec![("ann", &spkis[1]), ("eve", &stranger)], 2),
        (
            vec![("ann", &spkis[0]), ("bob", &spkis[1]), ("eve", &spkis[2])],
            3,
        ),
    ] {
        let keys: Vec<(&str, &[u8])> = keys.iter().map(|(n, k)| (*n, k.as_slice())).collect();
        assert!(bind(Some(&manifest_of(&keys, threshold)), &ROOT).is_err());
    }
}

#[test]
fn terms_are_all_holders_without_a_threshold_and_none_without_keys() {
    let mesh = Fixed::new();
    let spkis: Vec<Vec<u8>> = mesh.keys.iter().map(spki_of).collect();
    let keys: Vec<(&str, &[u8])> = vec![("b", &spkis[0]), ("a", &spkis[1])];
    let terms = Terms::of(&manifest_of(&keys, 0)).unwrap();
    assert_eq!(terms.threshold, 2);
    assert_eq!(terms.holders[0], ("a".to_owned(), spkis[1].clone()));
    assert_eq!(Terms::of(&manifest_of(&keys[..1], 0)).unwrap().threshold, 1);
    assert_eq!(Terms::of(&manifest_of(&[], 0)), None);
}

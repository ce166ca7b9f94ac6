//! Changed evidence and collateral is never accepted: every byte of three quotes and of their collateral, fields spliced
//! between quotes, lengths stretched.
//!
//! One bit of each byte, a changing one; `STOA_TEST_FULL=1` takes all eight. The few changes that say the same thing in
//! other bytes are named where they are let through, and must give the same claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use stoa_attestation::NoMemo;
use support::mutate::{Memo, bits, meaning, verify};
use support::{Vector, full};

/// A quote of each version, with the collateral of that day.
const QUOTES: [&str; 3] = [
    "sgx/02-platform-sw-hardening",
    "tdx/01-v4-up-to-date",
    "tdx/05-v5-td-relaunch-advised",
];

#[test]
fn no_quote_with_a_changed_bit_is_accepted() {
    for name in QUOTES {
        let vector = Vector::load(name);
        let collateral = vector.verified_collateral(&NoMemo).unwrap();
        let memo = Memo::default();
        assert!(verify(&vector, &vector.quote, &collateral, &memo).is_ok());
        let known = memo.len();
        let (mut accepted, mut tried) = (Vec::new(), 0);
        for at in 0..vector.quote.len() {
            for bit in bits(at) {
                let mut quote = vector.quote.clone();
                quote[at] ^= bit;
                tried += 1;
                let cold = verify(&vector, &quote, &collateral, &NoMemo);
                if cold.is_ok() {
                    accepted.push((at, bit));
                }
                // Warm: the platform was seen before, and so was the quote before its bit changed.
                let warm = verify(&vector, &quote, &collateral, &memo);
                assert_eq!(warm.err(), cold.err(), "{name}: byte {at}, bit {bit:#x}");
            }
        }
        assert_eq!(memo.len(), known, "a failure was remembered");
        println!("{tried} changed bits of {name}: none accepted");
        assert!(
            accepted.is_empty(),
            "{name}: {:?}",
            &accepted[..accepted.len().min(9)]
        );
    }
}

#[test]
fn no_quote_of_another_length_is_accepted() {
    for name in QUOTES {
        let vector = Vector::load(name);
        let collateral = vector.verified_collateral(&NoMemo).unwrap();
        let mut stretched: Vec<(String, Vec<u8>)> = Vec::new();
        for at in 0..vector.quote.len() {
            if vector.quote[at..].iter().any(|byte| *byte != 0) {
                stretched.push((format!("cut at {at}"), vector.quote[..at].to_vec()));
            }
        }
        let claims = format!("{:?}", *vector.verify().unwrap());
        for more in [1, 2, 64, 4096] {
            let mut quote = vector.quote.clone();
            quote.extend(vec![0; more]);
            // Genuine quotes are padded with zeros (docs/decisions/0001-own-dcap-verifier.md): they say nothing.
            let padded = verify(&vector, &quote, &collateral, &NoMemo).unwrap();
            assert_eq!(format!("{:?}", *padded), claims);
            quote.pop();
            quote.push(1);
            stretched.push((format!("{more} more"), quote));
        }
        // Every pair and every four bytes may be a length: one more, one less, all there can be.
        for at in 0..vector.quote.len() - 4 {
            let word: [u8; 4] = vector.quote[at..at + 4].try_into().unwrap();
            let word = u32::from_le_bytes(word);
            for other in [word.wrapping_add(1), word.wrapping_sub(1), u32::MAX] {
                let mut quote = vector.quote.clone();
                quote[at..at + 4].copy_from_slice(&other.to_le_bytes());
                if quote != vector.quote {
                    stretched.push((format!("{word} at {at} is {other}"), quote));
                }
            }
        }
        for (what, quote) in stretched {
            assert!(
                verify(&vector, &quote, &collateral, &NoMemo).is_err(),
                "{name}: {what}"
            );
        }
    }
}

/// Where the parts of a quote are: header, body, and what the signature data holds.
fn parts(vector: &Vector) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let quote = &vector.quote;
    let body_at = if quote[0] == 5 { 54 } else { 48 };
    let signature_at = vector.report_data_at().unwrap() + 64;
    // TDX 1.5 has 64 bytes behind the report data.
    let signature_at = if quote[0] == 5 {
        signature_at + 64
    } else {
        signature_at
    };
    let at = signature_at + 4;
    let inner = if quote[0] == 3 { at + 128 } else { at + 134 };
    vec![
        ("header", 0..48),
        ("body", body_at..signature_at),
        ("signature", at..at + 64),
        ("attestation key", at + 64..at + 128),
        ("QE report", inner..inner + 384),
        ("QE report signature", inner + 384..inner + 448),
        ("authentication data and chain", inner + 448..quote.len()),
    ]
}

#[test]
fn no_quote_with_parts_of_another_is_accepted() {
    let names = [
        "sgx/02-platform-sw-hardening",
        "sgx/03-platform-out-of-date",
        "sgx/01-processor-config-and-sw-hardening",
        "tdx/01-v4-up-to-date",
        "tdx/04-v4-platform-out-of-date-module-current",
        "tdx/05-v5-td-relaunch-advised",
        "tdx/06-v5-service-td-bound",
    ];
    let vectors: Vec<Vector> = names.into_iter().map(Vector::load).collect();
    let mut tried = 0;
    for into in &vectors {
        let collateral = into.verified_collateral(&NoMemo).unwrap();
        for from in vectors.iter().filter(|from| from.name != into.name) {
            let (own, others) = (parts(into), parts(from));
            for chosen in 1..(1 << own.len()) - 1 {
                let mut quote = Vec::new();
                let mut at = 0;
                for (part, ((_, own), (_, other))) in own.iter().zip(&others).enumerate() {
                    quote.extend(&into.quote[at..own.start]);
                    at = own.end;
                    if chosen >> part & 1 == 1 {
                        quote.extend(&from.quote[other.clone()]);
                    } else {
                        quote.extend(&into.quote[own.clone()]);
                    }
                }
                quote.extend(&into.quote[at..]);
                if quote == into.quote || quote == from.quote {
                    continue;
                }
                tried += 1;
                assert!(
                    verify(into, &quote, &collateral, &NoMemo).is_err(),
                    "parts {chosen:07b} of {} in {}",
                    from.name,
                    into.name
                );
            }
        }
    }
    println!("{tried} spliced quotes: none accepted");
    assert!(tried > 3000, "{tried}");
}

#[test]
fn no_collateral_with_a_changed_bit_says_anything_else() {
    for name in QUOTES {
        let honest = Vector::load(name);
        let memo = Memo::default();
        let claims = format!("{:?}", *honest.verify_with(&memo).unwrap());
        let mut same = 0;
        let step = if full() { 1 } else { 3 };
        for at in (0..honest.collateral.len()).step_by(step) {
            for bit in bits(at / step) {
                let mut changed = honest.clone();
                changed.collateral[at] ^= bit;
                let Ok(found) = changed.verify_with(&memo) else {
                    continue;
                };
                assert_eq!(
                    format!("{:?}", *found),
                    claims,
                    "{name}: byte {at}, bit {bit:#x}"
                );
                let alike = meaning(&changed.collateral) == meaning(&honest.collateral);
                assert!(
                    alike,
                    "{name}: byte {at}, bit {bit:#x} is accepted: {}",
                    near(&changed, at)
                );
                same += 1;
            }
        }
        println!("{name}: {same} changes say the same in other bytes, no other was accepted");
    }
}

fn near(vector: &Vector, at: usize) -> String {
    let bytes = &vector.collateral[at.saturating_sub(40)..];
    String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned()
}

//! Changed SNP evidence and collateral is never accepted: every byte of three reports, of their certificates and of their
//! collateral, fields spliced between reports, lengths stretched.
//!
//! One bit of each byte, a changing one; `STOA_TEST_FULL=1` takes all eight, and every byte of the collateral. The few
//! changes that say the same thing in other bytes must give the same claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::ops::Range;

use stoa_attestation::NoMemo;
use support::mutate::{Memo, bits, meaning, verify};
use support::snp::{REPORT_AT, VEK_AT};
use support::snp_world::SnpWorld;
use support::{Vector, full};

/// A report of each product.
const REPORTS: [&str; 3] = ["snp/01-milan", "snp/02-genoa", "snp/03-turin"];
#[test]
fn no_report_with_a_changed_bit_is_accepted() {
    for name in REPORTS {
        let vector = Vector::load(name);
        let collateral = vector.verified_collateral(&NoMemo).unwrap();
        let memo = Memo::default();
        assert!(verify(&vector, &vector.quote, &collateral, &memo).is_ok());
        let known = memo.len();
        let (mut accepted, mut tried) = (Vec::new(), 0);
        for at in 0..vector.quote.len() {
            for bit in bits(at) {
                let mut evidence = vector.quote.clone();
                evidence[at] ^= bit;
                tried += 1;
                let cold = verify(&vector, &evidence, &collateral, &NoMemo);
                if cold.is_ok() {
                    accepted.push((at, bit));
                }
                // Warm: the chip was seen before, and so was the report before its bit changed.
                let warm = verify(&vector, &evidence, &collateral, &memo);
                assert_eq!(warm.err(), cold.err(), "{name}: byte {at}, bit {bit:#x}");
            }
        }
        let remembered = memo.len();
        assert_eq!(remembered, known, "a failure was remembered");
        println!("{tried} changed bits of {name}: none accepted");
        assert!(
            accepted.is_empty(),
            "{name}: {:?}",
            &accepted[..accepted.len().min(9)]
        );
    }
}

#[test]
fn no_report_of_another_length_is_accepted() {
    for name in REPORTS {
        let vector = Vector::load(name);
        let collateral = vector.verified_collateral(&NoMemo).unwrap();
        let honest = &vector.quote;
        let mut stretched: Vec<(String, Vec<u8>)> = Vec::new();
        for at in 0..honest.len() {
            stretched.push((format!("cut at {at}"), honest[..at].to_vec()));
        }
        for more in [1, 2, 64, 4096, 64 * 1024] {
            let longer = [&honest[..], &vec![0; more]].concat();
            stretched.push((format!("{more} more"), longer));
        }
        // Every four bytes may be a length: one more, one less, all there can be.
        for at in 0..honest.len() - 4 {
            let word: [u8; 4] = honest[at..at + 4].try_into().unwrap();
            let word = u32::from_be_bytes(word);
            for other in [word.wrapping_add(1), word.wrapping_sub(1), u32::MAX] {
                let mut evidence = honest.clone();
                evidence[at..at + 4].copy_from_slice(&other.to_be_bytes());
                if evidence != *honest {
                    stretched.push((format!("{word} at {at} is {other}"), evidence));
                }
            }
        }
        for (what, evidence) in stretched {
            let result = verify(&vector, &evidence, &collateral, &NoMemo);
            assert!(result.is_err(), "{name}: {what}");
        }
    }
}

/// Parts of the evidence, one behind the other from its beginning to its end.
fn parts(evidence: &[u8]) -> Vec<Range<usize>> {
    let at = |offset: usize| REPORT_AT + offset;
    // Version to platform info; flags; report data; measurement; host data and digests; report ids; reported TCB to
    // CPUID; chip id; the other TCBs; signature; certificate.
    let begins = [
        at(0),
        at(0x48),
        at(0x50),
        at(0x90),
        at(0xc0),
        at(0x140),
        at(0x180),
        at(0x1a0),
        at(0x1e0),
        at(0x2a0),
        VEK_AT - 4,
    ];
    let ends = begins[1..].iter().copied().chain([evidence.len()]);
    begins
        .into_iter()
        .zip(ends)
        .map(|(from, to)| from..to)
        .collect()
}

#[test]
fn no_report_with_parts_of_another_is_accepted() {
    let names = [
        "snp/01-milan",
        "snp/02-genoa",
        "snp/03-turin",
        "snp/04-milan-v2-rolled-back-reported-tcb",
        "snp/05-milan-vlek-aws",
    ];
    let vectors: Vec<Vector> = names.into_iter().map(Vector::load).collect();
    let mut tried = 0;
    for into in &vectors {
        let collateral = into.verified_collateral(&NoMemo).unwrap();
        let memo = Memo::default();
        verify(into, &into.quote, &collateral, &memo).unwrap();
        for from in vectors.iter().filter(|from| from.name != into.name) {
            let (own, others) = (parts(&into.quote), parts(&from.quote));
            let step = if full() { 1 } else { 5 };
            for chosen in (1..(1 << own.len()) - 1).step_by(step) {
                let mut evidence = into.quote[..own[0].start].to_vec();
                for (part, (own, other)) in own.iter().zip(&others).enumerate() {
                    evidence.extend(match chosen >> part & 1 {
                        1 => &from.quote[other.clone()],
                        _ => &into.quote[own.clone()],
                    });
                }
                if evidence == into.quote || evidence == from.quote {
                    continue;
                }
                tried += 1;
                // Fields that are alike in both make evidence that is one of the two.
                let result = verify(into, &evidence, &collateral, &memo);
                assert!(
                    result.is_err(),
                    "parts {chosen:011b} of {} in {}",
                    from.name,
                    into.name
                );
            }
        }
    }
    println!("{tried} spliced reports: none accepted");
    assert!(tried > 3000, "{tried}");
}

#[test]
fn no_collateral_with_a_changed_bit_says_anything_else() {
    let mut all: Vec<Vector> = REPORTS.into_iter().map(Vector::load).collect();
    // The captured ones have neither list nor certificate in their collateral: here is one with both.
    let mut world = SnpWorld::milan();
    (world.carries_vek, world.vek_in_collateral) = (false, true);
    all.push(Vector {
        name: "made, with list and certificate".to_owned(),
        quote: world.evidence(),
        collateral: world.collateral(),
        anchor_pem: world.ark.pem(),
        now: world.now,
        ..all[0].clone()
    });
    for honest in all {
        let memo = Memo::default();
        let claims = format!("{:?}", *honest.verify_with(&memo).unwrap());
        let (mut same, mut tried) = (0, 0);
        let step = if full() { 1 } else { 3 };
        for at in (0..honest.collateral.len()).step_by(step) {
            for bit in bits(at / step) {
                let mut changed = honest.clone();
                changed.collateral[at] ^= bit;
                tried += 1;
                let Ok(found) = changed.verify_with(&memo) else {
                    continue;
                };
                let what = format!("{}: byte {at}, bit {bit:#x}", honest.name);
                assert_eq!(format!("{:?}", *found), claims, "{what}");
                let alike = meaning(&changed.collateral) == meaning(&honest.collateral);
                assert!(alike, "{what} is accepted");
                same += 1;
            }
        }
        println!(
            "{}: {same} of {tried} changes say the same in other bytes, no other was accepted",
            honest.name
        );
    }
}

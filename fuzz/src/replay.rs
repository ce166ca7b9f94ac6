//! Runs a target on its seeds, on what was once found, and on small changes of both, and says on what it falls.
//!
//! The changes are the same in each run: halves, a byte less, a byte more, one bit of some bytes, a run of zeros, a piece
//! of another seed. No clock and no randomness.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Seed, Target, seeds};

/// What a target fell on.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The seed and what was done to it.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
    /// What the panic said.
    pub message: String,
}

/// What was run and what was found.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Inputs that were tried.
    pub inputs: usize,
    /// Those that made the target fall.
    pub findings: Vec<Finding>,
}

/// The target's seeds and the inputs under `fuzz/found/TARGET/`.
#[must_use]
pub fn corpus(target: &Target) -> Vec<Seed> {
    let mut all = (target.seeds)();
    all.extend(seeds::files(&format!("fuzz/found/{}", target.name), "bin"));
    all
}

/// Runs the target on all of the corpus, and on `changes` changed forms of each input.
#[must_use]
pub fn run(target: &Target, corpus: &[Seed], changes: usize) -> Replayed {
    let mut replayed = Replayed::default();
    for (at, seed) in corpus.iter().enumerate() {
        attempt(target, &mut replayed, seed.clone());
        let other = &corpus[(at + 1) % corpus.len()];
        for number in 0..changes {
            attempt(target, &mut replayed, changed(seed, other, number));
        }
    }
    replayed
}

fn attempt(target: &Target, replayed: &mut Replayed, input: Seed) {
    replayed.inputs += 1;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(&input.bytes))) {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        replayed.findings.push(Finding {
            name: input.name,
            bytes: input.bytes,
            message,
        });
    }
}

/// The `number`th change of a seed.
fn changed(seed: &Seed, other: &Seed, number: usize) -> Seed {
    let mut bytes = seed.bytes.clone();
    let length = bytes.len().max(1);
    // Places spread over the input, the same each time.
    let place = spread(number) % length;
    let what = match number % 6 {
        0 => {
            bytes.truncate(place);
            format!("cut at {place}")
        }
        1 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << (number / 6 % 8);
            }
            format!("a bit of byte {place}")
        }
        2 => {
            bytes.insert(place.min(bytes.len()), 0xff);
            format!("ff before {place}")
        }
        3 => {
            if place < bytes.len() {
                bytes.remove(place);
            }
            format!("without byte {place}")
        }
        4 => {
            let end = (place + 8).min(bytes.len());
            bytes[place.min(end)..end].fill(if number % 12 == 4 { 0 } else { 0xff });
            format!("eight bytes at {place}")
        }
        _ => {
            let from = place.min(other.bytes.len());
            bytes.truncate(place);
            bytes.extend(&other.bytes[from..]);
            format!("from {place} on as {}", other.name)
        }
    };
    Seed {
        name: format!("{}, {what}", seed.name),
        bytes,
    }
}

/// Multiplicative hashing (Knuth, TAOCP 3, 6.4): neighbours end far from each other.
fn spread(number: usize) -> usize {
    number.wrapping_add(1).wrapping_mul(2_654_435_761) >> 7
}

//! Every target on its seeds, on what was once found, on changes of both, and on what no parser should ever read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use stoa_fuzz::replay::{Replayed, corpus, run};
use stoa_fuzz::{SELF_TEST, Seed, TARGETS, Target};

/// Changed forms of each seed.
fn changes(target: &Target) -> usize {
    let full = std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1");
    // A verification costs a thousand times what a message does.
    let usual = match target.name {
        "verify" | "collateral" | "parts" => 12,
        _ => 60,
    };
    if full { usual * 50 } else { usual }
}

fn holds(target: &Target, replayed: &Replayed) {
    let found: Vec<String> = replayed
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{}: {} ({} bytes)",
                finding.name,
                finding.message,
                finding.bytes.len()
            )
        })
        .collect();
    assert!(
        found.is_empty(),
        "{} fell on {} of {} inputs:\n{}",
        target.name,
        found.len(),
        replayed.inputs,
        found.join("\n")
    );
}

#[test]
fn every_target_stands_on_its_seeds_and_on_changes_of_them() {
    for target in TARGETS {
        let seeds = corpus(target);
        let replayed = run(target, &seeds, changes(target));
        println!(
            "{}: {} seeds, {} inputs",
            target.name,
            seeds.len(),
            replayed.inputs
        );
        holds(target, &replayed);
    }
}

/// A seed list that a moved folder has emptied would let everything through.
#[test]
fn every_target_has_seeds_and_they_are_not_empty() {
    for target in TARGETS {
        let seeds = corpus(target);
        assert!(
            seeds.len() >= 5,
            "{} has {} seeds",
            target.name,
            seeds.len()
        );
        let empty: Vec<&str> = seeds
            .iter()
            .filter(|seed| seed.bytes.len() <= 1)
            .map(|seed| seed.name.as_str())
            .collect();
        assert!(empty.len() <= 4, "{}: {empty:?} are empty", target.name);
    }
}

/// Depth, size and counts: each of these must be refused by a limit, not by the stack or the memory.
#[test]
fn every_target_stands_on_what_is_deep_long_or_many() {
    const MANY: usize = 200_000;
    const LONG: usize = 20 * 1024 * 1024;
    let extremes = [
        ("nothing", Vec::new()),
        ("zeros", vec![0; LONG]),
        ("ff", vec![0xff; LONG]),
        ("open brackets", vec![b'['; MANY]),
        ("open objects", br#"{"a":"#.repeat(MANY)),
        ("open actions", b"{{".repeat(MANY)),
        (
            "open parentheses",
            [b"{{".to_vec(), vec![b'('; MANY]].concat(),
        ),
        ("open conditions", b"{{if true}}".repeat(MANY)),
        (
            "members",
            [
                b"{".to_vec(),
                br#""a":1,"#.repeat(MANY),
                b"\"b\":1}".to_vec(),
            ]
            .concat(),
        ),
        ("DER in DER", b"\x30\x80".repeat(MANY)),
        (
            "DER of great length",
            [b"\x30\x84\x7f\xff\xff\xff".to_vec(), vec![0x30; MANY]].concat(),
        ),
        (
            "certificates",
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".repeat(MANY / 10),
        ),
        ("lengths", b"\0\0\0\x01\0".repeat(MANY)),
    ];
    for target in TARGETS {
        // The targets that choose by a first byte or a length get each choice.
        let starts: Vec<Vec<u8>> = match target.name {
            "parts" => (0..8).map(|part| vec![part]).collect(),
            "frames" => (0..8).map(|number| vec![0, 0, 0, number]).collect(),
            _ => vec![Vec::new()],
        };
        let inputs: Vec<Seed> = starts
            .iter()
            .flat_map(|start| {
                extremes.iter().map(|(name, bytes)| Seed {
                    name: (*name).to_owned(),
                    bytes: [start.as_slice(), bytes].concat(),
                })
            })
            .collect();
        holds(target, &run(target, &inputs, 0));
    }
}

#[test]
fn a_planted_panic_is_found_with_its_input() {
    let seeds = [Seed {
        name: "planted".to_owned(),
        bytes: b"stoa! and more".to_vec(),
    }];
    let replayed = run(&SELF_TEST, &seeds, 0);
    let [finding] = replayed.findings.as_slice() else {
        panic!("{replayed:?}");
    };
    assert_eq!(
        (finding.name.as_str(), finding.message.as_str()),
        ("planted", "the planted fault")
    );
    assert!(run(&SELF_TEST, &corpus(&SELF_TEST), 0).findings.is_empty());
}

//! Every check of a statement: the good statement holds, and each one-change broken one fails in the check that it broke.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stoa_attestation::TcbStatus;
use stoa_attestation::channel::{CoordinatorState, Seen, Switches};
use stoa_client::{Check, Outcome, Verdict};
use world::cases::{CASES, by_signer, leaf_until, other_leaf, out_of_date, seen, weakened};
use world::{World, failed, outcome};

#[test]
fn a_good_statement_is_verified_with_a_word_for_each_check() {
    let report = World::new().report();
    assert_eq!(report.verdict, Verdict::Verified, "{}", failed(&report));
    let words: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.check, row.outcome.clone()))
        .collect();
    let wanted = [
        (Check::Hardware, "genuine"),
        (Check::Code, "expected"),
        (Check::Switches, "allowed"),
        (Check::Session, "bound"),
        (Check::Signature, "signed"),
        (Check::Nonce, "ours"),
        (Check::Time, "fresh"),
        (Check::State, "consistent"),
        (Check::Tls, "same"),
        (Check::RootCa, "same"),
        (Check::Manifest, "same"),
        (Check::History, "intact"),
        (Check::Marbles, "allowed"),
        (Check::Memory, "first seen"),
    ];
    assert_eq!(
        words,
        wanted.map(|(check, word)| (check, Outcome::Good(word)))
    );
    assert!(report.rows.iter().all(|row| !row.facts.is_empty()));
}

#[test]
fn each_broken_statement_fails_in_the_check_that_it_broke_and_in_no_other() {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for (name, change, wanted) in CASES {
        assert!(names.insert(name), "{name} stands twice");
        let mut world = World::new();
        change(&mut world);
        let report = world.report();
        let got = failed(&report);
        if got != *wanted || !matches!(report.verdict, Verdict::NotVerified { .. }) {
            wrong.push(format!("{name}: wanted {wanted}, got {got:?}"));
        }
        if report.seen.is_some() {
            wrong.push(format!("{name}: would be remembered"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_statement_that_breaks_it_and_every_code_is_explained() {
    let broken: BTreeSet<&str> = CASES
        .iter()
        .flat_map(|(_, _, wanted)| wanted.split(", "))
        .filter_map(|one| one.split(": ").next())
        .collect();
    assert_eq!(broken, Check::ALL.map(Check::name).into_iter().collect());
    for code in CASES
        .iter()
        .flat_map(|(_, _, wanted)| wanted.split(", "))
        .filter_map(|one| one.split(": ").nth(1))
    {
        assert!(
            stoa_explain::lookup(code).is_some(),
            "{code} is explained nowhere"
        );
    }
}

/// Each of these differs from a broken case in the one thing that made it fail.
#[test]
fn the_twins_of_broken_statements_are_verified() {
    type Twin = (&'static str, fn(&mut World));
    let twins: &[Twin] = &[
        ("out of date, knowingly accepted", |w| {
            out_of_date(w);
            w.reference.tcb.accepted.insert(TcbStatus::OutOfDate);
        }),
        ("listed by its PPID", |w| {
            w.reference.tcb.platforms = Some(vec![hex::encode(w.platform.ppid())])
        }),
        ("named by signer, product and a lower version", |w| {
            by_signer(w, [0xbb; 32], 3, 4)
        }),
        ("debug on both sides", |w| {
            w.identity.debug = true;
            w.reference.tcb.debug = true;
        }),
        ("one switch more, named in the reference", |w| {
            w.state.security_digest = weakened(w);
            w.reference.security_digest = Some(weakened(w));
        }),
        ("no switch at all", |w| {
            w.state.security_digest = Switches::none().digest()
        }),
        ("a quote that is 300 s old", |w| w.quoted_at = w.now - 300),
        ("a clock that is 300 s ahead", |w| {
            w.state.time = w.now + 300
        }),
        ("a leaf that ends in a second", |w| {
            w.tls_leaf = leaf_until(w, w.now)
        }),
        ("the sequence that was seen", |w| w.seen = Some(seen(w, 41))),
        ("the collateral that was seen", |w| {
            w.seen = Some(seen(w, 41));
            w.collateral_seen = w.floors_at(w.now);
        }),
        ("a later sequence than was seen", |w| {
            w.seen = Some(Seen {
                head: [1; 32],
                ..seen(w, 40)
            })
        }),
        ("the whole budget", |w| w.marbles[0].live = 2),
    ];
    for (name, change) in twins {
        let mut world = World::new();
        change(&mut world);
        let report = world.report();
        assert_eq!(
            report.verdict,
            Verdict::Verified,
            "{name}: {}",
            failed(&report)
        );
        assert_eq!(report.seen.map(|seen| seen.sequence), Some(41), "{name}");
    }
}

#[test]
fn without_something_to_compare_with_nothing_is_verified() {
    let mut world = World::new();
    world.reference.identities.clear();
    let unverified = |world: &World| match world.report().verdict {
        Verdict::Unverified { nothing_for } => nothing_for.join(" and "),
        other => panic!("{other:?}"),
    };
    assert_eq!(unverified(&world), "the coordinator's code");
    assert!(!world.report().coordinator_verified());
    assert_eq!(world.report().seen, None);
    world.wanted_manifest = None;
    assert_eq!(
        unverified(&world),
        "the coordinator's code and the manifest"
    );
    let mut world = World::new();
    world.wanted_manifest = None;
    assert_eq!(unverified(&world), "the manifest");
    assert!(
        world.report().coordinator_verified(),
        "enough to hand it a manifest"
    );
    world.without_manifest();
    assert!(
        world.report().coordinator_verified(),
        "enough to hand it the first manifest"
    );
    world.in_recovery();
    assert_eq!(world.report().seen, None, "there is no mesh to remember");
}

#[test]
fn in_recovery_the_mesh_that_asks_is_shown_and_marked_unverified() {
    let mut world = World::new();
    let (root, key) = (world.chain[1].clone(), hex::encode(world.root.id()));
    world.wanted_manifest = None;
    world.in_recovery();
    let none = world.report();
    assert_eq!(*outcome(&none, Check::RootCa), Outcome::Good("same"));
    world.edit = Some(Box::new(move |body| {
        body.recovery = Some(stoa_proto::wire::StatementRecovery {
            root: STANDARD.encode(&root),
            data_key: "0d".repeat(8),
            threshold: 2,
            shares: 3,
        });
    }));
    let report = world.report();
    let row = report.rows.iter().find(|row| row.check == Check::RootCa);
    let row = row.unwrap();
    assert!(row.facts.contains(&key), "{}", row.facts);
    let Outcome::NotChecked(why) = &row.outcome else {
        panic!("{:?}", row.outcome)
    };
    assert!(why.starts_with("unverified"), "{why}");
    assert!(report.coordinator_verified(), "{}", failed(&report));
    assert_eq!((report.root, report.seen), (None, None));
    // In a state that proves its mesh the member says nothing.
    let mut world = World::new();
    let other = world.chain[0].clone();
    world.edit = Some(Box::new(move |body| {
        body.recovery = Some(stoa_proto::wire::StatementRecovery {
            root: STANDARD.encode(&other),
            data_key: "0d".repeat(8),
            threshold: 2,
            shares: 3,
        });
    }));
    let report = world.report();
    assert_eq!(*outcome(&report, Check::RootCa), Outcome::Good("same"));
}

#[test]
fn all_checks_run_when_several_fail() {
    let mut world = World::new();
    world.identity.mrenclave[0] ^= 1;
    out_of_date(&mut world);
    world.marbles[0].live = 3;
    world.wanted_manifest = Some(b"{}".to_vec());
    let report = world.report();
    assert_eq!(
        failed(&report),
        "hardware: tcb-not-accepted, code: measurement-differs, manifest: manifest-differs, marbles: marbles-differ"
    );
    assert_eq!(
        report.verdict,
        Verdict::NotVerified {
            failed: 4,
            checks: 14
        }
    );
}

#[test]
fn what_rests_on_evidence_that_is_not_genuine_is_not_checked() {
    let mut world = World::new();
    world.flip_evidence = Some(120);
    let report = world.report();
    for check in [Check::Code, Check::Switches, Check::Session] {
        assert!(
            matches!(outcome(&report, check), Outcome::NotChecked(_)),
            "{check:?}"
        );
    }
    assert!(report.claims.is_none());
}

#[test]
fn offline_the_connection_is_not_checked_and_that_is_said() {
    let mut world = World::new();
    world.online = false;
    let report = world.report();
    assert_eq!(report.verdict, Verdict::Verified);
    assert!(
        matches!(outcome(&report, Check::Tls), Outcome::NotChecked(why) if why.contains("offline"))
    );
    other_leaf(&mut world);
    assert_eq!(failed(&world.report()), "connection: binding-differs");
}

/// The state bytes are signed and quoted, so a client never sees `verified` on bytes that the coordinator did not sign.
#[test]
fn no_change_to_the_signed_body_goes_unnoticed() {
    let world = World::new();
    let good = world.wire();
    let body = String::from_utf8(
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &good.body).unwrap(),
    )
    .unwrap();
    let mut tried = 0;
    for at in (0..body.len()).step_by(37) {
        let mut bytes = body.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = stoa_proto::wire::Statement {
            body: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes),
            signature: good.signature.clone(),
        };
        let Ok(statement) = stoa_client::Statement::from_wire(changed) else {
            continue;
        };
        tried += 1;
        let report = world.judged(&statement);
        assert!(
            failed(&report).contains("signature: "),
            "byte {at}: {}",
            failed(&report)
        );
    }
    assert!(tried > 20, "only {tried} changes could still be read");
}

#[test]
fn state_3_names_root_and_issuing_ca() {
    let world = World::new();
    assert!(matches!(
        world.state.state,
        CoordinatorState::AcceptingMarbles { .. }
    ));
    let root = world.report().root.unwrap();
    assert_eq!(
        (root.key_id, root.der),
        (world.root.id(), world.chain[1].clone())
    );
}

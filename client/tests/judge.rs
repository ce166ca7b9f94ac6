//! Every check of a statement: the good statement holds, and each one-change broken one fails in the check that it broke.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use stoa_attestation::channel::{CoordinatorState, Seen, Switches, Transition};
use stoa_attestation::{Anchor, ReferenceValue, SgxReference, TcbStatus};
use stoa_client::{Check, Outcome, Verdict};
use stoa_synthetic::{Flip, Knobs, Platform, PlatformTcb, Tee};
use world::{
    DAY, Key, MANIFEST, NOW, World, at, count, failed, history, outcome, params, self_signed,
    signed_by,
};

/// What is changed, how, and which checks must fail with which code.
type Case = (&'static str, fn(&mut World), &'static str);

const CASES: &[Case] = &[
    // hardware
    (
        "a byte of the quote's body changed",
        |w| w.flip_evidence = Some(120),
        "hardware: quote-signature-invalid",
    ),
    (
        "a byte of the attestation key changed",
        |w| {
            w.platform = w.platform.with_knobs(Knobs {
                flip: Some(Flip { byte: 500, mask: 1 }),
                ..Knobs::default()
            })
        },
        "hardware: qe-report-data-differs",
    ),
    (
        "no collateral",
        |w| w.collateral.clear(),
        "hardware: collateral-malformed",
    ),
    (
        "collateral of the other TEE",
        |w| w.collateral = w.platform.collateral_json(Tee::Tdx, at(NOW)),
        "hardware: collateral-tee-differs",
    ),
    (
        "collateral that ended",
        |w| w.collateral = w.platform.collateral_json(Tee::Sgx, at(NOW - 40 * DAY)),
        "hardware: collateral-expired",
    ),
    (
        "a platform that is out of date",
        |w| out_of_date(w),
        "hardware: tcb-not-accepted",
    ),
    (
        "a platform that is not listed",
        |w| w.reference.tcb.platforms = Some(vec!["00".repeat(16)]),
        "hardware: platform-not-listed",
    ),
    (
        "evidence under a root that the client does not trust",
        |w| w.anchors = vec![Anchor::intel()],
        "hardware: root-untrusted",
    ),
    (
        "evidence under another synthetic root",
        |w| w.anchors = vec![other_anchor()],
        "hardware: root-untrusted",
    ),
    // code
    (
        "another measurement",
        |w| w.identity.mrenclave[0] ^= 1,
        "code: measurement-differs",
    ),
    (
        "another signer",
        |w| by_signer(w, [0xbc; 32], 3, 5),
        "code: measurement-differs",
    ),
    (
        "another product",
        |w| by_signer(w, [0xbb; 32], 4, 5),
        "code: measurement-differs",
    ),
    (
        "a version that is too old",
        |w| by_signer(w, [0xbb; 32], 3, 6),
        "code: measurement-differs",
    ),
    (
        "a debug enclave",
        |w| w.identity.debug = true,
        "code: debug-not-accepted",
    ),
    (
        "a production enclave where debug is wanted",
        |w| w.reference.tcb.debug = true,
        "code: debug-not-accepted",
    ),
    (
        "a debug enclave and no reference",
        |w| {
            w.identity.debug = true;
            w.reference.identities.clear();
        },
        "code: debug-not-accepted",
    ),
    // switches
    (
        "one switch more",
        |w| w.state.security_digest = weakened(w),
        "switches: security-digest-differs",
    ),
    (
        "another insecure root among the switches",
        |w| w.state.security_digest = Switches::insecure_trust_root(&[1; 32]).digest(),
        "switches: security-digest-differs",
    ),
    (
        "another digest than the reference names",
        |w| w.reference.security_digest = Some([1; 48]),
        "switches: security-digest-differs",
    ),
    // session
    (
        "a quote over another session key",
        |w| w.quoted_session = Some(Key::new().spki()),
        "session key: binding-differs",
    ),
    (
        "a quote over another root",
        |w| w.quoted_root = Some([1; 32]),
        "session key: binding-differs",
    ),
    (
        "a quote over another security digest",
        |w| w.quoted_digest = Some(Switches::none().digest()),
        "session key: binding-differs",
    ),
    // signature and nonce
    (
        "signed by another key",
        |w| w.signs_instead = Some(Key::new()),
        "signature: binding-differs",
    ),
    (
        "signed for another nonce",
        |w| w.signed_nonce = Some([6; 32]),
        "signature: binding-differs",
    ),
    (
        "a body that was changed after it was signed",
        |w| w.tamper = Some(Box::new(|body| body.marbles[0].live = 0)),
        "signature: binding-differs",
    ),
    (
        "a body signed for another nonce",
        |w| {
            w.answered = [6; 32];
            w.signed_nonce = Some([5; 32]);
        },
        "nonce: nonce-differs",
    ),
    (
        "the answer to another request",
        |w| w.answered = [6; 32],
        "signature: binding-differs, nonce: nonce-differs",
    ),
    // time
    (
        "a quote that is 301 s old",
        |w| w.quoted_at = w.now - 301,
        "time: session-key-stale",
    ),
    (
        "a quote from the future",
        |w| w.quoted_at = w.now + 301,
        "time: session-key-stale",
    ),
    (
        "a coordinator whose clock is 301 s behind",
        |w| w.state.time = w.now - 301,
        "time: clock-differs",
    ),
    (
        "a coordinator whose clock is 301 s ahead",
        |w| w.state.time = w.now + 301,
        "time: clock-differs",
    ),
    // state
    (
        "a body that restates another time",
        |w| w.edit = Some(Box::new(|body| body.time += 1)),
        "state: statement-inconsistent",
    ),
    // connection
    (
        "a connection with another key",
        |w| other_leaf(w),
        "connection: binding-differs",
    ),
    (
        "a leaf of the right key that the root did not issue",
        |w| w.tls_leaf = self_signed(&params("coordinator", false, NOW - DAY, NOW + DAY), &w.leaf),
        "connection: mesh-certificate-differs",
    ),
    (
        "a leaf that the issuing CA issued",
        |w| {
            w.tls_leaf = signed_by(
                &params("coordinator", false, NOW - DAY, NOW + DAY),
                &w.leaf,
                &params("issuing", true, NOW, NOW),
                &w.issuing,
            )
        },
        "connection: mesh-certificate-differs",
    ),
    (
        "a leaf that ended",
        |w| w.tls_leaf = leaf_until(w, NOW),
        "connection: mesh-certificate-expired",
    ),
    (
        "a leaf that is a CA",
        |w| {
            w.tls_leaf = signed_by(
                &params("coordinator", true, NOW - DAY, NOW + DAY),
                &w.leaf,
                &params("root", true, NOW, NOW),
                &w.root,
            )
        },
        "connection: mesh-certificate-differs",
    ),
    // root CA
    (
        "a root of another key",
        |w| w.chain[1] = self_signed(&params("root", true, NOW - DAY, NOW + DAY), &Key::new()),
        "root CA: mesh-certificate-differs",
    ),
    (
        "a root that is no CA",
        |w| w.chain[1] = self_signed(&params("root", false, NOW - DAY, NOW + DAY), &w.root),
        "root CA: mesh-certificate-differs",
    ),
    (
        "a root that ended",
        |w| w.chain[1] = self_signed(&params("root", true, NOW - DAY, NOW), &w.root),
        "root CA: mesh-certificate-expired",
    ),
    (
        "a root that another key signed",
        |w| {
            w.chain[1] = signed_by(
                &params("root", true, NOW - DAY, NOW + DAY),
                &w.root,
                &params("root", true, NOW, NOW),
                &Key::new(),
            )
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "an issuing CA of another key",
        |w| w.chain[0] = issuing(&Key::new(), w),
        "root CA: mesh-certificate-differs",
    ),
    (
        "an issuing CA that another key signed",
        |w| {
            w.chain[0] = signed_by(
                &params("issuing", true, NOW - DAY, NOW + DAY),
                &w.issuing,
                &params("root", true, NOW, NOW),
                &Key::new(),
            )
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "no issuing CA",
        |w| {
            w.chain.remove(0);
        },
        "root CA: mesh-certificate-differs",
    ),
    (
        "a certificate behind another",
        |w| {
            let more = w.chain[1].clone();
            w.chain[0].extend(more);
        },
        "root CA: mesh-certificate-differs",
    ),
    // manifest
    (
        "another manifest than the one that was given",
        |w| w.wanted_manifest = Some([MANIFEST, b" "].concat()),
        "manifest: manifest-differs",
    ),
    (
        "a manifest that is not the signed one",
        |w| w.manifest.push(b' '),
        "manifest: statement-inconsistent",
    ),
    (
        "a manifest that is left out",
        |w| {
            w.edit = Some(Box::new(|body| {
                body.manifest.clear();
                body.marbles.clear();
            }))
        },
        "manifest: statement-inconsistent",
    ),
    (
        "nothing in force",
        |w| w.without_manifest(),
        "manifest: manifest-differs",
    ),
    (
        "recovery",
        |w| w.in_recovery(),
        "manifest: manifest-differs",
    ),
    // history
    (
        "a history without its first entry",
        |w| {
            w.history.remove(0);
        },
        "history: history-malformed",
    ),
    (
        "a history without its last entry",
        |w| {
            w.history.pop();
        },
        "history: history-differs",
    ),
    (
        "an empty history",
        |w| w.history.clear(),
        "history: history-differs",
    ),
    (
        "another manifest in the past",
        |w| w.history[0].manifest_sha256[0] ^= 1,
        "history: history-differs",
    ),
    (
        "another time in the past",
        |w| w.history[0].time += 1,
        "history: history-differs",
    ),
    (
        "a gap in the epochs",
        |w| w.history[1].epoch = 3,
        "history: history-malformed",
    ),
    (
        "a history that ends in another manifest",
        |w| w.rewrite_history(history(&[[1; 32], [2; 32]])),
        "history: history-differs",
    ),
    (
        "a history in which time runs back",
        |w| w.rewrite_history(backwards()),
        "history: history-differs",
    ),
    // marbles
    (
        "more marbles than the manifest allows",
        |w| w.marbles[0].live = 3,
        "marbles: marbles-differ",
    ),
    (
        "a marble that the manifest does not have",
        |w| w.marbles.push(count("spy", 1, None)),
        "marbles: marbles-differ",
    ),
    (
        "another budget than the manifest's",
        |w| w.marbles[0].budget = Some(9),
        "marbles: marbles-differ",
    ),
    // memory
    (
        "an earlier sequence than was seen",
        |w| w.seen = Some(seen(w, 42)),
        "memory: history-went-back",
    ),
    (
        "another head at the sequence that was seen",
        |w| {
            w.seen = Some(Seen {
                head: [1; 32],
                ..seen(w, 41)
            })
        },
        "memory: history-went-back",
    ),
    (
        "another mesh than was seen",
        |w| {
            w.seen = Some(Seen {
                root: [1; 32],
                ..seen(w, 1)
            })
        },
        "memory: mesh-differs",
    ),
    (
        "recovery, where a mesh was seen",
        |w| {
            w.seen = Some(seen(w, 41));
            w.in_recovery();
            w.wanted_manifest = None;
        },
        "memory: mesh-differs",
    ),
];

fn out_of_date(world: &mut World) {
    world.platform = world.platform.with_knobs(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    });
    world.collateral = world.platform.collateral_json(Tee::Sgx, at(NOW));
}

fn other_anchor() -> Anchor {
    Anchor::insecure_from_pem(Platform::seeded([8; 32], Knobs::default()).root_pem()).unwrap()
}

fn by_signer(world: &mut World, signer: [u8; 32], product: u16, version: u16) {
    world.reference.identities = vec![ReferenceValue::Sgx(SgxReference {
        unique_id: None,
        signer_id: Some(signer),
        product_id: Some(product),
        security_version: Some(version),
        ..SgxReference::default()
    })];
}

fn weakened(world: &World) -> [u8; 48] {
    let mut switches = Switches::insecure_trust_root(&world.anchors[1].sha256());
    switches.set("allow-everything", "1").unwrap();
    switches.digest()
}

fn other_leaf(world: &mut World) {
    let root = params("root", true, NOW, NOW);
    world.tls_leaf = signed_by(
        &params("coordinator", false, NOW - DAY, NOW + DAY),
        &Key::new(),
        &root,
        &world.root,
    );
}

fn leaf_until(world: &World, until: u64) -> Vec<u8> {
    let root = params("root", true, NOW, NOW);
    signed_by(
        &params("coordinator", false, NOW - DAY, until),
        &world.leaf,
        &root,
        &world.root,
    )
}

fn issuing(key: &Key, world: &World) -> Vec<u8> {
    let root = params("root", true, NOW, NOW);
    signed_by(
        &params("issuing", true, NOW - DAY, NOW + DAY),
        key,
        &root,
        &world.root,
    )
}

fn backwards() -> Vec<Transition> {
    let mut entries = history(&[[1; 32], Sha256::digest(MANIFEST).into()]);
    entries[1].time = entries[0].time - 1;
    entries
}

fn seen(world: &World, sequence: u64) -> Seen {
    Seen {
        root: world.root.id(),
        sequence,
        head: world.state.head,
    }
}

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

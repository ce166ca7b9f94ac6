//! The audit: what was done, by whom, with digests, the same from a running mesh as from its journal, and no secret.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stoa_explain::Explain as _;
use stoa_mesh::audit::{Deed, Entry};
use stoa_mesh::denied::Denied;
use stoa_mesh::{
    Caller, Cancel, Command, Env, Given, Machine, ReadSecrets, Rotate, Sequencer, SetSecrets,
    Update,
};
use support::{Mesh, START, at, manifest, user};
use zeroize::Zeroizing;

/// `all` may everything, `auditor` may read the audit, `guest` nothing.
fn text(budget: u64) -> String {
    let users: Vec<String> = (0..)
        .zip([
            ("all", r#""secrets", "manifest""#),
            ("auditor", r#""audit""#),
            ("guest", ""),
            ("other", r#""manifest""#),
        ])
        .map(|(number, (name, roles))| {
            let pem = user(number).0;
            format!(r#""{name}": {{"Certificate": "{pem}", "Roles": [{roles}]}}"#)
        })
        .collect();
    format!(
        r#"{{"Packages": {{"p": {{"UniqueID": "{id}"}}}},
            "Marbles": {{"m": {{"Package": "p", "MaxActivations": {budget}}}}},
            "Secrets": {{"a": {{"Type": "plain", "UserDefined": true}}, "b": {{"Type": "plain", "UserDefined": true}}}},
            "Users": {{{users}}},
            "Roles": {{
              "secrets": {{"ResourceType": "Secrets", "ResourceNames": ["a", "b"], "Actions": ["ReadSecret", "WriteSecret"]}},
              "manifest": {{"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
              "audit": {{"ResourceType": "Audit", "Actions": ["ReadAudit"]}}}}}}"#,
        id = "11".repeat(32),
        users = users.join(", "),
    )
}

fn caller(number: u64) -> Caller {
    Caller {
        certificate: Some(user(number).1),
    }
}

fn set(mesh: &mut Mesh, values: &[(&str, &str)], now: u64) {
    let given = values.iter().map(|(name, value)| {
        let key = Some(Zeroizing::new(value.as_bytes().to_vec()));
        let given = Given {
            key,
            ..Given::default()
        };
        ((*name).to_owned(), given)
    });
    let set = SetSecrets::prepare(&mesh.view(), given.collect(), caller(0), &*mesh.keys);
    mesh.run(Command::SetSecrets(set.unwrap()), now).unwrap();
}

fn agree(mesh: &mut Mesh, who: u64, text: &str, now: u64) {
    let view = mesh.view();
    let keys = &*mesh.keys;
    let update = Update::prepare(
        &view,
        manifest(text),
        caller(who),
        keys,
        at(now),
        &mut mesh.rng,
    );
    mesh.run(Command::Update(update.unwrap()), now).unwrap();
}

/// A mesh in which every deed was done, most of them once.
fn busy() -> Mesh {
    let mut mesh = Mesh::with_manifest(1, &text(1));
    mesh.start(START).unwrap();
    set(
        &mut mesh,
        &[("a", "swordfish"), ("b", "swordfish")],
        START + 1,
    );
    set(&mut mesh, &[("a", "opensesame")], START + 2);
    set(&mut mesh, &[("a", "swordfish")], START + 3);
    let read = ReadSecrets {
        names: ["a".to_owned()].into(),
        caller: caller(0),
    };
    mesh.run(Command::ReadSecrets(read), START + 4).unwrap();
    agree(&mut mesh, 0, &text(2), START + 5);
    let cancel = Cancel {
        manifest_sha256: manifest(&text(2)).sha256(),
        caller: caller(3),
    };
    mesh.run(Command::Cancel(cancel), START + 6).unwrap();
    agree(&mut mesh, 3, &text(3), START + 7);
    agree(&mut mesh, 0, &text(3), START + 8);
    let view = mesh.view();
    let rotate = Rotate::prepare(&view, &*mesh.keys, at(START + 9), &mut mesh.rng);
    mesh.run(Command::Rotate(rotate.unwrap()), START + 9)
        .unwrap();
    support::provision(mesh.activate("m", 1, None, START + 10));
    mesh
}

fn audit(mesh: &Mesh) -> Vec<Entry> {
    let mut entries = mesh.view().audit(&caller(1), u64::MAX, 100).unwrap();
    entries.reverse();
    entries
}

#[test]
fn what_is_done_stands_in_the_audit_with_who_when_and_digests() {
    let mesh = busy();
    let entries = audit(&mesh);
    let sha256 = |budget| Some(manifest(&text(budget)).sha256());
    let brief: Vec<_> = entries
        .iter()
        .map(|entry| {
            let user = entry.user.as_deref().unwrap_or("");
            (entry.what, user, entry.subject.as_str(), entry.sequence)
        })
        .collect();
    assert_eq!(
        brief,
        [
            (Deed::Founded, "", "", 1),
            (Deed::ManifestSet, "", "", 2),
            (Deed::SecretSet, "all", "a", 4),
            (Deed::SecretSet, "all", "b", 4),
            (Deed::SecretSet, "all", "a", 5),
            (Deed::SecretSet, "all", "a", 6),
            (Deed::SecretRead, "all", "a", 7),
            (Deed::UpdateProposed, "all", "", 8),
            (Deed::UpdateCancelled, "other", "", 9),
            (Deed::UpdateProposed, "other", "", 10),
            (Deed::ManifestUpdated, "all", "", 11),
            (Deed::IssuingCaReplaced, "", "", 12),
        ]
    );
    assert!(entries.iter().map(|entry| entry.number).eq(1..=12));
    assert_eq!(
        entries[1].certificate,
        Some([5; 32]),
        "who set the first manifest"
    );
    assert_eq!(entries[2].certificate, Some(user(0).1));
    assert_eq!((entries[2].time, entries[10].time), (START + 1, START + 8));
    let digests = |place: usize| (entries[place].before, entries[place].after);
    assert_eq!(
        digests(0),
        (None, Some(mesh.view().root().unwrap().sha256()))
    );
    assert_eq!(digests(1), (None, sha256(1)));
    assert_eq!(digests(7), (sha256(1), sha256(2)));
    assert_eq!(digests(8), (sha256(1), sha256(2)));
    assert_eq!(digests(10), (sha256(1), sha256(3)));
    let issuing = mesh.view().issuing().unwrap().sha256();
    assert!(entries[11].before.is_some() && entries[11].after == Some(issuing));
    // A value is told again by its digest, and nothing is told of two secrets that have the same.
    assert_eq!(entries[2].before, None);
    assert_eq!(entries[4].before, entries[2].after);
    assert_ne!(entries[4].after, entries[2].after);
    assert_eq!(entries[5].after, entries[2].after);
    assert_eq!(entries[6].after, entries[2].after, "what was read");
    assert_ne!(entries[3].after, entries[2].after);
    let shown = format!("{entries:?}");
    assert!(!shown.contains("swordfish") && !shown.contains("opensesame"));
    let plain: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        b"swordfish",
    ))
    .into();
    assert!(entries.iter().all(|entry| entry.after != Some(plain)));
}

#[test]
fn the_journal_gives_the_same_audit_and_a_snapshot_goes_on_counting_records() {
    let mut mesh = busy();
    let live = audit(&mesh);
    mesh.sequencer = Sequencer::new(mesh.replayed());
    assert_eq!(audit(&mesh), live);
    set(&mut mesh, &[("b", "x")], START + 11);
    let last = audit(&mesh).pop().unwrap();
    assert_eq!(
        (last.number, last.sequence),
        (13, mesh.journal.len() as u64)
    );
    // With a snapshot in the place of the records, sequences go on and what was before is no longer remembered.
    let base = mesh.journal.len() as u64;
    let snapshot = mesh.sequencer.machine().snapshot();
    let machine = Machine::replay_after(base, [snapshot]).unwrap();
    mesh.sequencer = Sequencer::new(machine);
    assert!(audit(&mesh).is_empty());
    set(&mut mesh, &[("b", "y")], START + 12);
    let entries = audit(&mesh);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].sequence, base + 1);
    assert_eq!(entries[0].before, last.after);
}

#[test]
fn what_is_not_durable_or_was_refused_is_not_in_the_audit() {
    let mut mesh = busy();
    let before = audit(&mesh);
    let read = |number| {
        Command::ReadSecrets(ReadSecrets {
            names: ["a".to_owned()].into(),
            caller: caller(number),
        })
    };
    mesh.run(read(2), START + 11).unwrap_err();
    assert_eq!(audit(&mesh), before);
    let mut rng = support::SeededRng::new(3);
    let env = Env {
        now: at(START + 12),
        rng: &mut rng,
    };
    mesh.sequencer.submit(1, read(0), env);
    assert_eq!(audit(&mesh), before, "it is not on disk yet");
    mesh.sequencer.committed();
    assert_eq!(audit(&mesh).len(), before.len() + 1);
}

#[test]
fn only_who_may_audit_reads_it_and_who_was_refused() {
    let mesh = busy();
    mesh.view().note_denied(Denied {
        time: START,
        certificate: Some(user(2).1),
        what: "GET /x".to_owned(),
        code: "not-permitted",
        reason: "no".to_owned(),
    });
    for (number, wanted) in [
        (0, "not-permitted"),
        (2, "not-permitted"),
        (9, "user-unknown"),
    ] {
        let view = mesh.view();
        let (log, denied) = (
            view.audit(&caller(number), 9, 9),
            view.denied(&caller(number)),
        );
        assert_eq!(log.unwrap_err().code(), wanted);
        assert_eq!(denied.unwrap_err().code(), wanted);
    }
    let denied = mesh.view().denied(&caller(1)).unwrap();
    assert_eq!((denied.len(), denied[0].code), (1, "not-permitted"));
    let founded = Mesh::founded(1);
    let early = founded.view().audit(&caller(1), 9, 9);
    assert_eq!(early.unwrap_err().code(), "state-not-accepting");
}

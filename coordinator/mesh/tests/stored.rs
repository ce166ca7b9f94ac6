//! The stored form: golden files that every later version must read, and what is refused by name.
//!
//! `tests/stored/*.hex` hold one record of each kind as version 1 writes them, from seed 1 (`snapshot-2`: with floors of collateral). They are made once
//! (`STOA_GOLDEN=write cargo test -p stoa-mesh --test stored`) and never again: another layout is another tag.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::PathBuf;

use stoa_attestation::{Floors, Mark};
use stoa_explain::Explain as _;
use stoa_mesh::{
    Caller, Cancel, Command, Damaged, Given, Machine, ReadSecrets, Rotate, SetSecrets, Update,
    stored,
};
use support::{MANIFEST, Mesh, START, at, provision};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stored")
        .join(format!("{name}.hex"))
}

/// A mesh in which everything happened once, and its records by name.
fn records() -> (Mesh, Vec<(&'static str, Vec<u8>)>) {
    let mut mesh = Mesh::empty(1);
    mesh.found();
    mesh.start(START + 1).unwrap();
    mesh.set_manifest(MANIFEST, START + 2).unwrap();
    let given = provision(mesh.activate("signer", 1, Some([0xab; 16]), START + 3));
    provision(mesh.activate("signer", 1, Some([0xab; 16]), START + 4));
    provision(mesh.renew("signer", &given.chain[0], 2, START + 5));
    let rotate = Rotate::prepare(&mesh.view(), &*mesh.keys, at(START + 6), &mut mesh.rng).unwrap();
    mesh.run(Command::Rotate(rotate), START + 6).unwrap();
    let snapshot = mesh.sequencer.machine().snapshot().to_vec();
    let mark = Mark {
        number: vec![0x15],
        issued: START + 7,
    };
    let floors = Floors::kept([("0123456789abcdef/root-crl".to_owned(), mark)]);
    mesh.run(Command::SeeCollateral(floors), START + 7).unwrap();
    let names = [
        "founded",
        "started",
        "manifest-set",
        "activated",
        "retried",
        "renewed",
        "rotated",
        "collateral-seen",
    ];
    let mut records: Vec<_> = names.into_iter().zip(mesh.journal.clone()).collect();
    records.push(("snapshot", snapshot));
    records.push(("snapshot-2", mesh.sequencer.machine().snapshot().to_vec()));
    (mesh, records)
}

/// A mesh whose manifest was changed by three users, once taken back, and its records by name.
fn updates() -> (Mesh, Vec<(&'static str, Vec<u8>)>) {
    let roles = r#""Roles": {"all": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}"#;
    let users: Vec<String> = (0..3)
        .map(|number| {
            let pem = support::user(number).0;
            format!(r#""user{number}": {{"Certificate": "{pem}", "Roles": ["all"]}}"#)
        })
        .collect();
    let head = format!("{{{roles}, \"Users\": {{{}}},", users.join(", "));
    let text = MANIFEST.replacen('{', &head, 1);
    // The shared certificate is defined anew, so that there is one before it.
    let next = text.replace(r#""ValidFor": 30"#, r#""ValidFor": 40"#);
    let mut mesh = Mesh::with_manifest(1, &text);
    let written = mesh.journal.len();
    let agree = |mesh: &mut Mesh, number| {
        let caller = Caller {
            certificate: Some(support::user(number).1),
        };
        let (view, next) = (mesh.view(), support::manifest(&next));
        let update =
            Update::prepare(&view, next, caller, &*mesh.keys, at(START), &mut mesh.rng).unwrap();
        mesh.run(Command::Update(update), START).unwrap();
    };
    agree(&mut mesh, 0);
    agree(&mut mesh, 1);
    let waiting = mesh.sequencer.machine().snapshot().to_vec();
    let cancel = Cancel {
        manifest_sha256: support::manifest(&next).sha256(),
        caller: Caller {
            certificate: Some(support::user(2).1),
        },
    };
    mesh.run(Command::Cancel(cancel), START).unwrap();
    for number in [2, 1, 0] {
        agree(&mut mesh, number);
    }
    let names = [
        "proposed",
        "agreed",
        "update-cancelled",
        "proposed-2",
        "agreed-2",
        "updated",
    ];
    let mut records: Vec<_> = names
        .into_iter()
        .zip(mesh.journal[written..].to_vec())
        .collect();
    records.push(("snapshot-3-waiting", waiting));
    records.push(("snapshot-3", mesh.sequencer.machine().snapshot().to_vec()));
    (mesh, records)
}

#[test]
fn records_of_updates_are_written_and_read_as_in_their_golden_files() {
    let (mesh, records) = updates();
    let mut kept: Vec<Vec<u8>> = records
        .iter()
        .map(|(name, bytes)| kept(name, bytes))
        .collect();
    let snapshot = Machine::replay([kept.pop().unwrap()]).unwrap();
    assert_eq!(&snapshot, mesh.sequencer.machine());
    let waiting = Machine::replay([kept.pop().unwrap()]).unwrap();
    let mut replayed = waiting;
    for record in &kept[2..] {
        let events = stored::events(record).unwrap();
        events.iter().for_each(|event| replayed.apply(event));
    }
    assert_eq!(&replayed, mesh.sequencer.machine());
    for (name, bytes) in &records {
        for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            assert!(
                Machine::replay([&bytes[..end]]).is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

/// A user sets a secret of each form, and reads one: the records, and a snapshot behind them.
fn secrets_of_users() -> (Mesh, Vec<(&'static str, Vec<u8>)>) {
    let pem = support::user(0).0;
    let head = format!(
        r#"{{"Users": {{"ann": {{"Certificate": "{pem}", "Roles": ["secrets"]}}}},
            "Roles": {{"secrets": {{"ResourceType": "Secrets", "ResourceNames": ["word", "pin", "tls"],
                "Actions": ["WriteSecret", "ReadSecret"]}}}},"#
    );
    let more = r#""Secrets": {"word": {"Type": "plain", "UserDefined": true},
        "pin": {"Type": "cert-ecdsa", "UserDefined": true}, "tls": {"Type": "cert-ecdsa", "UserDefined": true},"#;
    let text = MANIFEST
        .replacen('{', &head, 1)
        .replacen(r#""Secrets": {"#, more, 1);
    let mut mesh = Mesh::with_manifest(1, &text);
    let written = mesh.journal.len();
    let caller = Caller {
        certificate: Some(support::user(0).1),
    };
    let certificate = Given {
        certificate: Some(support::user_der(0)),
        ..Given::default()
    };
    let pair = Given {
        private: Some(support::p256_key(77, 0).pkcs8),
        ..certificate.clone()
    };
    let word = Given {
        key: Some(zeroize::Zeroizing::new(b"word".to_vec())),
        ..Given::default()
    };
    let given = [("word", word), ("pin", certificate), ("tls", pair)];
    let given = given.map(|(name, given)| (name.to_owned(), given));
    let set = SetSecrets::prepare(&mesh.view(), given.into(), caller, &*mesh.keys).unwrap();
    mesh.run(Command::SetSecrets(set), START + 1).unwrap();
    let read = ReadSecrets {
        names: ["tls", "word"].map(str::to_owned).into(),
        caller,
    };
    mesh.run(Command::ReadSecrets(read), START + 2).unwrap();
    let names = ["secrets-set", "secrets-read"];
    let mut records: Vec<_> = names
        .into_iter()
        .zip(mesh.journal[written..].to_vec())
        .collect();
    records.push(("snapshot-4", mesh.sequencer.machine().snapshot().to_vec()));
    (mesh, records)
}

/// An update that makes a new root secret: its record, and a snapshot behind it.
fn new_root_secret() -> (Mesh, Vec<(&'static str, Vec<u8>)>) {
    let pem = support::user(0).0;
    let head = format!(
        r#"{{"Users": {{"ann": {{"Certificate": "{pem}", "Roles": ["updater"]}}}},
            "Roles": {{"updater": {{"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}}},"#
    );
    let text = MANIFEST.replacen('{', &head, 1);
    let next = text.replacen('{', r#"{"Config": {"RotateRootSecret": true},"#, 1);
    let mut mesh = Mesh::with_manifest(1, &text);
    let caller = Caller {
        certificate: Some(support::user(0).1),
    };
    let (view, next) = (mesh.view(), support::manifest(&next));
    let update = Update::prepare(&view, next, caller, &*mesh.keys, at(START), &mut mesh.rng);
    mesh.run(Command::Update(update.unwrap()), START).unwrap();
    let record = mesh.journal.last().unwrap().clone();
    let snapshot = mesh.sequencer.machine().snapshot().to_vec();
    let records = vec![
        ("updated-root-secret", record),
        ("snapshot-4-root-secret", snapshot),
    ];
    (mesh, records)
}

#[test]
fn records_of_secrets_that_users_set_and_read_are_written_and_read_as_in_their_golden_files() {
    as_in_their_golden_files(secrets_of_users());
}

#[test]
fn records_of_a_new_root_secret_are_written_and_read_as_in_their_golden_files() {
    as_in_their_golden_files(new_root_secret());
}

/// The last of the records is a snapshot of what all the others made.
fn as_in_their_golden_files((mesh, records): (Mesh, Vec<(&'static str, Vec<u8>)>)) {
    let mut read: Vec<Vec<u8>> = records
        .iter()
        .map(|(name, bytes)| kept(name, bytes))
        .collect();
    let snapshot = Machine::replay([read.pop().unwrap()]).unwrap();
    assert_eq!(&snapshot, mesh.sequencer.machine());
    let before = mesh.journal.len() - read.len();
    let all = mesh.journal[..before].iter().chain(&read);
    assert_eq!(&Machine::replay(all).unwrap(), mesh.sequencer.machine());
    for (name, bytes) in &records {
        for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            assert!(
                Machine::replay([&bytes[..end]]).is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

/// What the golden file of that name holds, which must be these bytes.
fn kept(name: &str, bytes: &[u8]) -> Vec<u8> {
    if std::env::var("STOA_GOLDEN").is_ok_and(|value| value == "write") && !golden(name).exists() {
        std::fs::write(golden(name), lines(bytes)).unwrap();
    }
    let text = std::fs::read_to_string(golden(name)).unwrap();
    assert!(
        text == lines(bytes),
        "`{name}` is written in another way than its golden file"
    );
    hex::decode(text.replace('\n', "")).unwrap()
}

fn lines(bytes: &[u8]) -> String {
    bytes
        .chunks(60)
        .map(|line| hex::encode(line) + "\n")
        .collect()
}

#[test]
fn each_kind_of_record_is_written_and_read_as_in_its_golden_file() {
    let (mesh, records) = records();
    if std::env::var("STOA_GOLDEN").is_ok_and(|value| value == "write") {
        for (name, bytes) in &records {
            std::fs::write(golden(name), lines(bytes)).unwrap();
        }
    }
    let mut kept = Vec::new();
    for (name, bytes) in &records {
        let text = std::fs::read_to_string(golden(name)).unwrap();
        assert!(
            text == lines(bytes),
            "`{name}` is written in another way than its golden file"
        );
        kept.push(hex::decode(text.replace('\n', "")).unwrap());
    }
    let snapshot = kept.pop().unwrap();
    let without_floors = Machine::replay([kept.pop().unwrap()]).unwrap();
    let until_then = Machine::replay(&kept[..kept.len() - 1]).unwrap();
    assert_eq!(without_floors, until_then);
    let machine = Machine::replay(&kept).unwrap();
    assert_eq!(&machine, mesh.sequencer.machine());
    assert_eq!(machine, Machine::replay([snapshot]).unwrap());
    assert_eq!(machine.view().marbles(at(START + 8))[0].activated, 1);
}

#[test]
fn a_record_cut_anywhere_or_longer_is_refused() {
    let (_, records) = records();
    for (name, bytes) in &records {
        for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            assert!(
                Machine::replay([&bytes[..end]]).is_err(),
                "{name} cut at {end}"
            );
        }
        assert!(
            Machine::replay([[bytes.as_slice(), b"\0"].concat()]).is_err(),
            "{name} with a byte more"
        );
    }
}

#[test]
fn what_a_later_version_may_write_is_refused_by_name() {
    let (_, records) = records();
    let founded = &records[0].1;
    // LP("stoa/journal/1") LP(form) LP(count) LP(event: LP(tag) ..)
    let form = 4 + "stoa/journal/1".len() + 4;
    let tag = form + 1 + 4 + 8 + 4 + 4;
    let changed = |place: usize, to: u8| {
        let mut bytes = founded.clone();
        bytes[place] = to;
        Machine::replay([bytes]).unwrap_err()
    };
    assert!(matches!(
        changed(form, 9),
        Damaged::Unknown {
            what: "form of the batch",
            got: 9
        }
    ));
    assert!(matches!(
        changed(tag + 1, 0x77),
        Damaged::Unknown {
            what: "tag of an event",
            got: 0x77
        }
    ));
    assert!(
        matches!(changed(form - 5, b'2'), Damaged::Layout(_)),
        "another label"
    );
    assert!(
        matches!(changed(form + 5, 1), Damaged::Layout(_)),
        "a count that can't be"
    );
    for damaged in [changed(form, 9), changed(form - 5, b'2')] {
        assert!(stoa_explain::lookup(damaged.code()).is_some());
        assert!(damaged.remedy().is_some());
    }
}

#[test]
fn random_bytes_are_refused_and_never_break() {
    let mut rng = support::SeededRng::new(5);
    let (_, records) = records();
    for round in 0..3000_usize {
        let mut bytes = records[round % records.len()].1.clone();
        for _ in 0..1 + rng.below(4) {
            let place = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            bytes[place] = u8::try_from(rng.below(256)).unwrap();
        }
        let _ = Machine::replay([bytes]);
    }
}

#[test]
fn events_of_a_record_can_be_read_for_the_audit() {
    let (_, records) = records();
    for (name, bytes) in &records {
        let events = stored::events(bytes).unwrap();
        assert_eq!(
            events.len(),
            usize::from(!name.starts_with("snapshot")),
            "{name}"
        );
        if let Some(event) = events.first() {
            assert_eq!(stored::encode(&events).as_slice(), bytes);
            assert!(event.time() >= START);
        }
    }
}

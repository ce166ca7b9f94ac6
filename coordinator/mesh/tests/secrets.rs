//! Secrets that users set and read: whose right it is, what fits, what outlives an update. Through sequencer and journal.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use stoa_explain::Explain as _;
use stoa_mesh::command::{PLAIN_SECRET_BYTES_MAX, USER_SECRETS_BYTES_MAX};
use stoa_mesh::{
    Caller, Command, Env, Event, Given, Machine, Outcome, ReadSecrets, Refusal, SecretValue,
    Sequencer, SetSecrets, Update,
};
use support::{Mesh, START, at, code, events, manifest, p256_key, provision, user};
use zeroize::Zeroizing;

const USERS: [&str; 4] = ["writer", "reader", "updater", "guest"];

/// `m` needs `word`, and `n` nothing. `budget` tells manifests apart.
fn text(budget: u64) -> String {
    let users: Vec<String> = (0..)
        .zip(USERS)
        .map(|(number, name)| {
            let roles = match name {
                "guest" => String::new(),
                name => format!(r#""{name}""#),
            };
            let pem = user(number).0;
            format!(r#""{name}": {{"Certificate": "{pem}", "Roles": [{roles}]}}"#)
        })
        .collect();
    format!(
        r#"{{
  "Packages": {{"p": {{"UniqueID": "{unique}"}}}},
  "Marbles": {{
    "m": {{"Package": "p", "MaxActivations": {budget}, "Parameters": {{
      "Env": {{"WORD": "{{{{ string .Secrets.word }}}}", "WAS": "{{{{ string .Previous.Secrets.word }}}}"}}}}}},
    "n": {{"Package": "p"}}
  }},
  "Secrets": {{
    "word": {{"Type": "plain", "UserDefined": true}},
    "key": {{"Type": "symmetric-key", "Size": 128, "UserDefined": true}},
    "pair": {{"Type": "cert-ecdsa", "UserDefined": true}},
    "other": {{"Type": "plain", "UserDefined": true}},
    "made": {{"Type": "symmetric-key", "Size": 256, "Shared": true}},
    "cert": {{"Type": "cert-ecdsa", "Size": 256, "Shared": true}}
  }},
  "Users": {{{users}}},
  "Roles": {{
    "writer": {{"ResourceType": "Secrets", "ResourceNames": ["word", "key", "pair"], "Actions": ["WriteSecret"]}},
    "reader": {{"ResourceType": "Secrets", "ResourceNames": ["word", "made", "cert"], "Actions": ["ReadSecret"]}},
    "updater": {{"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}
  }}
}}"#,
        unique = "11".repeat(32),
        users = users.join(", "),
    )
}

fn caller(name: &str) -> Caller {
    let number = USERS.iter().position(|user| *user == name).unwrap_or(99);
    Caller {
        certificate: Some(user(number as u64).1),
    }
}

fn bytes(value: &[u8]) -> Given {
    Given {
        key: Some(Zeroizing::new(value.to_vec())),
        ..Given::default()
    }
}

fn given<const N: usize>(values: [(&str, Given); N]) -> BTreeMap<String, Given> {
    values
        .map(|(name, given)| (name.to_owned(), given))
        .into_iter()
        .collect()
}

fn prepared(
    mesh: &Mesh,
    who: Caller,
    values: BTreeMap<String, Given>,
) -> Result<SetSecrets, Refusal> {
    SetSecrets::prepare(&mesh.view(), values, who, &*mesh.keys)
}

fn set<const N: usize>(
    mesh: &mut Mesh,
    name: &str,
    values: [(&str, Given); N],
    now: u64,
) -> Result<Outcome, Refusal> {
    let set = prepared(mesh, caller(name), given(values))?;
    mesh.run(Command::SetSecrets(set), now)
}

fn read(
    mesh: &mut Mesh,
    who: Caller,
    names: &[&str],
    now: u64,
) -> Result<BTreeMap<String, SecretValue>, Refusal> {
    let read = ReadSecrets {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        caller: who,
    };
    match mesh.run(Command::ReadSecrets(read), now)? {
        Outcome::SecretsRead(values) => Ok(values),
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (&'static str, String) {
    let refusal = result.unwrap_err();
    assert!(stoa_explain::lookup(refusal.code()).is_some());
    (refusal.code(), refusal.to_string())
}

fn word(mesh: &mut Mesh, key: u64, now: u64) -> Vec<u8> {
    provision(mesh.activate("m", key, None, now)).env["WORD"].to_vec()
}

fn prepared_update(mesh: &mut Mesh, text: &str, now: u64) -> Update {
    let view = mesh.view();
    let who = caller("updater");
    Update::prepare(
        &view,
        manifest(text),
        who,
        &*mesh.keys,
        at(now),
        &mut mesh.rng,
    )
    .unwrap()
}

#[test]
fn what_a_user_sets_is_what_marbles_get_and_before_that_they_are_refused_and_not_counted() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let before = mesh.sequencer.machine().clone();
    let (code, cause) = refused(mesh.activate("m", 1, None, START));
    assert_eq!(code, "secret-not-set");
    assert!(
        cause.contains("`word`") && cause.contains("Env.WA") && cause.contains("`m`"),
        "{cause}"
    );
    assert_eq!(*mesh.sequencer.machine(), before);
    assert_eq!(mesh.status("m", START), (0, 0));
    provision(mesh.activate("n", 1, None, START));
    set(&mut mesh, "writer", [("word", bytes(b"one"))], START + 1).unwrap();
    assert_eq!(word(&mut mesh, 2, START + 2), b"one");
    set(&mut mesh, "writer", [("word", bytes(b"two"))], START + 3).unwrap();
    let second = provision(mesh.activate("m", 3, None, START + 4));
    assert_eq!(second.env["WORD"].as_slice(), b"two");
    assert_eq!(
        second.env["WAS"].as_slice(),
        b"two",
        "no update made it anew"
    );
    assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
    let snapshot = mesh.sequencer.machine().snapshot();
    let from_snapshot = Machine::replay([snapshot]).unwrap();
    assert_eq!(from_snapshot, *mesh.sequencer.machine());
    assert_eq!(from_snapshot.view(), mesh.view());
}

#[test]
fn a_request_needs_the_right_on_each_name_and_is_done_whole_or_not_at_all() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let records = mesh.journal.len();
    let one = || bytes(b"one");
    for (name, values, wanted) in [
        ("guest", given([("word", one())]), "not-permitted"),
        ("reader", given([("word", one())]), "not-permitted"),
        ("updater", given([("word", one())]), "not-permitted"),
        ("nobody", given([("word", one())]), "user-unknown"),
        // The right on one of two is none on both.
        (
            "writer",
            given([("word", one()), ("other", one())]),
            "not-permitted",
        ),
        ("writer", given([("missing", one())]), "not-permitted"),
        (
            "writer",
            given([("made", bytes(&[1; 32]))]),
            "not-permitted",
        ),
        ("writer", given([("WORD", one())]), "not-permitted"),
        ("writer", given([("../word", one())]), "not-permitted"),
        ("writer", given([("word\0", one())]), "not-permitted"),
        // The right on some is none on nothing: no empty request passes.
        ("writer", given([]), "no-secrets-named"),
        ("guest", given([]), "no-secrets-named"),
        // One value that does not fit stops the other.
        (
            "writer",
            given([("word", one()), ("key", bytes(&[1; 15]))]),
            "secret-unfit",
        ),
    ] {
        let got = refused(prepared(&mesh, caller(name), values));
        assert_eq!(got.0, wanted, "{name}: {}", got.1);
    }
    let two = prepared(
        &mesh,
        caller("writer"),
        given([("word", one()), ("other", one())]),
    );
    assert!(
        refused(two).1.contains("secret `other`"),
        "the name that is not permitted, and no other"
    );
    for (name, names, wanted) in [
        ("guest", &["word"][..], "not-permitted"),
        ("writer", &["word"], "not-permitted"),
        ("reader", &["made", "key"], "not-permitted"),
        ("reader", &["missing"], "not-permitted"),
        ("nobody", &["made"], "user-unknown"),
        ("reader", &[], "no-secrets-named"),
        ("reader", &["made", "word"], "secret-not-set"),
    ] {
        let got = refused(read(&mut mesh, caller(name), names, START));
        assert_eq!(got.0, wanted, "{name} {names:?}: {}", got.1);
    }
    let nobody = read(&mut mesh, Caller::default(), &["made"], START);
    assert_eq!(refused(nobody).0, "user-unknown");
    assert_eq!(mesh.journal.len(), records, "nothing was written");
}

#[test]
fn a_read_stands_in_the_journal_before_the_values_leave() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    set(&mut mesh, "writer", [("word", bytes(b"one"))], START + 1).unwrap();
    let values = read(
        &mut mesh,
        caller("reader"),
        &["word", "made", "cert"],
        START + 2,
    )
    .unwrap();
    assert_eq!(values.len(), 3);
    assert!(matches!(&values["word"], SecretValue::Bytes(bytes) if ***bytes == *b"one"));
    assert!(matches!(&values["made"], SecretValue::Bytes(bytes) if bytes.len() == 32));
    let SecretValue::Certificate { spki, private, .. } = &values["cert"] else {
        panic!("{values:?}")
    };
    let private = private.as_ref().unwrap();
    let public = mesh.keys.public(stoa_mesh::KeyKind::EcdsaP256, private);
    assert_eq!(public.unwrap(), *spki);
    let Some(Event::SecretsRead(event)) = events(&mesh.journal).pop() else {
        panic!("the last event is the read")
    };
    assert_eq!((event.time, event.by.user.as_str()), (START + 2, "reader"));
    assert_eq!(Some(event.by.certificate), caller("reader").certificate);
    assert_eq!(event.names.len(), 3);
    assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
}

#[test]
fn a_value_must_be_what_the_manifest_says() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let certificate = support::user_der;
    let pair = |certificate: Vec<u8>, private: Option<u64>| Given {
        certificate: Some(certificate),
        private: private.map(|number| p256_key(77, number).pkcs8),
        key: None,
    };
    let longer = [certificate(0), vec![0]].concat();
    let both = Given {
        key: Some(Zeroizing::new(vec![1])),
        ..pair(certificate(0), None)
    };
    let rubbish = Given {
        private: Some(Zeroizing::new(vec![1, 2, 3])),
        ..pair(certificate(0), None)
    };
    let only_private = Given {
        certificate: None,
        ..pair(certificate(0), Some(0))
    };
    let huge = vec![1; PLAIN_SECRET_BYTES_MAX + 1];
    for (name, given, cause) in [
        ("word", bytes(b""), "0 bytes"),
        ("word", bytes(&huge), "65537 bytes"),
        ("word", Given::default(), "give Key"),
        ("word", pair(certificate(0), None), "give Key"),
        ("word", both.clone(), "give Key"),
        ("key", bytes(&[1; 15]), "15 bytes; the manifest says 16"),
        ("key", bytes(&[1; 17]), "17 bytes; the manifest says 16"),
        ("pair", bytes(b"x"), "give Cert"),
        ("pair", both, "give Cert"),
        ("pair", only_private, "give Cert"),
        ("pair", pair(b"no".to_vec(), None), "no X.509"),
        ("pair", pair(longer, None), "1 bytes follow"),
        (
            "pair",
            pair(certificate(0), Some(1)),
            "not the key of the certificate",
        ),
        ("pair", rubbish, "no PKCS #8"),
    ] {
        let (code, text) = refused(set(&mut mesh, "writer", [(name, given)], START));
        assert_eq!(code, "secret-unfit");
        assert!(text.contains(cause), "{text}");
    }
    for given in [pair(certificate(0), Some(0)), pair(certificate(0), None)] {
        set(&mut mesh, "writer", [("pair", given)], START).unwrap();
        assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
    }
    set(&mut mesh, "writer", [("key", bytes(&[1; 16]))], START).unwrap();
}

#[test]
fn a_secret_that_is_set_while_an_update_is_prepared_is_not_lost() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    set(&mut mesh, "writer", [("word", bytes(b"old"))], START).unwrap();
    let update = prepared_update(&mut mesh, &text(10), START + 1);
    let late = prepared(&mesh, caller("writer"), given([("key", bytes(&[7; 16]))])).unwrap();
    let values = [("word", bytes(b"new")), ("key", bytes(&[3; 16]))];
    set(&mut mesh, "writer", values, START + 2).unwrap();
    let outcome = mesh.run(Command::Update(update), START + 3).unwrap();
    assert!(
        matches!(outcome, Outcome::ManifestSet { epoch: 2, .. }),
        "{outcome:?}"
    );
    assert_eq!(word(&mut mesh, 1, START + 4), b"new");
    assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
    // The other way round: what was judged by the manifest before is judged anew.
    assert_eq!(
        code(mesh.run(Command::SetSecrets(late), START + 5)),
        "epoch-moved"
    );
}

#[test]
fn who_lost_the_right_before_the_decision_is_refused_although_it_was_prepared() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    set(&mut mesh, "writer", [("word", bytes(b"one"))], START).unwrap();
    let narrower = text(9).replace(r#"["word", "made", "cert"]"#, r#"["made"]"#);
    let update = prepared_update(&mut mesh, &narrower, START);
    read(&mut mesh, caller("reader"), &["word"], START).unwrap();
    mesh.run(Command::Update(update), START).unwrap();
    let got = read(&mut mesh, caller("reader"), &["word"], START);
    assert_eq!(refused(got).0, "not-permitted");
}

#[test]
fn an_update_keeps_what_users_set_as_long_as_it_is_the_same_kind_of_secret() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let values = [("word", bytes(b"one")), ("key", bytes(&[7; 16]))];
    set(&mut mesh, "writer", values, START).unwrap();
    let key = |size| {
        format!(r#""key": {{"Type": "symmetric-key", "Size": {size}, "UserDefined": true}}"#)
    };
    let other_size = text(9).replace(&key(128), &key(256));
    let by_the_mesh = text(9)
        .replace(&key(128), &key(128).replace("UserDefined", "Shared"))
        .replace(r#"["word", "key", "pair"]"#, r#"["word", "pair"]"#)
        .replace(r#"["word", "made", "cert"]"#, r#"["key"]"#);
    let readable = |text: &str| text.replace(r#"["word", "made", "cert"]"#, r#"["word", "key"]"#);
    for (number, text, wanted) in [
        (1, readable(&text(10)), Some(&[7; 16][..])),
        (2, readable(&other_size), None),
        (3, readable(&text(11)), None),
    ] {
        let update = prepared_update(&mut mesh, &text, START + number);
        mesh.run(Command::Update(update), START + number).unwrap();
        let got = read(&mut mesh, caller("reader"), &["key"], START + number);
        match wanted {
            Some(wanted) => {
                assert!(
                    matches!(&got.unwrap()["key"], SecretValue::Bytes(bytes) if **bytes == wanted)
                );
            }
            None => assert_eq!(refused(got).0, "secret-not-set"),
        }
        assert_eq!(word(&mut mesh, number, START + number), b"one");
        assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
    }
    set(&mut mesh, "writer", [("key", bytes(&[8; 16]))], START + 4).unwrap();
    let update = prepared_update(&mut mesh, &by_the_mesh, START + 4);
    mesh.run(Command::Update(update), START + 4).unwrap();
    let made = read(&mut mesh, caller("reader"), &["key"], START + 5).unwrap();
    assert!(
        matches!(&made["key"], SecretValue::Bytes(bytes) if **bytes != [8; 16]),
        "one that the mesh makes"
    );
}

#[test]
fn what_was_rendered_before_a_secret_was_set_is_rendered_anew() {
    use stoa_mesh::{Applicant, Entry};
    let mut mesh = Mesh::with_manifest(1, &text(9));
    set(&mut mesh, "writer", [("word", bytes(b"old"))], START).unwrap();
    let spki = p256_key(1, 1).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: support::POSITION,
    };
    let stale = mesh.draft("m", &applicant, START).unwrap();
    let untouched = mesh.draft("n", &applicant, START).unwrap();
    set(&mut mesh, "writer", [("word", bytes(b"new"))], START + 1).unwrap();
    assert_eq!(
        code(mesh.run(Command::Activate(stale), START + 2)),
        "secrets-moved"
    );
    assert_eq!(mesh.status("m", START + 2), (0, 0));
    provision(mesh.run(Command::Activate(untouched), START + 2));
    // One that the marble does not use does not matter, and neither does the same value again.
    let fresh = mesh.draft("m", &applicant, START + 2).unwrap();
    let values = [("word", bytes(b"new")), ("key", bytes(&[1; 16]))];
    set(&mut mesh, "writer", values, START + 3).unwrap();
    let got = provision(mesh.run(Command::Activate(fresh), START + 4));
    assert_eq!(got.env["WORD"].as_slice(), b"new");
}

#[test]
fn all_that_users_set_has_a_limit_together() {
    let names: Vec<String> = (0..70).map(|number| format!("s{number}")).collect();
    let more: Vec<String> = names
        .iter()
        .map(|name| format!(r#""{name}": {{"Type": "plain", "UserDefined": true}}"#))
        .collect();
    let text = text(9)
        .replace(
            r#""Secrets": {"#,
            &format!(r#""Secrets": {{{},"#, more.join(",")),
        )
        .replace(r#"["word", "key", "pair"]"#, &format!("{names:?}"));
    let mut mesh = Mesh::with_manifest(1, &text);
    let full = || bytes(&vec![1; PLAIN_SECRET_BYTES_MAX]);
    let fit = USER_SECRETS_BYTES_MAX / PLAIN_SECRET_BYTES_MAX;
    for name in &names[..fit] {
        set(&mut mesh, "writer", [(name, full())], START).unwrap();
    }
    // Another value in the place of one is not one more.
    set(&mut mesh, "writer", [(&names[0], full())], START).unwrap();
    let records = mesh.journal.len();
    let got = set(&mut mesh, "writer", [(&names[fit], bytes(b"x"))], START);
    assert_eq!(code(got), "secrets-full");
    assert_eq!(mesh.journal.len(), records);
    set(&mut mesh, "writer", [(&names[0], bytes(b"x"))], START).unwrap();
    set(&mut mesh, "writer", [(&names[fit], bytes(b"x"))], START).unwrap();
}

#[test]
fn a_crash_before_the_write_loses_what_nobody_was_told_and_after_it_nothing() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let command = |mesh: &Mesh| {
        let set = prepared(mesh, caller("writer"), given([("word", bytes(b"one"))]));
        Command::SetSecrets(set.unwrap())
    };
    let set = command(&mesh);
    let mut rng = support::SeededRng::new(9);
    let env = Env {
        now: at(START),
        rng: &mut rng,
    };
    mesh.sequencer.submit(1, set, env);
    let published = mesh.view();
    assert_eq!(
        published,
        mesh.replayed().view(),
        "readers see what is durable"
    );
    // Crash before the append.
    mesh.sequencer = Sequencer::new(mesh.replayed());
    assert_eq!(
        refused(mesh.activate("m", 1, None, START)).0,
        "secret-not-set"
    );
    // Crash after it, before the answer.
    let set = command(&mesh);
    let env = Env {
        now: at(START),
        rng: &mut rng,
    };
    mesh.sequencer.submit(2, set, env);
    mesh.journal.push(mesh.sequencer.batch().unwrap().to_vec());
    mesh.sequencer = Sequencer::new(mesh.replayed());
    assert_eq!(word(&mut mesh, 1, START), b"one");
}

#[test]
fn no_value_is_shown_by_anything_that_holds_it() {
    let mut mesh = Mesh::with_manifest(1, &text(9));
    let value = given([("word", bytes(b"hush-hush"))]);
    let shown = format!("{value:?}");
    let set = prepared(&mesh, caller("writer"), value).unwrap();
    let shown = format!("{shown}{set:?}");
    mesh.run(Command::SetSecrets(set), START).unwrap();
    let read = read(&mut mesh, caller("reader"), &["word", "cert"], START).unwrap();
    let shown = format!(
        "{shown}{read:?}{:?}{:?}{:?}",
        events(&mesh.journal),
        mesh.sequencer,
        mesh.view()
    );
    assert!(shown.contains("Bytes(<secret>)"));
    let as_numbers = format!("{:?}", b"hush-hush");
    assert!(!shown.contains("hush") && !shown.contains(as_numbers.trim_matches(['[', ']'])));
}

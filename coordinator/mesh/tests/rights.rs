//! Every right, at the doors themselves: each set of roles, each thing a user can ask for, against the rule said once more;
//! and each role one step wider changes what is allowed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use stoa_explain::Explain as _;
use stoa_mesh::{Caller, Cancel, Command, Given, ReadSecrets, Refusal, SetSecrets, Update};
use support::{Mesh, START, at, manifest, user};
use zeroize::Zeroizing;

/// A role: resource, names, actions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    resource: &'static str,
    names: BTreeSet<&'static str>,
    actions: BTreeSet<&'static str>,
}

fn role(resource: &'static str, names: &[&'static str], actions: &[&'static str]) -> Role {
    Role {
        resource,
        names: names.iter().copied().collect(),
        actions: actions.iter().copied().collect(),
    }
}

/// The roles of which every set is held.
fn roles() -> Vec<Role> {
    vec![
        role("Packages", &["p"], &["UpdateSecurityVersion"]),
        role("Packages", &["q"], &["UpdateSecurityVersion"]),
        role("Secrets", &["u"], &["ReadSecret"]),
        role("Secrets", &["v"], &["WriteSecret"]),
        role("Manifest", &[], &["UpdateManifest"]),
        role("Audit", &[], &["ReadAudit"]),
    ]
}

/// What a user can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Raise(&'static [&'static str]),
    Read(&'static [&'static str]),
    Write(&'static [&'static str]),
    Update,
    Cancel,
    Audit,
}

const ASKS: [Ask; 12] = [
    Ask::Raise(&["p"]),
    Ask::Raise(&["q"]),
    Ask::Raise(&["p", "q"]),
    Ask::Read(&["u"]),
    Ask::Read(&["v"]),
    Ask::Read(&["u", "v"]),
    Ask::Write(&["u"]),
    Ask::Write(&["v"]),
    Ask::Write(&["u", "v"]),
    Ask::Update,
    Ask::Cancel,
    Ask::Audit,
];

/// `one` holds `held`; `two` may update, so that something can wait. `raised` are at the next version.
fn text(held: &[Role], raised: &[&str], budget: u64) -> String {
    let version = |package: &str| if raised.contains(&package) { 4 } else { 3 };
    let defined: Vec<String> = held
        .iter()
        .enumerate()
        .map(|(number, role)| {
            format!(
                r#""r{number}": {{"ResourceType": "{}", "ResourceNames": {:?}, "Actions": {:?}}}"#,
                role.resource,
                role.names.iter().collect::<Vec<_>>(),
                role.actions.iter().collect::<Vec<_>>()
            )
        })
        .chain([r#""all": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}"#.to_owned()])
        .collect();
    let names: Vec<String> = (0..held.len()).map(|number| format!("r{number}")).collect();
    format!(
        r#"{{"Packages": {{"p": {{"SignerID": "{id}", "ProductID": 1, "SecurityVersion": {p}}},
                         "q": {{"SignerID": "{id}", "ProductID": 2, "SecurityVersion": {q}}}}},
            "Marbles": {{"m": {{"Package": "p", "MaxActivations": {budget}}}}},
            "Secrets": {{"u": {{"Type": "plain", "UserDefined": true}}, "v": {{"Type": "plain", "UserDefined": true}}}},
            "Users": {{"one": {{"Certificate": "{one}", "Roles": {names:?}}},
                       "two": {{"Certificate": "{two}", "Roles": ["all"]}}}},
            "Roles": {{{defined}}}, "Config": {{"UpdateThreshold": {threshold}}}}}"#,
        id = "ab".repeat(32),
        p = version("p"),
        q = version("q"),
        one = user(0).0,
        two = user(1).0,
        defined = defined.join(", "),
        threshold = 1,
    )
}

fn caller(number: u64) -> Caller {
    Caller {
        certificate: Some(user(number).1),
    }
}

/// Whether the mesh does what `one` asks for.
fn is_done(held: &[Role], ask: Ask) -> bool {
    let mut mesh = Mesh::with_manifest(1, &text(held, &[], 1));
    let (who, records) = (caller(0), mesh.journal.len());
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let done = match ask {
        Ask::Raise(packages) => updated(&mut mesh, who, &text(held, packages, 1)),
        Ask::Update => updated(&mut mesh, who, &text(held, &[], 2)),
        Ask::Audit => mesh.view().audit(&who, u64::MAX, 1).map(|_| ()),
        Ask::Cancel => mesh
            .run(
                Command::Cancel(Cancel {
                    manifest_sha256: [1; 32],
                    caller: who,
                }),
                START,
            )
            .map(|_| ()),
        Ask::Write(asked) => {
            let given = asked.iter().map(|&name| (name.to_owned(), word()));
            let set = SetSecrets::prepare(&mesh.view(), given.collect(), who, &*mesh.keys);
            set.and_then(|set| mesh.run(Command::SetSecrets(set), START))
                .map(|_| ())
        }
        Ask::Read(asked) => {
            let read = ReadSecrets {
                names: names(asked),
                caller: who,
            };
            mesh.run(Command::ReadSecrets(read), START).map(|_| ())
        }
    };
    // Whoever is permitted comes as far as to be told what is missing.
    let code = done.as_ref().map_err(stoa_explain::Explain::code);
    let permitted = match (ask, code) {
        (_, Ok(())) => true,
        (Ask::Read(_), Err("secret-not-set")) | (Ask::Cancel, Err("no-update-pending")) => true,
        (_, Err("not-permitted")) => false,
        other => panic!("{held:?} {other:?}"),
    };
    let written = mesh.journal.len() > records;
    let quiet = matches!(ask, Ask::Audit | Ask::Cancel | Ask::Read(_));
    assert_eq!(written, permitted && !quiet, "{held:?} {ask:?}");
    permitted
}

fn updated(mesh: &mut Mesh, who: Caller, text: &str) -> Result<(), Refusal> {
    let view = mesh.view();
    let keys = &*mesh.keys;
    let update = Update::prepare(&view, manifest(text), who, keys, at(START), &mut mesh.rng)?;
    mesh.run(Command::Update(update), START).map(|_| ())
}

fn word() -> Given {
    Given {
        key: Some(Zeroizing::new(b"word".to_vec())),
        ..Given::default()
    }
}

/// The rule, said once more.
fn is_permitted(held: &[Role], ask: Ask) -> bool {
    let on = |resource: &str, action: &str, name: Option<&str>| {
        held.iter().any(|role| {
            role.resource == resource
                && role.actions.contains(action)
                && name.is_none_or(|name| role.names.contains(name))
        })
    };
    let each = |resource: &str, action: &str, names: &[&str]| {
        names.iter().all(|name| on(resource, action, Some(name)))
    };
    let updates = on("Manifest", "UpdateManifest", None);
    match ask {
        // Whoever may agree to any manifest may agree to this one.
        Ask::Raise(packages) => updates || each("Packages", "UpdateSecurityVersion", packages),
        Ask::Read(names) => each("Secrets", "ReadSecret", names),
        Ask::Write(names) => each("Secrets", "WriteSecret", names),
        Ask::Update | Ask::Cancel => updates,
        Ask::Audit => on("Audit", "ReadAudit", None),
    }
}

fn done(held: &[Role]) -> Vec<bool> {
    ASKS.iter().map(|ask| is_done(held, *ask)).collect()
}

#[test]
fn every_set_of_roles_permits_what_the_rule_says_at_every_door() {
    let roles = roles();
    let mut permitted = 0;
    for set in 0..1_u32 << roles.len() {
        let held: Vec<Role> = (0..roles.len())
            .filter(|number| set >> number & 1 == 1)
            .map(|number| roles[number].clone())
            .collect();
        let wanted: Vec<bool> = ASKS.iter().map(|ask| is_permitted(&held, *ask)).collect();
        assert_eq!(done(&held), wanted, "{held:?}");
        permitted += wanted.iter().filter(|one| **one).count();
    }
    assert!(permitted > 200, "{permitted}");
}

/// One name or one action more than the role has.
fn wider(role: &Role) -> Vec<Role> {
    let (names, actions): (&[&'static str], &[&'static str]) = match role.resource {
        "Packages" => (&["p", "q"], &["UpdateSecurityVersion"]),
        "Secrets" => (&["u", "v"], &["ReadSecret", "WriteSecret"]),
        _ => (&[], &[]),
    };
    let by_name = names.iter().map(|&name| {
        let mut wider = role.clone();
        wider.names.insert(name);
        wider
    });
    let by_action = actions.iter().map(|&action| {
        let mut wider = role.clone();
        wider.actions.insert(action);
        wider
    });
    by_name
        .chain(by_action)
        .filter(|wider| wider != role)
        .collect()
}

#[test]
fn a_role_that_is_one_step_wider_permits_more_and_nothing_less() {
    let mut steps = 0;
    for narrow in roles() {
        let before = done(std::slice::from_ref(&narrow));
        for wide in wider(&narrow) {
            let after = done(std::slice::from_ref(&wide));
            assert_ne!(before, after, "{wide:?} is not told from {narrow:?}");
            let less = before
                .iter()
                .zip(&after)
                .any(|(before, after)| *before && !after);
            assert!(!less, "{wide:?} permits less than {narrow:?}");
            steps += 1;
        }
    }
    assert_eq!(steps, 6);
}

#[test]
fn who_is_no_user_is_refused_at_every_door() {
    let all = roles();
    for ask in ASKS {
        let mut mesh = Mesh::with_manifest(1, &text(&all, &[], 1));
        for who in [caller(7), Caller::default()] {
            let code = match ask {
                Ask::Raise(packages) => updated(&mut mesh, who, &text(&all, packages, 1)),
                Ask::Update => updated(&mut mesh, who, &text(&all, &[], 2)),
                Ask::Audit => mesh
                    .view()
                    .audit(&who, u64::MAX, 1)
                    .and(mesh.view().denied(&who))
                    .map(|_| ()),
                Ask::Cancel => {
                    let cancel = Cancel {
                        manifest_sha256: [1; 32],
                        caller: who,
                    };
                    mesh.run(Command::Cancel(cancel), START).map(|_| ())
                }
                Ask::Write(names) => {
                    let given = names.iter().map(|&name| (name.to_owned(), word()));
                    let keys = &*mesh.keys;
                    SetSecrets::prepare(&mesh.view(), given.collect(), who, keys).map(|_| ())
                }
                Ask::Read(names) => {
                    let read = ReadSecrets {
                        names: names.iter().map(|&name| name.to_owned()).collect(),
                        caller: who,
                    };
                    mesh.run(Command::ReadSecrets(read), START).map(|_| ())
                }
            };
            assert_eq!(code.unwrap_err().code(), "user-unknown", "{ask:?}");
        }
    }
}

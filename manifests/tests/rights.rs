//! Who may do what: every set of roles, every action, every name, against the rule said once more.
#![allow(clippy::unwrap_used)]

use sha2::{Digest, Sha256};
use stoa_manifest::{Action, Asks, Manifest, Never};

const ACTIONS: [Action; 5] = [
    Action::UpdateSecurityVersion,
    Action::ReadSecret,
    Action::WriteSecret,
    Action::UpdateManifest,
    Action::ReadAudit,
];
/// Name, resource, names, actions.
const ROLES: [(&str, &str, &[&str], &[&str]); 7] = [
    ("raise-p", "Packages", &["p"], &["UpdateSecurityVersion"]),
    ("raise-q", "Packages", &["q"], &["updatesecurityversion"]),
    ("read-u", "Secrets", &["u"], &["ReadSecret"]),
    ("write-u-v", "Secrets", &["u", "v"], &["WriteSecret"]),
    ("all-v", "Secrets", &["v"], &["ReadSecret", "WriteSecret"]),
    ("update", "Manifest", &[], &["UpdateManifest"]),
    ("audit", "Audit", &[], &["ReadAudit"]),
];

fn certificate(n: usize) -> String {
    let all = [include_str!("users/one.pem"), include_str!("users/two.pem")];
    all[n].replace('\n', "\\n")
}

fn manifest(roles: &[&str], more: &str) -> Manifest {
    let defined: Vec<String> = ROLES
        .iter()
        .map(|(name, resource, names, actions)| {
            format!(r#""{name}": {{"ResourceType": "{resource}", "ResourceNames": {names:?}, "Actions": {actions:?}}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"Packages": {{"p": {{"SignerID": "{id}", "ProductID": 1, "SecurityVersion": 3}},
                         "q": {{"SignerID": "{id}", "ProductID": 2, "SecurityVersion": 3}}}},
            "Marbles": {{"m": {{"Package": "p"}}}},
            "Secrets": {{"u": {{"Type": "plain", "UserDefined": true}}, "v": {{"Type": "plain", "UserDefined": true}}}},
            "Users": {{"one": {{"Certificate": "{one}", "Roles": {roles:?}}}, "two": {{"Certificate": "{two}"}}}},
            "Roles": {{{defined}}}{more}}}"#,
        id = "ab".repeat(32),
        one = certificate(0),
        two = certificate(1),
        defined = defined.join(", "),
    );
    Manifest::parse_with_unserved(text.as_bytes()).unwrap()
}

#[test]
fn a_user_may_what_a_role_of_theirs_says_and_nothing_else() {
    let mut allowed = 0;
    for set in 0..1_u32 << ROLES.len() {
        let held: Vec<_> = (0..ROLES.len()).filter(|n| set >> n & 1 == 1).collect();
        let names: Vec<&str> = held.iter().map(|n| ROLES[*n].0).collect();
        let manifest = manifest(&names, "");
        for action in ACTIONS {
            for asked in [
                &[][..],
                &["p"],
                &["q"],
                &["p", "q"],
                &["u"],
                &["v"],
                &["u", "v"],
            ] {
                let role_allows = |n: usize, name: Option<&str>| {
                    let (_, _, has, actions) = ROLES[n];
                    actions
                        .iter()
                        .any(|word| word.eq_ignore_ascii_case(action.name()))
                        && name.is_none_or(|name| has.contains(&name))
                };
                let wanted = match asked {
                    [] => held.iter().any(|n| role_allows(*n, None)),
                    asked => asked
                        .iter()
                        .all(|name| held.iter().any(|n| role_allows(*n, Some(name)))),
                };
                allowed += usize::from(wanted);
                assert_eq!(
                    manifest.may("one", action, asked),
                    wanted,
                    "{names:?} {action:?} {asked:?}"
                );
                assert!(!manifest.may("two", action, asked));
                assert!(!manifest.may("nobody", action, asked));
            }
        }
    }
    assert!(allowed > 500, "{allowed}");
}

#[test]
fn a_user_is_known_by_every_byte_of_the_certificate() {
    let manifest = manifest(&["update"], "");
    let der = manifest.users()["one"].certificate.clone();
    let digest: [u8; 32] = Sha256::digest(&der).into();
    assert_eq!(manifest.user_of(&digest), Some("one"));
    for at in [0, 15, 31] {
        let mut other = digest;
        other[at] ^= 1;
        assert_eq!(manifest.user_of(&other), None);
    }
}

#[test]
fn only_what_goes_up_in_security_versions_alone_is_a_raise() {
    let before = manifest(&["update"], "");
    let asks = |from: &str, to: &str| {
        let text = String::from_utf8(before.bytes().to_vec()).unwrap();
        assert!(text.contains(from), "{from}");
        let after = Manifest::parse_with_unserved(text.replacen(from, to, 1).as_bytes()).unwrap();
        Asks::of(&before, &after)
    };
    let raise = |packages: &[&str]| Asks::Raise {
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
    };
    let approval = Asks::Approval {
        users: vec!["one".to_owned()],
        needed: 1,
    };
    let q = r#""ProductID": 2, "SecurityVersion": "#;
    assert_eq!(asks(&format!("{q}3"), &format!("{q}4")), raise(&["q"]));
    let p = r#""SecurityVersion": 3"#;
    assert_eq!(asks(p, r#""SecurityVersion": 65535"#), raise(&["p"]));
    for (from, to) in [
        (p, r#""SecurityVersion": 2"#),
        (p, r#""SecurityVersion": 4, "Debug": true"#),
        (
            p,
            r#""SecurityVersion": 4, "AcceptedTCBStatuses": ["OutOfDate"]"#,
        ),
        (
            p,
            r#""SecurityVersion": 4, "Platforms": ["00112233445566778899001122334455"]"#,
        ),
        (
            r#""ProductID": 1, "SecurityVersion": 3"#,
            r#""ProductID": 2, "SecurityVersion": 4"#,
        ),
        (r#"{"Package": "p"}"#, r#"{"Package": "q"}"#),
        (r#""Roles": ["update"]"#, r#""Roles": []"#),
        // The same in other bytes is no raise of nothing.
        (r#"{"Package": "p"}"#, r#"{"Package":  "p"}"#),
        ("{", r#"{"Config": {"UpdateThreshold": 1},"#),
    ] {
        assert_eq!(asks(from, to), approval, "{to}");
    }
    let other_name = asks("{", r#"{"Config": {"MeshName": "b.example"},"#);
    assert!(
        matches!(other_name, Asks::Never(Never::MeshNameDiffers { .. })),
        "{other_name:?}"
    );
    assert_eq!(asks("{", "{"), Asks::Never(Never::Same));
}

#[test]
fn a_threshold_counts_users_and_without_one_all_must_agree_and_nobody_is_never_enough() {
    let two = |threshold: u32| {
        let text = manifest(
            &["update"],
            &format!(r#", "Config": {{"UpdateThreshold": {threshold}}}"#),
        );
        text.approval()
    };
    assert_eq!(two(0), (vec!["one".to_owned()], 1));
    assert_eq!(two(1), (vec!["one".to_owned()], 1));
    assert_eq!(manifest(&["audit"], "").approval(), (vec![], 1));
}

//! A base and an overlay: one result, conflicts named, and what the overlay widens.
#![allow(clippy::unwrap_used)]

use stoa_manifest::{Effect, Manifest, changes, merge};

const BASE: &str = r#"{
  "marbles": {"b": {"package": "p", "MaxActivations": 2}, "a": {"Package": "p", "Parameters": {"Argv": ["x"]}}},
  "Packages": {"p": {"UniqueID": "@"}},
  "Roles": {"op": {"ResourceType": "Packages", "ResourceNames": ["p"], "Actions": ["UpdateSecurityVersion"]}},
  "Config": {"MeshName": "base.example"}
}"#;

fn base() -> String {
    BASE.replace('@', &"ab".repeat(32))
}

fn effects(overlay: &str) -> Vec<String> {
    let before = Manifest::parse_with_unserved(base().as_bytes()).unwrap();
    let merged = merge(base().as_bytes(), overlay.as_bytes()).unwrap();
    let after = Manifest::parse_with_unserved(&merged.bytes).unwrap();
    changes(&before, &after)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_same_two_give_the_same_bytes_whatever_their_order_case_and_space() {
    let overlay =
        r#"{"Config": {"CertificateLifetime": "1h"}, "Marbles": {"c": {"Package": "p"}}}"#;
    let other = r#"{ "MARBLES":{"c":{"PACKAGE":"p"}},
        "config":{"certificatelifetime":"1h"}}"#;
    let one = merge(base().as_bytes(), overlay.as_bytes()).unwrap();
    let two = merge(base().as_bytes(), other.as_bytes()).unwrap();
    assert_eq!(one, two);
    assert!(one.conflicts.is_empty());
    let manifest = Manifest::parse_with_unserved(&one.bytes).unwrap();
    assert_eq!(
        manifest.marbles().keys().collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    // A fixed point: joined with nothing it stays as it is.
    assert_eq!(merge(&one.bytes, b"{}").unwrap().bytes, one.bytes);
    assert_eq!(merge(&one.bytes, &one.bytes).unwrap().bytes, one.bytes);
}

#[test]
fn conflicts_are_named_with_both_values_and_the_overlay_holds() {
    let overlay = r#"{"Config": {"MeshName": "mine.example"}, "Marbles": {"b": {"MaxActivations": 3}, "a": {"Parameters": {"Argv": ["y", "z"]}}}}"#;
    let merged = merge(base().as_bytes(), overlay.as_bytes()).unwrap();
    let told: Vec<_> = merged
        .conflicts
        .iter()
        .map(|one| format!("{}: {} / {}", one.path, one.base, one.overlay))
        .collect();
    assert_eq!(
        told,
        [
            r#"Config.MeshName: "base.example" / "mine.example""#,
            r#"Marbles.a.Parameters.Argv: ["x"] / ["y", "z"]"#,
            "Marbles.b.MaxActivations: 2 / 3",
        ]
    );
    let manifest = Manifest::parse_with_unserved(&merged.bytes).unwrap();
    assert_eq!(manifest.config().mesh_name.as_deref(), Some("mine.example"));
}

#[test]
fn null_takes_out_and_says_so() {
    let merged = merge(
        base().as_bytes(),
        br#"{"Roles": null, "Marbles": {"b": null, "x": null}}"#,
    )
    .unwrap();
    let paths: Vec<_> = merged
        .conflicts
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(paths, ["Marbles.b", "Roles"]);
    let manifest = Manifest::parse(&merged.bytes).unwrap();
    assert_eq!(manifest.marbles().len(), 1);
}

#[test]
fn an_overlay_that_widens_says_what() {
    let id = "cd".repeat(32);
    let table = [
        (format!(r#"{{"Packages": {{"q": {{"UniqueID": "{id}"}}}}}}"#), "widens  Packages.q is new"),
        (format!(r#"{{"Packages": {{"p": {{"UniqueID": "{id}"}}}}}}"#), "widens  Packages.p admits other code as a, b"),
        (
            r#"{"Packages": {"p": {"Debug": true}}}"#.to_owned(),
            "widens  Packages.p.Debug is true now: debug enclaves may join",
        ),
        (
            r#"{"Packages": {"p": {"AcceptedTCBStatuses": ["OutOfDate", "SWHardeningNeeded"]}}}"#.to_owned(),
            "widens  Packages.p.AcceptedTCBStatuses has also `OutOfDate`",
        ),
        (
            r#"{"Roles": {"op": {"ResourceType": "Manifest", "ResourceNames": null, "Actions": ["UpdateManifest"]}}}"#.to_owned(),
            "widens  Roles.op.Actions has also `UpdateManifest`",
        ),
        (
            r#"{"Roles": {"all": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}}"#.to_owned(),
            "widens  Roles.all is new",
        ),
        (
            r#"{"Marbles": {"b": {"MaxActivations": 0}}}"#.to_owned(),
            "widens  Marbles.b.MaxActivations is not limited now, was 2",
        ),
        (
            r#"{"Marbles": {"a": {"DNSNames": ["a.example"]}}}"#.to_owned(),
            "widens  Marbles.a.DNSNames has also `a.example`",
        ),
    ];
    for (overlay, wanted) in table {
        let found = effects(&overlay);
        assert!(
            found.iter().any(|line| line == wanted),
            "{overlay}: {found:?}"
        );
    }
    let narrow = effects(r#"{"Marbles": {"b": {"MaxActivations": 1}}, "Roles": null}"#);
    assert!(
        narrow.iter().all(|line| line.starts_with("narrows")),
        "{narrow:?}"
    );
    assert!(effects("{}").is_empty());
    let before = Manifest::parse_with_unserved(base().as_bytes()).unwrap();
    assert!(
        changes(&before, &before)
            .iter()
            .all(|change| change.effect == Effect::Narrows)
    );
}

#[test]
fn typos_and_double_keys_of_an_overlay_are_refused() {
    for (overlay, wanted) in [
        (
            r#"{"Packges": {}}"#,
            "Packges is no key that manifests have here; did you mean `Packages`?",
        ),
        (
            r#"{"Config": {"MeshName": "a", "meshname": "b"}}"#,
            "Config.MeshName stands twice, as `MeshName` and `meshname`; keep one of them",
        ),
        (
            r#"{"Marbles": {"x": {}, "x": {}}}"#,
            "Marbles.x stands twice; keep one of them",
        ),
    ] {
        let refused = merge(base().as_bytes(), overlay.as_bytes()).unwrap_err();
        assert_eq!(refused.faults()[0].to_string(), wanted);
    }
}

/// Who approves sees every entry's change, also one that stands beside another.
#[test]
fn no_change_hides_behind_another_of_the_same_entry() {
    let table = [
        (
            r#"{"Marbles": {"b": {"MaxActivations": 3, "DisableSecretBinding": true}}}"#,
            "widens  Marbles.b.DisableSecretBinding is true now: marbles of one instance share what is derived for it",
        ),
        (
            r#"{"Marbles": {"b": {"MaxActivations": 3, "Calls": ["a"]}}}"#,
            "differs  Marbles.b is different besides",
        ),
        (
            r#"{"Roles": {"op": {"ResourceType": "Manifest", "ResourceNames": null, "Actions": ["UpdateManifest"]}}}"#,
            "narrows  Roles.op is different besides",
        ),
    ];
    for (overlay, wanted) in table {
        let found = effects(overlay);
        assert!(found.len() > 1, "{overlay}: {found:?}");
        assert!(
            found.iter().any(|line| line == wanted),
            "{overlay}: {found:?}"
        );
    }
    // What is told in full is not told again.
    let only = effects(r#"{"Marbles": {"b": {"MaxActivations": 3}}}"#);
    assert_eq!(only.len(), 1, "{only:?}");
}

//! Rules: who may import whom. Arrows go down the floors; proto is for the edges; synthetic is nobody's; mesh and store
//! do not know each other; no room hands on another room's names.
//!
//! Read from the Cargo.toml files and from what cargo itself resolves; sources where a manifest can't tell.

use std::process::Command;

use toml::Table;
use xtask::workspace::Workspace;

use crate::source::{self, Kind as TokenKind};
use crate::tree::{self, FILES, Kind, PACKAGES, Package};

/// One line of a dependency table.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) optional: bool,
    /// Whether it says `workspace = true` and so takes the workspace's pin.
    pub(crate) from_workspace: bool,
}

/// A package's Cargo.toml.
pub(crate) fn manifest(package: &Package) -> Table {
    let path = format!("{}/Cargo.toml", package.folder);
    tree::file(&path)
        .text
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The dependencies in some of a manifest's tables, those under `target.*` included.
pub(crate) fn dependencies(manifest: &Table, tables: &[&str]) -> Vec<Dependency> {
    let mut places = vec![manifest];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    places.extend(
        targets
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(toml::Value::as_table)),
    );
    let mut found = Vec::new();
    for (place, table) in places
        .iter()
        .flat_map(|place| tables.iter().map(move |table| (place, table)))
    {
        for (name, value) in place
            .get(*table)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
        {
            let is = |key: &str| value.get(key).and_then(toml::Value::as_bool) == Some(true);
            let name = value
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(name)
                .to_owned();
            found.push(Dependency {
                name,
                optional: is("optional"),
                from_workspace: is("workspace"),
            });
        }
    }
    found
}

/// Why one package must not have another as a normal or build dependency.
fn refused_arrow(from: &Package, to: &Package) -> Option<String> {
    const PROTO_FOR: [&str; 4] = [
        "stoa-coordinator",
        "stoa-client",
        "marble-sdk",
        "stoa-injector",
    ];
    if from.kind == Kind::Workshop {
        return None;
    }
    if to.name == "stoa-synthetic" {
        return Some(
            "simulation is a trust anchor and a device path, never code of the product".to_owned(),
        );
    }
    if to.name == "stoa-proto" && !PROTO_FOR.contains(&from.name) {
        return Some(format!(
            "what crosses a socket is for {} only",
            PROTO_FOR.join(", ")
        ));
    }
    if to.floor >= from.floor {
        return Some(format!(
            "an arrow from floor {} to floor {}",
            from.floor, to.floor
        ));
    }
    if from.name == "stoa-store" && to.name != "stoa-explain" {
        return Some("the store moves sealed bytes and knows no other room".to_owned());
    }
    None
}

fn refused_arrows(from: &Package, manifest: &Table) -> Vec<String> {
    dependencies(manifest, &["dependencies", "build-dependencies"])
        .iter()
        .filter_map(|dependency| tree::by_name(&dependency.name))
        .filter_map(|to| {
            Some(format!(
                "{} -> {}: {}",
                from.name,
                to.name,
                refused_arrow(from, to)?
            ))
        })
        .collect()
}

/// What cargo's tree says a package is built from.
fn cargo_tree(arguments: &[&str]) -> String {
    let output = Workspace::of_this_build()
        .cargo()
        .args([
            "tree",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--edges",
            "normal",
        ])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cargo tree does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo tree {}: {said}",
        arguments.join(" ")
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The crates of `wanted` that a tree names.
fn named_in<'w>(tree: &str, wanted: &[&'w str]) -> Vec<&'w str> {
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    wanted
        .iter()
        .copied()
        .filter(|name| names.contains(name))
        .collect()
}

/// `pub use` of another room's names.
fn handed_on(_: &str, text: &str) -> Vec<String> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let mut faults = Vec::new();
    for at in 0..left.len() {
        let root = left
            .get(at + 2)
            .and_then(source::Token::word)
            .unwrap_or_default();
        let is_room = PACKAGES
            .iter()
            .any(|package| package.name.replace('-', "_") == root);
        if left[at].word() == Some("pub")
            && left[at + 1..].first().and_then(source::Token::word) == Some("use")
            && is_room
        {
            faults.push(format!(
                "{}: hands on names of `{root}`; let the caller import them",
                left[at].line
            ));
        }
    }
    faults
}

/// Crates that a file names though it is not the place for them.
fn named_outside(text: &str, root: &str) -> Vec<usize> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let follows = |at: usize| {
        left.get(at + 1)
            .is_some_and(|next| next.kind == TokenKind::PathSep)
    };
    let used = |at: usize| at > 0 && left[at - 1].word() == Some("use");
    (0..left.len())
        .filter(|at| left[*at].word() == Some(root) && (follows(*at) || used(*at)))
        .map(|at| left[at].line)
        .collect()
}

#[test]
fn every_package_of_the_workspace_has_its_floor() {
    let workspace: Table = tree::file("Cargo.toml").text.parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let mut members: Vec<&str> = members
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    let mut known: Vec<&str> = PACKAGES.iter().map(|package| package.folder).collect();
    members.sort_unstable();
    known.sort_unstable();
    assert_eq!(
        members, known,
        "members of Cargo.toml against tests/tests/tidy/tree.rs"
    );
    for package in PACKAGES {
        assert_eq!(
            manifest(package)["package"]["name"].as_str(),
            Some(package.name),
            "{}",
            package.folder
        );
    }
}

#[test]
fn imports_go_down_the_floors_only() {
    let faults: Vec<String> = PACKAGES
        .iter()
        .flat_map(|package| refused_arrows(package, &manifest(package)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_coordinator_is_built_without_the_synthetic_tee_and_without_ring() {
    for package in PACKAGES
        .iter()
        .filter(|package| package.kind != Kind::Workshop && package.name != "stoa-synthetic")
    {
        let tree = cargo_tree(&["--package", package.name]);
        assert_eq!(
            named_in(&tree, &["stoa-synthetic", "ring", "openssl"]),
            [""; 0],
            "in the tree of {}",
            package.name
        );
    }
}

#[test]
fn the_client_without_features_has_no_tokio() {
    let tree = cargo_tree(&["--package", "stoa-client", "--no-default-features"]);
    assert_eq!(
        named_in(&tree, &["tokio", "hyper", "rustls", "tonic"]),
        [""; 0]
    );
    assert_eq!(
        named_in(&tree, &["stoa-attestation"]),
        ["stoa-attestation"],
        "this is not the client's tree"
    );
}

#[test]
fn the_client_with_http_does_have_tokio() {
    // So that the test above can tell the difference.
    let tree = cargo_tree(&["--package", "stoa-client", "--features", "http"]);
    assert_eq!(named_in(&tree, &["tokio"]), ["tokio"]);
}

#[test]
#[ignore = "needs: wasm32"]
fn verifier_and_statement_check_compile_for_wasm_as_they_are() {
    let output = Workspace::of_this_build()
        .cargo()
        .args(["check", "--offline", "--locked", "--no-default-features"])
        .args(["--package", "stoa-attestation", "--package", "stoa-client"])
        .args(["--target", "wasm32-unknown-unknown"])
        .output()
        .unwrap_or_else(|error| panic!("cargo check does not start: {error}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn no_room_hands_on_the_names_of_another() {
    tree::hold(handed_on, FILES.iter().filter(|file| file.is_product()));
}

#[test]
fn mesh_and_store_do_not_know_each_other_in_sources_either() {
    for (folder, other) in [
        ("coordinator/mesh/", "stoa_store"),
        ("coordinator/store/", "stoa_mesh"),
    ] {
        let files = FILES
            .iter()
            .filter(|file| file.is_product() && file.path.starts_with(folder));
        tree::hold(
            |_, text| {
                named_outside(text, other)
                    .iter()
                    .map(|line| format!("{line}: names {other}"))
                    .collect()
            },
            files,
        );
    }
}

#[test]
fn the_store_opens_and_seals_in_its_envelope_only() {
    const PLACES: [&str; 3] = [
        "coordinator/store/src/key.rs",
        "coordinator/store/src/envelope.rs",
        "coordinator/store/src/keyfile.rs",
    ];
    let elsewhere = FILES.iter().filter(|file| {
        file.is_product()
            && file.path.starts_with("coordinator/store/")
            && !PLACES.contains(&file.path.as_str())
    });
    tree::hold(|_, text| ciphers(text), elsewhere);
}

/// Ciphers that a file names.
fn ciphers(text: &str) -> Vec<String> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let paths = source::paths(&left).into_iter();
    paths
        .filter(|(_, path)| path.iter().any(|part| part == "aead"))
        .map(|(line, path)| {
            format!(
                "{line}: names `{}`; plaintext is the envelope's",
                path.join("::")
            )
        })
        .collect()
}

#[test]
fn dcap_qvl_is_named_in_one_file_at_most() {
    let named: Vec<&str> = FILES
        .iter()
        .filter(|file| file.is_product() && !named_outside(&file.text, "dcap_qvl").is_empty())
        .map(|file| file.path.as_str())
        .collect();
    assert!(
        named.len() <= 1
            && named
                .iter()
                .all(|path| path.starts_with("attestation/src/")),
        "{named:?}"
    );
}

#[test]
fn planted_arrows_against_the_grain_are_found() {
    let faults = |from: &str, table: &str| {
        refused_arrows(tree::by_name(from).unwrap(), &table.parse().unwrap())
    };
    for (from, table) in [
        (
            "stoa-attestation",
            "[dependencies]\nstoa-manifest.workspace = true",
        ),
        (
            "stoa-manifest",
            "[dependencies]\nstoa-mesh.workspace = true",
        ),
        ("stoa-mesh", "[dependencies]\nstoa-store.workspace = true"),
        (
            "stoa-store",
            "[dependencies]\nstoa-mesh = { workspace = true, optional = true }",
        ),
        (
            "stoa-store",
            "[dependencies]\nstoa-attestation.workspace = true",
        ),
        (
            "stoa-coordinator",
            "[dependencies]\nstoa-synthetic.workspace = true",
        ),
        (
            "stoa-coordinator",
            "[build-dependencies]\nsynthetic = { package = \"stoa-synthetic\", path = \"..\" }",
        ),
        (
            "stoa-coordinator",
            "[target.'cfg(unix)'.dependencies]\nstoa-synthetic.workspace = true",
        ),
        ("stoa-cli", "[dependencies]\nstoa-proto.workspace = true"),
        ("stoa-mesh", "[dependencies]\nstoa-proto.workspace = true"),
        (
            "stoa-explain",
            "[dependencies]\nstoa-attestation.workspace = true",
        ),
        ("marble-sdk", "[dependencies]\nstoa-cli.workspace = true"),
    ] {
        assert_eq!(faults(from, table).len(), 1, "not found: {from} {table}");
    }
    assert!(
        faults(
            "stoa-mesh",
            "[dependencies]\nstoa-manifest.workspace = true"
        )
        .is_empty()
    );
    assert!(
        faults(
            "stoa-mesh",
            "[dev-dependencies]\nstoa-synthetic.workspace = true"
        )
        .is_empty()
    );
}

#[test]
fn planted_names_of_other_rooms_are_found() {
    assert_eq!(
        handed_on("x.rs", "pub use stoa_attestation::Claims;").len(),
        1
    );
    assert!(
        handed_on(
            "x.rs",
            "use stoa_attestation::Claims;\npub use crate::x::Y;"
        )
        .is_empty()
    );
    assert_eq!(
        named_outside(
            "use stoa_mesh::Machine;\nfn f() { stoa_mesh::g() }",
            "stoa_mesh"
        ),
        [1, 2]
    );
    assert!(named_outside("#[cfg(test)] use stoa_mesh::Machine;", "stoa_mesh").is_empty());
    assert_eq!(
        named_in("a v1\nring v0.17.14\n", &["ring", "openssl"]),
        ["ring"]
    );
    assert_eq!(ciphers("use aws_lc_rs::aead::{self, Nonce};").len(), 2);
}

#[test]
fn dependencies_are_pinned_once_and_exactly() {
    let workspace: Table = tree::file("Cargo.toml").text.parse().unwrap();
    let mut faults = loose_pins(&workspace);
    for package in PACKAGES {
        for dependency in dependencies(
            &manifest(package),
            &["dependencies", "dev-dependencies", "build-dependencies"],
        ) {
            if !dependency.from_workspace {
                faults.push(format!(
                    "{} names its own version of {}; use the workspace's pin",
                    package.name, dependency.name
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Workspace dependencies whose version is not one version.
fn loose_pins(workspace: &Table) -> Vec<String> {
    let table = workspace["workspace"]["dependencies"].as_table();
    let mut faults = Vec::new();
    for (name, value) in table.into_iter().flatten() {
        let version = value
            .as_str()
            .or_else(|| value.get("version").and_then(toml::Value::as_str));
        let pinned = version.is_some_and(|version| version.starts_with('='));
        if !pinned && value.get("path").is_none() {
            faults.push(format!("{name} = {value:?} is not pinned to one version"));
        }
    }
    faults
}

#[test]
fn a_planted_loose_pin_is_found() {
    let table = |line: &str| format!("[workspace.dependencies]\n{line}").parse().unwrap();
    assert_eq!(loose_pins(&table("serde = \"1\"")).len(), 1);
    assert_eq!(loose_pins(&table("serde = { version = \"1.0\" }")).len(), 1);
    assert!(loose_pins(&table("serde = \"=1.0.0\"\nstoa-mesh = { path = \"m\" }")).is_empty());
}

#[test]
fn every_package_takes_the_lints_and_the_version_of_the_house() {
    for package in PACKAGES {
        let manifest = manifest(package);
        let inherits = |table: &str, key: &str| {
            manifest
                .get(table)
                .and_then(|table| table.get(key))
                .is_some_and(|value| {
                    value.as_bool() == Some(true)
                        || value.get("workspace").and_then(toml::Value::as_bool) == Some(true)
                })
        };
        // Naming a C function is `unsafe(no_mangle)`: fuzz/engine/Cargo.toml.
        assert!(
            inherits("lints", "workspace") || package.name == "stoa-fuzz-engine",
            "{}: no `[lints] workspace = true`",
            package.name
        );
        for key in ["version", "edition", "rust-version", "license"] {
            assert!(
                inherits("package", key),
                "{}: `{key}` is not the workspace's",
                package.name
            );
        }
    }
}

#[test]
fn no_feature_decides_what_is_trusted() {
    for package in PACKAGES {
        let faults = forbidden_features(&manifest(package));
        assert!(faults.is_empty(), "{}: {}", package.name, faults.join(", "));
    }
}

/// Features whose name says that they change a verdict.
fn forbidden_features(manifest: &Table) -> Vec<String> {
    const WORDS: [&str; 8] = [
        "simulat", "insecure", "mock", "fake", "danger", "unsafe", "test", "debug",
    ];
    let features = manifest.get("features").and_then(toml::Value::as_table);
    features
        .into_iter()
        .flat_map(Table::keys)
        .filter(|name| WORDS.iter().any(|word| name.contains(word)))
        .cloned()
        .collect()
}

#[test]
fn a_planted_simulation_feature_is_found() {
    let table: Table = "[features]\ndefault = []\nsimulation = []\ninsecure-tls = []"
        .parse()
        .unwrap();
    assert_eq!(forbidden_features(&table), ["insecure-tls", "simulation"]);
}

#[test]
fn cargo_is_the_one_that_built_this_test() {
    // The rules above ask cargo; a cargo that is not there would make them say nothing.
    let version = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .arg("--version")
        .output();
    assert!(version.is_ok_and(|output| output.status.success()));
}

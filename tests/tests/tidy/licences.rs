//! Rules of deny.toml, held without cargo-deny: licences, banned crates, sources. With cargo-deny they are held by it too.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use toml::Table;
use xtask::workspace::Workspace;

use crate::tree;

static DENY: LazyLock<Table> = LazyLock::new(|| {
    tree::file("deny.toml")
        .text
        .parse()
        .unwrap_or_else(|error| panic!("deny.toml: {error}"))
});

/// One crate that cargo builds something from.
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// Every crate from outside that is built on this machine, for programs, build scripts and tests. Not from
/// `cargo metadata`: it lists optional crates that no feature asks for.
static CRATES: LazyLock<Vec<Crate>> = LazyLock::new(|| {
    let output = Workspace::of_this_build()
        .cargo()
        .args([
            "tree",
            "--workspace",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--no-dedupe",
        ])
        .args(["--edges", "normal,build,dev", "--format", "{p}|{l}"])
        .output()
        .unwrap_or_else(|error| panic!("cargo tree does not start: {error}"));
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: BTreeSet<&str> = text.lines().collect();
    lines.into_iter().filter_map(outside_crate).collect()
});

/// `NAME vVERSION|LICENCE`; `None` for the packages of the workspace, behind whose version their folder stands.
fn outside_crate(line: &str) -> Option<Crate> {
    let (package, licence) = line.split_once('|')?;
    let (name, rest) = package.split_once(" v")?;
    let (version, remark) = rest.split_once(' ').unwrap_or((rest, ""));
    let crate_ = Crate {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
    };
    (!remark.starts_with("(/")).then_some(crate_)
}

fn allowed() -> Vec<&'static str> {
    DENY["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|licence| licence.as_str().unwrap())
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is the old spelling of OR.
///
/// Source: SPDX specification 2.3, annex D (AND binds tighter than OR; WITH belongs to the licence before it).
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any_of(&words, allowed);
    met && rest.is_empty()
}

fn any_of<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut met, mut rest) = all_of(words, allowed);
    while let ["OR", others @ ..] = rest {
        let (also, left) = all_of(others, allowed);
        (met, rest) = (met || also, left);
    }
    (met, rest)
}

fn all_of<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", others @ ..] = rest {
        let (also, left) = one(others, allowed);
        (met, rest) = (met && also, left);
    }
    (met, rest)
}

fn one<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = any_of(inner, allowed);
            match rest {
                [")", rest @ ..] => (met, rest),
                _ => (false, rest),
            }
        }
        [licence, "WITH", exception, rest @ ..] => (
            allowed.contains(&format!("{licence} WITH {exception}").as_str()),
            rest,
        ),
        [licence, rest @ ..] => (allowed.contains(licence), rest),
        [] => (false, words),
    }
}

/// Why a package must not be here, by the bans of deny.toml.
fn banned(name: &str, version: &str, deny: &Table) -> Option<String> {
    let bans = deny["bans"]["deny"].as_array()?;
    let ban = bans.iter().find(|ban| {
        ban["crate"]
            .as_str()
            .is_some_and(|spec| matches(spec, name, version))
    })?;
    Some(format!(
        "{name} {version} is banned: {}",
        ban.get("reason")?.as_str()?
    ))
}

/// `name`, `name@1.2.3` or `name:<1.2.3`, as cargo-deny's package specs have them.
fn matches(spec: &str, name: &str, version: &str) -> bool {
    match spec.split_once([':', '@']) {
        None => spec == name,
        Some((named, range)) if named == name => match range.strip_prefix('<') {
            Some(end) => numbers(version) < numbers(end),
            None => range == version,
        },
        Some(_) => false,
    }
}

fn numbers(version: &str) -> Vec<u64> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    core.split('.')
        .map(|part| {
            part.parse()
                .unwrap_or_else(|_| panic!("`{version}` is no version"))
        })
        .collect()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    assert!(
        CRATES.len() > 100,
        "cargo names {} crates only",
        CRATES.len()
    );
    let refused = CRATES
        .iter()
        .filter(|found| !is_met(&found.licence, &allowed));
    let faults: Vec<String> = refused
        .map(|found| format!("{} {}: {}", found.name, found.version, found.licence))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_banned_crate_is_a_dependency() {
    let faults: Vec<String> = CRATES
        .iter()
        .filter_map(|found| banned(&found.name, &found.version, &DENY))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_dependency_comes_from_the_public_registry() {
    let faults = foreign_sources(&tree::file("Cargo.lock").text);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(
        !tree::file(".cargo/config.toml").text.contains("[source"),
        "a replaced source hides where crates come from"
    );
}

/// Sources in a lock file that are not the public registry.
fn foreign_sources(lock: &str) -> Vec<&str> {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let sources = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "));
    sources
        .filter(|source| source.trim_matches('"') != REGISTRY)
        .collect()
}

#[test]
#[ignore = "needs: cargo-deny"]
fn cargo_deny_agrees() {
    let output = Workspace::of_this_build()
        .cargo()
        .args(["deny", "--offline", "check", "licenses", "bans", "sources"])
        .output()
        .unwrap_or_else(|error| panic!("cargo deny does not start: {error}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn planted_licences_are_judged() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "(MIT OR GPL-3.0) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
        "MIT WITH LLVM-exception",
        "",
        "none stated",
        "(MIT",
    ] {
        assert!(!is_met(bad, &allowed), "{bad}");
    }
}

#[test]
fn planted_crates_and_sources_are_found() {
    assert!(banned("ring", "0.17.14", &DENY).is_some());
    assert!(banned("rustls-webpki", "0.103.12", &DENY).is_some());
    assert!(banned("rustls-webpki", "0.103.13", &DENY).is_none());
    assert!(banned("serde", "1.0.0", &DENY).is_none());
    assert!(outside_crate("stoa-mesh v0.1.0 (/x/coordinator/mesh)|Apache-2.0").is_none());
    let macros = outside_crate("serde_derive v1.0.0 (proc-macro)|MIT OR Apache-2.0");
    assert_eq!(
        macros
            .map(|found| (found.name, found.version, found.licence))
            .unwrap()
            .2,
        "MIT OR Apache-2.0"
    );
    let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://example.org/x\"";
    assert_eq!(foreign_sources(lock).len(), 1);
}

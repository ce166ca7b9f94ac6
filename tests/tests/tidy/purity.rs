//! Rule: the pure crates know no clock, no randomness of their own, no file, no socket, no process, no thread.
//!
//! Everything of that kind is handed to them, so that they replay bit-equal, build for wasm32, and can be simulated.
//! The crate `stoa-client` is pure without its features; code behind a feature is left out of the rule.

use crate::source::{self, Token};
use crate::tree::{self, FEATURE_FILES, Kind, PACKAGES};

/// What must not be named, and what to do instead.
const FORBIDDEN: &[(&[&str], &str)] = &[
    (&["std", "fs"], "take bytes"),
    (&["std", "net"], "leave sockets to the edges"),
    (&["std", "env"], "take a parameter"),
    (&["std", "process"], "return an error"),
    (&["std", "thread"], "leave threads to the server"),
    (&["tokio"], "leave the runtime to the edges"),
    (&["getrandom"], "take `rng: &mut dyn CryptoRng`"),
    (&["rand_core", "OsRng"], "take `rng: &mut dyn CryptoRng`"),
    (&["rcgen", "KeyPair", "generate"], "take key material"),
];

/// Ends of paths that read a clock or the system's randomness, whatever they were imported as.
const FORBIDDEN_ENDS: &[(&[&str], &str)] = &[
    (&["SystemTime", "now"], "take `now`"),
    (&["Instant", "now"], "take `now`"),
    (&["UnixTime", "now"], "take `now`"),
    (&["OffsetDateTime", "now_utc"], "take `now`"),
    (&["UtcDateTime", "now"], "take `now`"),
    (&["KeyPair", "generate"], "take key material"),
    (&["KeyPair", "generate_for"], "take key material"),
];

/// What a pure file names that it must not.
fn impurities(_: &str, text: &str) -> Vec<String> {
    let drop =
        |attribute: &[Token]| source::is_test_only(attribute) || source::is_feature_only(attribute);
    let left = source::strip(&source::tokens(text), drop);
    let mut faults = Vec::new();
    for (line, path) in source::paths(&left.tokens) {
        let begins =
            |with: &[&str]| path.len() >= with.len() && path.iter().zip(with).all(|(a, b)| a == b);
        let ends = |with: &[&str]| {
            path.len() >= with.len()
                && path
                    .iter()
                    .rev()
                    .zip(with.iter().rev())
                    .all(|(a, b)| a == b)
        };
        let begun = FORBIDDEN.iter().find(|(with, _)| begins(with));
        if let Some((_, instead)) =
            begun.or_else(|| FORBIDDEN_ENDS.iter().find(|(with, _)| ends(with)))
        {
            faults.push(format!("{line}: names `{}`; {instead}", path.join("::")));
        }
        if path == ["std", "*"] {
            faults.push(format!("{line}: takes all of std; name what is meant"));
        }
    }
    faults
}

/// Maps whose order is random; a decision that walks one differs from run to run.
fn random_order(_: &str, text: &str) -> Vec<String> {
    let left = source::strip(&source::tokens(text), source::is_test_only);
    let random =
        |token: &&Token| matches!(token.word(), Some("HashMap" | "HashSet" | "RandomState"));
    left.tokens
        .iter()
        .filter(random)
        .map(|token| {
            format!(
                "{}: `{}` is walked in a random order; use BTreeMap or BTreeSet",
                token.line,
                token.word().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn pure_crates_touch_no_file_socket_process_clock_or_randomness() {
    tree::hold(
        impurities,
        tree::product(Kind::Pure).filter(|file| !FEATURE_FILES.contains(&file.path)),
    );
}

#[test]
fn the_state_machine_has_no_map_of_random_order() {
    tree::hold(
        random_order,
        tree::product(Kind::Pure).filter(|file| file.path.starts_with("coordinator/mesh/")),
    );
}

#[test]
fn pure_crates_depend_on_no_runtime_and_no_randomness() {
    const FORBIDDEN: [&str; 9] = [
        "tokio",
        "getrandom",
        "rand",
        "hyper",
        "tonic",
        "rustix",
        "libc",
        "aws-lc-rs",
        "tempfile",
    ];
    let mut faults = Vec::new();
    for package in PACKAGES.iter().filter(|package| package.kind == Kind::Pure) {
        let manifest = crate::imports::manifest(package);
        for dependency in
            crate::imports::dependencies(&manifest, &["dependencies", "build-dependencies"])
        {
            // The one file that wraps the verifier of dcap-qvl may name aws-lc-rs: its algorithms are static.
            let wrapped = package.name == "stoa-attestation" && dependency.name == "aws-lc-rs";
            if FORBIDDEN.contains(&dependency.name.as_str()) && !dependency.optional && !wrapped {
                faults.push(format!("{} depends on {}", package.name, dependency.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_std_fs_in_a_pure_crate_is_found() {
    let planted = |line: &str| impurities("coordinator/mesh/src/machine.rs", line).len();
    for bad in [
        "use std::fs;",
        "use std::{collections::BTreeMap, fs::File};",
        "fn f() { std::fs::read(\"x\"); }",
        "use std::net::TcpStream;",
        "fn f() { ::std::env::var(\"X\"); }",
        "fn f() { std::process::exit(1) }",
        "use std::thread::spawn;",
        "use std::*;",
        "use tokio::sync::Mutex;",
        "fn f() { SystemTime::now(); }",
        "fn f() { std::time::Instant::now(); }",
        "fn f() { UnixTime::now(); }",
        "fn f() { getrandom::fill(&mut x); }",
        "fn f() { rcgen::KeyPair::generate(); }",
        "#[cfg(not(test))] use std::fs;",
    ] {
        assert_eq!(planted(bad), 1, "not found: {bad}");
    }
}

#[test]
fn tests_comments_and_features_may_touch_what_pure_code_must_not() {
    for good in [
        "#[cfg(test)]\nmod tests { use std::fs; }",
        "// use std::fs;\n/// std::fs::read",
        "const TEXT: &str = \"std::fs\";",
        "#[cfg(feature = \"http\")]\nuse tokio::net::TcpStream;",
        "use std::collections::BTreeMap; const E: &str = env!(\"CARGO_PKG_VERSION\");",
        "fn f(now: UnixTime) {}",
    ] {
        assert!(impurities("x.rs", good).is_empty(), "found in: {good}");
    }
}

#[test]
fn a_planted_hash_map_in_the_state_machine_is_found() {
    assert_eq!(
        random_order(
            "x.rs",
            "use std::collections::HashMap;\nstruct S(HashMap<u8, u8>);"
        )
        .len(),
        2
    );
    assert!(
        random_order(
            "x.rs",
            "use std::collections::BTreeMap; #[cfg(test)] use std::collections::HashMap;"
        )
        .is_empty()
    );
}

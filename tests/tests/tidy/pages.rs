//! Rules about pages: promises name tests that exist, links lead somewhere, the architecture page is true.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use toml::Table;
use xtask::promises;

use crate::source::{self, Token};
use crate::tree::{self, FILES, File, PACKAGES};

/// Full names of all tests in the sources, as docs/promises.md writes them.
static TESTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    FILES
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(tests_of)
        .collect()
});

/// Full names of a file's tests. A file of a package with programs may belong to the library or to a program: both
/// names count.
fn tests_of(file: &File) -> Vec<String> {
    let Some(package) = file.package() else {
        return Vec::new();
    };
    let inside = &file.path[package.folder.len() + 1..];
    let module: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    let (prefixes, module): (Vec<String>, &[&str]) = match module.as_slice() {
        ["src", rest @ ..] => {
            let programs = programs(package)
                .into_iter()
                .map(|program| format!("{}::{program}", package.name));
            (
                std::iter::once(package.name.to_owned())
                    .chain(programs)
                    .collect(),
                rest,
            )
        }
        ["tests", target, rest @ ..] => (vec![format!("{}::{target}", package.name)], rest),
        _ => return Vec::new(),
    };
    let module = match module {
        ["lib" | "main"] | ["bin", _] => &[],
        [rest @ .., "mod" | "main"] => rest,
        all => all,
    };
    let names = tests_in(&source::tokens(&file.text));
    let full = |prefix: &String, name: &String| {
        let parts = std::iter::once(prefix.as_str())
            .chain(module.iter().copied())
            .chain([name.as_str()]);
        parts.collect::<Vec<_>>().join("::")
    };
    prefixes
        .iter()
        .flat_map(|prefix| names.iter().map(move |name| full(prefix, name)))
        .collect()
}

/// Names of a package's programs.
fn programs(package: &tree::Package) -> Vec<String> {
    let manifest: Table = crate::imports::manifest(package);
    let named = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    let mut names: Vec<String> = named
        .filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned()))
        .collect();
    if names.is_empty()
        && FILES
            .iter()
            .any(|file| file.path == format!("{}/src/main.rs", package.folder))
    {
        names.push(package.name.to_owned());
    }
    let folder = format!("{}/src/bin/", package.folder);
    names.extend(FILES.iter().filter_map(|file| {
        file.path
            .strip_prefix(&folder)?
            .strip_suffix(".rs")
            .map(str::to_owned)
    }));
    names
}

/// Tests of a file by their path inside it: modules, then the function.
fn tests_in(tokens: &[Token]) -> Vec<String> {
    let mut modules: Vec<(String, usize)> = Vec::new();
    let mut found = Vec::new();
    let (mut depth, mut is_test) = (0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        if token.is('{') {
            depth += 1;
        } else if token.is('}') {
            depth = depth.saturating_sub(1);
            modules.retain(|(_, at_depth)| *at_depth < depth + 1);
        } else if token.word() == Some("mod") && tokens.get(at + 2).is_some_and(|next| next.is('{'))
        {
            modules.push((
                tokens[at + 1].word().unwrap_or_default().to_owned(),
                depth + 1,
            ));
        } else if token.word() == Some("test") && at > 1 && ends_attribute(tokens, at) {
            is_test = true;
        } else if token.word() == Some("fn") && is_test {
            is_test = false;
            let path = modules
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(tokens.get(at + 1).and_then(Token::word));
            found.push(path.collect::<Vec<_>>().join("::"));
        }
    }
    found
}

/// `#[test]`, `#[tokio::test]`, `#[tokio::test(..)]`: the word `test` is the last of an attribute's path.
fn ends_attribute(tokens: &[Token], at: usize) -> bool {
    let starts = tokens[at - 1].is('[') || tokens[at - 1].kind == source::Kind::PathSep;
    starts
        && tokens
            .get(at + 1)
            .is_some_and(|next| next.is(']') || next.is('('))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = &tree::file(promises::PAGE).text;
    let rows = promises::parse(page)
        .unwrap_or_else(|faults| panic!("{}:\n{}", promises::PAGE, faults.join("\n")));
    let named = rows
        .iter()
        .flat_map(|row| row.tests.iter().map(move |test| (&row.id, test)));
    let missing: Vec<String> = named
        .filter(|(_, test)| !TESTS.contains(*test))
        .map(|(id, test)| format!("{id}: {test}"))
        .collect();
    assert!(
        missing.is_empty(),
        "{} names tests that do not exist:\n{}",
        promises::PAGE,
        missing.join("\n")
    );
}

/// Relative links of a page that lead nowhere, and bare paths in backticks are left alone.
fn dead_links(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for link in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !exists(&resolved(folder, target)) {
                faults.push(format!("{number}: `{link}` leads nowhere"));
            }
        }
    }
    faults
}

/// A relative path from a folder, without `.` and `..`.
fn resolved(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

fn exists(path: &str) -> bool {
    FILES
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&format!("{path}/")))
}

#[test]
fn links_in_pages_lead_somewhere() {
    tree::hold(
        dead_links,
        FILES.iter().filter(|file| file.path.ends_with(".md")),
    );
}

/// Pages under docs/ that a text names and that do not exist.
fn unwritten(_: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (at, _) in line.match_indices("docs/") {
            let end = line[at..]
                .find(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c))
                .map_or(line.len(), |end| at + end);
            let page = &line[at..end];
            if let Some(page) = page.strip_suffix(".md").map(|_| page)
                && !exists(page)
                && !PAGES_OF_RUNS.contains(&page)
            {
                faults.push(format!("{number}: `{page}` does not exist"));
            }
        }
    }
    faults
}

/// Written by a task when it first has something to say.
const PAGES_OF_RUNS: [&str; 1] = ["docs/reference/test-runs.md"];

#[test]
fn pages_that_sources_and_pages_name_exist() {
    let own = |file: &&File| file.path != "tests/tests/tidy/pages.rs";
    tree::hold(unwritten, FILES.iter().filter(own));
}

/// Paths and tidy tests that the architecture page names in backticks and that do not exist.
fn untrue(_: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for name in line.split('`').skip(1).step_by(2) {
            let is_path = name.contains('/') && !name.contains(' ') && name.ends_with(".rs");
            let is_test = name.starts_with("tidy::");
            let full = format!("stoa-tests::{name}");
            if (is_path && !exists(name)) || (is_test && !TESTS.contains(&full)) {
                faults.push(format!("{number}: `{name}` does not exist"));
            }
        }
    }
    faults
}

#[test]
fn the_architecture_page_names_what_exists_and_every_package() {
    let page = tree::file("ARCHITECTURE.md");
    tree::hold(untrue, std::iter::once(page));
    for package in PACKAGES {
        assert!(
            page.text.contains(&format!("`{}`", package.name)),
            "ARCHITECTURE.md does not name `{}`",
            package.name
        );
    }
}

#[test]
fn every_direct_dependency_is_accounted_for() {
    let page = &tree::file("docs/reference/dependencies.md").text;
    let workspace: Table = tree::file("Cargo.toml").text.parse().unwrap();
    let table = workspace["workspace"]["dependencies"].as_table().unwrap();
    let external = table
        .iter()
        .filter(|(_, value)| value.get("path").is_none());
    let mut faults = Vec::new();
    for (name, value) in external {
        let version = value
            .as_str()
            .or_else(|| value.get("version")?.as_str())
            .unwrap_or_default();
        let row = format!("| `{name}` | {} |", version.trim_start_matches('='));
        if !page.contains(&row) {
            faults.push(format!("no row `{row} ..`"));
        }
    }
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    faults.extend(
        rows.filter(|name| !table.contains_key(*name))
            .map(|name| format!("a row for {name}, which is no dependency")),
    );
    assert!(
        faults.is_empty(),
        "docs/reference/dependencies.md:\n{}",
        faults.join("\n")
    );
}

#[test]
fn tests_are_found_by_their_full_names() {
    let text = "fn f() {}\n#[test] fn top_one() {}\nmod tests { mod inner { #[test]\n#[ignore = \"needs: go\"]\nfn deep_one() { if x { } } }\n\
                #[tokio::test(flavor = \"current_thread\")] async fn waits() {} }\n#[test] fn last_one() {}\n#[cfg(test)] fn no_test() {}";
    let names = tests_in(&source::tokens(text));
    assert_eq!(
        names,
        [
            "top_one",
            "tests::inner::deep_one",
            "tests::waits",
            "last_one"
        ]
    );
    assert!(TESTS.contains("stoa-tests::tidy::pages::tests_are_found_by_their_full_names"));
    assert!(TESTS.contains("xtask::libtest::tests::reads_every_kind_of_outcome"));
    assert!(TESTS.contains("stoa-explain::tests::codes_are_unique_lower_case_and_explained"));
}

#[test]
fn planted_dead_links_and_untrue_names_are_found() {
    assert_eq!(
        dead_links(
            "docs/x.md",
            "[a](../no-such-page.md) [b](https://example.org/) [c](#here)"
        )
        .len(),
        1
    );
    assert!(
        dead_links(
            "docs/x.md",
            "[a](../Cargo.toml) [b](reference/limits.md#tls)"
        )
        .is_empty()
    );
    assert_eq!(
        unwritten("x.rs", "//! see docs/no-such.md, docs/promises.md").len(),
        1
    );
    assert_eq!(
        untrue(
            "x.md",
            "`mesh/src/gone.rs` and `tidy::words::no_such_rule` and `Cargo.toml`"
        )
        .len(),
        2
    );
}

//! docs/promises.md: what the house promises, and the tests that hold each promise.
//!
//! Form of the page: tables whose lines start with an ID (`| W3 | what holds | tests |`); the tests stand in backticks
//! in the last cell, by full name: package, target if it is not the library, path inside it. An ID may have several
//! lines; its tests add up.
//! Does not live here: running the tests (`suite`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::libtest::Outcome;

/// Path of the page, from the root of the repository.
pub const PAGE: &str = "docs/promises.md";

/// The IDs that the page must have: one series of rows for each finished piece of work, by letter and count.
pub const SERIES: &[(&str, usize)] = &[("W", 11)];

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// `W3`.
    pub id: String,
    /// Full names of the tests that hold it.
    pub tests: Vec<String>,
}

/// One promise, held against the tests that ran.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Checked {
    /// `W3`.
    pub row: String,
    /// Each test with what became of it.
    pub tests: Vec<CheckedTest>,
    /// What that makes of the promise.
    pub outcome: Standing,
}

/// One test of a promise.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct CheckedTest {
    /// Full name.
    pub name: String,
    /// `passed`, `failed`, `ignored`, `unreported`, or `missing` if no such test exists.
    pub outcome: &'static str,
}

/// What the tests say about a promise.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// All its tests ran and passed.
    Held,
    /// A test is missing, failed, was ignored or did not report.
    Broken,
    /// No test failed, but some were left out for needs that only root can install here.
    NotShown,
}

/// Reads the page.
///
/// # Errors
/// All faults of the page, each with its line.
pub fn parse(page: &str) -> Result<Vec<Promise>, Vec<String>> {
    let mut faults = Vec::new();
    let mut found: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    for (number, line) in (1..).zip(page.lines()) {
        let Some((id, tests)) = row(line) else {
            continue;
        };
        if tests.is_empty() {
            faults.push(format!(
                "line {number}: row {} names no test in its last cell",
                id.0.clone() + &id.1.to_string()
            ));
        }
        let known = found.entry(id).or_default();
        for test in tests {
            if !known.insert(test.to_owned()) {
                faults.push(format!("line {number}: `{test}` stands twice under one ID"));
            }
        }
    }
    for &(letter, count) in SERIES {
        for missing in
            (1..=count).filter(|number| !found.contains_key(&(letter.to_owned(), *number)))
        {
            faults.push(format!("there is no row {letter}{missing}"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(found
        .into_iter()
        .map(|((letter, number), tests)| Promise {
            id: format!("{letter}{number}"),
            tests: tests.into_iter().collect(),
        })
        .collect())
}

/// Holds every promise against what ran. `may_install`: whether this run could bring what tests need.
#[must_use]
pub fn check(
    promises: &[Promise],
    ran: &BTreeMap<String, Outcome>,
    may_install: bool,
) -> Vec<Checked> {
    promises
        .iter()
        .map(|promise| check_one(promise, ran, may_install))
        .collect()
}

fn check_one(promise: &Promise, ran: &BTreeMap<String, Outcome>, may_install: bool) -> Checked {
    let mut standing = Standing::Held;
    let mut tests = Vec::new();
    for name in &promise.tests {
        let outcome = ran.get(name);
        let this = match outcome {
            Some(Outcome::Passed) => Standing::Held,
            Some(Outcome::Ignored(reason))
                if !may_install && crate::needs::named_in(reason).is_some() =>
            {
                Standing::NotShown
            }
            _ => Standing::Broken,
        };
        if standing != Standing::Broken && this != Standing::Held {
            standing = this;
        }
        tests.push(CheckedTest {
            name: name.clone(),
            outcome: outcome.map_or("missing", Outcome::word),
        });
    }
    Checked {
        row: promise.id.clone(),
        tests,
        outcome: standing,
    }
}

/// ID and tests of a table line; `None` for headings, rulers and prose.
fn row(line: &str) -> Option<((String, usize), Vec<&str>)> {
    let cells: Vec<&str> = line
        .trim()
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .map(str::trim)
        .collect();
    let digits = cells[0].find(|c: char| c.is_ascii_digit())?;
    let (letter, number) = cells[0].split_at(digits);
    if letter.is_empty() || !letter.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let number = number.parse().ok()?;
    let tests = cells.last()?.split('`').skip(1).step_by(2).collect();
    Some(((letter.to_owned(), number), tests))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    fn page(last: &str) -> String {
        let mut page = String::from("# Promises\n\n| ID | What holds | Tests |\n|---|---|---|\n");
        for number in 1..=11 {
            let tests = if number == 11 { last } else { "`a::b`" };
            page.push_str(&format!("| W{number} | something | {tests} |\n"));
        }
        page
    }

    fn standing(outcome: Option<Outcome>, may_install: bool) -> Standing {
        let promise = Promise {
            id: "W1".to_owned(),
            tests: vec!["good".to_owned(), "x".to_owned()],
        };
        let mut ran = BTreeMap::from([("good".to_owned(), Outcome::Passed)]);
        ran.extend(outcome.map(|outcome| ("x".to_owned(), outcome)));
        check(&[promise], &ran, may_install)[0].outcome
    }

    #[test]
    fn reads_rows_and_adds_up_lines_of_one_id() {
        let page = page("`c::d`, `e::f`") + "| W11 | more | `g::h` |\n";
        let promises = parse(&page).unwrap();
        assert_eq!(promises.len(), 11);
        assert_eq!(promises[10].id, "W11");
        assert_eq!(promises[10].tests, ["c::d", "e::f", "g::h"]);
    }

    #[test]
    fn a_row_without_a_test_or_no_row_at_all_is_a_fault() {
        assert!(parse(&page("to come")).unwrap_err()[0].contains("W11 names no test"));
        let short = page("`a::b`").replace("| W7 ", "| seven ");
        assert_eq!(parse(&short).unwrap_err(), ["there is no row W7"]);
        assert!(parse(&page("`a::b` `a::b`")).unwrap_err()[0].contains("twice"));
    }

    #[test]
    fn only_passed_tests_hold_a_promise() {
        assert_eq!(standing(Some(Outcome::Passed), true), Standing::Held);
        assert_eq!(standing(Some(Outcome::Failed), true), Standing::Broken);
        assert_eq!(standing(Some(Outcome::Unreported), true), Standing::Broken);
        assert_eq!(
            standing(Some(Outcome::Ignored("an hour".to_owned())), true),
            Standing::Broken
        );
        assert_eq!(standing(None, true), Standing::Broken);
    }

    #[test]
    fn a_left_out_test_breaks_the_promise_where_it_could_have_been_run() {
        let left_out = || Some(Outcome::Ignored("needs: go".to_owned()));
        assert_eq!(standing(left_out(), true), Standing::Broken);
        assert_eq!(standing(left_out(), false), Standing::NotShown);
        assert_eq!(
            standing(Some(Outcome::Ignored("an hour".to_owned())), false),
            Standing::Broken
        );
        assert_eq!(standing(None, false), Standing::Broken);
    }
}

//! What a test binary says about its tests: names from `--list`, outcomes from its lines for people.
//!
//! Source: library/test of the Rust distribution (`formatters/pretty.rs`): `test NAME ... ok`, `FAILED`,
//! `ignored, REASON`, then `test result: ok. 1 passed; 0 failed; 0 ignored; ..`. The JSON form is unstable, so it is
//! not used. A test's children may write into the same stream, so a line may start with somebody else's words: names
//! are looked for, not assumed to stand first, and the counts of the last line must agree with what was found.
//! Does not live here: starting the binary (`suite`), deciding what an ignored test needs (`needs`).

use std::collections::{BTreeMap, BTreeSet};

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and passed.
    Passed,
    /// It ran and failed.
    Failed,
    /// It is marked `#[ignore = ".."]`; the reason, empty if it has none.
    Ignored(String),
    /// Its binary listed it and never said what became of it (crash, overrun).
    Unreported,
}

impl Outcome {
    /// The word that results and pages use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored(_) => "ignored",
            Self::Unreported => "unreported",
        }
    }
}

/// The names in the output of `BINARY --list`.
#[must_use]
pub fn listed(output: &str) -> BTreeSet<String> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// What became of each of `names`, out of what the binary printed.
#[must_use]
pub fn outcomes(names: &BTreeSet<String>, output: &str) -> BTreeMap<String, Outcome> {
    let mut found: BTreeMap<String, Outcome> = names
        .iter()
        .map(|name| (name.clone(), Outcome::Unreported))
        .collect();
    for line in output.lines() {
        if let Some((name, outcome)) = reported(names, line) {
            found.insert(name.to_owned(), outcome);
        }
    }
    found
}

/// Outcomes of doc tests, whose names nobody lists beforehand: `src/lib.rs - item (line 12)`.
#[must_use]
pub fn doc_outcomes(output: &str) -> BTreeMap<String, Outcome> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "))
        .filter(|(name, _)| name.contains("(line "))
        .map(|(name, rest)| {
            (
                name.to_owned(),
                outcome(rest).unwrap_or(Outcome::Unreported),
            )
        })
        .collect()
}

/// Passed, failed and ignored tests by the binary's own last lines; `None` if it never got there.
#[must_use]
pub fn totals(output: &str) -> Option<[usize; 3]> {
    let mut sum = None;
    for line in output.lines() {
        let Some((_, rest)) = line.split_once("test result: ") else {
            continue;
        };
        let count = |word: &str| {
            rest.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
        };
        if let (Some(passed), Some(failed), Some(ignored)) =
            (count("passed"), count("failed"), count("ignored"))
        {
            let [p, f, i] = sum.unwrap_or([0; 3]);
            sum = Some([p + passed, f + failed, i + ignored]);
        }
    }
    sum
}

/// The known test that a line reports on, wherever in the line it stands.
fn reported<'n>(names: &'n BTreeSet<String>, line: &str) -> Option<(&'n str, Outcome)> {
    line.match_indices("test ").find_map(|(at, word)| {
        let (name, rest) = line[at + word.len()..].split_once(" ... ")?;
        let name = names.get(name.strip_suffix(" - should panic").unwrap_or(name))?;
        Some((name.as_str(), outcome(rest)?))
    })
}

fn outcome(rest: &str) -> Option<Outcome> {
    if let Some(reason) = rest.strip_prefix("ignored") {
        return Some(Outcome::Ignored(
            reason.trim_start_matches([',', ' ']).trim_end().to_owned(),
        ));
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    match word.as_str() {
        "ok" => Some(Outcome::Passed),
        "FAILED" => Some(Outcome::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lists_tests_and_not_benches_or_counts() {
        let output = "a::b: test\nslow: benchmark\n\n1 test, 1 benchmark\n";
        assert_eq!(listed(output), names(&["a::b"]));
    }

    #[test]
    fn reads_every_kind_of_outcome() {
        let output = "\nrunning 4 tests\ntest a ... ok\ntest b - should panic ... FAILED\n\
                      test c ... ignored, needs: go, node\ntest c has been running for over 60 seconds\n";
        let found = outcomes(&names(&["a", "b", "c", "d"]), output);
        assert_eq!(found["a"], Outcome::Passed);
        assert_eq!(found["b"], Outcome::Failed);
        assert_eq!(found["c"], Outcome::Ignored("needs: go, node".to_owned()));
        assert_eq!(found["d"], Outcome::Unreported);
    }

    #[test]
    fn finds_a_report_behind_the_words_of_a_child_process() {
        let output = "listening on test 127.0.0.1:1 test a::b ... ok\n";
        assert_eq!(outcomes(&names(&["a::b"]), output)["a::b"], Outcome::Passed);
    }

    #[test]
    fn takes_no_report_on_a_test_that_was_not_listed() {
        let found = outcomes(
            &names(&["real"]),
            "test forged ... ok\ntest real ... maybe\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found["real"], Outcome::Unreported);
    }

    #[test]
    fn reads_doc_tests_with_their_lines() {
        let output = "test src/lib.rs - parse (line 12) ... ok\ntest src/lib.rs - x (line 3) - compile fail ... FAILED\n";
        let found = doc_outcomes(output);
        assert_eq!(found["src/lib.rs - parse (line 12)"], Outcome::Passed);
        assert_eq!(
            found["src/lib.rs - x (line 3) - compile fail"],
            Outcome::Failed
        );
    }

    #[test]
    fn adds_up_the_last_lines_and_knows_when_there_is_none() {
        let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n";
        assert_eq!(totals(line), Some([3, 0, 1]));
        assert_eq!(
            totals(&format!("{line}{}", line.replace("ok. 3", "FAILED. 1"))),
            Some([4, 0, 2])
        );
        assert_eq!(totals("running 3 tests\n"), None);
    }
}

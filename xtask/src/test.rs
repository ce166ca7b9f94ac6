//! `cargo xtask test`: needs, build, every test, doc tests, promises, one total line.
//!
//! Does not live here: each of those steps (a module each); only their order and what is said about them.
#![allow(clippy::print_stdout, reason = "what this task says is its result")]

use std::time::Instant;

use crate::failure::Failure;
use crate::libtest::Outcome;
use crate::needs;
use crate::promises::{self, Checked, Standing};
use crate::run_log;
use crate::suite::{self, Results, Runner};
use crate::workspace::Workspace;

/// Environment variable that tells tests to scale their numbers up.
const FULL: &str = "STOA_TEST_FULL";

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Every test, at the size that fits a change.
    Usual,
    /// Every test, at the size that fits a release; the run is logged in docs/reference/test-runs.md.
    Full,
}

/// What a task that looks at something found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was as it should be.
    Good,
    /// Something is red.
    Bad,
}

/// Runs everything and prints the total as the last line.
///
/// # Errors
/// If something can't be installed, built or started. Red tests and broken promises are [`Verdict::Bad`].
pub fn run(workspace: &Workspace, scale: Scale) -> Result<Verdict, Failure> {
    let started = Instant::now();
    suite::adopt_orphans()?;
    needs::install()?;
    println!("building every program and test of the workspace (some minutes the first time)");
    let built = suite::build(workspace)?;
    let logs = workspace.results().join("test-logs");
    std::fs::create_dir_all(&logs).map_err(Failure::file("make", &logs))?;
    let environment = if scale == Scale::Full {
        vec![(FULL, "1".to_owned())]
    } else {
        Vec::new()
    };
    let runner = Runner {
        programs: built.programs,
        logs,
        environment,
    };
    println!(
        "running {} test binaries, output kept in target/test-logs",
        built.binaries.len()
    );
    let mut results = Results::default();
    for binary in &built.binaries {
        runner.run(binary, &mut results)?;
    }
    suite::run_doc_tests(workspace, &mut results)?;

    let checked = check_promises(workspace, &mut results)?;
    let total = Total::of(&results, &checked);
    report(&results, &checked);
    if scale == Scale::Full {
        let Total {
            passed,
            failed,
            left_out,
        } = total;
        run_log::append(
            workspace,
            run_log::Row {
                passed,
                failed,
                left_out,
                seconds: started.elapsed().as_secs(),
            },
        )?;
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 {
        Verdict::Good
    } else {
        Verdict::Bad
    })
}

/// The counts of the last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Total {
    passed: usize,
    /// Tests that failed or did not report, faults beside the tests, promises that are broken.
    failed: usize,
    left_out: usize,
}

impl Total {
    fn of(results: &Results, checked: &[Checked]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| {
            results
                .outcomes
                .values()
                .filter(|outcome| wanted(outcome))
                .count()
        };
        let broken = checked
            .iter()
            .filter(|row| row.outcome == Standing::Broken)
            .count();
        Self {
            passed: count(|outcome| *outcome == Outcome::Passed),
            failed: count(|outcome| matches!(outcome, Outcome::Failed | Outcome::Unreported))
                + results.faults.len()
                + broken,
            left_out: count(|outcome| matches!(outcome, Outcome::Ignored(_))),
        }
    }
}

/// Reads docs/promises.md, holds it against what ran, and writes target/promises.json.
///
/// A page that can't be read as one is a fault of the run, so that the total still says what became of the tests.
fn check_promises(workspace: &Workspace, results: &mut Results) -> Result<Vec<Checked>, Failure> {
    let path = workspace.path(promises::PAGE);
    let page = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let rows = promises::parse(&page).unwrap_or_else(|faults| {
        results.faults.extend(
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", promises::PAGE)),
        );
        Vec::new()
    });
    let checked = promises::check(&rows, &results.outcomes, needs::is_root());
    let json = serde_json::to_string_pretty(&checked).map_err(|error| Failure::Output {
        program: "promises.json".to_owned(),
        cause: error.to_string(),
    })?;
    let out = workspace.results().join("promises.json");
    std::fs::write(&out, json + "\n").map_err(Failure::file("write", &out))?;
    Ok(checked)
}

fn report(results: &Results, checked: &[Checked]) {
    println!(
        "\npromises ({}, written to target/promises.json)",
        promises::PAGE
    );
    for row in checked {
        let word = match row.outcome {
            Standing::Held => "held",
            Standing::Broken => "BROKEN",
            Standing::NotShown => "not shown here",
        };
        println!("  {:<4} {word}, {} tests", row.row, row.tests.len());
        for test in row.tests.iter().filter(|test| test.outcome != "passed") {
            println!("       {}: {}", test.outcome, test.name);
        }
    }
    let mut left_out = 0;
    for (name, outcome) in &results.outcomes {
        match outcome {
            Outcome::Ignored(reason) => {
                left_out += 1;
                println!(
                    "left out  {name}  ({})",
                    if reason.is_empty() {
                        "no reason given"
                    } else {
                        reason
                    }
                );
            }
            Outcome::Failed => println!("FAILED    {name}"),
            Outcome::Unreported => println!("FAILED    {name}  (never said what became of it)"),
            Outcome::Passed => {}
        }
    }
    for fault in &results.faults {
        println!("FAULT     {fault}");
    }
    println!("{left_out} left out\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promises::CheckedTest;

    #[test]
    fn whatever_is_not_green_counts_as_failed() {
        let mut results = Results::default();
        for (name, outcome) in [
            ("a", Outcome::Passed),
            ("b", Outcome::Failed),
            ("c", Outcome::Unreported),
            ("d", Outcome::Ignored("needs: go".to_owned())),
        ] {
            results.outcomes.insert(name.to_owned(), outcome);
        }
        results.faults.push("a process was left behind".to_owned());
        let row = |outcome| Checked {
            row: "W1".to_owned(),
            tests: vec![CheckedTest {
                name: "a".to_owned(),
                outcome: "passed",
            }],
            outcome,
        };
        let checked = [
            row(Standing::Held),
            row(Standing::Broken),
            row(Standing::NotShown),
        ];
        assert_eq!(
            Total::of(&results, &checked),
            Total {
                passed: 1,
                failed: 4,
                left_out: 1
            }
        );
    }
}

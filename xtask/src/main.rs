//! `cargo xtask VERB`: one arm a task, and nothing else.
//!
//! Does not live here: what a task does (a module each).
#![allow(
    clippy::print_stderr,
    reason = "a task talks to the person who started it"
)]

use std::process::ExitCode;

use xtask::{reference, test, workspace::Workspace};

const USAGE: &str = "\
Usage: cargo xtask VERB

  test [--full]   installs what the tests need (as root; Debian packages, listed first), runs every test of the
                  workspace, checks docs/promises.md against what ran; --full scales the tests up and logs the run
  docs            writes the generated pages: docs/reference/errors.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = Workspace::of_this_build();
    // One arm a verb; `demo` and `bench` get theirs with their modules.
    let done = match words.as_slice() {
        ["test"] => test::run(&workspace, test::Scale::Usual),
        ["test", "--full"] => test::run(&workspace, test::Scale::Full),
        ["docs"] => reference::write(&workspace).map(|()| test::Verdict::Good),
        ["help" | "--help" | "-h"] => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("error: `{}` is no task\n\n{USAGE}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(test::Verdict::Good) => ExitCode::SUCCESS,
        Ok(test::Verdict::Bad) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {}", failure.with_causes());
            ExitCode::FAILURE
        }
    }
}

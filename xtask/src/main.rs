//! `cargo xtask VERB`: one arm a task, and nothing else.
//!
//! Does not live here: what a task does (a module each).
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a task talks to the person who started it"
)]

use std::process::ExitCode;

use xtask::demo::{self, Options};
use xtask::{program, reference, test, workspace::Workspace};

const USAGE: &str = "\
Usage: cargo xtask VERB

  test [--full]   installs what the tests need (as root; Debian packages, listed first), runs every test of the
                  workspace, checks docs/promises.md against what ran; --full scales the tests up and logs the run
  demo [--keep]   runs a whole mesh on this machine, step by step (`cargo demo` is short for it)
  bench [--quick] measures what an activation costs; figures also as JSON under target/bench/
  fuzz [--minutes N] [TARGET...]
                  searches for inputs on which a parser falls, ten minutes in all if nothing is said; needs g++
  docs            writes what is generated: docs/reference/errors.md and manifest.md, the schema of manifests";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = Workspace::of_this_build();
    let done = match words.as_slice() {
        ["test"] => test::run(&workspace, test::Scale::Usual),
        ["test", "--full"] => test::run(&workspace, test::Scale::Full),
        ["demo", words @ ..] => return demo(words),
        ["bench", words @ ..] => program::bench(&workspace, words),
        ["fuzz", words @ ..] => program::fuzz(&workspace, words),
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

fn demo(words: &[&str]) -> ExitCode {
    let options = match Options::parse(words) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("error: {fault}");
            return ExitCode::from(2);
        }
    };
    match demo::run(&options, &mut |line| println!("{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the demo failed in {failure}");
            ExitCode::FAILURE
        }
    }
}

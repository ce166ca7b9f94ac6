//! `stoa-fuzz [--minutes N] [TARGET...]`: searches, and says on what a target fell.
//!
//! Ends with 0 if nothing was found, 1 if something was, 2 if the words were wrong. `cargo xtask fuzz` is short for it.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a task talks to the person who started it"
)]

use std::process::ExitCode;

use stoa_fuzz::search::{self, Options, Searched};
use stoa_harness::programs::workspace;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("error: {fault}");
            return ExitCode::from(2);
        }
    };
    let folder = workspace().join("target/fuzz");
    println!("target        seeds       inputs  findings");
    let mut fell = false;
    let searched = search::run(&options, &folder, &mut |searched: &Searched| {
        println!(
            "{:<12} {:>6} {:>12} {:>9}",
            searched.target,
            searched.seeds,
            searched.inputs,
            searched.findings.len()
        );
        for finding in &searched.findings {
            println!("  {}", finding.display());
        }
        if !searched.ended_well {
            println!("  {}", searched.log.display());
        }
        fell |= !searched.findings.is_empty() || !searched.ended_well;
    });
    match searched {
        Ok(()) if fell => {
            println!("keep each as fuzz/found/TARGET/WHAT.bin: the tests replay it from then on");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

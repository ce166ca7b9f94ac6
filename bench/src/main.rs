//! `cargo xtask bench [--quick]`: measures, prints, writes JSON.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks to whoever started it"
)]

use std::process::ExitCode;

use stoa_bench::{Scale, report};
use stoa_harness::Failed;
use stoa_harness::programs::{Programs, workspace};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (scale, name) = match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => (Scale::FULL, "full"),
        ["--quick"] => (Scale::QUICK, "quick"),
        other => {
            eprintln!(
                "error: `{}` is no option; there is --quick",
                other.join(" ")
            );
            return ExitCode::from(2);
        }
    };
    match run(scale, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(scale: Scale, name: &str) -> Result<(), Failed> {
    let programs = Programs::build(false)?;
    let figures = report::measure(&programs, scale, &mut |line| println!("{line}"))?;
    let folder = workspace().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.json"));
    std::fs::write(
        &path,
        serde_json::to_vec_pretty(&figures).map_err(|error| Failed(error.to_string()))?,
    )?;
    println!("written to {}", path.display());
    Ok(())
}

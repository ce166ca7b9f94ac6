//! `cargo xtask bench`: the bench is a program of its own, because what it links takes minutes to build.

use std::process::Command;

use crate::failure::Failure;
use crate::test::Verdict;
use crate::workspace::Workspace;

/// Builds and runs `stoa-bench`: `--quick` as the tests are built, else as a release is.
///
/// # Errors
/// If cargo does not start.
pub fn run(workspace: &Workspace, words: &[&str]) -> Result<Verdict, Failure> {
    let quick = words.contains(&"--quick");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace.root())
        .args(["run", "--quiet", "--package", "stoa-bench"]);
    if !quick {
        command.arg("--release");
    }
    let status = command
        .arg("--")
        .args(words)
        .status()
        .map_err(|source| Failure::Start {
            program: "cargo run -p stoa-bench".to_owned(),
            source,
        })?;
    Ok(if status.success() {
        Verdict::Good
    } else {
        Verdict::Bad
    })
}

//! `cargo xtask fuzz`: the search is a program of its own, because what it links takes minutes to build.

use crate::failure::Failure;
use crate::test::Verdict;
use crate::workspace::Workspace;

/// Builds and runs `stoa-fuzz`.
///
/// # Errors
/// If cargo does not start.
pub fn run(workspace: &Workspace, words: &[&str]) -> Result<Verdict, Failure> {
    let status = workspace
        .cargo()
        .args(["run", "--quiet", "--package", "stoa-fuzz", "--"])
        .args(words)
        .status()
        .map_err(|source| Failure::Start {
            program: "cargo run -p stoa-fuzz".to_owned(),
            source,
        })?;
    Ok(if status.success() {
        Verdict::Good
    } else {
        Verdict::Bad
    })
}

//! Tasks that are programs of their own, because what they link takes minutes to build.

use crate::failure::Failure;
use crate::test::Verdict;
use crate::workspace::Workspace;

/// Measures: `--quick` as the tests are built, else as a release is.
///
/// # Errors
/// If cargo does not start.
pub fn bench(workspace: &Workspace, words: &[&str]) -> Result<Verdict, Failure> {
    let release = !words.contains(&"--quick");
    run(workspace, "stoa-bench", release, words)
}

/// Searches for inputs on which a parser falls; the engine that does it is built as a release by the program itself.
///
/// # Errors
/// If cargo does not start.
pub fn fuzz(workspace: &Workspace, words: &[&str]) -> Result<Verdict, Failure> {
    run(workspace, "stoa-fuzz", false, words)
}

fn run(
    workspace: &Workspace,
    package: &str,
    release: bool,
    words: &[&str],
) -> Result<Verdict, Failure> {
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--package", package]);
    if release {
        command.arg("--release");
    }
    let status = command
        .arg("--")
        .args(words)
        .status()
        .map_err(|source| Failure::Start {
            program: format!("cargo run -p {package}"),
            source,
        })?;
    Ok(if status.success() {
        Verdict::Good
    } else {
        Verdict::Bad
    })
}

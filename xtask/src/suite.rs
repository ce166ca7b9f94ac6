//! Builds every test binary of the workspace and runs them one by one, so that each test can be accounted for.
//!
//! What a binary prints goes to files, not pipes: a process that a test leaves behind can then neither hold up the run
//! nor hide. This process adopts the orphans of everything below it (`PR_SET_CHILD_SUBREAPER`), so whatever is still its
//! child when a test binary has ended was left behind: it is stopped and reported.
//! Does not live here: reading the output (`libtest`), what the results mean (`test`, `promises`).
#![allow(
    clippy::print_stdout,
    reason = "progress is for the person who started the task"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use stoa_harness::programs::BIN_DIR;

use crate::failure::Failure;
use crate::libtest::{self, Outcome};
use crate::needs;
use crate::workspace::Workspace;

/// A binary that has not ended by then is stopped; its silent tests have failed.
const BINARY_SECS_MAX: u64 = 1800;
/// How long processes that a test started may take to be gone after it.
const LEFTOVER_GRACE_MS: u64 = 2000;
const POLL_MS: u64 = 20;

/// One test binary, as cargo built it.
#[derive(Debug, Clone)]
pub struct Binary {
    /// Prefix of its tests' names: `stoa-mesh`, `stoa-tests::tidy`, `stoa-cli::stoa`.
    pub prefix: String,
    /// The executable.
    pub path: PathBuf,
    /// The package's folder, in which its tests run.
    pub folder: PathBuf,
}

/// What the build gave.
#[derive(Debug)]
pub struct Built {
    /// All test binaries, sorted by prefix.
    pub binaries: Vec<Binary>,
    /// The folder of the workspace's programs.
    pub programs: PathBuf,
}

/// What became of all tests, and what went wrong beside them.
#[derive(Debug, Default)]
pub struct Results {
    /// By full name.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Faults that are no test: a process left behind, a count that does not agree, an unknown need.
    pub faults: Vec<String>,
}

/// Builds the programs and the tests of the whole workspace in one go, so that nothing is compiled twice.
///
/// # Errors
/// [`Failure::Program`] if something does not compile.
pub fn build(workspace: &Workspace) -> Result<Built, Failure> {
    let arguments = [
        "build",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--message-format=json-render-diagnostics",
    ];
    let program = format!("cargo {}", arguments.join(" "));
    let output = workspace
        .cargo()
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Failure::Start {
            program: program.clone(),
            source,
        })?;
    if !output.status.success() {
        return Err(Failure::Program {
            program,
            status: output.status.to_string(),
        });
    }
    let mut binaries = Vec::new();
    let mut programs = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let artifact = artifact(line).map_err(|cause| Failure::Output {
            program: program.clone(),
            cause,
        })?;
        match artifact {
            Some(Artifact::Test(binary)) => binaries.push(binary),
            Some(Artifact::Program(folder)) => _ = programs.insert(folder),
            None => {}
        }
    }
    binaries.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    let folder = programs.into_iter().next().ok_or_else(|| Failure::Output {
        program,
        cause: "no program of the workspace among what was built".to_owned(),
    })?;
    Ok(Built {
        binaries,
        programs: folder,
    })
}

enum Artifact {
    Test(Binary),
    Program(PathBuf),
}

/// One line of cargo's messages, if it is about a test binary or a program.
///
/// Source: The Cargo Book, "External tools", JSON messages, `compiler-artifact`.
fn artifact(line: &str) -> Result<Option<Artifact>, String> {
    let message: serde_json::Value =
        serde_json::from_str(line).map_err(|error| format!("`{line}`: {error}"))?;
    if message["reason"] != "compiler-artifact" {
        return Ok(None);
    }
    let Some(executable) = message["executable"].as_str().map(PathBuf::from) else {
        return Ok(None);
    };
    let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
    if message["profile"]["test"] != true {
        let folder = executable.parent().unwrap_or(&executable).to_owned();
        return Ok((kind == "bin").then_some(Artifact::Program(folder)));
    }
    let target = message["target"]["name"]
        .as_str()
        .ok_or("a target without a name")?;
    let manifest = message["manifest_path"]
        .as_str()
        .ok_or("an artifact without manifest_path")?;
    let package = package_name(Path::new(manifest))?;
    let prefix = if kind == "lib" {
        package
    } else {
        format!("{package}::{target}")
    };
    let folder = Path::new(manifest)
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned();
    Ok(Some(Artifact::Test(Binary {
        prefix,
        path: executable,
        folder,
    })))
}

fn package_name(manifest: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(manifest)
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str);
    name.map(str::to_owned)
        .ok_or_else(|| format!("{}: no package.name", manifest.display()))
}

/// How the tests of one run are started.
#[derive(Debug)]
pub struct Runner {
    /// Where the programs are, for [`BIN_DIR`].
    pub programs: PathBuf,
    /// Where the binaries' output is kept.
    pub logs: PathBuf,
    /// Further environment, `STOA_TEST_FULL=1` for instance.
    pub environment: Vec<(&'static str, String)>,
}

impl Runner {
    /// Runs one binary: what needs nothing, then what needs something that is here.
    ///
    /// # Errors
    /// If the binary can't be started or its output can't be kept. Tests that fail are in the results.
    pub fn run(&self, binary: &Binary, results: &mut Results) -> Result<(), Failure> {
        let list = self.start(binary, "list", &["--list"])?;
        let names = libtest::listed(&list.stdout);
        if names.is_empty() {
            return Ok(());
        }
        let ran = self.start(binary, "tests", &[])?;
        let mut outcomes = libtest::outcomes(&names, &ran.stdout);
        self.judge(binary, &ran, &outcomes, results);
        let needy = self.needy(binary, &outcomes, results);
        if !needy.is_empty() {
            let mut arguments = vec!["--include-ignored", "--exact"];
            arguments.extend(needy.iter().map(String::as_str));
            let ran = self.start(binary, "needy", &arguments)?;
            let found = libtest::outcomes(&needy, &ran.stdout);
            self.judge(binary, &ran, &found, results);
            outcomes.extend(found);
        }
        say(binary, &outcomes, &ran);
        let full = |(name, outcome)| (format!("{}::{name}", binary.prefix), outcome);
        results.outcomes.extend(outcomes.into_iter().map(full));
        Ok(())
    }

    /// The ignored tests whose needs are all met.
    fn needy(
        &self,
        binary: &Binary,
        outcomes: &BTreeMap<String, Outcome>,
        results: &mut Results,
    ) -> BTreeSet<String> {
        let mut needy = BTreeSet::new();
        for (name, outcome) in outcomes {
            let Outcome::Ignored(reason) = outcome else {
                continue;
            };
            let Some(words) = needs::named_in(reason) else {
                continue;
            };
            let (missing, unknown) = needs::unmet(&words);
            if !unknown.is_empty() {
                let words = unknown.join(", ");
                results.faults.push(format!(
                    "{}::{name} needs `{words}`, which xtask/src/needs.rs does not list",
                    binary.prefix
                ));
            } else if missing.is_empty() {
                needy.insert(name.clone());
            }
        }
        needy
    }

    /// Faults of one run that the outcomes do not show, and the output of a run that was not good.
    fn judge(
        &self,
        binary: &Binary,
        ran: &Ran,
        outcomes: &BTreeMap<String, Outcome>,
        results: &mut Results,
    ) {
        let before = results.faults.len();
        if ran.overran {
            results.faults.push(format!(
                "{} did not end within {BINARY_SECS_MAX} s and was stopped",
                binary.prefix
            ));
        }
        for process in &ran.left_behind {
            results.faults.push(format!(
                "{} left a process behind: {process}",
                binary.prefix
            ));
        }
        let count = |wanted: fn(&Outcome) -> bool| {
            outcomes.values().filter(|outcome| wanted(outcome)).count()
        };
        let seen = [
            count(|outcome| *outcome == Outcome::Passed),
            count(|outcome| *outcome == Outcome::Failed),
            count(|outcome| matches!(outcome, Outcome::Ignored(_))),
        ];
        match libtest::totals(&ran.stdout) {
            Some(said) if said == seen => {}
            Some(said) => results.faults.push(format!(
                "{} counts {said:?} passed, failed, ignored; its lines give {seen:?}",
                binary.prefix
            )),
            None => results.faults.push(format!(
                "{} ended before its last line: {}",
                binary.prefix, ran.status
            )),
        }
        if !ran.status.success() && seen[1] == 0 && results.faults.len() == before {
            results.faults.push(format!(
                "{} ended with {} though no test failed",
                binary.prefix, ran.status
            ));
        }
        if !ran.status.success() || results.faults.len() > before {
            println!(
                "---- {} ----\n{}{}---- end of {} ----",
                binary.prefix, ran.stdout, ran.stderr, binary.prefix
            );
        }
    }

    fn start(&self, binary: &Binary, run: &str, arguments: &[&str]) -> Result<Ran, Failure> {
        let log = |stream: &str| {
            self.logs.join(format!(
                "{}.{run}.{stream}",
                binary.prefix.replace("::", ".")
            ))
        };
        let (out, err) = (log("out"), log("err"));
        let mut command = Command::new(&binary.path);
        // What the user has set for the programs of the house must not decide tests.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STOA_"))
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("INSTA_UPDATE", "no")
            .env(BIN_DIR, &self.programs)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(&out).map_err(Failure::file("make", &out))?)
            .stderr(File::create(&err).map_err(Failure::file("make", &err))?);
        let started = Instant::now();
        let (status, overran) = wait(&mut command, started + Duration::from_secs(BINARY_SECS_MAX))
            .map_err(|source| Failure::Start {
                program: binary.path.display().to_string(),
                source,
            })?;
        let elapsed = started.elapsed();
        let left_behind = stop_left_behind();
        let read = |path: &Path| {
            std::fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(Failure::file("read", path))
        };
        Ok(Ran {
            stdout: read(&out)?,
            stderr: read(&err)?,
            status,
            overran,
            left_behind,
            elapsed,
        })
    }
}

/// Runs all doc tests of the workspace; cargo compiles and runs them.
///
/// # Errors
/// [`Failure::Start`] if cargo can't be started.
pub fn run_doc_tests(workspace: &Workspace, results: &mut Results) -> Result<(), Failure> {
    let started = Instant::now();
    let output = workspace
        .cargo()
        .args(["test", "--workspace", "--doc", "--no-fail-fast"])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Failure::Start {
            program: "cargo test --workspace --doc".to_owned(),
            source,
        })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let outcomes = libtest::doc_outcomes(&stdout);
    let failed = outcomes
        .values()
        .filter(|outcome| **outcome == Outcome::Failed)
        .count();
    if !output.status.success() {
        println!(
            "---- doc tests ----\n{stdout}{}---- end of doc tests ----",
            String::from_utf8_lossy(&output.stderr)
        );
        if failed == 0 {
            results.faults.push(format!(
                "cargo test --doc ended with {} though no doc test failed",
                output.status
            ));
        }
    }
    println!(
        "  {:<44} {:>4} run, {failed} failed, {:.1} s",
        "doc tests",
        outcomes.len(),
        started.elapsed().as_secs_f32()
    );
    results.outcomes.extend(
        outcomes
            .into_iter()
            .map(|(name, outcome)| (format!("doc::{name}"), outcome)),
    );
    Ok(())
}

/// What one start of a binary gave.
struct Ran {
    stdout: String,
    stderr: String,
    status: ExitStatus,
    overran: bool,
    left_behind: Vec<String>,
    elapsed: Duration,
}

fn say(binary: &Binary, outcomes: &BTreeMap<String, Outcome>, ran: &Ran) {
    let count = |word: &str| {
        outcomes
            .values()
            .filter(|outcome| outcome.word() == word)
            .count()
    };
    let (failed, ignored) = (count("failed") + count("unreported"), count("ignored"));
    let left_out = if ignored == 0 {
        String::new()
    } else {
        format!(", {ignored} left out")
    };
    let took = ran.elapsed.as_secs_f32();
    println!(
        "  {:<44} {:>4} passed, {failed} failed{left_out}, {took:.1} s",
        binary.prefix,
        count("passed")
    );
}

fn wait(command: &mut Command, deadline: Instant) -> std::io::Result<(ExitStatus, bool)> {
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if Instant::now() > deadline {
            child.kill()?;
            return Ok((child.wait()?, true));
        }
        std::thread::sleep(Duration::from_millis(POLL_MS));
    }
}

/// Makes this process the parent of every process whose own parent below it has ended.
///
/// # Errors
/// [`Failure::Start`] if the kernel refuses.
pub fn adopt_orphans() -> Result<(), Failure> {
    let own = Some(rustix::process::getpid());
    rustix::process::set_child_subreaper(own).map_err(|error| Failure::Start {
        program: "prctl(PR_SET_CHILD_SUBREAPER)".to_owned(),
        source: error.into(),
    })
}

/// Stops every child that is still there after a grace, and says which they were.
fn stop_left_behind() -> Vec<String> {
    let deadline = Instant::now() + Duration::from_millis(LEFTOVER_GRACE_MS);
    let mut left = living_children();
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(POLL_MS));
        left = living_children();
    }
    for (pid, _) in &left {
        // A process that ended meanwhile is as good as one that was stopped.
        _ = rustix::process::kill_process(*pid, Signal::KILL);
    }
    let deadline = Instant::now() + Duration::from_millis(LEFTOVER_GRACE_MS);
    while left.iter().any(|child| living_children().contains(child)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(POLL_MS));
    }
    left.into_iter()
        .map(|(pid, line)| format!("{} {line}", pid.as_raw_nonzero()))
        .collect()
}

/// Process ids and command lines of this process's children, without those that have ended and wait to be reaped.
fn living_children() -> Vec<(Pid, String)> {
    let threads = std::fs::read_dir("/proc/self/task");
    let mut found = Vec::new();
    for thread in threads.into_iter().flatten().flatten() {
        let listed = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for text in listed.split_whitespace() {
            let line = std::fs::read(format!("/proc/{text}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let pid = text.parse().ok().and_then(Pid::from_raw);
            found.extend(
                pid.filter(|_| !has_ended(text))
                    .map(|pid| (pid, line.trim_end().to_owned())),
            );
        }
    }
    found
}

/// Whether that process is gone, or a zombie (proc(5): the state stands behind the name in parentheses). An empty command
/// line says less: a process that is just executing another program has one, too.
fn has_ended(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_none_or(|state| state == 'Z' || state == 'X')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    /// A stand-in for a test binary: a shell script that talks like one.
    fn script(folder: &Path, list: &str, tests: &str) -> (Runner, Binary) {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("binary");
        let text = format!(
            "#!/bin/sh\ncase \"$1\" in\n--list) {list} ;;\n--include-ignored) shift 2; for t in \"$@\"; do echo \"test $t ... ok\"; done; echo \"test result: ok. $# passed; 0 failed; 0 ignored; 0 measured\" ;;\n*) {tests} ;;\nesac\n"
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let runner = Runner {
            programs: folder.to_owned(),
            logs: folder.to_owned(),
            environment: Vec::new(),
        };
        (
            runner,
            Binary {
                prefix: "p::t".to_owned(),
                path,
                folder: folder.to_owned(),
            },
        )
    }

    /// One script at a time: a child that another thread forks while a script is written holds it open for writing,
    /// and a file that is open for writing can't be executed.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn results(list: &str, tests: &str) -> Results {
        let _one = ONE_AT_A_TIME.lock();
        adopt_orphans().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (runner, binary) = script(folder.path(), list, tests);
        let mut results = Results::default();
        runner.run(&binary, &mut results).unwrap();
        results
    }

    #[test]
    fn accounts_for_every_listed_test() {
        let got = results(
            "echo 'a: test'; echo 'b: test'",
            "echo 'test a ... ok'; echo 'test b ... FAILED'; echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; exit 101",
        );
        assert_eq!(got.outcomes["p::t::a"], Outcome::Passed);
        assert_eq!(got.outcomes["p::t::b"], Outcome::Failed);
        assert!(got.faults.is_empty(), "{:?}", got.faults);
    }

    #[test]
    fn a_binary_that_dies_or_miscounts_is_a_fault() {
        let died = results("echo 'a: test'", "echo 'running 1 test'; exit 139");
        assert_eq!(died.outcomes["p::t::a"], Outcome::Unreported);
        assert_eq!(died.faults.len(), 1, "{:?}", died.faults);
        let miscounted = results(
            "echo 'a: test'",
            "echo 'test a ... ok'; echo 'test result: ok. 2 passed; 0 failed; 0 ignored'",
        );
        assert!(
            miscounted.faults[0].contains("[2, 0, 0]"),
            "{:?}",
            miscounted.faults
        );
        let sour = results(
            "echo 'a: test'",
            "echo 'test a ... ok'; echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; exit 3",
        );
        assert!(
            sour.faults[0].contains("though no test failed"),
            "{:?}",
            sour.faults
        );
    }

    #[test]
    fn an_ignored_test_runs_where_its_needs_are_met_and_only_there() {
        let got = results(
            "echo 'a: test'; echo 'b: test'; echo 'c: test'",
            "echo 'test a ... ignored, needs:'; echo 'test b ... ignored, needs: unheard-of'; echo 'test c ... ignored, an hour'; echo 'test result: ok. 0 passed; 0 failed; 3 ignored'",
        );
        assert_eq!(got.outcomes["p::t::a"], Outcome::Passed);
        assert_eq!(
            got.outcomes["p::t::b"],
            Outcome::Ignored("needs: unheard-of".to_owned())
        );
        assert_eq!(
            got.outcomes["p::t::c"],
            Outcome::Ignored("an hour".to_owned())
        );
        assert!(got.faults[0].contains("unheard-of"), "{:?}", got.faults);
    }

    #[test]
    fn a_process_left_behind_is_stopped_and_named() {
        let got = results(
            "echo 'a: test'",
            "env -i setsid sleep 987 & echo 'test a ... ok'; echo 'test result: ok. 1 passed; 0 failed; 0 ignored'",
        );
        assert!(got.faults[0].contains("sleep 987"), "{:?}", got.faults);
        let pid = got.faults[0]
            .split_whitespace()
            .find(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
            .unwrap();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(line.is_empty(), "process {pid} still runs");
    }
}

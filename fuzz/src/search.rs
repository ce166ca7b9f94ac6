//! The search: each target under libFuzzer for its share of the time, started from its seeds.
//!
//! The engine (fuzz/engine) is built with coverage counters of LLVM; the flags are of the compiler's stable part, so it is
//! the toolchain of everything else. What a search found to be new stays in the folder and is the next search's start.
//! Does not live here: targets, seeds.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use stoa_harness::programs::workspace;

use crate::{TARGETS, Target, replay};

/// Coverage counters, as libFuzzer reads them (LLVM, SanitizerCoverage: inline-8bit-counters, pc-table, trace-cmp), with the
/// checks of a debug build.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on";
/// A target's share is not less.
const SECONDS_MIN: u64 = 5;
/// One input may take this long; a slow parser is a finding, too.
const INPUT_SECONDS_MAX: u32 = 10;
/// Memory of the engine, with its corpus.
const MEMORY_MIB_MAX: u32 = 2048;
/// One allocation: more than any limit of a format allows.
const ALLOCATION_MIB_MAX: u32 = 256;
/// Bytes of an input; the largest seed has fewer.
const INPUT_BYTES_MAX: usize = 128 * 1024;

/// What to search, and for how long in all.
#[derive(Debug, Clone)]
pub struct Options {
    /// In this order.
    pub targets: Vec<&'static Target>,
    /// Shared among the targets.
    pub seconds: u64,
}

impl Options {
    /// Reads `[--minutes N] [TARGET...]`; ten minutes and all targets if nothing is said.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            targets: Vec::new(),
            seconds: 600,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--minutes" {
                let number = words.next().map(String::as_str).unwrap_or_default();
                let minutes = number.parse::<u64>().ok().filter(|minutes| *minutes > 0);
                options.seconds = minutes
                    .and_then(|minutes| minutes.checked_mul(60))
                    .ok_or(format!("--minutes is `{number}`, wanted a number from 1"))?;
            } else {
                options.targets.push(crate::target(word).ok_or_else(|| {
                    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                    format!("`{word}` is no target; they are {}", names.join(", "))
                })?);
            }
        }
        if options.targets.is_empty() {
            options.targets = TARGETS.iter().collect();
        }
        Ok(options)
    }
}

/// What became of one target.
#[derive(Debug)]
pub struct Searched {
    /// The target's name.
    pub target: &'static str,
    /// Inputs that were tried.
    pub inputs: u64,
    /// Seeds it began with.
    pub seeds: usize,
    /// Inputs on which it fell, as files.
    pub findings: Vec<PathBuf>,
    /// What libFuzzer said.
    pub log: PathBuf,
    /// libFuzzer ended well.
    pub ended_well: bool,
}

/// Builds the engine and searches, one target after the other.
///
/// # Errors
/// Cargo or the engine did not start, the engine could not be built, a folder could not be written.
pub fn run(
    options: &Options,
    folder: &Path,
    said: &mut dyn FnMut(&Searched),
) -> Result<(), io::Error> {
    let engine = build(folder)?;
    let share = options.seconds / u64::try_from(options.targets.len()).unwrap_or(1).max(1);
    for target in &options.targets {
        said(&search(target, share.max(SECONDS_MIN), &engine, folder)?);
    }
    Ok(())
}

fn search(
    target: &'static Target,
    seconds: u64,
    engine: &Path,
    folder: &Path,
) -> Result<Searched, io::Error> {
    let own = folder.join(target.name);
    let [kept, seeds, findings] = ["kept", "seeds", "findings"].map(|name| own.join(name));
    for folder in [&kept, &seeds, &findings] {
        fs::create_dir_all(folder)?;
    }
    let corpus = replay::corpus(target);
    for (number, seed) in corpus.iter().enumerate() {
        fs::write(seeds.join(format!("{number:05}")), &seed.bytes)?;
    }
    let log = own.join("log");
    let status = Command::new(engine)
        .env("STOA_FUZZ_TARGET", target.name)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-malloc_limit_mb={ALLOCATION_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-print_final_stats=1", "-use_value_profile=1"])
        .args([&kept, &seeds])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(File::create(&log)?)
        .status()?;
    let mut found: Vec<PathBuf> = fs::read_dir(&findings)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    found.sort();
    Ok(Searched {
        target: target.name,
        inputs: executed(&String::from_utf8_lossy(&fs::read(&log)?)),
        seeds: corpus.len(),
        findings: found,
        log,
        ended_well: status.success(),
    })
}

/// `stat::number_of_executed_units: N` of libFuzzer's last lines; a run that fell prints `#N` only.
fn executed(log: &str) -> u64 {
    let stat = log.lines().find_map(|line| {
        line.strip_prefix("stat::number_of_executed_units:")?
            .trim()
            .parse()
            .ok()
    });
    let last = log.lines().rev().find_map(|line| {
        line.strip_prefix('#')?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    stat.or(last).unwrap_or(0)
}

fn build(folder: &Path) -> Result<PathBuf, io::Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let host = host()?;
    let built = folder.join("build");
    let status = Command::new(cargo)
        .current_dir(workspace())
        .env("RUSTFLAGS", FLAGS)
        // Counters and link-time optimization do not go together.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--package", "stoa-fuzz-engine", "--features", "libfuzzer"])
        // With a target named, the flags are not for build scripts.
        .args(["--target", &host, "--target-dir"])
        .arg(&built)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(
            "the engine could not be built; it needs a C++ compiler (Debian: g++)",
        ));
    }
    Ok(built.join(host).join("release/stoa-fuzz-engine"))
}

fn host() -> Result<String, io::Error> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("`rustc -vV` names no host"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn words_become_options_or_are_named() {
        let all = parse("").unwrap();
        assert_eq!((all.targets.len(), all.seconds), (TARGETS.len(), 600));
        let some = parse("--minutes 2 frames manifest").unwrap();
        let names: Vec<&str> = some.targets.iter().map(|target| target.name).collect();
        assert_eq!((names, some.seconds), (vec!["frames", "manifest"], 120));
        assert_eq!(
            parse("--minutes 0").unwrap_err(),
            "--minutes is `0`, wanted a number from 1"
        );
        assert_eq!(
            parse("--minutes").unwrap_err(),
            "--minutes is ``, wanted a number from 1"
        );
        assert!(
            parse("frame")
                .unwrap_err()
                .starts_with("`frame` is no target; they are evidence, verify")
        );
    }

    #[test]
    fn what_libfuzzer_ran_is_read_from_its_last_lines() {
        let ended = "#7 NEW cov: 3\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb: 5\n";
        assert_eq!(executed(ended), 1234);
        assert_eq!(executed("#2 INITED\n#77 NEW cov: 3\n==1== ERROR\n"), 77);
        assert_eq!(executed(""), 0);
    }
}

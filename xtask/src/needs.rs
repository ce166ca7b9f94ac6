//! What tests may need beyond this repository, how to see whether it is here, and which Debian package brings it.
//!
//! A test says what it needs in its ignore reason: `#[ignore = "needs: go, node"]`. Plain `cargo test` leaves it out;
//! `cargo xtask test` runs it where the needs are met. Any other ignored test is simply ignored.
//! Does not live here: running tests (`suite`).
#![allow(
    clippy::print_stdout,
    reason = "the list of packages is for the person who started the task"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// One thing that a test may need.
#[derive(Debug)]
pub struct Need {
    /// The word in the ignore reason.
    pub name: &'static str,
    /// How to see whether it is here.
    pub probe: Probe,
    /// The Debian package that brings it; `None` if only the reader can bring it.
    pub package: Option<&'static str>,
}

/// How a need shows that it is met.
#[derive(Debug)]
pub enum Probe {
    /// An executable file of this name in one of PATH's folders.
    Program(&'static str),
    /// A module that `python3` can import.
    Python(&'static str),
    /// The standard library of this target, beside that of the host (rust-toolchain.toml names it).
    Target(&'static str),
    /// A crate outside the workspace, by its folder, that cargo can build: its dependencies are here or can be had.
    Crate(&'static str),
    /// The user is root.
    Root,
}

/// Everything that a test may name. A word that is not here is a fault of the test.
pub const NEEDS: &[Need] = &[
    Need {
        name: "cargo-deny",
        probe: Probe::Program("cargo-deny"),
        package: None,
    },
    Need {
        name: "curl",
        probe: Probe::Program("curl"),
        package: Some("curl"),
    },
    Need {
        name: "go",
        probe: Probe::Program("go"),
        package: Some("golang-go"),
    },
    Need {
        name: "node",
        probe: Probe::Program("node"),
        package: Some("nodejs"),
    },
    Need {
        name: "npm",
        probe: Probe::Program("npm"),
        package: Some("npm"),
    },
    Need {
        name: "openssl",
        probe: Probe::Program("openssl"),
        package: Some("openssl"),
    },
    Need {
        name: "python3",
        probe: Probe::Program("python3"),
        package: Some("python3"),
    },
    Need {
        name: "python3-cryptography",
        probe: Probe::Python("cryptography"),
        package: Some("python3-cryptography"),
    },
    Need {
        name: "root",
        probe: Probe::Root,
        package: None,
    },
    Need {
        name: "sev",
        probe: Probe::Crate("tests/sev"),
        package: None,
    },
    Need {
        name: "strace",
        probe: Probe::Program("strace"),
        package: Some("strace"),
    },
    Need {
        name: "wasm32",
        probe: Probe::Target("wasm32-unknown-unknown"),
        package: None,
    },
];

/// Whether this process may install packages.
#[must_use]
pub fn is_root() -> bool {
    // The owner of /proc/self is this process's effective user.
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

impl Need {
    /// Whether it is here now.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.probe {
            Probe::Root => is_root(),
            Probe::Program(name) => is_on_path(name),
            Probe::Python(module) => can_import(module),
            Probe::Target(name) => has_target(name),
            Probe::Crate(folder) => has_dependencies(folder),
        }
    }
}

fn has_target(name: &str) -> bool {
    Command::new("rustc")
        .args(["--print", "target-libdir", "--target", name])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn can_import(module: &str) -> bool {
    Command::new("python3")
        .args(["-c", &format!("import {module}")])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn has_dependencies(folder: &str) -> bool {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    Command::new("cargo")
        .args(["fetch", "--quiet", "--locked", "--manifest-path"])
        .arg(manifest.join("Cargo.toml"))
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The needs that an ignore reason names; `None` if it is another kind of reason.
#[must_use]
pub fn named_in(reason: &str) -> Option<Vec<&str>> {
    let words = reason.trim().strip_prefix("needs:")?;
    Some(
        words
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect(),
    )
}

/// Of the needs in `words`, those that are not met, and those that nobody knows.
#[must_use]
pub fn unmet<'w>(words: &[&'w str]) -> (Vec<&'w str>, Vec<&'w str>) {
    let (mut missing, mut unknown) = (Vec::new(), Vec::new());
    for &word in words {
        match NEEDS.iter().find(|need| need.name == word) {
            None => unknown.push(word),
            Some(need) if !need.is_met() => missing.push(word),
            Some(_) => {}
        }
    }
    (missing, unknown)
}

/// Lists the Debian packages that tests need and, as root, installs those whose program is not here.
///
/// Without root, or where there is no apt-get, nothing is installed: tests are left out and named at the end.
///
/// # Errors
/// [`Failure::Start`] or [`Failure::Program`] if apt-get does not do it.
pub fn install() -> Result<(), Failure> {
    let listed: Vec<&str> = NEEDS.iter().filter_map(|need| need.package).collect();
    println!(
        "tests need these Debian packages, or their programs from elsewhere: {}",
        listed.join(" ")
    );
    let absent: Vec<&str> = NEEDS
        .iter()
        .filter(|need| !need.is_met())
        .filter_map(|need| need.package)
        .collect();
    if absent.is_empty() {
        println!("  all here, nothing to install");
        return Ok(());
    }
    if !is_root() || !is_on_path("apt-get") {
        let why = if is_root() {
            "there is no apt-get"
        } else {
            "only root can install"
        };
        println!(
            "  not here: {}; {why}, so tests that need them are left out",
            absent.join(" ")
        );
        return Ok(());
    }
    println!("  installing: {}", absent.join(" "));
    apt_get(&["-qq", "update"])?;
    let install = ["-qq", "install", "-y", "--no-install-recommends"];
    apt_get(&[&install[..], &absent[..]].concat())
}

fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    let program = format!("apt-get {}", arguments.join(" "));
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .status()
        .map_err(|source| Failure::Start {
            program: program.clone(),
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Program {
            program,
            status: status.to_string(),
        })
    }
}

fn is_on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_needs_out_of_ignore_reasons_only() {
        assert_eq!(named_in("needs: go, node"), Some(vec!["go", "node"]));
        assert_eq!(named_in("needs:strace"), Some(vec!["strace"]));
        assert_eq!(named_in("takes an hour"), None);
        assert_eq!(named_in(""), None);
    }

    #[test]
    fn tells_needs_that_nobody_knows_from_needs_that_are_not_met() {
        let (_, unknown) = unmet(&["go", "gone"]);
        assert_eq!(unknown, ["gone"]);
    }

    #[test]
    fn finds_programs_by_path_and_not_by_wish() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-here"));
    }
}

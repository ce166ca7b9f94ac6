//! The files of the repository, and the packages of the workspace with the floor each stands on.
//!
//! Source of the floors: ARCHITECTURE.md, "Floors".
//! Does not live here: any rule.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use xtask::workspace::Workspace;

use crate::source::{self, Token};

/// A package of the workspace and its place in the house.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) folder: &'static str,
    /// Arrows go from a higher number to a lower one, never otherwise.
    pub(crate) floor: u8,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No clock, no randomness of its own, no I/O.
    Pure,
    /// A library that does I/O.
    Library,
    /// Talks to people or owns a process.
    Program,
    /// Tests and tasks: may see everything.
    Workshop,
}

const fn package(name: &'static str, folder: &'static str, floor: u8, kind: Kind) -> Package {
    Package {
        name,
        folder,
        floor,
        kind,
    }
}

/// The house. A package that is not here does not belong to it.
pub(crate) const PACKAGES: &[Package] = &[
    package("stoa-explain", "explain", 0, Kind::Pure),
    package("stoa-attestation", "attestation", 10, Kind::Pure),
    package("stoa-source", "attestation/source", 11, Kind::Library),
    package(
        "stoa-collateral",
        "attestation/collateral",
        11,
        Kind::Library,
    ),
    package("stoa-synthetic", "attestation/synthetic", 12, Kind::Program),
    package("stoa-proto", "proto", 10, Kind::Library),
    package("stoa-manifest", "manifests", 20, Kind::Pure),
    package("stoa-mesh", "coordinator/mesh", 30, Kind::Pure),
    package("stoa-store", "coordinator/store", 30, Kind::Library),
    package("stoa-coordinator", "coordinator/server", 31, Kind::Library),
    package("stoa-client", "client", 30, Kind::Pure),
    package("marble-sdk", "marble-sdk", 40, Kind::Library),
    package("stoa-cli", "cli", 40, Kind::Program),
    package("stoa-launcher", "launcher", 50, Kind::Program),
    package("stoa-harness", "tests/harness", 51, Kind::Workshop),
    package("stoa-demo", "tests/demo", 51, Kind::Workshop),
    package("xtask", "xtask", 52, Kind::Workshop),
    package("stoa-tests", "tests", 53, Kind::Workshop),
    package("stoa-bench", "bench", 53, Kind::Workshop),
    package("stoa-fuzz", "fuzz", 53, Kind::Workshop),
    package("stoa-fuzz-engine", "fuzz/engine", 54, Kind::Workshop),
];

/// The package of this name.
pub(crate) fn by_name(name: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.name == name)
}

/// One text file.
pub(crate) struct File {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The package whose folder is the nearest above it.
    pub(crate) fn package(&self) -> Option<&'static Package> {
        PACKAGES
            .iter()
            .filter(|package| {
                self.path
                    .strip_prefix(package.folder)
                    .is_some_and(|rest| rest.starts_with('/'))
            })
            .max_by_key(|package| package.folder.len())
    }

    /// Whether it is part of what the package builds, not of its tests.
    pub(crate) fn is_product(&self) -> bool {
        let Some(package) = self.package() else {
            return false;
        };
        self.is_rust()
            && package.kind != Kind::Workshop
            && self.path[package.folder.len()..].starts_with("/src/")
            && !TEST_FILES.contains(&self.path)
    }
}

/// All text files of the repository, sorted by path.
pub(crate) static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let root = Workspace::of_this_build().root().to_owned();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
});

/// Source files that a `#[cfg(test)] mod x;` brings in.
static TEST_FILES: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| dropped_files(source::is_test_only));

/// Source files that exist with a feature only.
pub(crate) static FEATURE_FILES: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| dropped_files(source::is_feature_only));

/// The file at a path from the root; its absence is the test's failure.
pub(crate) fn file(path: &str) -> &'static File {
    FILES
        .iter()
        .find(|file| file.path == path)
        .unwrap_or_else(|| panic!("there is no {path}"))
}

/// Product files of the packages of one kind.
pub(crate) fn product(kind: Kind) -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(move |file| {
        file.is_product() && file.package().is_some_and(|package| package.kind == kind)
    })
}

/// A rule over files, run over those given; every fault with its file.
pub(crate) fn hold(
    rule: impl Fn(&str, &str) -> Vec<String>,
    files: impl Iterator<Item = &'static File>,
) {
    let mut looked_at = 0;
    let mut faults = Vec::new();
    for file in files {
        looked_at += 1;
        faults.extend(
            rule(&file.path, &file.text)
                .into_iter()
                .map(|fault| format!("{}:{fault}", file.path)),
        );
    }
    assert!(looked_at > 0, "the rule looked at no file");
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path: PathBuf = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(root, &path, files);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            files.push(File { path, text });
        }
    }
}

fn dropped_files(drop: fn(&[Token]) -> bool) -> BTreeSet<String> {
    let mut dropped = BTreeSet::new();
    for file in FILES.iter().filter(|file| file.is_rust()) {
        for module in source::strip(&source::tokens(&file.text), drop).modules {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let folder = match name {
                "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
                _ => file.path.trim_end_matches(".rs").to_owned(),
            };
            let below = format!("{folder}/{module}/");
            dropped.insert(format!("{folder}/{module}.rs"));
            dropped.extend(
                FILES
                    .iter()
                    .filter(|file| file.path.starts_with(&below))
                    .map(|file| file.path.clone()),
            );
        }
    }
    dropped
}

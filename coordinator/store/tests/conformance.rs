//! The conformance suite over every backend.

#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_store::conformance::{self, Subject};
use stoa_store::{Backend, memory::Disk};

#[test]
fn sled_behind_its_guard_passes_the_conformance_suite() {
    let mut dirs = Vec::new();
    conformance::run(|| {
        let dir = tempfile::tempdir().unwrap();
        let subject = Subject {
            dir: dir.path().join("data"),
            backend: Backend::Sled,
        };
        dirs.push(dir);
        subject
    })
    .unwrap();
}

#[test]
fn the_disk_in_memory_passes_the_conformance_suite() {
    conformance::run(|| Subject {
        dir: "nowhere".into(),
        backend: Backend::Memory(Disk::new()),
    })
    .unwrap();
    assert!(!std::path::Path::new("nowhere").exists());
}

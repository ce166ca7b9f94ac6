//! Rules about files: one subject each, so that a name says it and a reader can hold it.

use crate::tree::{self, FILES, Kind};

/// Where one asks what the second subject is.
const LINES_MAX: usize = 800;
/// Where a file stops being comfortable.
const LINES_COMFORTABLE: usize = 400;
const VAGUE: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "manager"];

fn too_long(_: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX)
        .then(|| format!("{lines} lines; over {LINES_MAX} there is a second subject"))
        .into_iter()
        .collect()
}

fn vague_name(path: &str, _: &str) -> Vec<String> {
    let mut parts = path.trim_end_matches(".rs").split('/');
    parts
        .find(|part| VAGUE.contains(part))
        .map(|part| format!(" `{part}` names no subject"))
        .into_iter()
        .collect()
}

/// Every file starts by saying what lives in it.
fn headless(_: &str, text: &str) -> Vec<String> {
    if text.starts_with("//! ") {
        Vec::new()
    } else {
        vec!["1: no module header that says what lives here".to_owned()]
    }
}

#[test]
fn no_source_file_is_over_800_lines() {
    tree::hold(too_long, FILES.iter().filter(|file| file.is_rust()));
    // Not a fault, but worth seeing with --nocapture.
    for file in FILES.iter().filter(|file| file.is_product()) {
        let lines = file.text.lines().count();
        if lines > LINES_COMFORTABLE {
            println!("{:>5} lines  {}", lines, file.path);
        }
    }
}

#[test]
fn file_names_name_a_subject() {
    tree::hold(vague_name, FILES.iter().filter(|file| file.is_rust()));
}

#[test]
fn every_source_file_says_what_lives_in_it() {
    let files = FILES.iter().filter(|file| {
        file.is_product() || file.package().is_some_and(|p| p.kind == Kind::Workshop)
    });
    tree::hold(headless, files.filter(|file| file.is_rust()));
}

#[test]
fn planted_sizes_and_names_are_found() {
    assert_eq!(too_long("x.rs", &"\n".repeat(801)).len(), 1);
    assert!(too_long("x.rs", &"\n".repeat(800)).is_empty());
    assert_eq!(vague_name("cli/src/utils.rs", "").len(), 1);
    assert_eq!(vague_name("cli/src/common/x.rs", "").len(), 1);
    assert!(vague_name("cli/src/commonplace.rs", "").is_empty());
    assert_eq!(headless("x.rs", "use std::fmt;").len(), 1);
}

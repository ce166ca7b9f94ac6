//! The reference pages of this room say what the sources do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use stoa_coordinator::config::Config;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(workspace().join("docs/reference").join(name)).unwrap()
}

/// First cells of a page's table rows, without their backticks.
fn rows(page: &str) -> BTreeSet<String> {
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

/// What stands in the files of a folder and of those in it.
fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![std::fs::read_to_string(path).unwrap()],
        })
        .collect()
}

#[test]
fn every_event_that_can_be_logged_is_listed_and_no_other() {
    let mut said = BTreeSet::new();
    for folder in ["coordinator/server/src", "attestation/collateral/src"] {
        for text in sources(&workspace().join(folder)) {
            said.extend(
                text.split("event = \"")
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next().map(str::to_owned)),
            );
        }
    }
    assert!(said.len() > 10, "{said:?}");
    assert_eq!(rows(&page("events.md")), said);
}

#[test]
fn every_flag_and_variable_stands_in_its_page_and_no_other() {
    let command = Config::command();
    let flags: BTreeSet<String> = command
        .get_arguments()
        .map(|argument| {
            let value = argument.get_value_names().unwrap()[0].to_string();
            format!("--{} {value}", argument.get_long().unwrap())
        })
        .collect();
    let page = page("coordinator.md");
    assert_eq!(rows(&page), flags);
    for argument in command.get_arguments() {
        if let Some(variable) = argument.get_env() {
            let named = format!("`{}`", variable.to_string_lossy());
            assert!(page.contains(&named), "{named} is missing");
        }
    }
}

#[test]
fn nothing_that_lowers_safety_can_be_set_by_the_environment() {
    for argument in Config::command().get_arguments() {
        let name = argument.get_long().unwrap();
        if name.contains("insecure") || name.contains("danger") {
            assert!(
                argument.get_env().is_none(),
                "--{name} has an environment variable"
            );
        }
    }
}

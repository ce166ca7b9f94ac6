//! README's blocks are kept true: each says how, and here it is done.
//!
//! The form of a block and what its tag means: `xtask::readme`. Blocks tagged `example` are run against a mesh, by the
//! end-to-end tests.
//! Does not live here: links (`tidy`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use stoa_harness::programs::Programs;
use xtask::readme::{self, Block, Shell, Tag};
use xtask::workspace::Workspace;

fn blocks() -> Vec<Block> {
    let page = std::fs::read_to_string(Workspace::of_this_build().path("README.md")).unwrap();
    readme::blocks(&page).unwrap_or_else(|faults| panic!("README.md:\n{}", faults.join("\n")))
}

#[test]
fn every_block_says_how_it_is_kept_true() {
    assert!(!blocks().is_empty());
}

#[test]
fn the_entry_commands_are_run_by_ci() {
    let blocks = blocks();
    let script = std::fs::read_to_string(Workspace::of_this_build().path(".ci/run")).unwrap();
    let missing = readme::missing_in_ci(&blocks, &script);
    assert!(missing.is_empty(), "README.md:\n{}", missing.join("\n"));
    let by_ci = blocks.iter().filter(|block| block.tag == Tag::RunByCi);
    let commands: Vec<String> = by_ci
        .flat_map(|block| block.steps().unwrap())
        .map(|step| step.command)
        .collect();
    for entry in ["cargo demo", "cargo xtask test"] {
        assert!(
            commands.iter().any(|command| command.starts_with(entry)),
            "README.md does not show `{entry}`"
        );
    }
}

#[test]
fn run_blocks_print_what_they_show() {
    let run: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.tag == Tag::Run)
        .collect();
    if run.is_empty() {
        return;
    }
    let programs = Programs::for_tests().unwrap().path("");
    let path = std::env::var("PATH").unwrap_or_default();
    let shell = Shell {
        folder: Workspace::of_this_build().root().to_owned(),
        environment: vec![("PATH".to_owned(), format!("{}:{path}", programs.display()))],
        replace: Vec::new(),
    };
    for block in run {
        let outcome = block
            .steps()
            .map_err(|fault| vec![fault])
            .and_then(|steps| shell.run(&steps));
        if let Err(faults) = outcome {
            panic!("README.md, line {}:\n{}", block.line, faults.join("\n"));
        }
    }
}

//! README's `example` blocks, run against a mesh, and its picture of the demo.

use serde_json::json;
use xtask::readme::{Block, Shell, Tag, blocks};
use xtask::workspace::Workspace;

use crate::mesh::{KNOWN, Mesh};

fn examples(language: &str) -> Vec<Block> {
    let page = std::fs::read_to_string(Workspace::of_this_build().path("README.md")).unwrap();
    let all = blocks(&page).unwrap_or_else(|faults| panic!("{}", faults.join("\n")));
    let wanted = |block: &Block| block.tag == Tag::Example && block.language == language;
    all.into_iter().filter(wanted).collect()
}

/// What README shows of the demo, line by line.
pub(crate) fn demo_transcript() -> Vec<String> {
    let shown = examples("text")
        .into_iter()
        .find(|block| block.body.contains("synthetic TEE"));
    let shown = shown.expect("README shows what the demo prints");
    shown.body.lines().map(str::to_owned).collect()
}

#[test]
fn examples_do_what_they_show_with_the_names_that_are_here() {
    let mesh = Mesh::founded();
    let manifest = json!({
        "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
        "Marbles": {"worker": {"Package": "worker"}},
    });
    std::fs::write(mesh.path("manifest.json"), manifest.to_string()).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let reference = "--coordinator coordinator.json";
    let shell = Shell {
        folder: mesh.folder.path().to_owned(),
        environment: vec![
            (
                "PATH".to_owned(),
                format!("{}:{path}", mesh.programs.path("").display()),
            ),
            ("STOA_STATE_DIR".to_owned(), mesh.path("seen-by-examples")),
        ],
        replace: vec![
            (
                "https://mesh.example:4433".to_owned(),
                mesh.coordinator().url.clone(),
            ),
            // A reader has hardware; this mesh has a synthetic TEE, whose root must be given.
            (
                reference.to_owned(),
                format!("{reference} --insecure-trust-root {}", mesh.root_pem()),
            ),
        ],
    };
    let console = examples("console");
    assert!(!console.is_empty());
    for block in console {
        let steps = block.steps().unwrap();
        shell.run(&steps).unwrap_or_else(|faults| {
            panic!("README.md, line {}:\n{}", block.line, faults.join("\n"))
        });
    }
    assert_eq!(mesh.status()["state"], 3);
}

//! The demo is a test: it runs to its end, and each of its steps can fail.

use std::sync::Mutex;

use tempfile::TempDir;
use xtask::demo::{Options, run};
use xtask::readme::lines_match;

use crate::readme::demo_transcript;

/// Demos take both cores; one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn demo(plant: Option<usize>) -> (Result<(), String>, Vec<String>) {
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let mut said = Vec::new();
    let options = Options {
        keep: false,
        folder: Some(folder.path().join("demo")),
        plant,
    };
    let result = run(&options, &mut |line| said.push(line.to_owned()));
    (result, said)
}

#[test]
fn the_demo_runs_to_its_end() {
    let (result, said) = demo(None);
    let text = said.join("\n");
    assert_eq!(result, Ok(()), "{text}");
    for number in 1..=10 {
        assert!(
            said.iter()
                .any(|line| line.starts_with(&format!("{number:>2} "))),
            "no step {number} in\n{text}"
        );
    }
    assert!(
        text.contains("[measurement-differs]") && text.contains("everything stopped"),
        "{text}"
    );
    let shown = demo_transcript();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let said: Vec<&str> = said.iter().flat_map(|line| line.lines()).collect();
    assert!(
        said.windows(shown.len())
            .any(|lines| lines_match(&shown, lines)),
        "README shows\n{}\nand the demo printed\n{text}",
        shown.join("\n")
    );
}

#[test]
fn each_step_of_the_demo_fails_when_its_world_deviates() {
    let mut wrong = Vec::new();
    for step in 1..=10 {
        let (result, _) = demo(Some(step));
        match result {
            Err(error) if error.starts_with(&format!("step {step},")) => {}
            other => wrong.push(format!("planted in step {step}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

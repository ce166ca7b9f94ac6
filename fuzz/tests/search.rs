//! The search finds what is planted. It builds an engine of its own, so it is left to the long run.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::process::Command;

/// `STOA_TEST_FULL=1`: builds the engine, plants a panic behind five bytes, wants it found. Else: the words only.
#[test]
fn a_planted_panic_is_found_by_a_search_and_wrong_words_are_named() {
    let program = env!("CARGO_BIN_EXE_stoa-fuzz");
    let wrong = Command::new(program).arg("frame").output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("error: `frame` is no target; they are evidence,"),
        "{said}"
    );

    if std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1") {
        let found = Command::new(program)
            .args(["--minutes", "1", "self-test"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!(
            found.status.code(),
            Some(1),
            "{said}{}",
            String::from_utf8_lossy(&found.stderr)
        );
        assert!(said.contains("findings/crash-"), "{said}");
    }
}

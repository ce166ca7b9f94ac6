//! Rules about words: what library crates must not do, what must not be left standing, what must not be named so.

use crate::source::{self, Kind as TokenKind, Token};
use crate::tree::{self, FILES, Kind};

/// Files of library crates that own a process all the same: mains.
fn may_speak(path: &str) -> bool {
    path == "coordinator/server/src/main.rs"
}

/// The one other end of a process, and where it is right: no key may be made from bytes that nobody drew.
const ABORTS: &str = "coordinator/server/src/rng.rs";

/// Printing and ending the process, in a file that must do neither.
fn speech(path: &str, text: &str) -> Vec<String> {
    const MACROS: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];
    const ENDS: [[&str; 2]; 4] = [
        ["process", "exit"],
        ["process", "abort"],
        ["io", "stdout"],
        ["io", "stderr"],
    ];
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let mut faults = Vec::new();
    for (at, token) in left.iter().enumerate() {
        if token.word().is_some_and(|word| MACROS.contains(&word))
            && left.get(at + 1).is_some_and(|next| next.is('!'))
        {
            faults.push(format!(
                "{}: `{}!` in a library",
                token.line,
                token.word().unwrap_or_default()
            ));
        }
    }
    for (line, named) in source::paths(&left) {
        let ends = |end: &[&str; 2]| named.len() >= 2 && named[named.len() - 2..] == *end;
        let may = path == ABORTS && ends(&["process", "abort"]);
        if ENDS.iter().any(ends) && !may {
            faults.push(format!(
                "{line}: `{}` in a library; return an error or an event",
                named.join("::")
            ));
        }
    }
    faults
}

/// Work that was put off, in any Rust file.
fn put_off(_: &str, text: &str) -> Vec<String> {
    const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
    let tokens = source::tokens(text);
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs
        .filter(|(word, mark)| {
            mark.is('!') && word.word().is_some_and(|word| MACROS.contains(&word))
        })
        .map(|(word, _)| {
            format!(
                "{}: `{}!` is left standing",
                word.line,
                word.word().unwrap_or_default()
            )
        })
        .collect()
}

/// `Expected::as_given` and `unverified_body` outside their definitions.
fn unbound_expectations(_: &str, text: &str) -> Vec<String> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    (1..left.len())
        .filter(|at| left[at - 1].word() != Some("fn"))
        .filter_map(|at| {
            let why = match left[at].word()? {
                "as_given" => "`Expected::as_given` may be zero; use `Expected::bound`",
                "unverified_body" => "`unverified_body` is what anybody may have written; verify",
                _ => return None,
            };
            Some(format!("{}: {why}", left[at].line))
        })
        .collect()
}

/// `#[ignore]` that does not say what the test needs.
fn silent_ignores(_: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let mut faults = Vec::new();
    for at in 2..tokens.len() {
        let is_attribute = tokens[at - 1].is('[') && tokens[at - 2].is('#');
        if !is_attribute || tokens[at].word() != Some("ignore") {
            continue;
        }
        let reason = tokens.get(at + 2).and_then(Token::text).unwrap_or_default();
        let line = tokens[at].line;
        match xtask::needs::named_in(reason) {
            None => faults.push(format!(
                "{line}: an ignored test must say what it needs: `needs: go, node`"
            )),
            Some(words) => {
                let unknown = words
                    .iter()
                    .filter(|word| xtask::needs::NEEDS.iter().all(|need| need.name != **word));
                faults.extend(
                    unknown.map(|word| {
                        format!("{line}: `{word}` is not listed in xtask/src/needs.rs")
                    }),
                );
            }
        }
    }
    faults
}

/// Test names that are no sentences.
fn numbered_tests(_: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let mut faults = Vec::new();
    for at in 3..tokens.len() {
        let after_attribute = tokens[at - 1].word() == Some("fn")
            && tokens[at - 2].is(']')
            && tokens[at - 3].word() == Some("test");
        let Some(name) = tokens[at].word().filter(|_| after_attribute) else {
            continue;
        };
        if name.starts_with("test_") || !name.contains('_') {
            faults.push(format!("{}: `{name}` is no sentence", tokens[at].line));
        }
    }
    faults
}

/// Folders of one machine, in any text file: nobody else has them.
fn machine_paths(_: &str, text: &str) -> Vec<String> {
    let folders = ["work", "home", "root", "Users"].map(|folder| format!("/{folder}/"));
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for folder in &folders {
            let own = line
                .match_indices(folder.as_str())
                .find(|(at, _)| is_absolute(line, *at));
            faults.extend(
                own.map(|_| format!("{number}: names a folder of one machine: {}", line.trim())),
            );
        }
    }
    faults
}

/// Whether a slash at `at` starts a path: what stands before it belongs to no other path.
fn is_absolute(line: &str, at: usize) -> bool {
    line[..at]
        .chars()
        .next_back()
        .is_none_or(|before| !before.is_alphanumeric() && !"./_-}~$*".contains(before))
}

/// Whether a wire or stored form is made by deriving on a domain type.
fn serialized_domain(_: &str, text: &str) -> Vec<String> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let named = left
        .iter()
        .filter(|token| token.kind == TokenKind::Word("Serialize".to_owned()));
    named
        .map(|token| {
            format!(
                "{}: `Serialize` on a domain type; give it a stored or a wire twin",
                token.line
            )
        })
        .collect()
}

#[test]
fn library_crates_print_nothing_and_never_exit() {
    let files = FILES.iter().filter(|file| {
        let speaks = file
            .package()
            .is_none_or(|package| matches!(package.kind, Kind::Program | Kind::Workshop));
        file.is_product() && !speaks && !may_speak(&file.path)
    });
    tree::hold(speech, files);
}

#[test]
fn nothing_is_left_to_be_done() {
    tree::hold(put_off, FILES.iter().filter(|file| file.is_rust()));
}

#[test]
fn evidence_is_expected_as_given_in_tests_and_in_evidence_verify_only() {
    let files = FILES
        .iter()
        .filter(|file| file.is_product() && !file.path.starts_with("cli/src/evidence"));
    tree::hold(unbound_expectations, files);
}

#[test]
fn every_ignored_test_says_what_it_needs() {
    tree::hold(silent_ignores, FILES.iter().filter(|file| file.is_rust()));
}

#[test]
fn names_of_tests_are_sentences() {
    tree::hold(numbered_tests, FILES.iter().filter(|file| file.is_rust()));
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    tree::hold(machine_paths, FILES.iter());
}

#[test]
fn domain_types_have_stored_and_wire_twins() {
    const ROOMS: [&str; 3] = [
        "attestation/src/",
        "manifests/src/",
        "coordinator/mesh/src/",
    ];
    let files = FILES.iter().filter(|file| {
        file.is_product()
            && ROOMS.iter().any(|room| file.path.starts_with(room))
            && !file.path.starts_with("coordinator/mesh/src/stored")
    });
    tree::hold(serialized_domain, files);
}

#[test]
fn planted_speech_is_found() {
    for bad in [
        "fn f() { println!(\"x\"); }",
        "fn f() { std::process::exit(1) }",
        "use std::process::exit;",
        "fn f() { writeln!(std::io::stdout(), \"x\"); }",
        "fn f() { dbg!(x); }",
    ] {
        assert_eq!(speech("x.rs", bad).len(), 1, "not found: {bad}");
    }
    assert!(speech(ABORTS, "fn f() { std::process::abort() }").is_empty());
    assert_eq!(speech(ABORTS, "fn f() { std::process::exit(1) }").len(), 1);
    assert!(
        speech(
            "x.rs",
            "#[cfg(test)] mod tests { fn f() { println!(\"x\"); } }\n// println!"
        )
        .is_empty()
    );
}

#[test]
fn planted_words_are_found() {
    let work = concat!("to", "do");
    assert_eq!(put_off("x.rs", &format!("fn f() {{ {work}!() }}")).len(), 1);
    assert_eq!(
        unbound_expectations("x.rs", "let e = Expected::as_given([0; 64]);").len(),
        1
    );
    assert_eq!(
        unbound_expectations("x.rs", "let b = evidence.unverified_body();").len(),
        1
    );
    assert!(unbound_expectations("x.rs", "pub fn as_given(x: [u8; 64]) -> Self {}").is_empty());
    assert_eq!(
        serialized_domain("x.rs", "#[derive(Debug, Serialize)] struct S;").len(),
        1
    );
    assert_eq!(
        numbered_tests(
            "x.rs",
            "#[test] fn test_it() {} #[tokio::test] fn parse() {} #[test] fn it_is_so() {}"
        )
        .len(),
        2
    );
}

#[test]
fn planted_ignores_without_needs_are_found() {
    let ignored = |rest: &str| {
        silent_ignores(
            "x.rs",
            &format!("#[test]\n#[{}{rest}]\nfn f() {{}}", "ignore"),
        )
        .len()
    };
    assert_eq!(ignored(""), 1);
    assert_eq!(ignored(" = \"slow\""), 1);
    assert_eq!(ignored(" = \"needs: unheard-of\""), 1);
    assert_eq!(ignored(" = \"needs: go, node\""), 0);
}

#[test]
fn planted_machine_paths_are_found() {
    let folder = format!("/{}/", "work");
    assert_eq!(
        machine_paths("x.md", &format!("see {folder}main\n`{folder}x`")).len(),
        2
    );
    assert!(machine_paths("x.md", &format!("~{folder}x ./a{folder}x $HOME{folder}x")).is_empty());
}

//! Go's answers, and what is deliberately not as in Go.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

/// The data of tests/templates/oracle/main.go.
struct Oracle;

impl Scope for Oracle {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        let symmetric = |public| Entry {
            kind: EntryKind::SymmetricKey,
            certificate: b"",
            private: b"",
            public,
        };
        let certified = |certificate, private, public| Entry {
            kind: EntryKind::Certificate,
            certificate,
            private,
            public,
        };
        macro_rules! certificate {
            ($name:literal) => {
                concat!(
                    $name,
                    " certificate of more than forty-eight bytes, so that PEM breaks the line"
                )
                .as_bytes()
            };
        }
        Some(match (root, name) {
            (Root::Secrets, "sym") => symmetric("k1é".as_bytes()),
            (Root::Secrets, "with-dash") => symmetric(b"wd"),
            (Root::Secrets, "bytes") => symmetric(b"\x00\xff\x07"),
            (Root::Secrets, "word") => Entry {
                kind: EntryKind::Plain,
                ..symmetric(b"secret word")
            },
            (Root::Secrets, "cert") => certified(certificate!("ct"), b"ct private", b"ct public"),
            (Root::PreviousSecrets, "sym") => symmetric(b"old"),
            (Root::MarbleRun, "RootCA") => certified(certificate!("root"), b"", b"root public"),
            (Root::MarbleRun, "MarbleCert") => {
                certified(certificate!("leaf"), b"leaf private", b"leaf public")
            }
            (Root::MarbleRun, "CoordinatorRoot") => {
                certified(certificate!("top"), b"", b"top public")
            }
            (Root::MarbleRun, "CoordinatorIntermediate") => {
                certified(certificate!("middle"), b"", b"middle public")
            }
            _ => return None,
        })
    }
}

fn rendered(source: &[u8], place: Place) -> Result<Vec<u8>, TemplateError> {
    Ok(Template::parse(source, place)?.render(&Oracle)?.to_vec())
}

/// Templates that Go renders and we refuse on purpose, by the cause that says why.
fn refused_on_purpose(cause: &TemplateCause) -> bool {
    matches!(
        cause,
        // The rest of Go's language, each refused by name.
        TemplateCause::NotServed(_)
            // Go prints structs field by field, `{symmetric-key 32 false ..}`, keys included.
            | TemplateCause::NotPrintable(_)
            // Go hands out all secrets.
            | TemplateCause::NotOneSecret
            // Go writes `%!d(string=x)` into the file.
            | TemplateCause::Printf(_)
            // Go writes `<no value>` into the file.
            | TemplateCause::UnknownSecret { .. }
    )
}

/// Go's answer to a line of the corpus in one place.
fn answers() -> impl Iterator<Item = (String, Place, Option<Vec<u8>>)> {
    let answers = include_str!("../../tests/templates/answers.jsonl");
    answers.lines().flat_map(|line| {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        let source = answer["src"].as_str().unwrap().to_owned();
        [(Place::File, "file"), (Place::Env, "env")].map(|(place, key)| {
            let bytes = match (&answer[key]["out"], &answer[key]["hex"]) {
                (serde_json::Value::String(text), _) => Some(text.clone().into_bytes()),
                (_, serde_json::Value::String(digits)) => Some(hex::decode(digits).unwrap()),
                _ => None,
            };
            (source.clone(), place, bytes)
        })
    })
}

#[test]
fn go_and_we_answer_the_same() {
    let (mut wrong, mut equal, mut on_purpose) = (Vec::new(), 0, String::new());
    for (source, place, go) in answers() {
        let ours = rendered(source.as_bytes(), place);
        match (&go, &ours) {
            (Some(go), Ok(ours)) if go == ours => equal += 1,
            (None, Err(_)) => {}
            (Some(_), Err(error)) if refused_on_purpose(&error.cause) => {
                on_purpose += &format!("{place:?} {source:?}: {}\n", error.cause);
            }
            _ => wrong.push(format!(
                "{place:?}: {source:?}\n  Go   {go:?}\n  ours {ours:?}"
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} differ",
        wrong.join("\n"),
        wrong.len()
    );
    // Else a fault that refuses everything would pass.
    assert_eq!(equal, 254);
    let known = include_str!("../../tests/templates/refused-on-purpose.txt");
    assert!(
        on_purpose == known,
        "tests/templates/refused-on-purpose.txt should be\n{on_purpose}"
    );
}

/// Notes what is looked up.
#[derive(Default)]
struct Noting(std::cell::RefCell<BTreeSet<(Root, String)>>);

impl Scope for Noting {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        if root != Root::MarbleRun {
            self.0.borrow_mut().insert((root, name.to_owned()));
        }
        Oracle.entry(root, name)
    }
}

#[test]
fn exactly_the_secrets_used_are_looked_up() {
    let mut looked_up = 0;
    for (source, place, _) in answers() {
        let Ok(template) = Template::parse(source.as_bytes(), place) else {
            continue;
        };
        let noting = Noting::default();
        if template.render(&noting).is_ok() {
            let used = template
                .secrets_used()
                .map(|used| (used.generation.root(), used.name.clone()));
            assert_eq!(noting.0.into_inner(), used.collect(), "{source:?}");
            looked_up += usize::from(template.secrets_used().next().is_some());
        }
    }
    assert!(
        looked_up > 60,
        "only {looked_up} templates look something up"
    );
}

#[test]
fn errors_name_the_line_of_the_action() {
    let table = [
        ("{{ x }}", 1),
        ("a\nb\n{{ x }}", 3),
        ("{{/* \n\n */}}{{ hex }}", 3),
        ("\n{{ hex\n\n}}", 2),
        ("ok\n{{ \"unclosed }}", 2),
    ];
    for (source, line) in table {
        let refused = rendered(source.as_bytes(), Place::File).unwrap_err();
        assert_eq!(refused.line, line, "{source:?}: {refused}");
    }
}

#[test]
fn parentheses_are_limited_inclusively() {
    let nested = |levels: usize| format!("{{{{ {}1{} }}}}", "(".repeat(levels), ")".repeat(levels));
    let limit = crate::limits::TEMPLATE_DEPTH_MAX;
    assert_eq!(
        rendered(nested(limit).as_bytes(), Place::File).unwrap(),
        b"1"
    );
    let refused = rendered(nested(limit + 1).as_bytes(), Place::File).unwrap_err();
    assert_eq!(refused.cause, TemplateCause::TooDeep);
    // Far deeper than any stack.
    assert!(rendered(nested(1 << 18).as_bytes(), Place::File).is_err());
}

#[test]
fn results_are_limited() {
    let wide = format!(
        "{{{{ printf \"%{}s\" \"\" }}}}",
        crate::limits::PRINTF_WIDTH_MAX
    );
    let count = crate::limits::TEMPLATE_OUTPUT_BYTES_MAX / crate::limits::PRINTF_WIDTH_MAX;
    assert!(rendered(wide.repeat(count).as_bytes(), Place::File).is_ok());
    let refused = rendered((wide.repeat(count) + "x").as_bytes(), Place::File).unwrap_err();
    assert_eq!(refused.cause, TemplateCause::TooLarge);
    let refused = rendered(b"{{ printf \"%1025s\" \"\" }}", Place::File).unwrap_err();
    assert!(
        matches!(refused.cause, TemplateCause::Printf(_)),
        "{refused}"
    );
    assert!(
        rendered(
            b"{{ printf \"%99999999999999999999999999s\" \"\" }}",
            Place::File
        )
        .is_err()
    );
}

#[test]
fn what_is_shown_of_entries_and_errors_holds_no_secret() {
    let entry = Oracle.entry(Root::Secrets, "word").unwrap();
    let shown = format!("{entry:?}");
    assert_eq!(
        shown,
        "Entry { kind: Plain, certificate: 0 bytes, private: <secret>, public: <secret> }"
    );
    for source in [
        "{{ .Secrets.word }}",
        "{{ pem .Secrets.word.Private }}",
        "{{ printf \"%d\" (string .Secrets.word) }}",
    ] {
        let refused = rendered(source.as_bytes(), Place::Env).unwrap_err();
        assert!(
            !format!("{refused} {refused:?}").contains("secret word"),
            "{refused}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_bring_the_evaluator_down(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let source = [b"{{", &bytes[..], b"}}"].concat();
        let _ = rendered(&source, Place::File);
    }

    /// Words of the language in any order.
    #[test]
    fn no_words_bring_the_evaluator_down(words in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{{- ", " -}}", "/*", "*/", "(", ")", "|", " ", ".", "$", ".Secrets", ".sym", ".cert", ".Private",
        ".MarbleRun", ".RootCA", ".Cert", "hex", "pem", "index", "printf", "print", "len", "\"%s\"", "\"%5d\"",
        "\"sym\"", "`", "\"", "\\", "-5", "0x", "1_0", "nil", "true", "é", "\u{1F600}", ":=", "if", "end", "\n",
    ]), 0..24)) {
        let source = words.concat();
        for place in [Place::File, Place::Env] {
            if let Ok(bytes) = rendered(source.as_bytes(), place) {
                prop_assert!(place == Place::File || !bytes.contains(&0));
            }
        }
    }
}

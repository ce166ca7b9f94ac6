//! Go's answers, and what is deliberately not as in Go.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The data of tests/templates/oracle/main.go.
struct Oracle;

impl Scope for Oracle {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        let symmetric = |public: &'static [u8]| Entry {
            kind: EntryKind::SymmetricKey,
            public,
            facts: Facts {
                kind: "symmetric-key",
                size: 8 * u32::try_from(public.len()).unwrap(),
                ..Facts::default()
            },
            ..Entry::default()
        };
        let certified = |certificate, private, public| Entry {
            kind: EntryKind::Certificate,
            certificate,
            private,
            public,
            facts: Facts {
                kind: "cert-ecdsa",
                size: 256,
                ..Facts::default()
            },
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
            (Root::Secrets, "word") => {
                let entry = symmetric(b"secret word");
                let facts = Facts {
                    kind: "plain",
                    ..entry.facts
                };
                Entry {
                    kind: EntryKind::Plain,
                    facts,
                    ..entry
                }
            }
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

    fn names(&self, root: Root) -> Vec<&str> {
        match root {
            Root::Secrets => vec!["bytes", "cert", "sym", "with-dash", "word"],
            _ => vec!["sym"],
        }
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
    assert!(equal >= 590, "only {equal} are equal");
    if std::env::var_os("STOA_BLESS").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/templates/refused-on-purpose.txt"
        );
        std::fs::write(path, &on_purpose).unwrap();
    }
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

    fn names(&self, root: Root) -> Vec<&str> {
        Oracle.names(root)
    }
}

#[test]
fn no_secret_is_looked_up_that_the_tree_does_not_name_and_without_branches_none_is_named_in_vain() {
    let (mut looked_up, mut exact) = (0, 0);
    for (source, place, _) in answers() {
        let Ok(template) = Template::parse(source.as_bytes(), place) else {
            continue;
        };
        let noting = Noting::default();
        if template.render(&noting).is_err() {
            continue;
        }
        let mut used: BTreeSet<_> = template
            .secrets_used()
            .map(|used| (used.generation.root(), used.name.clone()))
            .collect();
        for generation in [Generation::Current, Generation::Previous] {
            if template.uses_all(generation) {
                let root = generation.root();
                used.extend(
                    Oracle
                        .names(root)
                        .into_iter()
                        .map(|name| (root, name.to_owned())),
                );
            }
        }
        let got = noting.0.into_inner();
        assert!(got.is_subset(&used), "{source:?}: {got:?} beyond {used:?}");
        let branches = [
            "if", "with", "and", "or", "range", "template", "block", "define", " = ",
        ];
        let all = [Generation::Current, Generation::Previous];
        let open = all
            .into_iter()
            .any(|generation| template.uses_all(generation));
        if !open && !branches.iter().any(|word| source.contains(word)) {
            assert_eq!(got, used, "{source:?}");
            exact += usize::from(!got.is_empty());
        }
        looked_up += usize::from(!got.is_empty());
    }
    assert!(
        looked_up > 100,
        "only {looked_up} templates look something up"
    );
    assert!(exact > 60, "only {exact} of them have no branches");
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
fn loops_and_calls_are_limited() {
    let table = [
        (
            "{{ range 9999999999 }}{{ end }}",
            TemplateCause::TooManySteps,
        ),
        (
            "{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}",
            TemplateCause::TooManySteps,
        ),
        (
            "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
            TemplateCause::TooDeep,
        ),
    ];
    for (source, cause) in table {
        assert_eq!(
            rendered(source.as_bytes(), Place::File).unwrap_err().cause,
            cause,
            "{source}"
        );
    }
    let nested = |levels: usize| {
        format!(
            "{}x{}",
            "{{ if 1 }}".repeat(levels),
            "{{ end }}".repeat(levels)
        )
    };
    let limit = crate::limits::TEMPLATE_DEPTH_MAX;
    assert_eq!(
        rendered(nested(limit).as_bytes(), Place::File).unwrap(),
        b"x"
    );
    let refused = rendered(nested(limit + 1).as_bytes(), Place::File).unwrap_err();
    assert_eq!(refused.cause, TemplateCause::TooDeep);
    assert!(rendered(nested(1 << 16).as_bytes(), Place::File).is_err());
}

/// Every beginning of a template that is not one itself, and every one with a piece cut out.
#[test]
fn truncated_and_unbalanced_templates_are_refused() {
    let whole = "a{{ if eq (len .Secrets.sym.Private) 4 }}{{ range $i := 2 }}{{ $i }}{{ end }}{{ else }}{{ hex .Secrets.sym }}{{ end }}";
    assert!(rendered(whole.as_bytes(), Place::File).is_ok());
    for end in 3..whole.len() {
        assert!(
            rendered(&whole.as_bytes()[..end], Place::File).is_err(),
            "{}",
            &whole[..end]
        );
    }
    for piece in [
        "{{ end }}",
        "(",
        ")",
        "{{ range $i := 2 }}",
        "{{ if eq (len .Secrets.sym.Private) 4 }}",
        "}}",
        "{{ ",
    ] {
        let cut = whole.replacen(piece, "", 1);
        assert!(rendered(cut.as_bytes(), Place::File).is_err(), "{cut}");
    }
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
        "\"sym\"", "`", "\"", "\\", "-5", "0x", "1_0", "nil", "true", "é", "\u{1F600}", ":=", "if ", "end", "\n",
        "else", "range ", "with ", "$x", "=", ",", "{{end}}", "{{else}}", "define ", "template ", "break", "continue", "eq", "and",
        "or", "not", "slice", "1.5", "'a'", "3", "99999999",
    ]), 0..24)) {
        let source = words.concat();
        for place in [Place::File, Place::Env] {
            if let Ok(bytes) = rendered(source.as_bytes(), place) {
                prop_assert!(place == Place::File || !bytes.contains(&0));
            }
        }
    }
}

/// What a stranger may post is parsed and tried on a thread of the coordinator: within its stack and within bounded work.
#[test]
fn what_is_posted_ends_within_a_threads_stack_and_bounded_work() {
    let many =
        |count: usize, each: &dyn Fn(usize) -> String| -> String { (0..count).map(each).collect() };
    let chain = many(15_000, &|n| {
        format!(
            "{{{{define `a{n}`}}}}{{{{template `a{}`}}}}{{{{end}}}}",
            n + 1
        )
    });
    let grown = |depth: usize| {
        let open = many(depth, &|n| format!("{{{{$v{n} := 1}}}}{{{{if 1}}}}"));
        let close = many(depth, &|n| {
            format!("{{{{$v{} = $}}}}{{{{end}}}}", depth - 1 - n)
        });
        format!("{open}{close}")
    };
    let deep_calls = {
        let opens = "{{if 1}}".repeat(30);
        let ends = "{{end}}".repeat(30);
        many(60, &|n| {
            format!(
                "{{{{define `d{n}`}}}}{opens}{{{{template `d{}`}}}}{ends}{{{{end}}}}",
                n + 1
            )
        }) + "{{define `d60`}}{{end}}{{template `d0`}}"
    };
    let table = [
        ("templates that name each other in a row", format!("{chain}{{{{template `a0`}}}}")),
        ("variables that grow in blocks inside each other", grown(30)),
        ("else if after else if", format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(20_000))),
        ("blocks inside of templates inside of templates", deep_calls),
        ("variables", many(30_000, &|n| format!("{{{{$v{n} := 1}}}}"))),
        (
            "functions over a large value",
            "{{$b := printf \"%1024d\" 1}}{{range 14}}{{$b = print $b $b}}{{end}}{{range 100000}}{{$x := urlquery $b}}{{end}}".to_owned(),
        ),
        (
            "operands",
            format!("{{{{range 100000}}}}{{{{$x := print {}}}}}{{{{end}}}}", "1 ".repeat(10_000)),
        ),
    ];
    for (what, source) in table {
        let ended = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || drop(rendered(source.as_bytes(), Place::File)))
            .unwrap();
        let began = std::time::Instant::now();
        while !ended.is_finished() {
            assert!(began.elapsed().as_secs() < 120, "{what} does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        ended.join().unwrap();
    }
}

/// A loop that assigns to a variable of its own leaves the others what they were.
#[test]
fn a_loop_over_an_assigned_variable_hides_no_use_of_another() {
    let source = "{{$k := 1}}{{$a := .Secrets}}{{range $k = 2}}{{hex $a.sym}}{{end}}";
    let template = Template::parse(source.as_bytes(), Place::File).unwrap();
    let names: Vec<&str> = template
        .secrets_used()
        .map(|used| used.name.as_str())
        .collect();
    assert_eq!(names, ["sym"]);
}

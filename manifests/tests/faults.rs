//! Manifests and everything that is wrong with each: tests/faults.txt. Adding a case is adding lines there.
#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_manifest::Manifest;

/// What a case writes for short.
const SHORTHANDS: [(&str, &str); 4] = [
    (
        "@BASE",
        r#""Packages":{"p":@P},"Marbles":{"m":{"Package":"p"}}"#,
    ),
    ("@P", r#"{"UniqueID":"@32"}"#),
    (
        "@32",
        "0011223344556677889900112233445566778899001122334455667788990011",
    ),
    (
        "@48",
        "001122334455667788990011223344556677889900112233445566778899001122334455667788990011223344556677",
    ),
];

fn expanded(text: &str) -> String {
    SHORTHANDS
        .iter()
        .fold(text.to_owned(), |text, (short, long)| {
            text.replace(short, long)
        })
}

/// Everything that is said about a manifest, one line each.
fn said(text: &str) -> Vec<String> {
    match Manifest::parse(text.as_bytes()) {
        Ok(manifest) if manifest.warnings().is_empty() => vec!["accepted".into()],
        Ok(manifest) => manifest
            .warnings()
            .iter()
            .map(|warning| format!("warning: {warning}"))
            .collect(),
        Err(faults) => faults.faults().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_manifest_ends_as_its_case_says() {
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for case in include_str!("faults.txt")
        .split("\n\n")
        .map(str::trim)
        .filter(|case| !case.is_empty())
    {
        let lines = || case.lines().filter(|line| !line.starts_with('#'));
        let text: Vec<_> = lines().filter(|line| !line.starts_with("=> ")).collect();
        if text.is_empty() {
            continue; // only comments
        }
        let want: Vec<_> = lines()
            .filter_map(|line| line.strip_prefix("=> "))
            .map(str::to_owned)
            .collect();
        let got = said(&expanded(&text.join("\n")));
        cases += 1;
        if got != want {
            wrong.push(format!("{}\n=> {}\n", text.join("\n"), got.join("\n=> ")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} of {cases} differ",
        wrong.join("\n"),
        wrong.len()
    );
    assert!(cases >= 120, "only {cases} cases");
}

//! Rule: every error code that the code can say is listed in `stoa-explain`, and every listed code can be said; the
//! page of codes is what the list says.

use std::collections::BTreeSet;

use crate::source::{self, Token};
use crate::tree::{self, FILES};

/// The string literals in the bodies of `fn code(&self) -> &'static str`, with their lines.
fn said(text: &str) -> Vec<(usize, String)> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let starts = |at: usize| {
        let signature = source::tokens("fn code(&self) -> &'static str {");
        left[at..].len() >= signature.len()
            && left[at..]
                .iter()
                .zip(&signature)
                .all(|(a, b)| a.kind == b.kind)
    };
    let mut found = Vec::new();
    for at in (0..left.len()).filter(|at| starts(*at)) {
        let open = left[at..]
            .iter()
            .position(|token| token.is('{'))
            .map_or(at, |offset| at + offset);
        let body = &left[open..source::closing(&left, open)];
        found.extend(
            body.iter()
                .filter_map(|token| Some((token.line, token.text()?.to_owned()))),
        );
    }
    found
}

fn unlisted(_: &str, text: &str) -> Vec<String> {
    said(text)
        .into_iter()
        .filter(|(_, code)| stoa_explain::lookup(code).is_none())
        .map(|(line, code)| format!("{line}: code `{code}` has no entry in explain/src/codes/"))
        .collect()
}

#[test]
fn every_code_that_can_be_said_is_listed() {
    tree::hold(unlisted, FILES.iter().filter(|file| file.is_product()));
}

#[test]
fn every_listed_code_can_be_said() {
    let mut used = BTreeSet::new();
    for file in FILES
        .iter()
        .filter(|file| file.is_product() && !file.path.starts_with("explain/"))
    {
        let left = source::strip(&source::tokens(&file.text), source::is_test_only).tokens;
        used.extend(left.iter().filter_map(Token::text).map(str::to_owned));
    }
    let idle: Vec<&str> = stoa_explain::codes()
        .map(|entry| entry.code)
        .filter(|code| !used.contains(*code))
        .collect();
    assert!(
        idle.is_empty(),
        "listed in explain/src/codes/ and said nowhere: {}",
        idle.join(", ")
    );
}

#[test]
fn the_page_of_codes_is_current() {
    let page = &tree::file(xtask::reference::ERRORS_PAGE).text;
    assert!(
        *page == xtask::reference::errors_page(),
        "{} is not what the codes say: run `cargo xtask docs`",
        xtask::reference::ERRORS_PAGE
    );
}

#[test]
fn a_planted_code_that_nobody_listed_is_found() {
    let text = "impl Explain for E { fn code(&self) -> &'static str { match self { A => \"no-such-code\", B { .. } => \"never-heard\" } } fn f() { \"other\" } }";
    assert_eq!(unlisted("x.rs", text).len(), 2);
    assert!(
        unlisted(
            "x.rs",
            "trait T { fn code(&self) -> u8; } const X: &str = \"no-such-code\";"
        )
        .is_empty()
    );
}

/// Codes that evidence, collateral and policy can end with and that no test of the verifier names as an ending.
fn never_yielded(product: &[&str], tests: &[&str]) -> Vec<String> {
    let mut named = BTreeSet::new();
    for text in tests {
        let tokens = source::tokens(text);
        named.extend(tokens.iter().filter_map(Token::text).map(str::to_owned));
    }
    let codes = product.iter().flat_map(|text| said(text));
    codes
        .map(|(_, code)| code)
        .filter(|code| !named.contains(code))
        .collect()
}

/// Row J1: each variant of `Invalid` and `Refusal` has a mutation or a world that yields it.
#[test]
fn every_ending_of_a_verification_is_seen_in_a_test() {
    let texts = |wanted: fn(&str) -> bool| -> Vec<&str> {
        let files = FILES.iter().filter(|file| wanted(&file.path));
        files.map(|file| file.text.as_str()).collect()
    };
    let product = texts(|path| {
        path.starts_with("attestation/src/") && !path.starts_with("attestation/src/channel/")
    });
    let missing = never_yielded(
        &product,
        &texts(|path| path.starts_with("attestation/tests/")),
    );
    assert!(missing.is_empty(), "no test ends with {missing:?}");
}

#[test]
fn a_planted_ending_without_a_test_is_found() {
    let product = "impl Explain for E { fn code(&self) -> &'static str { match self { A => \"seen\", B { .. } => \"unseen\" } } }";
    assert_eq!(never_yielded(&[product], &["=> \"seen\";"]), ["unseen"]);
}

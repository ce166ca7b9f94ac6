//! Rule: every limit has a name, and every name of a limit stands in docs/reference/limits.md.

use crate::source::{self, Token};
use crate::tree::{self, FILES};

const PAGE: &str = "docs/reference/limits.md";

/// Public constants that are limits by their name.
fn limits(text: &str) -> Vec<(usize, String)> {
    let left = source::strip(&source::tokens(text), source::is_test_only).tokens;
    let mut found = Vec::new();
    for at in 2..left.len() {
        let name = left[at].word().unwrap_or_default();
        let is_limit = name.split('_').any(|part| part == "MAX" || part == "LIMIT");
        let is_public = left[at - 1].word() == Some("const") && left[at - 2].word() == Some("pub");
        if is_limit && is_public {
            found.push((left[at].line, name.to_owned()));
        }
    }
    found
}

fn undocumented(text: &str, page: &str) -> Vec<String> {
    limits(text)
        .into_iter()
        .filter(|(_, name)| !page.contains(&format!("`{name}`")))
        .map(|(line, name)| format!("{line}: limit `{name}` is not in {PAGE}"))
        .collect()
}

#[test]
fn every_limit_stands_in_the_page_of_limits() {
    let page = &tree::file(PAGE).text;
    tree::hold(
        |_, text| undocumented(text, page),
        FILES.iter().filter(|file| file.is_product()),
    );
}

#[test]
fn every_limit_of_the_page_exists() {
    let mut known = std::collections::BTreeSet::new();
    for file in FILES.iter().filter(|file| file.is_product()) {
        known.extend(
            source::tokens(&file.text)
                .iter()
                .filter_map(Token::word)
                .map(str::to_owned),
        );
    }
    let page = &tree::file(PAGE).text;
    let named = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_') && name.to_uppercase() == **name);
    let gone: Vec<&str> = named.filter(|name| !known.contains(*name)).collect();
    assert!(
        gone.is_empty(),
        "{PAGE} names limits that no code has: {}",
        gone.join(", ")
    );
}

#[test]
fn a_planted_limit_that_no_page_names_is_found() {
    let text =
        "pub const BODY_BYTES_MAX: usize = 1;\nconst OWN_MAX: u8 = 2;\npub const MAXIMAL: u8 = 3;";
    assert_eq!(undocumented(text, "| body | 1 | `BODY_BYTES` |").len(), 1);
    assert!(undocumented(text, "| body | 1 | `BODY_BYTES_MAX` |").is_empty());
}

//! Rust source as far as the rules need it: tokens with lines, what is left without tests, which paths it names.
//!
//! Source: The Rust Reference, "Lexical structure" (comments, string and character literals, lifetimes).
//! Does not live here: any rule.

use std::collections::BTreeSet;

/// One token, with the line it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Identifiers, keywords, numbers.
    Word(String),
    /// A string literal's text between its quotes, escapes as written.
    Text(String),
    /// `::`
    PathSep,
    /// Any other character of the code. Character literals and lifetimes leave nothing.
    Mark(char),
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// All tokens of a file.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        tokens: Vec::new(),
    };
    while lexer.step() {}
    lexer.tokens
}

struct Lexer<'t> {
    rest: &'t str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        let line = self.line;
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end);
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some((hashes, open)) = raw_string(self.rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = &self.rest[open..];
            let end = body.find(&close).unwrap_or(body.len());
            let body = body[..end].to_owned();
            self.take((open + end + close.len()).min(self.rest.len()));
            self.push(line, Kind::Text(body));
        } else if first == '"' || self.rest.starts_with("b\"") || self.rest.starts_with("c\"") {
            let open = if first == '"' { 1 } else { 2 };
            let body = &self.rest[open..];
            let end = quoted(body, '"');
            let body = body[..end].to_owned();
            self.take((open + end + 1).min(self.rest.len()));
            self.push(line, Kind::Text(body));
        } else if first == '\'' || self.rest.starts_with("b'") {
            let open = if first == '\'' { 1 } else { 2 };
            self.take(open + character(&self.rest[open..]));
        } else if first == '_' || first.is_alphanumeric() {
            let raw = self.rest.strip_prefix("r#").unwrap_or(self.rest);
            let skip = self.rest.len() - raw.len();
            let end = raw
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(raw.len());
            let word = raw[..end].to_owned();
            self.take(skip + end);
            self.push(line, Kind::Word(word));
        } else if self.rest.starts_with("::") {
            self.take(2);
            self.push(line, Kind::PathSep);
        } else {
            self.take(first.len_utf8());
            if !first.is_whitespace() {
                self.push(line, Kind::Mark(first));
            }
        }
        true
    }

    fn take(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }

    fn push(&mut self, line: usize, kind: Kind) {
        self.tokens.push(Token { line, kind });
    }
}

/// Bytes of a block comment, with those inside it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Number of hashes and bytes up to the text, if a raw string starts here.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let after = ["r", "br", "cr"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    body.starts_with('"')
        .then(|| (hashes, text.len() - body.len() + 1))
}

/// Bytes up to the closing quote, escapes skipped.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Bytes behind an apostrophe that belong to a character literal; a lifetime's name is left to be read as nothing too.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else {
        return 0;
    };
    if first == '\\' {
        return (quoted(text, '\'') + 1).min(text.len());
    }
    match chars.next() {
        Some((at, '\'')) => at + 1,
        _ => text
            .find(|c: char| c != '_' && !c.is_alphanumeric())
            .unwrap_or(text.len()),
    }
}

/// What is left of a file without what `drop` says of its attributes, and the modules in other files that went with it.
pub(crate) struct Stripped {
    pub(crate) tokens: Vec<Token>,
    /// Names `x` of dropped `mod x;`.
    pub(crate) modules: BTreeSet<String>,
}

/// Leaves out every item with an attribute that `drop` is true for; the attribute comes as the tokens in its brackets.
pub(crate) fn strip(tokens: &[Token], drop: impl Fn(&[Token]) -> bool) -> Stripped {
    let mut kept = Vec::new();
    let mut modules = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some((inner, end)) = attribute(tokens, at)
            && drop(&tokens[inner.0..inner.1])
        {
            if tokens[at + 1].is('!') {
                return Stripped {
                    tokens: Vec::new(),
                    modules,
                };
            }
            let end_of_item = item_end(tokens, end);
            modules.extend(outside_module(&tokens[end..end_of_item]));
            at = end_of_item;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    Stripped {
        tokens: kept,
        modules,
    }
}

/// Whether an attribute marks code that exists in tests only.
pub(crate) fn is_test_only(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    match words.as_slice() {
        ["cfg", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not"),
        ["test"] | ["tokio", "test", ..] => true,
        _ => false,
    }
}

/// Whether an attribute marks code that exists with a feature only.
pub(crate) fn is_feature_only(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    words.first() == Some(&"cfg") && words.contains(&"feature") && !words.contains(&"not")
}

/// Range of an attribute's inside and the index behind it, if one starts at `at`.
fn attribute(tokens: &[Token], at: usize) -> Option<((usize, usize), usize)> {
    let open = at + 1 + usize::from(tokens.get(at + 1)?.is('!'));
    if !tokens[at].is('#') || !tokens.get(open)?.is('[') {
        return None;
    }
    let end = closing(tokens, open);
    Some(((open + 1, end), (end + 1).min(tokens.len())))
}

/// Index of the bracket that closes the one at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Index behind the item that starts at `at`, further attributes included.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Mark(';') => return at + 1,
            Kind::Mark('{') => return (closing(tokens, at) + 1).min(tokens.len()),
            Kind::Mark('(' | '[') => at = closing(tokens, at) + 1,
            // The end of what the item stands in: a field or an arm without a semicolon.
            Kind::Mark('}') => return at,
            _ => at += 1,
        }
    }
    tokens.len()
}

fn outside_module(item: &[Token]) -> Option<String> {
    let at = item.iter().position(|token| token.word() == Some("mod"))?;
    let name = item.get(at + 1)?.word()?;
    item.get(at + 2)?.is(';').then(|| name.to_owned())
}

/// Every path that a file names: each leaf of a `use` tree, and each path with `::` in code.
pub(crate) fn paths(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].word() == Some("use") && !after_colon(tokens, at) {
            at = use_tree(tokens, at + 1, &[], &mut found);
        } else if tokens[at].word().is_some() {
            let line = tokens[at].line;
            let mut path = vec![tokens[at].word().unwrap_or_default().to_owned()];
            at += 1;
            while tokens
                .get(at)
                .is_some_and(|token| token.kind == Kind::PathSep)
            {
                let Some(word) = tokens.get(at + 1).and_then(Token::word) else {
                    break;
                };
                path.push(word.to_owned());
                at += 2;
            }
            if path.len() > 1 {
                found.push((line, path));
            }
        } else {
            at += 1;
        }
    }
    found
}

/// `impl Trait + use<'a>` is no import.
fn after_colon(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| token.is('<'))
}

/// Reads one use tree and gives the index behind it.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::PathSep => at += 1,
            Kind::Word(word) if word == "as" => at += 2,
            Kind::Word(word) => {
                if word != "self" || path.is_empty() {
                    path.push(word.clone());
                }
                at += 1;
            }
            Kind::Mark('*') => {
                path.push("*".to_owned());
                at += 1;
            }
            Kind::Mark('{') => {
                let end = closing(tokens, at);
                at += 1;
                while at < end {
                    at = use_tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|token| token.is(',')) {
                        at += 1;
                    }
                }
                return end + 1;
            }
            _ => break,
        }
    }
    found.push((line, path));
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text)
            .iter()
            .filter_map(Token::word)
            .map(str::to_owned)
            .collect()
    }

    fn joined(text: &str) -> Vec<String> {
        paths(&tokens(text))
            .into_iter()
            .map(|(_, path)| path.join("::"))
            .collect()
    }

    #[test]
    fn comments_literals_and_lifetimes_are_no_code() {
        assert_eq!(words("a // b\n/* c /* d */ e */ f"), ["a", "f"]);
        assert_eq!(
            words(r##"x("std::fs", r#"y " z"#, b"q\"r", 'c', '\'', b'd')"##),
            ["x"]
        );
        assert_eq!(
            words("fn f<'a>(x: &'a str) -> &'static u8"),
            ["fn", "f", "x", "str", "u8"]
        );
        assert_eq!(words("r#type r b"), ["type", "r", "b"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let got = tokens("a\n\"x\ny\"\n/*\n*/ b");
        assert_eq!(got.last().map(|token| token.line), Some(5));
    }

    #[test]
    fn code_of_tests_is_left_out_to_its_end() {
        let text = "use a::b;\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn f() { c::d() } }\nfn g() {}\n\
                    #[cfg(test)] mod outside;\n#[cfg(not(test))] fn h() {}\n#[test] fn i() -> [u8; 2] { e::f() }";
        let left = strip(&tokens(text), is_test_only);
        assert_eq!(left.modules.iter().collect::<Vec<_>>(), ["outside"]);
        let words: Vec<&str> = left.tokens.iter().filter_map(Token::word).collect();
        assert!(words.contains(&"g") && words.contains(&"h"), "{words:?}");
        assert!(!words.contains(&"c") && !words.contains(&"i"), "{words:?}");
        assert!(
            strip(&tokens("#![cfg(test)]\nfn f() {}"), is_test_only)
                .tokens
                .is_empty()
        );
    }

    #[test]
    fn feature_code_is_told_by_its_attribute() {
        let text = "#[cfg(feature = \"http\")]\npub mod http;\nfn f() {}";
        let left = strip(&tokens(text), is_feature_only);
        assert!(left.modules.contains("http"));
        assert_eq!(left.tokens.len(), 6);
    }

    #[test]
    fn use_trees_are_read_to_their_leaves() {
        assert_eq!(
            joined("use std::{collections::BTreeMap, fs::{self, File as F}, io::*};"),
            [
                "std::collections::BTreeMap",
                "std::fs",
                "std::fs::File",
                "std::io::*"
            ]
        );
        assert_eq!(joined("pub(crate) use ::tokio::net;"), ["tokio::net"]);
    }

    #[test]
    fn paths_in_code_are_found_and_macros_are_not_paths() {
        assert_eq!(
            joined("fn f() { let t = SystemTime::now(); std::fs::read(env!(\"X\")); }"),
            ["SystemTime::now", "std::fs::read"]
        );
        assert!(joined("fn f() -> impl Sized + use<> {}").is_empty());
    }
}

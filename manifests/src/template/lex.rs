//! Templates to tokens. Source: the lexer of Go's text/template/parse (Go 1.26), whose rules are followed case by case:
//! spaces are tokens, a field or identifier ends only at certain characters, trim markers need their space.
//!
//! Text outside of actions is bytes and need not be UTF-8; inside of actions it must be.
//! Does not live here: what tokens mean together (`parse`).

use super::error::{TemplateCause, TemplateError};

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// Bytes between actions, trimmed already; never empty.
    Text(&'s [u8]),
    /// `{{`
    Open,
    /// `}}`
    Close,
    Space,
    Identifier(&'s str),
    /// `if`, `range`, `end` ...
    Keyword(&'s str),
    /// `.Name`, without its dot.
    Field(&'s str),
    Dot,
    /// `$` (empty) or `$name`, without the `$`.
    Variable(&'s str),
    Bool(bool),
    Nil,
    Number(&'s str),
    /// `'x'`, with its quotes.
    Character(&'s str),
    /// `"x"`, without its quotes, escapes not yet resolved.
    Quoted(&'s str),
    /// Between back quotes.
    Raw(&'s str),
    Pipe,
    LeftParen,
    RightParen,
    Assign,
    Declare,
    /// Any other printable ASCII character.
    Other(char),
}

const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];

const OPEN: &[u8] = b"{{";
const CLOSE: &[u8] = b"}}";

/// Splits a template into tokens, each with the offset at which it begins.
pub(super) fn tokens(source: &[u8]) -> Result<Vec<(Token<'_>, usize)>, TemplateError> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    while lexer.text()? {
        lexer.action()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s [u8],
    at: usize,
    tokens: Vec<(Token<'s>, usize)>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s [u8] {
        &self.source[self.at..]
    }

    fn fault(&self, at: usize, cause: TemplateCause) -> TemplateError {
        TemplateError::at(self.source, at, cause)
    }

    fn syntax(&self, at: usize, why: impl Into<String>) -> TemplateError {
        self.fault(at, TemplateCause::Syntax(why.into()))
    }

    /// Takes text, comments and the next opening delimiter. False at the end.
    fn text(&mut self) -> Result<bool, TemplateError> {
        loop {
            let start = self.at;
            let Some(length) = find(self.rest(), OPEN) else {
                self.push_text(self.rest(), start);
                self.at = self.source.len();
                return Ok(false);
            };
            let open = start + length;
            self.at = open + OPEN.len();
            let trims = left_trim(self.rest());
            let text = &self.source[start..open];
            self.push_text(if trims { trim_end(text) } else { text }, start);
            let after_marker = if trims { 2 } else { 0 };
            if !self.source[self.at + after_marker..].starts_with(b"/*") {
                self.at += after_marker;
                self.tokens.push((Token::Open, open));
                return Ok(true);
            }
            self.at += after_marker + 2;
            self.comment(open)?;
        }
    }

    fn push_text(&mut self, text: &'s [u8], at: usize) {
        if !text.is_empty() {
            self.tokens.push((Token::Text(text), at));
        }
    }

    /// Takes the rest of a comment, whose `/*` is taken.
    fn comment(&mut self, open: usize) -> Result<(), TemplateError> {
        let Some(length) = find(self.rest(), b"*/") else {
            return Err(self.syntax(open, "the comment is not closed; write `*/}}`"));
        };
        self.at += length + 2;
        if !self.close() {
            return Err(self.syntax(open, "`}}` must follow the comment's `*/` at once"));
        }
        Ok(())
    }

    /// Takes a closing delimiter with its trim marker, if one is here.
    fn close(&mut self) -> bool {
        let trims = right_trim(self.rest());
        let marker = if trims { 2 } else { 0 };
        if !self.source[self.at + marker..].starts_with(CLOSE) {
            return false;
        }
        self.at += marker + CLOSE.len();
        if trims {
            self.at += self
                .rest()
                .iter()
                .take_while(|byte| is_space(**byte))
                .count();
        }
        true
    }

    /// Takes the tokens of an action, whose `{{` is taken, and its closing delimiter.
    fn action(&mut self) -> Result<(), TemplateError> {
        let mut parens: usize = 0;
        loop {
            let start = self.at;
            if self.close() {
                if parens > 0 {
                    return Err(self.syntax(start, "a `(` is not closed"));
                }
                self.tokens.push((Token::Close, start));
                return Ok(());
            }
            let token = self.token()?;
            match token {
                Token::LeftParen => parens += 1,
                Token::RightParen if parens == 0 => {
                    return Err(self.syntax(start, "a `)` closes nothing"));
                }
                Token::RightParen => parens -= 1,
                _ => {}
            }
            self.tokens.push((token, start));
        }
    }

    fn token(&mut self) -> Result<Token<'s>, TemplateError> {
        let start = self.at;
        let Some(first) = self.next()? else {
            return Err(self.syntax(start, "the action is not closed; write `}}`"));
        };
        Ok(match first {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => Token::Assign,
            ':' => match self.next()? {
                Some('=') => Token::Declare,
                _ => return Err(self.syntax(start, "`:` without `=`")),
            },
            '|' => Token::Pipe,
            '(' => Token::LeftParen,
            ')' => Token::RightParen,
            '"' => Token::Quoted(self.quoted(start, '"', "the text")?),
            '\'' => {
                self.quoted(start, '\'', "the character")?;
                Token::Character(self.taken(start)?)
            }
            '`' => self.raw(start)?,
            '$' => Token::Variable(self.word(start + 1)?),
            '.' if !self.rest().first().is_some_and(u8::is_ascii_digit) => {
                match self.word(start + 1)? {
                    "" => Token::Dot,
                    name => Token::Field(name),
                }
            }
            '.' | '+' | '-' | '0'..='9' => self.number(start)?,
            c if is_word(c) => match self.word(start)? {
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                "nil" => Token::Nil,
                word if KEYWORDS.contains(&word) => Token::Keyword(word),
                word => Token::Identifier(word),
            },
            c if c.is_ascii_graphic() => Token::Other(c),
            c => return Err(self.syntax(start, format!("{c:?} has no meaning in an action"))),
        })
    }

    /// A run of spaces; the one before `-}}` belongs to that.
    fn space(&mut self) -> Token<'s> {
        while self.rest().first().is_some_and(|byte| is_space(*byte)) {
            self.at += 1;
        }
        let before = &self.source[self.at - 1..];
        if right_trim(before) && before[2..].starts_with(CLOSE) {
            self.at -= 1;
        }
        Token::Space
    }

    /// Letters, digits and `_` from here on; `start` is where the word begins.
    fn word(&mut self, start: usize) -> Result<&'s str, TemplateError> {
        while self.peek()?.is_some_and(is_word) {
            self.next()?;
        }
        let ends = match self.peek()? {
            None => true,
            Some(c) => {
                matches!(
                    c,
                    ' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '('
                ) || self.rest().starts_with(CLOSE)
            }
        };
        if !ends {
            let why = match self.peek()? {
                Some('-') => "'-' in a name; write `index .Secrets \"a-b\"` for `a-b`".to_owned(),
                c => format!(
                    "{:?} right after a name; write a space",
                    c.unwrap_or_default()
                ),
            };
            return Err(self.syntax(start, why));
        }
        self.taken(start)
    }

    /// The rest of a quoted text or character on one line; gives what stands between the quotes.
    fn quoted(&mut self, start: usize, quote: char, what: &str) -> Result<&'s str, TemplateError> {
        let inside = self.at;
        loop {
            let end = self.at;
            let c = match self.next()? {
                Some('\\') => self.next()?.filter(|c| *c != '\n').map(|_| '\\'),
                Some('\n') | None => None,
                other => other,
            };
            match c {
                None => {
                    return Err(self.syntax(start, format!("{what} is not closed; write {quote}")));
                }
                Some(c) if c == quote => return self.between(inside, end),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self, start: usize) -> Result<Token<'s>, TemplateError> {
        let inside = self.at;
        let Some(length) = self.rest().iter().position(|byte| *byte == b'`') else {
            return Err(self.syntax(start, "the raw text is not closed; write `"));
        };
        self.at += length + 1;
        Ok(Token::Raw(self.between(inside, inside + length)?))
    }

    /// A number, roughly: whatever the parser then can't read is no number.
    fn number(&mut self, start: usize) -> Result<Token<'s>, TemplateError> {
        let is_part = |before: char, c: char| {
            is_word(c)
                || c == '.'
                || (matches!(c, '+' | '-') && matches!(before, 'e' | 'E' | 'p' | 'P'))
        };
        let mut before = ' ';
        while let Some(c) = self.peek()?.filter(|c| is_part(before, *c)) {
            before = c;
            self.next()?;
        }
        Ok(Token::Number(self.taken(start)?))
    }

    fn taken(&self, start: usize) -> Result<&'s str, TemplateError> {
        self.between(start, self.at)
    }

    fn between(&self, start: usize, end: usize) -> Result<&'s str, TemplateError> {
        std::str::from_utf8(&self.source[start..end])
            .map_err(|_| self.fault(start, TemplateCause::NotText))
    }

    /// The character here, not taken.
    fn peek(&self) -> Result<Option<char>, TemplateError> {
        // A character has at most 4 bytes; cut short at the end of the source it is still whole, if it is one.
        let window = &self.rest()[..self.rest().len().min(4)];
        let valid = match std::str::from_utf8(window) {
            Ok(text) => text,
            Err(error) if error.valid_up_to() > 0 => {
                std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Err(self.fault(self.at, TemplateCause::NotText)),
        };
        Ok(valid.chars().next())
    }

    /// Takes the character here.
    fn next(&mut self) -> Result<Option<char>, TemplateError> {
        let c = self.peek()?;
        self.at += c.map_or(0, char::len_utf8);
        Ok(c)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// `- ` after `{{`.
fn left_trim(after: &[u8]) -> bool {
    matches!(after, [b'-', space, ..] if is_space(*space))
}

/// ` -` before `}}`.
fn right_trim(at: &[u8]) -> bool {
    matches!(at, [space, b'-', ..] if is_space(*space))
}

fn trim_end(text: &[u8]) -> &[u8] {
    let kept = text
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |last| last + 1);
    &text[..kept]
}

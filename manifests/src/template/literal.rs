//! Constants of the template language. Source: Go's language specification (integer and string literals) and
//! strconv.Unquote.

use super::error::TemplateCause;

/// A number constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Constant {
    Integer(i64),
    /// Finite.
    Float(f64),
}

/// A number, as Go reads one: sign, decimal, 0x, 0o, 0b or a leading 0 (octal), `_` between digits; or with a point or an
/// exponent.
pub(super) fn number(text: &str) -> Result<Constant, TemplateCause> {
    let bad = || TemplateCause::Syntax(format!("`{text}` is no number"));
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    if lower.ends_with('i') {
        let what = format!("the constant `{text}` (a complex number)");
        return Err(TemplateCause::NotServed(what));
    }
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if lower.contains('.') || lower.contains('p') || (radix != 16 && lower.contains('e')) {
        return float(text, negative, &lower);
    }
    // An underscore stands between digits, or between the prefix and a digit.
    let prefixed = radix != 10;
    let loose =
        digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed);
    let digits = digits.replace('_', "");
    if loose || digits.is_empty() {
        return Err(bad());
    }
    let value = i128::from_str_radix(&digits, radix).map_err(|_| bad())?;
    i64::try_from(if negative { -value } else { value })
        .map(Constant::Integer)
        .map_err(|_| TemplateCause::Syntax(format!("`{text}` does not fit into 64 bits")))
}

fn float(text: &str, negative: bool, lower: &str) -> Result<Constant, TemplateCause> {
    if lower.starts_with("0x") || lower.contains('_') {
        let what = format!("the constant `{text}` (hexadecimal, or with `_`)");
        return Err(TemplateCause::NotServed(what));
    }
    let digits = lower
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
    let value: Option<f64> = lower.parse().ok().filter(|_| digits);
    match value.filter(|value: &f64| value.is_finite()) {
        Some(value) => Ok(Constant::Float(if negative { -value } else { value })),
        None => Err(TemplateCause::Syntax(format!("`{text}` is no number"))),
    }
}

/// A character constant with its quotes: its code point, as Go takes it for a number.
pub(super) fn character(text: &str) -> Result<i64, TemplateCause> {
    let bad = || TemplateCause::Syntax(format!("{text} is no character"));
    let inner = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .ok_or_else(bad)?;
    if inner == "\\'" {
        return Ok(i64::from(b'\''));
    }
    // Double quotes need no escape here, and must have none.
    let bytes = match inner {
        "\"" => vec![b'"'],
        "\\\"" => return Err(bad()),
        inner => unquote(inner).map_err(|_| bad())?,
    };
    // A byte of an escape is the code point, whatever it would be in UTF-8.
    let escape = inner.strip_prefix('\\').unwrap_or_default();
    if escape.starts_with(|c: char| c == 'x' || c.is_digit(8)) {
        return match bytes[..] {
            [byte] => Ok(i64::from(byte)),
            _ => Err(bad()),
        };
    }
    let whole = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    let mut characters = whole.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Ok(i64::from(u32::from(c))),
        _ => Err(bad()),
    }
}

/// What stands between double quotes, with its escapes resolved. An escape can give any byte.
pub(super) fn unquote(text: &str) -> Result<Vec<u8>, TemplateCause> {
    let bad = || TemplateCause::Syntax(format!("\"{text}\" has an escape that Go does not know"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let kind = escape.bytes().next().ok_or_else(bad)?;
        let (radix, length, skip) = match kind {
            b'x' => (16, 2, 1),
            b'u' => (16, 4, 1),
            b'U' => (16, 8, 1),
            b'0'..=b'7' => (8, 3, 0),
            _ => {
                bytes.push(simple_escape(kind).ok_or_else(bad)?);
                rest = &escape[1..];
                continue;
            }
        };
        let digits = escape.get(skip..skip + length).ok_or_else(bad)?;
        if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
            return Err(bad());
        }
        let value = u32::from_str_radix(digits, radix).map_err(|_| bad())?;
        if matches!(kind, b'u' | b'U') {
            let c = char::from_u32(value).ok_or_else(bad)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes.push(u8::try_from(value).map_err(|_| bad())?);
        }
        rest = &escape[skip + length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn simple_escape(kind: u8) -> Option<u8> {
    Some(match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => kind,
        _ => return None,
    })
}

//! `printf`: the verbs %s %v %q %d %x %X %o %b %c %U %t %e %f %g %% with a width, a precision and the flags `- 0 + #` and space.
//! Source: Go's package fmt.
//!
//! A verb that does not fit its argument, a missing and a spare argument are errors; Go writes `%!d(string=x)` and goes on,
//! which in a file of keys nobody wants.

use super::buffer::{Buffer, Case};
use super::error::TemplateCause;
use super::eval::print;
use super::number;
use super::value::{Bytes, Part, Value};
use crate::limits::PRINTF_WIDTH_MAX;

/// Formats the arguments after the first by the first.
pub(super) fn format(arguments: &[Value<'_>]) -> Result<Buffer, TemplateCause> {
    let Some((Value::Text(format), arguments)) = arguments.split_first() else {
        let got = arguments.first().map_or("none".into(), Value::described);
        return Err(TemplateCause::Arguments {
            function: "printf",
            wanted: "a format first",
            got,
        });
    };
    let mut out = Buffer::default();
    let mut arguments = arguments.iter();
    let mut rest: &[u8] = format;
    let mut count = 0;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        out.push(&rest[..at])?;
        let (verb, after) = Verb::read(&rest[at + 1..])?;
        rest = after;
        if verb.letter == b'%' {
            out.text("%")?;
            continue;
        }
        count += 1;
        let Some(argument) = arguments.next() else {
            let cause = format!(
                "verb {count}, `%{}`, has no argument",
                char::from(verb.letter)
            );
            return Err(TemplateCause::Printf(cause));
        };
        verb.write(argument, &mut out)?;
    }
    out.push(rest)?;
    match arguments.len() {
        0 => Ok(out),
        spare => Err(TemplateCause::Printf(format!(
            "{count} verbs for {} arguments",
            count + spare
        ))),
    }
}

struct Verb {
    letter: u8,
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Verb {
    /// Reads a verb, whose `%` is taken; gives what follows it.
    fn read(text: &[u8]) -> Result<(Self, &[u8]), TemplateCause> {
        let mut verb = Self {
            letter: 0,
            left: false,
            zeros: false,
            plus: false,
            space: false,
            alternate: false,
            width: 0,
            precision: None,
        };
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            let digit = usize::from(byte.wrapping_sub(b'0'));
            match (byte, &mut verb.precision) {
                (b'0'..=b'9', Some(precision)) => *precision = *precision * 10 + digit,
                (b'0', None) if verb.width == 0 => verb.zeros = true,
                (b'0'..=b'9', None) => verb.width = verb.width * 10 + digit,
                (b'.', None) => verb.precision = Some(0),
                (b'-', None) if verb.width == 0 => verb.left = true,
                (b'+', None) if verb.width == 0 => verb.plus = true,
                (b' ', None) if verb.width == 0 => verb.space = true,
                (b'#', None) if verb.width == 0 => verb.alternate = true,
                (
                    b'%' | b's' | b'v' | b'q' | b'd' | b'x' | b'X' | b'o' | b'b' | b'c' | b'U'
                    | b't',
                    _,
                )
                | (b'e' | b'f' | b'g', _) => {
                    verb.letter = *byte;
                    return Ok((verb, after));
                }
                (other, _) if other.is_ascii_graphic() || *other == b' ' => {
                    let what = format!("`{}` in a verb of printf", char::from(*other));
                    return Err(TemplateCause::NotServed(what));
                }
                _ => return Err(TemplateCause::Printf("a verb has no letter".into())),
            }
            let number = verb.width.max(verb.precision.unwrap_or(0));
            if number > PRINTF_WIDTH_MAX {
                let cause = format!("a width of {number} is more than {PRINTF_WIDTH_MAX}");
                return Err(TemplateCause::Printf(cause));
            }
            rest = after;
        }
        Err(TemplateCause::Printf(
            "the format ends inside a verb".into(),
        ))
    }

    fn write(&self, value: &Value<'_>, out: &mut Buffer) -> Result<(), TemplateCause> {
        let mut made = Buffer::default();
        let number = match value {
            Value::Integer(number) => {
                made.text(&self.integer(*number)?)?;
                true
            }
            Value::Float(number) => {
                made.text(&self.float(*number)?)?;
                true
            }
            other => {
                self.flags_of_text(other)?;
                self.other(other, &mut made)?;
                false
            }
        };
        if self.zeros && !number {
            let cause = format!(
                "zeros before {}; only numbers are filled with them",
                value.described()
            );
            return Err(TemplateCause::Printf(cause));
        }
        self.padded(made.bytes(), out)
    }

    fn misfit(&self, value: &Value<'_>) -> TemplateCause {
        let letter = char::from(self.letter);
        TemplateCause::Printf(format!("`%{letter}` can't write {}", value.described()))
    }

    /// Signs are for numbers; what they do to texts in Go (`% x`) nobody has asked for.
    fn flags_of_text(&self, value: &Value<'_>) -> Result<(), TemplateCause> {
        if self.plus || self.space || self.alternate {
            let cause = format!("a flag of numbers before {}", value.described());
            return Err(TemplateCause::Printf(cause));
        }
        Ok(())
    }

    fn integer(&self, number: i64) -> Result<String, TemplateCause> {
        let sign = match (number < 0, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let (size, alternate) = (number.unsigned_abs(), self.alternate);
        let character = || u32::try_from(number).ok().and_then(char::from_u32);
        if self.precision.is_some() {
            let cause = "a precision before a whole number".to_owned();
            return Err(TemplateCause::Printf(cause));
        }
        Ok(match (self.letter, alternate) {
            (b'v' | b'd', false) => format!("{sign}{size}"),
            (b'x', false) => format!("{sign}{size:x}"),
            (b'x', true) => format!("{sign}0x{size:x}"),
            (b'X', false) => format!("{sign}{size:X}"),
            (b'X', true) => format!("{sign}0X{size:X}"),
            (b'o', false) => format!("{sign}{size:o}"),
            (b'b', false) => format!("{sign}{size:b}"),
            (b'c', false) if sign.is_empty() => match character() {
                Some(c) => c.to_string(),
                None => "\u{fffd}".to_owned(),
            },
            (b'U', false) if sign.is_empty() => format!("U+{size:04X}"),
            _ => return Err(self.misfit(&Value::Integer(number))),
        })
    }

    fn float(&self, number: f64) -> Result<String, TemplateCause> {
        let sign = match (self.plus, self.space, number.is_sign_negative()) {
            (true, _, false) => "+",
            (false, true, false) => " ",
            _ => "",
        };
        const PRECISION_DEFAULT: usize = 6;
        let precision = self.precision.unwrap_or(PRECISION_DEFAULT);
        let digits = match (self.letter, self.precision) {
            (b'v' | b'g', None) if !self.alternate => number::shortest(number),
            (b'e', _) if !self.alternate => number::scientific(number, precision),
            (b'f', _) if !self.alternate => format!("{number:.precision$}"),
            _ => return Err(self.misfit(&Value::Float(number))),
        };
        Ok(format!("{sign}{digits}"))
    }

    fn other(&self, value: &Value<'_>, made: &mut Buffer) -> Result<(), TemplateCause> {
        let bytes = match value {
            Value::Text(text) => Some(text.clone()),
            Value::Part(entry, part @ (Part::Private | Part::Public)) => {
                Some(Bytes::Borrowed(entry.part(*part)?))
            }
            Value::Octets(bytes) => Some(bytes.clone()),
            _ => None,
        };
        let text = matches!(value, Value::Text(_));
        match (self.letter, bytes, self.precision) {
            (b's', Some(bytes), None) => made.push(&bytes),
            (b'v', Some(bytes), None) if text => made.push(&bytes),
            (b's' | b'v', Some(bytes), Some(precision)) if text => {
                made.push(first_characters(&bytes, precision))
            }
            (b'q', Some(bytes), None) => quoted(&bytes, made),
            (b'x', Some(bytes), None) => made.hex(&bytes, Case::Lower),
            (b'X', Some(bytes), None) => made.hex(&bytes, Case::Upper),
            (b'v', _, None) => print(value, made),
            (b't', None, None) if matches!(value, Value::Bool(_)) => print(value, made),
            _ => Err(self.misfit(value)),
        }
    }

    fn padded(&self, bytes: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
        let fill = self.width.saturating_sub(characters(bytes));
        if self.left {
            out.push(bytes)?;
            return out.text(&" ".repeat(fill));
        }
        if !self.zeros {
            out.text(&" ".repeat(fill))?;
            return out.push(bytes);
        }
        // Zeros go between the sign and the digits.
        let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+' | b' ')));
        out.push(&bytes[..sign])?;
        out.text(&"0".repeat(fill))?;
        out.push(&bytes[sign..])
    }
}

/// As many characters as asked for from the beginning; a byte that is not UTF-8 is one.
fn first_characters(bytes: &[u8], count: usize) -> &[u8] {
    let mut rest = count;
    let mut length = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if rest == 0 {
                return &bytes[..length];
            }
            rest -= 1;
            length += c.len_utf8();
        }
        let invalid = chunk.invalid().len().min(rest);
        rest -= invalid;
        length += invalid;
        if invalid < chunk.invalid().len() {
            return &bytes[..length];
        }
    }
    bytes
}

/// Go's `%q`: strconv.Quote.
fn quoted(bytes: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    out.text("\"")?;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.text("\\\"")?,
                '\\' => out.text("\\\\")?,
                '\x07' => out.text("\\a")?,
                '\x08' => out.text("\\b")?,
                '\x0c' => out.text("\\f")?,
                '\n' => out.text("\\n")?,
                '\r' => out.text("\\r")?,
                '\t' => out.text("\\t")?,
                '\x0b' => out.text("\\v")?,
                ' '..='~' => out.text(c.encode_utf8(&mut [0; 4]))?,
                c if c.is_ascii() => out.text(&format!("\\x{:02x}", u32::from(c)))?,
                c if c.is_alphanumeric() => out.text(c.encode_utf8(&mut [0; 4]))?,
                // Which of the others count as printable depends on Go's Unicode tables.
                _ => {
                    return Err(TemplateCause::NotServed(format!(
                        "`%q` of the character {c:?}"
                    )));
                }
            }
        }
        for byte in chunk.invalid() {
            out.text(&format!("\\x{byte:02x}"))?;
        }
    }
    out.text("\"")
}

/// Characters as Go counts them: a byte that is not UTF-8 is one.
fn characters(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

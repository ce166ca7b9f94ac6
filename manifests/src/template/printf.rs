//! `printf`: the verbs %s %v %d %x %X %t %% with a width, `-` and `0`. Source: Go's package fmt.
//!
//! A verb that does not fit its argument, a missing and a spare argument are errors; Go writes `%!d(string=x)` and goes on,
//! which in a file of keys nobody wants.

use super::buffer::{Buffer, Case};
use super::error::TemplateCause;
use super::eval::print;
use super::value::{Part, Value};
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
    width: usize,
}

impl Verb {
    /// Reads a verb, whose `%` is taken; gives what follows it.
    fn read(text: &[u8]) -> Result<(Self, &[u8]), TemplateCause> {
        let mut verb = Self {
            letter: 0,
            left: false,
            zeros: false,
            width: 0,
        };
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            match byte {
                b'-' if verb.width == 0 => verb.left = true,
                b'0' if verb.width == 0 => verb.zeros = true,
                b'0'..=b'9' => verb.width = verb.width * 10 + usize::from(byte - b'0'),
                b'%' | b's' | b'v' | b'd' | b'x' | b'X' | b't' => {
                    verb.letter = *byte;
                    return Ok((verb, after));
                }
                other if other.is_ascii_graphic() || *other == b' ' => {
                    let what = format!("`{}` in a verb of printf", char::from(*other));
                    return Err(TemplateCause::NotServed(what));
                }
                _ => return Err(TemplateCause::Printf("a verb has no letter".into())),
            }
            if verb.width > PRINTF_WIDTH_MAX {
                let cause = format!("a width of {} is more than {PRINTF_WIDTH_MAX}", verb.width);
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
        match (self.letter, value) {
            (b's' | b'v', Value::Text(_)) | (b'v' | b'd', Value::Integer(_)) => {
                print(value, &mut made)?
            }
            (b'v' | b't', Value::Bool(_)) | (b'v', Value::Nil | Value::Part(..)) => {
                print(value, &mut made)?
            }
            (b's', Value::Part(entry, part @ (Part::Private | Part::Public))) => {
                made.push(entry.part(*part)?)?
            }
            (b'x', Value::Text(text)) => made.hex(text, Case::Lower)?,
            (b'X', Value::Text(text)) => made.hex(text, Case::Upper)?,
            (b'x', Value::Part(entry, part @ (Part::Private | Part::Public))) => {
                made.hex(entry.part(*part)?, Case::Lower)?;
            }
            (b'X', Value::Part(entry, part @ (Part::Private | Part::Public))) => {
                made.hex(entry.part(*part)?, Case::Upper)?;
            }
            (b'x', Value::Integer(number)) => made.text(&signed_hex(*number, Case::Lower))?,
            (b'X', Value::Integer(number)) => made.text(&signed_hex(*number, Case::Upper))?,
            (letter, other) => {
                let cause = format!(
                    "`%{}` can't write {}",
                    char::from(letter),
                    other.described()
                );
                return Err(TemplateCause::Printf(cause));
            }
        }
        let number = matches!(value, Value::Integer(_));
        if self.zeros && !number {
            let cause = format!(
                "zeros before {}; only numbers are filled with them",
                value.described()
            );
            return Err(TemplateCause::Printf(cause));
        }
        self.padded(made.bytes(), out)
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
        let sign = usize::from(bytes.first() == Some(&b'-'));
        out.push(&bytes[..sign])?;
        out.text(&"0".repeat(fill))?;
        out.push(&bytes[sign..])
    }
}

/// Characters as Go counts them: a byte that is not UTF-8 is one.
fn characters(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

fn signed_hex(number: i64, case: Case) -> String {
    let sign = if number < 0 { "-" } else { "" };
    match case {
        Case::Lower => format!("{sign}{:x}", number.unsigned_abs()),
        Case::Upper => format!("{sign}{:X}", number.unsigned_abs()),
    }
}

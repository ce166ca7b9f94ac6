//! `html`, `js` and `urlquery`. Source: Go's template.HTMLEscape, template.JSEscape and url.QueryEscape.

use super::buffer::{Buffer, Case};
use super::error::TemplateCause;

pub(super) fn html(text: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    for byte in text {
        match byte {
            0 => out.text("\u{fffd}")?,
            b'"' => out.text("&#34;")?,
            b'\'' => out.text("&#39;")?,
            b'&' => out.text("&amp;")?,
            b'<' => out.text("&lt;")?,
            b'>' => out.text("&gt;")?,
            other => out.push(&[*other])?,
        }
    }
    Ok(())
}

pub(super) fn js(text: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.text(r"\\")?,
                '\'' => out.text(r"\'")?,
                '"' => out.text("\\\"")?,
                '<' | '>' | '&' | '=' | '\0'..' ' => unicode_escape(c, out)?,
                c if c.is_ascii() || c.is_alphanumeric() => out.text(c.encode_utf8(&mut [0; 4]))?,
                // Which of the others count as printable depends on Go's Unicode tables.
                _ => {
                    let what = format!("`js` of the character {c:?}");
                    return Err(TemplateCause::NotServed(what));
                }
            }
        }
        for _ in chunk.invalid() {
            out.text("\u{fffd}")?;
        }
    }
    Ok(())
}

fn unicode_escape(c: char, out: &mut Buffer) -> Result<(), TemplateCause> {
    out.text(&format!("\\u{:04X}", u32::from(c)))
}

pub(super) fn urlquery(text: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    for byte in text {
        match byte {
            b' ' => out.text("+")?,
            b'-' | b'_' | b'.' | b'~' => out.push(&[*byte])?,
            byte if byte.is_ascii_alphanumeric() => out.push(&[*byte])?,
            byte => {
                out.text("%")?;
                out.hex(&[*byte], Case::Upper)?;
            }
        }
    }
    Ok(())
}

//! Where words go: data to stdout, talk to stderr; and nothing that came over a network steers the terminal.

use std::io::Write;

/// The two streams of the process, or a test's.
pub(crate) struct Terminal<'a> {
    out: Box<dyn Write + 'a>,
    err: Box<dyn Write + 'a>,
}

impl Terminal<'_> {
    pub(crate) fn of_process() -> Self {
        Self {
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
        }
    }

    /// A line, or lines, of data.
    pub(crate) fn data(&mut self, text: &str) {
        self.bytes(format!("{}\n", printable(text)).as_bytes());
    }

    /// Data byte by byte, for files that are piped on.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        // Who closes the pipe (`stoa .. | head`) has what he wants; the exit code still says how it went.
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }

    /// A line, or lines, for the person in front.
    pub(crate) fn talk(&mut self, text: &str) {
        let _ = writeln!(self.err, "{}", printable(text));
    }
}

/// Control characters but the newline are shown as escapes.
fn printable(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() && c != '\n' {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            out: Box::new(&mut out),
            err: Box::new(&mut err),
        };
        terminal.data("it's \u{1b}[31mred\r\u{9b}é");
        terminal.talk("a\tb\nc");
        terminal.bytes(b"\x1b");
        drop(terminal);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "it's \\u{1b}[31mred\\r\\u{9b}é\n\u{1b}"
        );
        assert_eq!(String::from_utf8_lossy(&err), "a\\tb\nc\n");
    }
}

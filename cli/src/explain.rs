//! `stoa explain`: what an error code means and what to do.

use stoa_explain::Code;

use crate::args::Global;
use crate::failure::{Exit, Failure, Refused};
use crate::terminal::Terminal;

/// A code is suggested if at most one letter in this many differs.
const LETTERS_A_MISTAKE: usize = 4;

pub(crate) fn run(
    global: &Global,
    code: Option<&str>,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let Some(code) = code else {
        let mut all: Vec<&Code> = stoa_explain::codes().collect();
        all.sort_by_key(|entry| entry.code);
        if global.json {
            let all: Vec<_> = all.into_iter().map(json).collect();
            terminal.data(&serde_json::Value::from(all).to_string());
        } else {
            all.into_iter().for_each(|entry| terminal.data(entry.code));
        }
        return Ok(Exit::Done);
    };
    // As it stands in an error: `[tcb-not-accepted]`.
    let code = code.trim_matches(['[', ']']);
    let Some(entry) = stoa_explain::lookup(code) else {
        let failure = Failure::from(Refused::CodeUnknown(code.escape_debug().to_string()));
        return Err(match nearest(code) {
            Some(near) => failure.with_cause(format!("did you mean `{near}`?")),
            None => failure,
        });
    };
    if global.json {
        terminal.data(&json(entry).to_string());
    } else {
        terminal.data(&format!(
            "{}\n  {}\n  remedy  {}",
            entry.code, entry.meaning, entry.remedy
        ));
    }
    Ok(Exit::Done)
}

fn json(entry: &Code) -> serde_json::Value {
    serde_json::json!({"code": entry.code, "meaning": entry.meaning, "remedy": entry.remedy})
}

fn nearest(code: &str) -> Option<&'static str> {
    stoa_explain::codes()
        .map(|entry| (distance(code, entry.code), entry.code))
        .filter(|(distance, _)| *distance <= code.len() / LETTERS_A_MISTAKE)
        .min()
        .map(|(_, code)| code)
}

/// Edits (insert, remove, replace a byte) from one to the other: Wagner and Fischer, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "ac", 1),
            ("", "abc", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
    }
}

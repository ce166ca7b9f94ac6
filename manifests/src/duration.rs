//! Durations as Go writes them, in whole hours, minutes and seconds: `1h30m`.

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::fault::{Sink, quoted};
use crate::fields::Fields;

/// A duration of a key, within a range of seconds.
pub(crate) fn field(
    fields: &Fields<'_>,
    key: &str,
    allowed: RangeInclusive<u64>,
    sink: &mut Sink,
) -> Option<Duration> {
    let text = fields.text(key, sink)?;
    let path = fields.path(key);
    match secs(text) {
        Some(secs) if allowed.contains(&secs) => return Some(Duration::from_secs(secs)),
        Some(secs) => sink.fault(
            &path,
            format!("is {} ({secs} s)", quoted(text)),
            format!(
                "write {} to {}",
                written(*allowed.start()),
                written(*allowed.end())
            ),
        ),
        None => sink.fault(
            &path,
            format!("is {}", quoted(text)),
            "write a duration in whole h, m and s, as \"24h\" or \"1h30m\"",
        ),
    }
    None
}

/// Seconds of a duration.
fn secs(text: &str) -> Option<u64> {
    let mut secs: u64 = 0;
    let mut rest = text;
    if text == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        secs = number
            .checked_mul(unit)
            .and_then(|part| secs.checked_add(part))?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(secs)
}

/// The largest unit that gives a whole number.
fn written(secs: u64) -> String {
    match secs {
        0 => "0s".to_owned(),
        secs if secs.is_multiple_of(3600) => format!("{}h", secs / 3600),
        secs if secs.is_multiple_of(60) => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let table = [
            ("24h", Some(86_400)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("24h0m0s", Some(86_400)),
            ("1h1h", Some(7200)),
            ("", None),
            ("24", None),
            ("h", None),
            ("24 h", None),
            ("-1h", None),
            ("1.5h", None),
            ("1d", None),
            ("1hm", None),
            ("99999999999999999999h", None),
            ("9999999999999999999h", None),
            ("1é", None),
        ];
        for (text, want) in table {
            assert_eq!(secs(text), want, "{text}");
        }
    }
}

//! Points in time and validity windows: the one place that reads and writes dates.
//!
//! Dates inside signed JSON are `YYYY-MM-DDThh:mm:ssZ` and nothing else (Intel PCS API v4). A window includes both its
//! ends: RFC 5280, 4.1.2.5 says so of certificates, and docs/decisions/0001-own-dcap-verifier.md says so of the rest.
//! Does not live here: the present. `now` is always an argument.

use core::fmt;
use core::time::Duration;

use rustls_pki_types::UnixTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const FORMAT_LEN: usize = 20;

/// Shows a time as `2025-06-19T10:16:03Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc(pub UnixTime);

impl Utc {
    /// Reads exactly `YYYY-MM-DDThh:mm:ssZ`, from 1970 on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_utc(text).map(Self)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let text = i64::try_from(secs)
            .ok()
            .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
            .and_then(|time| time.format(FORMAT).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{secs} s after 1970"),
        }
    }
}

/// Reads exactly `YYYY-MM-DDThh:mm:ssZ`, from 1970 on.
pub(crate) fn parse_utc(text: &str) -> Option<UnixTime> {
    if text.len() != FORMAT_LEN {
        return None;
    }
    let time = PrimitiveDateTime::parse(text, FORMAT).ok()?;
    unix_time(time.assume_utc().unix_timestamp())
}

/// Seconds since 1970; `None` if before.
pub(crate) fn unix_time(secs: i64) -> Option<UnixTime> {
    let secs = u64::try_from(secs).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(secs)))
}

/// When something holds: from `from` until `until`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First second: notBefore, thisUpdate, issueDate.
    pub from: UnixTime,
    /// Last second: notAfter, nextUpdate.
    pub until: UnixTime,
}

impl Window {
    /// Whether `now` is before the first second.
    #[must_use]
    pub fn begins_after(&self, now: UnixTime) -> bool {
        now < self.from
    }

    /// Whether `now` is after the last second.
    #[must_use]
    pub fn ended_before(&self, now: UnixTime) -> bool {
        self.until < now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_and_writes_the_same_date() {
        let time = parse_utc("2025-06-19T10:16:03Z").unwrap();
        assert_eq!(time.as_secs(), 1_750_328_163);
        assert_eq!(Utc(time).to_string(), "2025-06-19T10:16:03Z");
    }

    #[test]
    fn reads_no_other_form() {
        for text in [
            "",
            "2025-06-19",
            "2025-06-19 10:16:03Z",
            "2025-06-19T10:16:03z",
            "2025-06-19T10:16:03+00:00",
            "2025-06-19T10:16:3.0Z",
            "2025-13-19T10:16:03Z",
            "2025-02-29T10:16:03Z",
            "2025-06-19T24:16:03Z",
            "+025-06-19T10:16:03Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_includes_both_ends() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let window = Window {
            from: at(10),
            until: at(20),
        };
        assert!(window.begins_after(at(9)) && !window.begins_after(at(10)));
        assert!(!window.ended_before(at(20)) && window.ended_before(at(21)));
    }
}

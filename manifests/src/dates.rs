//! Times as RFC 3339 writes them, which is how Go's `time.Time` stands in JSON.
//!
//! Source: RFC 3339, 5.6; days from the civil calendar as in Howard Hinnant's "chrono-compatible low-level date algorithms".

use core::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::Utc;

use crate::fault::{Sink, quoted};
use crate::fields::{Fields, GO_ZERO_TIME};

/// A time of a key in Unix seconds; Go's zero is absent.
pub(crate) fn field(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> Option<u64> {
    let text = fields.text(key, sink)?;
    if text == GO_ZERO_TIME {
        return None;
    }
    let secs = unix_secs(text);
    if secs.is_none() {
        sink.fault(
            &fields.path(key),
            format!("is {}", quoted(text)),
            "write a time from 1970 on as \"2030-01-31T00:00:00Z\"",
        );
    }
    secs
}

/// Seconds to the type that attestation has for them.
pub(crate) fn unix_time(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// Unix seconds as RFC 3339 writes them in UTC.
pub(crate) fn written(secs: u64) -> String {
    Utc(unix_time(secs)).to_string()
}

/// Unix seconds of `2006-01-02T15:04:05[.999]Z` or with `+07:00` in the place of `Z`; fractions are cut off.
fn unix_secs(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(())?;
        digits.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit())?;
            (end > 0).then(|| &fraction[end..])?
        }
    };
    let offset = offset_secs(zone)?;
    let secs =
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(secs).ok().filter(|_| fits)
}

fn offset_secs(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let digits = |from: usize, to: usize| {
        let digits = zone.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(())?;
        digits.parse::<i64>().ok()
    };
    let (hours, minutes) = (digits(1, 3)?, digits(4, 6)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 of a date of the years 0 to 9999.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        // The numbers are those of `date -u -d TEXT +%s`.
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("2026-11-25T08:00:00Z", Some(1_795_593_600)),
            ("2026-11-25T08:00:00.123456789Z", Some(1_795_593_600)),
            ("2026-11-25T10:00:00+02:00", Some(1_795_593_600)),
            ("2026-11-25T00:30:00-07:30", Some(1_795_593_600)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("1969-12-31T23:59:59Z", None),
            ("2001-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-25T24:00:00Z", None),
            ("2026-11-25T08:00:00", None),
            ("2026-11-25T08:00:00.Z", None),
            ("2026-11-25 08:00:00Z", None),
            ("2026-11-25", None),
            ("2026-11-25T08:00:00+2:00", None),
            ("é026-11-25T08:00:00Z", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(unix_secs(text), want, "{text}");
        }
    }
}

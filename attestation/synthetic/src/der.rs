//! A DER writer, as much as certificates and revocation lists with RSASSA-PSS need: `rcgen` signs with SHA-256 only there.
//!
//! Source: X.690, 10.1 and 11; RFC 5280 for the structures.

use time::OffsetDateTime;
use time::macros::format_description;

const OID_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OID_ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

/// Tag, shortest length, contents of less than 64 KiB.
pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = contents.len().to_be_bytes();
    let (high, low) = (len[len.len() - 2], len[len.len() - 1]);
    let mut der = vec![tag];
    match (high, low) {
        (0, 0..=0x7f) => der.push(low),
        (0, _) => der.extend([0x81, low]),
        _ => der.extend([0x82, high, low]),
    }
    der.extend(contents);
    der
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn oid(contents: &[u8]) -> Vec<u8> {
    tlv(0x06, contents)
}

pub(crate) fn octets(contents: &[u8]) -> Vec<u8> {
    tlv(0x04, contents)
}

/// Whole bytes.
pub(crate) fn bits(contents: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], contents].concat())
}

/// Not negative.
pub(crate) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let last = magnitude.len().saturating_sub(1);
    let first = magnitude.iter().position(|byte| *byte != 0).unwrap_or(last);
    let mut contents = magnitude[first..].to_vec();
    if contents.first().is_none_or(|byte| *byte >= 0x80) {
        contents.insert(0, 0);
    }
    tlv(0x02, &contents)
}

/// One attribute a set, common name last, as AMD has them.
pub(crate) fn name(common_name: &str, organisation: &str) -> Vec<u8> {
    let attribute = |id, text: &str| {
        let value = sequence(&[oid(id), tlv(0x0c, text.as_bytes())]);
        tlv(0x31, &value)
    };
    sequence(&[
        attribute(OID_ORGANISATION, organisation),
        attribute(OID_COMMON_NAME, common_name),
    ])
}

/// UTCTime until 2049, then GeneralizedTime (RFC 5280, 4.1.2.5).
pub(crate) fn time(date: OffsetDateTime) -> Vec<u8> {
    let long = date
        .format(format_description!(
            "[year][month][day][hour][minute][second]Z"
        ))
        .expect("a date of the years 0 to 9999 has all of these");
    if (1950..2050).contains(&date.year()) {
        return tlv(0x17, &long.as_bytes()[2..]);
    }
    tlv(0x18, long.as_bytes())
}

pub(crate) fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(vec![0x01, 0x01, 0xff]);
    }
    parts.push(octets(value));
    sequence(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_the_shortest() {
        for (len, head) in [
            (0, vec![4, 0]),
            (127, vec![4, 127]),
            (128, vec![4, 0x81, 128]),
            (255, vec![4, 0x81, 255]),
            (256, vec![4, 0x82, 1, 0]),
            (4096, vec![4, 0x82, 16, 0]),
        ] {
            assert!(octets(&vec![7; len]).starts_with(&head), "{len}");
        }
        for (magnitude, der) in [
            (&[][..], vec![2, 1, 0]),
            (&[0], vec![2, 1, 0]),
            (&[0, 0x7f], vec![2, 1, 0x7f]),
            (&[0x80], vec![2, 2, 0, 0x80]),
        ] {
            assert_eq!(integer(magnitude), der);
        }
    }
}

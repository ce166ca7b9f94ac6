//! A DER writer, just enough for certificates and revocation lists, right ones and wrong ones.

#![allow(dead_code, unreachable_pub)]

use time::OffsetDateTime;
use time::macros::format_description;

pub const OID_CN: &[u8] = &[0x55, 0x04, 0x03];
pub const OID_ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub const OID_SKI: &[u8] = &[0x55, 0x1d, 0x0e];
pub const OID_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub const OID_BASIC: &[u8] = &[0x55, 0x1d, 0x13];
pub const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
pub const OID_AKI: &[u8] = &[0x55, 0x1d, 0x23];
pub const OID_SGX: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];
/// Structure version of AMD's certificates, 1.3.6.1.4.1.3704.1.1.
pub const OID_AMD_VERSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01, 0x01];
const SPKI_P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

pub fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match contents.len() {
        len @ 0..=0x7f => der.push(len as u8),
        len @ 0x80..=0xff => der.extend([0x81, len as u8]),
        len => der.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    der.extend(contents);
    der
}

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn oid(contents: &[u8]) -> Vec<u8> {
    tlv(0x06, contents)
}

pub fn octets(contents: &[u8]) -> Vec<u8> {
    tlv(0x04, contents)
}

pub fn bits(contents: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], contents].concat())
}

/// A non-negative INTEGER of this magnitude.
pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let first = magnitude
        .iter()
        .position(|b| *b != 0)
        .unwrap_or(magnitude.len().saturating_sub(1));
    let mut contents = magnitude[first..].to_vec();
    if contents.first().is_none_or(|b| *b >= 0x80) {
        contents.insert(0, 0);
    }
    tlv(0x02, &contents)
}

pub fn name(common_name: &str) -> Vec<u8> {
    seq(&[tlv(
        0x31,
        &seq(&[oid(OID_CN), tlv(0x0c, common_name.as_bytes())]),
    )])
}

pub fn time(secs: u64) -> Vec<u8> {
    let time = OffsetDateTime::from_unix_timestamp(secs as i64).expect("a time of the tests");
    let text = time
        .format(format_description!(
            "[year repr:last_two][month][day][hour][minute][second]Z"
        ))
        .expect("a time of the tests");
    tlv(0x17, text.as_bytes())
}

pub fn ecdsa_sha256() -> Vec<u8> {
    seq(&[oid(OID_ECDSA_SHA256)])
}

pub fn spki(point: &[u8; 65]) -> Vec<u8> {
    [&SPKI_P256_PREFIX[..], point].concat()
}

pub fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(tlv(0x01, &[0xff]));
    }
    parts.push(octets(value));
    seq(&parts)
}

pub fn key_usage(flags: u8) -> Vec<u8> {
    // The number of unused bits is that of the zeros behind the last flag (X.690, 11.2.2).
    let contents = if flags == 0 {
        vec![0]
    } else {
        vec![flags.trailing_zeros() as u8, flags]
    };
    extension(OID_KEY_USAGE, true, &tlv(0x03, &contents))
}

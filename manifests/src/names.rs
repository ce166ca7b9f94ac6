//! What names may be: of entries, of marbles, on certificates, of the mesh.
//!
//! A rule gives the two halves of a fault: what the name is (`no DNS name ..`), and what to do.

use core::net::IpAddr;

use crate::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};

/// What a name is instead of a good one, and what to do.
type Rule = Result<(), (String, String)>;

/// DNS: a name has at most 253 characters in text form, a label 63 (RFC 1035, 2.3.4; RFC 1123, 2.1).
const DNS_NAME_CHARS_MAX: usize = 253;
const DNS_LABEL_CHARS_MAX: usize = 63;

/// A package or secret: 1 to 255 bytes without control characters.
pub(crate) fn entry(name: &str) -> Rule {
    fits(
        (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control),
        "no name",
        &format!("use 1 to {NAME_BYTES_MAX} bytes without control characters"),
    )
}

/// A marble: 1 to 255 of letters, digits, `-`, `_` and `.`, and not only dots.
///
/// The name is a segment of the marble's SPIFFE ID, which allows these characters and no escapes (SPIFFE-ID, 2.2), so a
/// wider set would have to be refused when the certificate is issued.
pub(crate) fn marble(name: &str) -> Rule {
    let segment = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    fits(
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(segment)
            && !matches!(name, "." | ".."),
        "no name for a marble: it stands in the marble's SPIFFE ID",
        &format!("use 1 to {NAME_BYTES_MAX} letters, digits, -, _ and ."),
    )
}

/// The path of a file.
pub(crate) fn path(name: &str) -> Rule {
    fits(
        (1..=PATH_BYTES_MAX).contains(&name.len()) && !name.contains('\0') && !name.ends_with('/'),
        "no path of a file",
        &format!("use 1 to {PATH_BYTES_MAX} bytes without NUL, not ending in /"),
    )
}

/// An environment variable.
pub(crate) fn variable(name: &str) -> Rule {
    fits(
        (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(['=', '\0']),
        "no name of an environment variable",
        &format!("use 1 to {NAME_BYTES_MAX} bytes without = and NUL"),
    )
}

/// A name on a marble's certificate: a DNS name, or a loopback address.
pub(crate) fn on_certificate(name: &str) -> Rule {
    match name.parse::<IpAddr>() {
        Ok(address) => fits(
            address.is_loopback(),
            "an address of the network",
            "only loopback addresses (127.0.0.1, ::1) are certified; use a DNS name",
        ),
        Err(_) => dns(name),
    }
}

/// A DNS name: labels of a-z, 0-9, `-` and `_`, no wildcard, the last one not only digits.
pub(crate) fn dns(name: &str) -> Rule {
    let label = |label: &str| {
        (1..=DNS_LABEL_CHARS_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits_last = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    fits(
        name.len() <= DNS_NAME_CHARS_MAX && name.split('.').all(label) && !digits_last,
        "no DNS name that can be certified",
        "use labels of a-z, 0-9, - and _, joined by dots; no wildcards, no capitals",
    )
}

/// A SPIFFE trust domain: 1 to 255 of a-z, 0-9, `.`, `-` and `_` (SPIFFE-ID, 2.1).
pub(crate) fn trust_domain(name: &str) -> Rule {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    fits(
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed),
        "no SPIFFE trust domain",
        &format!("use 1 to {NAME_BYTES_MAX} of a-z, 0-9, ., - and _"),
    )
}

fn fits(fits: bool, cause: &str, remedy: &str) -> Rule {
    match fits {
        true => Ok(()),
        false => Err((cause.to_owned(), remedy.to_owned())),
    }
}

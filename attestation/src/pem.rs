//! PEM certificate chains as they stand in quotes and collateral.
//!
//! Source: RFC 7468, sections 2 and 5, in its strict form: nothing but certificates, line breaks and, at the very end,
//! zero bytes (Intel's libraries count the C string's end). Any other text is refused, because nobody signs it.
//! Does not live here: what is inside a certificate (`x509`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Certificates in one chain, at most. The longest that DCAP knows has 3.
pub(crate) const CHAIN_LEN_MAX: usize = 4;

/// The DER of each certificate, in the order of the text.
///
/// # Errors
/// The cause as text; the caller knows which chain it was.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let end = text
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last + 1);
    let text = core::str::from_utf8(&text[..end]).map_err(|_| "is not ASCII text".to_owned())?;
    let mut rest = text.trim_start_matches(is_break);
    let mut chain = Vec::new();
    while !rest.is_empty() {
        if chain.len() == CHAIN_LEN_MAX {
            return Err(format!("has more than {CHAIN_LEN_MAX} certificates"));
        }
        let body = rest.strip_prefix(BEGIN).ok_or_else(|| {
            format!(
                "has something else where certificate {} should begin",
                chain.len() + 1
            )
        })?;
        let (body, after) = body
            .split_once(END)
            .ok_or_else(|| format!("has no end of certificate {}", chain.len() + 1))?;
        let base64: Vec<u8> = body.bytes().filter(|b| !is_break((*b).into())).collect();
        let der = STANDARD.decode(base64).map_err(|cause| {
            format!(
                "has a certificate {} that is no base64: {cause}",
                chain.len() + 1
            )
        })?;
        chain.push(der);
        rest = after.trim_start_matches(is_break);
    }
    Ok(chain)
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pem(base64: &str) -> String {
        format!("{BEGIN}\n{base64}\n{END}\n")
    }

    #[test]
    fn reads_chains_with_zeros_behind() {
        let text = format!("{}{}\0\0", pem("AAEC"), pem("Aw=="));
        assert_eq!(
            certificates(text.as_bytes()).unwrap(),
            [vec![0, 1, 2], vec![3]]
        );
        assert!(certificates(b"").unwrap().is_empty());
    }

    #[test]
    fn refuses_everything_that_is_no_certificate() {
        for text in [
            format!("hello\n{}", pem("AAEC")),
            format!("{}hello", pem("AAEC")),
            format!(" {}", pem("AAEC")),
            format!("{}\0{}", pem("AAEC"), pem("AAEC")),
            format!("{BEGIN}\nAAEC\n"),
            pem("AA!C"),
            pem("Aw"),
            pem("Ax=="),
            pem("AAEC").repeat(CHAIN_LEN_MAX + 1),
        ] {
            assert!(certificates(text.as_bytes()).is_err(), "{text}");
        }
        assert!(certificates(b"\xff").is_err());
    }
}

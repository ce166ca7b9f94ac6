//! The little DER that is written here: tag, length, contents (X.690, 10.1: the shortest length).
//!
//! Does not live here: reading DER, which is x509-parser's and `pck`'s.

/// One element.
pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    der.extend(length(contents.len()));
    der.extend(contents);
    der
}

/// One byte below 128, else the number of bytes and then them.
fn length(length: usize) -> Vec<u8> {
    if length < 0x80 {
        return vec![length.to_le_bytes()[0]];
    }
    let significant: Vec<u8> = length
        .to_be_bytes()
        .into_iter()
        .skip_while(|byte| *byte == 0)
        .collect();
    let count = 0x80 | significant.len().to_le_bytes()[0];
    [&[count], significant.as_slice()].concat()
}

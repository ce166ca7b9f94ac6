//! A growing buffer that leaves no copy of what it held.

use zeroize::Zeroizing;

use super::error::TemplateCause;
use crate::limits::TEMPLATE_OUTPUT_BYTES_MAX;

/// Bytes that are wiped when they are dropped and when they move to a larger place, which a plain `Vec` does not do.
#[derive(Default)]
pub(super) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TemplateCause> {
        let length = self.0.len().saturating_add(bytes.len());
        if length > TEMPLATE_OUTPUT_BYTES_MAX {
            return Err(TemplateCause::TooLarge);
        }
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), TemplateCause> {
        self.push(text.as_bytes())
    }

    pub(super) fn hex(&mut self, bytes: &[u8], case: Case) -> Result<(), TemplateCause> {
        let digits = match case {
            Case::Lower => b"0123456789abcdef",
            Case::Upper => b"0123456789ABCDEF",
        };
        for byte in bytes {
            let pair = Zeroizing::new([
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]);
            self.push(&pair[..])?;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_inner(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Of hexadecimal digits.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Lower,
    Upper,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn grows_and_stops_at_the_limit() {
        let mut buffer = Buffer::default();
        for _ in 0..1000 {
            buffer.push(b"0123456789").unwrap();
        }
        assert_eq!(buffer.bytes().len(), 10_000);
        let rest = vec![0; TEMPLATE_OUTPUT_BYTES_MAX - 10_000];
        buffer.push(&rest).unwrap();
        assert_eq!(buffer.push(b"x"), Err(TemplateCause::TooLarge));
    }
}

//! Takes fields of fixed length from bytes, little-endian, and names the field that is missing or not zero.
//!
//! Does not live here: which fields there are (`quote`, `sgx`, `tdx`).

use crate::invalid::Invalid;

/// Takes fields from the front; every shortage names the field.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Invalid> {
        match self.0.split_at_checked(len) {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => Err(Invalid::Malformed {
                field,
                cause: format!("needs {len} bytes, {} are left", self.0.len()),
            }),
        }
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Invalid> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Invalid> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Invalid> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Invalid> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn zeros(&mut self, len: usize, field: &'static str) -> Result<(), Invalid> {
        let bytes = self.take(len, field)?;
        if bytes.iter().any(|b| *b != 0) {
            return Err(not_zero(field, bytes));
        }
        Ok(())
    }

    pub(crate) fn end(&self, field: &'static str) -> Result<(), Invalid> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Invalid::Malformed {
            field,
            cause: format!("has {} bytes behind its last field", self.0.len()),
        })
    }
}

/// Reserved bytes that are not.
pub(crate) fn not_zero(field: &'static str, found: &[u8]) -> Invalid {
    Invalid::Malformed {
        field,
        cause: format!("are {}, wanted zeros", hex::encode(found)),
    }
}

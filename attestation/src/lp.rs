//! `LP(x)`: a u32 big-endian length, then x. The only encoder and decoder of it in the house.
//!
//! Everything that attest-1 hashes, signs or sends is a sequence of such fields, integers included, so that no two
//! different sequences have the same bytes. *Empty* is the LP of nothing; an absent thing is never left out.
//!
//! Does not live here: what the fields mean (`channel`).
//! Source: docs/protocol/attest-1.md, section 1.

/// Bytes of the length in front of each field.
const LENGTH_BYTES: usize = 4;

/// The length that stands in front of a field, for whoever hashes a large one in place.
///
/// # Panics
/// If the field has 4 GiB or more; the largest limit of section 8 is 32 MiB.
pub(crate) fn length(field: &[u8]) -> [u8; LENGTH_BYTES] {
    u32::try_from(field.len())
        .expect("no field reaches 4 GiB: the largest limit is 32 MiB")
        .to_be_bytes()
}

/// Joins fields, each with its length in front.
///
/// ```
/// use stoa_attestation::lp::Writer;
/// assert_eq!(Writer::new().field(b"ab").u16(1).finish(), b"\0\0\0\x02ab\0\0\0\x02\0\x01");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `LP(bytes)`.
    ///
    /// # Panics
    /// If the field has 4 GiB or more; the largest limit of section 8 is 32 MiB.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&length(bytes));
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends `LP(bytes)`, or the LP of nothing if there are none.
    #[must_use]
    pub fn optional(self, bytes: Option<&[u8]>) -> Self {
        self.field(bytes.unwrap_or_default())
    }

    /// Appends the LP of nothing.
    #[must_use]
    pub fn empty(self) -> Self {
        self.field(&[])
    }

    /// Appends `LP` of one byte.
    #[must_use]
    pub fn u8(self, number: u8) -> Self {
        self.field(&[number])
    }

    /// Appends `LP` of two bytes, big-endian.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// Appends `LP` of eight bytes, big-endian.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fields one after the other from bytes that it borrows; nothing is copied before its length was judged.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    last: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            last: "nothing",
        }
    }

    /// The next field, of at most `limit` bytes (inclusive, the content without its length).
    ///
    /// # Errors
    /// [`LpFault::TooLong`] if the length in front is above the limit, even if the bytes end before;
    /// [`LpFault::Short`] if they end before.
    pub fn field(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], LpFault> {
        let Some((length, rest)) = self.rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(LpFault::Short {
                field,
                wanted: LENGTH_BYTES,
                left: self.rest.len(),
            });
        };
        // A length that does not fit usize (on a 16-bit machine) is above every limit.
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(LpFault::TooLong {
                field,
                got: length,
                limit,
            });
        }
        let Some((content, rest)) = rest.split_at_checked(length) else {
            return Err(LpFault::Short {
                field,
                wanted: length,
                left: rest.len(),
            });
        };
        self.rest = rest;
        self.last = field;
        Ok(content)
    }

    /// The next field, of 1 to `limit` bytes.
    ///
    /// # Errors
    /// As [`Reader::field`], and [`LpFault::Empty`].
    pub fn filled(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], LpFault> {
        match self.field(field, limit)? {
            [] => Err(LpFault::Empty { field }),
            content => Ok(content),
        }
    }

    /// The next field, of exactly `N` bytes.
    ///
    /// # Errors
    /// As [`Reader::field`], and [`LpFault::Length`].
    pub fn exact<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], LpFault> {
        let content = self.field(field, N)?;
        content.try_into().map_err(|_| LpFault::Length {
            field,
            got: content.len(),
            wanted: N,
        })
    }

    /// The next field, of exactly `N` bytes, or `None` if it is empty.
    ///
    /// # Errors
    /// As [`Reader::exact`].
    pub fn optional<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<[u8; N]>, LpFault> {
        match self.field(field, N)? {
            [] => Ok(None),
            content => match content.try_into() {
                Ok(exact) => Ok(Some(exact)),
                Err(_) => Err(LpFault::Length {
                    field,
                    got: content.len(),
                    wanted: N,
                }),
            },
        }
    }

    /// The next field, one byte.
    ///
    /// # Errors
    /// As [`Reader::exact`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, LpFault> {
        self.exact(field).map(u8::from_be_bytes)
    }

    /// The next field, two bytes big-endian.
    ///
    /// # Errors
    /// As [`Reader::exact`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, LpFault> {
        self.exact(field).map(u16::from_be_bytes)
    }

    /// The next field, eight bytes big-endian.
    ///
    /// # Errors
    /// As [`Reader::exact`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, LpFault> {
        self.exact(field).map(u64::from_be_bytes)
    }

    /// The next field, which must be this label.
    ///
    /// # Errors
    /// As [`Reader::field`], and [`LpFault::Label`].
    pub fn label(&mut self, wanted: &'static str) -> Result<(), LpFault> {
        // Another label may be longer than ours; it is shown, so it is bounded.
        const LABEL_BYTES_MAX: usize = 64;
        let got = self.field("label", LABEL_BYTES_MAX)?;
        if got != wanted.as_bytes() {
            return Err(LpFault::Label {
                got: got.escape_ascii().to_string(),
                wanted,
            });
        }
        Ok(())
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`LpFault::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), LpFault> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(LpFault::Trailing {
            last: self.last,
            left: self.rest.len(),
        })
    }
}

/// Why bytes are not the fields that were wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LpFault {
    /// The bytes end inside a field or its length.
    #[error("the bytes end in {field}: {wanted} wanted, {left} left")]
    Short {
        /// Which field.
        field: &'static str,
        /// Bytes that its length promises, or 4 if the length itself is cut.
        wanted: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A length above the field's limit.
    #[error("{field} has {got} bytes, the limit is {limit}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Bytes, as its length says.
        got: usize,
        /// The limit, inclusive.
        limit: usize,
    },
    /// A field of fixed size has another.
    #[error("{field} has {got} bytes, wanted are {wanted}")]
    Length {
        /// Which field.
        field: &'static str,
        /// Bytes that it has.
        got: usize,
        /// Bytes that it must have.
        wanted: usize,
    },
    /// A field that must not be empty is.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// Another label, so another structure.
    #[error("the label is `{got}`, wanted is `{wanted}`")]
    Label {
        /// The label found, escaped.
        got: String,
        /// The label of this structure.
        wanted: &'static str,
    },
    /// Bytes behind the last field.
    #[error("{left} bytes stand behind the last field ({last})")]
    Trailing {
        /// The last field.
        last: &'static str,
        /// Bytes behind it.
        left: usize,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn integers_and_empty_fields_have_lengths_too() {
        let bytes = Writer::new()
            .u8(1)
            .u16(0x0203)
            .u64(4)
            .empty()
            .optional(None)
            .optional(Some(b"x"))
            .finish();
        assert_eq!(
            bytes,
            b"\0\0\0\x01\x01\0\0\0\x02\x02\x03\0\0\0\x08\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\x01x"
        );
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = Writer::new()
            .field(b"label")
            .u8(1)
            .u16(2)
            .u64(3)
            .empty()
            .field(&[7; 32])
            .finish();
        let mut reader = Reader::new(&bytes);
        reader.label("label").unwrap();
        assert_eq!(reader.u8("a").unwrap(), 1);
        assert_eq!(reader.u16("b").unwrap(), 2);
        assert_eq!(reader.u64("c").unwrap(), 3);
        assert_eq!(reader.optional::<32>("d").unwrap(), None);
        assert_eq!(reader.optional::<32>("e").unwrap(), Some([7; 32]));
        reader.finish().unwrap();
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_the_bytes_are_looked_for() {
        let mut reader = Reader::new(b"\xff\xff\xff\xffx");
        let fault = reader.field("evidence", 65_536).unwrap_err();
        assert_eq!(
            fault,
            LpFault::TooLong {
                field: "evidence",
                got: 0xffff_ffff,
                limit: 65_536
            }
        );
    }

    #[test]
    fn a_limit_is_inclusive() {
        let bytes = Writer::new().field(&[0; 5]).finish();
        assert_eq!(Reader::new(&bytes).field("f", 5).unwrap().len(), 5);
        assert_eq!(
            Reader::new(&bytes).field("f", 4),
            Err(LpFault::TooLong {
                field: "f",
                got: 5,
                limit: 4
            })
        );
    }

    #[test]
    fn short_long_empty_and_trailing_bytes_are_refused_by_name() {
        assert_eq!(
            Reader::new(b"\0\0\0").u8("a"),
            Err(LpFault::Short {
                field: "a",
                wanted: 4,
                left: 3
            })
        );
        assert_eq!(
            Reader::new(b"\0\0\0\x01").u8("a"),
            Err(LpFault::Short {
                field: "a",
                wanted: 1,
                left: 0
            })
        );
        assert_eq!(
            Reader::new(b"\0\0\0\x01x").u16("a"),
            Err(LpFault::Length {
                field: "a",
                got: 1,
                wanted: 2
            })
        );
        assert_eq!(
            Reader::new(b"\0\0\0\x01x").optional::<2>("a"),
            Err(LpFault::Length {
                field: "a",
                got: 1,
                wanted: 2
            })
        );
        assert_eq!(
            Reader::new(b"\0\0\0\0").filled("a", 9),
            Err(LpFault::Empty { field: "a" })
        );
        assert_eq!(
            Reader::new(b"\0\0\0\x02\xffx").label("y"),
            Err(LpFault::Label {
                got: r"\xffx".to_owned(),
                wanted: "y"
            })
        );
        let mut reader = Reader::new(b"\0\0\0\x01xz");
        reader.u8("a").unwrap();
        assert_eq!(
            reader.finish(),
            Err(LpFault::Trailing { last: "a", left: 1 })
        );
    }
}

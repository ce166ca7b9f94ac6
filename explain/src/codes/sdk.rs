//! Codes of the room `sdk`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

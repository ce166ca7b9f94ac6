//! Codes of the room `synthetic`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

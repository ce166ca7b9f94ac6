//! Codes of the room `store`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

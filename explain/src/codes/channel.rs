//! Codes of the room `channel`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

//! Codes of the room `source`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

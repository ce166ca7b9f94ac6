//! Codes of the room `server`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

//! Codes of the room `cli`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

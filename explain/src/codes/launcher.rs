//! Codes of the room `launcher`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

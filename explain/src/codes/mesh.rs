//! Codes of the room `mesh`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

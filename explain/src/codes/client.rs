//! Codes of the room `client`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

//! Codes of the room `manifest`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

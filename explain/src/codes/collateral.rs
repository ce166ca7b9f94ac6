//! Codes of the room `collateral`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

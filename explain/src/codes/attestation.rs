//! Codes of the room `attestation`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[];

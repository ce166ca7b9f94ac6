//! Keys and certificates made in one go, with errors that name their holder.
//!
//! Does not live here: what may stand in a certificate (`ca`), for whom one is made (`command`, `provision`, `secrets`).

use crate::ca::{Limits, Signer, Template, sign, validate};
use crate::certificate::Certificate;
use crate::keys::{KeyKind, KeyMaterial, Keys};
use crate::refusal::Refusal;

/// Template, validator, signer; errors name the holder.
pub(crate) fn issue(
    template: Template,
    limits: &Limits<'_>,
    signer: Signer<'_>,
    keys: &dyn Keys,
    holder: &str,
) -> Result<Certificate, Refusal> {
    validate(template, limits)
        .and_then(|content| sign(&content, signer, keys))
        .map_err(|cause| Refusal::Certificate {
            holder: holder.to_owned(),
            cause,
        })
}

pub(crate) fn generate(
    keys: &dyn Keys,
    kind: KeyKind,
    holder: &str,
) -> Result<KeyMaterial, Refusal> {
    keys.generate(kind).map_err(|cause| Refusal::Key {
        holder: holder.to_owned(),
        cause,
    })
}

//! `Secrets`: what the coordinator makes or keeps for the mesh.
//!
//! Keys: MarbleRun's (docs/reference/manifest.md).
//! Does not live here: what a certificate says (`certificate`), making them (`mesh`), reading them in a template
//! (`template`).

use crate::certificate::{CertificateTemplate, VALID_FOR_DAYS_DEFAULT};
use crate::dates;
use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, not_served};
use crate::json::Value;
use crate::keys::{SECRET, TYPES};
use crate::limits::{SYMMETRIC_KEY_BITS_MAX, VALID_FOR_DAYS_MAX};

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretKind {
    /// Random bytes.
    SymmetricKey {
        /// 8 to 65536, a multiple of 8.
        bits: u32,
    },
    /// A certificate of the mesh with an ECDSA key.
    CertEcdsa {
        /// 256 (P-256), 384 (P-384) or 521 (P-521); 0 if users define it and the manifest does not say.
        bits: u32,
    },
    /// A certificate of the mesh with an Ed25519 key.
    CertEd25519,
    /// A certificate of the mesh with an RSA key.
    CertRsa {
        /// 2048, 3072 or 4096; 0 if users define it and the manifest does not say.
        bits: u32,
    },
    /// Bytes that a user sets, of any length.
    Plain,
}

/// Where the value of a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Made once, the same for the whole mesh.
    Shared,
    /// Made for each instance of a marble.
    Instance,
    /// Set by a user, the same for the whole mesh; empty until then.
    User,
}

/// A secret as the manifest defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDefinition {
    /// What it is.
    pub kind: SecretKind,
    /// Where its value comes from.
    pub source: Source,
    /// Whether the manifest calls it shared; of a user's secret that says who may read it.
    pub shared: bool,
    /// What its certificate says. At its defaults for a symmetric key.
    pub certificate: CertificateTemplate,
}

impl SecretDefinition {
    /// Reads a secret; nothing if its kind could not be read.
    pub(crate) fn read(value: &Value, path: &Path, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::open(value, path, &SECRET, sink);
        let shared = fields.flag("Shared", sink);
        let source = match (fields.flag("UserDefined", sink), shared) {
            (true, _) => Source::User,
            (false, true) => Source::Shared,
            (false, false) => Source::Instance,
        };
        let kind = kind(&fields, path, source, sink);
        let mut certificate = CertificateTemplate {
            valid_for_days: valid_for_days(&fields, sink),
            ..CertificateTemplate::default()
        };
        if let Some(value) = fields.value("Cert") {
            certificate.read(value, &fields.path("Cert"), sink);
        }
        both_ends(&fields, &certificate, sink);
        for key in ["Private", "Public"] {
            _ = fields.bytes(key, sink);
        }
        let kind = kind?;
        if kind == SecretKind::Plain && source != Source::User {
            sink.fault(
                &fields.path("UserDefined"),
                "is false: the coordinator can't make a plain secret",
                "write true, or another Type",
            );
        }
        let keyless = matches!(kind, SecretKind::SymmetricKey { .. } | SecretKind::Plain);
        if keyless || source == Source::User {
            let what = match (keyless, kind) {
                (true, SecretKind::Plain) => "means nothing for a plain secret",
                (true, _) => "means nothing for a symmetric key",
                (false, _) => "means nothing for a secret that users define",
            };
            meaningless(&mut certificate, &fields, what, sink);
        }
        Some(Self {
            kind,
            source,
            shared,
            certificate,
        })
    }
}

/// Notes a certificate that nobody makes, and forgets it.
fn meaningless(
    certificate: &mut CertificateTemplate,
    fields: &Fields<'_>,
    what: &str,
    sink: &mut Sink,
) {
    let mut warn = |key| sink.warn(&fields.path(key), what, "take it out");
    if certificate.valid_for_days != VALID_FOR_DAYS_DEFAULT {
        warn("ValidFor");
        certificate.valid_for_days = VALID_FOR_DAYS_DEFAULT;
    }
    if *certificate != CertificateTemplate::default() {
        warn("Cert");
        *certificate = CertificateTemplate::default();
    }
}

fn kind(fields: &Fields<'_>, path: &Path, source: Source, sink: &mut Sink) -> Option<SecretKind> {
    let size = fields.number("Size", u64::MAX, sink);
    if fields.text("Type", sink).is_none() {
        let silent = fields
            .value("Type")
            .is_none_or(|value| *value == Value::Text(String::new()));
        if silent {
            let remedy = format!("write one of {}", TYPES.join(", "));
            sink.fault(&path.key("Type"), "is missing", remedy);
        }
        return None;
    }
    let word = fields.word("Type", &TYPES, sink)?;
    if size.is_none() && fields.value("Size").is_some() {
        return None; // its fault is noted
    }
    let bits = size.unwrap_or(0);
    let user = source == Source::User;
    let short = u32::try_from(bits).unwrap_or(u32::MAX);
    let size_path = fields.path("Size");
    let is = format!("is {bits}");
    let remedy = match word {
        "symmetric-key" => {
            let allowed = (8..=SYMMETRIC_KEY_BITS_MAX).contains(&bits) && bits.is_multiple_of(8);
            if allowed {
                return Some(SecretKind::SymmetricKey { bits: short });
            }
            format!("write the bits of the key, a multiple of 8, 8 to {SYMMETRIC_KEY_BITS_MAX}")
        }
        "cert-ecdsa" => match bits {
            256 | 384 | 521 => return Some(SecretKind::CertEcdsa { bits: short }),
            0 if user => return Some(SecretKind::CertEcdsa { bits: 0 }),
            224 => {
                not_served(&size_path, &is, sink);
                return None;
            }
            _ => "write 256, 384 or 521".to_owned(),
        },
        "cert-rsa" => match bits {
            2048 | 3072 | 4096 => return Some(SecretKind::CertRsa { bits: short }),
            0 if user => return Some(SecretKind::CertRsa { bits: 0 }),
            _ => "write 2048, 3072 or 4096".to_owned(),
        },
        "cert-ed25519" if bits == 0 => return Some(SecretKind::CertEd25519),
        "cert-ed25519" => "take it out: Ed25519 keys have one size".to_owned(),
        _ if bits == 0 => return Some(SecretKind::Plain),
        _ => "take it out: a plain secret has any length".to_owned(),
    };
    sink.fault(&size_path, is, remedy);
    None
}

/// `ValidFor`, where 0 is the default.
fn valid_for_days(fields: &Fields<'_>, sink: &mut Sink) -> u32 {
    let days = fields.number("ValidFor", VALID_FOR_DAYS_MAX, sink);
    match days.and_then(|days| u32::try_from(days).ok()) {
        None | Some(0) => VALID_FOR_DAYS_DEFAULT,
        Some(days) => days,
    }
}

/// Notes an end that is said twice.
fn both_ends(fields: &Fields<'_>, certificate: &CertificateTemplate, sink: &mut Sink) {
    let days = matches!(fields.value("ValidFor"), Some(value) if value.shown() != "0");
    if let (Some(end), true) = (certificate.not_after, days) {
        let cause = format!(
            "stands beside Cert.NotAfter ({})",
            quoted(&dates::written(end))
        );
        sink.fault(&fields.path("ValidFor"), cause, "keep one of them");
    }
}

//! `Config`: what holds for the whole mesh.
//!
//! Keys: docs/reference/manifest.md (MarbleRun's, and `MeshName`, `CertificateLifetime`, `LegacyMarbles`,
//! `CoordinatorEvidence`).

use core::time::Duration;

use crate::fault::{Sink, quoted};
use crate::fields::{Fields, Shape, not_served};
use crate::limits::{CERTIFICATE_LIFETIME_SECS_MAX, CERTIFICATE_LIFETIME_SECS_MIN};
use crate::names;
use crate::suggest;

/// A marble's certificate lives a day unless the manifest says otherwise.
pub const CERTIFICATE_LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// What holds for the whole mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The SPIFFE trust domain; without one it is made from the root CA's key.
    pub mesh_name: Option<String>,
    /// How long a marble's certificate is valid: one minute to 90 days, 24 h by default.
    pub certificate_lifetime: Duration,
    /// Whether MarbleRun's protocol is served beside Stoa's keys. Not served yet, so always false.
    pub legacy_marbles: bool,
    /// Whether connections share the coordinator's evidence.
    pub coordinator_evidence: CoordinatorEvidence,
    /// What the data key is sealed to.
    pub seal_mode: SealMode,
}

/// How often the coordinator is quoted (docs/protocol/attest-1.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CoordinatorEvidence {
    /// One quote for the connections of 60 s.
    #[default]
    Shared,
    /// A quote for each connection.
    PerSession,
}

/// What the data key is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SealMode {
    /// Whoever signed this coordinator, the same product.
    #[default]
    ProductKey,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mesh_name: None,
            certificate_lifetime: CERTIFICATE_LIFETIME_DEFAULT,
            legacy_marbles: false,
            coordinator_evidence: CoordinatorEvidence::default(),
            seal_mode: SealMode::default(),
        }
    }
}

const SERVED: [&str; 5] = [
    "SealMode",
    "MeshName",
    "CertificateLifetime",
    "LegacyMarbles",
    "CoordinatorEvidence",
];
const LATER: [(&str, Shape); 4] = [
    ("FeatureGates", Shape::List),
    ("UpdateThreshold", Shape::Number),
    ("RecoveryThreshold", Shape::Number),
    ("RotateRootSecret", Shape::Bool),
];

pub(crate) const KEYS: (&[&str], &[(&str, Shape)]) = (&SERVED, &LATER);

impl Config {
    pub(crate) fn read(fields: &Fields<'_>, sink: &mut Sink) -> Self {
        if fields.flag("LegacyMarbles", sink) {
            not_served(&fields.path("LegacyMarbles"), "is true", sink);
        }
        Self {
            mesh_name: mesh_name(fields, sink),
            certificate_lifetime: certificate_lifetime(fields, sink),
            legacy_marbles: false,
            coordinator_evidence: one_of(
                fields,
                "CoordinatorEvidence",
                &[
                    ("Shared", CoordinatorEvidence::Shared),
                    ("PerSession", CoordinatorEvidence::PerSession),
                ],
                sink,
            ),
            seal_mode: seal_mode(fields, sink),
        }
    }
}

/// `SealMode`: MarbleRun's other modes are known and not served yet.
fn seal_mode(fields: &Fields<'_>, sink: &mut Sink) -> SealMode {
    let path = fields.path("SealMode");
    match fields.text("SealMode", sink) {
        None | Some("ProductKey") => {}
        Some(text @ ("UniqueKey" | "Disabled")) => {
            not_served(&path, &format!("is {}", quoted(text)), sink)
        }
        Some(text) => {
            let remedy =
                suggest::remedy(text, ["ProductKey", "UniqueKey", "Disabled"]).unwrap_or_default();
            sink.fault(&path, format!("is {}", quoted(text)), remedy);
        }
    }
    SealMode::ProductKey
}

fn mesh_name(fields: &Fields<'_>, sink: &mut Sink) -> Option<String> {
    let name = fields.text("MeshName", sink)?;
    match names::trust_domain(name) {
        Ok(()) => Some(name.to_owned()),
        Err((cause, remedy)) => {
            sink.fault(
                &fields.path("MeshName"),
                format!("is {}: {cause}", quoted(name)),
                remedy,
            );
            None
        }
    }
}

fn certificate_lifetime(fields: &Fields<'_>, sink: &mut Sink) -> Duration {
    let Some(text) = fields.text("CertificateLifetime", sink) else {
        return CERTIFICATE_LIFETIME_DEFAULT;
    };
    let path = fields.path("CertificateLifetime");
    let allowed = CERTIFICATE_LIFETIME_SECS_MIN..=CERTIFICATE_LIFETIME_SECS_MAX;
    match duration_secs(text) {
        Some(secs) if allowed.contains(&secs) => return Duration::from_secs(secs),
        Some(secs) => sink.fault(
            &path,
            format!("is {} ({secs} s)", quoted(text)),
            "write 10s to 2160h (90 days, the life of the issuing CA)",
        ),
        None => sink.fault(
            &path,
            format!("is {}", quoted(text)),
            "write a duration in whole h, m and s, as \"24h\" or \"1h30m\"",
        ),
    }
    CERTIFICATE_LIFETIME_DEFAULT
}

/// Seconds of a duration as Go writes one, in whole hours, minutes and seconds: `1h30m`.
fn duration_secs(text: &str) -> Option<u64> {
    let mut secs: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        secs = number
            .checked_mul(unit)
            .and_then(|part| secs.checked_add(part))?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(secs)
}

/// One of a few words, spelled exactly; the default if absent or empty.
fn one_of<T: Copy + Default>(
    fields: &Fields<'_>,
    key: &str,
    words: &[(&str, T)],
    sink: &mut Sink,
) -> T {
    let Some(text) = fields.text(key, sink) else {
        return T::default();
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return *value;
    }
    let remedy = suggest::remedy(text, words.iter().map(|(word, _)| *word)).unwrap_or_default();
    sink.fault(&fields.path(key), format!("is {}", quoted(text)), remedy);
    T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let table = [
            ("24h", Some(86_400)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("0s", Some(0)),
            ("1h1h", Some(7200)),
            ("", None),
            ("24", None),
            ("h", None),
            ("24 h", None),
            ("-1h", None),
            ("1.5h", None),
            ("1d", None),
            ("1hm", None),
            ("99999999999999999999h", None),
            ("9999999999999999999h", None),
            ("1é", None),
        ];
        for (text, want) in table {
            assert_eq!(duration_secs(text), want, "{text}");
        }
    }
}

//! `Config`: what holds for the whole mesh.
//!
//! Keys: docs/reference/manifest.md (MarbleRun's, and `MeshName`, `CertificateLifetime`, `LegacyMarbles`,
//! `CoordinatorEvidence`).

use core::time::Duration;
use std::collections::BTreeSet;

use crate::duration;
use crate::fault::{Sink, quoted};
use crate::fields::{Fields, not_served};
use crate::keys::{EVIDENCE, FEATURE_GATES, SEAL_MODES};
use crate::limits::{CERTIFICATE_LIFETIME_SECS_MAX, CERTIFICATE_LIFETIME_SECS_MIN};
use crate::names;

/// A marble's certificate lives a day unless the manifest says otherwise.
pub const CERTIFICATE_LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// What holds for the whole mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The SPIFFE trust domain; without one it is made from the root CA's key.
    pub mesh_name: Option<String>,
    /// How long a marble's certificate is valid: one minute to 90 days, 24 h by default.
    pub certificate_lifetime: Duration,
    /// Whether MarbleRun's protocol is served beside Stoa's keys. Not served yet.
    pub legacy_marbles: bool,
    /// Whether connections share the coordinator's evidence.
    pub coordinator_evidence: CoordinatorEvidence,
    /// What the data key is sealed to.
    pub seal_mode: SealMode,
    /// MarbleRun's optional features, by name. None is served yet.
    pub feature_gates: BTreeSet<&'static str>,
    /// How many users must agree to an update; 0 is all that may.
    pub update_threshold: u32,
    /// How many owners of recovery keys must come together; 0 is all.
    pub recovery_threshold: u32,
    /// Whether an update to this manifest that is more than a raise makes a new root secret.
    pub rotate_root_secret: bool,
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
    /// Exactly this coordinator. Not served yet.
    UniqueKey,
    /// Nothing is sealed. Not served yet.
    Disabled,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mesh_name: None,
            certificate_lifetime: CERTIFICATE_LIFETIME_DEFAULT,
            legacy_marbles: false,
            coordinator_evidence: CoordinatorEvidence::default(),
            seal_mode: SealMode::default(),
            feature_gates: BTreeSet::new(),
            update_threshold: 0,
            recovery_threshold: 0,
            rotate_root_secret: false,
        }
    }
}

impl Config {
    pub(crate) fn read(fields: &Fields<'_>, sink: &mut Sink) -> Self {
        let evidence = match fields.word("CoordinatorEvidence", &EVIDENCE, sink) {
            Some("PerSession") => CoordinatorEvidence::PerSession,
            _ => CoordinatorEvidence::Shared,
        };
        let lifetime = CERTIFICATE_LIFETIME_SECS_MIN..=CERTIFICATE_LIFETIME_SECS_MAX;
        let mut number = |key| {
            let number = fields.number(key, u64::from(u32::MAX), sink);
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0)
        };
        let (update_threshold, recovery_threshold) =
            (number("UpdateThreshold"), number("RecoveryThreshold"));
        if recovery_threshold == 1 {
            sink.fault(
                &fields.path("RecoveryThreshold"),
                "is 1: each owner of a key could recover alone",
                "write 2 or more, or 0 for all of them",
            );
        }
        Self {
            mesh_name: mesh_name(fields, sink),
            certificate_lifetime: duration::field(fields, "CertificateLifetime", lifetime, sink)
                .unwrap_or(CERTIFICATE_LIFETIME_DEFAULT),
            legacy_marbles: fields.flag("LegacyMarbles", sink),
            coordinator_evidence: evidence,
            seal_mode: seal_mode(fields, sink),
            feature_gates: fields
                .words("FeatureGates", &FEATURE_GATES, sink)
                .iter()
                .map(|(gate, _)| *gate)
                .collect(),
            update_threshold,
            recovery_threshold,
            rotate_root_secret: fields.flag("RotateRootSecret", sink),
        }
    }
}

/// `SealMode`: MarbleRun's other modes are known and not served yet.
fn seal_mode(fields: &Fields<'_>, sink: &mut Sink) -> SealMode {
    let mode = match fields.word("SealMode", &SEAL_MODES, sink) {
        None | Some("ProductKey") => return SealMode::ProductKey,
        Some("UniqueKey") => SealMode::UniqueKey,
        Some(_) => SealMode::Disabled,
    };
    let what = format!("is \"{mode:?}\"");
    not_served(&fields.path("SealMode"), &what, sink);
    mode
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

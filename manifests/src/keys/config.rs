//! Keys of `Config`.

use super::{Key, Kind, Object};

/// What the data key is sealed to.
pub(crate) const SEAL_MODES: [&str; 3] = ["ProductKey", "UniqueKey", "Disabled"];
/// MarbleRun's feature gates.
pub(crate) const FEATURE_GATES: [&str; 3] =
    ["SignQuoteEndpoint", "MonotonicCounter", "AzureHSMSealing"];
/// How often the coordinator is quoted.
pub(crate) const EVIDENCE: [&str; 2] = ["Shared", "PerSession"];

pub(crate) static CONFIG: Object = Object {
    name: "Config",
    about: "`Config` holds for the whole mesh.",
    keys: &[
        Key::marblerun(
            "SealMode",
            Kind::Word(&SEAL_MODES),
            "`ProductKey`",
            "what the data key is sealed to, exact case; `UniqueKey` and `Disabled` are not served yet",
        ),
        Key::stoa(
            "MeshName",
            Kind::Text,
            "made from the root CA's key",
            "the SPIFFE trust domain",
        ),
        Key::stoa(
            "CertificateLifetime",
            Kind::Duration,
            "`24h`",
            "of a marble's certificate: 10 seconds to 90 days",
        ),
        Key::stoa(
            "LegacyMarbles",
            Kind::Flag,
            "false",
            "serve MarbleRun's protocol although there are keys of ours",
        )
        .later(),
        Key::stoa(
            "CoordinatorEvidence",
            Kind::Word(&EVIDENCE),
            "`Shared`",
            "one quote for the connections of a minute, or one for each",
        ),
        Key::marblerun(
            "FeatureGates",
            Kind::Words(&FEATURE_GATES),
            "none",
            "MarbleRun's optional features, compared without case",
        )
        .later(),
        Key::marblerun(
            "UpdateThreshold",
            Kind::Number(u32::MAX as u64),
            "0, all",
            "how many users with `UpdateManifest` must agree to an update",
        ),
        Key::marblerun(
            "RecoveryThreshold",
            Kind::Number(u32::MAX as u64),
            "0, all",
            "how many owners of RecoveryKeys must come together; not 1",
        ),
        Key::marblerun(
            "RotateRootSecret",
            Kind::Flag,
            "false",
            "each update to this manifest that is more than raised security versions makes a new root secret, and the symmetric keys anew",
        ),
    ],
};

//! Keys of `Secrets.<name>`.

use super::{Key, Kind, Object};

/// The types of secrets.
pub(crate) const TYPES: [&str; 5] = [
    "symmetric-key",
    "cert-ecdsa",
    "cert-ed25519",
    "cert-rsa",
    "plain",
];

pub(crate) static SECRET: Object = Object {
    name: "Secret",
    about: "`Secrets.<name>` is made by the coordinator, or set by a user.",
    keys: &[
        Key::marblerun("Type", Kind::Word(&TYPES), "a fault", "what it is"),
        Key::marblerun(
            "Size",
            Kind::Number(u64::MAX),
            "0",
            "bits: of a symmetric key a multiple of 8; `cert-ecdsa` 256, 384, 521; `cert-rsa` 2048, 3072, 4096; else absent",
        ),
        Key::marblerun(
            "Shared",
            Kind::Flag,
            "false",
            "one for the whole mesh; else one for each instance",
        ),
        Key::marblerun(
            "UserDefined",
            Kind::Flag,
            "false",
            "users set its value; until they have, a marble that needs it is refused",
        ),
        Key::marblerun(
            "ValidFor",
            Kind::Number(crate::limits::VALID_FOR_DAYS_MAX),
            "365",
            "days that its certificate is valid",
        ),
        Key::marblerun(
            "Cert",
            Kind::Certificate,
            "all defaults",
            "what its certificate says",
        ),
        Key::marblerun(
            "Private",
            Kind::Bytes,
            "none",
            "a value that is given: nothing secret belongs into a manifest, so it must be empty",
        )
        .later(),
        Key::marblerun("Public", Kind::Bytes, "none", "as `Private`").later(),
    ],
};

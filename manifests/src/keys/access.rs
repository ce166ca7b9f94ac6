//! Keys of `Users.<name>` and `Roles.<name>`.

use super::{Key, Kind, Object};

/// What a role can be about.
pub(crate) const RESOURCE_TYPES: [&str; 4] = ["Packages", "Secrets", "Manifest", "Audit"];
/// What a role can allow.
pub(crate) const ACTIONS: [&str; 5] = [
    "UpdateSecurityVersion",
    "ReadSecret",
    "WriteSecret",
    "UpdateManifest",
    "ReadAudit",
];

pub(crate) static USER: Object = Object {
    name: "User",
    about: "`Users.<name>` is known by its client certificate; no two users have the same.",
    keys: &[
        Key::marblerun("Certificate", Kind::Text, "a fault", "one certificate, PEM"),
        Key::marblerun("Roles", Kind::Texts, "none", "names of its roles"),
    ],
};

pub(crate) static ROLE: Object = Object {
    name: "Role",
    about: "`Roles.<name>` is a right. `Packages`: UpdateSecurityVersion. `Secrets`: ReadSecret (of what is shared or \
            user-defined), WriteSecret (of what is user-defined). `Manifest`: UpdateManifest, without names. `Audit` (ours): \
            ReadAudit, without names: history, refusals and audit, and no secret. Rights of several roles add up.",
    keys: &[
        Key::marblerun(
            "ResourceType",
            Kind::Word(&RESOURCE_TYPES),
            "a fault",
            "what it is about, exact case",
        ),
        Key::marblerun(
            "ResourceNames",
            Kind::Texts,
            "none",
            "the packages or secrets; `Manifest` and `Audit` have none",
        ),
        Key::marblerun(
            "Actions",
            Kind::Words(&ACTIONS),
            "none",
            "what it allows, compared without case",
        ),
    ],
};

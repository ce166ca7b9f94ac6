//! `Users`, `Roles` and `RecoveryKeys`: who may do what with a mesh that runs.
//!
//! Does not live here: what follows from them (`rights`), who is asking (`mesh`).

use std::collections::{BTreeMap, BTreeSet};

use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::fault::{Path, Sink, quoted};
use crate::fields::Fields;
use crate::infrastructure::pem;
use crate::json::Value;
use crate::keys::{ACTIONS, RESOURCE_TYPES, ROLE, USER};
use crate::limits::{LIST_MAX, PEM_BYTES_MAX, RECOVERY_KEY_BITS_MAX, RECOVERY_KEY_BITS_MIN};
use crate::marble::{known, named};
use crate::secret::{SecretDefinition, Source};

/// Someone with rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The client certificate that is theirs, DER.
    pub certificate: Vec<u8>,
    /// Their roles; the manifest has them.
    pub roles: Vec<String>,
}

/// A right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// What it is about.
    pub resource: Resource,
    /// The packages or secrets; the manifest has them. Empty for the other resources.
    pub names: Vec<String>,
    /// What it allows.
    pub actions: BTreeSet<Action>,
}

/// What a role is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `Packages`
    Packages,
    /// `Secrets`
    Secrets,
    /// `Manifest`
    Manifest,
    /// `Audit`
    Audit,
}

/// What a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Raise the security version of a package.
    UpdateSecurityVersion,
    /// Read a secret.
    ReadSecret,
    /// Set a secret that users define.
    WriteSecret,
    /// Propose, acknowledge and cancel a whole manifest.
    UpdateManifest,
    /// Read history, refusals and audit, and no secret.
    ReadAudit,
}

impl Resource {
    /// The actions that there are on it.
    #[must_use]
    pub fn actions(self) -> &'static [Action] {
        match self {
            Self::Packages => &[Action::UpdateSecurityVersion],
            Self::Secrets => &[Action::ReadSecret, Action::WriteSecret],
            Self::Manifest => &[Action::UpdateManifest],
            Self::Audit => &[Action::ReadAudit],
        }
    }
}

impl Action {
    /// As a manifest writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UpdateSecurityVersion => "UpdateSecurityVersion",
            Self::ReadSecret => "ReadSecret",
            Self::WriteSecret => "WriteSecret",
            Self::UpdateManifest => "UpdateManifest",
            Self::ReadAudit => "ReadAudit",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::UpdateSecurityVersion,
        Self::ReadSecret,
        Self::WriteSecret,
        Self::UpdateManifest,
        Self::ReadAudit,
    ];
}

/// Reads one user, whose roles must be among `roles`.
pub(crate) fn user(value: &Value, path: &Path, roles: &[&str], sink: &mut Sink) -> Option<User> {
    let fields = Fields::open(value, path, &USER, sink);
    let mut held = Vec::new();
    for (name, path) in fields.texts("Roles", LIST_MAX, sink) {
        known(name, "Roles", roles, &path, sink);
        held.push(name.to_owned());
    }
    let certificate = fields.path("Certificate");
    let Some(text) = fields.text("Certificate", sink) else {
        missing(
            &fields,
            "Certificate",
            "write the user's certificate, PEM",
            sink,
        );
        return None;
    };
    let refused = |why: &str, sink: &mut Sink| {
        let cause = format!("is no certificate: {why}");
        sink.fault(&certificate, cause, "write one PEM block CERTIFICATE");
        None
    };
    let der = match pem_of(text, "CERTIFICATE") {
        Ok(der) => der,
        Err(why) => return refused(why, sink),
    };
    match X509Certificate::from_der(&der) {
        Ok(([], _)) => {}
        _ => return refused("the block holds no X.509", sink),
    }
    Some(User {
        certificate: der,
        roles: held,
    })
}

/// Notes users that have the same certificate: nobody could tell who of them acts.
pub(crate) fn distinct(users: &BTreeMap<String, User>, path: &Path, sink: &mut Sink) {
    let mut first: BTreeMap<&[u8], &str> = BTreeMap::new();
    for (name, user) in users {
        if let Some(other) = first.insert(&user.certificate, name) {
            let path = path.name(name).key("Certificate");
            let cause = format!("is also that of {}", quoted(other));
            sink.fault(&path, cause, "each user needs a certificate of their own");
        }
    }
}

/// What roles can name.
pub(crate) struct Nameable<'a> {
    pub(crate) packages: &'a [&'a str],
    /// All names; without a definition if that could not be read.
    pub(crate) secrets: &'a BTreeMap<&'a str, Option<SecretDefinition>>,
}

/// Reads one role.
pub(crate) fn role(
    value: &Value,
    path: &Path,
    nameable: &Nameable<'_>,
    sink: &mut Sink,
) -> Option<Role> {
    let fields = Fields::open(value, path, &ROLE, sink);
    let names = fields.texts("ResourceNames", LIST_MAX, sink);
    let words = fields.words("Actions", &ACTIONS, sink);
    let resource = match fields.word("ResourceType", &RESOURCE_TYPES, sink) {
        Some("Packages") => Resource::Packages,
        Some("Secrets") => Resource::Secrets,
        Some("Manifest") => Resource::Manifest,
        Some(_) => Resource::Audit,
        None => {
            let remedy = format!("write one of {}", RESOURCE_TYPES.join(", "));
            missing(&fields, "ResourceType", &remedy, sink);
            return None;
        }
    };
    let mut actions = BTreeSet::new();
    for (word, path) in words {
        let action = Action::ALL
            .into_iter()
            .find(|action| action.name() == word)?;
        if resource.actions().contains(&action) {
            actions.insert(action);
            continue;
        }
        let allowed: Vec<_> = resource
            .actions()
            .iter()
            .map(|action| action.name())
            .collect();
        let cause = format!("is `{word}`, which is nothing that can be done with {resource:?}");
        sink.fault(&path, cause, format!("write {}", allowed.join(" or ")));
    }
    for (name, path) in &names {
        match resource {
            Resource::Packages => known(name, "Packages", nameable.packages, path, sink),
            Resource::Secrets => of_secret(name, path, &actions, nameable, sink),
            Resource::Manifest | Resource::Audit => {
                let cause = format!("is {}: {resource:?} has no parts with names", quoted(name));
                sink.fault(path, cause, "take it out");
            }
        }
    }
    Some(Role {
        resource,
        names: names.iter().map(|(name, _)| (*name).to_owned()).collect(),
        actions,
    })
}

/// Only what users define can be written, only that and what is shared can be read.
fn of_secret(
    name: &str,
    path: &Path,
    actions: &BTreeSet<Action>,
    nameable: &Nameable<'_>,
    sink: &mut Sink,
) {
    let Some(definition) = nameable.secrets.get(name) else {
        let names: Vec<_> = nameable.secrets.keys().copied().collect();
        return known(name, "Secrets", &names, path, sink);
    };
    let Some(definition) = definition else {
        return; // its fault is noted
    };
    if actions.contains(&Action::WriteSecret) && definition.source != Source::User {
        let cause = format!(
            "{}, which the coordinator makes: nobody can write it",
            named(name)
        );
        sink.fault(
            path,
            cause,
            "write UserDefined there, or take WriteSecret out",
        );
    }
    if actions.contains(&Action::ReadSecret) && definition.source == Source::Instance {
        let cause = format!(
            "{}, of which each instance has its own: nobody can read it",
            named(name)
        );
        sink.fault(path, cause, "write Shared there, or take ReadSecret out");
    }
}

/// Reads one recovery key: the DER of its SubjectPublicKeyInfo.
pub(crate) fn recovery_key(value: &Value, path: &Path, sink: &mut Sink) -> Option<Vec<u8>> {
    const REMEDY: &str = "write one PEM block PUBLIC KEY with an RSA key";
    let Value::Text(text) = value else {
        sink.fault(path, format!("is {}", value.shown()), REMEDY);
        return None;
    };
    let refused = |why: &str, sink: &mut Sink| {
        sink.fault(path, format!("is no recovery key: {why}"), REMEDY);
        None
    };
    let der = match pem_of(text, "PUBLIC KEY") {
        Ok(der) => der,
        Err(why) => return refused(why, sink),
    };
    let bits = match SubjectPublicKeyInfo::from_der(&der) {
        Ok(([], spki)) => match spki.parsed() {
            Ok(PublicKey::RSA(key)) => key.key_size(),
            _ => return refused("the key is not an RSA key", sink),
        },
        _ => return refused("the block holds no public key", sink),
    };
    if bits < RECOVERY_KEY_BITS_MIN {
        let why = format!("the RSA key has {bits} bits, fewer than {RECOVERY_KEY_BITS_MIN}");
        return refused(&why, sink);
    }
    if bits > RECOVERY_KEY_BITS_MAX {
        let why = format!("the RSA key has {bits} bits, more than {RECOVERY_KEY_BITS_MAX}");
        return refused(&why, sink);
    }
    Some(der)
}

/// Notes recovery keys that stand twice: one owner would have two shares.
pub(crate) fn distinct_keys(keys: &BTreeMap<String, Vec<u8>>, path: &Path, sink: &mut Sink) {
    let mut first: BTreeMap<&[u8], &str> = BTreeMap::new();
    for (name, key) in keys {
        if let Some(other) = first.insert(key, name) {
            let cause = format!("is also that of {}", quoted(other));
            sink.fault(
                &path.name(name),
                cause,
                "each owner needs a key of their own",
            );
        }
    }
}

fn pem_of(text: &str, label: &str) -> Result<Vec<u8>, &'static str> {
    if text.len() > PEM_BYTES_MAX {
        return Err("it is longer than any");
    }
    pem(text, label)
}

/// Notes a text that must be there, unless it is there and no text.
pub(crate) fn missing(fields: &Fields<'_>, key: &str, remedy: &str, sink: &mut Sink) {
    let silent = fields
        .value(key)
        .is_none_or(|value| *value == Value::Text(String::new()));
    if silent {
        sink.fault(&fields.path(key), "is missing", remedy);
    }
}

//! May this caller do that, and who else must agree? What is in force and who agreed so far in, an answer out.
//!
//! Asked twice: from a view, so that nobody without a right makes the coordinator make keys, and in `decide`, which counts.
//!
//! Does not live here: what a manifest's roles allow and what an update asks for (`stoa_manifest`), the state of a
//! pending update (`state`).

use std::collections::BTreeSet;

use stoa_manifest::{Action, Asks, Manifest, Never};

use crate::caller::Caller;
use crate::recover;
use crate::refusal::Refusal;
use crate::state::{Pending, Policy};

/// Names that a refusal repeats.
const NAMES_SHOWN: usize = 8;
/// Characters of each of them.
const NAME_CHARS_SHOWN: usize = 80;

/// What comes of a user's yes to a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Agreement<'a> {
    /// It comes into force: all who must agree did, these.
    Enough { agreed: BTreeSet<String> },
    /// It is noted, and others must agree too.
    Waits { user: &'a str },
    /// This user had said so before.
    Already,
}

/// Whether `caller` may agree to `manifest`, and what comes of it.
///
/// # Errors
/// [`Refusal::UserUnknown`], [`Refusal::NotPermitted`], [`Refusal::RecoveryKeysFixed`], [`Refusal::UpdateRefused`],
/// [`Refusal::UpdatePending`] if another manifest waits.
pub(crate) fn agree<'a>(
    policy: &'a Policy,
    pending: Option<&Pending>,
    manifest: &Manifest,
    caller: &Caller,
) -> Result<Agreement<'a>, Refusal> {
    let in_force = &policy.manifest;
    let user = user(in_force, caller)?;
    recover::may_follow(in_force, manifest)?;
    let asks = match Asks::of(in_force, manifest) {
        Asks::Never(never) => return Err(refused(&never)),
        // Whoever may not raise these may still be one of those who agree to any manifest.
        Asks::Raise { packages } if !may_raise(in_force, user, &packages) => {
            if !in_force.may(user, Action::UpdateManifest, &[]) {
                return Err(Refusal::NotPermitted {
                    user: user.to_owned(),
                    action: Action::UpdateSecurityVersion.name(),
                    on: packages.join(", "),
                });
            }
            let (users, needed) = in_force.approval();
            Asks::Approval { users, needed }
        }
        asks => asks,
    };
    let other = pending.filter(|pending| pending.manifest.sha256() != manifest.sha256());
    if let Some(other) = other {
        return Err(Refusal::UpdatePending {
            sha256: hex::encode(other.manifest.sha256()),
        });
    }
    match asks {
        Asks::Raise { .. } => Ok(Agreement::Enough {
            agreed: BTreeSet::from([user.to_owned()]),
        }),
        Asks::Approval { users, needed } => {
            may_update(in_force, user)?;
            let mut agreed = pending.map(|pending| pending.agreed.clone());
            let agreed = agreed.get_or_insert_default();
            let new = agreed.insert(user.to_owned());
            let count = users.iter().filter(|user| agreed.contains(*user)).count();
            Ok(match (count >= needed, new) {
                (true, _) => Agreement::Enough {
                    agreed: std::mem::take(agreed),
                },
                (false, true) => Agreement::Waits { user },
                (false, false) => Agreement::Already,
            })
        }
        Asks::Never(never) => Err(refused(&never)),
    }
}

/// Whether `caller` may agree to any manifest at all: asked before one is read.
///
/// # Errors
/// [`Refusal::UserUnknown`], [`Refusal::NotPermitted`].
pub(crate) fn may_agree(policy: &Policy, caller: &Caller) -> Result<(), Refusal> {
    let user = user(&policy.manifest, caller)?;
    match policy
        .manifest
        .may(user, Action::UpdateSecurityVersion, &[])
    {
        true => Ok(()),
        false => may_update(&policy.manifest, user),
    }
}

/// Whether `caller` may take back the update that waits, if it is the one of that digest.
///
/// # Errors
/// [`Refusal::UserUnknown`], [`Refusal::NotPermitted`], [`Refusal::NoUpdatePending`].
pub(crate) fn cancel<'a>(
    policy: &'a Policy,
    pending: Option<&Pending>,
    manifest_sha256: &[u8; 32],
    caller: &Caller,
) -> Result<&'a str, Refusal> {
    let user = permitted(
        &policy.manifest,
        caller,
        Action::UpdateManifest,
        &[],
        "the manifest",
    )?;
    let waits = pending.map(|pending| pending.manifest.sha256());
    if waits != Some(*manifest_sha256) {
        return Err(Refusal::NoUpdatePending {
            asked: hex::encode(manifest_sha256),
            pending: waits.map_or_else(|| "none".to_owned(), hex::encode),
        });
    }
    Ok(user)
}

/// Whether `caller` may do `action` to each of `names`, all or nothing; without names, whether at all. Who that is.
///
/// # Errors
/// [`Refusal::UserUnknown`]; [`Refusal::NotPermitted`] with those of the names on which it is not permitted.
pub(crate) fn permitted<'a>(
    manifest: &'a Manifest,
    caller: &Caller,
    action: Action,
    names: &[&str],
    on: &str,
) -> Result<&'a str, Refusal> {
    let user = user(manifest, caller)?;
    if manifest.may(user, action, names) {
        return Ok(user);
    }
    let not = names
        .iter()
        .filter(|name| !manifest.may(user, action, &[name]));
    // Names as they were asked for, so neither many nor long ones nor ones with control characters.
    let told = not
        .take(NAMES_SHOWN)
        .map(|name| format!("`{}`", shown(name)));
    let not: Vec<String> = told.collect();
    Err(Refusal::NotPermitted {
        user: user.to_owned(),
        action: action.name(),
        on: format!("{on} {}", not.join(", ")).trim_end().to_owned(),
    })
}

/// A name that somebody asked for, in so few characters that it can be told.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(NAME_CHARS_SHOWN).collect();
    start.escape_debug().to_string()
}

/// Who `caller` is.
fn user<'a>(manifest: &'a Manifest, caller: &Caller) -> Result<&'a str, Refusal> {
    let known = caller
        .certificate
        .as_ref()
        .and_then(|certificate| manifest.user_of(certificate));
    known.ok_or_else(|| Refusal::UserUnknown {
        certificate: caller
            .certificate
            .map_or_else(|| "none".to_owned(), hex::encode),
    })
}

fn may_raise(manifest: &Manifest, user: &str, packages: &[String]) -> bool {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    manifest.may(user, Action::UpdateSecurityVersion, &packages)
}

fn may_update(manifest: &Manifest, user: &str) -> Result<(), Refusal> {
    if manifest.may(user, Action::UpdateManifest, &[]) {
        return Ok(());
    }
    Err(Refusal::NotPermitted {
        user: user.to_owned(),
        action: Action::UpdateManifest.name(),
        on: "the manifest".to_owned(),
    })
}

fn refused(never: &Never) -> Refusal {
    let cause = match never {
        Never::Same => "it is the manifest in force, byte for byte".to_owned(),
        Never::MeshNameDiffers { before, after } => {
            let shown = |name: &Option<String>| match name {
                Some(name) => format!("`{name}`"),
                None => "absent".to_owned(),
            };
            format!(
                "Config.MeshName is {} and was {}, which stands in every identity of the mesh",
                shown(after),
                shown(before)
            )
        }
    };
    Refusal::UpdateRefused { cause }
}

//! Who may do what under a manifest, and what an update from one manifest to another asks for.
//!
//! A user is known by the certificate that the manifest has for it, byte for byte; rights of several roles add up.
//! Does not live here: reading users and roles (`access`), who has agreed so far (`mesh`), what differs in words
//! (`change`).

use sha2::{Digest, Sha256};
use stoa_attestation::policy::ReferenceValue;

use crate::access::{Action, User};
use crate::manifest::Manifest;
use crate::package::Package;

/// What an update asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// Only security versions of these packages go up: one user who may raise all of them does it alone.
    Raise {
        /// Never empty.
        packages: Vec<String>,
    },
    /// Anything else: so many of the users who may `UpdateManifest` must agree.
    Approval {
        /// Those who may, by name.
        users: Vec<String>,
        /// How many of them must; at least 1, and more than there are if nobody may.
        needed: usize,
    },
    /// Nobody can do that to a mesh that runs.
    Never(Never),
}

/// Why an update is refused whoever agrees to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Never {
    /// The bytes are those of the manifest in force.
    Same,
    /// The trust domain stands in every identity that was issued.
    MeshNameDiffers {
        /// In the manifest in force.
        before: Option<String>,
        /// In the new one.
        after: Option<String>,
    },
}

impl Asks {
    /// What it takes to go from `before`, which is in force, to `after`.
    #[must_use]
    pub fn of(before: &Manifest, after: &Manifest) -> Self {
        if before.sha256() == after.sha256() {
            return Self::Never(Never::Same);
        }
        let (old, new) = (&before.config().mesh_name, &after.config().mesh_name);
        if old != new {
            return Self::Never(Never::MeshNameDiffers {
                before: old.clone(),
                after: new.clone(),
            });
        }
        match raised(before, after) {
            Some(packages) => Self::Raise { packages },
            None => {
                let (users, needed) = before.approval();
                Self::Approval { users, needed }
            }
        }
    }
}

/// Whether an update from `before` to `after` makes a new root secret: the new manifest asks for it, and it is no raise.
#[must_use]
pub fn rotates(before: &Manifest, after: &Manifest) -> bool {
    after.config().rotate_root_secret && !matches!(Asks::of(before, after), Asks::Raise { .. })
}

/// The packages whose security version goes up, if that is all that differs and there is one.
fn raised(before: &Manifest, after: &Manifest) -> Option<Vec<String>> {
    let same_names = before.packages().keys().eq(after.packages().keys());
    if !same_names || !before.same_but_packages(after) {
        return None;
    }
    let mut raised = Vec::new();
    for ((name, old), new) in before.packages().iter().zip(after.packages().values()) {
        if old == new {
            continue;
        }
        if !only_raised(old, new) {
            return None;
        }
        raised.push(name.clone());
    }
    (!raised.is_empty()).then_some(raised)
}

/// Both have a security version, the new one is higher, and nothing else differs.
fn only_raised(old: &Package, new: &Package) -> bool {
    let (ReferenceValue::Sgx(before), ReferenceValue::Sgx(after)) =
        (&old.reference, &new.reference)
    else {
        return false;
    };
    let up = matches!(
        (before.security_version, after.security_version),
        (Some(before), Some(after)) if after > before
    );
    let mut lowered = after.clone();
    lowered.security_version = before.security_version;
    up && lowered == *before && old.tcb == new.tcb
}

impl Manifest {
    /// The user whose certificate has this SHA-256 (of its DER), by name.
    #[must_use]
    pub fn user_of(&self, certificate_sha256: &[u8; 32]) -> Option<&str> {
        let theirs = |user: &User| {
            <[u8; 32]>::from(Sha256::digest(&user.certificate)) == *certificate_sha256
        };
        let mut users = self.users().iter();
        users
            .find(|(_, user)| theirs(user))
            .map(|(name, _)| name.as_str())
    }

    /// Whether `user` may do `action` to each of `names`; without names, whether it may at all.
    ///
    /// False for a user that the manifest does not have.
    #[must_use]
    pub fn may(&self, user: &str, action: Action, names: &[&str]) -> bool {
        let Some(user) = self.users().get(user) else {
            return false;
        };
        let roles = || {
            let held = user.roles.iter().filter_map(|role| self.roles().get(role));
            held.filter(|role| role.actions.contains(&action))
        };
        let named = |name: &&str| roles().any(|role| role.names.iter().any(|has| has == *name));
        match names {
            [] => roles().next().is_some(),
            names => names.iter().all(named),
        }
    }

    /// Who may agree to an update that is not a raise, by name, and how many of them must: at least 1, and more than
    /// there are if nobody may.
    #[must_use]
    pub fn approval(&self) -> (Vec<String>, usize) {
        let users: Vec<String> = self
            .users_who_may(Action::UpdateManifest, &[])
            .map(str::to_owned)
            .collect();
        let needed = match self.config().update_threshold {
            0 => users.len(),
            threshold => threshold as usize,
        };
        (users, needed.max(1))
    }

    /// The users who may do `action` to each of `names`, in order of their names.
    pub fn users_who_may<'a>(
        &'a self,
        action: Action,
        names: &'a [&'a str],
    ) -> impl Iterator<Item = &'a str> {
        let users = self.users().keys().map(String::as_str);
        users.filter(move |user| self.may(user, action, names))
    }
}

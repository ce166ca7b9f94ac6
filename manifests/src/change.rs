//! What differs between two manifests, and what each difference does to who can do what.
//!
//! Does not live here: who must agree to a change (`mesh`), joining two manifests (`merge`).

use std::collections::BTreeMap;
use std::fmt;

use stoa_attestation::policy::ReferenceValue;

use crate::access::Role;
use crate::manifest::Manifest;
use crate::marble::{Marble, SecretBinding};
use crate::package::Package;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: `Packages.signer`, `Roles.operator.Actions`.
    pub path: String,
    /// What is different: "is new", "has also `WriteSecret`".
    pub what: String,
    /// What it does.
    pub effect: Effect,
}

/// What a difference does to who can do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Someone or something can do more than before: other code may join, a user has more rights, fewer must agree.
    Widens,
    /// It is different, and neither is known.
    Differs,
    /// Less is possible than before.
    Narrows,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Widens => "widens",
            Effect::Differs => "differs",
            Effect::Narrows => "narrows",
        };
        write!(f, "{effect}  {} {}", self.path, self.what)
    }
}

/// All differences, those that widen first, then by path.
#[must_use]
pub fn changes(before: &Manifest, after: &Manifest) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    changes.packages(before, after);
    changes.marbles(before, after);
    changes.named(
        "Secrets",
        before.secrets(),
        after.secrets(),
        Effect::Differs,
        |_, _, old, _| (Effect::Differs, old.clone()),
    );
    changes.platforms(before, after);
    changes.access(before, after);
    if before.config() != after.config() {
        changes.config(before, after);
    }
    changes.named(
        "TLS",
        before.tls(),
        after.tls(),
        Effect::Differs,
        |_, _, old, _| (Effect::Differs, old.clone()),
    );
    let mut found = changes.0;
    found.sort_by(|a, b| (a.effect, &a.path, &a.what).cmp(&(b.effect, &b.path, &b.what)));
    found
}

struct Changes(Vec<Change>);

impl Changes {
    fn push(&mut self, effect: Effect, path: String, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Change { path, what, effect });
    }

    /// Entries that came, went and differ. `new` is what a new one does; one that went does the opposite. `differs` tells how
    /// an entry changed, and gives the old one with all that it told; what differs besides is told here, so that no change
    /// can hide behind another.
    fn named<T: PartialEq>(
        &mut self,
        part: &str,
        before: &BTreeMap<String, T>,
        after: &BTreeMap<String, T>,
        new: Effect,
        mut differs: impl FnMut(&mut Self, &str, &T, &T) -> (Effect, T),
    ) {
        let gone = match new {
            Effect::Widens => Effect::Narrows,
            Effect::Narrows => Effect::Widens,
            Effect::Differs => Effect::Differs,
        };
        for (name, value) in after {
            let path = path(part, name);
            match before.get(name) {
                None => self.push(new, path, "is new"),
                Some(old) if old != value => {
                    let before = self.0.len();
                    let (effect, told) = differs(self, &path, old, value);
                    if self.0.len() == before {
                        self.push(effect, path, "is different");
                    } else if told != *value {
                        self.push(effect, path, "is different besides");
                    }
                }
                Some(_) => {}
            }
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.push(gone, path(part, name), "is gone");
        }
    }

    fn packages(&mut self, before: &Manifest, after: &Manifest) {
        let differs = |changes: &mut Self, path: &str, old: &Package, new: &Package| {
            if old.tcb.debug != new.tcb.debug {
                let (effect, what) = match new.tcb.debug {
                    true => (Effect::Widens, "is true now: debug enclaves may join"),
                    false => (Effect::Narrows, "is false now"),
                };
                changes.push(effect, format!("{path}.Debug"), what);
            }
            let marbles = joined_by(after, new);
            match versions(old, new) {
                Some((was, is)) => {
                    let (effect, what) = match is > was {
                        true => (
                            Effect::Narrows,
                            format!(
                                "is {is} now, was {was}: older code neither joins nor renews as {marbles}"
                            ),
                        ),
                        false => (
                            Effect::Widens,
                            format!("is {is} now, was {was}: older code may join as {marbles}"),
                        ),
                    };
                    changes.push(effect, format!("{path}.SecurityVersion"), what);
                }
                None if old.reference != new.reference => {
                    let what = format!("admits other code as {marbles}");
                    changes.push(Effect::Widens, path.to_owned(), what);
                }
                None => {}
            }
            for status in new.tcb.accepted.difference(&old.tcb.accepted) {
                let what = format!("has also `{status}`");
                changes.push(Effect::Widens, format!("{path}.AcceptedTCBStatuses"), what);
            }
            // Everything else of the policy, in one line: it may go either way.
            let rest = |package: &Package| {
                let mut tcb = package.tcb.clone();
                tcb.debug = false;
                tcb.accepted.clear();
                tcb
            };
            if rest(old) != rest(new) {
                changes.push(
                    Effect::Widens,
                    path.to_owned(),
                    "judges platforms by other rules",
                );
            }
            let mut told = new.clone();
            told.tcb.accepted.extend(old.tcb.accepted.iter().copied());
            (Effect::Narrows, told)
        };
        self.named(
            "Packages",
            before.packages(),
            after.packages(),
            Effect::Widens,
            differs,
        );
    }

    fn marbles(&mut self, before: &Manifest, after: &Manifest) {
        let differs = |changes: &mut Self, path: &str, old: &Marble, new: &Marble| {
            if old.package != new.package {
                let what = format!("is `{}` now, was `{}`", new.package, old.package);
                changes.push(Effect::Widens, format!("{path}.Package"), what);
            }
            let budget = |marble: &Marble| marble.max_activations.unwrap_or(u64::MAX);
            if budget(old) != budget(new) {
                let effect = match budget(new) > budget(old) {
                    true => Effect::Widens,
                    false => Effect::Narrows,
                };
                let shown = |marble: &Marble| match marble.max_activations {
                    Some(budget) => budget.to_string(),
                    None => "not limited".to_owned(),
                };
                let what = format!("is {} now, was {}", shown(new), shown(old));
                changes.push(effect, format!("{path}.MaxActivations"), what);
            }
            for name in new
                .dns_names
                .iter()
                .filter(|name| !old.dns_names.contains(name))
            {
                let what = format!("has also `{name}`");
                changes.push(Effect::Widens, format!("{path}.DNSNames"), what);
            }
            for used in new
                .secrets_used()
                .filter(|used| !old.secrets_used().any(|was| was == *used))
            {
                let what = format!("is given the secret `{}`", used.name);
                changes.push(Effect::Widens, path.to_owned(), what);
            }
            if old.files != new.files || old.env != new.env || old.argv != new.argv {
                let path = format!("{path}.Parameters");
                changes.push(Effect::Differs, path, "are different");
            }
            if old.binding != new.binding {
                let (effect, what) = match new.binding {
                    SecretBinding::Instance => (
                        Effect::Widens,
                        "is true now: marbles of one instance share what is derived for it",
                    ),
                    SecretBinding::Marble => (Effect::Narrows, "is false now"),
                };
                changes.push(effect, format!("{path}.DisableSecretBinding"), what);
            }
            let mut told = old.clone();
            told.package.clone_from(&new.package);
            told.max_activations = new.max_activations;
            told.binding = new.binding;
            told.files.clone_from(&new.files);
            told.env.clone_from(&new.env);
            told.argv.clone_from(&new.argv);
            told.uses.clone_from(&new.uses);
            add(&mut told.dns_names, &new.dns_names);
            (Effect::Differs, told)
        };
        self.named(
            "Marbles",
            before.marbles(),
            after.marbles(),
            Effect::Widens,
            differs,
        );
    }

    fn platforms(&mut self, before: &Manifest, after: &Manifest) {
        let (old, new) = (before.infrastructures(), after.infrastructures());
        let named = |all: &[stoa_attestation::policy::Infrastructure]| {
            let each = all.iter().cloned();
            each.map(|one| (one.name.clone(), one))
                .collect::<BTreeMap<_, _>>()
        };
        match (old.is_empty(), new.is_empty()) {
            (true, false) => self.push(
                Effect::Narrows,
                "Infrastructures".to_owned(),
                "are listed now: before, any platform would do",
            ),
            (false, true) => self.push(
                Effect::Widens,
                "Infrastructures".to_owned(),
                "are gone: any platform will do",
            ),
            _ => self.named(
                "Infrastructures",
                &named(old),
                &named(new),
                Effect::Widens,
                |_, _, old, _| (Effect::Widens, old.clone()),
            ),
        }
    }

    fn access(&mut self, before: &Manifest, after: &Manifest) {
        if !before.approval().0.is_empty() && after.approval().0.is_empty() {
            let what = "may none of them UpdateManifest any more: it would be the last update";
            self.push(Effect::Narrows, "Users".to_owned(), what);
        }
        self.named(
            "Users",
            before.users(),
            after.users(),
            Effect::Widens,
            |changes, path, old, new| {
                for role in new.roles.iter().filter(|role| !old.roles.contains(role)) {
                    let what = format!("has also the role `{role}`");
                    changes.push(Effect::Widens, path.to_owned(), what);
                }
                if old.certificate != new.certificate {
                    let path = format!("{path}.Certificate");
                    changes.push(
                        Effect::Widens,
                        path,
                        "is another: someone else has the rights",
                    );
                }
                let mut told = old.clone();
                told.certificate.clone_from(&new.certificate);
                add(&mut told.roles, &new.roles);
                (Effect::Narrows, told)
            },
        );
        let role = |changes: &mut Self, path: &str, old: &Role, new: &Role| {
            if old.resource != new.resource {
                let what = format!("is {:?} now, was {:?}", new.resource, old.resource);
                changes.push(Effect::Widens, format!("{path}.ResourceType"), what);
            }
            for action in new.actions.difference(&old.actions) {
                let what = format!("has also `{}`", action.name());
                changes.push(Effect::Widens, format!("{path}.Actions"), what);
            }
            for name in new.names.iter().filter(|name| !old.names.contains(name)) {
                let what = format!("has also `{name}`");
                changes.push(Effect::Widens, format!("{path}.ResourceNames"), what);
            }
            let mut told = old.clone();
            told.resource = new.resource;
            told.actions.extend(new.actions.iter().copied());
            add(&mut told.names, &new.names);
            (Effect::Narrows, told)
        };
        self.named("Roles", before.roles(), after.roles(), Effect::Widens, role);
        self.named(
            "RecoveryKeys",
            before.recovery_keys(),
            after.recovery_keys(),
            Effect::Widens,
            |_, _, old, _| (Effect::Widens, old.clone()),
        );
    }

    fn config(&mut self, before: &Manifest, after: &Manifest) {
        let (old, new) = (before.config(), after.config());
        // 0 is all of them, the most that can be asked for.
        let threshold = |number: u32| if number == 0 { u32::MAX } else { number };
        for (key, old, new) in [
            (
                "UpdateThreshold",
                old.update_threshold,
                new.update_threshold,
            ),
            (
                "RecoveryThreshold",
                old.recovery_threshold,
                new.recovery_threshold,
            ),
        ] {
            if old != new {
                let effect = match threshold(new) < threshold(old) {
                    true => Effect::Widens,
                    false => Effect::Narrows,
                };
                let what = format!("is {new} now, was {old}");
                self.push(effect, format!("Config.{key}"), what);
            }
        }
        let rest = |config: &crate::config::Config| crate::config::Config {
            update_threshold: 0,
            recovery_threshold: 0,
            ..config.clone()
        };
        if rest(old) != rest(new) {
            self.push(Effect::Differs, "Config".to_owned(), "is different");
        }
    }
}

/// Adds what is new, as it was told.
fn add(to: &mut Vec<String>, new: &[String]) {
    let added: Vec<String> = new
        .iter()
        .filter(|name| !to.contains(name))
        .cloned()
        .collect();
    to.extend(added);
}

/// The security versions before and after, if nothing else of the reference differs.
fn versions(old: &Package, new: &Package) -> Option<(u16, u16)> {
    let (ReferenceValue::Sgx(before), ReferenceValue::Sgx(after)) =
        (&old.reference, &new.reference)
    else {
        return None;
    };
    let (was, is) = (before.security_version?, after.security_version?);
    let mut same = after.clone();
    same.security_version = before.security_version;
    (was != is && same == *before).then_some((was, is))
}

/// The marbles that code of this package is, by name.
fn joined_by(manifest: &Manifest, package: &Package) -> String {
    let of = |marble: &Marble| manifest.packages().get(&marble.package) == Some(package);
    let names: Vec<&str> = manifest
        .marbles()
        .iter()
        .filter(|(_, marble)| of(marble))
        .map(|(name, _)| name.as_str())
        .collect();
    match names.as_slice() {
        [] => "no marble".to_owned(),
        names => names.join(", "),
    }
}

fn path(part: &str, name: &str) -> String {
    crate::fault::Path::default()
        .key(part)
        .name(name)
        .to_string()
}

//! The layout of a snapshot, versions 1 to 4: the whole state, so that the events before it can go.
//!
//! `LP(1 u16) LP(floor) LP(founded 0|1) [LP(time) authority LP(derivation)] LP(leaf or empty) LP(issuing 0|1) [authority]
//! LP(policy 0|1) [manifest LP(transition head) secrets] history activated instances`, lists with their count in front.
//! Version 2 has the floors of collateral behind it, and is written if there are any. Version 3 has behind these
//! `LP(update that waits 0|1) [LP(since) manifest names] secrets` (the ones before), and is written if there is one of both.
//! Version 4 has behind these what users set, and `LP(derivation secret or empty) LP(the one before or empty)` if it is not
//! that of founding, and is written if there is any of it.
//!
//! Does not live here: fields that several layouts share (`field`).

use std::collections::BTreeMap;
use std::sync::Arc;

use stoa_attestation::channel::Transition;
use stoa_attestation::lp::Reader;
use zeroize::Zeroizing;

use super::Damaged;
use super::field::{
    Put, authority, count, floors, manifest, manifest_of, marble, names, put_authority, put_floors,
    put_manifest, put_names, put_secrets, put_values, secrets, values,
};
use crate::certificate::{CERTIFICATE_BYTES_MAX, Certificate};
use crate::event::Founded;
use crate::secret::DerivationSecret;
use crate::state::{InstanceName, IssuedLeaf, Living, Pending, Policy, State};

const VERSION: u16 = 1;
const VERSION_WITH_FLOORS: u16 = 2;
const VERSION_WITH_UPDATES: u16 = 3;
const VERSION_WITH_USER_SECRETS: u16 = 4;

pub(super) fn put(out: &mut dyn Put, state: &State) {
    let previous = state.policy.as_ref().map(|policy| &policy.previous);
    let with_updates = state.pending.is_some() || previous.is_some_and(|some| !some.is_empty());
    // A version has all that the ones before it have.
    let rotated = state.policy.as_ref();
    let rotated = rotated.is_some_and(|policy| policy.derivation.is_some());
    let version = if rotated || !state.user_secrets.is_empty() {
        VERSION_WITH_USER_SECRETS
    } else if with_updates {
        VERSION_WITH_UPDATES
    } else if !state.collateral.is_empty() {
        VERSION_WITH_FLOORS
    } else {
        VERSION
    };
    out.u16(version);
    out.u64(state.floor);
    put_option(out, state.founded.as_deref(), |out, founded| {
        out.u64(founded.time);
        put_authority(out, &founded.root);
        out.field(founded.derivation.0.as_slice());
    });
    out.field(
        state
            .coordinator_leaf
            .as_ref()
            .map_or(&[], |leaf| leaf.der()),
    );
    put_option(out, state.issuing.as_deref(), put_authority);
    put_option(out, state.policy.as_deref(), |out, policy| {
        put_manifest(out, policy.epoch, &policy.manifest);
        out.field(&policy.transition_head);
        put_secrets(out, &policy.shared);
    });
    out.u64(state.history.len() as u64);
    for transition in state.history.iter() {
        out.field(&transition.manifest_sha256);
        out.u64(transition.epoch);
        out.u64(transition.time);
    }
    out.u64(state.activated.len() as u64);
    for (marble, activated) in &state.activated {
        out.field(marble.as_bytes());
        out.u64(*activated);
    }
    out.u64(state.instances.len() as u64);
    for (name, living) in &state.instances {
        put_instance(out, name, living);
    }
    if version >= VERSION_WITH_FLOORS {
        put_floors(out, &state.collateral);
    }
    if version >= VERSION_WITH_UPDATES {
        put_option(out, state.pending.as_deref(), |out, pending| {
            out.u64(pending.since);
            out.field(pending.manifest.bytes());
            put_names(out, &pending.agreed);
        });
        put_secrets(out, previous.unwrap_or(&BTreeMap::new()));
    }
    if version >= VERSION_WITH_USER_SECRETS {
        put_values(out, &state.user_secrets);
        let policy = state.policy.as_deref();
        put_derivation(out, policy.and_then(|policy| policy.derivation.as_ref()));
        put_derivation(
            out,
            policy.and_then(|policy| policy.derivation_before.as_ref()),
        );
    }
}

fn put_derivation(out: &mut dyn Put, derivation: Option<&DerivationSecret>) {
    out.field(derivation.map_or(&[], |secret| secret.0.as_slice()));
}

fn take_derivation(reader: &mut Reader<'_>) -> Result<Option<DerivationSecret>, Damaged> {
    let secret = reader.optional("derivation secret")?;
    Ok(secret.map(|secret| DerivationSecret(Zeroizing::new(secret))))
}

fn put_option<T>(out: &mut dyn Put, value: Option<&T>, put: impl Fn(&mut dyn Put, &T)) {
    out.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn put_instance(out: &mut dyn Put, name: &InstanceName, living: &Living) {
    out.field(name.marble.as_bytes());
    out.field(&name.instance);
    out.field(&living.key);
    out.u64(living.counted_at);
    out.u64(living.leaves.len() as u64);
    for leaf in &living.leaves {
        out.field(&leaf.serial);
        out.field(&leaf.sha256);
        out.field(&leaf.spki_sha256);
        out.u64(leaf.not_after);
    }
}

/// Reads a snapshot.
///
/// # Errors
/// [`Damaged`] if its version is unknown or a field is not as it must be.
pub(super) fn take(reader: &mut Reader<'_>) -> Result<State, Damaged> {
    let version = reader.u16("version of the snapshot")?;
    if !(VERSION..=VERSION_WITH_USER_SECRETS).contains(&version) {
        return Err(Damaged::Unknown {
            what: "version of a snapshot",
            got: u64::from(version),
        });
    }
    let mut state = State {
        floor: reader.u64("time floor")?,
        ..State::default()
    };
    state.founded = take_option(reader, "founded", |reader| {
        Ok(Founded {
            time: reader.u64("time")?,
            root: authority(reader)?,
            derivation: DerivationSecret(Zeroizing::new(reader.exact("derivation secret")?)),
        })
    })?;
    let leaf = reader.field("coordinator's leaf", CERTIFICATE_BYTES_MAX)?;
    if !leaf.is_empty() {
        state.coordinator_leaf = Some(Arc::new(Certificate::from_der(leaf)?));
    }
    state.issuing = take_option(reader, "issuing CA", authority)?;
    state.policy = take_option(reader, "policy", |reader| {
        let (epoch, manifest) = manifest(reader)?;
        let transition_head = reader.exact("transition head")?;
        Ok(Policy {
            epoch,
            transition_head,
            manifest,
            shared: secrets(reader)?,
            previous: BTreeMap::new(),
            derivation: None,
            derivation_before: None,
        })
    })?;
    state.history = (0..count(reader, "manifests of the history")?)
        .map(|_| {
            Ok(Transition {
                manifest_sha256: reader.exact("SHA-256 of a manifest")?,
                epoch: reader.u64("epoch")?,
                time: reader.u64("time")?,
            })
        })
        .collect::<Result<_, Damaged>>()?;
    state.activated = (0..count(reader, "counted marbles")?)
        .map(|_| Ok((marble(reader)?, reader.u64("activations")?)))
        .collect::<Result<BTreeMap<_, _>, Damaged>>()?;
    for _ in 0..count(reader, "instances")? {
        let (name, living) = take_instance(reader)?;
        state.keep(name, living);
    }
    if version >= VERSION_WITH_FLOORS {
        state.collateral = Arc::new(floors(reader)?);
    }
    if version >= VERSION_WITH_UPDATES {
        take_updates(reader, &mut state)?;
    }
    if version >= VERSION_WITH_USER_SECRETS {
        state.user_secrets = Arc::new(values(reader)?);
        let (derivation, before) = (take_derivation(reader)?, take_derivation(reader)?);
        if let Some(policy) = &mut state.policy {
            let policy = Arc::make_mut(policy);
            (policy.derivation, policy.derivation_before) = (derivation, before);
        }
    }
    Ok(state)
}

fn take_updates(reader: &mut Reader<'_>, state: &mut State) -> Result<(), Damaged> {
    let epoch = state.policy.as_ref().map_or(0, |policy| policy.epoch);
    state.pending = take_option(reader, "update that waits", |reader| {
        Ok(Pending {
            since: reader.u64("since when an update waits")?,
            manifest: manifest_of(reader, epoch)?,
            agreed: names(reader)?,
        })
    })?;
    let previous = secrets(reader)?;
    if let Some(policy) = &mut state.policy {
        Arc::make_mut(policy).previous = previous;
    }
    Ok(())
}

fn take_option<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    take: impl Fn(&mut Reader<'_>) -> Result<T, Damaged>,
) -> Result<Option<Arc<T>>, Damaged> {
    match reader.u8(what)? {
        0 => Ok(None),
        1 => Ok(Some(Arc::new(take(reader)?))),
        got => Err(Damaged::Unknown {
            what,
            got: u64::from(got),
        }),
    }
}

fn take_instance(reader: &mut Reader<'_>) -> Result<(InstanceName, Living), Damaged> {
    let name = InstanceName {
        marble: marble(reader)?,
        instance: reader.exact("instance")?,
    };
    let key = reader.exact("key")?;
    let counted_at = reader.u64("counted at")?;
    let leaves = (0..count(reader, "leaves of an instance")?)
        .map(|_| {
            Ok(IssuedLeaf {
                serial: reader.exact("serial")?,
                sha256: reader.exact("SHA-256 of a leaf")?,
                spki_sha256: reader.exact("SHA-256 of a leaf's key")?,
                not_after: reader.u64("end of a leaf")?,
            })
        })
        .collect::<Result<_, Damaged>>()?;
    Ok((
        name,
        Living {
            key,
            counted_at,
            leaves,
        },
    ))
}

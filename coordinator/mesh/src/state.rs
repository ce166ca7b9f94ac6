//! The state of one mesh, as the events so far have made it.
//!
//! Policy (CAs, manifest, secrets, history) sits behind `Arc`s, because every published view shares it; counters and
//! instances do not, because every activation changes them.
//!
//! Does not live here: which events may follow (`machine`), the bytes of a snapshot (`stored`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use stoa_attestation::Floors;
use stoa_attestation::channel::{Transition, transition_head};
use stoa_manifest::{Manifest, Source};

use crate::ca::Certified;
use crate::certificate::{Certificate, SERIAL_BYTES};
use crate::event::{Admittance, Admitted, Event, Founded, ManifestSet};
use crate::identity::Instance;
use crate::secret::{DerivationSecret, Secret, SecretValue};

/// Seconds after a counted activation in which another one under the same key is its retry and does not count.
pub const RETRY_WINDOW_SECS: u64 = 600;
/// Leaves in force that are remembered for one instance; of more, the one that ends first can't be renewed.
pub const LEAVES_PER_INSTANCE_MAX: usize = 8;

/// All that the events so far have made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Time of the newest event, Unix time.
    pub(crate) floor: u64,
    pub(crate) founded: Option<Arc<Founded>>,
    pub(crate) coordinator_leaf: Option<Arc<Certificate>>,
    pub(crate) issuing: Option<Arc<Certified>>,
    pub(crate) policy: Option<Arc<Policy>>,
    /// The update that waits for more users to agree.
    pub(crate) pending: Option<Arc<Pending>>,
    /// What users set, by name; the manifest in force has each as a user's secret of the same kind.
    pub(crate) user_secrets: Arc<BTreeMap<String, SecretValue>>,
    pub(crate) history: Arc<[Transition]>,
    /// How many activations were counted, by marble.
    pub(crate) activated: BTreeMap<String, u64>,
    pub(crate) instances: BTreeMap<InstanceName, Living>,
    /// How new each of the vendor's objects was when it was seen newest.
    pub(crate) collateral: Arc<Floors>,
    /// When each instance may be forgotten; follows from `instances`.
    pub(crate) ends: BTreeSet<(u64, InstanceName)>,
}

/// An instance within its mesh: the same bytes under two marbles are two instances.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceName {
    pub(crate) marble: String,
    pub(crate) instance: Instance,
}

impl fmt::Debug for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.marble, hex::encode(self.instance))
    }
}

/// The manifest in force and what was made for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) epoch: u64,
    /// Head of the history that ends with this manifest.
    pub(crate) transition_head: [u8; 32],
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) shared: BTreeMap<String, Secret>,
    /// Of the shared secrets that the last update made anew, the ones before.
    pub(crate) previous: BTreeMap<String, Secret>,
    /// What secrets of instances are derived from, if not from the secret of founding.
    pub(crate) derivation: Option<DerivationSecret>,
    /// What they were derived from before, if the last update made it anew.
    pub(crate) derivation_before: Option<DerivationSecret>,
}

/// A manifest that some users agreed to and that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// When the first of them agreed, Unix time.
    pub(crate) since: u64,
    pub(crate) manifest: Arc<Manifest>,
    /// Users of the manifest in force, by name.
    pub(crate) agreed: BTreeSet<String>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("epoch", &self.epoch)
            .field("transition_head", &hex::encode(self.transition_head))
            .field("manifest", &hex::encode(self.manifest.sha256()))
            .field("shared", &self.shared)
            .field("previous", &self.previous)
            .field("derivation", &self.derivation)
            .field("derivation_before", &self.derivation_before)
            .finish()
    }
}

/// An instance that has a leaf in force, or was activated so recently that a retry would be its own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Living {
    /// SHA-256 of the SPKI that it was last certified under.
    pub(crate) key: [u8; 32],
    /// When its last counted activation was, Unix time.
    pub(crate) counted_at: u64,
    /// Its leaves in force, oldest first.
    pub(crate) leaves: Vec<IssuedLeaf>,
}

impl Living {
    /// The last second in which one of its leaves is valid, Unix time.
    pub(crate) fn end(&self) -> u64 {
        self.leaves
            .iter()
            .map(|leaf| leaf.not_after)
            .max()
            .unwrap_or(0)
    }

    /// From when on nothing rests on it any more, Unix time.
    fn forgettable(&self) -> u64 {
        self.end()
            .saturating_add(1)
            .max(self.counted_at.saturating_add(RETRY_WINDOW_SECS))
    }
}

impl fmt::Debug for Living {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Living")
            .field("key", &hex::encode(self.key))
            .field("counted_at", &self.counted_at)
            .field("leaves", &self.leaves)
            .finish()
    }
}

/// What is kept of a leaf while it is in force; its DER is in the journal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IssuedLeaf {
    pub(crate) serial: [u8; SERIAL_BYTES],
    pub(crate) sha256: [u8; 32],
    pub(crate) spki_sha256: [u8; 32],
    pub(crate) not_after: u64,
}

impl fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedLeaf")
            .field("serial", &hex::encode(self.serial))
            .field("sha256", &hex::encode(self.sha256))
            .field("spki_sha256", &hex::encode(self.spki_sha256))
            .field("not_after", &self.not_after)
            .finish()
    }
}

impl State {
    /// What secrets of instances are derived from.
    pub(crate) fn derivation(&self) -> Option<&DerivationSecret> {
        let policy = self.policy.as_ref();
        let new = policy.and_then(|policy| policy.derivation.as_ref());
        new.or_else(|| self.founded.as_ref().map(|founded| &founded.derivation))
    }

    /// What a secret of the whole mesh is, if it was made or set.
    pub(crate) fn value_of(&self, name: &str) -> Option<SecretValue> {
        let set = self.user_secrets.get(name).cloned();
        set.or_else(|| self.policy.as_ref()?.shared.get(name).map(SecretValue::of))
    }

    /// Takes one event in. Total: an event was decided on before, or read from the journal, and is a fact.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.floor = self.floor.max(event.time());
        self.forget_ended();
        match event {
            Event::Founded(founded) => self.founded = Some(Arc::clone(founded)),
            Event::Started(started) => self.coordinator_leaf = Some(Arc::new(started.leaf.clone())),
            Event::Rotated(rotated) => self.issuing = Some(Arc::new(rotated.issuing.clone())),
            Event::ManifestSet(set) => self.apply_manifest(set, BTreeMap::new(), None),
            Event::Proposed(proposed) => {
                self.pending = Some(Arc::new(Pending {
                    since: proposed.time,
                    manifest: Arc::clone(&proposed.manifest),
                    agreed: BTreeSet::from([proposed.by.user.clone()]),
                }));
            }
            Event::Agreed(agreed) => {
                if let Some(pending) = &mut self.pending {
                    let agreed = agreed.by.user.clone();
                    Arc::make_mut(pending).agreed.insert(agreed);
                }
            }
            Event::Cancelled(_) => self.pending = None,
            Event::Updated(updated) => {
                let (previous, new) = (updated.previous.clone(), updated.derivation.clone());
                self.apply_manifest(&updated.set, previous, new);
            }
            Event::Admitted(admitted) => self.apply_admitted(admitted),
            Event::CollateralSeen(seen) => {
                Arc::make_mut(&mut self.collateral).raise(&seen.floors);
            }
            Event::SecretsSet(set) => {
                Arc::make_mut(&mut self.user_secrets).extend(set.secrets.clone());
            }
            Event::SecretsRead(_) => {}
        }
    }

    fn apply_manifest(
        &mut self,
        set: &ManifestSet,
        previous: BTreeMap<String, Secret>,
        new: Option<DerivationSecret>,
    ) {
        let old = self.derivation().cloned();
        let overridden = self
            .policy
            .as_ref()
            .and_then(|policy| policy.derivation.clone());
        let transition = Transition {
            manifest_sha256: set.manifest.sha256(),
            epoch: set.epoch,
            time: set.time,
        };
        let before = self
            .policy
            .as_ref()
            .map_or([0; 32], |policy| policy.transition_head);
        let head = transition_head(
            &before,
            &transition.manifest_sha256,
            transition.epoch,
            transition.time,
        );
        self.history = self.history.iter().copied().chain([transition]).collect();
        self.keep_user_secrets(&set.manifest);
        self.issuing = Some(Arc::new(set.issuing.clone()));
        self.pending = None;
        self.policy = Some(Arc::new(Policy {
            epoch: set.epoch,
            transition_head: head,
            manifest: Arc::clone(&set.manifest),
            shared: set.shared.clone(),
            previous,
            derivation_before: new.as_ref().and(old),
            derivation: new.or(overridden),
        }));
    }

    /// An update holds no value that a user set, so none is lost that was set while it was prepared: each stays as long
    /// as the manifest has it as a user's secret of the same kind.
    fn keep_user_secrets(&mut self, after: &Manifest) {
        let Some(policy) = &self.policy else {
            return;
        };
        let before = policy.manifest.secrets();
        let stays = |name: &String| {
            let (Some(before), Some(after)) = (before.get(name), after.secrets().get(name)) else {
                return false;
            };
            after.source == Source::User && after.kind == before.kind
        };
        if self.user_secrets.keys().all(stays) {
            return;
        }
        Arc::make_mut(&mut self.user_secrets).retain(|name, _| stays(name));
    }

    fn apply_admitted(&mut self, admitted: &Admitted) {
        let name = InstanceName {
            marble: admitted.marble.clone(),
            instance: admitted.instance,
        };
        if admitted.entry == Admittance::Activated {
            let count = self.activated.entry(admitted.marble.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let mut living = match self.instances.remove(&name) {
            Some(living) => {
                self.ends.remove(&(living.forgettable(), name.clone()));
                living
            }
            None => Living {
                key: admitted.key,
                counted_at: admitted.time,
                leaves: Vec::new(),
            },
        };
        living.key = admitted.key;
        if admitted.entry == Admittance::Activated {
            living.counted_at = admitted.time;
        }
        living.leaves.retain(|leaf| leaf.not_after >= admitted.time);
        if living.leaves.len() == LEAVES_PER_INSTANCE_MAX {
            let soonest = living
                .leaves
                .iter()
                .enumerate()
                .min_by_key(|(_, leaf)| leaf.not_after);
            if let Some((place, _)) = soonest {
                living.leaves.remove(place);
            }
        }
        living.leaves.push(IssuedLeaf {
            serial: admitted.leaf.serial(),
            sha256: admitted.leaf.sha256(),
            spki_sha256: admitted.leaf.spki_sha256(),
            not_after: admitted.leaf.not_after(),
        });
        self.keep(name, living);
    }

    /// Puts an instance in, with the moment from which it may be forgotten.
    pub(crate) fn keep(&mut self, name: InstanceName, living: Living) {
        self.ends.insert((living.forgettable(), name.clone()));
        self.instances.insert(name, living);
    }

    /// Memory stays flat in past activations: what nothing rests on any more goes.
    fn forget_ended(&mut self) {
        while let Some((end, _)) = self.ends.first() {
            if *end > self.floor {
                return;
            }
            if let Some((_, name)) = self.ends.pop_first() {
                self.instances.remove(&name);
            }
        }
    }
}

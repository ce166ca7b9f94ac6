//! The state machine: given this state, may that happen, and what follows?
//!
//! [`Machine::decide`] is pure: the same state, command and time give the same events. [`Machine::apply`] is total and
//! the same for new events and for a replay. Who may do what is judged here and nowhere else.
//!
//! Does not live here: making keys, certificates and drafts (`command`, `provision`), order and durability (`sequencer`).

use std::sync::Arc;

use rand_core::CryptoRng;
use rustls_pki_types::UnixTime;
use stoa_attestation::Floors;
use stoa_manifest::{Action, Manifest};
use zeroize::Zeroizing;

use crate::approve::{self, Agreement};
use crate::audit::{self, Log};
use crate::caller::Caller;
use crate::command::{
    Cancel, Command, CoordinatorLeaf, Found, ReadSecrets, Rotate, SetManifest, SetSecrets,
    USER_SECRETS_BYTES_MAX, Update,
};
use crate::event::{
    Admittance, Admitted, Agreed, By, CollateralSeen, Event, Founded, ManifestSet, Proposed,
    Rotated, SecretsRead, SecretsSet, Started, Updated,
};
use crate::floor::in_time;
use crate::provision::{Draft, DraftEntry};
use crate::refusal::Refusal;
use crate::state::{InstanceName, Living, Policy, RETRY_WINDOW_SECS, State};
use crate::stored::{self, Batch, Damaged};
use crate::view::View;

/// Manifests in the history of one mesh, at most (docs/protocol/attest-1.md, section 8: it fits the statement).
pub const HISTORY_MAX: usize = 10_000;
/// Instances that are kept at one time, at most: with one leaf each, their snapshot fits one record of the journal.
pub const INSTANCES_MAX: usize = 1 << 18;

/// What a decision may look at beside state and command.
pub struct Env<'a> {
    /// The clock's time; a decision takes the time floor if this is behind it.
    pub now: UnixTime,
    /// Random bytes.
    pub rng: &'a mut dyn CryptoRng,
}

/// One mesh: what happened so far, and what may happen next.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    state: State,
    /// Of the records that it was replayed from.
    audit: Log,
    /// Sequence of the last of them.
    sequence: u64,
}

/// Two machines are equal if they decide alike; how much of the audit a snapshot left is no difference.
impl PartialEq for Machine {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl Eq for Machine {}

impl Machine {
    /// A mesh that was not founded yet.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The machine that the records of a journal make, oldest first; a snapshot, if there is one, is the first.
    ///
    /// # Errors
    /// [`Damaged`] if a record can't be read by this version.
    pub fn replay<B: AsRef<[u8]>>(records: impl IntoIterator<Item = B>) -> Result<Self, Damaged> {
        Self::replay_after(0, records)
    }

    /// The same for a journal whose snapshot replaces the records up to number `base`.
    ///
    /// # Errors
    /// As there.
    pub fn replay_after<B: AsRef<[u8]>>(
        base: u64,
        records: impl IntoIterator<Item = B>,
    ) -> Result<Self, Damaged> {
        let mut machine = Self {
            sequence: base,
            ..Self::empty()
        };
        for record in records {
            match stored::decode(record.as_ref())? {
                Batch::Events(events) => {
                    machine.sequence += 1;
                    for event in &events {
                        let entries = audit::entries(&machine.state, event);
                        machine.audit.enter(machine.sequence, entries);
                        machine.apply(event);
                    }
                }
                Batch::Snapshot(state) => machine.state = *state,
            }
        }
        Ok(machine)
    }

    /// The stored form of all that happened, to take the place of the records so far. Equal machines give equal bytes.
    #[must_use]
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        stored::encode_snapshot(&self.state)
    }

    /// The manifest in force; cheaper than a whole view.
    #[must_use]
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.state.policy.as_ref().map(|policy| &policy.manifest)
    }

    /// What readers may see of this state.
    #[must_use]
    pub fn view(&self) -> View {
        View::of(&self.state, self.audit.clone())
    }

    /// Whether a command may happen now, and what follows from it. Changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] names the rule.
    pub fn decide(&self, command: &Command, env: &mut Env<'_>) -> Result<Vec<Event>, Refusal> {
        let floor = self.state.floor;
        // A start must be possible under a wrong clock: else nobody could ask what is wrong.
        let floored = env.now.as_secs().max(floor);
        let event = match command {
            Command::Found(found) => self.decide_found(found, floored)?,
            Command::Start(leaf) => self.decide_start(leaf, floored)?,
            Command::SetManifest(set) => self.decide_manifest(set, in_time(env.now, floor)?)?,
            Command::Update(update) => {
                let event = self.decide_update(update, in_time(env.now, floor)?)?;
                return Ok(event.into_iter().collect());
            }
            Command::Cancel(cancel) => self.decide_cancel(cancel, in_time(env.now, floor)?)?,
            Command::SetSecrets(set) => self.decide_set(set, in_time(env.now, floor)?)?,
            Command::ReadSecrets(read) => self.decide_read(read, in_time(env.now, floor)?)?,
            Command::Rotate(rotate) => self.decide_rotate(rotate, in_time(env.now, floor)?)?,
            Command::Activate(draft) => {
                let now = in_time(env.now, floor.max(draft.newest_issue_date))?;
                self.decide_draft(draft, now)?
            }
            Command::SeeCollateral(seen) => match self.decide_collateral(seen, floored) {
                Some(event) => event,
                None => return Ok(Vec::new()),
            },
        };
        Ok(vec![event])
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        self.state.apply(event);
    }

    /// The audit of the records that it was replayed from, and the sequence of the last of them.
    pub(crate) fn audit(&self) -> (&Log, u64) {
        (&self.audit, self.sequence)
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    fn decide_collateral(&self, seen: &Floors, now: u64) -> Option<Event> {
        let raised = Floors::clone(&self.state.collateral).raise(seen);
        raised.then(|| {
            Event::CollateralSeen(Arc::new(CollateralSeen {
                // It was signed, so it is not the future, whatever the clock says.
                time: now.max(seen.newest_issue().unwrap_or(0)),
                floors: seen.clone(),
            }))
        })
    }

    fn decide_found(&self, found: &Found, now: u64) -> Result<Event, Refusal> {
        if let Some(founded) = &self.state.founded {
            return Err(Refusal::AlreadyFounded {
                root: founded.root.certificate().common_name().to_owned(),
            });
        }
        Ok(Event::Founded(Arc::new(Founded {
            time: now,
            root: found.root.clone(),
            derivation: found.derivation.clone(),
        })))
    }

    fn decide_start(&self, start: &CoordinatorLeaf, now: u64) -> Result<Event, Refusal> {
        if self.state.founded.is_none() {
            return Err(Refusal::NotFounded);
        }
        Ok(Event::Started(Arc::new(Started {
            time: now,
            leaf: start.leaf.clone(),
        })))
    }

    fn decide_manifest(&self, set: &SetManifest, now: u64) -> Result<Event, Refusal> {
        if self.state.founded.is_none() {
            return Err(Refusal::NotFounded);
        }
        if let Some(policy) = &self.state.policy {
            return Err(Refusal::ManifestAlreadySet {
                epoch: policy.epoch,
                sha256: hex::encode(policy.manifest.sha256()),
            });
        }
        self.history_has_room()?;
        Ok(Event::ManifestSet(Arc::new(ManifestSet {
            time: now,
            epoch: set.after.saturating_add(1),
            manifest: Arc::clone(&set.manifest),
            caller: set.caller.certificate,
            issuing: set.issuing.clone(),
            shared: set.shared.clone(),
        })))
    }

    fn history_has_room(&self) -> Result<(), Refusal> {
        let entries = self.state.history.len();
        if entries >= HISTORY_MAX {
            return Err(Refusal::HistoryFull { entries });
        }
        Ok(())
    }

    /// A user agrees; nothing follows if that user had agreed before.
    fn decide_update(&self, update: &Update, now: u64) -> Result<Option<Event>, Refusal> {
        let policy = self.same_epoch(update.after)?;
        self.history_has_room()?;
        let pending = self.state.pending.as_deref();
        let by = |user: &str| by(user, &update.caller);
        let manifest = &update.manifest;
        Ok(
            match approve::agree(policy, pending, manifest, &update.caller)? {
                Agreement::Already => None,
                Agreement::Waits { user } if pending.is_none() => {
                    Some(Event::Proposed(Arc::new(Proposed {
                        time: now,
                        epoch: policy.epoch,
                        by: by(user),
                        manifest: Arc::clone(manifest),
                    })))
                }
                Agreement::Waits { user } => Some(Event::Agreed(Arc::new(Agreed {
                    time: now,
                    by: by(user),
                    manifest_sha256: manifest.sha256(),
                }))),
                Agreement::Enough { agreed } => Some(Event::Updated(Arc::new(Updated {
                    set: ManifestSet {
                        time: now,
                        epoch: update.after.saturating_add(1),
                        manifest: Arc::clone(manifest),
                        caller: update.caller.certificate,
                        issuing: update.issuing.clone(),
                        shared: update.shared.clone(),
                    },
                    agreed,
                    previous: update.previous.clone(),
                    derivation: update.derivation.clone(),
                }))),
            },
        )
    }

    fn decide_cancel(&self, cancel: &Cancel, now: u64) -> Result<Event, Refusal> {
        let policy = self.state.policy.as_deref();
        let policy = policy.ok_or_else(|| Refusal::NoUpdatePending {
            asked: hex::encode(cancel.manifest_sha256),
            pending: "none".to_owned(),
        })?;
        let pending = self.state.pending.as_deref();
        let user = approve::cancel(policy, pending, &cancel.manifest_sha256, &cancel.caller)?;
        Ok(Event::Cancelled(Arc::new(Agreed {
            time: now,
            by: by(user, &cancel.caller),
            manifest_sha256: cancel.manifest_sha256,
        })))
    }

    fn decide_set(&self, set: &SetSecrets, now: u64) -> Result<Event, Refusal> {
        let policy = self.same_epoch(set.epoch)?;
        let names: Vec<&str> = set.secrets.keys().map(String::as_str).collect();
        let (manifest, caller) = (&policy.manifest, &set.caller);
        let user = approve::permitted(manifest, caller, Action::WriteSecret, &names, "secret")?;
        let before = self.state.user_secrets.iter();
        let kept = before.filter(|(name, _)| !set.secrets.contains_key(*name));
        let bytes = kept
            .chain(&set.secrets)
            .map(|(_, value)| value.bytes())
            .sum();
        if bytes > USER_SECRETS_BYTES_MAX {
            return Err(Refusal::SecretsFull {
                bytes,
                max: USER_SECRETS_BYTES_MAX,
            });
        }
        Ok(Event::SecretsSet(Arc::new(SecretsSet {
            time: now,
            by: by(user, caller),
            secrets: set.secrets.clone(),
        })))
    }

    fn decide_read(&self, read: &ReadSecrets, now: u64) -> Result<Event, Refusal> {
        let policy = self.state.policy.as_deref();
        let policy = policy.ok_or(Refusal::StateNotAccepting {
            state: self.view().state(),
        })?;
        let names: Vec<&str> = read.names.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Err(Refusal::NoSecretsNamed);
        }
        let (manifest, caller) = (&policy.manifest, &read.caller);
        let user = approve::permitted(manifest, caller, Action::ReadSecret, &names, "secret")?;
        if let Some(unset) = names
            .iter()
            .find(|name| self.state.value_of(name).is_none())
        {
            return Err(Refusal::SecretNotSet {
                secret: (*unset).to_owned(),
                needed_by: format!("user `{user}`"),
            });
        }
        Ok(Event::SecretsRead(Arc::new(SecretsRead {
            time: now,
            by: by(user, caller),
            names: read.names.clone(),
        })))
    }

    fn decide_rotate(&self, rotate: &Rotate, now: u64) -> Result<Event, Refusal> {
        self.same_epoch(rotate.epoch)?;
        Ok(Event::Rotated(Arc::new(Rotated {
            time: now,
            issuing: rotate.issuing.clone(),
        })))
    }

    fn decide_draft(&self, draft: &Draft, now: u64) -> Result<Event, Refusal> {
        let policy = self.same_epoch(draft.epoch)?;
        if draft.leaf.not_after() < now {
            return Err(Refusal::DraftEnded {
                not_after: draft.leaf.not_after(),
                now,
            });
        }
        self.same_user_secrets(draft, policy)?;
        let name = InstanceName {
            marble: draft.marble.clone(),
            instance: draft.instance,
        };
        let living = self.state.instances.get(&name);
        let entry = match &draft.entry {
            DraftEntry::Activate => self.decide_activate(draft, policy, living, now)?,
            DraftEntry::Renew { leaf_sha256 } => decide_renew(draft, leaf_sha256, living, now)?,
        };
        Ok(Event::Admitted(Arc::new(Admitted {
            time: now,
            epoch: draft.epoch,
            marble: draft.marble.clone(),
            instance: draft.instance,
            key: draft.leaf.spki_sha256(),
            entry,
            grounds: draft.grounds.clone(),
            leaf: draft.leaf.clone(),
            certificates: draft.certificates.clone(),
        })))
    }

    /// An activation counts, unless it is the retry of one under the same key within [`RETRY_WINDOW_SECS`].
    fn decide_activate(
        &self,
        draft: &Draft,
        policy: &Policy,
        living: Option<&Living>,
        now: u64,
    ) -> Result<Admittance, Refusal> {
        if let Some(living) = living {
            let same_key = living.key == draft.leaf.spki_sha256();
            if same_key && now < living.counted_at.saturating_add(RETRY_WINDOW_SECS) {
                return Ok(Admittance::Retried);
            }
            if !same_key && living.end() >= now {
                return Err(Refusal::InstanceInUse {
                    marble: draft.marble.clone(),
                    instance: hex::encode(draft.instance),
                    until: living.end(),
                    now,
                });
            }
        }
        let definition = policy.manifest.marbles().get(&draft.marble);
        let definition = definition.ok_or_else(|| Refusal::MarbleUnknown {
            marble: draft.marble.clone(),
            epoch: policy.epoch,
        })?;
        let activated = self
            .state
            .activated
            .get(&draft.marble)
            .copied()
            .unwrap_or(0);
        if let Some(budget) = definition
            .max_activations
            .filter(|budget| activated >= *budget)
        {
            return Err(Refusal::BudgetSpent {
                marble: draft.marble.clone(),
                activated,
                budget,
            });
        }
        let instances = self.state.instances.len();
        if living.is_none() && instances >= INSTANCES_MAX {
            return Err(Refusal::InstancesFull { instances });
        }
        Ok(Admittance::Activated)
    }

    /// What was rendered before a secret was set is rendered anew: whoever is admitted after that gets the new value.
    fn same_user_secrets(&self, draft: &Draft, policy: &Policy) -> Result<(), Refusal> {
        if Arc::ptr_eq(&draft.user_secrets, &self.state.user_secrets) {
            return Ok(());
        }
        let marble = policy.manifest.marbles().get(&draft.marble);
        let used = marble
            .into_iter()
            .flat_map(stoa_manifest::Marble::secrets_used);
        for name in used.map(|used| &used.name) {
            if draft.user_secrets.get(name) != self.state.user_secrets.get(name) {
                return Err(Refusal::SecretsMoved {
                    secret: name.clone(),
                    marble: draft.marble.clone(),
                });
            }
        }
        Ok(())
    }

    /// What was prepared for another epoch is prepared anew.
    fn same_epoch(&self, prepared: u64) -> Result<&Policy, Refusal> {
        match self.state.policy.as_deref() {
            Some(policy) if policy.epoch == prepared => Ok(policy),
            policy => Err(Refusal::EpochMoved {
                prepared,
                current: policy.map_or(0, |policy| policy.epoch),
            }),
        }
    }
}

/// A user as an event has them; only a caller with a certificate is one.
fn by(user: &str, caller: &Caller) -> By {
    By {
        user: user.to_owned(),
        certificate: caller.certificate.unwrap_or_default(),
    }
}

/// A renewal rests on a leaf that this mesh issued to this very instance, byte for byte, and that is in force.
fn decide_renew(
    draft: &Draft,
    leaf_sha256: &[u8; 32],
    living: Option<&Living>,
    now: u64,
) -> Result<Admittance, Refusal> {
    let not_valid = |cause: String| Refusal::LeafNotValid {
        marble: draft.marble.clone(),
        cause,
    };
    let instance = || hex::encode(draft.instance);
    let living = living.ok_or_else(|| {
        not_valid(format!(
            "instance {} of this marble is not alive here",
            instance()
        ))
    })?;
    let leaf = living
        .leaves
        .iter()
        .find(|leaf| leaf.sha256 == *leaf_sha256)
        .ok_or_else(|| {
            not_valid(format!(
                "SHA-256 {} is no leaf in force of instance {}",
                hex::encode(leaf_sha256),
                instance()
            ))
        })?;
    if leaf.not_after < now {
        return Err(not_valid(format!(
            "it ended at {}; now is {now} (Unix times)",
            leaf.not_after
        )));
    }
    Ok(Admittance::Renewed)
}

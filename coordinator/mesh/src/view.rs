//! What readers see: the committed state as a handful of `Arc`s, without a lock in front of them.
//!
//! A view shares CAs, manifest, secrets and history with the state that it was taken from; counters are on the shared
//! board.
//!
//! Does not live here: the state itself (`state`), the statement's JSON (`server`).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::Floors;
use stoa_attestation::channel::{CoordinatorState, Transition};
use stoa_manifest::{Action, Manifest};

use crate::approve;
use crate::audit::{Entry, Log};
use crate::board::Board;
use crate::ca::Certified;
use crate::caller::Caller;
use crate::certificate::Certificate;
use crate::denied::{Denials, Denied};
use crate::event::Founded;
use crate::floor::in_time;
use crate::identity::trust_domain;
use crate::refusal::Refusal;
use crate::secret::{DerivationSecret, SecretValue};
use crate::state::{Pending, Policy, State};

/// Refusals that are remembered; older ones go.
pub const REFUSALS_MAX: usize = 64;
/// State 2 of docs/protocol/attest-1.md, section 5: founded, no manifest.
const STATE_ACCEPTING_MANIFEST: u8 = 2;
/// State 3: a manifest is in force.
const STATE_ACCEPTING_MARBLES: u8 = 3;

/// The committed state of one mesh, cheap to clone and to share.
#[derive(Clone)]
pub struct View {
    floor: u64,
    root: Option<Arc<Founded>>,
    coordinator_leaf: Option<Arc<Certificate>>,
    issuing: Option<Arc<Certified>>,
    policy: Option<Arc<Policy>>,
    pending: Option<Arc<Pending>>,
    user_secrets: Arc<BTreeMap<String, SecretValue>>,
    history: Arc<[Transition]>,
    collateral: Arc<Floors>,
    board: Arc<Board>,
    refusals: Arc<Mutex<VecDeque<Refused>>>,
    audit: Arc<Mutex<Log>>,
    denials: Arc<Denials>,
}

/// How one marble stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarbleStatus {
    /// The marble, as the manifest names it.
    pub marble: String,
    /// Instances with a leaf in force.
    pub live: u64,
    /// Activations that were counted, ever.
    pub activated: u64,
    /// The manifest's MaxActivations; `None` if it is not limited.
    pub budget: Option<u64>,
}

/// A manifest that some users agreed to, and too few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingUpdate {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// When the first agreed, Unix time.
    pub since: u64,
    /// Epoch of the manifest in force, which it would take the place of.
    pub epoch: u64,
    /// Who agreed, by name.
    pub agreed: Vec<String>,
    /// All who may, by name.
    pub may_agree: Vec<String>,
    /// How many of them must.
    pub needed: usize,
}

/// A refusal, as everybody may know it: the rule's code, not its reference values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Stable code of the refusal.
    pub code: &'static str,
    /// The marble asked for; empty if the manifest has none of that name.
    pub marble: String,
    /// When, Unix time.
    pub time: u64,
}

impl View {
    /// The view of a state, with a board of its own.
    pub(crate) fn of(state: &State, audit: Log) -> Self {
        Self {
            floor: 0,
            root: None,
            coordinator_leaf: None,
            issuing: None,
            policy: None,
            pending: None,
            user_secrets: Arc::default(),
            history: Arc::default(),
            collateral: Arc::default(),
            board: Arc::new(Board::of(state)),
            refusals: Arc::default(),
            audit: Arc::new(Mutex::new(audit)),
            denials: Arc::default(),
        }
        .with_policy_of(state)
    }

    /// This view's board and refusals, with everything else as the state has it.
    pub(crate) fn with_policy_of(&self, state: &State) -> Self {
        Self {
            floor: state.floor,
            root: state.founded.clone(),
            coordinator_leaf: state.coordinator_leaf.clone(),
            issuing: state.issuing.clone(),
            policy: state.policy.clone(),
            pending: state.pending.clone(),
            user_secrets: Arc::clone(&state.user_secrets),
            history: Arc::clone(&state.history),
            collateral: Arc::clone(&state.collateral),
            board: Arc::clone(&self.board),
            refusals: Arc::clone(&self.refusals),
            audit: Arc::clone(&self.audit),
            denials: Arc::clone(&self.denials),
        }
    }

    /// 2: founded, no manifest; 3: a manifest is in force. (State 1, recovery, is before any state of a mesh is known.)
    #[must_use]
    pub fn state(&self) -> u8 {
        if self.policy.is_some() {
            STATE_ACCEPTING_MARBLES
        } else {
            STATE_ACCEPTING_MANIFEST
        }
    }

    /// The state as attest-1's state bytes hold it, without an owner; `None` before founding.
    ///
    /// `root_key_id`: K(root SPKI) from the private key, as `check_root_key` gives it.
    #[must_use]
    pub fn coordinator_state(&self, root_key_id: [u8; 32]) -> Option<CoordinatorState> {
        self.root.as_ref()?;
        Some(match (&self.policy, &self.issuing) {
            (Some(policy), Some(issuing)) => CoordinatorState::AcceptingMarbles {
                root: root_key_id,
                issuing: issuing.certificate().spki_sha256(),
                manifest_sha256: policy.manifest.sha256(),
                transition_head: policy.transition_head,
                owner: None,
            },
            _ => CoordinatorState::AcceptingManifest {
                root: root_key_id,
                owner: None,
            },
        })
    }

    /// The root CA's certificate; `None` before founding.
    #[must_use]
    pub fn root(&self) -> Option<&Certificate> {
        self.root_authority().map(Certified::certificate)
    }

    /// The issuing CA's certificate; `None` before the first manifest.
    #[must_use]
    pub fn issuing(&self) -> Option<&Certificate> {
        self.issuing_authority().map(Certified::certificate)
    }

    /// From when on the issuing CA should be replaced (`Command::Rotate`): half of its life, Unix time.
    #[must_use]
    pub fn issuing_renew_at(&self) -> Option<u64> {
        self.issuing()
            .map(|issuing| issuing.not_before().midpoint(issuing.not_after()))
    }

    /// The CA chain as the statement has it, DER: issuing CA then root, or the root alone before the first manifest.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.issuing()
            .into_iter()
            .chain(self.root())
            .map(|certificate| certificate.der().to_vec())
            .collect()
    }

    /// The newest leaf of the coordinator's client port.
    #[must_use]
    pub fn coordinator_leaf(&self) -> Option<&Certificate> {
        self.coordinator_leaf.as_deref()
    }

    /// The manifest in force.
    #[must_use]
    pub fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.policy.as_ref().map(|policy| &policy.manifest)
    }

    /// SHA-256 of the manifest in force, of its bytes as posted.
    #[must_use]
    pub fn manifest_sha256(&self) -> Option<[u8; 32]> {
        self.manifest().map(|manifest| manifest.sha256())
    }

    /// Epoch of the manifest in force; 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.epoch)
    }

    /// The update that waits for users to agree.
    #[must_use]
    pub fn waiting_update(&self) -> Option<WaitingUpdate> {
        waiting(self.policy.as_deref(), self.pending.as_deref())
    }

    /// Every manifest that was ever in force, oldest first.
    #[must_use]
    pub fn history(&self) -> &Arc<[Transition]> {
        &self.history
    }

    /// Head of the history; `None` if it is empty.
    #[must_use]
    pub fn transition_head(&self) -> Option<[u8; 32]> {
        self.policy.as_ref().map(|policy| policy.transition_head)
    }

    /// The trust domain of the mesh's SPIFFE IDs; `None` before founding.
    #[must_use]
    pub fn trust_domain(&self) -> Option<String> {
        let mesh_name = self
            .manifest()
            .and_then(|manifest| manifest.config().mesh_name.as_deref());
        self.root().map(|root| trust_domain(mesh_name, root.spki()))
    }

    /// How each marble of the manifest stands, in order of names.
    #[must_use]
    pub fn marbles(&self, now: UnixTime) -> Vec<MarbleStatus> {
        let Some(manifest) = self.manifest() else {
            return Vec::new();
        };
        let now = self.not_before_floor(now);
        let counts = self.board.counts(now);
        let status = |(marble, definition): (&String, &stoa_manifest::Marble)| {
            let (live, activated) = counts.get(marble).copied().unwrap_or((0, 0));
            MarbleStatus {
                marble: marble.clone(),
                live,
                activated,
                budget: definition.max_activations,
            }
        };
        manifest.marbles().iter().map(status).collect()
    }

    /// The last [`REFUSALS_MAX`] refusals, oldest first.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.refusals().iter().cloned().collect()
    }

    /// Remembers a refusal. Refusals are not journaled: else whoever is refused could fill the disk.
    ///
    /// `marble` is kept only if the manifest has it, because strangers read this list and strangers write it.
    pub fn note_refusal(&self, code: &'static str, marble: &str, now: UnixTime) {
        let known = self
            .manifest()
            .is_some_and(|manifest| manifest.marbles().contains_key(marble));
        let marble = if known {
            marble.to_owned()
        } else {
            String::new()
        };
        let mut refusals = self.refusals();
        if refusals.len() == REFUSALS_MAX {
            refusals.pop_front();
        }
        refusals.push_back(Refused {
            code,
            marble,
            time: now.as_secs(),
        });
    }

    /// What was done to the mesh, newest first: at most `length` entries with numbers below `before`, and at most
    /// [`crate::audit::AUDIT_PAGE_MAX`].
    ///
    /// # Errors
    /// [`Refusal::StateNotAccepting`] before the first manifest, [`Refusal::UserUnknown`], [`Refusal::NotPermitted`]: it
    /// is for users who may `ReadAudit`.
    pub fn audit(
        &self,
        caller: &Caller,
        before: u64,
        length: usize,
    ) -> Result<Vec<Entry>, Refusal> {
        self.may_audit(caller)?;
        Ok(self.log().page(before, length))
    }

    /// Whom the coordinator said no to, of users the last [`crate::denied::DENIED_MAX`] and as many others.
    ///
    /// # Errors
    /// As [`Self::audit`].
    pub fn denied(&self, caller: &Caller) -> Result<Vec<Denied>, Refusal> {
        self.may_audit(caller)?;
        Ok(self.denials.all())
    }

    /// Remembers that someone was refused who asked for what users may ask for. Not journaled, as [`Self::note_refusal`].
    pub fn note_denied(&self, denied: Denied) {
        self.denials.note(denied);
    }

    fn may_audit(&self, caller: &Caller) -> Result<(), Refusal> {
        let manifest = self.manifest().ok_or(Refusal::StateNotAccepting {
            state: self.state(),
        })?;
        approve::permitted(manifest, caller, Action::ReadAudit, &[], "the audit").map(|_| ())
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        // The log is whole after every statement that changes it.
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment that `now` never lies before: the time of the newest event.
    #[must_use]
    pub fn time_floor(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.floor))
    }

    /// The time to work at: `now`, or the time floor if the clock is a little behind it.
    ///
    /// # Errors
    /// [`Refusal::ClockBehind`] if it is behind by more than [`crate::CLOCK_BEHIND_SECS_MAX`].
    pub fn in_time(&self, now: UnixTime) -> Result<UnixTime, Refusal> {
        let secs = in_time(now, self.floor)?;
        Ok(UnixTime::since_unix_epoch(Duration::from_secs(secs)))
    }

    /// How new each of the vendor's objects was when it was seen newest.
    #[must_use]
    pub fn collateral_floors(&self) -> &Arc<Floors> {
        &self.collateral
    }

    /// `now` in Unix time, or the time floor if the clock is behind it.
    pub(crate) fn not_before_floor(&self, now: UnixTime) -> u64 {
        now.as_secs().max(self.floor)
    }

    /// The same as [`UnixTime`].
    pub(crate) fn at_floor(&self, now: UnixTime) -> UnixTime {
        now.max(self.time_floor())
    }

    pub(crate) fn root_authority(&self) -> Option<&Certified> {
        self.root.as_ref().map(|founded| &founded.root)
    }

    pub(crate) fn issuing_authority(&self) -> Option<&Certified> {
        self.issuing.as_deref()
    }

    pub(crate) fn pending_update(&self) -> Option<&Pending> {
        self.pending.as_deref()
    }

    pub(crate) fn user_secrets(&self) -> &Arc<BTreeMap<String, SecretValue>> {
        &self.user_secrets
    }

    pub(crate) fn derivation(&self) -> Option<&DerivationSecret> {
        let policy = self.policy.as_ref();
        let new = policy.and_then(|policy| policy.derivation.as_ref());
        new.or_else(|| self.root.as_ref().map(|founded| &founded.derivation))
    }

    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    /// A manifest is set once.
    pub(crate) fn refuse_second_manifest(&self) -> Result<(), Refusal> {
        match &self.policy {
            Some(policy) => Err(Refusal::ManifestAlreadySet {
                epoch: policy.epoch,
                sha256: hex::encode(policy.manifest.sha256()),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    fn refusals(&self) -> MutexGuard<'_, VecDeque<Refused>> {
        // The list is whole after every statement that changes it.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits under a policy, and who must agree to it.
pub(crate) fn waiting(policy: Option<&Policy>, pending: Option<&Pending>) -> Option<WaitingUpdate> {
    let (policy, pending) = (policy?, pending?);
    let (may_agree, needed) = policy.manifest.approval();
    Some(WaitingUpdate {
        manifest: Arc::clone(&pending.manifest),
        since: pending.since,
        epoch: policy.epoch,
        agreed: pending.agreed.iter().cloned().collect(),
        may_agree,
        needed,
    })
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("floor", &self.floor)
            .field("root", &self.root)
            .field("coordinator_leaf", &self.coordinator_leaf)
            .field("issuing", &self.issuing)
            .field("policy", &self.policy)
            .field("pending", &self.pending)
            .field("history", &self.history.len())
            .finish_non_exhaustive()
    }
}

/// Two views are equal if readers can't tell them apart; refusals, which are not part of the journal, are left out.
impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        let at = |view: &Self| view.marbles(view.time_floor());
        self.floor == other.floor
            && self.root == other.root
            && self.coordinator_leaf == other.coordinator_leaf
            && self.issuing == other.issuing
            && self.policy == other.policy
            && self.pending == other.pending
            && self.user_secrets == other.user_secrets
            && self.history == other.history
            && self.collateral == other.collateral
            && at(self) == at(other)
    }
}

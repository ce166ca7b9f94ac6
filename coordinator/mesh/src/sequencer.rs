//! The order of things: commands in, one batch to write, replies out, and no reply before the batch is durable.
//!
//! Takes no lock, does no I/O and knows no clock. Its owner, one thread, submits commands, writes [`Sequencer::batch`],
//! then calls [`Sequencer::committed`] and answers. After an error of the store it drops the sequencer with everything
//! pending and makes another from what the journal holds: nobody was told anything yet.
//!
//! Does not live here: the store, the thread, the queue (`server`).

use std::collections::BTreeMap;

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;
use stoa_manifest::Manifest;
use zeroize::Zeroizing;

use crate::audit::{self, Entry};
use crate::board::Change;
use crate::command::Command;
use crate::event::Event;
use crate::machine::{Env, Machine};
use crate::refusal::Refusal;
use crate::render::Provision;
use crate::secret::SecretValue;
use crate::stored;
use crate::view::{View, WaitingUpdate, waiting};

#[cfg(test)]
mod tests;

/// What came of a command that was allowed, once it is durable.
#[derive(Debug)]
pub enum Outcome {
    /// The mesh was founded.
    Founded {
        /// The root CA's certificate, DER.
        root: Vec<u8>,
    },
    /// The client port's key was certified.
    Started {
        /// DER: the leaf, then the root.
        chain: Vec<Vec<u8>>,
        /// When to ask for the next leaf, Unix time.
        renew_at: u64,
    },
    /// A manifest came into force.
    ManifestSet {
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// Its place in the history.
        epoch: u64,
        /// Its marbles.
        marbles: Vec<String>,
    },
    /// A user agreed to another manifest, and others must too.
    UpdateWaits(WaitingUpdate),
    /// An update was taken back.
    UpdateCancelled,
    /// Secrets were set.
    SecretsSet,
    /// What a user asked to read, by name.
    SecretsRead(BTreeMap<String, SecretValue>),
    /// The issuing CA was replaced.
    Rotated,
    /// What collateral was seen is remembered.
    CollateralSeen,
    /// A marble was admitted.
    Granted(Grant),
}

/// What an admitted marble gets; exists only after its admission is durable.
#[derive(Debug)]
pub struct Grant(Provision);

impl Grant {
    /// Certificate chain and parameters.
    #[must_use]
    pub fn provision(&self) -> &Provision {
        &self.0
    }

    /// Certificate chain and parameters.
    #[must_use]
    pub fn into_provision(self) -> Provision {
        self.0
    }
}

/// One mesh with the commands that were decided on and are not durable yet.
#[derive(Debug)]
pub struct Sequencer {
    /// Ahead of the journal by `pending`.
    machine: Machine,
    /// What the journal holds.
    published: View,
    pending: Vec<Event>,
    changes: Vec<Change>,
    /// What the pending events enter into the audit.
    entries: Vec<Entry>,
    /// Sequence of the journal's last record.
    sequence: u64,
    replies: Vec<(u64, Result<Outcome, Refusal>)>,
    noted: Vec<(&'static str, String, UnixTime)>,
}

impl Sequencer {
    /// Goes on from what the journal holds.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        Self {
            published: machine.view(),
            sequence: machine.audit().1,
            machine,
            pending: Vec::new(),
            changes: Vec::new(),
            entries: Vec::new(),
            replies: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// Decides on a command; its reply comes out of [`Sequencer::committed`] under `ticket`.
    pub fn submit(&mut self, ticket: u64, command: Command, mut env: Env<'_>) {
        let reply = match self.machine.decide(&command, &mut env) {
            Ok(events) => {
                for event in &events {
                    self.changes.extend(Change::of(self.machine.state(), event));
                    self.entries
                        .extend(audit::entries(self.machine.state(), event));
                    self.machine.apply(event);
                }
                self.pending.extend(events);
                Ok(self.outcome(command))
            }
            Err(refusal) => {
                if let Command::Activate(draft) = &command {
                    self.noted
                        .push((refusal.code(), draft.marble.clone(), env.now));
                }
                Err(refusal)
            }
        };
        // Refusals wait for the commit too: "budget spent" may rest on an admission that is not on disk yet, and if
        // that write is lost the caller was told something that never happened.
        self.replies.push((ticket, reply));
    }

    /// The stored form of all that is pending, to be made durable; `None` if there is nothing to write.
    #[must_use]
    pub fn batch(&self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.pending.is_empty()).then(|| stored::encode(&self.pending))
    }

    /// The batch is durable (or there was none): its replies, in the order of submission.
    pub fn committed(&mut self) -> Vec<(u64, Result<Outcome, Refusal>)> {
        self.sequence += u64::from(!self.pending.is_empty());
        self.pending.clear();
        self.published = self.published.with_policy_of(self.machine.state());
        self.published
            .board()
            .commit(self.changes.drain(..), self.machine.state().floor);
        self.published
            .log()
            .enter(self.sequence, self.entries.drain(..));
        for (code, marble, time) in self.noted.drain(..) {
            self.published.note_refusal(code, &marble, time);
        }
        std::mem::take(&mut self.replies)
    }

    /// What is durable, for readers.
    #[must_use]
    pub fn view(&self) -> View {
        self.published.clone()
    }

    /// The state with everything pending; for a snapshot, ask between `committed` and the next `submit`.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// How many commands were submitted and not answered yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.replies.len()
    }

    /// What the caller of a command, just decided on and applied, is told.
    fn outcome(&self, command: Command) -> Outcome {
        match command {
            Command::Found(found) => Outcome::Founded {
                root: found.root.certificate().der().to_vec(),
            },
            Command::Start(start) => {
                let root = self
                    .machine
                    .state()
                    .founded
                    .iter()
                    .map(|founded| founded.root.certificate().der().to_vec());
                let renew_at = start.leaf.not_before().midpoint(start.leaf.not_after());
                Outcome::Started {
                    chain: [start.leaf.der().to_vec()]
                        .into_iter()
                        .chain(root)
                        .collect(),
                    renew_at,
                }
            }
            Command::SetManifest(set) => in_force(&set.manifest, set.after),
            // What does not wait after a yes is in force.
            Command::Update(update) => {
                let state = self.machine.state();
                match waiting(state.policy.as_deref(), state.pending.as_deref()) {
                    Some(waiting) => Outcome::UpdateWaits(waiting),
                    None => in_force(&update.manifest, update.after),
                }
            }
            Command::Cancel(_) => Outcome::UpdateCancelled,
            Command::SetSecrets(_) => Outcome::SecretsSet,
            Command::ReadSecrets(read) => {
                let state = self.machine.state();
                let value = |name: String| Some((state.value_of(&name)?, name));
                let read = read.names.into_iter().filter_map(value);
                Outcome::SecretsRead(read.map(|(value, name)| (name, value)).collect())
            }
            Command::Rotate(_) => Outcome::Rotated,
            Command::SeeCollateral(_) => Outcome::CollateralSeen,
            Command::Activate(draft) => Outcome::Granted(Grant(draft.provision)),
        }
    }
}

/// The manifest came into force after that of epoch `after`.
fn in_force(manifest: &Manifest, after: u64) -> Outcome {
    Outcome::ManifestSet {
        sha256: manifest.sha256(),
        epoch: after.saturating_add(1),
        marbles: manifest.marbles().keys().cloned().collect(),
    }
}

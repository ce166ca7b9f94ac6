//! The one thread that changes the state: decide, append, apply, publish, answer.
//!
//! Nothing is answered before it is durable, refusals included: a refusal may rest on an admission of the same batch.
//! After a store error the machine in memory is dropped and read back from the journal.
//! Does not live here: rules (`mesh`), bytes on disk (`store`).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use stoa_manifest::Manifest;
use stoa_mesh::{Command, Env, Machine, Outcome, Position, Refusal, Sequencer};
use stoa_store::{Journal, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::custody::Custody;
use crate::error::EdgeError;
use crate::rng::OsRandom;
use crate::view::{Published, State, Window};

/// Most commands waiting for the writer; one more waits at its sender.
pub const QUEUE_LENGTH_MAX: usize = 1024;
/// Most commands made durable by one sync.
pub const BATCH_LENGTH_MAX: usize = 256;
/// Pause between two tries to read the journal back after a store error.
pub const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// Why a command was not done.
#[derive(Debug)]
pub enum NotDone {
    /// A rule of the mesh.
    Refused(Refusal),
    /// The store, or the end of the process.
    Edge(EdgeError),
}

impl NotDone {
    /// Whether it was prepared for a manifest that is no longer in force, so that it can be prepared anew.
    #[must_use]
    pub fn is_epoch_moved(&self) -> bool {
        matches!(self, Self::Refused(Refusal::EpochMoved { .. }))
    }

    /// Whether it was prepared for a manifest that is no longer in force, or with a secret that was set since, so that it
    /// can be prepared anew.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.is_epoch_moved() || matches!(self, Self::Refused(Refusal::SecretsMoved { .. }))
    }
}

/// The sender's end of the writer.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Request>,
}

struct Request {
    command: Command,
    reply: oneshot::Sender<Result<Outcome, NotDone>>,
}

impl Writer {
    /// Hands `command` over and waits until it is durable or refused.
    ///
    /// # Errors
    /// [`NotDone`]; in each case nothing of the command is in force.
    pub async fn submit(&self, command: Command) -> Result<Outcome, NotDone> {
        let (reply, answer) = oneshot::channel();
        let stopping = || NotDone::Edge(EdgeError::Stopping);
        self.queue
            .send(Request { command, reply })
            .await
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

/// Starts the thread. It ends when the last [`Writer`] is dropped; `gone` is dropped when it has ended.
///
/// # Errors
/// If the system gives no thread.
pub fn spawn(
    journal: Journal,
    sequencer: Sequencer,
    window: Window,
    custody: Arc<Custody>,
    clock: Arc<dyn Clock>,
    gone: oneshot::Sender<()>,
) -> std::io::Result<(Writer, JoinHandle<()>)> {
    let (queue, requests) = mpsc::channel(QUEUE_LENGTH_MAX);
    let sequencer_manifest = sequencer.machine().manifest().cloned();
    let mut shell = Shell {
        journal: Some(journal),
        sequencer,
        window,
        told: sequencer_manifest,
        custody,
        tried: Instant::now(),
    };
    let run = move || {
        let _dropped_at_the_end = gone;
        shell.run(requests, &*clock);
    };
    let thread = std::thread::Builder::new()
        .name("writer".to_owned())
        .spawn(run)?;
    Ok((Writer { queue }, thread))
}

struct Shell {
    journal: Option<Journal>,
    sequencer: Sequencer,
    window: Window,
    custody: Arc<Custody>,
    /// The manifest that the clear recovery data on the disk belongs to.
    told: Option<Arc<Manifest>>,
    /// When reading back failed last.
    tried: Instant,
}

impl Shell {
    fn run(&mut self, mut requests: mpsc::Receiver<Request>, clock: &dyn Clock) {
        let mut waiting = Vec::with_capacity(BATCH_LENGTH_MAX);
        while requests.blocking_recv_many(&mut waiting, BATCH_LENGTH_MAX) > 0 {
            self.turn(&mut waiting, clock);
        }
    }

    /// One batch: all its replies are sent after its one sync.
    fn turn(&mut self, waiting: &mut Vec<Request>, clock: &dyn Clock) {
        if self.journal.is_none() && self.tried.elapsed() >= RELOAD_PAUSE {
            self.reload();
        }
        let Some(journal) = self.journal.as_mut() else {
            let failure = EdgeError::StoreUnavailable {
                reason: "it could not be read back after an error".to_owned(),
            };
            return answer_all(waiting.drain(..).map(|request| request.reply), &failure);
        };
        let mut replies = Vec::with_capacity(waiting.len());
        for (ticket, request) in waiting.drain(..).enumerate() {
            let env = Env {
                now: clock.now(),
                rng: &mut OsRandom,
            };
            self.sequencer.submit(ticket as u64, request.command, env);
            replies.push(Some(request.reply));
        }
        // Before the manifest: whoever holds its shares can use them from the moment that it is in force.
        let manifest = self.sequencer.machine().manifest();
        let told = tell(&self.custody, &mut self.told, manifest);
        if let Some(batch) = self.sequencer.batch()
            && let Err(error) = told.and_then(|()| journal.append(&batch, &mut OsRandom))
        {
            let reason = crate::error::chain(&error);
            tracing::error!(
                event = "journal.append-failed",
                error = reason,
                "Append failed"
            );
            answer_all(
                replies.into_iter().flatten(),
                &EdgeError::StoreUnavailable { reason },
            );
            self.reload();
            return;
        }
        let position = journal.position();
        let decisions = self.sequencer.committed();
        self.publish(position);
        for (ticket, decision) in decisions {
            let reply = usize::try_from(ticket)
                .ok()
                .and_then(|index| replies.get_mut(index))
                .and_then(Option::take);
            if let Some(reply) = reply {
                // The caller may have gone; the command stays done.
                let _ = reply.send(decision.map_err(NotDone::Refused));
            }
        }
    }

    fn publish(&self, position: stoa_store::Position) {
        let position = Position {
            sequence: position.sequence,
            head: position.head,
        };
        self.window.publish(Published {
            state: State::Open(self.sequencer.view()),
            position,
        });
    }

    /// What is in memory may be ahead of the disk, so it is dropped and read back from there.
    fn reload(&mut self) {
        let read_back = match self.journal.take() {
            Some(journal) => journal.reopen(),
            None => self.custody.open_journal(),
        };
        let replayed = read_back
            .map_err(|error| crate::error::chain(&error))
            .and_then(|(journal, batches)| {
                let machine = Machine::replay_after(journal.base(), &batches)
                    .map_err(|error| error.to_string())?;
                Ok((journal, machine))
            });
        match replayed {
            Ok((journal, machine)) => {
                self.sequencer = Sequencer::new(machine);
                self.publish(journal.position());
                self.journal = Some(journal);
                tracing::info!(event = "journal.reloaded", "The journal was read back");
            }
            Err(error) => {
                tracing::error!(
                    event = "journal.reload-failed",
                    error,
                    "The journal could not be read back"
                );
                self.tried = Instant::now();
            }
        }
    }
}

/// Writes the clear recovery data if `manifest` is another than the one that it was written for.
fn tell(
    custody: &Custody,
    told: &mut Option<Arc<Manifest>>,
    manifest: Option<&Arc<Manifest>>,
) -> Result<(), StoreError> {
    let same = match (&*told, manifest) {
        (Some(told), Some(manifest)) => Arc::ptr_eq(told, manifest),
        (None, None) => true,
        _ => false,
    };
    if !same {
        custody.tell(manifest.map(AsRef::as_ref))?;
        *told = manifest.cloned();
    }
    Ok(())
}

fn answer_all(
    replies: impl Iterator<Item = oneshot::Sender<Result<Outcome, NotDone>>>,
    error: &EdgeError,
) {
    for reply in replies {
        let _ = reply.send(Err(NotDone::Edge(error.clone())));
    }
}

//! What every handler can reach: the newest state, the writer, own evidence, endorsements, limits.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use stoa_attestation::channel::{CoordinatorState, StateBytes, Witness};
use stoa_mesh::Refusal;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::custody::Custody;
use crate::endorsements::Endorsements;
use crate::error::EdgeError;
use crate::keys::AwsLcKeys;
use crate::rate::Limiter;
use crate::recovering::Recovering;
use crate::session::Sessions;
use crate::statement::StatementCache;
use crate::view::{Published, State, Window};
use crate::writer::Writer;

/// Shared by all connections.
pub struct App {
    /// The newest durable state.
    pub window: Window,
    /// `None` in recovery.
    pub writer: Option<Writer>,
    /// The data key, for its shares; `None` in recovery.
    pub custody: Option<Arc<Custody>>,
    /// How the state can be opened by shares; `None` if it is open, or if there are none.
    pub recovering: Option<Arc<Recovering>>,
    /// Own evidence.
    pub sessions: Arc<Sessions>,
    /// Collateral, own and the marbles'.
    pub endorsements: Arc<Endorsements>,
    /// Keys of the process's crypto library.
    pub keys: AwsLcKeys,
    /// The host's clock.
    pub clock: Arc<dyn Clock>,
    /// Requests for statements.
    pub statement_rate: Limiter,
    /// Requests about shares.
    pub recover_rate: Limiter,
    /// Shares that are looked at.
    pub recovers: Arc<Semaphore>,
    /// All other requests of the client port.
    pub request_rate: Limiter,
    /// K(root SPKI), computed from the root's private key; `None` in recovery.
    pub root_key_id: Option<[u8; 32]>,
    /// Joins in flight.
    pub joins: Arc<Semaphore>,
    /// The statement's body but for what differs in each request.
    pub statement_cache: StatementCache,
    /// What an operator should know from the start, one sentence each.
    pub warnings: Vec<String>,
}

impl App {
    /// The time to work at: the clock's, or the time floor if the clock is a little behind it. The floor is the newest of
    /// the journal's last record and the dates that vendors signed in collateral that was seen.
    ///
    /// # Errors
    /// [`Refusal::ClockBehind`]: nothing may be verified, issued or renewed now.
    pub fn now(&self) -> Result<UnixTime, Refusal> {
        let journal = match &self.window.look().state {
            State::Open(view) => view.time_floor().as_secs(),
            State::Recovery { .. } => 0,
        };
        let floor = journal.max(self.endorsements.newest_issue());
        let secs = stoa_mesh::in_time(self.clock.now(), floor)?;
        Ok(UnixTime::since_unix_epoch(Duration::from_secs(secs)))
    }

    /// The state bytes (docs/protocol/attest-1.md, section 5) for a connection whose leaf has `tls_leaf` as key id.
    ///
    /// # Errors
    /// [`EdgeError::Bug`] if the state is open but was not founded.
    pub fn state_bytes(
        &self,
        published: &Published,
        tls_leaf: [u8; 32],
    ) -> Result<StateBytes, EdgeError> {
        let unfounded = || EdgeError::Bug("the state is open, but was not founded".to_owned());
        let state = match &published.state {
            State::Recovery { .. } => CoordinatorState::Recovery,
            State::Open(view) => {
                let root = self.root_key_id.ok_or_else(unfounded)?;
                view.coordinator_state(root).ok_or_else(unfounded)?
            }
        };
        Ok(StateBytes {
            state,
            sequence: published.position.sequence,
            head: published.position.head,
            tls_leaf,
            security_digest: self.sessions.security_digest(),
            witness: Witness::None,
            time: self.clock.now().as_secs(),
        })
    }

    /// The writer, which is there in states 2 and 3.
    ///
    /// # Errors
    /// [`EdgeError::InRecovery`].
    pub fn writer(&self) -> Result<&Writer, EdgeError> {
        self.writer
            .as_ref()
            .ok_or_else(|| match &self.window.look().state {
                State::Recovery { reason } => EdgeError::InRecovery {
                    reason: reason.to_string(),
                },
                State::Open(_) => {
                    EdgeError::Bug("the state is open, but there is no writer".to_owned())
                }
            })
    }
}

//! A marble that stays one: renewed in the background, and TLS configurations that follow.
//!
//! The task renews at the time that the coordinator gave, tries again with growing pauses while the coordinator is away,
//! and activates again if the leaf ended meanwhile. What it holds is always whole: a renewal that fails changes nothing.
//! Does not live here: the Join (`activate`), what TLS does with a leaf (`hot`).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::{ClientConfig, ServerConfig};
use stoa_explain::Explain;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activate::{Options, activate, activate_again, renew};
use crate::config::MarbleConfig;
use crate::error::SdkError;
use crate::hot::Hot;
use crate::marble::Marble;

/// First pause after a renewal that failed.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Shortest pause before a renewal: a clock that is ahead of the coordinator's sees every leaf as due the moment it comes.
const RENEWAL_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest sleep before the clock is looked at again: it may be set, or the machine may have slept.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// An admitted marble with a renewing task. Dropping it stops the task.
pub struct LiveMarble {
    current: watch::Receiver<Arc<Marble>>,
    hot: Arc<Hot>,
    failure: Arc<RwLock<Option<Failure>>>,
    task: JoinHandle<()>,
}

/// The last renewal that failed, until one succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its stable code.
    pub code: &'static str,
    /// Its words.
    pub message: String,
    /// How many failed in a row.
    pub tries: u32,
}

impl LiveMarble {
    /// Activates and keeps the marble renewed. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`SdkError`] of the activation; no task runs then.
    pub async fn activate(config: MarbleConfig, options: Options) -> Result<Self, SdkError> {
        let marble = Arc::new(activate(&config, &options).await?);
        let hot = Arc::new(Hot::new(&marble)?);
        let (sender, current) = watch::channel(marble);
        let failure = Arc::default();
        let keeper = Keeper {
            config,
            options,
            sender,
            hot: Arc::clone(&hot),
            failure: Arc::clone(&failure),
        };
        Ok(Self {
            current,
            hot,
            failure,
            task: tokio::spawn(keeper.run()),
        })
    }

    /// The marble of now.
    #[must_use]
    pub fn current(&self) -> Arc<Marble> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells of every renewal: what it holds is the newest marble.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Marble>> {
        self.current.clone()
    }

    /// Why the last renewal failed; `None` if it did not.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let failure = self.failure.read();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Like [`Marble::client_config`], and each new connection uses leaf and roots of then.
    ///
    /// # Errors
    /// [`SdkError::Bug`] if TLS can't be configured.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, SdkError> {
        self.hot.client_config()
    }

    /// Like [`Marble::server_config`], and each new connection uses leaf and roots of then.
    ///
    /// # Errors
    /// [`SdkError::Bug`] if TLS can't be configured.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, SdkError> {
        self.hot.server_config()
    }

    /// Like [`Marble::public_server_config`], and each new connection uses the leaf of then.
    ///
    /// # Errors
    /// [`SdkError::Bug`] if TLS can't be configured.
    pub fn public_server_config(&self) -> Result<Arc<ServerConfig>, SdkError> {
        self.hot.public_server_config()
    }
}

impl Drop for LiveMarble {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for LiveMarble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveMarble")
            .field("current", &self.current())
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

struct Keeper {
    config: MarbleConfig,
    options: Options,
    sender: watch::Sender<Arc<Marble>>,
    hot: Arc<Hot>,
    failure: Arc<RwLock<Option<Failure>>>,
}

impl Keeper {
    async fn run(self) {
        let mut tries = 0;
        loop {
            let marble = Arc::clone(&self.sender.borrow());
            if tries == 0 {
                sleep_until(jittered(&marble)).await;
            }
            match self.once(&marble).await {
                Ok(()) => tries = 0,
                Err(error) => {
                    tries += 1;
                    tracing::warn!(
                        event = "renewal-failed",
                        marble = marble.name(),
                        code = error.code(),
                        tries,
                        "{error}"
                    );
                    self.note(Some(Failure {
                        code: error.code(),
                        message: error.to_string(),
                        tries,
                    }));
                    tokio::time::sleep(pause(tries)).await;
                }
            }
        }
    }

    async fn once(&self, marble: &Marble) -> Result<(), SdkError> {
        let next = if now() < marble.not_after() {
            renew(&self.config, &self.options, marble).await?
        } else {
            activate_again(&self.config, &self.options, marble).await?
        };
        let next = Arc::new(next);
        self.hot.set(&next)?;
        tracing::info!(
            event = "renewed",
            marble = next.name(),
            not_after = next.not_after(),
            "renewed"
        );
        // Before anybody is told: who is told and asks must not hear of a failure that is over.
        self.note(None);
        self.sender.send_replace(next);
        Ok(())
    }

    fn note(&self, failure: Option<Failure>) {
        let place = self.failure.write();
        *place.unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Seconds since 1970; a clock before that counts as 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// When to renew: as the coordinator said, earlier by up to a tenth of the way, so that marbles that were started together
/// do not come together. The instance's random bytes decide.
fn jittered(marble: &Marble) -> u64 {
    let left = marble.renew_at().saturating_sub(now());
    let share = u64::from(marble.instance()[0]);
    marble.renew_at().saturating_sub(left / 10 * share / 255)
}

/// Doubles with each try.
fn pause(tries: u32) -> Duration {
    let factor = 1 << tries.saturating_sub(1).min(10);
    (RETRY_PAUSE_MIN * factor).min(RETRY_PAUSE_MAX)
}

async fn sleep_until(time: u64) {
    loop {
        tokio::time::sleep(wait(time, now())).await;
        if now() >= time {
            return;
        }
    }
}

/// How long to sleep before the next look at the clock; never nothing.
fn wait(due: u64, now: u64) -> Duration {
    Duration::from_secs(due.saturating_sub(now)).clamp(RENEWAL_PAUSE_MIN, SLEEP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_a_minute() {
        let pauses: Vec<u64> = (1..=9)
            .map(|tries| pause(tries).as_millis() as u64)
            .collect();
        assert_eq!(
            pauses,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(pause(u32::MAX), RETRY_PAUSE_MAX);
    }

    #[test]
    fn what_is_due_already_waits_all_the_same_and_what_is_far_off_is_looked_at_again() {
        assert_eq!(wait(0, 1_000), RENEWAL_PAUSE_MIN);
        assert_eq!(wait(1_000, 1_000), RENEWAL_PAUSE_MIN);
        assert_eq!(wait(1_010, 1_000), Duration::from_secs(10));
        assert_eq!(wait(90_000, 1_000), SLEEP_MAX);
        assert_eq!(wait(u64::MAX, 0), SLEEP_MAX);
    }
}

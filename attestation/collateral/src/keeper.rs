//! Keeps verified collateral of every platform that was met, and renews it before it ends.
//!
//! A warm platform costs a map look-up. A cold one is fetched once, however many ask at the same time, with a deadline.
//! Sources are asked in their order until one gives collateral that verifies, holds today and is not older than what was
//! seen before. What does not is never kept and never replaces what did; collateral that ended is kept while there is no
//! newer, because how long it is still good for is the policy's to say.
//!
//! Does not live here: which platforms have a place (`slots`), what is said about it (`report`), one fetch (`source`), making floors durable (`server`).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use stoa_attestation::{Anchor, Collateral, Floors, SignatureMemo, Trust};
use tokio::sync::Semaphore;

use crate::endorsement::Endorsement;
use crate::error::CollateralError;
use crate::platform::Platform;
use crate::report::{self, Row};
use crate::slots::{Failure, Kept, Slot, Slots};
use crate::source::{Source, none_gave};

/// Most fetches under way at once.
pub const FETCHES_MAX: usize = 4;
/// Longest wait of a caller for a cold platform; the sources share it.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(10);
/// Share of its remaining time after which collateral is renewed, as a divisor: at half of it.
const RENEW_DIVISOR: u64 = 2;
/// Longest time between two renewals, in seconds: a new CRL should be seen within the day.
pub const RENEW_EVERY_SECS_MAX: u64 = 6 * 3600;
/// Share of the time to renewal by which it is brought forward at random, as a divisor, so that a fleet that started
/// together does not ask together.
const JITTER_DIVISOR: u64 = 5;
/// Pause after a fetch that failed; doubles up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(2);
/// Longest pause between two tries, unless a service asks for more.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);

/// When collateral that is good until `until` is renewed: at half of its time or after [`RENEW_EVERY_SECS_MAX`], up to a
/// fifth earlier, by `random`.
fn renewal(fetched_at: u64, until: u64, random: u64) -> u64 {
    let left = until.saturating_sub(fetched_at);
    let wait = (left / RENEW_DIVISOR).min(RENEW_EVERY_SECS_MAX);
    fetched_at + wait - random % (wait / JITTER_DIVISOR + 1)
}

/// Collateral of the platforms that were met.
pub struct Keeper {
    sources: Vec<Source>,
    anchors: Vec<Anchor>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    memo: Arc<dyn SignatureMemo + Send>,
    slots: Mutex<Slots>,
    floors: Mutex<Floors>,
    /// How often they rose by what was fetched.
    raised: AtomicU64,
    fetches: Semaphore,
    /// Of this process: other processes jitter otherwise.
    random: RandomState,
}

impl Keeper {
    /// Keeps what the first of `sources` gives that verifies under one of `anchors`.
    pub fn new(
        sources: Vec<Source>,
        anchors: Vec<Anchor>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
        memo: Arc<dyn SignatureMemo + Send>,
    ) -> Self {
        Self {
            sources,
            anchors,
            algorithms,
            memo,
            slots: Mutex::default(),
            floors: Mutex::default(),
            raised: AtomicU64::new(0),
            fetches: Semaphore::new(FETCHES_MAX),
            random: RandomState::new(),
        }
    }

    /// Takes nothing from now on that is older than `floors`: what was seen before this process began.
    pub fn raise_floors(&self, floors: &Floors) {
        self.floors_now().raise(floors);
    }

    /// How new each object was when it was seen newest.
    #[must_use]
    pub fn floors(&self) -> Floors {
        self.floors_now().clone()
    }

    /// How often the floors rose by what this process fetched: the same number twice means that nothing new was seen.
    #[must_use]
    pub fn floors_raised(&self) -> u64 {
        self.raised.load(Ordering::Acquire)
    }

    /// The newest date that a vendor signed in anything that was seen, Unix seconds.
    #[must_use]
    pub fn newest_issue(&self) -> Option<u64> {
        self.floors_now().newest_issue()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn floors_now(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What evidence and collateral are verified with.
    #[must_use]
    pub fn trust(&self) -> Trust<'_> {
        Trust {
            anchors: &self.anchors,
            algorithms: self.algorithms,
            seen: &*self.memo,
        }
    }

    /// The collateral of `platform`: kept, or fetched now.
    ///
    /// # Errors
    /// [`CollateralError`]; a platform whose last fetch failed moments ago gets that error again without a new fetch.
    pub async fn endorsement(
        &self,
        platform: impl Into<Platform>,
        now: UnixTime,
    ) -> Result<Arc<Endorsement>, CollateralError> {
        let key = platform.into();
        let slot = self.slots().of(&key)?;
        if let Some(known) = known(&slot)? {
            return Ok(known);
        }
        let limited = tokio::time::timeout(FETCH_TIME_MAX, async {
            let _one_at_a_time = slot.fetching.lock().await;
            match known(&slot)? {
                Some(known) => Ok(known),
                None => self.fetch(&key, &slot, now).await,
            }
        });
        let names = || -> Vec<String> { self.sources.iter().map(Source::name).collect() };
        let slow = || CollateralError::TooSlow {
            url: names().join(", "),
            limit: FETCH_TIME_MAX,
        };
        limited.await.map_err(|_| slow())?
    }

    /// Renews what is due, except chips that no evidence verified with; called again and again by the owner's task.
    pub async fn renew_due(&self, now: UnixTime) {
        let slots = self.slots().all();
        for (key, slot) in slots {
            let due = {
                let kept = slot.kept();
                let waits = kept
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.again > Instant::now());
                !waits
                    && kept
                        .newest
                        .as_ref()
                        .is_some_and(|newest| newest.renew_at <= now.as_secs())
            };
            if due && !self.slots().give_up_unproved_chip(&key) {
                let _one_at_a_time = slot.fetching.lock().await;
                if let Err(error) = self.fetch(&key, &slot, now).await {
                    tracing::warn!(
                        event = "collateral.failed",
                        platform = key.words(),
                        error = &error as &dyn std::error::Error,
                        "Collateral could not be renewed; the last is kept"
                    );
                }
            }
        }
    }

    /// What is kept of each platform, in order of names, and what an operator should know of it at `now`.
    #[must_use]
    pub fn report(&self, now: UnixTime) -> Vec<Row> {
        let slots = self.slots().all();
        let mut rows: Vec<_> = slots
            .iter()
            .map(|(platform, slot)| {
                let kept = slot.kept();
                let failure = kept
                    .failure
                    .as_ref()
                    .map(|failure| failure.error.to_string());
                let newest = kept
                    .newest
                    .as_deref()
                    .map(|newest| (&**newest.verified(), newest.source()));
                report::row(platform.words(), newest, failure, now)
            })
            .collect();
        rows.sort_by(|a, b| a.platform.cmp(&b.platform));
        rows
    }

    async fn fetch(
        &self,
        platform: &Platform,
        slot: &Slot,
        now: UnixTime,
    ) -> Result<Arc<Endorsement>, CollateralError> {
        let fetched = self.ask_in_order(platform, now).await;
        let mut kept = slot.kept();
        match fetched {
            Ok(mut endorsement) => {
                endorsement.proved = slot.proved();
                if self.floors_now().raise(&Floors::of(&endorsement.verified)) {
                    self.raised.fetch_add(1, Ordering::Release);
                }
                tracing::info!(
                    event = "collateral.fetched",
                    platform = platform.words(),
                    source = endorsement.source,
                    not_after = endorsement.verified.valid_until().as_secs(),
                    "Collateral fetched and verified"
                );
                let newest = Arc::new(endorsement);
                *kept = Kept {
                    newest: Some(Arc::clone(&newest)),
                    failure: None,
                };
                Ok(newest)
            }
            Err(error) => {
                let before = kept.failure.as_ref().map(|failure| failure.pause);
                let doubled = before.map_or(RETRY_PAUSE_MIN, |pause| pause * 2);
                let pause = doubled.min(RETRY_PAUSE_MAX);
                let wanted = error.retry_after().unwrap_or(Duration::ZERO);
                kept.failure = Some(Failure {
                    error: error.clone(),
                    pause,
                    again: Instant::now() + pause.max(wanted),
                });
                Err(error)
            }
        }
    }

    /// The first source whose collateral is good today; else the one that ended last; else what each of them said.
    async fn ask_in_order(
        &self,
        platform: &Platform,
        now: UnixTime,
    ) -> Result<Endorsement, CollateralError> {
        let _place = self.fetches.acquire().await;
        let sources = self.sources.iter().filter(|source| source.serves(platform));
        let sources: Vec<&Source> = sources.collect();
        if sources.is_empty() {
            return Err(none_gave(platform, Vec::new()));
        }
        let share = FETCH_TIME_MAX / u32::try_from(sources.len()).unwrap_or(u32::MAX);
        let mut errors = Vec::new();
        let mut ended: Option<Endorsement> = None;
        for source in sources {
            let asked = tokio::time::timeout(share, self.ask(source, platform, now)).await;
            let slow = |_| CollateralError::TooSlow {
                url: source.name(),
                limit: share,
            };
            match asked.map_err(slow).flatten() {
                Ok(endorsement) if endorsement.verified.valid_until() >= now => {
                    return Ok(endorsement);
                }
                Ok(endorsement) => {
                    let later = ended.as_ref().is_none_or(|other| {
                        other.verified.valid_until() < endorsement.verified.valid_until()
                    });
                    if later {
                        ended = Some(endorsement);
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        ended.ok_or_else(|| none_gave(platform, errors))
    }

    async fn ask(
        &self,
        source: &Source,
        platform: &Platform,
        now: UnixTime,
    ) -> Result<Endorsement, CollateralError> {
        let fetched = source.fetch(platform).await?;
        let url = || fetched.source.clone();
        let not_verified = |cause: stoa_attestation::Invalid| CollateralError::NotVerified {
            url: url(),
            cause: cause.to_string(),
        };
        let verified = Collateral::parse(&fetched.json)
            .and_then(|parsed| parsed.verify(&self.trust()))
            .map_err(not_verified)?;
        platform
            .check(&verified)
            .map_err(|cause| CollateralError::NotVerified { url: url(), cause })?;
        self.floors_now()
            .check(&Floors::of(&verified))
            .map_err(|older| CollateralError::WentBack { url: url(), older })?;
        let (fetched_at, until) = (now.as_secs(), verified.valid_until().as_secs());
        let random = self.random.hash_one((platform, fetched_at));
        Ok(Endorsement {
            renew_at: renewal(fetched_at, until, random),
            verified,
            fetched_at,
            source: fetched.source,
            proved: Arc::default(),
        })
    }
}

/// What the slot can answer without a fetch.
fn known(slot: &Slot) -> Result<Option<Arc<Endorsement>>, CollateralError> {
    let kept = slot.kept();
    match (&kept.newest, &kept.failure) {
        (Some(newest), _) => Ok(Some(Arc::clone(newest))),
        (None, Some(failure)) if failure.again > Instant::now() => Err(failure.error.clone()),
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_are_ahead_of_the_end_within_the_day_and_spread() {
        let (fetched, day) = (1_000_000, 24 * 3600);
        for (left, latest) in [
            (30 * day, RENEW_EVERY_SECS_MAX),
            (day / 2, RENEW_EVERY_SECS_MAX),
            (3600, 1800),
            (1, 0),
            (0, 0),
        ] {
            let mut seen = std::collections::BTreeSet::new();
            for random in 0..20_000_u64 {
                let at = renewal(
                    fetched,
                    fetched + left,
                    random.wrapping_mul(0x9E37_79B9_7F4A),
                );
                assert!(at >= fetched + latest - latest / JITTER_DIVISOR && at <= fetched + latest);
                seen.insert(at);
            }
            assert!(
                seen.len() as u64 > latest / JITTER_DIVISOR / 2,
                "{left}: not spread"
            );
        }
        assert_eq!(renewal(fetched, fetched - 1, 5), fetched, "it ended before");
    }
}

//! Keeps verified collateral of every platform that was met, and renews it before it ends.
//!
//! A warm platform costs a map look-up. A cold one is fetched once, however many ask at the same time, with a deadline.
//! What does not verify is never kept and never replaces what did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::UnixTime;
use stoa_attestation::{
    Anchor, Collateral, Kind, SignatureMemo, Trust, UnverifiedPlatform, Verified,
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::error::CollateralError;
use crate::pccs::Pccs;

/// Most platforms (TEE, FMSPC, CA) that are kept: strangers can name some, so there is an end.
pub const PLATFORMS_MAX: usize = 256;
/// Most fetches under way at once.
pub(crate) const FETCHES_MAX: usize = 4;
/// Longest wait of a caller for a cold platform.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(10);
/// Share of its remaining time after which collateral is renewed, as a divisor: at half of it.
const RENEW_DIVISOR: u64 = 2;
/// Longest time between two renewals, in seconds: a new CRL should be seen within the day.
const RENEW_EVERY_MAX_S: u64 = 6 * 3600;
/// Pause after a fetch that failed; doubles up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(2);
/// Longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);

/// Verified collateral of one platform.
pub struct Endorsement {
    verified: Verified<Collateral>,
    fetched_at: u64,
}

impl Endorsement {
    /// What evidence is verified with.
    #[must_use]
    pub fn verified(&self) -> &Verified<Collateral> {
        &self.verified
    }

    /// The JSON as fetched, for stapling.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        self.verified.json()
    }

    /// Unix seconds.
    #[must_use]
    pub fn fetched_at(&self) -> u64 {
        self.fetched_at
    }

    /// When to ask for the next one, Unix seconds.
    fn renew_at(&self) -> u64 {
        let left = self
            .verified
            .valid_until()
            .as_secs()
            .saturating_sub(self.fetched_at);
        self.fetched_at + (left / RENEW_DIVISOR).min(RENEW_EVERY_MAX_S)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    fmspc: [u8; 6],
    ca: &'static str,
}

impl Key {
    fn of(platform: &UnverifiedPlatform) -> Self {
        Self {
            kind: platform.kind,
            fmspc: platform.fmspc,
            ca: platform.ca,
        }
    }

    fn words(&self) -> String {
        format!(
            "{} FMSPC {} ({} CA)",
            self.kind.name(),
            hex::encode(self.fmspc),
            self.ca
        )
    }

    fn platform(&self) -> UnverifiedPlatform {
        UnverifiedPlatform {
            kind: self.kind,
            fmspc: self.fmspc,
            ca: self.ca,
        }
    }
}

/// One platform: what is kept, and who is fetching.
#[derive(Default)]
struct Slot {
    kept: Mutex<Kept>,
    fetching: AsyncMutex<()>,
}

#[derive(Default)]
struct Kept {
    newest: Option<Arc<Endorsement>>,
    failure: Option<Failure>,
}

#[derive(Clone)]
struct Failure {
    error: CollateralError,
    pause: Duration,
    again: Instant,
}

/// Collateral of the platforms that were met.
pub struct Keeper {
    pccs: Pccs,
    anchors: Vec<Anchor>,
    algorithms: &'static [&'static dyn rustls_pki_types::SignatureVerificationAlgorithm],
    memo: Arc<dyn SignatureMemo + Send>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    fetches: Semaphore,
}

impl Keeper {
    /// Keeps what `pccs` gives if it verifies under one of `anchors`.
    pub fn new(
        pccs: Pccs,
        anchors: Vec<Anchor>,
        algorithms: &'static [&'static dyn rustls_pki_types::SignatureVerificationAlgorithm],
        memo: Arc<dyn SignatureMemo + Send>,
    ) -> Self {
        let fetches = Semaphore::new(FETCHES_MAX);
        Self {
            pccs,
            anchors,
            algorithms,
            memo,
            slots: Mutex::default(),
            fetches,
        }
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
        platform: &UnverifiedPlatform,
        now: UnixTime,
    ) -> Result<Arc<Endorsement>, CollateralError> {
        let key = Key::of(platform);
        let slot = self.slot(&key)?;
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
        let slow = || CollateralError::TooSlow {
            url: self.pccs.url().to_owned(),
            limit: FETCH_TIME_MAX,
        };
        limited.await.map_err(|_| slow())?
    }

    /// Renews what is due; called again and again by the owner's task.
    pub async fn renew_due(&self, now: UnixTime) {
        let slots: Vec<_> = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots
                .iter()
                .map(|(key, slot)| (key.clone(), Arc::clone(slot)))
                .collect()
        };
        for (key, slot) in slots {
            let due = {
                let kept = slot.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let waits = kept
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.again > Instant::now());
                !waits
                    && kept
                        .newest
                        .as_ref()
                        .is_some_and(|newest| newest.renew_at() <= now.as_secs())
            };
            if due {
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

    /// What is kept: platform in words, end (Unix seconds), and the last failure.
    #[must_use]
    pub fn report(&self) -> Vec<(String, Option<u64>, Option<String>)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = slots
            .iter()
            .map(|(key, slot)| {
                let kept = slot.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let end = kept
                    .newest
                    .as_ref()
                    .map(|newest| newest.verified.valid_until().as_secs());
                (
                    key.words(),
                    end,
                    kept.failure
                        .as_ref()
                        .map(|failure| failure.error.to_string()),
                )
            })
            .collect();
        rows.sort();
        rows
    }

    fn slot(&self, key: &Key) -> Result<Arc<Slot>, CollateralError> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= PLATFORMS_MAX {
            // What never verified was perhaps never a platform.
            slots.retain(|_, slot| {
                slot.kept
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .newest
                    .is_some()
            });
        }
        if slots.len() >= PLATFORMS_MAX {
            return Err(CollateralError::TooManyPlatforms {
                platform: key.words(),
                limit: PLATFORMS_MAX,
            });
        }
        Ok(Arc::clone(slots.entry(key.clone()).or_default()))
    }

    async fn fetch(
        &self,
        key: &Key,
        slot: &Slot,
        now: UnixTime,
    ) -> Result<Arc<Endorsement>, CollateralError> {
        let fetched = async {
            let _place = self.fetches.acquire().await;
            let json = self.pccs.fetch(&key.platform()).await?;
            let not_verified = |cause: stoa_attestation::Invalid| CollateralError::NotVerified {
                url: self.pccs.url().to_owned(),
                cause: cause.to_string(),
            };
            let verified = Collateral::parse(&json)
                .and_then(|parsed| parsed.verify(&self.trust()))
                .map_err(not_verified)?;
            Ok(Arc::new(Endorsement {
                verified,
                fetched_at: now.as_secs(),
            }))
        };
        let result: Result<Arc<Endorsement>, CollateralError> = fetched.await;
        let mut kept = slot.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(endorsement) => {
                *kept = Kept {
                    newest: Some(Arc::clone(endorsement)),
                    failure: None,
                };
                tracing::info!(
                    event = "collateral.fetched",
                    platform = key.words(),
                    not_after = endorsement.verified.valid_until().as_secs(),
                    "Collateral fetched and verified"
                );
            }
            Err(error) => {
                let before = kept
                    .failure
                    .as_ref()
                    .map_or(RETRY_PAUSE_MIN / 2, |failure| failure.pause);
                let pause = (before * 2).min(RETRY_PAUSE_MAX);
                kept.failure = Some(Failure {
                    error: error.clone(),
                    pause,
                    again: Instant::now() + pause,
                });
            }
        }
        result
    }
}

/// What the slot can answer without a fetch.
fn known(slot: &Slot) -> Result<Option<Arc<Endorsement>>, CollateralError> {
    let kept = slot.kept.lock().unwrap_or_else(PoisonError::into_inner);
    match (&kept.newest, &kept.failure) {
        (Some(newest), _) => Ok(Some(Arc::clone(newest))),
        (None, Some(failure)) if failure.again > Instant::now() => Err(failure.error.clone()),
        (None, _) => Ok(None),
    }
}

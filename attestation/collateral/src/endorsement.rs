//! Verified collateral of one platform, as it is kept and handed out.
//!
//! Does not live here: fetching and renewing (`keeper`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stoa_attestation::{Collateral, Verified};

/// Verified collateral of one platform.
pub struct Endorsement {
    pub(crate) verified: Verified<Collateral>,
    pub(crate) fetched_at: u64,
    pub(crate) renew_at: u64,
    pub(crate) source: String,
    /// Of the platform's place: renewed collateral shares it.
    pub(crate) proved: Arc<AtomicBool>,
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

    /// When the next one is asked for, Unix seconds.
    #[must_use]
    pub fn renew_at(&self) -> u64 {
        self.renew_at
    }

    /// Evidence verified with it: the platform is one, and not a name that a stranger made up.
    pub fn proved(&self) {
        self.proved.store(true, Ordering::Relaxed);
    }

    /// Who gave it, in words.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

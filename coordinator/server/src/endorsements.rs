//! Collateral for own evidence and for the marbles', verified once, and the memory of good signatures.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stoa_attestation::{Anchor, Evidence, Floors, Kind, SignatureMemo, Trust};
use stoa_collateral::{CollateralError, Endorsement, Keeper, Platform, Source};
use stoa_mesh::Command;
use stoa_proto::wire::IdentityExpiry;

use crate::clock::Clock;
use crate::error::{EdgeError, chain};
use crate::start::StartError;
use crate::writer::{NotDone, Writer};

/// Signature checks that are remembered; the oldest half goes when they are more.
pub const MEMO_LENGTH_MAX: usize = 16 * 1024;
/// How often due renewals are looked for.
const RENEW_PAUSE: Duration = Duration::from_secs(5);

/// Collateral by platform.
pub struct Endorsements {
    keeper: Keeper,
    clock: Arc<dyn Clock>,
    /// Of the keeper's count of raised floors, how far the journal has them.
    journaled: AtomicU64,
}

impl Endorsements {
    /// From `sources` (docs/reference/collateral.md), asked in their order, believed under `anchors`. Nothing that is older
    /// than `floors` is.
    ///
    /// # Errors
    /// [`StartError::Collateral`] for a source that is none.
    pub fn new(
        sources: &[String],
        anchors: Vec<Anchor>,
        floors: &Floors,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        let keeper = Keeper::new(
            Source::parse_all(sources, crate::tls::vendor_client)?,
            anchors,
            crate::tls::algorithms(),
            Arc::new(Memo::default()),
        );
        keeper.raise_floors(floors);
        Ok(Arc::new(Self {
            keeper,
            clock,
            journaled: AtomicU64::new(0),
        }))
    }

    /// Makes durable how new the collateral is that was seen, if the journal does not have it yet. Nothing is admitted on
    /// collateral before: else a restart on an older copy of the vendor's data would go unnoticed.
    ///
    /// # Errors
    /// [`NotDone`] of the writer.
    pub async fn journal(&self, writer: &Writer) -> Result<(), NotDone> {
        // Read before the floors: what is fetched in between is written now and counted at the next call.
        let raised = self.keeper.floors_raised();
        if self.journaled.load(Ordering::Acquire) >= raised {
            return Ok(());
        }
        let seen = Command::SeeCollateral(self.keeper.floors());
        writer.submit(seen).await?;
        self.journaled.fetch_max(raised, Ordering::AcqRel);
        Ok(())
    }

    /// The newest date that a vendor signed in collateral that was seen, Unix seconds: no true clock is behind it.
    #[must_use]
    pub fn newest_issue(&self) -> u64 {
        self.keeper.newest_issue().unwrap_or(0)
    }

    /// What evidence and collateral are verified with.
    #[must_use]
    pub fn trust(&self) -> Trust<'_> {
        self.keeper.trust()
    }

    /// For our own evidence.
    ///
    /// # Errors
    /// [`EdgeError::EvidenceUnavailable`] with the failing step.
    pub async fn own(&self, kind: Kind, evidence: &[u8]) -> Result<Arc<Endorsement>, EdgeError> {
        let kept = self.of(kind, evidence).await;
        kept.inspect(|kept| kept.proved())
            .map_err(|error| EdgeError::EvidenceUnavailable {
                reason: chain(&error),
            })
    }

    /// For a marble's evidence, which is not verified yet: what it claims to be is used for the request only.
    ///
    /// # Errors
    /// [`CollateralError`]: warm platforms never fail here.
    pub async fn of(
        &self,
        kind: Kind,
        evidence: &[u8],
    ) -> Result<Arc<Endorsement>, CollateralError> {
        let unknown = |error: stoa_attestation::Invalid| CollateralError::PlatformUnknown {
            cause: error.to_string(),
        };
        let platform = Evidence::parse(kind, evidence)
            .and_then(|evidence| Platform::of_evidence(&evidence))
            .map_err(unknown)?;
        self.keeper.endorsement(platform, self.clock.now()).await
    }

    /// Renews what is due, for ever.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RENEW_PAUSE).await;
            self.keeper.renew_due(self.clock.now()).await;
        }
    }

    /// When each platform's collateral ends.
    #[must_use]
    pub fn expiries(&self) -> Vec<IdentityExpiry> {
        let rows = self.keeper.report(self.clock.now()).into_iter();
        rows.filter_map(|row| {
            Some(IdentityExpiry {
                what: format!("collateral of {}", row.platform),
                not_after: row.not_after?,
            })
        })
        .collect()
    }

    /// What an operator should know: what failed last, what ended, ends soon or is not renewed; one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let said = |row: stoa_collateral::report::Row| {
            let of = format!("collateral of {}", row.platform);
            let sentences = row.warnings.into_iter();
            sentences.map(move |warning| format!("{of}: {warning}"))
        };
        let rows = self.keeper.report(self.clock.now());
        rows.into_iter().flat_map(said).collect()
    }
}

/// Good signatures by hash, in two halves: when the young half is full it becomes the old one.
///
/// Only whole verifications that succeeded put something in, so a stranger's garbage evicts nothing.
#[derive(Default)]
struct Memo(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl SignatureMemo for Memo {
    fn contains(&self, key: &[u8; 32]) -> bool {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.young.contains(key) {
            return true;
        }
        let known = halves.old.contains(key);
        if known {
            halves.remember(*key);
        }
        known
    }

    fn insert(&self, keys: &[[u8; 32]]) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            halves.remember(*key);
        }
    }
}

impl Halves {
    fn remember(&mut self, key: [u8; 32]) {
        if self.young.len() >= MEMO_LENGTH_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> [u8; 32] {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn the_memo_is_bounded_and_keeps_what_is_used() {
        let memo = Memo::default();
        memo.insert(&[key(0)]);
        for n in 1..(3 * MEMO_LENGTH_MAX as u32) {
            memo.insert(&[key(n)]);
            if n % 1000 == 0 {
                assert!(
                    memo.contains(&key(0)),
                    "a signature in use was forgotten after {n} others"
                );
            }
        }
        assert!(!memo.contains(&key(1)));
        let halves = memo.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(halves.young.len() + halves.old.len() <= MEMO_LENGTH_MAX);
    }
}

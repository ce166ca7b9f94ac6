//! The places of platforms: which are kept when strangers name more than there is room for.
//!
//! Whoever connects can name a platform before anything of him is verified. Models of Intel's are few, and a made-up one
//! never has collateral. A chip of AMD's has a certificate for each firmware version that anybody asks for, so places of
//! chips have an end of their own; beyond it the one goes that was asked for longest ago, and of those that evidence
//! verified with only when there is no other. What no evidence verified with is not renewed either.
//!
//! Does not live here: fetching and renewing (`keeper`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use crate::endorsement::Endorsement;
use crate::error::CollateralError;
use crate::platform::Platform;

/// Most platforms (TEE, FMSPC, CA; or product and chip) that are kept. SNP evidence that brings its certificate needs one
/// place for all chips of its product.
pub const PLATFORMS_MAX: usize = 1024;
/// Of them, most chips whose certificate is asked for.
pub const CHIPS_MAX: usize = 768;

/// One platform: what is kept, and who is fetching.
#[derive(Default)]
pub(crate) struct Slot {
    kept: Mutex<Kept>,
    pub(crate) fetching: AsyncMutex<()>,
    proved: Arc<AtomicBool>,
}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) newest: Option<Arc<Endorsement>>,
    pub(crate) failure: Option<Failure>,
}

#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) error: CollateralError,
    pub(crate) pause: Duration,
    pub(crate) again: Instant,
}

impl Slot {
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether evidence verified with what was kept here.
    pub(crate) fn proved(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.proved)
    }
}

/// The places, each with the turn at which it was asked for last.
#[derive(Default)]
pub(crate) struct Slots {
    of: HashMap<Platform, (Arc<Slot>, u64)>,
    turn: u64,
}

impl Slots {
    /// The place of `key`; a new one takes the place of another if there is no room.
    pub(crate) fn of(&mut self, key: &Platform) -> Result<Arc<Slot>, CollateralError> {
        self.turn += 1;
        if let Some((slot, turn)) = self.of.get_mut(key) {
            *turn = self.turn;
            return Ok(Arc::clone(slot));
        }
        if is_chip(key) && self.chips().count() >= CHIPS_MAX {
            self.drop_a_chip();
        }
        if self.of.len() >= PLATFORMS_MAX {
            // What never verified was perhaps never a platform.
            self.of.retain(|_, (slot, _)| slot.kept().newest.is_some());
        }
        if self.of.len() >= PLATFORMS_MAX {
            return Err(CollateralError::TooManyPlatforms {
                platform: key.words(),
                limit: PLATFORMS_MAX,
            });
        }
        let new = (Arc::<Slot>::default(), self.turn);
        let (slot, _) = self.of.entry(key.clone()).or_insert(new);
        Ok(Arc::clone(slot))
    }

    /// Gives up the place of a chip that nobody proved to be one; the next who asks for it fetches anew.
    pub(crate) fn give_up_unproved_chip(&mut self, key: &Platform) -> bool {
        let proved = |(slot, _): &(Arc<Slot>, u64)| slot.proved.load(Ordering::Relaxed);
        is_chip(key) && !self.of.get(key).is_some_and(proved) && self.of.remove(key).is_some()
    }

    /// All, in no order.
    pub(crate) fn all(&self) -> Vec<(Platform, Arc<Slot>)> {
        let each = self.of.iter();
        each.map(|(key, (slot, _))| (key.clone(), Arc::clone(slot)))
            .collect()
    }

    fn chips(&self) -> impl Iterator<Item = (&Platform, &(Arc<Slot>, u64))> {
        self.of.iter().filter(|(key, _)| is_chip(key))
    }

    fn drop_a_chip(&mut self) {
        let worth = |(_, (slot, turn)): &(_, &(Arc<Slot>, u64))| {
            let proved = slot.proved.load(Ordering::Relaxed);
            (proved, slot.kept().newest.is_some(), *turn)
        };
        let least = self.chips().min_by_key(worth).map(|(key, _)| key.clone());
        if let Some(key) = least {
            self.of.remove(&key);
        }
    }
}

fn is_chip(key: &Platform) -> bool {
    matches!(key, Platform::Amd { chip: Some(_), .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use stoa_attestation::{Kind, Product, SnpTcb, VekKind};

    use super::*;
    use crate::platform::Chip;

    fn chip(number: usize) -> Platform {
        let mut id = vec![0; 64];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Platform::Amd {
            product: Product::Milan,
            signer: VekKind::Vcek,
            chip: Some(Chip {
                id,
                tcb: SnpTcb::default(),
            }),
        }
    }

    fn model(number: u8) -> Platform {
        Platform::Intel {
            kind: Kind::SgxDcap,
            fmspc: [number; 6],
            ca: "platform",
        }
    }

    #[test]
    fn strangers_with_many_chips_take_no_place_of_a_platform_that_proved_itself() {
        let mut slots = Slots::default();
        let honest: Vec<_> = (0..4).map(chip).collect();
        for platform in &honest {
            let slot = slots.of(platform).unwrap();
            slot.proved().store(true, Ordering::Relaxed);
        }
        let intel = slots.of(&model(7)).unwrap();
        for number in 4..4 * CHIPS_MAX {
            slots.of(&chip(number)).unwrap();
        }
        assert_eq!(slots.chips().count(), CHIPS_MAX);
        for platform in &honest {
            let slot = slots.of(platform).unwrap();
            assert!(
                slot.proved().load(Ordering::Relaxed),
                "{}",
                platform.words()
            );
        }
        assert!(Arc::ptr_eq(&intel, &slots.of(&model(7)).unwrap()));
    }

    #[test]
    fn among_chips_of_equal_standing_the_one_goes_that_was_asked_for_longest_ago() {
        let mut slots = Slots::default();
        for number in 0..CHIPS_MAX {
            slots.of(&chip(number)).unwrap();
        }
        slots.of(&chip(0)).unwrap();
        slots.of(&chip(CHIPS_MAX)).unwrap();
        let kept = |number| slots.of.contains_key(&chip(number));
        assert!(kept(0) && !kept(1) && kept(2) && kept(CHIPS_MAX));
    }

    #[test]
    fn models_that_never_had_collateral_make_room() {
        let mut slots = Slots::default();
        for number in 0..4 * PLATFORMS_MAX {
            let mut fmspc = [0; 6];
            fmspc[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
            let platform = Platform::Intel {
                kind: Kind::TdxDcap,
                fmspc,
                ca: "processor",
            };
            slots.of(&platform).unwrap();
        }
        assert!(slots.of.len() <= PLATFORMS_MAX);
    }
}

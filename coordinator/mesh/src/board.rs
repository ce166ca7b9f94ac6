//! The counters that every view shows: how many instances of each marble live, how many activations were counted.
//!
//! One board is shared by all views and changed only when a batch is durable, so that a view costs the same with one
//! instance or a million.
//!
//! Does not live here: the counting that decides (`state`, `machine`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Admittance, Event};
use crate::state::{InstanceName, Living, State};

/// Counters of all marbles, shared by all views, changed only when a batch is durable.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<String, Tally>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    activated: u64,
    /// How many instances have their last leaf end at this second.
    ends: BTreeMap<u64, u64>,
    /// Sum of `ends`.
    live: u64,
}

impl Tally {
    /// Instances whose last leaf is in force at `now`.
    fn live(&self, now: u64) -> u64 {
        self.live - self.ends.range(..now).map(|(_, count)| count).sum::<u64>()
    }

    /// Forgets what ended before the time floor, so that only what ended since has to be subtracted.
    fn forget(&mut self, floor: u64) {
        while let Some(entry) = self.ends.first_entry() {
            if *entry.key() >= floor {
                return;
            }
            self.live -= entry.remove();
        }
    }

    fn add(&mut self, end: u64) {
        *self.ends.entry(end).or_default() += 1;
        self.live += 1;
    }

    fn remove(&mut self, end: u64) {
        if let Some(count) = self.ends.get_mut(&end) {
            *count -= 1;
            self.live -= 1;
            if *count == 0 {
                self.ends.remove(&end);
            }
        }
    }
}

/// What one event changes on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    marble: String,
    counted: bool,
    /// End of the instance's leaves before, if it lives.
    before: Option<u64>,
    /// End of its leaves after.
    after: u64,
}

impl Change {
    /// What `event`, not yet applied to `state`, will change.
    pub(crate) fn of(state: &State, event: &Event) -> Option<Self> {
        let Event::Admitted(admitted) = event else {
            return None;
        };
        let name = InstanceName {
            marble: admitted.marble.clone(),
            instance: admitted.instance,
        };
        let before = state.instances.get(&name).map(Living::end);
        let after = before.unwrap_or(0).max(admitted.leaf.not_after());
        Some(Self {
            marble: admitted.marble.clone(),
            counted: admitted.entry == Admittance::Activated,
            before,
            after,
        })
    }
}

impl Board {
    /// The board of a state.
    pub(crate) fn of(state: &State) -> Self {
        let mut tallies = BTreeMap::<String, Tally>::new();
        for (marble, activated) in &state.activated {
            tallies.entry(marble.clone()).or_default().activated = *activated;
        }
        for (name, living) in &state.instances {
            tallies
                .entry(name.marble.clone())
                .or_default()
                .add(living.end());
        }
        Self(Mutex::new(tallies))
    }

    /// Takes in what became durable; `floor` is the time of the newest event among it.
    pub(crate) fn commit(&self, changes: impl IntoIterator<Item = Change>, floor: u64) {
        let mut tallies = self.tallies();
        for change in changes {
            let tally = tallies.entry(change.marble).or_default();
            tally.activated += u64::from(change.counted);
            if let Some(before) = change.before {
                tally.remove(before);
            }
            tally.add(change.after);
        }
        tallies.values_mut().for_each(|tally| tally.forget(floor));
    }

    /// Of each marble: instances with a leaf in force at `now`, and activations that were counted.
    pub(crate) fn counts(&self, now: u64) -> BTreeMap<String, (u64, u64)> {
        let tallies = self.tallies();
        tallies
            .iter()
            .map(|(marble, tally)| (marble.clone(), (tally.live(now), tally.activated)))
            .collect()
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        // A tally is only counters; a half-made change would show in a number, never in a decision.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

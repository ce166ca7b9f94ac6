//! Crashes before and after each write: no acknowledged admission is lost or doubled, no budget is passed, what was
//! refused stays true, and the view always is the one of a replay. Thousands of seeds, each with its own order.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::event::{Admittance, Admitted};
use crate::provision::Draft;
use crate::{Applicant, Entry, admit, draft};
use support::{MANIFEST, Mesh, POSITION, START, SeededRng, at, claims_of, p256_key};

#[path = "../../tests/support/mod.rs"]
mod support;

/// Seeds that are gone through.
const SEEDS: u64 = 4000;
/// Batches of one seed.
const BATCHES: u64 = 10;
/// Most commands of one batch.
const BATCH_MAX: u64 = 6;

/// What happens to one batch.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Acknowledged,
    LostBeforeWrite,
    WrittenNotAnswered,
}

/// Real drafts, made once: drafting takes nothing from the order of things.
struct Pool {
    founded: Machine,
    drafts: Vec<Draft>,
}

impl Pool {
    fn new() -> Self {
        let mut mesh = Mesh::with_manifest(1, MANIFEST);
        let view = mesh.view();
        let mut drafts = Vec::new();
        for marble in ["signer", "single", "verifier"] {
            let admission = admit(&view, marble, &claims_of(marble, START), at(START)).unwrap();
            for key in 1..=5 {
                let spki = p256_key(1, key).spki;
                for proposal in [None, Some([1; 16]), Some([2; 16]), None] {
                    let applicant = Applicant {
                        entry: Entry::Activate { proposal },
                        spki: &spki,
                        position: POSITION,
                    };
                    drafts.push(
                        draft(
                            &view,
                            &admission,
                            &applicant,
                            &*mesh.keys,
                            at(START),
                            &mut mesh.rng,
                        )
                        .unwrap(),
                    );
                }
            }
        }
        Self {
            founded: mesh.replayed(),
            drafts,
        }
    }
}

/// What the world was told, and what it may rely on.
#[derive(Default)]
struct Told {
    /// DER of every leaf that was handed out.
    granted: BTreeSet<Vec<u8>>,
    acknowledged: u64,
    crashes: u64,
}

struct Run<'a> {
    pool: &'a Pool,
    rng: SeededRng,
    /// What the records hold, decoded from their stored form.
    journal: Vec<Event>,
    sequencer: Sequencer,
    unused: Vec<usize>,
    told: Told,
    now: u64,
}

impl<'a> Run<'a> {
    fn new(pool: &'a Pool, seed: u64) -> Self {
        Self {
            pool,
            rng: SeededRng::new(seed),
            journal: Vec::new(),
            sequencer: Sequencer::new(pool.founded.clone()),
            unused: (0..pool.drafts.len()).collect(),
            told: Told::default(),
            now: START,
        }
    }

    fn batch(&mut self) {
        for ticket in 0..1 + self.rng.below(BATCH_MAX) {
            let place = usize::try_from(self.rng.below(self.unused.len() as u64)).unwrap();
            let draft = self.pool.drafts[self.unused.swap_remove(place)].clone();
            let mut rng = SeededRng::new(0);
            self.sequencer.submit(
                ticket,
                Command::Activate(draft),
                Env {
                    now: at(self.now),
                    rng: &mut rng,
                },
            );
        }
        // Forth by up to 20 minutes, sometimes back: the clock is the host's.
        self.now += self.rng.below(1200);
        self.now -= self.rng.below(100).min(self.now - START);
        let fate = match self.rng.below(4) {
            0 => Fate::LostBeforeWrite,
            1 => Fate::WrittenNotAnswered,
            _ => Fate::Acknowledged,
        };
        let batch = self.sequencer.batch();
        if fate != Fate::LostBeforeWrite {
            self.journal.extend(
                batch
                    .iter()
                    .flat_map(|batch| stored::events(batch).unwrap()),
            );
        }
        if fate == Fate::Acknowledged {
            for (_, reply) in self.sequencer.committed() {
                self.told.acknowledged += 1;
                self.hear(reply);
            }
        } else {
            self.told.crashes += 1;
            self.sequencer = Sequencer::new(self.reloaded());
        }
    }

    /// A reply went out: what it says must be in the journal now.
    fn hear(&mut self, reply: Result<Outcome, Refusal>) {
        match reply {
            Ok(Outcome::Granted(grant)) => {
                let leaf = grant.into_provision().chain.swap_remove(0);
                assert!(
                    self.told.granted.insert(leaf),
                    "a leaf was handed out twice"
                );
            }
            Err(Refusal::BudgetSpent { marble, budget, .. }) => {
                let counted = self.counted().remove(&marble).unwrap_or(0);
                assert!(
                    counted >= budget,
                    "told that {budget} of {marble} are spent, the journal has {counted}"
                );
            }
            Err(Refusal::InstanceInUse {
                marble, instance, ..
            }) => {
                let mut admissions = self.admissions();
                let there =
                    admissions.any(|a| a.marble == marble && hex::encode(a.instance) == instance);
                assert!(
                    there,
                    "told that {marble}/{instance} is alive, the journal does not have it"
                );
            }
            other => panic!("{other:?}"),
        }
    }

    fn reloaded(&self) -> Machine {
        let mut machine = self.pool.founded.clone();
        self.journal.iter().for_each(|event| machine.apply(event));
        machine
    }

    fn admissions(&self) -> impl Iterator<Item = &Admitted> {
        self.journal.iter().filter_map(|event| match event {
            Event::Admitted(admitted) => Some(&**admitted),
            _ => None,
        })
    }

    fn counted(&self) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for admitted in self.admissions() {
            *counted.entry(admitted.marble.clone()).or_default() +=
                u64::from(admitted.entry == Admittance::Activated);
        }
        counted
    }

    fn check(&self) {
        let mut leaves = BTreeMap::<_, u64>::new();
        for admitted in self.admissions() {
            *leaves.entry(admitted.leaf.der()).or_default() += 1;
        }
        for leaf in &self.told.granted {
            assert_eq!(
                leaves.get(leaf.as_slice()),
                Some(&1),
                "an acknowledged admission was lost or doubled"
            );
        }
        let counted = self.counted();
        for (marble, budget) in [("signer", 3), ("single", 1)] {
            let counted = counted.get(marble).copied().unwrap_or(0);
            assert!(
                counted <= budget,
                "{marble}: {counted} activations, budget {budget}"
            );
        }
        let reloaded = self.reloaded();
        assert_eq!(
            reloaded.view(),
            self.sequencer.view(),
            "the view is not the one of a replay"
        );
        assert_eq!(
            &reloaded,
            self.sequencer.machine(),
            "the machine is not the one of a replay"
        );
        for status in self.sequencer.view().marbles(at(self.now)) {
            assert_eq!(
                status.activated,
                counted.get(&status.marble).copied().unwrap_or(0)
            );
        }
    }
}

#[test]
fn acknowledged_admissions_survive_every_crash_and_no_budget_is_passed() {
    let pool = Pool::new();
    let (mut acknowledged, mut crashes, mut granted) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut run = Run::new(&pool, seed);
        for _ in 0..BATCHES {
            run.batch();
            // Nothing is pending between batches, so the two must agree; a panic names the seed.
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.check()));
            assert!(checked.is_ok(), "seed {seed}");
        }
        acknowledged += run.told.acknowledged;
        crashes += run.told.crashes;
        granted += run.told.granted.len();
    }
    // The simulation reaches what it is about.
    assert!(
        crashes > SEEDS && acknowledged > 10 * SEEDS && granted > SEEDS as usize,
        "{acknowledged} {crashes} {granted}"
    );
}

#[test]
fn no_reply_comes_before_its_batch_is_committed() {
    let pool = Pool::new();
    let mut sequencer = Sequencer::new(pool.founded.clone());
    let mut rng = SeededRng::new(0);
    for (ticket, draft) in (0..).zip(pool.drafts.iter().skip(20).take(8).cloned()) {
        sequencer.submit(
            ticket,
            Command::Activate(draft),
            Env {
                now: at(START),
                rng: &mut rng,
            },
        );
        assert_eq!(sequencer.waiting(), usize::try_from(ticket).unwrap() + 1);
        assert_eq!(
            sequencer.view(),
            pool.founded.view(),
            "readers see nothing that is not committed"
        );
        assert!(sequencer.view().refused().is_empty());
    }
    let batch = sequencer.batch().unwrap();
    assert_eq!(
        stored::events(&batch).unwrap().len(),
        sequencer.pending.len()
    );
    let replies = sequencer.committed();
    assert_eq!(
        replies
            .iter()
            .map(|(ticket, _)| *ticket)
            .collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    assert!(
        replies.iter().any(|(_, reply)| reply.is_ok())
            && replies.iter().any(|(_, reply)| reply.is_err())
    );
    assert!(sequencer.batch().is_none() && sequencer.committed().is_empty());
    assert_ne!(sequencer.view(), pool.founded.view());
    assert!(!sequencer.view().refused().is_empty());
}

#[test]
fn a_batch_of_refusals_has_nothing_to_write_and_is_answered_all_the_same() {
    let pool = Pool::new();
    let mut sequencer = Sequencer::new(pool.founded.clone());
    let mut rng = SeededRng::new(0);
    let single: Vec<_> = pool.drafts[20..40]
        .iter()
        .filter(|draft| draft.marble == "single")
        .cloned()
        .collect();
    sequencer.submit(
        1,
        Command::Activate(single[0].clone()),
        Env {
            now: at(START),
            rng: &mut rng,
        },
    );
    sequencer.committed();
    sequencer.submit(
        2,
        Command::Activate(single[4].clone()),
        Env {
            now: at(START),
            rng: &mut rng,
        },
    );
    assert!(sequencer.batch().is_none());
    let replies = sequencer.committed();
    assert!(matches!(
        replies[..],
        [(
            2,
            Err(Refusal::BudgetSpent {
                activated: 1,
                budget: 1,
                ..
            })
        )]
    ));
}

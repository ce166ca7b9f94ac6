//! Random sequences of commands: after every step a replay of the journal, decoded from its stored form, gives the same
//! machine and the same view, and the same seed gives the same bytes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use stoa_mesh::{Command, Found, Machine, Outcome, Rotate};
use support::{MANIFEST, Mesh, START, at};

#[derive(Debug, Clone)]
enum Step {
    Found,
    Start,
    SetManifest,
    Rotate,
    Activate {
        marble: usize,
        key: u64,
        proposal: u8,
    },
    /// Renews with one of the leaves that were given out, if there is one.
    Renew {
        leaf: usize,
        key: u64,
    },
    /// Moves the clock, also back.
    Clock(i64),
    /// Puts a snapshot in the place of all records.
    Compact,
}

const MARBLES: [&str; 4] = ["signer", "single", "verifier", "nobody"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Found),
        1 => Just(Step::Start),
        2 => Just(Step::SetManifest),
        1 => Just(Step::Rotate),
        8 => (0..4_usize, 1..5_u64, 0..3_u8).prop_map(|(marble, key, proposal)| Step::Activate { marble, key, proposal }),
        4 => (0..8_usize, 1..5_u64).prop_map(|(leaf, key)| Step::Renew { leaf, key }),
        4 => (-2000..90_000_i64).prop_map(Step::Clock),
        1 => Just(Step::Compact),
    ]
}

/// What one run of the steps leaves: all records, and what was said.
fn run(steps: &[Step]) -> Result<(Vec<Vec<u8>>, Vec<String>), TestCaseError> {
    let mut mesh = Mesh::empty(3);
    let mut now = START;
    let mut leaves: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut said = Vec::new();
    for step in steps {
        let outcome = match step {
            Step::Clock(by) => {
                now = now.saturating_add_signed(*by).max(START);
                continue;
            }
            Step::Compact => {
                mesh.journal = vec![mesh.sequencer.machine().snapshot().to_vec()];
                continue;
            }
            Step::Found => Found::prepare(&*mesh.keys, &[], at(now), &mut mesh.rng)
                .and_then(|found| mesh.run(Command::Found(found), now)),
            Step::Start => mesh.start(now),
            Step::SetManifest => mesh.set_manifest(MANIFEST, now),
            Step::Rotate => Rotate::prepare(&mesh.view(), &*mesh.keys, at(now), &mut mesh.rng)
                .and_then(|rotate| mesh.run(Command::Rotate(rotate), now)),
            Step::Activate {
                marble,
                key,
                proposal,
            } => {
                let proposal = (*proposal > 0).then_some([*proposal; 16]);
                mesh.activate(MARBLES[*marble], *key, proposal, now)
            }
            Step::Renew { leaf, key } => match leaves.get(*leaf).cloned() {
                Some((marble, leaf)) => mesh.renew(marble, &leaf, *key, now),
                None => continue,
            },
        };
        if let (Ok(Outcome::Granted(grant)), Step::Activate { marble, .. }) = (&outcome, step) {
            leaves.push((MARBLES[*marble], grant.provision().chain[0].clone()));
        }
        said.push(format!("{outcome:?}"));
        let replayed = mesh.replayed();
        prop_assert_eq!(&replayed, mesh.sequencer.machine());
        prop_assert_eq!(&replayed.snapshot(), &mesh.sequencer.machine().snapshot());
        prop_assert_eq!(replayed.view(), mesh.view());
        prop_assert_eq!(
            replayed.view().marbles(at(now)),
            mesh.view().marbles(at(now))
        );
        let again = Machine::replay([mesh.sequencer.machine().snapshot()]).unwrap();
        prop_assert_eq!(&again, mesh.sequencer.machine());
    }
    Ok((mesh.journal, said))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_gives_the_same_machine_and_view_and_a_seed_the_same_bytes(steps in prop::collection::vec(step(), 1..20)) {
        let steps: Vec<_> = [Step::Found, Step::SetManifest].into_iter().chain(steps).collect();
        prop_assert_eq!(run(&steps)?, run(&steps)?);
    }

    #[test]
    fn in_any_order_commands_are_allowed_or_refused_and_never_break(steps in prop::collection::vec(step(), 1..16)) {
        run(&steps)?;
    }
}

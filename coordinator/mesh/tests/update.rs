//! Other manifests for a mesh that runs: who may, who must agree, what stays. Each through the sequencer and a journal.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use stoa_attestation::channel::history_head;
use stoa_explain::Explain as _;
use stoa_manifest::Manifest;
use stoa_mesh::{Caller, Cancel, Command, Env, Outcome, Refusal, Sequencer, Update, admit};
use support::{Mesh, START, at, claims_of, code, manifest, provision, user};

/// The users of [`version`]: three who may update, one who may raise `p1`, one without a right.
const USERS: [&str; 5] = ["ann", "bob", "cyd", "ops", "guest"];

/// A manifest with users. `updaters` of the first three may update, `threshold` must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    /// Of `p1`.
    svn: u16,
    /// Tells manifests apart that have the same rights.
    budget: u64,
    updaters: usize,
    threshold: usize,
}

const FIRST: Version = Version {
    svn: 1,
    budget: 3,
    updaters: 3,
    threshold: 2,
};

fn text(version: Version) -> String {
    let users: Vec<String> = (0..)
        .zip(USERS)
        .map(|(number, name)| {
            let roles = match name {
                "ops" => r#""raiser""#,
                "guest" => "",
                _ if (number as usize) < version.updaters => r#""updater""#,
                _ => "",
            };
            let pem = user(number).0;
            format!(r#""{name}": {{"Certificate": "{pem}", "Roles": [{roles}]}}"#)
        })
        .collect();
    format!(
        r#"{{
  "Packages": {{
    "p1": {{"SignerID": "{signer}", "ProductID": 1, "SecurityVersion": {svn}}},
    "p2": {{"UniqueID": "{unique}"}}
  }},
  "Marbles": {{
    "signer": {{"Package": "p1", "MaxActivations": {budget}, "Parameters": {{"Env": {{
      "KEY": "{{{{ hex .Secrets.key }}}}", "WAS": "{{{{ hex .Previous.Secrets.key }}}}", "OWN": "{{{{ hex .Secrets.own }}}}"}}}}}},
    "verifier": {{"Package": "p2"}}
  }},
  "Secrets": {{
    "key": {{"Type": "symmetric-key", "Size": 128, "Shared": true}},
    "cert": {{"Type": "cert-ecdsa", "Size": 256, "Shared": true, "ValidFor": 30}},
    "own": {{"Type": "symmetric-key", "Size": 256}}
  }},
  "Users": {{{users}}},
  "Roles": {{
    "updater": {{"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
    "raiser": {{"ResourceType": "Packages", "ResourceNames": ["p1"], "Actions": ["UpdateSecurityVersion"]}}
  }},
  "Config": {{"UpdateThreshold": {threshold}}}
}}"#,
        signer = "51".repeat(32),
        unique = "22".repeat(32),
        svn = version.svn,
        budget = version.budget,
        threshold = version.threshold,
        users = users.join(", "),
    )
}

fn caller(name: &str) -> Caller {
    let number = USERS.iter().position(|user| *user == name).unwrap_or(99);
    Caller {
        certificate: Some(user(number as u64).1),
    }
}

fn prepared(mesh: &mut Mesh, who: Caller, manifest: Manifest, now: u64) -> Result<Update, Refusal> {
    let view = mesh.view();
    Update::prepare(&view, manifest, who, &*mesh.keys, at(now), &mut mesh.rng)
}

fn agree(mesh: &mut Mesh, name: &str, text: &str, now: u64) -> Result<Outcome, Refusal> {
    let update = prepared(mesh, caller(name), manifest(text), now)?;
    mesh.run(Command::Update(update), now)
}

fn cancel(mesh: &mut Mesh, name: &str, text: &str, now: u64) -> Result<Outcome, Refusal> {
    let cancel = Cancel {
        manifest_sha256: manifest(text).sha256(),
        caller: caller(name),
    };
    mesh.run(Command::Cancel(cancel), now)
}

fn epoch_of(outcome: Result<Outcome, Refusal>) -> u64 {
    match outcome {
        Ok(Outcome::ManifestSet { epoch, .. }) => epoch,
        other => panic!("{other:?}"),
    }
}

fn missing(outcome: Result<Outcome, Refusal>) -> usize {
    match outcome {
        Ok(Outcome::UpdateWaits(waiting)) => waiting.needed - waiting.agreed.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_waits_for_as_many_users_as_the_manifest_in_force_says() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let next = text(Version { budget: 9, ..FIRST });
    assert_eq!(missing(agree(&mut mesh, "ann", &next, START + 1)), 1);
    // The same user twice is one.
    assert_eq!(missing(agree(&mut mesh, "ann", &next, START + 2)), 1);
    let waiting = mesh.view().waiting_update().unwrap();
    assert_eq!(
        (waiting.agreed, waiting.may_agree, waiting.since),
        (
            vec!["ann".to_owned()],
            ["ann", "bob", "cyd"].map(str::to_owned).to_vec(),
            START + 1
        )
    );
    assert_eq!(mesh.view().epoch(), 1, "it is not in force");
    assert_eq!(epoch_of(agree(&mut mesh, "cyd", &next, START + 3)), 2);
    let view = mesh.view();
    assert_eq!(view.waiting_update(), None);
    assert_eq!(view.manifest().unwrap().bytes(), next.as_bytes());
    assert_eq!(view.history().len(), 2);
    assert_eq!(
        history_head(view.history()).unwrap(),
        view.transition_head()
    );
    assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
}

#[test]
fn only_users_with_the_right_change_anything() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let records = mesh.journal.len();
    let next = text(Version { budget: 9, ..FIRST });
    let raised = text(Version { svn: 2, ..FIRST });
    for (name, text, wanted) in [
        ("guest", &next, "not-permitted"),
        ("ops", &next, "not-permitted"),
        ("guest", &raised, "not-permitted"),
        ("stranger", &next, "user-unknown"),
        ("stranger", &raised, "user-unknown"),
    ] {
        assert_eq!(code(agree(&mut mesh, name, text, START)), wanted, "{name}");
    }
    let nobody = prepared(&mut mesh, Caller::default(), manifest(&next), START);
    assert_eq!(nobody.unwrap_err().code(), "user-unknown");
    for (name, wanted) in [("ops", "not-permitted"), ("stranger", "user-unknown")] {
        assert_eq!(code(cancel(&mut mesh, name, &next, START)), wanted);
    }
    assert_eq!(mesh.journal.len(), records);
}

#[test]
fn who_lost_the_right_before_the_decision_is_refused_although_it_was_prepared() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let wanted = manifest(&text(Version { budget: 7, ..FIRST }));
    let late = prepared(&mut mesh, caller("cyd"), wanted, START).unwrap();
    let narrower = text(Version {
        updaters: 2,
        ..FIRST
    });
    agree(&mut mesh, "ann", &narrower, START).unwrap();
    assert_eq!(epoch_of(agree(&mut mesh, "bob", &narrower, START)), 2);
    assert_eq!(code(mesh.run(Command::Update(late), START)), "epoch-moved");
    let again = text(Version { budget: 7, ..FIRST });
    assert_eq!(
        code(agree(&mut mesh, "cyd", &again, START)),
        "not-permitted"
    );
}

#[test]
fn a_raised_security_version_asks_for_one_user_and_old_code_is_out() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let before = provision(mesh.activate("signer", 1, None, START));
    let raised = text(Version { svn: 2, ..FIRST });
    assert_eq!(epoch_of(agree(&mut mesh, "ops", &raised, START + 60)), 2);
    // Version 1 is no longer admitted, neither anew nor for a renewal.
    let refusal = admit(
        &mesh.view(),
        "signer",
        &claims_of("signer", START),
        at(START + 61),
    )
    .unwrap_err();
    assert_eq!(refusal.code(), "measurement-differs");
    assert_eq!(
        code(mesh.renew("signer", &before.chain[0], 2, START + 61)),
        "measurement-differs"
    );
    // Down, or up with anything else, is no raise.
    for other in [
        FIRST,
        Version {
            svn: 3,
            budget: 9,
            ..FIRST
        },
    ] {
        let refused = agree(&mut mesh, "ops", &text(other), START + 62);
        assert_eq!(code(refused), "not-permitted");
    }
}

#[test]
fn counters_instances_and_unchanged_secrets_stay_and_the_issuing_ca_is_another() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let before = provision(mesh.activate("signer", 1, None, START));
    let next = text(Version { budget: 4, ..FIRST });
    agree(&mut mesh, "ann", &next, START + 5).unwrap();
    agree(&mut mesh, "bob", &next, START + 6).unwrap();
    let after = provision(mesh.renew("signer", &before.chain[0], 2, START + 7));
    assert_eq!(after.instance, before.instance);
    for name in ["KEY", "WAS", "OWN"] {
        assert_eq!(after.env[name], before.env[name], "{name}");
    }
    assert_ne!(
        after.chain[1], before.chain[1],
        "the epoch has its own issuing CA"
    );
    assert_eq!(after.trust, before.trust, "and the root is the same");
    assert_eq!(mesh.view().marbles(at(START + 8))[0].activated, 1);
}

#[test]
fn a_secret_of_another_size_is_made_anew_and_the_one_before_does_not_stand_in_for_it() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let before = provision(mesh.activate("signer", 1, None, START));
    let anew = |size| {
        text(FIRST).replace(
            r#""key": {"Type": "symmetric-key", "Size": 128, "Shared": true}"#,
            &format!(r#""key": {{"Type": "symmetric-key", "Size": {size}, "Shared": true, "ValidFor": 0}}"#),
        )
    };
    // Another kind: the one before could not stand in its place.
    let (wider, back) = (anew(256), text(Version { budget: 5, ..FIRST }));
    for (text, now) in [(&wider, START + 10), (&back, START + 20)] {
        agree(&mut mesh, "ann", text, now).unwrap();
        agree(&mut mesh, "bob", text, now + 1).unwrap();
        let after = provision(mesh.activate("signer", 1, None, now + 2));
        assert_ne!(after.env["KEY"], before.env["KEY"]);
        assert_eq!(after.env["WAS"], after.env["KEY"]);
        assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
    }
}

#[test]
fn a_manifest_that_asks_for_it_makes_a_new_root_secret_and_symmetric_keys_and_leaves_the_ones_before()
 {
    let with = |budget, svn, config: &str| {
        let text = text(Version {
            budget,
            svn,
            ..FIRST
        });
        let text = text.replace(
            r#""OWN": "{{ hex .Secrets.own }}""#,
            r#""OWN": "{{ hex .Secrets.own }}", "OWN_WAS": "{{ hex .Previous.Secrets.own }}", "CERT": "{{ pem .Secrets.cert.Cert }}""#,
        );
        text.replace(
            r#""UpdateThreshold""#,
            &format!(r#"{config}"UpdateThreshold""#),
        )
    };
    let rotate = r#""RotateRootSecret": true, "#;
    let mut mesh = Mesh::with_manifest(1, &with(3, 1, ""));
    let instance = Some([7; 16]);
    let values = |mesh: &mut Mesh, now: u64| {
        let env = provision(mesh.activate("signer", 1, instance, now)).env;
        assert_eq!(mesh.replayed(), *mesh.sequencer.machine());
        let snapshot = mesh.sequencer.machine().snapshot();
        let read = stoa_mesh::Machine::replay([snapshot]).unwrap();
        assert_eq!(read, *mesh.sequencer.machine());
        ["KEY", "WAS", "OWN", "OWN_WAS", "CERT"].map(|name| env[name].to_vec())
    };
    let update = |mesh: &mut Mesh, text: &str, now: u64| {
        agree(mesh, "ann", text, now).unwrap();
        agree(mesh, "bob", text, now).unwrap();
    };
    let first = values(&mut mesh, START);
    assert_eq!(first[0], first[1]);
    assert_eq!(first[2], first[3]);
    // Asked for by the new manifest: both kinds of symmetric keys are others, the ones before are there.
    update(&mut mesh, &with(4, 1, rotate), START + 1);
    let second = values(&mut mesh, START + 2);
    assert!(second[0] != first[0] && second[2] != first[2]);
    assert_eq!((&second[1], &second[3]), (&first[0], &first[2]));
    assert_eq!(second[4], first[4], "a certificate lives its half");
    // A raise is no whole manifest, although the manifest still asks for it.
    epoch_of(agree(&mut mesh, "ops", &with(4, 2, rotate), START + 3));
    let raised = mesh.view();
    assert_eq!(raised.epoch(), 3);
    // Each further one makes another; one that does not ask keeps the last.
    let down = with(5, 1, rotate);
    update(&mut mesh, &down, START + 4);
    let third = values(&mut mesh, START + 5);
    assert!(third[0] != second[0] && third[2] != second[2]);
    assert_eq!(
        (&third[1], &third[3]),
        (&second[0], &second[2]),
        "the raise made none"
    );
    update(&mut mesh, &with(6, 1, ""), START + 6);
    let last = values(&mut mesh, START + 7);
    assert_eq!((&last[0], &last[2]), (&third[0], &third[2]));
    assert_eq!((&last[1], &last[3]), (&third[0], &third[2]));
}

#[test]
fn certificates_past_half_of_their_life_are_made_anew_with_an_update() {
    const DAY: u64 = 24 * 3600;
    let with = |budget| {
        text(Version { budget, ..FIRST })
            .replace(
                r#""KEY": "{{ hex .Secrets.key }}""#,
                r#""KEY": "{{ pem .Secrets.cert.Cert }}""#,
            )
            .replace(
                r#""WAS": "{{ hex .Previous.Secrets.key }}""#,
                r#""WAS": "{{ pem .Previous.Secrets.cert.Cert }}""#,
            )
    };
    let mut mesh = Mesh::with_manifest(1, &with(3));
    let first = provision(mesh.activate("signer", 1, None, START));
    let update = |mesh: &mut Mesh, budget, now| {
        agree(mesh, "ann", &with(budget), now).unwrap();
        agree(mesh, "bob", &with(budget), now).unwrap();
        provision(mesh.activate("signer", budget, None, now))
    };
    let young = update(&mut mesh, 4, START + 14 * DAY);
    assert_eq!(young.env["KEY"], first.env["KEY"]);
    assert_eq!(young.env["WAS"], first.env["KEY"]);
    let old = update(&mut mesh, 5, START + 16 * DAY);
    assert_ne!(old.env["KEY"], first.env["KEY"]);
    assert_eq!(old.env["WAS"], first.env["KEY"]);
    let snapshot = mesh.sequencer.machine().snapshot();
    let read = stoa_mesh::Machine::replay([snapshot]).unwrap();
    assert_eq!(
        read,
        *mesh.sequencer.machine(),
        "what was before is in a snapshot"
    );
}

#[test]
fn the_manifest_in_force_and_another_name_of_the_mesh_are_refused_whoever_asks() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let renamed = text(FIRST).replace(
        r#""UpdateThreshold""#,
        r#""MeshName": "other.example", "UpdateThreshold""#,
    );
    for text in [text(FIRST), renamed] {
        assert_eq!(
            code(agree(&mut mesh, "ann", &text, START)),
            "update-refused"
        );
    }
}

#[test]
fn while_one_update_waits_no_other_is_taken_and_a_cancelled_one_is_forgotten() {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let (one, two) = (
        text(Version { budget: 8, ..FIRST }),
        text(Version { budget: 9, ..FIRST }),
    );
    assert_eq!(
        code(cancel(&mut mesh, "ann", &one, START)),
        "no-update-pending"
    );
    agree(&mut mesh, "ann", &one, START).unwrap();
    assert_eq!(code(agree(&mut mesh, "bob", &two, START)), "update-pending");
    let raised = text(Version { svn: 2, ..FIRST });
    assert_eq!(
        code(agree(&mut mesh, "ops", &raised, START)),
        "update-pending"
    );
    assert_eq!(
        code(cancel(&mut mesh, "bob", &two, START)),
        "no-update-pending"
    );
    cancel(&mut mesh, "bob", &one, START).unwrap();
    assert_eq!(mesh.view().waiting_update(), None);
    // Ann's yes went with it.
    assert_eq!(missing(agree(&mut mesh, "bob", &one, START)), 1);
}

/// What one step of the interleavings tries.
#[derive(Debug, Clone)]
enum Try {
    Agree(usize, Version),
    Cancel(usize, Version),
    /// As `Agree`, prepared now and decided on after the next step.
    Late(usize, Version),
    Compact,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    LostBeforeWrite,
    WrittenNotAnswered,
}

/// Few, so that the same one is tried again and again.
fn version() -> impl Strategy<Value = Version> {
    let with = |updaters, threshold| Version {
        updaters,
        threshold,
        ..FIRST
    };
    let all = [
        FIRST,
        Version { svn: 2, ..FIRST },
        with(3, 1),
        Version {
            svn: 2,
            ..with(3, 1)
        },
        with(3, 3),
        with(2, 1),
        with(1, 1),
    ];
    prop::sample::select(all.to_vec())
}

fn step() -> impl Strategy<Value = (Try, Fate)> {
    let attempt = prop_oneof![
        6 => (0..6_usize, version()).prop_map(|(who, version)| Try::Agree(who, version)),
        2 => (0..6_usize, version()).prop_map(|(who, version)| Try::Cancel(who, version)),
        2 => (0..6_usize, version()).prop_map(|(who, version)| Try::Late(who, version)),
        1 => Just(Try::Compact),
    ];
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::LostBeforeWrite),
        1 => Just(Fate::WrittenNotAnswered),
    ];
    (attempt, fate)
}

/// The rules once more, said in another way.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    in_force: Version,
    epoch: u64,
    waits: Option<(Version, BTreeSet<usize>)>,
}

impl Model {
    fn may_update(&self, who: usize) -> bool {
        who < self.in_force.updaters
    }

    fn agree(&mut self, who: usize, to: Version) -> Result<(), &'static str> {
        let only_raised = to.svn > self.in_force.svn
            && Version {
                svn: self.in_force.svn,
                ..to
            } == self.in_force;
        let alone = only_raised && who == 3;
        if who >= USERS.len() {
            return Err("user-unknown");
        }
        if to == self.in_force {
            return Err("update-refused");
        }
        if only_raised && !alone && !self.may_update(who) {
            return Err("not-permitted");
        }
        if self.waits.as_ref().is_some_and(|(waits, _)| *waits != to) {
            return Err("update-pending");
        }
        if !alone && !self.may_update(who) {
            return Err("not-permitted");
        }
        let mut agreed = self
            .waits
            .take()
            .map_or_else(BTreeSet::new, |(_, agreed)| agreed);
        agreed.insert(who);
        if alone || agreed.len() >= self.in_force.threshold {
            self.in_force = to;
            self.epoch += 1;
        } else {
            self.waits = Some((to, agreed));
        }
        Ok(())
    }

    fn cancel(&mut self, who: usize, what: Version) -> Result<(), &'static str> {
        if who >= USERS.len() {
            return Err("user-unknown");
        }
        if !self.may_update(who) {
            return Err("not-permitted");
        }
        match &self.waits {
            Some((waits, _)) if *waits == what => {
                self.waits = None;
                Ok(())
            }
            _ => Err("no-update-pending"),
        }
    }
}

/// Decides, and lets the write be lost, done without an answer, or answered. What was said must be what the model says.
fn decided(mesh: &mut Mesh, command: Command, fate: Fate) -> Option<Result<(), &'static str>> {
    mesh.sequencer.submit(
        7,
        command,
        Env {
            now: at(START),
            rng: &mut mesh.rng,
        },
    );
    let batch = mesh.sequencer.batch();
    if fate == Fate::LostBeforeWrite {
        mesh.sequencer = Sequencer::new(mesh.replayed());
        return None;
    }
    mesh.journal.extend(batch.map(|batch| batch.to_vec()));
    if fate == Fate::WrittenNotAnswered {
        mesh.sequencer = Sequencer::new(mesh.replayed());
        return None;
    }
    let (_, reply) = mesh.sequencer.committed().remove(0);
    Some(reply.map(|_| ()).map_err(|refusal| refusal.code()))
}

fn name(who: usize) -> &'static str {
    USERS.get(who).copied().unwrap_or("stranger")
}

fn interleave(steps: &[(Try, Fate)]) -> Result<(), TestCaseError> {
    let mut mesh = Mesh::with_manifest(1, &text(FIRST));
    let mut model = Model {
        in_force: FIRST,
        epoch: 1,
        waits: None,
    };
    let mut late: Option<(usize, Version, u64, Update)> = None;
    for (attempt, fate) in steps {
        let before = model.clone();
        let waiting = late.take();
        let (said, wanted) = match attempt {
            Try::Compact => {
                mesh.journal = vec![mesh.sequencer.machine().snapshot().to_vec()];
                continue;
            }
            Try::Agree(who, to) | Try::Late(who, to) => {
                let wanted = model.agree(*who, *to);
                match prepared(&mut mesh, caller(name(*who)), manifest(&text(*to)), START) {
                    Ok(update) if matches!(attempt, Try::Late(..)) => {
                        prop_assert_eq!(wanted, Ok(()));
                        model = before.clone();
                        late = Some((*who, *to, model.epoch, update));
                        (None, Ok(()))
                    }
                    Ok(update) => (decided(&mut mesh, Command::Update(update), *fate), wanted),
                    // Who may not is refused before anything is made.
                    Err(refusal) => (Some(Err(refusal.code())), wanted),
                }
            }
            Try::Cancel(who, what) => {
                let cancel = Cancel {
                    manifest_sha256: manifest(&text(*what)).sha256(),
                    caller: caller(name(*who)),
                };
                let said = decided(&mut mesh, Command::Cancel(cancel), *fate);
                (said, model.cancel(*who, *what))
            }
        };
        match said {
            Some(said) => prop_assert_eq!(said, wanted),
            None if *fate == Fate::LostBeforeWrite => model = before,
            None => {}
        }
        if let Some((who, to, epoch, update)) = waiting {
            let wanted = match epoch == model.epoch {
                true => model.agree(who, to),
                false => Err("epoch-moved"),
            };
            let said = decided(&mut mesh, Command::Update(update), Fate::Answered);
            prop_assert_eq!(said, Some(wanted));
        }
        let view = mesh.view();
        prop_assert_eq!(view.epoch(), model.epoch);
        prop_assert_eq!(view.history().len() as u64, model.epoch);
        let in_force = text(model.in_force);
        prop_assert_eq!(view.manifest().unwrap().bytes(), in_force.as_bytes());
        let waits = view
            .waiting_update()
            .map(|waiting| (waiting.manifest.sha256(), waiting.agreed));
        let wanted = model.waits.as_ref().map(|(version, agreed)| {
            let names = agreed
                .iter()
                .map(|who| name(*who).to_owned())
                .collect::<Vec<_>>();
            (manifest(&text(*version)).sha256(), names)
        });
        prop_assert_eq!(waits, wanted);
        prop_assert_eq!(&mesh.replayed(), mesh.sequencer.machine());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_every_order_and_with_a_crash_before_and_after_each_write_updates_follow_the_rules(
        steps in prop::collection::vec(step(), 1..24)
    ) {
        interleave(&steps)?;
    }
}

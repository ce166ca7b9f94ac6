//! The rules: founding, manifest, budgets, instances, renewals, time. Each through the sequencer and a journal.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stoa_attestation::{Claims, Floors, Mark, Verified};
use stoa_explain::Explain as _;
use stoa_mesh::event::{Admittance, Event};
use stoa_mesh::state::RETRY_WINDOW_SECS;
use stoa_mesh::{
    Applicant, CLOCK_BEHIND_SECS_MAX, Command, Entry, Found, Machine, Outcome, Refusal, Rotate,
    admit, check_root_key,
};
use stoa_synthetic::Knobs;
use support::{MANIFEST, Mesh, POSITION, START, at, claims_of, code, enclave, p256_key, provision};

const DAY: u64 = 24 * 3600;

#[test]
fn a_mesh_is_founded_once() {
    let mut mesh = Mesh::founded(1);
    let again = Found::prepare(&*mesh.keys, &[], at(START), &mut mesh.rng).unwrap();
    assert_eq!(
        code(mesh.run(Command::Found(again), START)),
        "already-founded"
    );
}

#[test]
fn nothing_happens_before_founding() {
    let mut mesh = Mesh::empty(1);
    assert_eq!(code(mesh.start(START)), "not-founded");
    assert_eq!(code(mesh.set_manifest(MANIFEST, START)), "not-founded");
    assert_eq!(
        code(mesh.activate("signer", 1, None, START)),
        "state-not-accepting"
    );
    assert!(mesh.journal.is_empty());
}

#[test]
fn a_manifest_is_set_once_even_if_two_were_prepared() {
    let mut mesh = Mesh::founded(1);
    let prepare = |mesh: &mut Mesh| {
        stoa_mesh::SetManifest::prepare(
            &mesh.view(),
            support::manifest(MANIFEST),
            stoa_mesh::Caller::default(),
            &*mesh.keys,
            at(START),
            &mut mesh.rng,
        )
        .unwrap()
    };
    let (first, second) = (prepare(&mut mesh), prepare(&mut mesh));
    let Ok(Outcome::ManifestSet {
        sha256,
        epoch,
        marbles,
    }) = mesh.run(Command::SetManifest(first), START)
    else {
        panic!("refused");
    };
    assert_eq!((sha256, epoch), (support::manifest(MANIFEST).sha256(), 1));
    assert_eq!(marbles, ["signer", "single", "verifier"]);
    assert_eq!(
        code(mesh.run(Command::SetManifest(second), START)),
        "manifest-already-set"
    );
    assert_eq!(
        code(mesh.set_manifest(MANIFEST, START)),
        "manifest-already-set"
    );
    assert_eq!(mesh.view().history().len(), 1);
}

#[test]
fn the_history_and_its_head_name_the_manifest_in_force() {
    let mesh = Mesh::with_manifest(1, MANIFEST);
    let view = mesh.view();
    assert_eq!((view.state(), view.epoch()), (3, 1));
    assert_eq!(
        view.manifest_sha256(),
        Some(support::manifest(MANIFEST).sha256())
    );
    let head = stoa_attestation::channel::history_head(view.history()).unwrap();
    assert_eq!(view.transition_head(), head);
    assert_eq!(view.chain().len(), 2);
    let root_key = check_root_key(&view, &*mesh.keys).unwrap().unwrap();
    assert_eq!(root_key, view.root().unwrap().spki_sha256());
    let state = view.coordinator_state(root_key).unwrap();
    assert!(matches!(
        state,
        stoa_attestation::channel::CoordinatorState::AcceptingMarbles { root, issuing, .. }
            if root == root_key && issuing == view.issuing().unwrap().spki_sha256()
    ));
}

#[test]
fn a_budget_is_spent_by_distinct_instances_and_never_passed() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    for key in 1..=3 {
        mesh.activate("signer", key, None, START + key).unwrap();
    }
    assert_eq!(mesh.status("signer", START + 3), (3, 3));
    assert_eq!(
        code(mesh.activate("signer", 4, None, START + 4)),
        "budget-spent"
    );
    // What ended does not give its place back.
    assert_eq!(
        code(mesh.activate("signer", 4, None, START + 2 * DAY)),
        "budget-spent"
    );
    for key in 1..=20 {
        mesh.activate("verifier", key, None, START + key).unwrap();
    }
}

#[test]
fn a_retry_under_the_same_key_within_ten_minutes_is_the_same_instance_and_counts_once() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let first = provision(mesh.activate("single", 1, None, START));
    let second = provision(mesh.activate("single", 1, None, START + RETRY_WINDOW_SECS - 1));
    assert_eq!(first.instance, second.instance);
    assert_ne!(first.chain[0], second.chain[0], "each leaf is issued anew");
    assert_eq!(mesh.status("single", START), (1, 1));
    let entries: Vec<_> = support::events(&mesh.journal)
        .iter()
        .filter_map(|event| match event {
            Event::Admitted(admitted) => Some(admitted.entry),
            _ => None,
        })
        .collect();
    assert_eq!(entries, [Admittance::Activated, Admittance::Retried]);
    // A retry does not move the window, and after it the activation would count.
    assert_eq!(
        code(mesh.activate("single", 1, None, START + RETRY_WINDOW_SECS)),
        "budget-spent"
    );
}

#[test]
fn a_proposed_name_that_lives_under_another_key_is_refused_until_its_leaf_ended() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let name = [0xaa; 16];
    let first = provision(mesh.activate("signer", 1, Some(name), START));
    assert_eq!(first.instance, name);
    assert_eq!(
        code(mesh.activate("signer", 2, Some(name), START + 1)),
        "instance-in-use"
    );
    assert_eq!(
        code(mesh.activate("signer", 2, Some(name), first.not_after)),
        "instance-in-use"
    );
    let second = provision(mesh.activate("signer", 2, Some(name), first.not_after + 1));
    assert_eq!(second.instance, name);
    assert_eq!(mesh.status("signer", first.not_after + 1), (1, 2));
    // The same bytes under another marble are another instance.
    let later = first.not_after + 2;
    provision(mesh.activate("verifier", 3, Some(name), later));
}

#[test]
fn a_secret_of_an_instance_comes_back_with_its_name_and_with_no_other() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let own = |provision: &stoa_mesh::Provision| provision.files["/etc/own"].data.to_vec();
    let first = provision(mesh.activate("signer", 1, Some([1; 16]), START));
    let other = provision(mesh.activate("signer", 2, Some([2; 16]), START));
    let back = provision(mesh.activate("signer", 3, Some([1; 16]), first.not_after + 1));
    assert_eq!(own(&first), own(&back));
    assert_ne!(own(&first), own(&other));
    assert_eq!(first.files["/etc/shared"], other.files["/etc/shared"]);
    assert_ne!(
        first.files["/etc/cert.pem"], back.files["/etc/cert.pem"],
        "a key per activation"
    );
}

#[test]
fn a_renewal_rests_on_a_leaf_in_force_of_this_very_instance() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let first = provision(mesh.activate("single", 1, None, START));
    let leaf = first.chain[0].clone();
    let second = provision(mesh.renew("single", &leaf, 1, START + DAY / 2));
    assert_eq!(first.instance, second.instance);
    assert_eq!(mesh.status("single", START + DAY / 2), (1, 1));
    // The answer was lost: the leaf before still renews. And to a new key.
    let third = provision(mesh.renew("single", &leaf, 2, START + DAY / 2 + 1));
    assert_eq!(third.instance, first.instance);
    // Now the instance lives under the new key.
    assert_eq!(
        code(mesh.activate("single", 1, Some(first.instance), START + DAY / 2 + 2)),
        "instance-in-use"
    );
    assert_eq!(
        code(mesh.renew("single", &leaf, 1, first.not_after + 1)),
        "leaf-not-valid"
    );
    provision(mesh.renew("single", &third.chain[0], 2, first.not_after + 1));
    assert_eq!(mesh.status("single", first.not_after + 1), (1, 1));
}

#[test]
fn a_renewal_on_anything_but_our_leaf_of_that_marble_is_refused() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let signer = provision(mesh.activate("signer", 1, None, START)).chain[0].clone();
    let root = mesh.view().root().unwrap().der().to_vec();
    assert_eq!(
        code(mesh.renew("single", &signer, 1, START)),
        "leaf-not-valid"
    );
    assert_eq!(
        code(mesh.renew("signer", &root, 1, START)),
        "leaf-not-valid"
    );
    assert_eq!(
        code(mesh.renew("signer", b"no certificate", 1, START)),
        "leaf-not-valid"
    );
    // The leaf of another mesh, for an instance of the same name.
    let mut other = Mesh::with_manifest(2, MANIFEST);
    let foreign = provision(other.activate("signer", 1, None, START)).chain[0].clone();
    assert_eq!(
        code(mesh.renew("signer", &foreign, 1, START)),
        "leaf-not-valid"
    );
    // One bit of our own.
    let mut forged = signer.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        code(mesh.renew("signer", &forged, 1, START)),
        "leaf-not-valid"
    );
    provision(mesh.renew("signer", &signer, 1, START));
}

#[test]
fn evidence_that_the_manifest_does_not_want_is_refused_by_rule() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let view = mesh.view();
    let admitted = |marble: &str, claims: &Verified<Claims>| {
        admit(&view, marble, claims, at(START)).map(|_| ())
    };
    let wrong = support::claims(&enclave(0x33), Knobs::default(), START);
    let refusal = admitted("signer", &wrong).unwrap_err();
    assert_eq!(refusal.code(), "measurement-differs");
    let cause = std::error::Error::source(&refusal).unwrap().to_string();
    assert!(
        cause.contains(&"11".repeat(32)) && cause.contains(&"33".repeat(32)),
        "{cause}"
    );
    assert_eq!(
        admitted("verifier", &claims_of("signer", START))
            .unwrap_err()
            .code(),
        "measurement-differs"
    );
    assert_eq!(
        admitted("nobody", &claims_of("signer", START))
            .unwrap_err()
            .code(),
        "marble-unknown"
    );
    let old = Knobs {
        tcb: stoa_synthetic::PlatformTcb::OutOfDate,
        ..Knobs::default()
    };
    let out_of_date = support::claims(&enclave(0x11), old, START);
    assert_eq!(
        admitted("signer", &out_of_date).unwrap_err().code(),
        "tcb-not-accepted"
    );
    admitted("signer", &claims_of("signer", START)).unwrap();
    assert_eq!(
        mesh.activate("signer", 1, None, START)
            .map(|_| ())
            .map_err(|_| ()),
        Ok(())
    );
}

#[test]
fn evidence_from_outside_the_manifests_infrastructures_is_refused() {
    let with = |infrastructures: &str| {
        let text = MANIFEST.replacen(
            '{',
            &format!("{{ \"Infrastructures\": {infrastructures},"),
            1,
        );
        let view = Mesh::with_manifest(1, &text).view();
        admit(&view, "signer", &claims_of("signer", START), at(START)).map(|_| ())
    };
    let refusal = with(r#"{"new": {"PCESVN": 65535}}"#).unwrap_err();
    assert_eq!(refusal.code(), "infrastructure-differs");
    let root = vec![0xff; 16];
    let components = format!(r#"{{"a": {{"PCESVN": 65535}}, "b": {{"CPUSVN": {root:?}}}}}"#);
    assert_eq!(
        with(&components).unwrap_err().code(),
        "infrastructure-differs"
    );
    // One that fits is enough, and none listed is anywhere.
    with(r#"{"a": {"PCESVN": 65535}, "b": {"PCESVN": 1}}"#).unwrap();
    with("{}").unwrap();
}

#[test]
fn what_was_drafted_for_another_epoch_is_refused_and_works_when_drafted_again() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let spki = p256_key(1, 1).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: POSITION,
    };
    let admission = admit(
        &mesh.view(),
        "signer",
        &claims_of("signer", START),
        at(START),
    )
    .unwrap();
    let stale = mesh.draft("signer", &applicant, START).unwrap();
    let mut set = support::events(&mesh.journal)
        .into_iter()
        .find_map(|event| match event {
            Event::ManifestSet(set) => Some((*set).clone()),
            _ => None,
        })
        .unwrap();
    set.epoch = 2;
    let mut machine = mesh.sequencer.machine().clone();
    machine.apply(&Event::ManifestSet(set.into()));
    mesh.sequencer = stoa_mesh::Sequencer::new(machine);
    assert_eq!(
        code(mesh.run(Command::Activate(stale), START)),
        "epoch-moved"
    );
    let again = stoa_mesh::draft(
        &mesh.view(),
        &admission,
        &applicant,
        &*mesh.keys,
        at(START),
        &mut mesh.rng,
    );
    assert!(matches!(
        again,
        Err(Refusal::EpochMoved {
            prepared: 1,
            current: 2
        })
    ));
    assert_eq!(mesh.status("signer", START), (0, 0));
    provision(mesh.activate("signer", 1, None, START));
}

#[test]
fn the_issuing_ca_is_replaced_within_its_epoch_and_leaves_of_both_hold() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let before = mesh.view().issuing().unwrap().clone();
    let leaf = provision(mesh.activate("signer", 1, None, START)).chain[0].clone();
    let due = mesh.view().issuing_renew_at().unwrap();
    assert!(due > START + 44 * DAY && due < START + 46 * DAY);
    let rotate = Rotate::prepare(&mesh.view(), &*mesh.keys, at(START + 60), &mut mesh.rng).unwrap();
    mesh.run(Command::Rotate(rotate), START + 60).unwrap();
    let after = mesh.view().issuing().unwrap().clone();
    assert_ne!(before.spki(), after.spki());
    assert_ne!(
        before.common_name(),
        after.common_name(),
        "each CA has a subject of its own"
    );
    let renewed = provision(mesh.renew("signer", &leaf, 1, START + 61));
    assert_eq!(renewed.chain[1], after.der());
    assert_eq!(mesh.replayed().view(), mesh.view());
}

#[test]
fn time_never_runs_behind_the_newest_event_or_the_newest_signed_date() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    mesh.activate("verifier", 1, None, START + 1000).unwrap();
    assert_eq!(mesh.view().time_floor(), at(START + 1000));
    // The clock went back a little; evidence is fresh as of then.
    let claims = claims_of("verifier", START + 1000);
    let spki = p256_key(1, 2).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: POSITION,
    };
    let little = START + 1000 - CLOCK_BEHIND_SECS_MAX;
    let draft = mesh
        .draft_with("verifier", &claims, &applicant, little)
        .unwrap();
    let provision = provision(mesh.run(Command::Activate(draft), little));
    assert_eq!(provision.not_after, START + 1000 + DAY);
    assert_eq!(mesh.view().time_floor(), at(START + 1000));
    let times: Vec<_> = support::events(&mesh.journal)
        .iter()
        .map(Event::time)
        .collect();
    assert!(times.is_sorted());
    // A signed date in the collateral is a little later than the clock and the floor.
    let issued = START + 5 * DAY;
    let claims = claims_of("verifier", issued);
    let spki = p256_key(1, 3).spki;
    let applicant = Applicant {
        spki: &spki,
        ..applicant
    };
    let draft = mesh
        .draft_with("verifier", &claims, &applicant, issued - 60)
        .unwrap();
    mesh.run(Command::Activate(draft), issued - 60).unwrap();
    assert!(mesh.view().time_floor() >= at(issued));
}

#[test]
fn under_a_clock_that_went_back_a_year_nothing_is_issued_and_a_start_is_possible() {
    const YEAR: u64 = 365 * DAY;
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let past = START - YEAR;
    let spki = p256_key(1, 2).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: POSITION,
    };
    // Drafted in time, decided under the clock that went back.
    let draft = mesh.draft("signer", &applicant, START + 1).unwrap();
    let before = mesh.journal.len();
    let refused = mesh.run(Command::Activate(draft), past);
    assert_eq!(code(refused), "clock-behind");
    let rotate = Rotate::prepare(&mesh.view(), &*mesh.keys, at(past), &mut mesh.rng).unwrap();
    assert_eq!(
        code(mesh.run(Command::Rotate(rotate), past)),
        "clock-behind"
    );
    assert_eq!(mesh.journal.len(), before, "nothing was issued");
    assert!(mesh.view().in_time(at(past)).is_err());
    let just = START - CLOCK_BEHIND_SECS_MAX;
    assert_eq!(mesh.view().in_time(at(just)).unwrap(), at(START));
    assert!(mesh.view().in_time(at(just - 1)).is_err());
    mesh.start(past).unwrap();
    assert_eq!(mesh.view().time_floor(), at(START));
    // Under the right clock it goes on.
    mesh.activate("signer", 2, None, START + 2).unwrap();
}

#[test]
fn a_date_that_a_vendor_signed_later_than_the_clock_is_a_floor_and_is_durable() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let floors = |number: u8, issued: u64| {
        let mark = Mark {
            number: vec![number],
            issued,
        };
        Floors::kept([("0123456789abcdef/root-crl".to_owned(), mark)])
    };
    // The clock has been ten days slow since the mesh was founded; today's CRL tells.
    let issued = START + 10 * DAY;
    mesh.run(Command::SeeCollateral(floors(2, issued)), START + 60)
        .unwrap();
    assert_eq!(mesh.view().time_floor(), at(issued));
    assert_eq!(
        code(mesh.activate("signer", 1, None, START + 60)),
        "clock-behind"
    );
    let records = mesh.journal.len();
    // What is not newer leaves no record, older least of all.
    for (number, date) in [(2, issued), (2, issued - 1), (1, issued + 5)] {
        mesh.run(Command::SeeCollateral(floors(number, date)), issued)
            .unwrap();
    }
    assert_eq!(mesh.journal.len(), records);
    let again = Machine::replay(&mesh.journal).unwrap();
    assert_eq!(
        again.view().collateral_floors().as_ref(),
        &floors(2, issued)
    );
    let compacted = Machine::replay([again.snapshot()]).unwrap();
    assert_eq!(compacted, again);
    assert_eq!(compacted.view().time_floor(), at(issued));
}

#[test]
fn under_a_clock_that_runs_ahead_leaves_end_with_the_collateral() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let claims = claims_of("verifier", START);
    let end = START + 30 * DAY;
    assert_eq!(claims.dates.collateral_until(), at(end));
    let mut activate = |key: u64, now: u64| {
        let spki = p256_key(1, key).spki;
        let applicant = Applicant {
            entry: Entry::Activate { proposal: None },
            spki: &spki,
            position: POSITION,
        };
        let draft = mesh.draft_with("verifier", &claims, &applicant, now)?;
        mesh.run(Command::Activate(draft), now)
    };
    // The manifest's day, then what is left, then nothing.
    assert_eq!(provision(activate(1, START)).not_after, START + DAY);
    for left in [DAY - 1, 3600] {
        assert_eq!(provision(activate(left, end - left)).not_after, end);
    }
    assert_eq!(code(activate(4, end + 1)), "collateral-expired");
    assert_eq!(code(activate(5, end + 365 * DAY)), "collateral-expired");
}

#[test]
fn a_draft_whose_leaf_ended_in_the_queue_is_refused() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let spki = p256_key(1, 1).spki;
    let applicant = Applicant {
        entry: Entry::Activate { proposal: None },
        spki: &spki,
        position: POSITION,
    };
    let draft = mesh.draft("verifier", &applicant, START).unwrap();
    assert_eq!(
        code(mesh.run(Command::Activate(draft), START + DAY + 1)),
        "draft-ended"
    );
}

#[test]
fn refusals_are_remembered_with_their_code_and_only_known_names() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    provision(mesh.activate("single", 1, None, START));
    assert_eq!(
        code(mesh.activate("single", 2, None, START + 1)),
        "budget-spent"
    );
    mesh.view()
        .note_refusal("measurement-differs", "signer", at(START + 2));
    mesh.view()
        .note_refusal("marble-unknown", "<script>", at(START + 3));
    let seen: Vec<_> = mesh
        .view()
        .refused()
        .into_iter()
        .map(|refused| (refused.code, refused.marble, refused.time))
        .collect();
    assert_eq!(
        seen,
        [
            ("budget-spent", "single".to_owned(), START + 1),
            ("measurement-differs", "signer".to_owned(), START + 2),
            ("marble-unknown", String::new(), START + 3),
        ]
    );
    for time in 0..100 {
        mesh.view()
            .note_refusal("budget-spent", "single", at(START + time));
    }
    assert_eq!(mesh.view().refused().len(), stoa_mesh::view::REFUSALS_MAX);
    assert_eq!(mesh.view().refused()[0].time, START + 36);
}

#[test]
fn memory_is_flat_in_past_activations() {
    let mut mesh = Mesh::with_manifest(1, MANIFEST);
    let mut sizes = Vec::new();
    for round in 0..4 {
        let now = START + round * 2 * DAY;
        for key in 0..10 {
            provision(mesh.activate("verifier", 100 * round + key, None, now + key));
        }
        sizes.push(mesh.sequencer.machine().snapshot().len());
    }
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
    assert_eq!(mesh.status("verifier", START + 6 * DAY + 10), (10, 40));
}

#[test]
fn a_ca_whose_key_is_another_than_its_certificate_says_is_refused_when_loaded() {
    let mine = Mesh::with_manifest(1, MANIFEST);
    let other = Mesh::with_manifest(2, MANIFEST);
    check_root_key(&mine.view(), &*mine.keys).unwrap();
    // A record with my root's public half, in the certificate and beside the key, and another mesh's private key: the
    // bytes of the founding, put together by hand.
    let ours = mine.view().root().unwrap().clone();
    let theirs = other.view().root().unwrap().clone();
    let bytes = stoa_mesh::stored::encode(&support::events(&other.journal[..1]));
    let find = |bytes: &[u8], what: &[u8]| {
        bytes
            .windows(what.len())
            .position(|window| window == what)
            .unwrap()
    };
    let lp = |bytes: &[u8]| {
        [
            &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..],
            bytes,
        ]
        .concat()
    };
    let mut forged = bytes.to_vec();
    let place = find(&forged, theirs.der()) - 4;
    forged.splice(place..place + 4 + theirs.der().len(), lp(ours.der()));
    let place = find(&forged, theirs.spki());
    forged.splice(
        place..place + theirs.spki().len(),
        ours.spki().iter().copied(),
    );
    // The event's own length is in front of it: label, form, count, then the length.
    let event = 4 + "stoa/journal/1".len() + 5 + 12;
    let size = u32::try_from(forged.len() - event - 4).unwrap();
    forged[event..event + 4].copy_from_slice(&size.to_be_bytes());
    let machine = Machine::replay([forged]).unwrap();
    assert_eq!(
        machine.view().root().unwrap().spki_sha256(),
        ours.spki_sha256()
    );
    let differs = check_root_key(&machine.view(), &*mine.keys).unwrap_err();
    assert_eq!(differs.code(), "ca-key-differs");
    let text = differs.to_string();
    for key in [ours.spki_sha256(), theirs.spki_sha256()] {
        assert!(text.contains(&hex::encode(key)), "{text}");
    }
}

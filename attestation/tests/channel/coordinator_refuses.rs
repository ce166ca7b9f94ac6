//! The coordinator before frame 6: each field of what binds the marble's evidence, changed alone.

use sha2::{Digest, Sha512};
use stoa_attestation::Kind;
use stoa_attestation::channel::{
    Attesting, AwaitMarble, ChannelError, Frame, Hello, LeafReceipt, NewKey, Purpose, Role,
    Session, TlsFacts, evidence_bound,
};

use crate::lists::{
    Change, check_all, code, fields, joined, one_field_changed, with_field_changed,
};
use crate::world::{
    ALGORITHMS, CLIENT_NONCE, INSTANCE, Key, MARBLE_TYPE, SERVER_NONCE, World, new_key,
};

#[test]
fn every_field_of_the_marbles_report_data_counts() {
    for world in [World::new(), World::renewing()] {
        let (_, input, _) = until_attesting(&world);
        assert_eq!(fields(&input).len(), 12);
        assert_eq!(outcome(&world, &|_| {}), "accepted");
        for (name, _) in one_field_changed(&input) {
            let got = outcome(&world, &|input| {
                let all = one_field_changed(input);
                *input = all.into_iter().find(|(other, _)| *other == name).unwrap().1;
            });
            assert_eq!(got, "binding-differs", "{name}");
        }
    }
}

/// Runs a Join in which the marble's quote carries other report data, and says what came of it.
fn outcome(world: &World, change: &dyn Fn(&mut Vec<u8>)) -> &'static str {
    let (marble, mut input, waiting) = until_attesting(world);
    change(&mut input);
    let quote = world.quote_marble(Sha512::digest(&input).into());
    let (_, frame_4, frame_5) = marble.evidence(quote).unwrap();
    let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
    code(&world.verify(proof))
}

/// A marble that may attest, the string that its report data is the hash of, and the coordinator that waits for it.
fn until_attesting(world: &World) -> (Attesting, Vec<u8>, AwaitMarble) {
    let mut bodies = (Vec::new(), Vec::new());
    let (marble, server) = world
        .changed_hellos(
            |frame| bodies.0.clone_from(&frame.body),
            |frame| bodies.1.clone_from(&frame.body),
        )
        .unwrap();
    let (waiting, frame_3) = world.frame_3(server);
    let marble = world.accept(marble, &frame_3).unwrap();
    let hello = |role, body: &[u8]| Hello::decode(role, body).unwrap();
    let session = Session::new(
        world.marble_tls(),
        (hello(Role::Client, &bodies.0), &bodies.0),
        (hello(Role::Server, &bodies.1), &bodies.1),
    );
    let report = session.marble_report(
        marble.kind(),
        &world.client_tls.spki(),
        &evidence_bound(&frame_3.body),
    );
    assert_eq!(report.report_data, marble.report_data());
    assert_eq!(report.qualifying_data, marble.qualifying_data());
    (marble, report.input, waiting)
}

#[test]
fn evidence_of_another_session_is_not_taken() {
    let world = World::new();
    let other = World {
        x_marble: [1; 48],
        x_coordinator: [1; 48],
        ..World::new()
    };
    let (marble, _) = other.until_accepted().unwrap();
    let stolen = other.quote_marble(marble.report_data());
    let (marble, waiting) = world.until_accepted().unwrap();
    let (_, frame_4, frame_5) = marble.evidence(stolen).unwrap();
    let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
    assert_eq!(code(&world.verify(proof)), "binding-differs");
}

/// The host holds genuine evidence of the right marble from another session, which differs in one fact only.
#[test]
fn evidence_of_a_session_that_differs_in_one_fact_is_not_taken() {
    let cases: [Change<Facts>; 11] = [
        ("nothing", "accepted", |_| {}),
        ("exporter", "binding-differs", |facts| facts.x[0] ^= 1),
        ("server leaf", "binding-differs", |facts| {
            facts.server_leaf = Key::p256().spki()
        }),
        ("client leaf", "binding-differs", |facts| {
            facts.client_leaf = Key::p256().spki()
        }),
        ("client nonce", "binding-differs", |facts| {
            facts.client.nonce[0] ^= 1
        }),
        ("server nonce", "binding-differs", |facts| {
            facts.server.nonce[0] ^= 1
        }),
        ("marble type", "binding-differs", |facts| {
            facts.client.marble_type.push('2')
        }),
        ("purpose", "binding-differs", |facts| {
            (facts.client.purpose, facts.server.purpose) = (Purpose::Renew, Purpose::Renew);
        }),
        ("certified key", "binding-differs", |facts| {
            facts.certified = Key::p256().spki()
        }),
        ("kind", "binding-differs", |facts| {
            facts.kind = Kind::SgxDcap
        }),
        ("frame 3", "binding-differs", |facts| facts.body_3.push(0)),
    ];
    check_all(cases.map(|(name, wanted, change)| {
        let world = World::new();
        let mut bodies = (Vec::new(), Vec::new());
        let (marble, server) = world
            .changed_hellos(
                |frame| bodies.0.clone_from(&frame.body),
                |frame| bodies.1.clone_from(&frame.body),
            )
            .unwrap();
        let (waiting, frame_3) = world.frame_3(server);
        let marble = world.accept(marble, &frame_3).unwrap();
        let mut facts = Facts {
            x: world.x_marble,
            server_leaf: world.server_tls.spki(),
            client_leaf: world.client_tls.spki(),
            client: Hello::decode(Role::Client, &bodies.0).unwrap(),
            server: Hello::decode(Role::Server, &bodies.1).unwrap(),
            certified: world.client_tls.spki(),
            kind: Kind::TdxDcap,
            body_3: frame_3.body,
        };
        change(&mut facts);
        let (_, frame_4, frame_5) = marble
            .evidence(world.quote_marble(facts.report_data()))
            .unwrap();
        let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
        (name.to_owned(), wanted, code(&world.verify(proof)))
    }));
}

/// Everything that a marble's report data is made of.
struct Facts {
    x: [u8; 48],
    server_leaf: Vec<u8>,
    client_leaf: Vec<u8>,
    client: Hello,
    server: Hello,
    certified: Vec<u8>,
    kind: Kind,
    body_3: Vec<u8>,
}

impl Facts {
    fn report_data(self) -> [u8; 64] {
        let (body_1, body_2) = (self.client.encode(), self.server.encode());
        let tls = TlsFacts {
            exporter: self.x,
            server_spki: self.server_leaf,
            client_spki: self.client_leaf,
        };
        let session = Session::new(tls, (self.client, &body_1), (self.server, &body_2));
        session
            .marble_report(self.kind, &self.certified, &evidence_bound(&self.body_3))
            .report_data
    }
}

#[test]
fn evidence_of_the_coordinator_is_no_evidence_of_a_marble() {
    let world = World {
        kinds: vec![Kind::SgxDcap],
        ..World::new()
    };
    let (marble, waiting) = world.until_accepted().unwrap();
    let (_, frame_4, frame_5) = marble.evidence(world.session_evidence().evidence).unwrap();
    let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
    let collateral = stoa_attestation::Collateral::parse(&world.coordinators_collateral()).unwrap();
    let collateral = collateral.verify(&world.trust()).unwrap();
    let verified = proof.verify(
        &world.trust(),
        &collateral,
        crate::world::unix(crate::world::NOW),
    );
    assert_eq!(code(&verified), "binding-differs");
}

/// Everything that travelled before ClientFinish is covered by it, so a change that nothing else notices is noticed.
#[test]
fn a_change_that_the_marble_could_not_see_ends_at_its_finish() {
    let world = World::new();
    let (marble, server) = world.hellos().unwrap();
    let (waiting, mut frame_3) = world.frame_3(server);
    // White space at the end of the collateral's JSON: means the same, is signed by nobody.
    let mut body = fields(&frame_3.body);
    body[5].push(b' ');
    frame_3.body = joined(&body);
    let marble = world.accept(marble, &frame_3).unwrap();
    let (_, frame_4, frame_5) = world.attest(marble);
    assert_eq!(
        code(&waiting.receive(&frame_4, &frame_5, ALGORITHMS)),
        "finish-differs"
    );
}

#[test]
fn frames_4_and_5_changed_on_their_way_are_refused() {
    let world = World::renewing();
    let key = Key::p256();
    type Change = fn(&mut Frame, &mut Frame);
    let cases: [(&str, &str, Change); 8] = [
        ("nothing", "accepted", |_, _| {}),
        ("kind", "finish-differs", |four, _| {
            set_field(four, 0, vec![0, 1])
        }),
        ("evidence", "finish-differs", |four, _| {
            four.body = with_field_changed(&four.body, 1)
        }),
        ("new SPKI", "finish-differs", |four, _| {
            four.body = with_field_changed(&four.body, 2)
        }),
        ("possession", "finish-differs", |four, _| {
            four.body = with_field_changed(&four.body, 3)
        }),
        ("new key taken out", "finish-differs", |four, _| {
            set_field(four, 2, Vec::new());
            set_field(four, 3, Vec::new());
        }),
        ("possession taken out", "frame-malformed", |four, _| {
            set_field(four, 3, Vec::new())
        }),
        ("MAC", "finish-differs", |_, five| {
            five.body = with_field_changed(&five.body, 0)
        }),
    ];
    check_all(cases.map(|(name, wanted, change)| {
        let (marble, waiting) = world.until_accepted().unwrap();
        let certified = new_key(&marble, &key);
        let (_, mut frame_4, mut frame_5) = world.attest(marble.with_new_key(certified).unwrap());
        change(&mut frame_4, &mut frame_5);
        (
            name.to_owned(),
            wanted,
            code(&waiting.receive(&frame_4, &frame_5, ALGORITHMS)),
        )
    }));
}

#[test]
fn a_new_key_is_certified_only_with_its_own_proof_for_this_session() {
    let world = World::renewing();
    type Proof = fn(&Attesting) -> NewKey;
    let proofs: [(&str, &str, Proof); 7] = [
        ("its proof", "accepted", |marble| {
            new_key(marble, &Key::p256())
        }),
        ("a proof by another key", "key-not-proven", |marble| {
            NewKey {
                spki: Key::p256().spki(),
                ..new_key(marble, &Key::p256())
            }
        }),
        (
            "an Ed25519 proof by another key",
            "key-not-proven",
            |marble| NewKey {
                spki: Key::ed25519().spki(),
                ..new_key(marble, &Key::ed25519())
            },
        ),
        ("a proof with another label", "key-not-proven", |marble| {
            proof_with_changed(marble, 0)
        }),
        ("a proof for another exporter", "key-not-proven", |marble| {
            proof_with_changed(marble, 1)
        }),
        ("a proof for other Hellos", "key-not-proven", |marble| {
            proof_with_changed(marble, 2)
        }),
        ("a proof with one bit changed", "key-not-proven", |marble| {
            let mut key = new_key(marble, &Key::p256());
            let middle = key.possession.len() / 2;
            key.possession[middle] ^= 1;
            key
        }),
    ];
    check_all(proofs.map(|(name, wanted, proof)| {
        let (marble, waiting) = world.until_accepted().unwrap();
        let certified = proof(&marble);
        let (_, frame_4, frame_5) = world.attest(marble.with_new_key(certified).unwrap());
        (
            name.to_owned(),
            wanted,
            code(&waiting.receive(&frame_4, &frame_5, ALGORITHMS)),
        )
    }));
}

/// The honest marble's machine refuses these itself; here they come from one that does not.
#[test]
fn a_new_key_on_activate_the_leafs_own_and_keys_of_other_kinds_are_refused() {
    let p384_like = [Key::p256().spki(), vec![0; 29]].concat();
    let cases = [
        ("activate", "purpose-not-allowed", World::new(), None),
        (
            "the leaf's own",
            "key-not-proven",
            World::renewing(),
            Some(None),
        ),
        (
            "another kind",
            "key-not-proven",
            World::renewing(),
            Some(Some(p384_like)),
        ),
    ];
    check_all(cases.map(|(name, wanted, world, spki)| {
        let fresh = Key::p256();
        let spki = match spki {
            None => fresh.spki(),
            Some(None) => world.client_tls.spki(),
            Some(Some(spki)) => spki,
        };
        let (marble, _) = world.until_accepted().unwrap();
        let possession = fresh.sign(&marble.possession_input());
        let certified = NewKey {
            spki: spki.clone(),
            possession: possession.clone(),
        };
        assert_eq!(
            code(&marble.with_new_key(certified)),
            wanted,
            "the marble's own machine, {name}"
        );
        (
            name.to_owned(),
            wanted,
            code(&receive_forged(&world, &spki, &possession)),
        )
    }));
}

/// Frames 4 and 5 of a marble that holds the connection's secrets and keeps to no other rule.
fn receive_forged(
    world: &World,
    spki: &[u8],
    possession: &[u8],
) -> Result<stoa_attestation::channel::MarbleProof, ChannelError> {
    let mut bodies = (Vec::new(), Vec::new());
    let (_, server) = world
        .changed_hellos(
            |frame| bodies.0.clone_from(&frame.body),
            |frame| bodies.1.clone_from(&frame.body),
        )
        .unwrap();
    let (waiting, frame_3) = world.frame_3(server);
    let hello = |role, body: &[u8]| Hello::decode(role, body).unwrap();
    let mut session = Session::new(
        world.marble_tls(),
        (hello(Role::Client, &bodies.0), &bodies.0),
        (hello(Role::Server, &bodies.1), &bodies.1),
    );
    let report = session.marble_report(Kind::TdxDcap, spki, &evidence_bound(&frame_3.body));
    let quote = world.quote_marble(report.report_data);
    let body = joined(&[vec![0, 2], quote, spki.to_vec(), possession.to_vec()]);
    let frame_4 = Frame {
        kind: stoa_attestation::channel::FrameType::MarbleEvidence,
        body,
    };
    session.add(&frame_3.body);
    session.add(&frame_4.body);
    waiting.receive(&frame_4, &session.finish(Role::Client), ALGORITHMS)
}

#[test]
fn evidence_of_a_kind_that_is_not_in_both_hellos_is_refused() {
    let world = World {
        kinds: vec![Kind::SgxDcap],
        ..World::new()
    };
    // A marble that offered SGX alone brings a TDX quote.
    assert_eq!(code(&receive_forged(&world, b"", b"")), "kind-not-common");
}

#[test]
fn a_key_that_can_not_be_certified_is_refused_at_once() {
    let mut world = World::new();
    world.client_seen_by_coordinator = Some(vec![0x30; 120]);
    assert_eq!(code(&world.hellos()), "key-not-proven");
}

#[test]
fn a_hello_outside_the_rules_is_not_sent() {
    let cases = [
        (
            "no kind",
            World {
                kinds: Vec::new(),
                ..World::new()
            },
        ),
        (
            "a kind twice",
            World {
                kinds: vec![Kind::Snp, Kind::Snp],
                ..World::new()
            },
        ),
        (
            "a renewal of no instance",
            World {
                instance: None,
                ..World::renewing()
            },
        ),
        (
            "a coordinator that accepts nothing",
            World {
                accepts: Vec::new(),
                ..World::new()
            },
        ),
    ];
    check_all(
        cases.map(|(name, world)| (name.to_owned(), "hello-malformed", code(&world.hellos()))),
    );
}

#[test]
fn a_leaf_of_another_marble_renews_nothing() {
    let receipt = LeafReceipt {
        marble_type: MARBLE_TYPE.to_owned(),
        instance: INSTANCE,
        epoch: 1,
        attested_at: 1,
        sequence: 1,
        head: [0; 32],
    };
    let (_, server) = World::renewing().hellos().unwrap();
    assert!(server.check_renewing_leaf(&receipt).is_ok());
    let other_type = LeafReceipt {
        marble_type: "other".to_owned(),
        ..receipt.clone()
    };
    assert_eq!(
        code(&server.check_renewing_leaf(&other_type)),
        "leaf-not-valid"
    );
    let other_instance = LeafReceipt {
        instance: [9; 16],
        ..receipt
    };
    assert_eq!(
        code(&server.check_renewing_leaf(&other_instance)),
        "leaf-not-valid"
    );
}

#[test]
fn nonces_stand_where_they_belong() {
    let (marble, input, _) = until_attesting(&World::new());
    drop(marble);
    let fields = fields(&input);
    assert_eq!(fields[7], SERVER_NONCE, "the verifier's");
    assert_eq!(fields[8], CLIENT_NONCE, "the attester's");
}

fn set_field(frame: &mut Frame, index: usize, with: Vec<u8>) {
    let mut all = fields(&frame.body);
    all[index] = with;
    frame.body = joined(&all);
}

fn proof_with_changed(marble: &Attesting, index: usize) -> NewKey {
    let key = Key::p256();
    let possession = key.sign(&with_field_changed(&marble.possession_input(), index));
    NewKey {
        spki: key.spki(),
        possession,
    }
}

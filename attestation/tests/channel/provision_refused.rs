//! The marble after frame 7: nothing of it counts before the finish and the chain.

use stoa_attestation::channel::{ChannelError, LeafReceipt};

use crate::certificates::{Spec, certificate};
use crate::lists::{check_all, code, with_field_changed};
use crate::world::{ALGORITHMS, INSTANCE, Key, MARBLE_TYPE, NOW, World, unix};

#[test]
fn frames_6_and_7_changed_on_their_way_are_refused() {
    let world = World::new();
    let run = |change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (marble, verified) = world.until_proved();
        let (mut frame_6, mut frame_7) = verified.provision(b"the provision".to_vec()).unwrap();
        change(&mut frame_6.body, &mut frame_7.body);
        code(&marble.receive(&frame_6, frame_7))
    };
    assert_eq!(run(&|_, _| {}), "accepted");
    assert_eq!(
        run(&|six, _| *six = with_field_changed(six, 0)),
        "finish-differs"
    );
    assert_eq!(run(&|_, seven| seven[0] ^= 1), "finish-differs");
    assert_eq!(run(&|_, seven| seven.push(0)), "finish-differs");
    assert_eq!(run(&|_, seven| seven.clear()), "finish-differs");
    assert_eq!(run(&|six, _| six.clear()), "frame-malformed");
}

#[test]
fn the_marbles_own_finish_sent_back_is_not_the_coordinators() {
    let world = World::new();
    let (marble, waiting) = world.until_accepted().unwrap();
    let (marble, frame_4, mut frame_5) = world.attest(marble);
    let verified = world
        .verify(waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap())
        .unwrap();
    let (frame_6, frame_7) = verified.provision(Vec::new()).unwrap();
    frame_5.kind = frame_6.kind;
    assert_eq!(code(&marble.receive(&frame_5, frame_7)), "finish-differs");
}

#[test]
fn a_provision_above_its_limit_is_not_sent() {
    let world = World::new();
    let limit = stoa_attestation::channel::limits::PROVISION_BYTES_MAX;
    let (_, verified) = world.until_proved();
    assert_eq!(code(&verified.provision(vec![0; limit + 1])), "too-large");
    let (marble, verified) = world.until_proved();
    let (frame_6, frame_7) = verified.provision(vec![0; limit]).unwrap();
    assert_eq!(
        marble.receive(&frame_6, frame_7).unwrap().body().len(),
        limit
    );
}

/// The certificates of frame 7, before they are signed, and who signs them.
struct Chain {
    leaf: Spec,
    issuing: Spec,
    root: Spec,
    leaf_signer: Option<Key>,
    issuing_signer: Option<Key>,
    with: fn(&mut Vec<Vec<u8>>, &mut Vec<Vec<u8>>),
}

type ChainChange = fn(&mut Chain);

fn chain(world: &World) -> Chain {
    let receipt = LeafReceipt {
        marble_type: MARBLE_TYPE.to_owned(),
        instance: INSTANCE,
        epoch: 2,
        attested_at: NOW,
        sequence: 42,
        head: [1; 32],
    };
    let ca = Spec {
        subject: "root",
        issuer: "root",
        spki: world.root.spki(),
        ca: true,
        from: "260101000000Z",
        until: "360101000000Z",
        receipt: None,
    };
    let issuing = Spec {
        subject: "issuing",
        spki: world.issuing.spki(),
        ..ca.clone()
    };
    let leaf = Spec {
        subject: "leaf",
        issuer: "issuing",
        spki: world.client_tls.spki(),
        ca: false,
        from: "270115080000Z",
        until: "270116080000Z",
        receipt: Some(receipt),
    };
    Chain {
        leaf,
        issuing,
        root: ca,
        leaf_signer: None,
        issuing_signer: None,
        with: |_, _| {},
    }
}

fn judged(world: &World, chain: &Chain, at: u64) -> Result<LeafReceipt, ChannelError> {
    let leaf = certificate(
        &chain.leaf,
        chain.leaf_signer.as_ref().unwrap_or(&world.issuing),
    );
    let issuing = certificate(
        &chain.issuing,
        chain.issuing_signer.as_ref().unwrap_or(&world.root),
    );
    let (mut certificates, mut trust) = (
        vec![leaf, issuing],
        vec![certificate(&chain.root, &world.root)],
    );
    (chain.with)(&mut certificates, &mut trust);
    world
        .until_provisioned(b"body")
        .check_chain(&certificates, &trust, ALGORITHMS, unix(at))
}

#[test]
fn the_chain_of_the_provision_agrees_with_the_verified_coordinator() {
    let world = World::new();
    let receipt = judged(&world, &chain(&world), NOW).unwrap();
    assert_eq!((receipt.epoch, receipt.sequence), (2, 42));
}

#[test]
fn a_chain_that_differs_in_one_thing_is_refused() {
    let changes: [(&str, ChainChange); 17] = [
        ("the leaf's key", |chain| {
            chain.leaf.spki = Key::p256().spki()
        }),
        ("the issuing CA's key", |chain| {
            chain.issuing.spki = Key::p256().spki()
        }),
        ("the root's key", |chain| {
            chain.root.spki = Key::p256().spki()
        }),
        ("who signed the leaf", |chain| {
            chain.leaf_signer = Some(Key::p256())
        }),
        ("who signed the issuing CA", |chain| {
            chain.issuing_signer = Some(Key::p256())
        }),
        ("the leaf's issuer", |chain| chain.leaf.issuer = "other"),
        ("the issuing CA's issuer", |chain| {
            chain.issuing.issuer = "other"
        }),
        ("a leaf that is a CA", |chain| chain.leaf.ca = true),
        ("an issuing CA that is none", |chain| {
            chain.issuing.ca = false
        }),
        ("no receipt", |chain| chain.leaf.receipt = None),
        ("the type", |chain| {
            chain.leaf.receipt.as_mut().unwrap().marble_type = "other".to_owned()
        }),
        ("the instance", |chain| {
            chain.leaf.receipt.as_mut().unwrap().instance = [2; 16]
        }),
        ("a leaf of tomorrow", |chain| {
            chain.leaf.from = "270116080000Z"
        }),
        ("a leaf of yesterday", |chain| {
            chain.leaf.until = "270115075959Z"
        }),
        ("an issuing CA that ended", |chain| {
            chain.issuing.until = "270115075959Z"
        }),
        ("a leaf alone", |chain| {
            chain.with = |chain, _| chain.truncate(1)
        }),
        ("no root", |chain| chain.with = |_, trust| trust.clear()),
    ];
    check_all(changes.map(|(name, change)| {
        let world = World::new();
        let mut chain = chain(&world);
        change(&mut chain);
        (
            name.to_owned(),
            "leaf-not-valid",
            code(&judged(&world, &chain, NOW)),
        )
    }));
}

/// Chains that are whole in themselves, of a CA that the verified coordinator did not name.
#[test]
fn a_whole_chain_of_another_issuing_ca_or_root_is_refused() {
    let changes: [(&str, ChainChange); 2] = [
        ("another issuing CA of the same root", |chain| {
            let key = Key::p256();
            chain.issuing.spki = key.spki();
            chain.leaf_signer = Some(key);
        }),
        ("another root over the same issuing CA", |chain| {
            let key = Key::p256();
            chain.root.spki = key.spki();
            chain.issuing_signer = Some(key);
        }),
    ];
    check_all(changes.map(|(name, change)| {
        let world = World::new();
        let mut chain = chain(&world);
        change(&mut chain);
        (
            name.to_owned(),
            "leaf-not-valid",
            code(&judged(&world, &chain, NOW)),
        )
    }));
}

#[test]
fn a_chain_with_the_root_behind_it_or_bytes_behind_a_certificate_is_refused() {
    let changes: [(&str, ChainChange); 3] = [
        ("the root as third", |chain| {
            chain.with = |chain, trust| chain.push(trust[0].clone())
        }),
        ("a byte behind the leaf", |chain| {
            chain.with = |chain, _| chain[0].push(0)
        }),
        ("a byte behind the root", |chain| {
            chain.with = |_, trust| trust[0].push(0)
        }),
    ];
    check_all(changes.map(|(name, change)| {
        let world = World::new();
        let mut chain = chain(&world);
        change(&mut chain);
        (
            name.to_owned(),
            "leaf-not-valid",
            code(&judged(&world, &chain, NOW)),
        )
    }));
}

#[test]
fn a_leaf_may_begin_as_far_ahead_as_the_clocks_may_differ() {
    let world = World::new();
    let chain = chain(&world);
    assert_eq!(code(&judged(&world, &chain, NOW - 300)), "accepted");
    assert_eq!(code(&judged(&world, &chain, NOW - 301)), "leaf-not-valid");
    assert_eq!(code(&judged(&world, &chain, NOW + 86_400)), "accepted");
    assert_eq!(
        code(&judged(&world, &chain, NOW + 86_401)),
        "leaf-not-valid"
    );
}

#[test]
fn an_instance_that_the_coordinator_was_to_choose_may_be_any() {
    let mut world = World::new();
    world.instance = None;
    let mut chain = chain(&world);
    chain.leaf.receipt.as_mut().unwrap().instance = [0xfe; 16];
    assert_eq!(judged(&world, &chain, NOW).unwrap().instance, [0xfe; 16]);
}

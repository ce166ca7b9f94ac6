//! What must work: whole Joins, for each purpose, kind and kind of key.

use stoa_attestation::channel::{
    Purpose, Seen, StateBytes, Switches, check_security_digest, check_session_bound,
    default_security_digest,
};
use stoa_attestation::{Anchor, Body, Kind, Reference, Vendor};
use stoa_synthetic::SgxIdentity;

use crate::lists::{check_all, code};
use crate::world::{
    ALGORITHMS, HEAD, INSTANCE, Key, MARBLE, MARBLE_TYPE, NOW, SEQUENCE, World, new_key, unix,
};

#[test]
fn a_marble_activates_and_both_sides_know_the_same() {
    let world = World::new();
    let (marble, waiting) = world.until_accepted().unwrap();
    assert_eq!(
        marble.kind(),
        Kind::TdxDcap,
        "the marble's first kind that the coordinator accepts"
    );
    assert_eq!(marble.accepted().state, world.state_bytes());
    assert_eq!(marble.accepted().quoted_at, world.quoted_at);
    assert!(
        matches!(&marble.accepted().claims.body, Body::Sgx(body) if body.mr_enclave == [0xc0; 32])
    );

    let (marble, frame_4, frame_5) = world.attest(marble);
    let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
    assert_eq!(proof.kind(), Kind::TdxDcap);
    assert_eq!(proof.spki(), world.client_tls.spki());
    assert_eq!(proof.hello().marble_type, MARBLE_TYPE);
    assert_eq!(proof.hello().instance, Some(INSTANCE));
    assert_eq!(proof.hello().purpose, Purpose::Activate);
    let verified = world.verify(proof).unwrap();
    assert!(matches!(&verified.claims().body, Body::Tdx(body) if body.mr_td == MARBLE.mrtd));

    let (frame_6, frame_7) = verified.provision(b"the provision".to_vec()).unwrap();
    let provisioned = marble.receive(&frame_6, frame_7).unwrap();
    assert_eq!(provisioned.body(), b"the provision");
    assert_eq!(provisioned.accepted().state, world.state_bytes());
    assert!(
        !format!("{provisioned:?}").contains("the provision"),
        "secrets are not printed"
    );
}

#[test]
fn an_sgx_marble_activates_with_its_own_kind() {
    let world = World {
        kinds: vec![Kind::SgxDcap],
        ..World::new()
    };
    let (marble, waiting) = world.until_accepted().unwrap();
    let enclave = SgxIdentity {
        mrenclave: [9; 32],
        ..world.coordinator
    };
    let quote = world.platform.quote_sgx(&enclave, marble.report_data());
    let (_, frame_4, frame_5) = marble.evidence(quote).unwrap();
    let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
    let collateral = world
        .platform
        .collateral_json(stoa_synthetic::Tee::Sgx, unix(NOW));
    let collateral = stoa_attestation::Collateral::parse(&collateral)
        .unwrap()
        .verify(&world.trust())
        .unwrap();
    let verified = proof
        .verify(&world.trust(), &collateral, unix(NOW))
        .unwrap();
    assert!(matches!(&verified.claims().body, Body::Sgx(body) if body.mr_enclave == [9; 32]));
}

#[test]
fn a_marble_without_a_proposed_instance_activates() {
    let world = World {
        instance: None,
        ..World::new()
    };
    let (_, verified) = world.until_proved();
    assert_eq!(verified.hello().instance, None);
}

#[test]
fn a_marble_renews_its_old_key_or_a_new_one_of_either_kind() {
    let world = World::renewing();
    let (_, verified) = world.until_proved();
    assert_eq!(verified.spki(), world.client_tls.spki());

    for key in [Key::p256(), Key::ed25519()] {
        let (marble, waiting) = world.until_accepted().unwrap();
        let certified = new_key(&marble, &key);
        let marble = marble.with_new_key(certified).unwrap();
        let (marble, frame_4, frame_5) = world.attest(marble);
        let proof = waiting.receive(&frame_4, &frame_5, ALGORITHMS).unwrap();
        assert_eq!(proof.spki(), key.spki());
        let (frame_6, frame_7) = world.verify(proof).unwrap().provision(vec![7]).unwrap();
        assert_eq!(marble.receive(&frame_6, frame_7).unwrap().body(), [7]);
    }
}

#[test]
fn a_marble_activates_with_an_ed25519_key() {
    let world = World {
        client_tls: Key::ed25519(),
        ..World::new()
    };
    let (_, verified) = world.until_proved();
    assert_eq!(verified.spki(), world.client_tls.spki());
}

#[test]
fn clocks_may_differ_by_300_seconds_either_way() {
    check_all([0, 1, 300, -1, -300, 301, -301].map(|ahead: i64| {
        let at = NOW.checked_add_signed(ahead).unwrap();
        let wanted = if ahead.abs() <= 300 {
            "accepted"
        } else {
            "clock-differs"
        };
        let got = code(
            &World {
                time: at,
                ..World::new()
            }
            .until_accepted(),
        );
        (
            format!("the coordinator's clock {ahead} s ahead"),
            wanted,
            got,
        )
    }));
    check_all([0, 1, 300, -1, -300, 301, -301].map(|ahead: i64| {
        let quoted_at = NOW.checked_add_signed(ahead).unwrap();
        let wanted = if ahead.abs() <= 300 {
            "accepted"
        } else {
            "session-key-stale"
        };
        let got = code(
            &World {
                quoted_at,
                ..World::new()
            }
            .until_accepted(),
        );
        (
            format!("the session key quoted {ahead} s ahead"),
            wanted,
            got,
        )
    }));
    let off = World {
        marble_now: NOW + 86_400 * 365,
        ..World::new()
    };
    assert_eq!(
        code(&off.until_accepted()),
        "clock-differs",
        "a clock that is off must not look like old collateral"
    );
}

#[test]
fn a_history_may_stand_still_or_go_on_but_not_back() {
    let cases = [
        (SEQUENCE, HEAD, "accepted"),
        (SEQUENCE - 1, [0; 32], "accepted"),
        (0, [0; 32], "accepted"),
        (SEQUENCE, [0; 32], "history-went-back"),
        (SEQUENCE + 1, HEAD, "history-went-back"),
        (u64::MAX, HEAD, "history-went-back"),
    ];
    check_all(cases.map(|(sequence, head, wanted)| {
        let mut world = World::new();
        world.seen = Some(Seen {
            root: world.root.id(),
            sequence,
            head,
        });
        (
            format!("seen {sequence}"),
            wanted,
            code(&world.until_accepted()),
        )
    }));
    let world = World {
        seen: Some(Seen {
            root: [1; 32],
            sequence: 0,
            head: HEAD,
        }),
        ..World::new()
    };
    assert_eq!(
        code(&world.until_accepted()),
        "mesh-differs",
        "a memory of another mesh"
    );
}

#[test]
fn switches_are_accepted_only_as_the_rules_say() {
    let own_root = World::new().switches;
    let mut more = own_root.clone();
    more.set("other-switch", "1").unwrap();
    let mut other = Switches::none();
    other.set("other-switch", "1").unwrap();
    let foreign_root = Switches::insecure_trust_root(&[0; 32]);

    // What the coordinator runs with, what the reference names, what comes of it.
    let cases = [
        ("none", Switches::none(), None, "accepted"),
        (
            "the verifier's own root",
            own_root.clone(),
            None,
            "accepted",
        ),
        (
            "another root",
            foreign_root.clone(),
            None,
            "security-digest-differs",
        ),
        (
            "another switch",
            other.clone(),
            None,
            "security-digest-differs",
        ),
        (
            "the verifier's own root and another switch",
            more.clone(),
            None,
            "security-digest-differs",
        ),
        (
            "what the reference names",
            more.clone(),
            Some(more.digest()),
            "accepted",
        ),
        (
            "less than the reference names",
            own_root,
            Some(more.digest()),
            "security-digest-differs",
        ),
        (
            "none, the reference names some",
            Switches::none(),
            Some(more.digest()),
            "security-digest-differs",
        ),
        (
            "some, the reference names the default",
            other,
            Some(default_security_digest()),
            "security-digest-differs",
        ),
        (
            "another root that the reference names",
            foreign_root.clone(),
            Some(foreign_root.digest()),
            "accepted",
        ),
    ];
    check_all(cases.map(|(name, switches, security_digest, wanted)| {
        let mut world = World {
            switches,
            ..World::new()
        };
        world.reference.security_digest = security_digest;
        (name.to_owned(), wanted, code(&world.until_accepted()))
    }));
}

/// A verifier that was given an insecure root still wants the default of a coordinator on real hardware.
#[test]
fn an_insecure_root_counts_only_for_evidence_under_it() {
    let (reference, intel) = (Reference::default(), Anchor::intel());
    let own = Anchor::insecure_from_pem(World::new().platform.root_pem()).unwrap();
    for root in [&intel, &own] {
        let digest = Switches::insecure_trust_root(&root.sha256()).digest();
        let refused =
            check_security_digest(&digest, &reference, &intel, std::slice::from_ref(&own));
        assert_eq!(code(&refused), "security-digest-differs", "{}", root.name());
    }
    assert!(check_security_digest(&default_security_digest(), &reference, &intel, &[]).is_ok());
    let digest = Switches::insecure_trust_root(&own.sha256()).digest();
    assert!(check_security_digest(&digest, &reference, &own, &[]).is_ok());
}

/// Two roots of one's own, one for each vendor: both switches, each with its root, and only of roots that the verifier has.
#[test]
fn a_root_in_the_other_vendors_place_is_a_switch_of_its_own() {
    let reference = Reference::default();
    let intel = Anchor::insecure_from_pem(World::new().platform.root_pem()).unwrap();
    let amd = std::fs::read_to_string(support_root().join("snp-roots/synthetic_ask_ark_milan.pem"));
    let amd = amd.unwrap();
    let (_, amd) = amd.split_once("-----END CERTIFICATE-----\n").unwrap();
    let amd = Anchor::insecure_from_pem(amd).unwrap();
    assert_eq!((intel.vendor(), amd.vendor()), (Vendor::Intel, Vendor::Amd));
    let digest = |roots: &[&Anchor]| {
        Switches::insecure_trust_roots(roots.iter().copied())
            .unwrap()
            .digest()
    };
    let (one, other) = (digest(&[&intel]), digest(&[&amd]));
    let both = digest(&[&intel, &amd]);
    assert_eq!(both, digest(&[&amd, &intel]));
    assert_eq!(one, Switches::insecure_trust_root(&intel.sha256()).digest());
    assert_ne!(other, Switches::insecure_trust_root(&amd.sha256()).digest());
    assert!(Switches::insecure_trust_roots([&intel, &intel]).is_err());

    let anchors = [intel.clone(), amd.clone()];
    let cases = [
        ("own root alone", one, &intel, &anchors[..], true),
        (
            "both, of a verifier with both",
            both,
            &intel,
            &anchors,
            true,
        ),
        ("both, evidence under the other", both, &amd, &anchors, true),
        ("the other's alone", other, &intel, &anchors, false),
        (
            "both, of a verifier with one",
            both,
            &intel,
            &anchors[..1],
            false,
        ),
        ("none", default_security_digest(), &intel, &anchors, true),
    ];
    for (what, digest, under, anchors, accepted) in cases {
        let checked = check_security_digest(&digest, &reference, under, anchors);
        assert_eq!(checked.is_ok(), accepted, "{what}");
    }
}

fn support_root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

/// What a client runs over a statement is what a marble runs over frame 3.
#[test]
fn the_bound_of_a_session_key_can_be_checked_by_itself() {
    let world = World::new();
    let (marble, _) = world.until_accepted().unwrap();
    let accepted = marble.accepted();
    let check = |kind, spki: &[u8], state: &StateBytes, quoted_at| {
        code(&check_session_bound(
            &accepted.claims,
            kind,
            spki,
            state,
            quoted_at,
        ))
    };
    let (spki, state, at) = (world.session.spki(), &accepted.state, world.quoted_at);
    let mut other_digest = state.clone();
    other_digest.security_digest[0] ^= 1;
    assert_eq!(check(Kind::SgxDcap, &spki, state, at), "accepted");
    assert_eq!(check(Kind::TdxDcap, &spki, state, at), "binding-differs");
    assert_eq!(
        check(Kind::SgxDcap, &Key::p256().spki(), state, at),
        "binding-differs"
    );
    assert_eq!(
        check(Kind::SgxDcap, &spki, &other_digest, at),
        "binding-differs"
    );
    assert_eq!(
        check(Kind::SgxDcap, &spki, state, at + 1),
        "binding-differs"
    );
}

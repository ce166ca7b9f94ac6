//! The marble before frame 4: each field of what binds the coordinator's evidence, changed alone.

use std::sync::Arc;

use sha2::{Digest, Sha512};
use stoa_attestation::channel::{
    CoordinatorCheck, CoordinatorState, Frame, FrameType, Pin, Purpose, SessionEvidence,
    StateBytes, Switches, session_bound, session_report_data, session_report_input,
    statement_signature_input,
};
use stoa_attestation::policy::Tolerance;
use stoa_attestation::{
    Anchor, Collateral, Floors, Invalid, Kind, NoMemo, ReferenceValue, SnpReference, TcbStatus,
    Trust,
};
use stoa_explain::Explain;
use stoa_synthetic::{GuestIdentity, Knobs, Platform, PlatformTcb, SgxIdentity, SnpVendor};

use crate::lists::{Change, check_all, code, fields, joined, one_field_changed};
use crate::world::{CLIENT_NONCE, COORDINATOR, Key, NOW, World, evidence_error, unix};

#[test]
fn every_field_of_the_coordinators_report_data_counts() {
    let world = World::new();
    let (state, session) = (world.state_bytes(), world.session.id());
    let bound = session_bound(
        state.root().as_ref(),
        &state.security_digest,
        world.quoted_at,
    );
    let input = session_report_input(Kind::SgxDcap, &session, &bound).bytes();
    assert_eq!(fields(&input).len(), 12);
    let outcome = |input: &[u8]| {
        let evidence = world.quote_coordinator(Sha512::digest(input).into());
        code(&accept_with_evidence(
            &world,
            &SessionEvidence {
                evidence,
                ..world.session_evidence()
            },
        ))
    };
    assert_eq!(outcome(&input), "accepted");
    check_all(
        one_field_changed(&input)
            .into_iter()
            .map(|(name, input)| (name, "binding-differs", outcome(&input))),
    );
}

#[test]
fn every_field_of_what_the_quote_names_counts() {
    let world = World::new();
    let state = world.state_bytes();
    let (root, digest, at) = (state.root(), state.security_digest, world.quoted_at);
    let cases = [
        ("the root CA", session_bound(Some(&[1; 32]), &digest, at)),
        ("no root CA", session_bound(None, &digest, at)),
        (
            "the security digest",
            session_bound(root.as_ref(), &[1; 48], at),
        ),
        (
            "the time of the quote",
            session_bound(root.as_ref(), &digest, at + 1),
        ),
    ];
    check_all(cases.map(|(name, bound)| {
        let report_data =
            session_report_input(Kind::SgxDcap, &world.session.id(), &bound).report_data();
        let evidence = SessionEvidence {
            evidence: world.quote_coordinator(report_data),
            ..world.session_evidence()
        };
        (
            name.to_owned(),
            "binding-differs",
            code(&accept_with_evidence(&world, &evidence)),
        )
    }));
}

#[test]
fn every_field_of_the_session_signature_counts() {
    let world = World::new();
    let (_, server) = world.hellos().unwrap();
    let (_, input) = world.to_sign(server);
    assert_eq!(fields(&input).len(), 10);
    check_all(
        one_field_changed(&input)
            .into_iter()
            .map(|(name, changed)| {
                let (marble, server) = world.hellos().unwrap();
                let (signing, to_sign) = world.to_sign(server);
                assert_eq!(to_sign, input);
                let (_, frame_3) = signing.signed(world.session.sign(&changed)).unwrap();
                (
                    name,
                    "binding-differs",
                    code(&world.accept(marble, &frame_3)),
                )
            }),
    );
}

#[test]
fn a_signature_for_a_statement_or_another_purpose_or_by_another_key_is_not_one_for_a_join() {
    let world = World::new();
    let sign = |key: &Key, input: &dyn Fn(&[u8]) -> Vec<u8>| {
        let (marble, server) = world.hellos().unwrap();
        let (signing, to_sign) = world.to_sign(server);
        let (_, frame_3) = signing.signed(key.sign(&input(&to_sign))).unwrap();
        code(&world.accept(marble, &frame_3))
    };
    assert_eq!(sign(&world.session, &<[u8]>::to_vec), "accepted");
    assert_eq!(sign(&Key::p256(), &<[u8]>::to_vec), "binding-differs");
    let statement =
        |_: &[u8]| statement_signature_input(&CLIENT_NONCE, &world.state_bytes(), b"{}");
    assert_eq!(sign(&world.session, &statement), "binding-differs");
    let renew = |to_sign: &[u8]| {
        let mut fields = fields(to_sign);
        fields[1] = vec![Purpose::Renew.number()];
        joined(&fields)
    };
    assert_eq!(sign(&world.session, &renew), "binding-differs");
}

#[test]
fn every_field_of_the_state_bytes_counts_after_they_were_signed() {
    let changes: [Change<StateBytes>; 13] = [
        ("sequence", "binding-differs", |state| state.sequence += 1),
        ("head", "binding-differs", |state| state.head[0] ^= 1),
        ("TLS leaf", "binding-differs", |state| {
            state.tls_leaf[0] ^= 1
        }),
        ("security digest", "binding-differs", |state| {
            state.security_digest[0] ^= 1
        }),
        ("witness", "binding-differs", |state| {
            state.witness = stoa_attestation::channel::Witness::Etcd
        }),
        ("time", "binding-differs", |state| state.time += 1),
        ("root", "mesh-differs", |state| {
            with_marbles(state, |root, _, _, _, _| root[0] ^= 1)
        }),
        ("issuing", "binding-differs", |state| {
            with_marbles(state, |_, issuing, _, _, _| issuing[0] ^= 1)
        }),
        ("manifest", "binding-differs", |state| {
            with_marbles(state, |_, _, manifest, _, _| manifest[0] ^= 1)
        }),
        ("transition", "binding-differs", |state| {
            with_marbles(state, |_, _, _, transition, _| transition[0] ^= 1)
        }),
        ("owner", "binding-differs", |state| {
            with_marbles(state, |_, _, _, _, owner| *owner = Some([1; 32]))
        }),
        ("state 2", "state-not-accepting", |state| {
            state.state = CoordinatorState::AcceptingManifest {
                root: state.root().unwrap(),
                owner: None,
            };
        }),
        ("state 1", "state-not-accepting", |state| {
            state.state = CoordinatorState::Recovery
        }),
    ];
    let world = World::new();
    check_all(changes.map(|(name, wanted, change)| {
        let (marble, server) = world.hellos().unwrap();
        let (_, mut frame_3) = world.frame_3(server);
        let mut body = fields(&frame_3.body);
        let mut state = StateBytes::decode(&body[4]).unwrap();
        change(&mut state);
        body[4] = state.encode();
        frame_3.body = joined(&body);
        (
            name.to_owned(),
            wanted,
            code(&world.accept(marble, &frame_3)),
        )
    }));
}

/// A coordinator that signs and quotes another state than 3 is genuine, and refused all the same.
#[test]
fn only_a_coordinator_in_state_3_sees_a_marbles_evidence() {
    let states: [(&str, StateChange); 2] = [
        ("waiting for a manifest", |state| {
            state.state = CoordinatorState::AcceptingManifest {
                root: state.root().unwrap(),
                owner: Some([2; 32]),
            };
        }),
        ("recovery", |state| state.state = CoordinatorState::Recovery),
    ];
    check_all(states.map(|(name, state)| {
        (
            name.to_owned(),
            "state-not-accepting",
            code(
                &World {
                    state,
                    ..World::new()
                }
                .until_accepted(),
            ),
        )
    }));
}

#[test]
fn every_field_of_frame_3_counts_on_its_way() {
    let cases: [Change<Vec<Vec<u8>>>; 7] = [
        ("kind", "evidence-kind-differs", |fields| {
            fields[0] = vec![0, 2]
        }),
        // Byte 100 is inside the report that the attestation key signed.
        ("evidence", "quote-signature-invalid", |fields| {
            fields[1][100] ^= 1
        }),
        ("session SPKI", "binding-differs", |fields| {
            fields[2][60] ^= 1
        }),
        ("quoted_at", "binding-differs", |fields| fields[3][7] ^= 1),
        ("state bytes", "binding-differs", |fields| {
            *fields[4].last_mut().unwrap() ^= 1
        }),
        ("collateral", "collateral-malformed", |fields| {
            fields[5][0] ^= 1
        }),
        ("signature", "binding-differs", |fields| {
            *fields[6].last_mut().unwrap() ^= 1
        }),
    ];
    let world = World::new();
    check_all(cases.map(|(name, wanted, change)| {
        let (marble, server) = world.hellos().unwrap();
        let (_, mut frame_3) = world.frame_3(server);
        let mut fields = fields(&frame_3.body);
        assert_eq!(fields.len(), cases.len());
        change(&mut fields);
        frame_3.body = joined(&fields);
        (
            name.to_owned(),
            wanted,
            code(&world.accept(marble, &frame_3)),
        )
    }));
}

#[test]
fn every_fact_of_the_connection_counts() {
    let cases: [Change<World>; 4] = [
        ("nothing", "accepted", |_| {}),
        (
            "the exporter (a relay that holds both leaf keys)",
            "binding-differs",
            |world| world.x_coordinator[0] ^= 1,
        ),
        (
            "the server's leaf (a relay with its own)",
            "binding-differs",
            |world| {
                world.server_seen_by_marble = Some(Key::p256().spki());
            },
        ),
        (
            "the client's leaf (a relay with its own)",
            "binding-differs",
            |world| {
                world.client_seen_by_coordinator = Some(Key::p256().spki());
            },
        ),
    ];
    check_all(cases.map(|(name, wanted, change)| {
        let mut world = World::new();
        change(&mut world);
        (name.to_owned(), wanted, code(&world.until_accepted()))
    }));
}

/// Who notices a Hello that was changed on its way, and how. Values are well-formed where there are such, so that it is
/// the binding that has to notice.
#[test]
fn every_field_of_the_hellos_counts_on_its_way() {
    const MARBLES: usize = 1;
    const COORDINATORS: usize = 2;
    let cases: [(&str, usize, usize, &[u8], &str); 18] = [
        ("label", MARBLES, 0, b"stoa/hello/2", "hello-malformed"),
        ("version", MARBLES, 1, &[0, 2], "version-unsupported"),
        ("role", MARBLES, 2, &[2], "hello-malformed"),
        ("nonce", MARBLES, 3, &[1; 32], "binding-differs"),
        ("kinds, one less", MARBLES, 4, &[0, 2], "binding-differs"),
        (
            "kinds, another order",
            MARBLES,
            4,
            &[0, 1, 0, 2],
            "binding-differs",
        ),
        ("marble type", MARBLES, 5, b"other", "binding-differs"),
        ("instance", MARBLES, 6, &[1; 16], "binding-differs"),
        ("no instance", MARBLES, 6, &[], "binding-differs"),
        ("purpose", MARBLES, 7, &[2], "purpose-not-allowed"),
        ("label", COORDINATORS, 0, b"stoa/hello/2", "hello-malformed"),
        ("version", COORDINATORS, 1, &[0, 2], "version-unsupported"),
        ("role", COORDINATORS, 2, &[1], "hello-malformed"),
        ("nonce", COORDINATORS, 3, &[1; 32], "binding-differs"),
        (
            "kinds, one less",
            COORDINATORS,
            4,
            &[0, 2],
            "binding-differs",
        ),
        ("marble type", COORDINATORS, 5, b"signer", "hello-malformed"),
        ("instance", COORDINATORS, 6, &[1; 16], "hello-malformed"),
        ("purpose", COORDINATORS, 7, &[2], "purpose-not-allowed"),
    ];
    let world = World::new();
    let outcome = |whose: usize, field: usize, with: &[u8]| {
        let change = |hello: usize, frame: &mut Frame| {
            if hello == whose {
                let mut fields = fields(&frame.body);
                fields[field] = with.to_vec();
                frame.body = joined(&fields);
            }
        };
        let run = || {
            let (marble, server) = world.changed_hellos(
                |frame| change(MARBLES, frame),
                |frame| change(COORDINATORS, frame),
            )?;
            let (_, frame_3) = world.frame_3(server);
            world.accept(marble, &frame_3)
        };
        code(&run())
    };
    assert_eq!(
        outcome(MARBLES, 5, crate::world::MARBLE_TYPE.as_bytes()),
        "accepted"
    );
    check_all(cases.map(|(name, whose, field, with, wanted)| {
        (
            format!("frame {whose}, {name}"),
            wanted,
            outcome(whose, field, with),
        )
    }));
    for purpose in [0, 3, 4, 5, 6, 7] {
        assert_eq!(
            outcome(MARBLES, 7, &[purpose]),
            "purpose-not-allowed",
            "{purpose}"
        );
        assert_eq!(
            outcome(COORDINATORS, 7, &[purpose]),
            "purpose-not-allowed",
            "{purpose}"
        );
    }
}

#[test]
fn a_hello_sent_back_is_no_answer() {
    let world = World::new();
    let reflected = world.changed_hellos(
        |_| {},
        |frame_2| {
            let own = stoa_attestation::channel::ClientHelloState::start(
                world.marble_tls(),
                &world.kinds,
                crate::world::MARBLE_TYPE,
                world.instance,
                world.purpose,
                CLIENT_NONCE,
            );
            frame_2.body = own.unwrap().1.body;
        },
    );
    assert_eq!(code(&reflected), "hello-malformed");
}

#[test]
fn frames_out_of_turn_are_refused() {
    let world = World::new();
    let (marble, server) = world.hellos().unwrap();
    let (_, mut frame_3) = world.frame_3(server);
    frame_3.kind = FrameType::MarbleEvidence;
    assert_eq!(code(&world.accept(marble, &frame_3)), "frame-unexpected");
}

#[test]
fn sides_without_a_common_kind_part() {
    let world = World {
        kinds: vec![Kind::TdxDcap, Kind::Snp],
        accepts: vec![Kind::SgxDcap],
        ..World::new()
    };
    assert_eq!(code(&world.hellos()), "kind-not-common");
}

#[test]
fn another_mesh_is_refused_even_by_a_genuine_coordinator() {
    let world = World {
        pin: Some(Key::p256().id()),
        ..World::new()
    };
    assert_eq!(code(&world.until_accepted()), "mesh-differs");
}

#[test]
fn another_program_is_no_coordinator() {
    let changes: [Change<SgxIdentity>; 2] = [
        ("MRENCLAVE", "measurement-differs", |id| {
            id.mrenclave[0] ^= 1
        }),
        ("debug", "debug-not-accepted", |id| id.debug = true),
    ];
    check_all(changes.map(|(name, wanted, change)| {
        let mut coordinator = COORDINATOR;
        change(&mut coordinator);
        (
            name.to_owned(),
            wanted,
            code(
                &World {
                    coordinator,
                    ..World::new()
                }
                .until_accepted(),
            ),
        )
    }));
}

#[test]
fn a_platform_below_the_policy_or_outside_the_list_carries_no_coordinator() {
    let base = World::new();
    let worse = base.platform.with_knobs(Knobs {
        tcb: PlatformTcb::OutOfDate,
        ..Knobs::default()
    });
    let mut world = World {
        coordinator_platform: Some(worse),
        ..World::new()
    };
    assert_eq!(code(&world.until_accepted()), "tcb-not-accepted");
    world.reference.tcb.accepted.insert(TcbStatus::OutOfDate);
    assert_eq!(code(&world.until_accepted()), "accepted");

    let mut world = World::new();
    world.reference.tcb.platforms = Some(vec!["00".repeat(16)]);
    assert_eq!(code(&world.until_accepted()), "platform-not-listed");
    let listed = hex::encode(
        world
            .platform
            .instance_id()
            .unwrap_or_else(|| world.platform.ppid()),
    );
    world.reference.tcb.platforms = Some(vec![listed, hex::encode(world.platform.ppid())]);
    assert_eq!(code(&world.until_accepted()), "accepted");
}

#[test]
fn evidence_and_collateral_count_only_under_the_marbles_own_anchors() {
    let world = World {
        anchors: vec![Anchor::intel()],
        ..World::new()
    };
    assert_eq!(code(&world.until_accepted()), "root-untrusted");

    let foreign = Platform::seeded([8; 32], Knobs::default());
    let world = World {
        coordinator_platform: Some(foreign),
        ..World::new()
    };
    let refused = world.until_accepted().map(|_| ()).unwrap_err();
    assert!(
        matches!(
            evidence_error(&refused),
            Some(Invalid::RootUntrusted { .. })
        ),
        "{refused}"
    );
}

#[test]
fn a_coordinator_without_collateral_is_not_believed() {
    let world = World::new();
    let (marble, server) = world.hellos().unwrap();
    let (signing, to_sign) = server
        .evidence_to_sign(&world.state_bytes(), &world.session_evidence(), b"")
        .unwrap();
    let (_, frame_3) = signing.signed(world.session.sign(&to_sign)).unwrap();
    assert_eq!(
        code(&world.accept(marble, &frame_3)),
        "collateral-malformed"
    );
}

#[test]
fn evidence_of_another_session_key_is_not_taken_over() {
    let (world, other) = (World::new(), World::new());
    let stolen = SessionEvidence {
        spki: world.session.spki(),
        ..other.session_evidence()
    };
    assert_eq!(
        code(&accept_with_evidence(&world, &stolen)),
        "binding-differs"
    );
}

#[test]
fn refusals_name_both_values_and_a_remedy() {
    let mut world = World::new();
    world.pin = Some([0xee; 32]);
    let refused = world.until_accepted().map(|_| ()).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains(&"ee".repeat(32)) && text.contains(&hex::encode(world.root.id())),
        "{text}"
    );
    assert!(refused.remedy().is_some());
}

fn accept_with_evidence(
    world: &World,
    evidence: &SessionEvidence,
) -> Result<stoa_attestation::channel::Attesting, stoa_attestation::channel::ChannelError> {
    let (marble, server) = world.hellos().unwrap();
    let (signing, to_sign) = world.to_sign_with(server, evidence);
    let (_, frame_3) = signing.signed(world.session.sign(&to_sign)).unwrap();
    world.accept(marble, &frame_3)
}

type StateChange = fn(&mut StateBytes);
type Hash = [u8; 32];

fn with_marbles(
    state: &mut StateBytes,
    change: fn(&mut Hash, &mut Hash, &mut Hash, &mut Hash, &mut Option<Hash>),
) {
    let CoordinatorState::AcceptingMarbles {
        root,
        issuing,
        manifest_sha256,
        transition_head,
        owner,
    } = &mut state.state
    else {
        panic!("the world's coordinator is in state 3");
    };
    change(root, issuing, manifest_sha256, transition_head, owner);
}

/// What is stapled is validly signed and within its dates in each case; only the memory tells.
#[test]
fn stapled_collateral_older_than_what_was_seen_is_refused_by_a_marble_that_remembers() {
    let mut world = World::new();
    for (seen_at, wanted) in [
        (0, "accepted"),
        (-24 * 3600, "accepted"),
        (3600, "collateral-went-back"),
    ] {
        world.floors = Some(world.floors_at(seen_at));
        assert_eq!(code(&world.until_accepted()), wanted, "seen at {seen_at}");
    }
    world.floors = None;
    let (attesting, _) = world.until_accepted().unwrap();
    assert_eq!(attesting.accepted().floors, world.floors_at(0));
}

/// A coordinator on a chip of AMD's. All that is stapled is genuine; somebody took the list out of the second one.
#[test]
fn stapled_collateral_without_a_list_is_refused_by_a_marble_that_remembers_one() {
    const GUEST: GuestIdentity = GuestIdentity {
        measurement: [0x11; 48],
        id_key_digest: [0; 48],
        product_id: 0,
        guest_svn: 0,
        debug: false,
    };
    let vendor = SnpVendor::generate().unwrap();
    let anchor = Anchor::insecure_from_pem(&vendor.root_pem()).unwrap();
    let platform = Platform::seeded([7; 32], Knobs::default()).with_snp_vendor(Arc::new(vendor));
    let with_list = platform.snp_collateral_json(unix(NOW)).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&with_list).unwrap();
    json["crl"] = "".into();
    let without = json.to_string().into_bytes();

    let mut world = World::new();
    world.switches = Switches::insecure_trust_root(&anchor.sha256());
    world.reference.security_digest = Some(world.switches.digest());
    world.reference.identities = vec![ReferenceValue::Snp(SnpReference {
        measurement: vec![GUEST.measurement],
        ..SnpReference::default()
    })];
    // Whoever tolerates a missing list still does not go back to one.
    world.reference.tcb.snp.no_crl = Tolerance::Accept;
    let anchors = [anchor];
    let trust = Trust {
        anchors: &anchors,
        algorithms: webpki::ALL_VERIFICATION_ALGS,
        seen: &NoMemo,
    };
    let outcome = |stapled: &[u8], floors: Option<&Floors>| {
        let (state, spki) = (world.state_bytes(), world.session.spki());
        let report_data = session_report_data(
            Kind::Snp,
            &spki,
            state.root(),
            &state.security_digest,
            world.quoted_at,
        );
        let evidence = SessionEvidence {
            kind: Kind::Snp,
            evidence: platform.evidence_snp(&GUEST, report_data),
            spki,
            quoted_at: world.quoted_at,
        };
        let (marble, server) = world.hellos().unwrap();
        let (signing, to_sign) = server.evidence_to_sign(&state, &evidence, stapled).unwrap();
        let (_, frame_3) = signing.signed(world.session.sign(&to_sign)).unwrap();
        let check = CoordinatorCheck {
            reference: &world.reference,
            pin: Pin::RootSpki(world.root.id()),
            trust: &trust,
            seen: None,
            floors,
        };
        marble.receive(&frame_3, &check, unix(NOW))
    };
    let floors = |stapled: &[u8]| {
        let parsed = Collateral::parse(stapled).unwrap();
        Floors::of(&parsed.verify(&trust).unwrap())
    };
    let (listed, unlisted) = (floors(&with_list), floors(&without));
    for (what, stapled, seen, wanted) in [
        (
            "with a list, and one was seen",
            &with_list,
            Some(&listed),
            "accepted",
        ),
        (
            "without, and one was seen",
            &without,
            Some(&listed),
            "collateral-went-back",
        ),
        ("without, and nothing was seen", &without, None, "accepted"),
        ("without, as before", &without, Some(&unlisted), "accepted"),
        (
            "with a list for the first time",
            &with_list,
            Some(&unlisted),
            "accepted",
        ),
    ] {
        assert_eq!(code(&outcome(stapled, seen)), wanted, "{what}");
    }
    let accepted = outcome(&without, None).unwrap();
    let mut remembered = listed.clone();
    assert!(!remembered.raise(&accepted.accepted().floors));
    assert_eq!(remembered, listed);
}

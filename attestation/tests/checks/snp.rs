//! Each check of docs/protocol/snp.md, section 3: evidence and collateral that are well signed and wrong in one place.

use stoa_attestation::policy::{SnpPolicy, SnpTcbMinimum, Tolerance, appraise};
use stoa_attestation::{
    Collateral, Floors, Invalid, Kind, NoMemo, ReferenceValue, SnpReference, TcbPolicy, Trust,
};
use stoa_explain::Explain;

use crate::endings;
use crate::support::der::{integer, tlv};
use crate::support::snp_world::{Signer, SnpWorld};

fn no_number(w: &mut SnpWorld) {
    w.crl.as_mut().unwrap().number = None;
}

endings! {
    a_report_its_certificate_and_its_chain_are_genuine: SnpWorld::milan(), |w| w.now += 1 => "genuine";
    a_certificate_may_come_with_the_collateral: SnpWorld::milan(), |w| (w.carries_vek, w.vek_in_collateral) = (false, true) => "genuine";
    a_hardware_id_may_stand_in_an_octet_string: SnpWorld::milan(), |w| { let id = w.report[0x1a0..0x1e0].to_vec(); w.set(&[4], &tlv(4, &id)) } => "genuine";
    a_masked_chip_id_is_not_compared: SnpWorld::milan(), |w| w.report[0x1a0..0x1e0].fill(0) => "genuine";
    collateral_may_have_no_list: SnpWorld::milan(), |w| w.crl = None => "genuine";
    refuses_a_report_of_version_1: SnpWorld::milan(), |w| w.report[0] = 1 => "snp-report-version-unsupported";
    refuses_a_report_of_version_6: SnpWorld::milan(), |w| w.report[0] = 6 => "snp-report-version-unsupported";
    refuses_another_signature_algorithm: SnpWorld::milan(), |w| w.report[0x34] = 2 => "snp-signature-algorithm-unsupported";
    refuses_a_masked_key: SnpWorld::milan(), |w| w.report[0x48] = 2 => "snp-signing-key-unknown";
    refuses_an_unknown_signing_key: SnpWorld::milan(), |w| w.report[0x48] = 7 << 2 => "snp-signing-key-unknown";
    refuses_a_list_of_another_issuer: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().issuer = "ARK-Genoa".to_owned() => "ark-crl-issuer-differs";
    refuses_a_list_of_another_key: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().key_id = vec![2; 20] => "ark-crl-issuer-differs";
    refuses_a_list_that_the_ark_did_not_sign: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().signer = Signer::Ask => "ark-crl-signature-invalid";
    refuses_a_list_without_number: SnpWorld::milan(), |w| no_number(&mut w) => "ark-crl-malformed";
    refuses_an_ark_that_revoked_itself: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().revoked = vec![vec![1]] => "root-revoked";
    refuses_a_revoked_ask: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().revoked = vec![vec![2]] => "ask-revoked";
    refuses_a_revoked_vek: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().revoked = vec![vec![3]] => "vek-revoked";
    refuses_an_ask_that_the_ark_did_not_sign: SnpWorld::milan(), |w| w.ask.signer = Signer::Ask => "ask-signature-invalid";
    refuses_an_ask_of_another_name: SnpWorld::milan(), |w| w.ask.subject = "SEV-Genoa".to_owned() => "certificate-profile-differs";
    refuses_an_ask_that_is_no_ca: SnpWorld::milan(), |w| { w.ask.extensions.remove(0); } => "certificate-profile-differs";
    refuses_a_vek_that_the_ask_did_not_sign: SnpWorld::milan(), |w| w.vek.signer = Signer::Ark => "vek-signature-invalid";
    refuses_a_vek_of_another_issuer: SnpWorld::milan(), |w| w.vek.issuer = "SEV-Genoa".to_owned() => "certificate-profile-differs";
    refuses_a_vek_of_another_name: SnpWorld::milan(), |w| w.vek.subject = "SEV-X".to_owned() => "certificate-profile-differs";
    refuses_evidence_without_any_certificate: SnpWorld::milan(), |w| w.carries_vek = false => "vek-missing";
    refuses_a_certificate_without_a_component: SnpWorld::milan(), |w| w.amd.retain(|(rest, _)| *rest != [3, 8]) => "vek-extension-malformed";
    refuses_a_component_of_another_layout: SnpWorld::milan(), |w| w.set(&[3, 9], &integer(&[1])) => "vek-extension-malformed";
    refuses_another_structure_version: SnpWorld::milan(), |w| w.set(&[1], &integer(&[1])) => "vek-extension-malformed";
    refuses_a_short_hardware_id: SnpWorld::milan(), |w| w.set(&[4], &[1; 63]) => "vek-extension-malformed";
    refuses_a_report_of_another_signer: SnpWorld::milan(), |w| w.report[0x48] = 1 << 2 => "vek-kind-differs";
    refuses_a_cpu_of_no_known_product: SnpWorld::milan(), |w| w.report[0x188] = 0x18 => "snp-product-unknown";
    refuses_a_cpu_of_another_product: SnpWorld::milan(), |w| w.report[0x189] = 0x11 => "snp-product-differs";
    refuses_a_certificate_of_another_product: SnpWorld::milan(), |w| w.set(&[2], &tlv(0x16, b"Genoa-B1")) => "snp-product-differs";
    refuses_a_report_signed_by_another_key: SnpWorld::milan(), |w| w.other_key = true => "report-signature-invalid";
    refuses_a_report_about_something_else: SnpWorld::milan(), |w| w.expected = Some([1; 64]) => "binding-differs";
    refuses_another_hardware_id: SnpWorld::milan(), |w| w.set(&[4], &[7; 64]) => "hardware-id-differs";
    a_turin_chip_is_genuine: SnpWorld::turin(), |w| w.now += 1 => "genuine";
    refuses_bytes_behind_turins_chip_id: SnpWorld::turin(), |w| w.report[0x1a8] = 1 => "hardware-id-differs";
    refuses_a_long_hardware_id_of_turin: SnpWorld::turin(), |w| { let id = w.report[0x1a0..0x1e0].to_vec(); w.set(&[4], &id) } => "vek-extension-malformed";
    refuses_another_fmc: SnpWorld::turin(), |w| w.report[0x180] ^= 1 => "reported-tcb-differs";
    refuses_a_turin_certificate_without_fmc: SnpWorld::turin(), |w| w.amd.retain(|(rest, _)| *rest != [3, 9]) => "vek-extension-malformed";
    refuses_report_and_certificate_of_a_product_that_the_chain_is_not_of: SnpWorld::milan(), |w| { w.report[0x189] = 0x11; w.set(&[2], &tlv(0x16, b"Genoa-B1")) } => "snp-product-differs";
    refuses_another_reported_tcb: SnpWorld::milan(), |w| w.report[0x187] = 220 => "reported-tcb-differs";
    refuses_an_ended_vek: SnpWorld::milan(), |w| w.vek.until = w.now - 1 => "vek-expired";
    refuses_a_vek_of_the_future: SnpWorld::milan(), |w| w.vek.from = w.now + 1 => "vek-not-yet-valid";
    refuses_an_ended_ask: SnpWorld::milan(), |w| w.ask.until = w.now - 1 => "ask-expired";
    refuses_an_ask_of_the_future: SnpWorld::milan(), |w| w.ask.from = w.now + 1 => "ask-not-yet-valid";
    refuses_a_list_of_the_future: SnpWorld::milan(), |w| w.crl.as_mut().unwrap().from = w.now + 1 => "collateral-not-yet-valid";
}

#[test]
fn no_component_of_the_reported_tcb_may_differ() {
    for at in [0x180, 0x181, 0x186, 0x187] {
        let mut world = SnpWorld::milan();
        world.report[at] ^= 1;
        assert_eq!(crate::ending(&world.verify()), "reported-tcb-differs");
    }
}

#[test]
fn collateral_of_the_other_vendor_is_not_used() {
    let (snp, tdx) = (SnpWorld::milan(), crate::support::forge::World::tdx());
    let error = snp.verify_bytes(&tdx.quote(), &snp.collateral());
    assert_eq!(crate::ending(&error), "evidence-malformed");
    let vector = tdx.vector("forged");
    let collateral = vector
        .verified_collateral(&stoa_attestation::NoMemo)
        .unwrap();
    let anchors = vector.anchors();
    let trust = stoa_attestation::Trust {
        anchors: &anchors,
        algorithms: crate::support::ALGORITHMS,
        seen: &stoa_attestation::NoMemo,
    };
    let expected = stoa_attestation::Expected::as_given([0; 64]);
    let evidence = stoa_attestation::Evidence::parse(Kind::Snp, &snp.evidence()).unwrap();
    let error = evidence.verify(
        &expected,
        &trust,
        &collateral,
        crate::support::time(snp.now),
    );
    assert_eq!(crate::ending(&error), "collateral-tee-differs");
}

/// Row J3: no bit of report, certificate or list is free, and no length but the right one.
#[test]
fn no_changed_bit_and_no_other_length_is_accepted() {
    let world = SnpWorld::milan();
    let (evidence, collateral) = (world.evidence(), world.collateral());
    assert!(world.verify_bytes(&evidence, &collateral).is_ok());
    for at in 0..evidence.len() {
        let mut changed = evidence.clone();
        changed[at] ^= 1 << (at % 8);
        let result = world.verify_bytes(&changed, &collateral);
        assert!(result.is_err(), "byte {at} of the evidence");
    }
    for len in (0..evidence.len()).step_by(7) {
        assert!(world.verify_bytes(&evidence[..len], &collateral).is_err());
    }
    let longer = [&evidence[..], &[0]].concat();
    assert!(world.verify_bytes(&longer, &collateral).is_err());
    // The list as it travels is hex: another digit is another bit.
    let text = String::from_utf8(collateral).unwrap();
    let crl = text.find("\"crl\":\"").unwrap() + 7;
    let end = crl + text[crl..].find('"').unwrap();
    for at in (crl..end).step_by(3) {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let result = world.verify_bytes(&evidence, &changed);
        assert!(result.is_err(), "digit {at} of the collateral");
    }
}

fn judge(world: &SnpWorld, policy: SnpPolicy) -> Result<(), (&'static str, String)> {
    let claims = world.verify().unwrap();
    let itself = [ReferenceValue::exactly(&claims.body)];
    let policy = TcbPolicy {
        snp: policy,
        ..TcbPolicy::default()
    };
    appraise(&claims, &itself, &policy, crate::support::time(world.now))
        .map_err(|refusal| (refusal.code(), refusal.to_string()))
}

#[test]
fn every_rule_of_the_snp_policy_counts() {
    let strict = SnpPolicy::default();
    assert_eq!(judge(&SnpWorld::milan(), strict.clone()), Ok(()));
    let rows: [(fn(&mut SnpWorld), fn(&mut SnpPolicy), &str, &str); 9] = [
        (
            |w| w.report[0x0a] |= 0x04,
            |p| p.migratable = Tolerance::Accept,
            "snp-migratable-not-accepted",
            "bit 18 clear",
        ),
        (
            |w| w.report[0x30] = 1,
            |p| p.vmpl_max = 1,
            "snp-vmpl-not-accepted",
            "VMPL is 1, wanted at most 0",
        ),
        (
            |w| w.report[0x40] &= !0x20,
            |p| p.unchecked_aliases = Tolerance::Accept,
            "snp-alias-check-missing",
            "bit 5 set",
        ),
        (
            |w| w.crl = None,
            |p| p.no_crl = Tolerance::Accept,
            "revocation-unknown",
            "no revocation list",
        ),
        (
            |_| (),
            |p| p.smt = Tolerance::Refuse,
            "snp-smt-not-accepted",
            "bit 16 clear",
        ),
        (
            |_| (),
            |p| p.several_sockets = Tolerance::Refuse,
            "snp-sockets-not-accepted",
            "bit 20 set",
        ),
        (
            |_| (),
            |p| p.abi_min = Some((1, 0)),
            "snp-abi-not-accepted",
            "is 0.31, wanted at least 1.0",
        ),
        (
            |_| (),
            |p| p.committed_min.microcode = Some(220),
            "tcb-below-minimum",
            "wanted at least microcode 220",
        ),
        (
            |_| (),
            |p| {
                p.launch_min = SnpTcbMinimum {
                    fmc: Some(0),
                    ..SnpTcbMinimum::default()
                }
            },
            "tcb-below-minimum",
            "wanted at least FMC 0",
        ),
    ];
    for (at, (change, turn, code, words)) in rows.into_iter().enumerate() {
        let mut world = SnpWorld::milan();
        change(&mut world);
        let mut policy = strict.clone();
        // The first four are refused by default and accepted by the turn, the others the other way round.
        let (refusing, accepting) = if at < 4 {
            let refusing = policy.clone();
            turn(&mut policy);
            (refusing, policy)
        } else {
            turn(&mut policy);
            (policy, strict.clone())
        };
        let (found, text) = judge(&world, refusing).unwrap_err();
        assert_eq!(found, code, "{text}");
        assert!(text.contains(words), "{text}");
        assert_eq!(judge(&world, accepting), Ok(()), "{code}");
    }
}

#[test]
fn every_field_of_an_snp_reference_counts() {
    let world = SnpWorld::milan();
    let claims = world.verify().unwrap();
    let stoa_attestation::Body::Snp(guest) = &claims.body else {
        panic!("{:?}", claims.body)
    };
    let full = SnpReference {
        measurement: vec![[9; 48], guest.measurement],
        host_data: Some(guest.host_data),
        id_key_digest: Some(guest.id_key_digest),
        author_key_digest: None,
        family_id: Some(guest.family_id),
        image_id: Some(guest.image_id),
        guest_svn: Some(guest.guest_svn),
    };
    let judge = |reference: SnpReference, policy: &TcbPolicy| {
        let references = [ReferenceValue::Snp(reference)];
        let now = crate::support::time(world.now);
        appraise(&claims, &references, policy, now).map_err(|refusal| refusal.to_string())
    };
    let policy = TcbPolicy::default();
    assert_eq!(judge(full.clone(), &policy), Ok(()));
    let changes: [(fn(&mut SnpReference), &str); 7] = [
        (|r| r.measurement = vec![[9; 48]], "measurement is"),
        (|r| r.host_data = Some([9; 32]), "host_data is"),
        (|r| r.id_key_digest = Some([9; 48]), "id_key_digest is"),
        (|r| r.author_key_digest = Some([0; 48]), "author_key_en is"),
        (|r| r.family_id = Some([9; 16]), "family_id is"),
        (|r| r.image_id = Some([9; 16]), "image_id is"),
        (
            |r| r.guest_svn = Some(3),
            "guest_svn is 2, wanted at least 3",
        ),
    ];
    for (change, words) in changes {
        let mut reference = full.clone();
        change(&mut reference);
        let text = judge(reference, &policy).unwrap_err();
        assert!(text.contains(words), "{text}");
    }
    let chip = hex::encode(guest.chip_id);
    let other = "00".repeat(64);
    for (platforms, families, fits) in [
        (Some(vec![chip.clone()]), None, true),
        (Some(vec![other.clone(), chip]), None, true),
        (Some(vec![other]), None, false),
        (Some(vec![]), None, false),
        (None, Some(vec!["milan".to_owned()]), true),
        (None, Some(vec!["genoa".to_owned()]), false),
    ] {
        let policy = TcbPolicy {
            platforms,
            families,
            ..TcbPolicy::default()
        };
        assert_eq!(judge(full.clone(), &policy).is_ok(), fits);
    }
}

/// Firmware can be rolled back from the current TCB to the committed one, so the current one says nothing.
#[test]
fn minimums_are_over_committed_and_launch_tcb_and_never_over_the_current_one() {
    let microcode = SnpTcbMinimum {
        microcode: Some(220),
        ..SnpTcbMinimum::default()
    };
    let committed = SnpPolicy {
        committed_min: microcode,
        ..SnpPolicy::default()
    };
    let launch = SnpPolicy {
        launch_min: microcode,
        ..SnpPolicy::default()
    };
    // Where the microcode of each TCB stands: current, committed, launch.
    for (at, by_committed, by_launch) in [
        (0x3f, false, false),
        (0x1e7, true, false),
        (0x1f7, false, true),
    ] {
        let mut world = SnpWorld::milan();
        for tcb in [0x3f, 0x1e7, 0x1f7] {
            world.report[tcb] = 219;
        }
        world.report[at] = 220;
        let found = [&committed, &launch].map(|policy| judge(&world, policy.clone()).is_ok());
        assert_eq!(found, [by_committed, by_launch], "{at:#x}");
    }
    // Each component by itself: none, one, all.
    let each: [fn(&mut SnpTcbMinimum, u8); 4] = [
        |min, n| min.boot_loader = Some(n),
        |min, n| min.tee = Some(n),
        |min, n| min.snp = Some(n),
        |min, n| min.microcode = Some(n),
    ];
    let found = [4, 0, 24, 219];
    let mut all = SnpTcbMinimum::default();
    for (set, has) in each.into_iter().zip(found) {
        set(&mut all, has);
        for (more, fits) in [(0, true), (1, false)] {
            let mut policy = SnpPolicy::default();
            set(&mut policy.committed_min, has + more);
            assert_eq!(judge(&SnpWorld::milan(), policy).is_ok(), fits, "{has}");
        }
    }
    let policy = SnpPolicy {
        committed_min: all,
        launch_min: all,
        ..SnpPolicy::default()
    };
    assert_eq!(judge(&SnpWorld::milan(), policy), Ok(()));
}

/// A host that masks the id is nowhere in particular: no list has it, not even one with zeros.
#[test]
fn a_masked_chip_id_is_in_no_list_of_platforms() {
    let mut world = SnpWorld::milan();
    world.report[0x1a0..0x1e0].fill(0);
    let claims = world.verify().unwrap();
    let itself = [ReferenceValue::exactly(&claims.body)];
    let judge = |platforms: Option<Vec<String>>| {
        let policy = TcbPolicy {
            platforms,
            ..TcbPolicy::default()
        };
        let now = crate::support::time(world.now);
        appraise(&claims, &itself, &policy, now).map_err(|refusal| refusal.code())
    };
    assert_eq!(judge(None), Ok(()));
    for list in [vec![], vec!["00".repeat(64)], vec![String::new()]] {
        assert_eq!(judge(Some(list)), Err("platform-not-listed"));
    }
}

#[test]
fn a_short_chip_id_of_turin_is_listed_with_or_without_its_zeros() {
    let world = SnpWorld::turin();
    let claims = world.verify().unwrap();
    let itself = [ReferenceValue::exactly(&claims.body)];
    let id = hex::encode(&world.report[0x1a0..0x1e0]);
    for (listed, fits) in [(&id[..], true), (&id[..16], true), (&id[..14], false)] {
        let policy = TcbPolicy {
            platforms: Some(vec![listed.to_owned()]),
            ..TcbPolicy::default()
        };
        let result = appraise(&claims, &itself, &policy, crate::support::time(world.now));
        assert_eq!(result.is_ok(), fits, "{listed}");
    }
}

#[test]
fn a_report_names_what_to_ask_the_vendor_for() {
    let world = SnpWorld::milan();
    let evidence = stoa_attestation::Evidence::parse(Kind::Snp, &world.evidence()).unwrap();
    let chip = evidence.unverified_chip().unwrap().unwrap();
    assert_eq!(
        (chip.product.name(), chip.signer.path(), chip.carries_vek),
        ("Milan", "vcek", true)
    );
    assert_eq!(
        chip.reported_tcb.to_string(),
        "boot loader 4, TEE 0, SNP 24, microcode 219"
    );
    assert!(matches!(
        evidence.unverified_platform(),
        Err(Invalid::KindUnsupported { kind: Kind::Snp })
    ));
}

/// The name of a list's mark is stored for years: it says whose list it is, and what was stored before under the name of
/// both still counts.
#[test]
fn lists_of_vceks_and_vleks_are_remembered_apart_and_what_was_stored_for_both_counts() {
    let floors = |world: &SnpWorld| {
        let trust = Trust {
            anchors: std::slice::from_ref(world.honest_anchor()),
            algorithms: crate::support::ALGORITHMS,
            seen: &NoMemo,
        };
        let parsed = Collateral::parse(&world.collateral()).unwrap();
        Floors::of(&parsed.verify(&trust).unwrap())
    };
    let numbered = |number: u8, ask: &str| {
        let mut world = SnpWorld::milan();
        world.ask.subject = ask.to_owned();
        world.crl.as_mut().unwrap().number = Some(vec![number]);
        floors(&world)
    };
    let (vcek, vlek) = (numbered(7, "SEV-Milan"), numbered(3, "SEV-VLEK-Milan"));
    // The same bytes each time: the anchor is the one that the collateral was verified under.
    let anchor = hex::encode(SnpWorld::milan().honest_anchor().sha256());
    let named = |floors: &Floors| {
        floors
            .marks()
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&vcek), [format!("{}/ark-crl/vcek", &anchor[..16])]);
    assert_eq!(named(&vlek), [format!("{}/ark-crl/vlek", &anchor[..16])]);
    assert_eq!(
        vcek.check(&vlek),
        Ok(()),
        "another list with numbers of its own"
    );

    let mark = vcek.marks().next().unwrap().1.clone();
    let stored = Floors::kept([(format!("{}/ark-crl", &anchor[..16]), mark)]);
    let mut none = SnpWorld::milan();
    none.crl = None;
    for (what, offered, fits) in [
        ("the same", &vcek, true),
        ("a newer", &numbered(8, "SEV-Milan"), true),
        ("an older", &numbered(6, "SEV-Milan"), false),
        ("an older one of VLEKs", &vlek, false),
        ("none", &floors(&none), false),
    ] {
        assert_eq!(stored.check(offered).is_ok(), fits, "{what}");
    }
}

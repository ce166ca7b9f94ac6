//! Appraisal of genuine claims: references by truth table, each rule, and what its refusal says.

use std::collections::BTreeSet;

use serde_json::json;
use stoa_attestation::policy::{Advisories, Difference, Refusal, Tolerance, appraise};
use stoa_attestation::{ReferenceValue, SgxReference, TcbPolicy, TcbStatus, TdxReference};
use stoa_explain::Explain;

use crate::support::forge::{World, tdx_svn};
use crate::support::time;

fn judge(world: &World, references: &[ReferenceValue], policy: &TcbPolicy) -> Result<(), Refusal> {
    let claims = world.verify().unwrap();
    appraise(&claims, references, policy, time(world.now))
}

/// What a forged enclave is.
fn enclave() -> SgxReference {
    SgxReference {
        unique_id: Some([0x11; 32]),
        signer_id: Some([0x22; 32]),
        product_id: Some(7),
        security_version: Some(3),
        ..SgxReference::default()
    }
}

fn td() -> TdxReference {
    TdxReference {
        mrtd: vec![[0x44; 48]],
        rtmr: [Some([0; 48]); 4],
        ..TdxReference::default()
    }
}

fn sgx_code(reference: SgxReference) -> Result<(), (&'static str, String)> {
    judge(
        &World::sgx(),
        &[ReferenceValue::Sgx(reference)],
        &TcbPolicy::default(),
    )
    .map_err(|refusal| (refusal.code(), refusal.to_string()))
}

#[test]
fn every_field_of_an_enclave_reference_counts() {
    assert_eq!(sgx_code(enclave()), Ok(()));
    let changes: [(&str, fn(&mut SgxReference)); 5] = [
        ("unique_id", |r| r.unique_id = Some([0x12; 32])),
        ("signer_id", |r| r.signer_id = Some([0x23; 32])),
        ("product_id", |r| r.product_id = Some(8)),
        ("product_id", |r| r.product_id = Some(6)),
        ("security_version", |r| r.security_version = Some(4)),
    ];
    for (field, change) in changes {
        let mut reference = enclave();
        change(&mut reference);
        let (code, text) = sgx_code(reference).unwrap_err();
        assert_eq!(code, "measurement-differs");
        assert!(text.contains(field), "{text}");
    }
    for security_version in [0, 2, 3] {
        let security_version = Some(security_version);
        assert_eq!(
            sgx_code(SgxReference {
                security_version,
                ..enclave()
            }),
            Ok(())
        );
    }
}

#[test]
fn absent_fields_are_not_compared_but_nothing_is_no_reference() {
    let unique = SgxReference {
        unique_id: Some([0x11; 32]),
        ..SgxReference::default()
    };
    let signer = SgxReference {
        signer_id: Some([0x22; 32]),
        ..SgxReference::default()
    };
    assert_eq!((sgx_code(unique), sgx_code(signer)), (Ok(()), Ok(())));
    let nothing = SgxReference {
        product_id: Some(7),
        security_version: Some(0),
        ..SgxReference::default()
    };
    assert_eq!(
        sgx_code(nothing.clone()).unwrap_err().0,
        "measurement-differs"
    );

    let mut debug = World::sgx();
    debug.body[48] |= 2;
    let policy = TcbPolicy {
        debug: true,
        ..TcbPolicy::default()
    };
    assert_eq!(
        judge(&debug, &[ReferenceValue::Sgx(nothing)], &policy),
        Ok(())
    );
}

#[test]
fn every_register_of_a_td_reference_counts() {
    let judge = |reference: TdxReference| {
        judge(
            &World::tdx(),
            &[ReferenceValue::Tdx(reference)],
            &TcbPolicy::default(),
        )
    };
    assert_eq!(judge(td()), Ok(()));
    assert_eq!(
        judge(TdxReference {
            rtmr: [None; 4],
            ..td()
        }),
        Ok(())
    );
    assert_eq!(
        judge(TdxReference {
            mrtd: vec![[1; 48], [0x44; 48]],
            ..td()
        }),
        Ok(())
    );
    for mrtd in [vec![], vec![[1; 48]]] {
        assert_eq!(
            judge(TdxReference { mrtd, ..td() }).unwrap_err().code(),
            "measurement-differs"
        );
    }
    for at in 0..4 {
        let mut reference = td();
        reference.rtmr[at] = Some([1; 48]);
        let refusal = judge(reference).unwrap_err();
        assert_eq!(refusal.code(), "measurement-differs");
        assert!(
            refusal.to_string().contains(&format!("rtmr{at}")),
            "{refusal}"
        );
    }
}

/// None, one, some, all.
#[test]
fn any_reference_may_fit_and_a_refusal_says_why_each_did_not() {
    let good = ReferenceValue::Sgx(enclave());
    let bad = ReferenceValue::Sgx(SgxReference {
        product_id: Some(8),
        ..enclave()
    });
    let other_tee = ReferenceValue::Tdx(td());
    for fits in 0u8..8 {
        let references: Vec<ReferenceValue> = (0..3)
            .map(|at| match (fits >> at & 1, at) {
                (1, _) => good.clone(),
                (_, 0) => other_tee.clone(),
                _ => bad.clone(),
            })
            .collect();
        let result = judge(&World::sgx(), &references, &TcbPolicy::default());
        assert_eq!(result.is_ok(), fits != 0, "{fits:03b}");
        let Err(refusal) = result else { continue };
        let difference = |field, wanted: &str, found: &str| Difference {
            field,
            wanted: wanted.to_owned(),
            found: found.to_owned(),
        };
        let product = difference("product_id", "8", "7");
        let tried = vec![difference("tee", "tdx", "sgx"), product.clone(), product];
        assert_eq!(refusal, Refusal::MeasurementDiffers { tried });
    }
    let none = judge(&World::sgx(), &[], &TcbPolicy::default()).unwrap_err();
    assert_eq!(none.code(), "measurement-differs");
    let tee = judge(&World::tdx(), &[good], &TcbPolicy::default()).unwrap_err();
    assert!(tee.to_string().contains("tee is tdx, wanted sgx"), "{tee}");
}

#[test]
fn debug_is_equal_both_ways() {
    for (debug_inside, policy_debug) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let policy = TcbPolicy {
            debug: policy_debug,
            ..TcbPolicy::default()
        };
        let (mut sgx, mut tdx) = (World::sgx(), World::tdx());
        if debug_inside {
            sgx.body[48] |= 2;
            tdx.body[120] |= 1;
        }
        for (world, reference) in [
            (sgx, ReferenceValue::Sgx(enclave())),
            (tdx, ReferenceValue::Tdx(td())),
        ] {
            match judge(&world, &[reference], &policy) {
                Ok(()) => assert_eq!(debug_inside, policy_debug),
                Err(refusal) => {
                    assert_ne!(debug_inside, policy_debug);
                    assert_eq!(refusal.code(), "debug-not-accepted");
                }
            }
        }
    }
}

#[test]
fn statuses_are_accepted_by_name_and_up_to_date_always() {
    for name in [
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
    ] {
        let mut world = World::sgx();
        world.tcb_info["tcbLevels"][0]["tcbStatus"] = json!(name);
        let status: TcbStatus = name.parse().unwrap();
        let judge = |accepted: &[TcbStatus]| {
            let accepted = accepted.iter().copied().collect();
            judge(
                &world,
                &[ReferenceValue::Sgx(enclave())],
                &TcbPolicy {
                    accepted,
                    ..TcbPolicy::default()
                },
            )
        };
        assert_eq!(judge(&[status]), Ok(()), "{name}");
        let always = status == TcbStatus::UpToDate;
        for accepted in [&[][..], &[TcbStatus::OutOfDateConfigurationNeeded]] {
            match judge(accepted) {
                Ok(()) => assert!(always, "{name}"),
                Err(refusal) => {
                    assert_eq!(
                        (refusal.code(), always),
                        ("tcb-not-accepted", false),
                        "{name}"
                    );
                    let text = refusal.to_string();
                    assert!(
                        text.contains(name)
                            && text.contains("UpToDate")
                            && text.contains("90c06f000000"),
                        "{text}"
                    );
                }
            }
        }
    }
    let default = TcbPolicy::default().accepted;
    assert_eq!(
        default,
        BTreeSet::from([TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded])
    );
}

#[test]
fn advisories_count_where_software_must_harden_itself() {
    let only = |names: &[&str]| TcbPolicy {
        accepted: BTreeSet::from([TcbStatus::SwHardeningNeeded, TcbStatus::OutOfDate]),
        advisories: Advisories::Only(names.iter().map(|name| (*name).to_owned()).collect()),
        ..TcbPolicy::default()
    };
    let mut world = World::sgx();
    world.tcb_info["tcbLevels"][0]["advisoryIDs"] = json!(["INTEL-SA-00615", "INTEL-SA-00289"]);
    let judge = |world: &World, policy| judge(world, &[ReferenceValue::Sgx(enclave())], &policy);
    assert_eq!(judge(&world, only(&[])), Ok(()), "up to date");
    world.tcb_info["tcbLevels"][0]["tcbStatus"] = json!("OutOfDate");
    assert_eq!(
        judge(&world, only(&[])),
        Ok(()),
        "as MarbleRun: looked at with SWHardeningNeeded only"
    );
    world.tcb_info["tcbLevels"][0]["tcbStatus"] = json!("SWHardeningNeeded");
    assert_eq!(judge(&world, TcbPolicy::default()), Ok(()), "any");
    assert_eq!(
        judge(
            &world,
            only(&["intel-sa-00615", "INTEL-SA-00289", "INTEL-SA-1"])
        ),
        Ok(())
    );
    for (accepted, missing) in [
        (&[][..], "INTEL-SA-00615, INTEL-SA-00289"),
        (&["INTEL-SA-00289"], "INTEL-SA-00615"),
    ] {
        let refusal = judge(&world, only(accepted)).unwrap_err();
        assert_eq!(refusal.code(), "advisory-not-accepted");
        assert!(refusal.to_string().contains(missing), "{refusal}");
    }
}

#[test]
fn platforms_are_listed_by_ppid_or_piid() {
    let judge = |world: &World, listed: &[String]| {
        let policy = TcbPolicy {
            platforms: Some(listed.to_vec()),
            ..TcbPolicy::default()
        };
        judge(world, &[ReferenceValue::Sgx(enclave())], &policy).map_err(|refusal| refusal.code())
    };
    let (ppid, piid) = ("aa".repeat(16), "bb".repeat(16));
    let world = World::sgx();
    assert_eq!(judge(&world, std::slice::from_ref(&ppid)), Ok(()));
    assert_eq!(judge(&world, &["cc".repeat(16), piid.clone()]), Ok(()));
    assert_eq!(judge(&world, &[]), Err("platform-not-listed"));
    assert_eq!(
        judge(&world, &["cc".repeat(16), String::new()]),
        Err("platform-not-listed")
    );
    let mut processor = World::sgx();
    for ca in [&mut processor.pck_ca, &mut processor.crl_ca] {
        ca.subject = "Forged SGX PCK Processor CA".to_owned();
    }
    processor.pck.issuer = processor.pck_ca.subject.clone();
    processor.pck_crl.issuer = processor.pck_ca.subject.clone();
    processor.sgx.platform_ca = false;
    assert_eq!(
        judge(&processor, &[piid]),
        Err("platform-not-listed"),
        "it has no PIID"
    );
    assert_eq!(judge(&processor, &[ppid]), Ok(()));
}

type Weakness = (
    &'static str,
    &'static str,
    fn(&mut World),
    fn(&mut TcbPolicy),
);

const WEAKNESSES: [Weakness; 9] = [
    (
        "td-profiling-not-accepted",
        "profiling",
        |w| w.body[120] |= 0x10,
        |p| p.profiling = Tolerance::Accept,
    ),
    (
        "td-profiling-not-accepted",
        "profiling",
        |w| w.body[120] |= 0x40,
        |p| p.profiling = Tolerance::Accept,
    ),
    (
        "service-td-not-accepted",
        "service TD",
        |w| w.body[584 + 16] = 1,
        |p| p.service_td = Tolerance::Accept,
    ),
    (
        "service-td-not-accepted",
        "service TD",
        |w| w.body[122] |= 2,
        |p| p.service_td = Tolerance::Accept,
    ),
    (
        "td-migratable-not-accepted",
        "migration",
        |w| w.body[123] |= 0x20,
        |p| p.migratable = Tolerance::Accept,
    ),
    (
        "td-sept-ve-not-accepted",
        "SEPT_VE_DISABLE",
        |w| w.body[123] &= !0x10,
        |p| p.sept_ve = Tolerance::Accept,
    ),
    (
        "td-attributes-not-accepted",
        "reserved attributes",
        |w| w.body[120] |= 2,
        |p| p.reserved_attributes = Tolerance::Accept,
    ),
    (
        "td-attributes-not-accepted",
        "reserved attributes",
        |w| w.body[121] |= 1,
        |p| p.reserved_attributes = Tolerance::Accept,
    ),
    (
        "td-attributes-not-accepted",
        "reserved attributes",
        |w| w.body[127] |= 0x20,
        |p| p.reserved_attributes = Tolerance::Accept,
    ),
];

/// Refused by default, accepted by its own tolerance, and by no other.
#[test]
fn each_weakness_of_a_td_has_its_own_tolerance() {
    for (code, rule, weaken, tolerate) in WEAKNESSES {
        let mut world = World::tdx15(tdx_svn(4, 1, 2));
        assert_eq!(
            judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()),
            Ok(())
        );
        weaken(&mut world);
        let refusal =
            judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()).unwrap_err();
        assert_eq!((refusal.code(), refusal.rule()), (code, rule));

        let mut policy = TcbPolicy::default();
        tolerate(&mut policy);
        assert_eq!(
            judge(&world, &[ReferenceValue::Tdx(td())], &policy),
            Ok(()),
            "{code}"
        );

        let mut others = TcbPolicy::default();
        for (other, _, _, tolerate) in WEAKNESSES.iter().filter(|(other, ..)| *other != code) {
            assert_ne!(*other, code);
            tolerate(&mut others);
        }
        let refusal = judge(&world, &[ReferenceValue::Tdx(td())], &others).unwrap_err();
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn a_service_td_bound_later_shows_in_the_extended_report() {
    // Hashes of service TDs at the TD's making and now; both follow the report of TDX 1.5.
    for at in [648 + 1 + 32 + 48, 885 - 8 - 48] {
        let mut world = World::tdx15(tdx_svn(4, 1, 2));
        world.body_type = 4;
        world.body.extend([0; 237]);
        assert_eq!(
            judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()),
            Ok(())
        );
        world.body[at] = 1;
        let refusal =
            judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()).unwrap_err();
        assert_eq!(refusal.code(), "service-td-not-accepted", "byte {at}");
    }
}

#[test]
fn attributes_that_do_no_harm_are_accepted() {
    for bit in [16, 18, 19, 20, 21, 22, 27, 30, 31, 62, 63] {
        let mut world = World::tdx();
        world.body[120 + bit / 8] |= 1 << (bit % 8);
        assert_eq!(
            judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()),
            Ok(()),
            "bit {bit}"
        );
    }
}

#[test]
fn every_refusal_is_explained() {
    let mut world = World::tdx();
    world.body[120] |= 1;
    let refusal = judge(&world, &[ReferenceValue::Tdx(td())], &TcbPolicy::default()).unwrap_err();
    assert!(refusal.remedy().is_some_and(|remedy| !remedy.is_empty()));
}

//! Check 13: what ended, what has not begun, and that tampering is named before either.

use serde_json::json;
use stoa_attestation::policy::{Refusal, appraise};
use stoa_attestation::{Body, CrlName, Dated, ReferenceValue, Role, TcbPolicy, TdxReference};
use stoa_explain::Explain;

use crate::endings;
use crate::support::forge::{DAY, OTHER, World, utc};
use crate::support::time;

endings! {
    refuses_an_expired_pck_certificate: World::tdx(), |w| w.pck.until = w.now - 1 => "pck-expired";
    refuses_an_expired_pck_ca: World::tdx(), |w| w.pck_ca.until = w.now - 1 => "pck-ca-expired";
    refuses_an_expired_root: World::tdx(), |w| w.anchor.until = w.now - 1 => "root-expired";
    refuses_a_pck_certificate_from_the_future: World::tdx(), |w| w.pck.from = w.now + 1 => "pck-not-yet-valid";
    refuses_a_pck_ca_from_the_future: World::tdx(), |w| w.pck_ca.from = w.now + 1 => "pck-ca-not-yet-valid";
    refuses_a_root_from_the_future: World::tdx(), |w| w.anchor.from = w.now + 1 => "root-not-yet-valid";
    a_pck_certificate_holds_in_its_last_second: World::tdx(), |w| w.pck.until = w.now => "genuine";
    a_pck_certificate_holds_in_its_first_second: World::tdx(), |w| w.pck.from = w.now => "genuine";

    refuses_tcb_info_from_the_future: World::tdx(), |w| w.tcb_info["issueDate"] = json!(utc(w.now + 1)) => "collateral-not-yet-valid";
    refuses_a_qe_identity_from_the_future: World::tdx(), |w| w.qe_identity["issueDate"] = json!(utc(w.now + 1)) => "collateral-not-yet-valid";
    refuses_a_root_list_from_the_future: World::tdx(), |w| w.root_crl.from = w.now + 1 => "collateral-not-yet-valid";
    refuses_a_pck_list_from_the_future: World::tdx(), |w| w.pck_crl.from = w.now + 1 => "collateral-not-yet-valid";
    refuses_a_tcb_signer_from_the_future: World::tdx(), |w| w.tcb_signer.from = w.now + 1 => "collateral-not-yet-valid";
    refuses_a_qe_identity_signer_from_the_future: World::tdx(), |w| w.qe_signer.from = w.now + 1 => "collateral-not-yet-valid";
    refuses_a_ca_of_the_list_from_the_future: World::tdx(), |w| w.crl_ca.from = w.now + 1 => "collateral-not-yet-valid";
}

type Change = fn(&mut World, u64);

const OBJECTS: [(Dated, Change); 7] = [
    (Dated::TcbInfo, |w, until| {
        w.tcb_info["nextUpdate"] = json!(utc(until))
    }),
    (Dated::QeIdentity, |w, until| {
        w.qe_identity["nextUpdate"] = json!(utc(until))
    }),
    (Dated::Crl(CrlName::Root), |w, until| {
        w.root_crl.until = Some(until)
    }),
    (Dated::Crl(CrlName::Pck), |w, until| {
        w.pck_crl.until = Some(until)
    }),
    (Dated::Certificate(Role::PckCa), |w, until| {
        w.crl_ca.until = until
    }),
    (Dated::Certificate(Role::TcbInfoSigner), |w, until| {
        w.tcb_signer.until = until
    }),
    (Dated::Certificate(Role::QeIdentitySigner), |w, until| {
        w.qe_signer.until = until
    }),
];

fn judge(world: &World, policy: &TcbPolicy) -> Result<(), Refusal> {
    let claims = world.verify().unwrap();
    let Body::Tdx(td) = &claims.body else {
        panic!("a TD");
    };
    let reference = TdxReference {
        mrtd: vec![td.mr_td],
        ..TdxReference::default()
    };
    appraise(
        &claims,
        &[ReferenceValue::Tdx(reference)],
        policy,
        time(world.now),
    )
}

#[test]
fn expired_collateral_is_data_and_refused_by_default() {
    for (object, change) in OBJECTS {
        let mut world = World::tdx();
        let until = world.now - 10;
        change(&mut world, until);
        let claims = world.verify().unwrap();
        let expired = claims.dates.expired(time(world.now));
        assert_eq!(
            expired
                .iter()
                .map(|(object, _)| *object)
                .collect::<Vec<_>>(),
            [object]
        );
        assert_eq!(claims.dates.collateral_until(), time(until));
        let refusal = judge(&world, &TcbPolicy::default()).unwrap_err();
        assert_eq!(refusal.code(), "collateral-expired");
        let text = refusal.to_string();
        for part in [object.to_string(), utc(until), utc(world.now)] {
            assert!(text.contains(&part), "`{text}` lacks `{part}`");
        }
    }
}

#[test]
fn collateral_holds_in_its_last_second_and_grace_counts_from_there() {
    for (object, change) in OBJECTS {
        let mut world = World::tdx();
        let until = world.now;
        change(&mut world, until);
        assert_eq!(judge(&world, &TcbPolicy::default()), Ok(()), "{object}");
        world.now += 100;
        for (grace, accepted) in [(0, false), (99, false), (100, true), (DAY, true)] {
            let policy = TcbPolicy {
                grace: core::time::Duration::from_secs(grace),
                ..TcbPolicy::default()
            };
            assert_eq!(
                judge(&world, &policy).is_ok(),
                accepted,
                "{object}, grace {grace}"
            );
        }
    }
}

#[test]
fn the_object_that_ended_first_is_named() {
    let mut world = World::tdx();
    world.root_crl.until = Some(world.now - 5);
    world.pck_crl.until = Some(world.now - 50);
    world.qe_identity["nextUpdate"] = json!(utc(world.now - 20));
    let claims = world.verify().unwrap();
    let order: Vec<Dated> = claims
        .dates
        .expired(time(world.now))
        .into_iter()
        .map(|(object, _)| object)
        .collect();
    assert_eq!(
        order,
        [
            Dated::Crl(CrlName::Pck),
            Dated::QeIdentity,
            Dated::Crl(CrlName::Root)
        ]
    );
    let until = claims.dates.evidence_until();
    assert_eq!(until, time(world.now + 400 * DAY));
}

/// Nothing about dates may hide that something was changed.
#[test]
fn tampering_is_named_before_dates() {
    let late: fn(&mut World) = |w| {
        w.now += 1000 * DAY;
    };
    let early: fn(&mut World) = |w| w.now -= 350 * DAY;
    let faults: [(&str, fn(&mut World)); 9] = [
        ("tcb-info-signature-invalid", |w| w.tcb_info_key = OTHER),
        ("qe-identity-signature-invalid", |w| {
            w.qe_identity_key = OTHER
        }),
        ("root-crl-signature-invalid", |w| w.root_crl.signer = OTHER),
        ("pck-crl-signature-invalid", |w| w.pck_crl.signer = OTHER),
        ("pck-signature-invalid", |w| w.pck.signer = OTHER),
        ("pck-revoked", |w| {
            w.pck_crl.revoked.push((w.pck.serial.clone(), vec![]))
        }),
        ("qe-report-signature-invalid", |w| w.qe_report_key = OTHER),
        ("quote-signature-invalid", |w| w.quote_key = OTHER),
        ("fmspc-differs", |w| w.sgx.fmspc = [1; 6]),
    ];
    for (code, fault) in faults {
        for dates in [late, early] {
            let mut world = World::tdx();
            fault(&mut world);
            dates(&mut world);
            assert_eq!(crate::ending(&world.verify()), code);
        }
    }
}

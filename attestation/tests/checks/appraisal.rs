//! The rules beside measurement and status: configuration of the code, minimums, families, infrastructures, freshness.

use core::time::Duration;

use stoa_attestation::policy::{
    Freshness, Infrastructure, Minimum, Refusal, appraise, appraise_infrastructures, freshness,
};
use stoa_attestation::{
    Claims, CrlName, Dated, ReferenceValue, SgxReference, TcbPolicy, TdxReference, Verified,
};
use stoa_explain::Explain;

use crate::support::forge::{DAY, World, utc};
use crate::support::time;

const KSS: u8 = 0x80;

fn sgx(reference: &SgxReference, world: &World) -> Result<(), Refusal> {
    let reference = ReferenceValue::Sgx(reference.clone());
    let claims = world.verify().unwrap();
    appraise(
        &claims,
        &[reference],
        &TcbPolicy::default(),
        time(world.now),
    )
}

/// An enclave with KSS in which every field of the configuration has a value of its own.
fn configured() -> (World, SgxReference) {
    let mut world = World::sgx();
    world.body[48] |= KSS;
    world.body[32..48].fill(0x31);
    world.body[192..256].fill(0x32);
    world.body[260..262].copy_from_slice(&5u16.to_le_bytes());
    world.body[304..320].fill(0x33);
    let reference = SgxReference {
        unique_id: Some([0x11; 32]),
        family_id: Some([0x33; 16]),
        extended_product_id: Some([0x31; 16]),
        config_id: Some([0x32; 64]),
        config_svn: Some(5),
        ..SgxReference::default()
    };
    (world, reference)
}

#[test]
fn every_field_of_an_enclaves_configuration_counts() {
    let (world, good) = configured();
    assert_eq!(sgx(&good, &world), Ok(()));
    let changes: [(&str, fn(&mut SgxReference)); 4] = [
        ("family_id", |r| r.family_id = Some([0x34; 16])),
        ("extended_product_id", |r| {
            r.extended_product_id = Some([0x34; 16])
        }),
        ("config_id", |r| r.config_id = Some([0x34; 64])),
        ("config_svn", |r| r.config_svn = Some(6)),
    ];
    for (field, change) in changes {
        let mut reference = good.clone();
        change(&mut reference);
        let text = sgx(&reference, &world).unwrap_err().to_string();
        assert!(text.contains(&format!("{field} is ")), "{text}");
    }
    let older = SgxReference {
        config_svn: Some(4),
        ..good
    };
    assert_eq!(sgx(&older, &world), Ok(()));
}

/// Without KSS the fields are zero for every enclave, so zero says nothing.
#[test]
fn a_configuration_can_not_be_asked_of_an_enclave_without_kss() {
    let world = World::sgx();
    let changes: [fn(&mut SgxReference); 4] = [
        |r| r.family_id = Some([0; 16]),
        |r| r.extended_product_id = Some([0; 16]),
        |r| r.config_id = Some([0; 64]),
        |r| r.config_svn = Some(0),
    ];
    for change in changes {
        let mut reference = SgxReference {
            unique_id: Some([0x11; 32]),
            ..SgxReference::default()
        };
        assert_eq!(sgx(&reference, &world), Ok(()));
        change(&mut reference);
        let text = sgx(&reference, &world).unwrap_err().to_string();
        assert!(text.contains("attributes is no KSS, wanted KSS"), "{text}");
    }
}

#[test]
fn every_field_of_a_tds_configuration_counts() {
    let mut world = World::tdx();
    world.body[184..232].fill(0x41);
    world.body[232..280].fill(0x42);
    world.body[280..328].fill(0x43);
    let claims = world.verify().unwrap();
    let stoa_attestation::Body::Tdx(td) = &claims.body else {
        panic!("a TD");
    };
    let good = TdxReference {
        mrtd: vec![td.mr_td],
        mr_config_id: Some([0x41; 48]),
        mr_owner: Some([0x42; 48]),
        mr_owner_config: Some([0x43; 48]),
        attributes: Some(td.td_attributes.0),
        xfam: Some(td.xfam),
        ..TdxReference::default()
    };
    let judge = |reference: &TdxReference| {
        let reference = ReferenceValue::Tdx(reference.clone());
        appraise(
            &claims,
            &[reference],
            &TcbPolicy::default(),
            time(world.now),
        )
    };
    assert_eq!(judge(&good), Ok(()));
    let changes: [(&str, fn(&mut TdxReference)); 5] = [
        ("mr_config_id", |r| r.mr_config_id = Some([0; 48])),
        ("mr_owner", |r| r.mr_owner = Some([0; 48])),
        ("mr_owner_config", |r| r.mr_owner_config = Some([0; 48])),
        ("attributes", |r| {
            r.attributes = r.attributes.map(|bits| bits ^ (1 << 63))
        }),
        ("xfam", |r| r.xfam = r.xfam.map(|bits| bits ^ 1)),
    ];
    for (field, change) in changes {
        let mut reference = good.clone();
        change(&mut reference);
        let text = judge(&reference).unwrap_err().to_string();
        assert!(text.contains(&format!("{field} is ")), "{text}");
    }
}

/// What a minimum wants, what was found, both as the refusal says them; and how to ask for one more than there is.
type Floor = (&'static str, fn(&Claims, bool) -> Minimum);

const FLOORS: [Floor; 5] = [
    ("TCB evaluation number", |claims, above| Minimum {
        evaluation_number: Some(claims.tcb().unwrap().evaluation_number + u32::from(above)),
        ..Minimum::default()
    }),
    ("TCB date", |claims, above| Minimum {
        tcb_date: Some(time(
            claims.tcb().unwrap().tcb_date.as_secs() + u64::from(above),
        )),
        ..Minimum::default()
    }),
    ("CPUSVN", |claims, above| Minimum {
        cpu_svn: Some(raised(claims.platform().unwrap().components, above)),
        ..Minimum::default()
    }),
    ("PCESVN", |claims, above| Minimum {
        pce_svn: Some(claims.platform().unwrap().pce_svn + u16::from(above)),
        ..Minimum::default()
    }),
    ("QE ISVSVN", |claims, above| Minimum {
        qe_svn: Some(claims.tcb().unwrap().qe_isv_svn + u16::from(above)),
        ..Minimum::default()
    }),
];

/// One component higher and all others lower: a sum or a comparison as numbers would let it pass.
fn raised(mut components: [u8; 16], above: bool) -> [u8; 16] {
    if above {
        components[15] += 1;
        components[0] = 0;
    }
    components
}

fn judge_minimum(
    world: &World,
    claims: &Verified<Claims>,
    minimum: Minimum,
) -> Result<(), Refusal> {
    let reference = match &claims.body {
        stoa_attestation::Body::Sgx(_) => ReferenceValue::Sgx(SgxReference {
            unique_id: Some([0x11; 32]),
            ..SgxReference::default()
        }),
        stoa_attestation::Body::Tdx(td) => ReferenceValue::Tdx(TdxReference {
            mrtd: vec![td.mr_td],
            ..TdxReference::default()
        }),
        #[allow(unreachable_patterns)]
        other => panic!("{other:?}"),
    };
    let policy = TcbPolicy {
        minimum,
        ..TcbPolicy::default()
    };
    appraise(claims, &[reference], &policy, time(world.now))
}

#[test]
fn each_minimum_accepts_what_reaches_it_and_refuses_what_is_below() {
    for world in [World::sgx(), World::tdx()] {
        let claims = world.verify().unwrap();
        for (field, floor) in FLOORS {
            let judge = |minimum| judge_minimum(&world, &claims, minimum);
            assert_eq!(judge(floor(&claims, false)), Ok(()), "{field}");
            let refusal = judge(floor(&claims, true)).unwrap_err();
            assert_eq!(refusal.code(), "tcb-below-minimum", "{refusal}");
            let text = refusal.to_string();
            assert!(text.starts_with(&format!("{field} is ")), "{text}");
            assert!(text.contains(", wanted at least "), "{text}");
        }
    }
}

#[test]
fn the_module_minimum_is_by_component_and_an_enclave_never_reaches_it() {
    let world = World::tdx();
    let claims = world.verify().unwrap();
    let stoa_attestation::Body::Tdx(td) = &claims.body else {
        panic!("a TD");
    };
    let minimum = |svn| Minimum {
        tee_tcb_svn: Some(svn),
        ..Minimum::default()
    };
    assert_eq!(
        judge_minimum(&world, &claims, minimum(td.tee_tcb_svn)),
        Ok(())
    );
    for at in 0..16 {
        let mut wanted = [0; 16];
        wanted[at] = td.tee_tcb_svn[at] + 1;
        let refusal = judge_minimum(&world, &claims, minimum(wanted)).unwrap_err();
        assert_eq!(refusal.rule(), "minimum TCB", "component {at}");
    }
    let enclave = World::sgx();
    let claims = enclave.verify().unwrap();
    let refusal = judge_minimum(&enclave, &claims, minimum([0; 16])).unwrap_err();
    assert!(
        refusal.to_string().contains("TEE_TCB_SVN is none"),
        "{refusal}"
    );
}

#[test]
fn a_family_must_be_on_the_list_if_there_is_one() {
    let world = World::sgx();
    let claims = world.verify().unwrap();
    let own = hex::encode(claims.platform().unwrap().fmspc);
    let reference = ReferenceValue::Sgx(SgxReference {
        unique_id: Some([0x11; 32]),
        ..SgxReference::default()
    });
    let other = "00a067110000".to_owned();
    for (families, accepted) in [
        (None, true),
        (Some(vec![own.clone()]), true),
        (Some(vec![other.clone(), own.clone()]), true),
        (Some(vec![other.clone()]), false),
        (Some(vec![]), false),
    ] {
        let policy = TcbPolicy {
            families: families.clone(),
            ..TcbPolicy::default()
        };
        let result = appraise(
            &claims,
            std::slice::from_ref(&reference),
            &policy,
            time(world.now),
        );
        assert_eq!(result.is_ok(), accepted, "{families:?}");
        if let Err(refusal) = result {
            assert_eq!(refusal.code(), "family-not-listed");
            assert!(refusal.to_string().contains(&own), "{refusal}");
        }
    }
}

/// None, one, some, all fit; and none are given.
#[test]
fn any_infrastructure_may_fit_and_a_refusal_says_why_each_did_not() {
    let world = World::sgx();
    let claims = world.verify().unwrap();
    let (pce, qe) = (
        claims.platform().unwrap().pce_svn,
        claims.tcb().unwrap().qe_isv_svn,
    );
    let good = |name: &str| Infrastructure {
        name: name.to_owned(),
        qe_svn: Some(qe),
        pce_svn: Some(pce),
        cpu_svn: Some(claims.platform().unwrap().components),
        root_ca: Some(claims.anchor),
    };
    let bad: [(&str, fn(&mut Infrastructure)); 4] = [
        ("QESVN", |i| i.qe_svn = i.qe_svn.map(|svn| svn + 1)),
        ("PCESVN", |i| i.pce_svn = i.pce_svn.map(|svn| svn + 1)),
        ("CPUSVN", |i| {
            i.cpu_svn = i.cpu_svn.map(|svn| raised(svn, true))
        }),
        ("RootCA", |i| i.root_ca = Some([7; 32])),
    ];
    for fits in 0u8..16 {
        let tried: Vec<Infrastructure> = (0..4)
            .map(|at| {
                let mut infrastructure = good(bad[at].0);
                if fits >> at & 1 == 0 {
                    bad[at].1(&mut infrastructure);
                }
                infrastructure
            })
            .collect();
        let result = appraise_infrastructures(&claims, &tried);
        assert_eq!(result.is_ok(), fits != 0, "{fits:04b}");
        let Err(refusal) = result else { continue };
        assert_eq!(refusal.code(), "infrastructure-differs");
        let text = refusal.to_string();
        for (field, _) in bad {
            assert!(text.contains(&format!("`{field}`: {field} is ")), "{text}");
        }
    }
    assert_eq!(appraise_infrastructures(&claims, &[]), Ok(()));
    let anything = Infrastructure::default();
    assert_eq!(appraise_infrastructures(&claims, &[anything]), Ok(()));
}

/// A root in an infrastructure is compared, never trusted: evidence under another root has no claims that could be held
/// against it, and an infrastructure without claims can't be asked.
#[test]
fn a_root_of_an_infrastructure_adds_no_anchor() {
    let mut stranger = World::sgx();
    stranger.root.subject = "Somebody".to_owned();
    let invalid = stranger.verify().unwrap_err();
    assert_eq!(invalid.code(), "root-untrusted", "{invalid}");

    let claims = World::sgx().verify().unwrap();
    let of_the_stranger = Infrastructure {
        name: "stranger".to_owned(),
        root_ca: Some([0x77; 32]),
        ..Infrastructure::default()
    };
    let refusal = appraise_infrastructures(&claims, &[of_the_stranger]).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains(&hex::encode(claims.anchor)) && text.contains("RootCA"),
        "{text}"
    );
}

#[test]
fn collateral_is_fresh_then_ending_then_in_grace_then_refused() {
    let mut world = World::tdx();
    let until = world.now + 10 * DAY;
    world.pck_crl.until = Some(until);
    let claims = world.verify().unwrap();
    let policy = TcbPolicy {
        warn: Duration::from_secs(3 * DAY),
        grace: Duration::from_secs(7 * DAY),
        ..TcbPolicy::default()
    };
    let band = |now: u64| freshness(&claims.dates, &policy, time(now));
    let (object, end) = (Dated::Crl(CrlName::Pck), time(until));
    let ending = Ok(Freshness::Ending { object, until: end });
    let grace = Ok(Freshness::Grace {
        object,
        until: end,
        refused_after: time(until + 7 * DAY),
    });
    assert_eq!(band(until - 3 * DAY), Ok(Freshness::Fresh));
    assert_eq!(band(until - 3 * DAY + 1), ending);
    assert_eq!(band(until), ending);
    assert_eq!(band(until + 1), grace);
    assert_eq!(band(until + 7 * DAY), grace);
    let refusal = band(until + 7 * DAY + 1).unwrap_err();
    assert_eq!(
        (refusal.code(), refusal.rule()),
        ("collateral-expired", "freshness")
    );
    for part in ["PCK CRL".to_owned(), utc(until), utc(until + 7 * DAY + 1)] {
        assert!(refusal.to_string().contains(&part), "{refusal}");
    }
}

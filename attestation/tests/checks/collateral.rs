//! Checks 4, 5 and 8: the signed texts, and that they are for this platform.

use serde_json::{Value, json};
use stoa_attestation::{COLLATERAL_LEN_MAX, Collateral, CrlName, Kind, NoMemo};
use stoa_explain::Explain;

use crate::endings;
use crate::support::Vector;
use crate::support::forge::{OTHER, World, components, level, qe_level, utc};

endings! {
    // Check 4.
    refuses_a_tcb_info_signed_by_another_key: World::tdx(), |w| w.tcb_info_key = OTHER => "tcb-info-signature-invalid";
    refuses_tcb_info_version_2: World::sgx(), |w| w.tcb_info["version"] = json!(2) => "tcb-info-version-unsupported";
    refuses_tcb_info_version_4: World::sgx(), |w| w.tcb_info["version"] = json!(4) => "tcb-info-version-unsupported";
    refuses_another_tcb_type: World::sgx(), |w| w.tcb_info["tcbType"] = json!(1) => "tcb-info-malformed";
    refuses_another_id: World::sgx(), |w| w.tcb_info["id"] = json!("sgx") => "tcb-info-malformed";
    refuses_no_levels: World::sgx(), |w| w.tcb_info["tcbLevels"] = json!([]) => "tcb-info-malformed";
    refuses_a_level_twice: World::sgx(), |w| levels(&mut w).push(level(2, 11, None, "OutOfDate")) => "tcb-info-malformed";
    refuses_an_unknown_status_in_any_level: World::sgx(), |w| w.tcb_info["tcbLevels"][1]["tcbStatus"] = json!("Fine") => "tcb-status-unknown";
    refuses_a_relaunch_status_in_a_level: World::tdx(), |w| w.tcb_info["tcbLevels"][1]["tcbStatus"] = json!("TDRelaunchAdvised") => "tcb-status-unknown";
    refuses_a_relaunch_and_configuration_status_in_a_level: World::tdx(), |w| {
        w.tcb_info["tcbLevels"][1]["tcbStatus"] = json!("TDRelaunchAdvisedConfigurationNeeded");
    } => "tcb-status-unknown";
    refuses_15_components: World::sgx(), |w| pop(&mut w.tcb_info["tcbLevels"][1]["tcb"]["sgxtcbcomponents"]) => "tcb-info-malformed";
    refuses_15_tdx_components: World::tdx(), |w| pop(&mut w.tcb_info["tcbLevels"][1]["tcb"]["tdxtcbcomponents"]) => "tcb-info-malformed";
    refuses_17_components: World::sgx(), |w| push(&mut w.tcb_info["tcbLevels"][1]["tcb"]["sgxtcbcomponents"], json!({"svn": 0})) => "tcb-info-malformed";
    refuses_a_component_above_255: World::sgx(), |w| w.tcb_info["tcbLevels"][1]["tcb"]["sgxtcbcomponents"][0]["svn"] = json!(256) => "tcb-info-malformed";
    refuses_a_negative_component: World::sgx(), |w| w.tcb_info["tcbLevels"][1]["tcb"]["sgxtcbcomponents"][0]["svn"] = json!(-1) => "tcb-info-malformed";
    refuses_tdx_components_for_sgx: World::sgx(), |w| w.tcb_info["tcbLevels"][1]["tcb"]["tdxtcbcomponents"] = components(&[0; 16]) => "tcb-info-malformed";
    refuses_no_tdx_components_for_tdx: World::tdx(), |w| remove(&mut w.tcb_info["tcbLevels"][1]["tcb"], "tdxtcbcomponents") => "tcb-info-malformed";
    refuses_a_tdx_module_for_sgx: World::sgx(), |w| w.tcb_info["tdxModule"] = World::tdx().tcb_info["tdxModule"].clone() => "tcb-info-malformed";
    refuses_module_identities_for_sgx: World::sgx(), |w| w.tcb_info["tdxModuleIdentities"] = json!([]) => "tcb-info-malformed";
    refuses_no_tdx_module_for_tdx: World::tdx(), |w| remove(&mut w.tcb_info, "tdxModule") => "tcb-info-malformed";
    refuses_an_unknown_status_of_a_module: World::tdx(), |w| {
        w.tcb_info["tdxModuleIdentities"][0]["tcbLevels"][1]["tcbStatus"] = json!("SWHardeningNeeded");
    } => "tcb-status-unknown";
    refuses_a_modules_level_twice: World::tdx(), |w| {
        let twice = w.tcb_info["tdxModuleIdentities"][0]["tcbLevels"][0].clone();
        push(&mut w.tcb_info["tdxModuleIdentities"][0]["tcbLevels"], twice);
    } => "tcb-info-malformed";
    refuses_a_date_in_another_form: World::sgx(), |w| w.tcb_info["nextUpdate"] = json!("2025-07-01") => "tcb-info-malformed";
    refuses_a_level_with_a_date_in_another_form: World::sgx(), |w| w.tcb_info["tcbLevels"][1]["tcbDate"] = json!("yesterday") => "tcb-info-malformed";
    the_order_of_levels_in_the_text_means_nothing: World::tdx(), |w| levels(&mut w).reverse() => "genuine";
    unknown_members_mean_nothing: World::tdx(), |w| w.tcb_info["comment"] = json!("hello") => "genuine";

    // Check 5.
    refuses_a_qe_identity_signed_by_another_key: World::tdx(), |w| w.qe_identity_key = OTHER => "qe-identity-signature-invalid";
    refuses_the_sgx_qe_for_tdx: World::tdx(), |w| w.qe_identity["id"] = json!("QE") => "qe-identity-tee-differs";
    refuses_the_tdx_qe_for_sgx: World::sgx(), |w| w.qe_identity["id"] = json!("TD_QE") => "qe-identity-tee-differs";
    refuses_the_qve_for_sgx: World::sgx(), |w| w.qe_identity["id"] = json!("QVE") => "qe-identity-tee-differs";
    refuses_qe_identity_version_3_for_sgx: World::sgx(), |w| w.qe_identity["version"] = json!(3) => "qe-identity-tee-differs";
    reads_qe_identity_version_3_for_tdx: World::tdx(), |w| w.qe_identity["version"] = json!(3) => "genuine";
    refuses_qe_identity_version_1: World::tdx(), |w| w.qe_identity["version"] = json!(1) => "qe-identity-tee-differs";
    refuses_qe_identity_version_4: World::tdx(), |w| w.qe_identity["version"] = json!(4) => "qe-identity-tee-differs";
    refuses_an_unknown_status_of_the_qe: World::tdx(), |w| w.qe_identity["tcbLevels"][1]["tcbStatus"] = json!("SWHardeningNeeded") => "tcb-status-unknown";
    refuses_a_level_of_the_qe_twice: World::tdx(), |w| push(&mut w.qe_identity["tcbLevels"], qe_level(4, "OutOfDate")) => "qe-identity-malformed";
    refuses_a_short_mask: World::tdx(), |w| w.qe_identity["attributesMask"] = json!("FF") => "qe-identity-malformed";

    // Check 8.
    refuses_tcb_info_of_another_fmspc: World::tdx(), |w| w.tcb_info["fmspc"] = json!("90C06F000001") => "fmspc-differs";
    refuses_tcb_info_of_another_pce: World::tdx(), |w| w.tcb_info["pceId"] = json!("0001") => "pce-id-differs";
    fmspc_may_be_in_lower_case: World::tdx(), |w| w.tcb_info["fmspc"] = json!("90c06f000000") => "genuine";
}

#[test]
fn refuses_collateral_of_the_other_tee() {
    for (world, other) in [(World::tdx(), World::sgx()), (World::sgx(), World::tdx())] {
        let result = world.verify_bytes(&world.quote(), &other.collateral());
        assert_eq!(crate::ending(&result), "collateral-tee-differs");
    }
}

#[test]
fn the_exact_bytes_are_signed() {
    let world = World::tdx();
    let json: Value = serde_json::from_slice(&world.collateral()).unwrap();
    for (member, code) in [
        ("tcb_info", "tcb-info-signature-invalid"),
        ("qe_identity", "qe-identity-signature-invalid"),
    ] {
        let mut changed = json.clone();
        changed[member] = json!(format!("{} ", changed[member].as_str().unwrap()));
        let result = world.verify_bytes(&world.quote(), changed.to_string().as_bytes());
        assert_eq!(crate::ending(&result), code);
    }
}

#[test]
fn a_member_stands_once_in_signed_text() {
    let world = World::tdx();
    let (tcb_info, qe_identity) = (world.tcb_info.to_string(), world.qe_identity.to_string());
    let root = world.root.pem();
    let twice = |text: &str, member: &str, value: &str| {
        let at = text.find(&format!("\"{member}\"")).unwrap();
        format!("{}\"{member}\":{value},{}", &text[..at], &text[at..])
    };
    for (member, value) in [
        ("tcbStatus", "\"UpToDate\""),
        ("fmspc", "\"90C06F000000\""),
        ("version", "3"),
        ("svn", "0"),
    ] {
        let collateral = world.collateral_of(&root, &twice(&tcb_info, member, value), &qe_identity);
        let result = world.verify_bytes(&world.quote(), &collateral);
        assert_eq!(crate::ending(&result), "tcb-info-malformed", "{member}");
    }
    for (member, value) in [
        ("tcbStatus", "\"UpToDate\""),
        ("isvsvn", "0"),
        ("id", "\"TD_QE\""),
    ] {
        let collateral = world.collateral_of(&root, &tcb_info, &twice(&qe_identity, member, value));
        let result = world.verify_bytes(&world.quote(), &collateral);
        assert_eq!(crate::ending(&result), "qe-identity-malformed", "{member}");
    }
    for (tcb, qe, code) in [
        (
            format!("{tcb_info}{{}}"),
            qe_identity.clone(),
            "tcb-info-malformed",
        ),
        (
            tcb_info.clone(),
            format!("{qe_identity}1"),
            "qe-identity-malformed",
        ),
    ] {
        let result = world.verify_bytes(&world.quote(), &world.collateral_of(&root, &tcb, &qe));
        assert_eq!(crate::ending(&result), code);
    }
}

#[test]
fn every_member_of_signed_text_must_be_there() {
    let world = World::tdx();
    for member in [
        "id",
        "version",
        "issueDate",
        "nextUpdate",
        "fmspc",
        "pceId",
        "tcbType",
        "tcbEvaluationDataNumber",
        "tcbLevels",
    ] {
        let mut world = world.clone();
        remove(&mut world.tcb_info, member);
        assert_eq!(
            crate::ending(&world.verify()),
            "tcb-info-malformed",
            "{member}"
        );
    }
    let members = [
        "id",
        "version",
        "issueDate",
        "nextUpdate",
        "tcbEvaluationDataNumber",
        "miscselect",
        "miscselectMask",
        "attributes",
        "attributesMask",
        "mrsigner",
        "isvprodid",
        "tcbLevels",
    ];
    for member in members {
        let mut world = world.clone();
        remove(&mut world.qe_identity, member);
        assert_eq!(
            crate::ending(&world.verify()),
            "qe-identity-malformed",
            "{member}"
        );
    }
}

#[test]
fn the_json_around_is_checked_too() {
    let json: Value = serde_json::from_slice(&World::tdx().collateral()).unwrap();
    let code = |json: &Value| {
        Collateral::parse(json.to_string().as_bytes())
            .map(drop)
            .map_err(|error| error.code())
    };
    assert_eq!(code(&json), Ok(()));
    let members: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members.len(), 9);
    for member in &members {
        let mut changed = json.clone();
        remove(&mut changed, member);
        assert_eq!(
            code(&changed),
            Err("collateral-malformed"),
            "without {member}"
        );
    }
    for (member, value) in [
        ("root_ca_crl", "zz"),
        ("pck_crl", "123"),
        ("tcb_info_signature", &"00".repeat(63)),
        ("qe_identity_signature", &"00".repeat(65)),
    ] {
        let mut changed = json.clone();
        changed[member] = json!(value);
        assert_eq!(code(&changed), Err("collateral-malformed"), "{member}");
    }
    for text in ["", "{", "[]", "null", "{}"] {
        assert_eq!(
            Collateral::parse(text.as_bytes()).unwrap_err().code(),
            "collateral-malformed",
            "{text}"
        );
    }
    let mut padded = World::tdx().collateral();
    padded.resize(COLLATERAL_LEN_MAX, b' ');
    assert!(Collateral::parse(&padded).is_ok());
    padded.push(b' ');
    assert_eq!(
        Collateral::parse(&padded).unwrap_err().code(),
        "evidence-too-large"
    );
}

#[test]
fn verified_collateral_says_what_it_is_and_how_long_it_holds() {
    let mut world = World::tdx();
    world.qe_identity["issueDate"] = json!("2025-06-22T00:00:00Z");
    world.root_crl.until = Some(world.now + 86_400);
    let vector = world.vector("forged");
    let collateral = vector.verified_collateral(&NoMemo).unwrap();
    assert_eq!(collateral.kind(), Kind::TdxDcap);
    assert_eq!(collateral.valid_until().as_secs(), world.now + 86_400);
    assert_eq!(
        utc(collateral.valid_from().as_secs()),
        "2025-06-22T00:00:00Z"
    );
    assert_eq!(collateral.anchor_sha256(), vector.anchors()[0].sha256());
    assert_eq!(collateral.json(), vector.collateral);
    assert_eq!(collateral.fmspc(), Some(world.sgx.fmspc));
    assert_eq!(collateral.evaluation_number(), Some(17));
    assert_eq!(
        collateral.crl_numbers(),
        [(CrlName::Root, &[1][..]), (CrlName::Pck, &[1][..])]
    );
    let real = Vector::load("tdx/01-v4-up-to-date");
    let collateral = real.verified_collateral(&NoMemo).unwrap();
    let window = &real.verdict["valid_window"];
    assert_eq!(
        utc(collateral.valid_from().as_secs()),
        window["not_before"].as_str().unwrap()
    );
    assert_eq!(
        utc(collateral.valid_until().as_secs()),
        window["not_after"].as_str().unwrap()
    );
}

fn levels(world: &mut World) -> &mut Vec<Value> {
    world.tcb_info["tcbLevels"].as_array_mut().unwrap()
}

fn push(array: &mut Value, value: Value) {
    array.as_array_mut().unwrap().push(value);
}

fn pop(array: &mut Value) {
    array.as_array_mut().unwrap().pop();
}

fn remove(object: &mut Value, member: &str) {
    assert!(
        object.as_object_mut().unwrap().remove(member).is_some(),
        "{member}"
    );
}

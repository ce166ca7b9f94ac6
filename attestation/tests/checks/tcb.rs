//! Checks 9, 11 and 12: quoting enclave, TDX module, levels, and how statuses come together.

use serde_json::{Value, json};
use stoa_attestation::{ComponentStatus, TcbStatus};

use crate::endings;
use crate::support::forge::{World, components, level, qe_level, tdx_svn};

endings! {
    // Check 9.
    refuses_a_quoting_enclave_in_debug: World::tdx(), |w| w.qe_report.0[48] |= 2 => "qe-differs";
    refuses_a_quoting_enclave_in_debug_even_if_the_identity_says_so: World::tdx(), |w| {
        w.qe_report.0[48] |= 2;
        w.qe_identity["attributes"] = json!("03000000000000000000000000000000");
        w.qe_identity["attributesMask"] = json!("FBFFFFFFFFFFFFFF0000000000000000");
    } => "qe-differs";
    refuses_other_attributes: World::tdx(), |w| w.qe_report.0[48] |= 0x20 => "qe-differs";
    attributes_outside_the_mask_do_not_count: World::tdx(), |w| w.qe_report.0[56] = 0xe7 => "genuine";
    refuses_another_miscselect: World::tdx(), |w| w.qe_report.0[16] = 1 => "qe-differs";
    miscselect_outside_the_mask_does_not_count: World::tdx(), |w| {
        w.qe_report.0[16] = 1;
        w.qe_identity["miscselectMask"] = json!("FEFFFFFF");
    } => "genuine";
    refuses_another_signer_of_the_qe: World::tdx(), |w| w.qe_report.0[128] ^= 1 => "qe-differs";
    refuses_another_product_of_the_qe: World::tdx(), |w| w.qe_report.0[256] ^= 1 => "qe-differs";
    refuses_a_qe_below_all_levels: World::tdx(), |w| w.qe_report.0[258] = 1 => "tcb-level-none";
    refuses_a_qe_without_levels: World::tdx(), |w| w.qe_identity["tcbLevels"] = json!([]) => "tcb-level-none";
    refuses_a_revoked_qe: World::tdx(), |w| w.qe_identity["tcbLevels"][0]["tcbStatus"] = json!("Revoked") => "tcb-revoked";

    // Check 11.
    refuses_another_signer_of_the_module: World::tdx(), |w| w.body[64] = 1 => "tdx-module-differs";
    refuses_attributes_of_the_module: World::tdx(), |w| w.body[112] = 1 => "tdx-module-differs";
    refuses_attributes_of_the_module_even_if_the_tcb_info_says_so: World::tdx(), |w| {
        w.body[112] = 1;
        w.tcb_info["tdxModuleIdentities"][0]["attributes"] = json!("0100000000000000");
    } => "tdx-module-differs";
    refuses_a_module_that_should_have_attributes: World::tdx(), |w| {
        w.tcb_info["tdxModuleIdentities"][0]["attributes"] = json!("0100000000000000");
    } => "tdx-module-differs";
    the_identity_of_the_modules_version_counts: World::tdx(), |w| w.tcb_info["tdxModule"]["mrsigner"] = json!("01".repeat(48)) => "genuine";
    without_a_module_version_the_general_module_counts: World::tdx(), |w| {
        w.body[1] = 0;
        w.tcb_info["tdxModule"]["mrsigner"] = json!("01".repeat(48));
    } => "tdx-module-differs";
    without_a_module_version_no_identity_is_needed: World::tdx(), |w| {
        w.body[1] = 0;
        w.tcb_info["tdxModuleIdentities"] = json!([]);
    } => "genuine";
    refuses_a_module_version_without_identity: World::tdx(), |w| w.body[1] = 3 => "tdx-module-differs";
    refuses_a_module_below_all_levels: World::tdx(), |w| w.body[0] = 1 => "tcb-level-none";
    refuses_a_revoked_module: World::tdx(), |w| {
        w.tcb_info["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = json!("Revoked");
    } => "tcb-revoked";

    // Check 12.
    refuses_a_platform_below_all_levels: World::sgx(), |w| { w.sgx.components[15] = 0; w.sgx.cpu_svn[15] = 0; } => "tcb-level-none";
    refuses_a_pce_below_all_levels: World::sgx(), |w| w.sgx.pce_svn = 4 => "tcb-level-none";
    refuses_tdx_components_below_all_levels: World::tdx(), |w| w.body[2] = 0 => "tcb-level-none";
    refuses_a_revoked_platform_level: World::sgx(), |w| w.tcb_info["tcbLevels"][0]["tcbStatus"] = json!("Revoked") => "tcb-revoked";
    refuses_a_td_whose_current_module_has_no_level: World::tdx15(tdx_svn(1, 1, 2)), |_w| () => "tcb-level-none";
    refuses_a_td_whose_current_platform_has_no_level: World::tdx15(tdx_svn(4, 1, 0)), |_w| () => "tcb-level-none";
    refuses_a_td_whose_current_module_has_no_identity: World::tdx15(tdx_svn(4, 2, 2)), |_w| () => "tdx-module-differs";
    refuses_a_td_whose_current_module_is_revoked: World::tdx15(tdx_svn(5, 1, 2)), |w| {
        let revoked = json!({"tcb": {"isvsvn": 5}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "Revoked"});
        module_levels(&mut w).push(revoked);
    } => "tcb-revoked";
    refuses_a_td_whose_current_platform_is_revoked: World::tdx15(tdx_svn(4, 1, 3)), |w| {
        levels(&mut w).push(level(2, 11, Some(tdx_svn(4, 0, 3)), "Revoked"));
    } => "tcb-revoked";
}

fn levels(world: &mut World) -> &mut Vec<Value> {
    world.tcb_info["tcbLevels"].as_array_mut().unwrap()
}

fn module_levels(world: &mut World) -> &mut Vec<Value> {
    world.tcb_info["tdxModuleIdentities"][0]["tcbLevels"]
        .as_array_mut()
        .unwrap()
}

fn status(world: &World) -> TcbStatus {
    world.verify().unwrap().tcb().unwrap().status
}

/// Each of the 16 components and the PCE's SVN can keep a platform from its level.
#[test]
fn a_level_wants_every_component() {
    assert_eq!(status(&World::sgx()), TcbStatus::UpToDate);
    for at in 0..16 {
        let mut world = World::sgx();
        world.sgx.components[at] = 1;
        world.sgx.cpu_svn[at] = 1;
        assert_eq!(status(&world), TcbStatus::OutOfDate, "component {at}");
        world.sgx.components[at] = 255;
        world.sgx.cpu_svn[at] = 255;
        assert_eq!(status(&world), TcbStatus::UpToDate, "component {at}");
    }
    let mut world = World::sgx();
    world.sgx.pce_svn = 10;
    assert_eq!(status(&world), TcbStatus::OutOfDate);
}

#[test]
fn a_td_wants_every_tdx_component_of_its_level_too() {
    for at in 2..16 {
        let mut world = World::tdx();
        let mut svn = [0; 16];
        svn[at] = 9;
        levels(&mut world)[0]["tcb"]["tdxtcbcomponents"] = components(&svn);
        assert_eq!(status(&world), TcbStatus::OutOfDate, "component {at}");
    }
    // Components 0 and 1 are the module's; with a module version its identity judges them.
    for at in 0..2 {
        let mut world = World::tdx();
        let mut svn = [0; 16];
        svn[at] = 9;
        levels(&mut world)[0]["tcb"]["tdxtcbcomponents"] = components(&svn);
        assert_eq!(status(&world), TcbStatus::UpToDate, "component {at}");
        world.body[1] = 0;
        assert_eq!(status(&world), TcbStatus::OutOfDate, "component {at}");
    }
}

#[test]
fn the_highest_level_that_is_met_counts() {
    let mut world = World::sgx();
    *levels(&mut world) = vec![
        level(1, 5, None, "OutOfDate"),
        level(2, 10, None, "ConfigurationNeeded"),
        level(2, 11, None, "SWHardeningNeeded"),
        level(3, 11, None, "UpToDate"),
    ];
    assert_eq!(status(&world), TcbStatus::SwHardeningNeeded);
    world.sgx.pce_svn = 10;
    assert_eq!(status(&world), TcbStatus::ConfigurationNeeded);
    let mut world = World::tdx();
    levels(&mut world).insert(0, level(2, 11, Some(tdx_svn(0, 0, 1)), "OutOfDate"));
    assert_eq!(
        status(&world),
        TcbStatus::UpToDate,
        "TDX components order levels that are otherwise equal"
    );
}

#[test]
fn quoting_enclave_and_module_pull_the_status_down() {
    for (platform, expected) in [
        ("UpToDate", TcbStatus::OutOfDate),
        ("SWHardeningNeeded", TcbStatus::OutOfDate),
        (
            "ConfigurationNeeded",
            TcbStatus::OutOfDateConfigurationNeeded,
        ),
        (
            "ConfigurationAndSWHardeningNeeded",
            TcbStatus::OutOfDateConfigurationNeeded,
        ),
        ("OutOfDate", TcbStatus::OutOfDate),
        (
            "OutOfDateConfigurationNeeded",
            TcbStatus::OutOfDateConfigurationNeeded,
        ),
    ] {
        let mut world = World::tdx();
        levels(&mut world)[0]["tcbStatus"] = json!(platform);
        assert_eq!(status(&world).to_string(), platform);

        let mut old_module = world.clone();
        old_module.body[0] = 2;
        let claims = old_module.verify().unwrap();
        assert_eq!(
            claims.tcb().unwrap().status,
            expected,
            "{platform} with an old module"
        );
        assert_eq!(
            claims.tcb().unwrap().module_status,
            Some(ComponentStatus::OutOfDate)
        );
        assert_eq!(claims.tcb().unwrap().platform_status.to_string(), platform);

        for word in [
            "OutOfDate",
            "ConfigurationNeeded",
            "OutOfDateConfigurationNeeded",
        ] {
            let mut old_qe = world.clone();
            old_qe.qe_identity["tcbLevels"][0] = qe_level(4, word);
            let claims = old_qe.verify().unwrap();
            assert_eq!(
                claims.tcb().unwrap().status,
                expected,
                "{platform} with a QE that is {word}"
            );
            assert_eq!(claims.tcb().unwrap().qe_status, ComponentStatus::OutOfDate);
        }
    }
}

#[test]
fn advisories_and_dates_are_those_of_the_matched_levels() {
    let mut world = World::tdx();
    world.body[0] = 2;
    world.qe_report.0[258] = 3;
    module_levels(&mut world)[1]["advisoryIDs"] = json!(["INTEL-SA-00002", "INTEL-SA-70001"]);
    module_levels(&mut world)[1]["tcbDate"] = json!("2023-08-09T00:00:00Z");
    world.qe_identity["tcbLevels"][1]["advisoryIDs"] = json!(["INTEL-SA-80001", "INTEL-SA-70001"]);
    world.qe_identity["tcbLevels"][0]["advisoryIDs"] = json!(["INTEL-SA-99999"]);
    let claims = world.verify().unwrap();
    assert_eq!(
        claims.tcb().unwrap().advisories,
        ["INTEL-SA-00002", "INTEL-SA-70001", "INTEL-SA-80001"]
    );
    assert_eq!(
        stoa_attestation::Utc(claims.tcb().unwrap().tcb_date).to_string(),
        "2023-08-09T00:00:00Z"
    );
    assert_eq!(
        (
            claims.tcb().unwrap().evaluation_number,
            claims.tcb().unwrap().qe_isv_svn
        ),
        (17, 3)
    );
    world.qe_identity["tcbEvaluationDataNumber"] = json!(3);
    assert_eq!(world.verify().unwrap().tcb().unwrap().evaluation_number, 3);
}

/// A TD launched on module 2 (out of date) that now runs on module `current`.
fn preserved(current: [u8; 16]) -> World {
    let mut world = World::tdx15(current);
    world.body[0] = 2;
    world
}

#[test]
fn relaunch_is_advised_only_if_it_would_help() {
    use TcbStatus::{
        OutOfDate, OutOfDateConfigurationNeeded, TdRelaunchAdvised,
        TdRelaunchAdvisedConfigurationNeeded,
    };
    let newest = tdx_svn(4, 1, 2);
    assert_eq!(status(&preserved(newest)), TdRelaunchAdvised);
    assert_eq!(
        status(&preserved(tdx_svn(3, 1, 2))),
        OutOfDate,
        "the module of now is not the newest"
    );
    assert_eq!(
        status(&preserved(tdx_svn(4, 1, 1))),
        OutOfDate,
        "nor the microcode"
    );

    let mut configuration = preserved(newest);
    levels(&mut configuration)[0]["tcbStatus"] = json!("ConfigurationNeeded");
    assert_eq!(status(&configuration), TdRelaunchAdvisedConfigurationNeeded);
    let mut hardening = preserved(newest);
    levels(&mut hardening)[0]["tcbStatus"] = json!("SWHardeningNeeded");
    assert_eq!(status(&hardening), TdRelaunchAdvised);

    let mut old_qe = preserved(newest);
    old_qe.qe_report.0[258] = 3;
    assert_eq!(
        status(&old_qe),
        OutOfDate,
        "the quoting enclave is old, too"
    );
    let mut old_platform = preserved(newest);
    levels(&mut old_platform)[0]["tcbStatus"] = json!("OutOfDate");
    assert_eq!(status(&old_platform), OutOfDate, "the platform is old, too");
    let mut old_configuration = preserved(newest);
    levels(&mut old_configuration)[0]["tcbStatus"] = json!("OutOfDateConfigurationNeeded");
    assert_eq!(status(&old_configuration), OutOfDateConfigurationNeeded);

    let mut current_module = World::tdx15(newest);
    levels(&mut current_module)[0]["tcbStatus"] = json!("OutOfDate");
    assert_eq!(
        status(&current_module),
        OutOfDate,
        "the module was current at launch"
    );
    let mut td_1_0 = World::tdx();
    td_1_0.body[0] = 2;
    assert_eq!(status(&td_1_0), OutOfDate, "TDX 1.0 knows no module of now");
}

/// The newest level wants more of SGX than the platform has; the next wants more of TDX than the module of now has.
#[test]
fn relaunch_is_not_advised_where_the_level_of_now_is_out_of_date_as_well() {
    let mut world = preserved(tdx_svn(4, 1, 2));
    let at_launch = status(&world);
    assert_eq!(at_launch, TcbStatus::TdRelaunchAdvised);
    let next = |microcode, status| level(2, 11, Some(tdx_svn(4, 1, microcode)), status);
    world.tcb_info["tcbLevels"] = json!([
        level(3, 11, Some(tdx_svn(4, 1, 1)), "UpToDate"),
        next(3, "UpToDate"),
        next(0, "OutOfDate"),
    ]);
    assert_eq!(status(&world), TcbStatus::OutOfDate);
    world.tcb_info["tcbLevels"][1] = next(2, "UpToDate");
    assert_eq!(status(&world), TcbStatus::TdRelaunchAdvised);
}

#[test]
fn relaunch_without_a_module_version_looks_at_the_newest_level() {
    // Launched on a module with version 1, runs on one without version: components 0 and 2 of the newest level count.
    assert_eq!(
        status(&preserved(tdx_svn(4, 0, 2))),
        TcbStatus::TdRelaunchAdvised
    );
    assert_eq!(status(&preserved(tdx_svn(3, 0, 2))), TcbStatus::OutOfDate);
}

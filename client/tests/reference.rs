//! Reference files: what they become, and every fault with its path.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use stoa_attestation::policy::{Advisories, Minimum, SnpPolicy, SnpTcbMinimum, Tolerance};
use stoa_attestation::{
    Reference, ReferenceValue, SgxReference, TcbPolicy, TcbStatus, TdxReference,
};
use stoa_client::reference;

fn parse(value: &Value) -> Result<Reference, Vec<String>> {
    reference::parse(value.to_string().as_bytes())
        .map_err(|error| error.faults.iter().map(ToString::to_string).collect())
}

fn native(identity: Value) -> Value {
    json!({"format": 1, "identities": [identity]})
}

const ID: &str = "aa";

#[test]
fn a_reference_becomes_what_it_says() {
    let all = json!({
        "format": 1,
        "identities": [
            {"tee": "sgx", "unique_id": ID.repeat(32)},
            {"tee": "sgx", "signer_id": "BB".repeat(32), "product_id": 3, "security_version": 0},
            {"tee": "tdx", "mrtd": ID.repeat(48), "rtmr": {"0": ID.repeat(48), "3": "cc".repeat(48)}},
            {"tee": "tdx", "mrtd": [ID.repeat(48), "cc".repeat(48)], "rtmr": null},
        ],
        "debug": true, "accepted_tcb": ["OutOfDate"], "accepted_advisories": ["INTEL-SA-00615"],
        "platforms": ["0F".repeat(16)], "security_digest": "dd".repeat(48),
    });
    let sgx = |reference| ReferenceValue::Sgx(reference);
    let wanted = Reference {
        identities: vec![
            sgx(SgxReference {
                unique_id: Some([0xaa; 32]),
                ..SgxReference::default()
            }),
            sgx(SgxReference {
                signer_id: Some([0xbb; 32]),
                product_id: Some(3),
                security_version: Some(0),
                ..SgxReference::default()
            }),
            ReferenceValue::Tdx(TdxReference {
                mrtd: vec![[0xaa; 48]],
                rtmr: [Some([0xaa; 48]), None, None, Some([0xcc; 48])],
                ..TdxReference::default()
            }),
            ReferenceValue::Tdx(TdxReference {
                mrtd: vec![[0xaa; 48], [0xcc; 48]],
                rtmr: [None; 4],
                ..TdxReference::default()
            }),
        ],
        tcb: TcbPolicy {
            debug: true,
            accepted: BTreeSet::from([TcbStatus::UpToDate, TcbStatus::OutOfDate]),
            advisories: Advisories::Only(BTreeSet::from(["INTEL-SA-00615".to_owned()])),
            platforms: Some(vec!["0f".repeat(16)]),
            ..TcbPolicy::default()
        },
        security_digest: Some([0xdd; 48]),
    };
    assert_eq!(parse(&all), Ok(wanted));
}

#[test]
fn floors_bands_and_tolerances_are_read() {
    let mut file = native(json!({"tee": "sgx", "unique_id": ID.repeat(32)}));
    file["families"] = json!(["90C06F000000"]);
    file["minimum"] = json!({
        "evaluation_number": 17, "tcb_date": "2024-03-13T00:00:00Z", "cpu_svn": "02".repeat(16), "pce_svn": 13,
        "qe_svn": 8, "tee_tcb_svn": "03".repeat(16)
    });
    file["warn_hours"] = json!(168);
    file["grace_hours"] = json!(24);
    file["tolerated"] = json!([
        "profiling",
        "service_td",
        "migratable",
        "sept_ve",
        "reserved_attributes"
    ]);
    let wanted = TcbPolicy {
        families: Some(vec!["90c06f000000".to_owned()]),
        minimum: Minimum {
            evaluation_number: Some(17),
            tcb_date: Some(UnixTime::since_unix_epoch(Duration::from_secs(
                1_710_288_000,
            ))),
            cpu_svn: Some([2; 16]),
            pce_svn: Some(13),
            qe_svn: Some(8),
            tee_tcb_svn: Some([3; 16]),
        },
        warn: Duration::from_secs(7 * 86_400),
        grace: Duration::from_secs(86_400),
        profiling: Tolerance::Accept,
        service_td: Tolerance::Accept,
        migratable: Tolerance::Accept,
        sept_ve: Tolerance::Accept,
        reserved_attributes: Tolerance::Accept,
        ..TcbPolicy::default()
    };
    assert_eq!(parse(&file).unwrap().tcb, wanted);
}

#[test]
fn what_an_snp_guest_must_be_is_read_and_its_faults_have_their_paths() {
    let mut file = native(json!({"tee": "snp", "measurement": ID.repeat(48)}));
    assert_eq!(parse(&file).unwrap().tcb.snp, SnpPolicy::default());
    file["snp"] = json!({
        "allow_migration": true, "forbid_smt": true, "single_socket": true, "abi_min": "1.55", "vmpl_max": 2,
        "allow_unchecked_aliases": true, "allow_missing_crl": true,
        "committed_tcb_min": {"fmc": 1, "bootloader": 2, "tee": 3, "snp": 4, "microcode": 5},
        "launch_tcb_min": {"microcode": 255}
    });
    let wanted = SnpPolicy {
        migratable: Tolerance::Accept,
        smt: Tolerance::Refuse,
        several_sockets: Tolerance::Refuse,
        abi_min: Some((1, 55)),
        vmpl_max: 2,
        unchecked_aliases: Tolerance::Accept,
        committed_min: SnpTcbMinimum {
            fmc: Some(1),
            boot_loader: Some(2),
            tee: Some(3),
            snp: Some(4),
            microcode: Some(5),
        },
        launch_min: SnpTcbMinimum {
            microcode: Some(255),
            ..SnpTcbMinimum::default()
        },
        no_crl: Tolerance::Accept,
    };
    assert_eq!(parse(&file).unwrap().tcb.snp, wanted);

    file["snp"] = json!({
        "allow_migration": "no", "abi_min": "+1.55", "vmpl_max": 4, "smt": true,
        "committed_tcb_min": {"snp": 256, "boot_loader": 1}
    });
    let faults = reference::parse(file.to_string().as_bytes())
        .unwrap_err()
        .faults;
    let mut paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    paths.sort_unstable();
    let wanted = [
        "snp.abi_min",
        "snp.allow_migration",
        "snp.committed_tcb_min.boot_loader",
        "snp.committed_tcb_min.snp",
        "snp.smt",
        "snp.vmpl_max",
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn faults_of_floors_have_their_paths() {
    let mut file = native(json!({"tee": "sgx", "unique_id": ID.repeat(32)}));
    file["families"] = json!(["90C06F000000", "rome", "Genoa"]);
    file["minimum"] = json!({"tcb_date": "2024-03-13", "pce_svn": 65_536, "tee_svn": 1});
    file["grace_hours"] = json!(87_601);
    file["tolerated"] = json!(["debug"]);
    let faults = reference::parse(file.to_string().as_bytes())
        .unwrap_err()
        .faults;
    let mut paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    paths.sort_unstable();
    let wanted = [
        "families[1]",
        "grace_hours",
        "minimum.pce_svn",
        "minimum.tcb_date",
        "minimum.tee_svn",
        "tolerated[0]",
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn what_is_written_is_read_back() {
    let identities = vec![
        ReferenceValue::Sgx(SgxReference {
            unique_id: Some([0xaa; 32]),
            ..SgxReference::default()
        }),
        ReferenceValue::Sgx(SgxReference {
            unique_id: None,
            signer_id: Some([0xbb; 32]),
            product_id: Some(3),
            security_version: Some(0),
            family_id: Some([1; 16]),
            extended_product_id: Some([2; 16]),
            config_id: Some([3; 64]),
            config_svn: Some(4),
        }),
        ReferenceValue::Tdx(TdxReference {
            mrtd: vec![[0xaa; 48], [0xcc; 48]],
            rtmr: [Some([1; 48]), None, Some([2; 48]), None],
            mr_config_id: Some([5; 48]),
            mr_owner: Some([6; 48]),
            mr_owner_config: Some([7; 48]),
            attributes: Some(1 << 28),
            xfam: Some(0xe7),
        }),
    ];
    let read = reference::parse(&reference::encode(&identities)).unwrap();
    assert_eq!(
        read,
        Reference {
            identities,
            ..Reference::default()
        }
    );
}

#[test]
fn what_is_absent_or_null_is_the_strict_default() {
    let least = native(json!({"tee": "sgx", "unique_id": ID.repeat(32)}));
    let mut nulls = least.clone();
    for name in [
        "debug",
        "accepted_tcb",
        "accepted_advisories",
        "platforms",
        "security_digest",
    ] {
        nulls[name] = Value::Null;
    }
    for value in [least, nulls] {
        let read = parse(&value).unwrap();
        assert_eq!(
            (read.tcb, read.security_digest),
            (TcbPolicy::default(), None)
        );
    }
}

#[test]
fn every_fault_is_found_at_once_with_its_path() {
    let bad = json!({
        "format": 2, "debug": "no", "accepted_tcb": ["UpToDate", "Fine", "Revoked", 3], "platforms": ["xyz"],
        "security_digest": "aa", "identitys": [],
        "identities": [
            {"tee": "sgx", "unique_id": "zz", "product_id": 3},
            {"tee": "sgx", "signer_id": ID.repeat(32), "product_id": 65536},
            {"tee": "tdx", "mrtd": [], "rtmr": {"4": "aa"}},
            {"tee": "snp", "measurement": "aa"},
            {"tee": "sev"}, {}, 7,
        ],
    });
    let wanted = [
        "format is 2, this version reads 1",
        "debug is \"no\", wanted true or false",
        "accepted_tcb[3] is 3, wanted a string",
        "accepted_tcb[1] is `Fine`, which is no TCB status",
        "accepted_tcb[2] is `Revoked`, which can't be accepted: such keys are lost",
        "platforms[0] is `xyz`, wanted 32 hex digits (a PPID or PIID), or 16 or 128 (a chip id)",
        "identities[6] is 7, wanted an object",
        "identities[0].product_id stands beside `unique_id`, which says everything",
        "identities[0].unique_id has 2 characters, wanted 64 hex digits",
        "identities[1].security_version is missing; without `unique_id` an enclave is named by signer_id, product_id and security_version",
        "identities[1].product_id is 65536, wanted a number, 0 to 65535",
        "identities[2].mrtd names nothing; nothing could ever be the coordinator",
        "identities[2].rtmr.4 is not known here; known are 0, 1, 2, 3",
        "identities[3].measurement has 2 characters, wanted 96 hex digits",
        "identities[4].tee is `sev`; use `sgx`, `tdx` or `snp`",
        "identities[5].tee is missing; use `sgx`, `tdx` or `snp`",
        "security_digest has 2 characters, wanted 96 hex digits",
        "identitys is not known here; known are accepted_advisories, accepted_tcb, debug, families, format, grace_hours, identities, minimum, platforms, security_digest, snp, tolerated, warn_hours",
    ];
    assert_eq!(parse(&bad).unwrap_err(), wanted);
}

#[test]
fn a_reference_without_an_identity_is_refused() {
    for (value, fault) in [
        (
            json!({"format": 1}),
            "identities is missing; nothing would be compared",
        ),
        (
            json!({"format": 1, "identities": null}),
            "identities is missing; nothing would be compared",
        ),
        (
            json!({"format": 1, "identities": []}),
            "identities is empty; nothing could ever be the coordinator",
        ),
    ] {
        assert_eq!(parse(&value).unwrap_err(), [fault]);
    }
    assert!(
        parse(&json!({}))
            .unwrap_err()
            .contains(&"format is missing; the only format is 1".to_owned())
    );
}

#[test]
fn what_is_no_json_object_is_refused() {
    for (bytes, cause) in [
        (&b""[..], "the file is no JSON: "),
        (b"[]", "the file is no JSON object"),
        (
            b"{\"format\":1,\"format\":1}",
            "member `format` stands twice",
        ),
        (
            &vec![b' '; reference::REFERENCE_BYTES_MAX + 1],
            "the file has 262145 bytes, the limit is 262144",
        ),
    ] {
        let faults = reference::parse(bytes).unwrap_err().faults;
        assert!(faults[0].to_string().contains(cause), "{}", faults[0]);
    }
}

#[test]
fn the_configuration_of_era_is_read_without_case() {
    let era = json!({"uniqueid": "", "SignerID": ID.repeat(32), "ProductID": 3, "securityversion": 2, "Debug": false,
        "AcceptedTCBStatuses": ["ConfigurationNeeded"], "AcceptedAdvisories": [], "InsecureSkipVerify": false, "Nonce": null});
    let read = parse(&era).unwrap();
    assert_eq!(
        read.identities,
        [ReferenceValue::Sgx(SgxReference {
            unique_id: None,
            signer_id: Some([0xaa; 32]),
            product_id: Some(3),
            security_version: Some(2),
            ..SgxReference::default()
        })]
    );
    assert_eq!(
        read.tcb.accepted,
        BTreeSet::from([TcbStatus::UpToDate, TcbStatus::ConfigurationNeeded])
    );
    assert_eq!(read.tcb.advisories, Advisories::All);
    let unique = parse(&json!({"UniqueID": ID.repeat(32)})).unwrap();
    assert_eq!(unique.tcb, TcbPolicy::default());
}

#[test]
fn the_configuration_of_era_can_not_weaken_a_check() {
    for (value, faults) in [
        (
            json!({"UniqueID": ID.repeat(32), "InsecureSkipVerify": true}),
            vec!["InsecureSkipVerify is true; there is no way to skip the verification"],
        ),
        (
            json!({"UniqueID": ID.repeat(32), "Nonce": "AAAA"}),
            vec!["Nonce is set; a nonce that stands in a file proves nothing"],
        ),
        (
            json!({"SignerID": ID.repeat(32), "ProductID": 0}),
            vec![
                "ProductID is missing or 0; without UniqueID it must be set",
                "SecurityVersion is missing or 0; without UniqueID it must be set",
            ],
        ),
        (
            json!({"SignerID": "", "UniqueID": "", "ProductID": 1, "SecurityVersion": 1}),
            vec!["SignerID is empty, and so is UniqueID; nothing would be compared"],
        ),
        (
            json!({"UniqueID": ID.repeat(32), "uniqueID": ID.repeat(32)}),
            vec!["uniqueID is `UniqueID` again; it stands twice"],
        ),
        (
            json!({"UniqueID": ID.repeat(32), "AcceptedTCBStatuses": ["Revoked"]}),
            vec![
                "AcceptedTCBStatuses[0] is `Revoked`, which can't be accepted: such keys are lost",
            ],
        ),
        (
            json!({"UniqueID": ID.repeat(32), "Uniqueid2": 1}),
            vec![
                "Uniqueid2 is not known here; known are AcceptedAdvisories, AcceptedTCBStatuses, Debug, InsecureSkipVerify, Nonce, ProductID, SecurityVersion, SignerID, UniqueID",
            ],
        ),
    ] {
        assert_eq!(parse(&value).unwrap_err(), faults, "{value}");
    }
}

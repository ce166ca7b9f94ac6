//! Reference files: what they become, and every fault with its path.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoa_attestation::policy::Advisories;
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
            ..SgxReference::default()
        }),
        ReferenceValue::Tdx(TdxReference {
            mrtd: vec![[0xaa; 48], [0xcc; 48]],
            rtmr: [Some([1; 48]), None, Some([2; 48]), None],
            ..TdxReference::default()
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
        "platforms[0] is `xyz`, wanted 32 hex digits (a PPID or PIID)",
        "identities[6] is 7, wanted an object",
        "identities[0].product_id stands beside `unique_id`, which says everything",
        "identities[0].unique_id has 2 characters, wanted 64 hex digits",
        "identities[1].security_version is missing; without `unique_id` an enclave is named by signer_id, product_id and security_version",
        "identities[1].product_id is 65536, wanted a number, 0 to 65535",
        "identities[2].mrtd names nothing; nothing could ever be the coordinator",
        "identities[2].rtmr.4 is not known here; known are 0, 1, 2, 3",
        "identities[3].tee is `snp`, which this version can't verify yet; use `sgx` or `tdx`",
        "identities[4].tee is `sev`; use `sgx` or `tdx`",
        "identities[5].tee is missing; use `sgx` or `tdx`",
        "security_digest has 2 characters, wanted 96 hex digits",
        "identitys is not known here; known are accepted_advisories, accepted_tcb, debug, format, identities, platforms, security_digest",
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

//! The configuration of MarbleRun's `era`, which users of MarbleRun have: names and rules as its clients see them.
//!
//! Told by its keys `UniqueID` and `SignerID`. Two of its settings would weaken a check and are refused by name.

use std::cell::RefCell;

use serde_json::{Map, Value};
use stoa_attestation::policy::Advisories;
use stoa_attestation::{Reference, ReferenceValue, SgxReference, TcbPolicy};

use super::fields::{Case, Fields};
use super::{Fault, LIST_MAX, statuses};

pub(super) fn is_era(object: &Map<String, Value>) -> bool {
    let names = ["UniqueID", "SignerID"];
    object
        .keys()
        .any(|key| names.iter().any(|name| name.eq_ignore_ascii_case(key)))
}

pub(super) fn reference(object: &Map<String, Value>, faults: &RefCell<Vec<Fault>>) -> Reference {
    let fields = Fields::top(object, Case::Any, faults);
    let optional = |name| fields.string(name).filter(|text| !text.is_empty());
    let (unique, signer) = (
        optional("UniqueID").is_some(),
        optional("SignerID").is_some(),
    );
    let reference = SgxReference {
        unique_id: unique.then(|| fields.hex("UniqueID")).flatten(),
        signer_id: signer.then(|| fields.hex("SignerID")).flatten(),
        product_id: fields.short("ProductID").filter(|id| *id != 0),
        security_version: fields
            .short("SecurityVersion")
            .filter(|version| *version != 0),
        ..SgxReference::default()
    };
    if !unique {
        if !signer {
            fields.fault(
                "SignerID",
                "is empty, and so is UniqueID; nothing would be compared",
                None,
            );
        }
        for (name, missing) in [
            ("ProductID", reference.product_id.is_none()),
            ("SecurityVersion", reference.security_version.is_none()),
        ] {
            if missing {
                fields.fault(
                    name,
                    "is missing or 0; without UniqueID it must be set",
                    None,
                );
            }
        }
    }
    if fields.boolean("InsecureSkipVerify") == Some(true) {
        let remedy = "remove it; for a coordinator without hardware use --insecure-trust-root FILE";
        fields.fault(
            "InsecureSkipVerify",
            "is true; there is no way to skip the verification",
            Some(remedy),
        );
    }
    if optional("Nonce").is_some() {
        fields.fault(
            "Nonce",
            "is set; a nonce that stands in a file proves nothing",
            Some("remove it: each request sends a new one"),
        );
    }
    let mut tcb = TcbPolicy::default();
    tcb.debug = fields.boolean("Debug").unwrap_or(tcb.debug);
    if fields
        .strings("AcceptedTCBStatuses", LIST_MAX)
        .is_some_and(|listed| !listed.is_empty())
    {
        tcb.accepted = statuses(&fields, "AcceptedTCBStatuses").unwrap_or(tcb.accepted);
    }
    if let Some(listed) = fields
        .strings("AcceptedAdvisories", LIST_MAX)
        .filter(|listed| !listed.is_empty())
    {
        tcb.advisories = Advisories::Only(listed.into_iter().map(|(_, text)| text).collect());
    }
    fields.no_others();
    Reference {
        identities: vec![ReferenceValue::Sgx(reference)],
        tcb,
        security_digest: None,
    }
}

//! The coordinator's reference as files spell it: `coordinator.json`, and the configuration of MarbleRun's `era`.
//!
//! Every fault is reported with the path of its field. A reference that was read always has at least one identity.
//! Formats: docs/reference/coordinator-reference.md. Does not live here: comparing (`stoa_attestation::policy`).

mod era;
mod fields;
mod floors;
mod guest;

use core::fmt;
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoa_attestation::policy::Advisories;
use stoa_attestation::{
    Reference, ReferenceValue, SgxReference, SnpReference, TcbPolicy, TcbStatus, TdxReference,
    UnknownTcbStatus,
};
use stoa_explain::Explain;

use crate::json;
use fields::{Case, Fields};

/// A reference file, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 256 * 1024;
/// Identities in one reference.
const IDENTITIES_MAX: usize = 256;
/// Platforms, statuses or advisories in one reference.
const LIST_MAX: usize = 10_000;
const PLATFORM_IDS: &str = "32 hex digits (a PPID or PIID), or 16 or 128 (a chip id)";
const FORMAT: u64 = 1;

/// What each release of the coordinator measures to, by name; what a reference is if none is given.
///
/// Empty: there is no release yet.
pub const RELEASED: &[(&str, ReferenceValue)] = &[];

/// Reads a reference in either format.
///
/// # Errors
/// [`BadReference`] with every fault.
pub fn parse(bytes: &[u8]) -> Result<Reference, BadReference> {
    let one = |path: &str, cause: String| BadReference {
        faults: vec![Fault {
            path: path.to_owned(),
            cause,
            remedy: None,
        }],
    };
    if bytes.len() > REFERENCE_BYTES_MAX {
        return Err(one(
            "",
            format!(
                "has {} bytes, the limit is {REFERENCE_BYTES_MAX}",
                bytes.len()
            ),
        ));
    }
    let value: Value =
        json::read(bytes).map_err(|cause| one("", format!("is no JSON: {cause}")))?;
    let Value::Object(object) = value else {
        return Err(one("", "is no JSON object".to_owned()));
    };
    let faults = RefCell::new(Vec::new());
    let reference = if era::is_era(&object) {
        era::reference(&object, &faults)
    } else {
        native(&Fields::top(&object, Case::Exact, &faults))
    };
    let faults = faults.into_inner();
    if faults.is_empty() {
        Ok(reference)
    } else {
        Err(BadReference { faults })
    }
}

/// The file that names these identities and leaves everything else at its default, one line.
#[must_use]
pub fn encode(identities: &[ReferenceValue]) -> Vec<u8> {
    let identities: Vec<Value> = identities.iter().map(encode_identity).collect();
    let mut bytes = json!({"format": FORMAT, "identities": identities})
        .to_string()
        .into_bytes();
    bytes.push(b'\n');
    bytes
}

fn encode_identity(identity: &ReferenceValue) -> Value {
    let members: Vec<(&str, Option<Value>)> = match identity {
        ReferenceValue::Sgx(sgx) => vec![
            ("tee", Some(json!("sgx"))),
            ("unique_id", spelled(&sgx.unique_id)),
            ("signer_id", spelled(&sgx.signer_id)),
            ("product_id", sgx.product_id.map(Value::from)),
            ("security_version", sgx.security_version.map(Value::from)),
            ("config_svn", sgx.config_svn.map(Value::from)),
            ("family_id", spelled(&sgx.family_id)),
            ("extended_product_id", spelled(&sgx.extended_product_id)),
            ("config_id", spelled(&sgx.config_id)),
        ],
        ReferenceValue::Tdx(tdx) => {
            let mrtd: Vec<String> = tdx.mrtd.iter().map(hex::encode).collect();
            let registers = tdx.rtmr.iter().enumerate();
            let registers =
                registers.filter_map(|(n, value)| Some((n.to_string(), spelled(value)?)));
            vec![
                ("tee", Some(json!("tdx"))),
                ("mrtd", Some(json!(mrtd))),
                ("rtmr", Some(Value::Object(registers.collect()))),
                ("mr_config_id", spelled(&tdx.mr_config_id)),
                ("mr_owner", spelled(&tdx.mr_owner)),
                ("mr_owner_config", spelled(&tdx.mr_owner_config)),
                ("attributes", spelled(&tdx.attributes.map(u64::to_le_bytes))),
                ("xfam", spelled(&tdx.xfam.map(u64::to_le_bytes))),
            ]
        }
        ReferenceValue::Snp(snp) => {
            let measurement: Vec<String> = snp.measurement.iter().map(hex::encode).collect();
            vec![
                ("tee", Some(json!("snp"))),
                ("measurement", Some(json!(measurement))),
                ("host_data", spelled(&snp.host_data)),
                ("id_key_digest", spelled(&snp.id_key_digest)),
                ("author_key_digest", spelled(&snp.author_key_digest)),
                ("family_id", spelled(&snp.family_id)),
                ("image_id", spelled(&snp.image_id)),
                ("guest_svn", snp.guest_svn.map(Value::from)),
            ]
        }
    };
    let present = members.into_iter();
    let present = present.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

fn spelled<const N: usize>(bytes: &Option<[u8; N]>) -> Option<Value> {
    bytes.map(|bytes| json!(hex::encode(bytes)))
}

fn native(fields: &Fields<'_>) -> Reference {
    match fields.integer("format", u64::MAX) {
        Some(FORMAT) => {}
        Some(other) => fields.fault(
            "format",
            format!("is {other}, this version reads {FORMAT}"),
            None,
        ),
        None if fields.has("format") => {}
        None => fields.fault("format", "is missing; the only format is 1", None),
    }
    let mut tcb = TcbPolicy::default();
    tcb.debug = fields.boolean("debug").unwrap_or(tcb.debug);
    if let Some(accepted) = statuses(fields, "accepted_tcb") {
        tcb.accepted = accepted;
    }
    if let Some(listed) = fields.strings("accepted_advisories", LIST_MAX) {
        tcb.advisories = Advisories::Only(listed.into_iter().map(|(_, text)| text).collect());
    }
    tcb.platforms = fields.ids("platforms", LIST_MAX, PLATFORM_IDS, is_platform_id);
    floors::read(fields, &mut tcb);
    if let Some(guest) = fields.object("snp") {
        tcb.snp = guest::policy(&guest);
    }
    let reference = Reference {
        identities: identities(fields),
        tcb,
        security_digest: fields.hex("security_digest"),
    };
    fields.no_others();
    reference
}

fn identities(fields: &Fields<'_>) -> Vec<ReferenceValue> {
    const REMEDY: Option<&str> =
        Some("add what `stoa-synthetic measure` or the release says of the coordinator");
    if !fields.has("identities") {
        fields.fault(
            "identities",
            "is missing; nothing would be compared",
            REMEDY,
        );
        return Vec::new();
    }
    let Some(entries) = fields.objects("identities", IDENTITIES_MAX) else {
        return Vec::new();
    };
    if entries.is_empty() {
        fields.fault(
            "identities",
            "is empty; nothing could ever be the coordinator",
            REMEDY,
        );
    }
    entries.iter().filter_map(identity).collect()
}

fn identity(fields: &Fields<'_>) -> Option<ReferenceValue> {
    const WANTED: &str = "use `sgx`, `tdx` or `snp`";
    let read = match fields.string("tee").as_deref() {
        Some("sgx") => Some(ReferenceValue::Sgx(sgx(fields))),
        Some("tdx") => Some(ReferenceValue::Tdx(tdx(fields))),
        Some("snp") => Some(ReferenceValue::Snp(snp(fields))),
        Some(other) => {
            fields.fault(
                "tee",
                format!("is `{}`; {WANTED}", other.escape_debug()),
                None,
            );
            return None;
        }
        None if fields.has("tee") => return None,
        None => {
            fields.fault("tee", format!("is missing; {WANTED}"), None);
            return None;
        }
    };
    fields.no_others();
    read
}

fn sgx(fields: &Fields<'_>) -> SgxReference {
    for name in ["signer_id", "product_id", "security_version"] {
        match (fields.has("unique_id"), fields.has(name)) {
            (true, true) => {
                let remedy = format!("remove `{name}`, or `unique_id`");
                fields.fault(
                    name,
                    "stands beside `unique_id`, which says everything",
                    Some(&remedy),
                );
            }
            (false, false) => {
                let cause = "is missing; without `unique_id` an enclave is named by signer_id, product_id and \
                             security_version";
                fields.fault(name, cause, None);
            }
            (true, false) | (false, true) => {}
        }
    }
    SgxReference {
        unique_id: fields.hex("unique_id"),
        signer_id: fields.hex("signer_id"),
        product_id: fields.short("product_id"),
        security_version: fields.short("security_version"),
        family_id: fields.hex("family_id"),
        extended_product_id: fields.hex("extended_product_id"),
        config_id: fields.hex("config_id"),
        config_svn: fields.short("config_svn"),
    }
}

fn tdx(fields: &Fields<'_>) -> TdxReference {
    let mrtd = fields.hexes("mrtd");
    if !fields.has("mrtd") {
        fields.fault("mrtd", "is missing", None);
    } else if mrtd.as_ref().is_some_and(Vec::is_empty) {
        fields.fault(
            "mrtd",
            "names nothing; nothing could ever be the coordinator",
            None,
        );
    }
    let mut rtmr = [None; 4];
    if let Some(registers) = fields.object("rtmr") {
        for (register, name) in rtmr.iter_mut().zip(["0", "1", "2", "3"]) {
            *register = registers.hex(name);
        }
        registers.no_others();
    }
    TdxReference {
        mrtd: mrtd.unwrap_or_default(),
        rtmr,
        mr_config_id: fields.hex("mr_config_id"),
        mr_owner: fields.hex("mr_owner"),
        mr_owner_config: fields.hex("mr_owner_config"),
        attributes: fields.hex("attributes").map(u64::from_le_bytes),
        xfam: fields.hex("xfam").map(u64::from_le_bytes),
    }
}

fn snp(fields: &Fields<'_>) -> SnpReference {
    let measurement = fields.hexes("measurement");
    if !fields.has("measurement") {
        fields.fault("measurement", "is missing", None);
    } else if measurement.as_ref().is_some_and(Vec::is_empty) {
        fields.fault(
            "measurement",
            "names nothing; nothing could ever be the coordinator",
            None,
        );
    }
    SnpReference {
        measurement: measurement.unwrap_or_default(),
        host_data: fields.hex("host_data"),
        id_key_digest: fields.hex("id_key_digest"),
        author_key_digest: fields.hex("author_key_digest"),
        family_id: fields.hex("family_id"),
        image_id: fields.hex("image_id"),
        guest_svn: fields
            .integer("guest_svn", u64::from(u32::MAX))
            .and_then(|number| u32::try_from(number).ok()),
    }
}

/// `UpToDate` is accepted always, so it is in the set whether it is listed or not; `Revoked` never is.
fn statuses(fields: &Fields<'_>, name: &'static str) -> Option<BTreeSet<TcbStatus>> {
    let mut accepted = BTreeSet::from([TcbStatus::UpToDate]);
    for (at, text) in fields.strings(name, LIST_MAX)? {
        match text.parse() {
            Ok(TcbStatus::Revoked) => {
                fields.fault_at(
                    name,
                    at,
                    "is `Revoked`, which can't be accepted: such keys are lost".to_owned(),
                );
            }
            Ok(status) => {
                accepted.insert(status);
            }
            Err(UnknownTcbStatus(_)) => {
                fields.fault_at(
                    name,
                    at,
                    format!("is `{}`, which is no TCB status", text.escape_debug()),
                );
            }
        }
    }
    Some(accepted)
}

/// A PPID or PIID; a chip id of Turin, of the products before.
fn is_platform_id(text: &str) -> bool {
    hex::decode(text).is_ok_and(|id| matches!(id.len(), 16 | 8 | 64))
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `identities[0].mrtd`; empty for the file as a whole.
    pub path: String,
    /// What is wrong there, with both values.
    pub cause: String,
    /// What to do, if the cause does not say it.
    pub remedy: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the file"
        } else {
            &self.path
        };
        write!(f, "{path} {}", self.cause)
    }
}

/// Why a file is no reference: every fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reference has {}", count(faults))]
pub struct BadReference {
    /// At least one.
    pub faults: Vec<Fault>,
}

fn count(faults: &[Fault]) -> String {
    match faults {
        [_] => "1 fault".to_owned(),
        more => format!("{} faults", more.len()),
    }
}

impl Explain for BadReference {
    fn code(&self) -> &'static str {
        "reference-invalid"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "correct the fields that are named, or take the file that came with the release"
                .to_owned(),
        )
    }
}

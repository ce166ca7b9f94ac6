//! What evidence says, field by field, under the names of the test vectors (tests/vectors/README.md, `fields`).

use serde_json::{Map, Value, json};
use stoa_attestation::{Body, Claims, Evidence, SgxBody, TdxBody, Utc};

/// The claims of evidence that was verified.
pub(crate) fn verified(claims: &Claims) -> Value {
    let platform = &claims.platform;
    let dates: Map<String, Value> = claims
        .dates
        .objects()
        .iter()
        .map(|(object, window)| {
            let window = json!([Utc(window.from).to_string(), Utc(window.until).to_string()]);
            (object.to_string(), window)
        })
        .collect();
    json!({
        "version": claims.quote_version,
        "body": body(&claims.body),
        "pck": {
            "fmspc": hex::encode(platform.fmspc),
            "pceid": hex::encode(platform.pceid),
            "ppid": hex::encode(platform.ppid),
            "piid": platform.piid.map(hex::encode),
            "comp": platform.components,
            "pcesvn": platform.pce_svn,
        },
        "qe": {"isvsvn": claims.tcb.qe_isv_svn},
        "tcb": {
            "evaluation_number": claims.tcb.evaluation_number,
            "date": Utc(claims.tcb.tcb_date).to_string(),
            "platform_status": claims.tcb.platform_status.to_string(),
        },
        "dates": dates,
        "anchor_sha256": hex::encode(claims.anchor),
    })
}

/// What evidence says that nobody verified.
pub(crate) fn unverified(evidence: &Evidence) -> Value {
    let mut fields = Map::new();
    fields.insert("body".to_owned(), body(evidence.unverified_body()));
    // A quote without the chain of its platform still has a body.
    if let Ok(platform) = evidence.unverified_platform() {
        fields.insert(
            "pck".to_owned(),
            json!({"fmspc": hex::encode(platform.fmspc), "ca": platform.ca}),
        );
    }
    Value::Object(fields)
}

/// The same for people: one line a field, nested names joined by dots.
pub(crate) fn lines(fields: &Value) -> Vec<String> {
    let mut flat = Vec::new();
    flatten("", fields, &mut flat);
    let width = flat
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    flat.iter()
        .map(|(name, value)| format!("  {name:<width$}  {value}"))
        .collect()
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, into);
            }
        }
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| item.as_str().map_or(item.to_string(), str::to_owned))
                .collect();
            into.push((path.to_owned(), items.join(" ")));
        }
        Value::Null => into.push((path.to_owned(), "none".to_owned())),
        other => into.push((path.to_owned(), other.to_string())),
    }
}

fn body(body: &Body) -> Value {
    match body {
        Body::Sgx(body) => sgx(body),
        Body::Tdx(body) => tdx(body),
    }
}

fn sgx(body: &SgxBody) -> Value {
    json!({
        "cpusvn": hex::encode(body.cpu_svn),
        "miscselect": hex::encode(body.misc_select.to_le_bytes()),
        "attributes": hex::encode(body.attributes.0),
        "mrenclave": hex::encode(body.mr_enclave),
        "mrsigner": hex::encode(body.mr_signer),
        "isvprodid": body.isv_prod_id,
        "isvsvn": body.isv_svn,
        "isvfamilyid": hex::encode(body.isv_family_id),
        "isvextprodid": hex::encode(body.isv_ext_prod_id),
        "configid": hex::encode(body.config_id),
        "configsvn": body.config_svn,
        "report_data": hex::encode(body.report_data),
        "debug": body.attributes.debug(),
    })
}

fn tdx(td: &TdxBody) -> Value {
    let mut fields = json!({
        "tee_tcb_svn": hex::encode(td.tee_tcb_svn),
        "mr_seam": hex::encode(td.mr_seam),
        "mr_signer_seam": hex::encode(td.mr_signer_seam),
        "seam_attributes": hex::encode(td.seam_attributes.to_le_bytes()),
        "td_attributes": hex::encode(td.td_attributes.0.to_le_bytes()),
        "xfam": hex::encode(td.xfam.to_le_bytes()),
        "mr_td": hex::encode(td.mr_td),
        "mr_config_id": hex::encode(td.mr_config_id),
        "mr_owner": hex::encode(td.mr_owner),
        "mr_owner_config": hex::encode(td.mr_owner_config),
        "report_data": hex::encode(td.report_data),
        "debug": td.td_attributes.debug(),
    });
    for (n, register) in td.rtmr.iter().enumerate() {
        fields[format!("rt_mr{n}")] = json!(hex::encode(register));
    }
    if let Some(v15) = &td.v15 {
        fields["tee_tcb_svn2"] = json!(hex::encode(v15.tee_tcb_svn2));
        fields["mr_service_td"] = json!(hex::encode(v15.mr_service_td));
    }
    fields
}

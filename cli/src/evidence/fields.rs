//! What evidence says, field by field, under the names of the test vectors (tests/vectors/README.md, `fields`).

use serde_json::{Map, Value, json};
use stoa_attestation::{
    Body, Claims, Evidence, Origin, Platform, SgxBody, SnpBody, SnpOrigin, Tcb, TdxBody, Utc,
};

/// The claims of evidence that was verified.
pub(crate) fn verified(claims: &Claims) -> Value {
    let dates: Map<String, Value> = claims
        .dates
        .objects()
        .iter()
        .map(|(object, window)| {
            let window = json!([Utc(window.from).to_string(), Utc(window.until).to_string()]);
            (object.to_string(), window)
        })
        .collect();
    let mut fields = json!({
        "version": claims.quote_version,
        "body": body(&claims.body),
        "dates": dates,
        "anchor_sha256": hex::encode(claims.anchor),
    });
    let origin = match &claims.origin {
        Origin::Intel(origin) => intel(&origin.tcb, &origin.platform),
        Origin::Amd(origin) => amd(origin),
    };
    for (name, value) in origin {
        fields[name] = value;
    }
    if let (Body::Snp(guest), Value::Object(fields)) = (&claims.body, &mut fields) {
        // Vectors of SNP have the report's fields beside the version.
        if let Value::Object(body) = snp(guest) {
            fields.remove("body");
            fields.extend(body);
        }
    }
    fields
}

fn intel(tcb: &Tcb, platform: &Platform) -> Vec<(&'static str, Value)> {
    let pck = json!({
        "fmspc": hex::encode(platform.fmspc),
        "pceid": hex::encode(platform.pceid),
        "ppid": hex::encode(platform.ppid),
        "piid": platform.piid.map(hex::encode),
        "comp": platform.components,
        "pcesvn": platform.pce_svn,
    });
    let levels = json!({
        "evaluation_number": tcb.evaluation_number,
        "date": Utc(tcb.tcb_date).to_string(),
        "platform_status": tcb.platform_status.to_string(),
    });
    vec![
        ("pck", pck),
        ("qe", json!({"isvsvn": tcb.qe_isv_svn})),
        ("tcb", levels),
    ]
}

fn amd(origin: &SnpOrigin) -> Vec<(&'static str, Value)> {
    let levels = json!({
        "reported": origin.reported_tcb.to_string(),
        "committed": origin.committed_tcb.to_string(),
        "launch": origin.launch_tcb.to_string(),
        "current": origin.current_tcb.to_string(),
    });
    vec![
        ("product", json!(origin.product.name())),
        ("provider", json!(origin.provider)),
        ("revocation_checked", json!(origin.revocation_checked)),
        ("tcb", levels),
    ]
}

/// What evidence says that nobody verified.
pub(crate) fn unverified(evidence: &Evidence) -> Value {
    let mut fields = Map::new();
    fields.insert("body".to_owned(), body(&evidence.unverified_body()));
    if let Ok(Some(chip)) = evidence.unverified_chip() {
        let chip = json!({
            "product": chip.product.name(),
            "reported_tcb": chip.reported_tcb.to_string(),
            "carries_certificate": chip.carries_vek,
        });
        fields.insert("chip".to_owned(), chip);
    }
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
    // By name: whether JSON keeps its order differs from build to build.
    flat.sort();
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
        Body::Snp(body) => snp(body),
    }
}

fn snp(guest: &SnpBody) -> Value {
    let cpuid = guest
        .cpuid
        .map(|(family, model, stepping)| json!({"fam": family, "mod": model, "step": stepping}));
    json!({
        "guest_svn": guest.guest_svn,
        "policy": format!("{:#x}", guest.policy.0),
        "family_id": hex::encode(guest.family_id),
        "image_id": hex::encode(guest.image_id),
        "vmpl": guest.vmpl,
        "current_tcb": hex::encode(guest.current_tcb),
        "platform_info": format!("{:#x}", guest.platform_info.0),
        "report_data": hex::encode(guest.report_data),
        "measurement": hex::encode(guest.measurement),
        "host_data": hex::encode(guest.host_data),
        "id_key_digest": hex::encode(guest.id_key_digest),
        "author_key_digest": hex::encode(guest.author_key_digest),
        "report_id": hex::encode(guest.report_id),
        "report_id_ma": hex::encode(guest.report_id_ma),
        "reported_tcb": hex::encode(guest.reported_tcb),
        "chip_id": hex::encode(guest.chip_id),
        "committed_tcb": hex::encode(guest.committed_tcb),
        "launch_tcb": hex::encode(guest.launch_tcb),
        "cpuid": cpuid,
        "signing_key": guest.signing_key.to_string(),
        "author_key_en": guest.author_key_en,
        "debug": guest.policy.debug(),
        "migrate_ma": guest.policy.migrate_ma(),
        "smt": guest.policy.smt(),
        "single_socket": guest.policy.single_socket(),
    })
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

//! Every vector of tests/vectors ends as its verdict says: outcome, failure class, TCB status, advisories, fields.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use stoa_attestation::policy::{Refusal, SnpPolicy, Tolerance, appraise};
use stoa_attestation::{
    Body, Claims, Invalid, Kind, NoMemo, ReferenceValue, SnpBody, SnpTcb, TcbPolicy, TcbStatus,
    Verdict, Verified, snp_of_vectors, verdict,
};
use stoa_explain::Explain;
use support::{Vector, root, time};

/// Vectors that end otherwise than their verdict says, with the reason; at most three.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[derive(Deserialize)]
struct Tables {
    probes: BTreeMap<String, String>,
}

/// Each vector states what must come of it; adding one is adding a folder, not code.
#[test]
fn vectors_end_as_they_say() {
    let tables: Tables =
        toml::from_str(&fs::read_to_string(root().join("classes.toml")).unwrap()).unwrap();
    let vectors = Vector::all();
    let mut wrong = Vec::new();
    for vector in &vectors {
        if EXCEPTIONS.iter().any(|(name, _)| *name == vector.name) {
            continue;
        }
        let faults = faults(vector, &tables);
        if !faults.is_empty() {
            wrong.push(format!("{}: {}", vector.name, faults.join("; ")));
        }
    }
    println!(
        "{} of {} vectors",
        vectors.len() - wrong.len() - EXCEPTIONS.len(),
        vectors.len()
    );
    assert!(
        vectors.len() >= 160,
        "only {} vectors are there",
        vectors.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_code_of_the_tables_is_explained() {
    let tables: Tables =
        toml::from_str(&fs::read_to_string(root().join("classes.toml")).unwrap()).unwrap();
    let unknown: Vec<&String> = tables
        .probes
        .values()
        .filter(|code| !code.is_empty() && stoa_explain::lookup(code).is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn faults(vector: &Vector, tables: &Tables) -> Vec<String> {
    if vector.kind == Kind::Snp && vector.quote.is_empty() {
        return collateral_faults(vector);
    }
    let mut faults = Vec::new();
    let claims = vector.verify();
    let strict = claims
        .as_ref()
        .ok()
        .map(|claims| judge(claims, &strict_policy(), vector));
    let (code, classes): (_, &[&str]) = match (&claims, &strict) {
        (Err(invalid), _) => (invalid.code(), invalid.vector_classes()),
        (Ok(_), Some(Err(refusal))) => (refusal.code(), refusal.vector_classes(vector.kind)),
        (Ok(_), _) => ("", &[]),
    };
    let text = match (&claims, &strict) {
        (Err(invalid), _) => format!("invalid: {invalid}"),
        (_, Some(Err(refusal))) => format!("refused: {refusal}"),
        _ => "accepted".to_owned(),
    };

    let stated = vector.expected("verdict").unwrap();
    let chosen = vector
        .name
        .strip_prefix("dcap-probes/")
        .map(|name| &tables.probes[name]);
    let found = outcome(&claims, vector);
    let fits = match stated {
        // What was chosen stands in the table; the code is compared below.
        "either" => true,
        // A verifier for PCS API v4 refuses TCB info of version 2 by name; its vector allows that.
        "policy" if vector.expected("collateral") == Some("unsupported_format_or_ok") => {
            code == "tcb-info-version-unsupported"
        }
        wanted => wanted == found.name(),
    };
    if !fits {
        faults.push(format!("is {found}, wanted {stated} ({text})"));
    }

    if let Some(class) = vector.expected("failure_class")
        && !classes.contains(&class)
    {
        faults.push(format!(
            "code `{code}` is not as precise as {class}, only as {classes:?} ({text})"
        ));
    }
    if let Some(wanted) = chosen {
        let code = if code == "tcb-not-accepted" { "" } else { code };
        if wanted != code {
            faults.push(format!("has code `{code}`, wanted `{wanted}` ({text})"));
        }
    }
    if let Some(wanted) = vector.expected("strict_policy") {
        let found = if code.is_empty() { "accept" } else { "reject" };
        if wanted != found {
            faults.push(format!("strict policy: {found}, wanted {wanted} ({text})"));
        }
    }
    if let Ok(claims) = &claims {
        faults.extend(tcb_faults(vector, claims));
        faults.extend(field_faults(vector, claims));
        if let Err(refusal) = judge(claims, &tolerant_policy(claims), vector) {
            faults.push(format!(
                "a policy that tolerates everything refuses: {refusal}"
            ));
        }
    }
    faults
}

/// A vector without evidence is about its collateral: it verifies and holds, or it does not.
fn collateral_faults(vector: &Vector) -> Vec<String> {
    let now = time(vector.now);
    let found = vector.verified_collateral(&NoMemo);
    let (verdict, classes): (_, &[&str]) = match &found {
        Ok(found) if found.valid_from() <= now && now <= found.valid_until() => {
            (Verdict::Genuine, &[])
        }
        Ok(_) => (Verdict::Freshness, &[]),
        Err(invalid) => (invalid.verdict(), invalid.vector_classes()),
    };
    let class = vector.expected("failure_class");
    let fits = class.is_none_or(|class| classes.contains(&class));
    if fits && vector.expected("verdict") == Some(verdict.name()) {
        return Vec::new();
    }
    vec![format!(
        "is {verdict} ({:?}), wanted {}",
        found.err(),
        vector.verdict["expected"]
    )]
}

/// In the words of the vectors' README.
fn outcome(claims: &Result<Verified<Claims>, Invalid>, vector: &Vector) -> Verdict {
    match claims {
        Ok(claims) => verdict(claims, time(vector.now)).0,
        Err(invalid) => invalid.verdict(),
    }
}

fn strict_policy() -> TcbPolicy {
    TcbPolicy {
        accepted: BTreeSet::from([TcbStatus::UpToDate]),
        snp: snp_of_vectors(),
        ..TcbPolicy::default()
    }
}

fn tolerant_policy(claims: &Claims) -> TcbPolicy {
    TcbPolicy {
        accepted: BTreeSet::from([
            TcbStatus::SwHardeningNeeded,
            TcbStatus::ConfigurationNeeded,
            TcbStatus::ConfigurationAndSwHardeningNeeded,
            TcbStatus::OutOfDate,
            TcbStatus::OutOfDateConfigurationNeeded,
            TcbStatus::TdRelaunchAdvised,
            TcbStatus::TdRelaunchAdvisedConfigurationNeeded,
        ]),
        debug: claims.body.debug(),
        grace: Duration::from_secs(400 * 86_400),
        profiling: Tolerance::Accept,
        service_td: Tolerance::Accept,
        migratable: Tolerance::Accept,
        sept_ve: Tolerance::Accept,
        reserved_attributes: Tolerance::Accept,
        snp: SnpPolicy {
            migratable: Tolerance::Accept,
            vmpl_max: 3,
            ..snp_of_vectors()
        },
        ..TcbPolicy::default()
    }
}

fn judge(claims: &Verified<Claims>, policy: &TcbPolicy, vector: &Vector) -> Result<(), Refusal> {
    let reference = ReferenceValue::exactly(&claims.body);
    appraise(claims, &[reference], policy, time(vector.now))
}

fn tcb_faults(vector: &Vector, claims: &Claims) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(tcb) = claims.tcb() else {
        return faults;
    };
    let expected = &vector.verdict["expected"];
    let found = tcb.status.to_string();
    // Probes state the status in what the other verifiers said.
    let said = vector.verdict["confirmed_by"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|row| {
            let result = row["result"].as_str()?;
            result.strip_prefix("OK ")
        });
    let wanted = expected["tcb_status"]
        .as_str()
        .or(said.filter(|_| vector.name.starts_with("dcap-probes")));
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        faults.push(format!("TCB status is {found}, wanted {wanted}"));
    }
    if let Some(wanted) = expected["advisory_ids"].as_array() {
        let wanted: Vec<&str> = wanted.iter().map(|id| id.as_str().unwrap()).collect();
        if wanted != tcb.advisories {
            faults.push(format!(
                "advisories are {:?}, wanted {wanted:?}",
                tcb.advisories
            ));
        }
    }
    faults
}

/// Every parsed value that the verdict states.
fn field_faults(vector: &Vector, claims: &Claims) -> Vec<String> {
    let fields = &vector.verdict["fields"];
    if let Body::Snp(body) = &claims.body {
        return snp_faults(vector, claims, body);
    }
    let mut faults = Vec::new();
    let mut compare = |path: &str, wanted: &Value, found: Value| {
        if !wanted.is_null() && *wanted != found {
            faults.push(format!("{path} is {found}, wanted {wanted}"));
        }
    };
    compare("version", &fields["version"], json!(claims.quote_version));
    compare(
        "qe.isvsvn",
        &fields["qe"]["isvsvn"],
        json!(claims.tcb().unwrap().qe_isv_svn),
    );
    let (body, pck, platform) = (&fields["body"], &fields["pck"], claims.platform().unwrap());
    for (name, found) in [
        ("fmspc", json!(hex::encode(platform.fmspc))),
        ("pceid", json!(hex::encode(platform.pceid))),
        ("ppid", json!(hex::encode(platform.ppid))),
        ("comp", json!(platform.components)),
        ("pcesvn", json!(platform.pce_svn)),
    ] {
        compare(name, &pck[name], found);
    }
    if let Some(wanted) = pck.get("piid") {
        let found = platform.piid.map(hex::encode);
        if wanted.as_str() != found.as_deref() {
            faults.push(format!("piid is {found:?}, wanted {wanted}"));
        }
    }
    let mut compare = |path: &str, wanted: &Value, found: Value| {
        if !wanted.is_null() && *wanted != found {
            faults.push(format!("{path} is {found}, wanted {wanted}"));
        }
    };
    compare("debug", &body["debug"], json!(claims.body.debug()));
    compare(
        "report_data",
        &body["report_data"],
        json!(hex::encode(claims.report_data)),
    );
    match &claims.body {
        Body::Sgx(sgx) => {
            for (name, found) in [
                ("cpusvn", json!(hex::encode(sgx.cpu_svn))),
                (
                    "miscselect",
                    json!(hex::encode(sgx.misc_select.to_le_bytes())),
                ),
                ("attributes", json!(hex::encode(sgx.attributes.0))),
                ("mrenclave", json!(hex::encode(sgx.mr_enclave))),
                ("mrsigner", json!(hex::encode(sgx.mr_signer))),
                ("isvprodid", json!(sgx.isv_prod_id)),
                ("isvsvn", json!(sgx.isv_svn)),
            ] {
                compare(name, &body[name], found);
            }
        }
        Body::Snp(_) => {}
        Body::Tdx(td) => {
            for (name, found) in [
                ("tee_tcb_svn", hex::encode(td.tee_tcb_svn)),
                ("mr_seam", hex::encode(td.mr_seam)),
                ("mr_signer_seam", hex::encode(td.mr_signer_seam)),
                (
                    "seam_attributes",
                    hex::encode(td.seam_attributes.to_le_bytes()),
                ),
                (
                    "td_attributes",
                    hex::encode(td.td_attributes.0.to_le_bytes()),
                ),
                ("xfam", hex::encode(td.xfam.to_le_bytes())),
                ("mr_td", hex::encode(td.mr_td)),
                ("mr_config_id", hex::encode(td.mr_config_id)),
                ("mr_owner", hex::encode(td.mr_owner)),
                ("mr_owner_config", hex::encode(td.mr_owner_config)),
                ("rt_mr0", hex::encode(td.rtmr[0])),
                ("rt_mr1", hex::encode(td.rtmr[1])),
                ("rt_mr2", hex::encode(td.rtmr[2])),
                ("rt_mr3", hex::encode(td.rtmr[3])),
            ] {
                compare(name, &body[name], json!(found));
            }
            if let Some(v15) = &td.v15 {
                compare(
                    "tee_tcb_svn2",
                    &body["tee_tcb_svn2"],
                    json!(hex::encode(v15.tee_tcb_svn2)),
                );
                compare(
                    "mr_service_td",
                    &body["mr_service_td"],
                    json!(hex::encode(v15.mr_service_td)),
                );
            }
        }
    }
    faults
}

fn snp_faults(vector: &Vector, claims: &Claims, body: &SnpBody) -> Vec<String> {
    let (fields, origin) = (&vector.verdict["fields"], claims.snp().unwrap());
    let bytes = |bytes: &[u8]| json!(hex::encode(bytes));
    let tcb = |tcb: &SnpTcb| {
        let mut json =
            json!({"bl": tcb.boot_loader, "tee": tcb.tee, "snp": tcb.snp, "ucode": tcb.microcode});
        if let Some(fmc) = tcb.fmc {
            json["fmc"] = json!(fmc);
        }
        json
    };
    let cpuid = body
        .cpuid
        .map(|(family, model, stepping)| json!({"fam": family, "mod": model, "step": stepping}));
    let found = [
        ("version", json!(claims.quote_version)),
        ("guest_svn", json!(body.guest_svn)),
        ("policy", json!(format!("{:#x}", body.policy.0))),
        ("family_id", bytes(&body.family_id)),
        ("image_id", bytes(&body.image_id)),
        ("vmpl", json!(body.vmpl)),
        ("current_tcb", bytes(&body.current_tcb)),
        (
            "platform_info",
            json!(format!("{:#x}", body.platform_info.0)),
        ),
        ("report_data", bytes(&claims.report_data)),
        ("measurement", bytes(&body.measurement)),
        ("host_data", bytes(&body.host_data)),
        ("id_key_digest", bytes(&body.id_key_digest)),
        ("author_key_digest", bytes(&body.author_key_digest)),
        ("report_id", bytes(&body.report_id)),
        ("report_id_ma", bytes(&body.report_id_ma)),
        ("reported_tcb", bytes(&body.reported_tcb)),
        ("chip_id", bytes(&body.chip_id)),
        ("committed_tcb", bytes(&body.committed_tcb)),
        ("launch_tcb", bytes(&body.launch_tcb)),
        ("cpuid", cpuid.unwrap_or(Value::Null)),
        ("signing_key", json!(body.signing_key.to_string())),
        ("author_key_en", json!(body.author_key_en)),
        ("debug", json!(body.policy.debug())),
        ("migrate_ma", json!(body.policy.migrate_ma())),
        ("smt", json!(body.policy.smt())),
        ("single_socket", json!(body.policy.single_socket())),
    ];
    let stated = found
        .into_iter()
        .map(|(name, found)| (name, &fields[name], found));
    let verdict = &vector.verdict;
    let stated = stated.chain([
        ("product", &verdict["product"], json!(origin.product.name())),
        (
            "tcb.reported",
            &verdict["tcb"]["reported"],
            tcb(&origin.reported_tcb),
        ),
        (
            "csp",
            &verdict["tcb"]["certificate"]["csp"],
            json!(origin.provider),
        ),
    ]);
    stated
        .filter(|(_, wanted, found)| **wanted != *found)
        .map(|(name, wanted, found)| format!("{name} is {found}, wanted {wanted}"))
        .collect()
}

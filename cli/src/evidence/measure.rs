//! `stoa measure`: what evidence measures, as a package of a manifest.
//!
//! Nothing of it is verified, and that is said: who writes it into a manifest vouches for it. Does not live here: what a
//! package may say (`stoa-manifest`, docs/reference/manifest.md).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stoa_attestation::{Body, EVIDENCE_LEN_MAX, Evidence, SgxBody, SnpBody, TdxBody};

use crate::args::{Global, Measure, MeasureBy};
use crate::failure::{Exit, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;

pub(crate) fn run(
    global: &Global,
    args: &Measure,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let bytes = files::read(&args.file, EVIDENCE_LEN_MAX)?;
    let evidence = Evidence::detect(&bytes)
        .map_err(|error| Failure::of(Exit::Usage, &error).in_file(&args.file))?;
    let body = evidence.unverified_body();
    let package = match &body {
        Body::Sgx(sgx) => of_sgx(sgx, args.by),
        Body::Tdx(td) => of_tdx(td, args.by)?,
        Body::Snp(guest) => of_snp(guest, args.by)?,
    };
    let debug = body.debug();
    let stanza = json!({"Packages": {args.name.as_str(): package}});
    if !global.quiet {
        terminal.talk(&format!(
            "unverified: these are the words of {}; `stoa evidence verify` says whether they are genuine",
            args.file.display()
        ));
        if debug {
            terminal.talk(
                "warning: it is of a debug TEE, whose memory the host can read; \"Debug\": true in a manifest lets such run",
            );
        }
    }
    if global.json {
        let kind = evidence.kind().name();
        let all = json!({"verified": false, "kind": kind, "debug": debug, "manifest": stanza});
        terminal.data(&sorted(all).to_string());
    } else {
        terminal.data(&format!("{:#}", sorted(stanza)));
    }
    Ok(Exit::Done)
}

fn of_sgx(body: &SgxBody, by: MeasureBy) -> Value {
    let mut package = match by {
        MeasureBy::Code => json!({"UniqueID": hex::encode(body.mr_enclave)}),
        MeasureBy::Signer => json!({
            "SignerID": hex::encode(body.mr_signer),
            "ProductID": body.isv_prod_id,
            "SecurityVersion": body.isv_svn,
        }),
    };
    if body.attributes.debug() {
        package["Debug"] = json!(true);
    }
    package
}

fn of_snp(guest: &SnpBody, by: MeasureBy) -> Result<Value, Refused> {
    by_code("an SNP guest", by)?;
    let mut package = json!({"SNP": {"Measurement": hex::encode(guest.measurement)}});
    if guest.policy.debug() {
        package["Debug"] = json!(true);
    }
    Ok(package)
}

fn by_code(what: &str, by: MeasureBy) -> Result<(), Refused> {
    match by {
        MeasureBy::Code => Ok(()),
        MeasureBy::Signer => Err(Refused::Argument {
            option: "--by",
            cause: format!("is `signer`, but {what} is named by its code alone; leave it out"),
        }),
    }
}

fn of_tdx(td: &TdxBody, by: MeasureBy) -> Result<Value, Refused> {
    by_code("a TD", by)?;
    let registers: Map<String, Value> = td
        .rtmr
        .iter()
        .enumerate()
        .map(|(number, register)| (number.to_string(), json!(hex::encode(register))))
        .collect();
    let mut package = json!({"TDX": {"MRTD": hex::encode(td.mr_td), "RTMR": registers}});
    if td.td_attributes.debug() {
        package["Debug"] = json!(true);
    }
    Ok(package)
}

/// Members by name: serde_json's own order is another if anything in the build asks it to keep insertions.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

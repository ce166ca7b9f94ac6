//! SNP vectors: report, certificate, chain and list in files, put into the forms that travel (docs/protocol/snp.md).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stoa_attestation::Kind;
use stoa_attestation::lp::Writer;

use super::forge::pem;
use super::{Vector, pem_der, root};

/// Where the report begins in the evidence.
pub const REPORT_AT: usize = 4;
/// Bytes of a report.
pub const REPORT_LEN: usize = 1184;
/// Where its certificate begins.
pub const VEK_AT: usize = REPORT_AT + REPORT_LEN + 4;

/// Evidence of a report and its certificate.
pub fn evidence(report: &[u8], vek: &[u8]) -> Vec<u8> {
    Writer::new().field(report).field(vek).finish()
}

/// The certificates of a PEM file, each as PEM.
pub fn certificates(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let each = pem.split_inclusive(END).map(str::trim);
    each.filter(|pem| pem.ends_with(END))
        .map(|pem| format!("{pem}\n"))
        .collect()
}

/// The JSON of docs/protocol/snp.md, section 2.
pub fn collateral(chain: &str, crl: &[u8], vek: &[u8]) -> Vec<u8> {
    let json = json!({
        "tee": "snp", "ask_ark_chain": chain, "crl": hex::encode(crl), "vek": hex::encode(vek),
    });
    json.to_string().into_bytes()
}

/// A vector's folder. Two of them have no report: they are about the collateral.
pub(super) fn load(name: &str, folder: &Path, verdict: Value) -> Vector {
    let file = |name: &str| fs::read(folder.join(name));
    let leaf = verdict["leaf_certificate"].as_str().unwrap_or_default();
    let leaf = match leaf.rsplit_once('.') {
        Some((_, "pem")) => pem_der(&String::from_utf8(file(leaf).unwrap()).unwrap()),
        Some((_, "der")) => file(leaf).unwrap(),
        _ => Vec::new(),
    };
    // What stands behind a path is for people.
    let path = |member: &str| {
        let text = verdict[member].as_str()?.split(' ').next()?;
        Some(text.trim_start_matches("../").to_owned())
    };
    let chain_path = path("chain").unwrap_or("snp-roots/ask_ark_milan.pem".to_owned());
    let chain = fs::read_to_string(root().join(&chain_path)).unwrap();
    let anchor_path = path("trust_anchor").unwrap_or(match chain_path.contains("synthetic") {
        true => "snp-roots/ask_ark_milan.pem".to_owned(),
        false => chain_path,
    });
    let anchors = certificates(&fs::read_to_string(root().join(anchor_path)).unwrap());
    let chain = match file("ask.der") {
        Ok(ask) => pem(&ask) + &anchors[1],
        Err(_) => chain,
    };
    let crls = ["ark_crl.der", "ark_genoa_crl.der", "ark_milan_crl.der"];
    let crl = crls.iter().find_map(|name| file(name).ok());
    let at = verdict["evaluation_time"].as_str().unwrap();
    Vector {
        name: name.to_owned(),
        kind: Kind::Snp,
        quote: file("report.bin").map_or(Vec::new(), |report| evidence(&report, &leaf)),
        collateral: collateral(&chain, &crl.unwrap_or_default(), &[]),
        anchor_pem: anchors[1].clone(),
        now: stoa_attestation::Utc::parse(at).unwrap().0.as_secs(),
        verdict,
    }
}

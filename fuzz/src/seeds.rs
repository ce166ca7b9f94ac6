//! What targets start from: files of the repository. Reading them is the only I/O here.
//!
//! Does not live here: inputs made for one target (beside it).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use stoa_attestation::Anchor;
use stoa_attestation::lp::Writer;
use stoa_harness::programs::workspace;

use crate::Seed;
use crate::evidence::LENGTH_BYTES;

/// Hex of attest-1's vectors that is shorter is a field, no message.
const MESSAGE_BYTES_MIN: usize = 16;

/// Evidence and collateral of one vector.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) quote: Vec<u8>,
    pub(crate) collateral: Vec<u8>,
}

/// Every folder of tests/vectors that holds evidence.
pub(crate) fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    for folder in below(&workspace().join("tests/vectors")) {
        let verdict: Value =
            serde_json::from_slice(&read(&folder.join("verdict.json"))).unwrap_or_default();
        if folder.join("report.bin").is_file() {
            all.push(of_snp(&folder, &verdict));
        } else if folder.join("quote.bin").is_file() {
            let collateral = verdict["collateral"].as_str().unwrap_or("collateral.json");
            all.push(Vector {
                name: named(&folder),
                quote: read(&folder.join("quote.bin")),
                // One vector has none.
                collateral: read(&folder.join(collateral)),
            });
        }
    }
    all
}

/// Report, certificate, chain and list, in the forms that travel (docs/protocol/snp.md, 1 and 2).
fn of_snp(folder: &Path, verdict: &Value) -> Vector {
    let file = |member: &str| verdict[member].as_str().map(|path| folder.join(path));
    let certificate = file("leaf_certificate").map_or(Vec::new(), |path| {
        let bytes = read(&path);
        CertificateDer::from_pem_slice(&bytes).map_or(bytes, |der| der.to_vec())
    });
    let report = read(&folder.join("report.bin"));
    let chain = file("chain").map_or(Vec::new(), |path| read(&path));
    // A list belongs to a vector by its name.
    let mut lists = files_of(folder, "der")
        .into_iter()
        .filter(|path| named(path).ends_with("crl.der"));
    let crl = lists.next_back().map_or(Vec::new(), |path| read(&path));
    let collateral = serde_json::json!({
        "tee": "snp",
        "ask_ark_chain": String::from_utf8_lossy(&chain),
        "crl": hex::encode(crl),
        "vek": "",
    });
    Vector {
        name: named(folder),
        quote: Writer::new().field(&report).field(&certificate).finish(),
        collateral: collateral.to_string().into_bytes(),
    }
}

pub(crate) fn quotes() -> Vec<Seed> {
    let quotes = vectors().into_iter().map(|vector| Seed {
        name: vector.name,
        bytes: vector.quote,
    });
    without_repetitions(quotes.collect())
}

pub(crate) fn collateral() -> Vec<Seed> {
    let collateral = vectors().into_iter().map(|vector| Seed {
        name: vector.name,
        bytes: vector.collateral,
    });
    without_repetitions(collateral.collect())
}

/// Quote and collateral in one input.
pub(crate) fn pairs() -> Vec<Seed> {
    let pairs = vectors().into_iter().map(|vector| {
        let length = u32::try_from(vector.quote.len()).unwrap_or(u32::MAX);
        let mut bytes =
            Vec::with_capacity(LENGTH_BYTES + vector.quote.len() + vector.collateral.len());
        bytes.extend(length.to_be_bytes());
        bytes.extend(vector.quote);
        bytes.extend(vector.collateral);
        Seed {
            name: vector.name,
            bytes,
        }
    });
    without_repetitions(pairs.collect())
}

/// The roots of all vectors: in a chain, the last certificate.
pub(crate) fn anchors() -> Vec<Anchor> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let pems: BTreeSet<Vec<u8>> = below(&workspace().join("tests/vectors"))
        .into_iter()
        .flat_map(|folder| files_of(&folder, "pem"))
        .map(|path| read(&path))
        .collect();
    pems.iter()
        .filter_map(|pem| {
            let text = String::from_utf8_lossy(pem).into_owned();
            let last = text.rfind(BEGIN)?;
            Anchor::insecure_from_pem(&text[last..]).ok()
        })
        .collect()
}

/// Every text of hex in attest-1's vectors.
pub(crate) fn attest1() -> Vec<Seed> {
    fn walk(value: &Value, path: &str, found: &mut Vec<Seed>) {
        match value {
            Value::String(text) => {
                if let Ok(bytes) = hex::decode(text)
                    && bytes.len() >= MESSAGE_BYTES_MIN
                {
                    found.push(Seed {
                        name: path.to_owned(),
                        bytes,
                    });
                }
            }
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    walk(value, &format!("{path}[{at}]"), found);
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    walk(value, &format!("{path}.{name}"), found);
                }
            }
            _ => {}
        }
    }
    let vectors = read(&workspace().join("tests/vectors/attest-1/vectors.json"));
    let mut found = Vec::new();
    walk(
        &serde_json::from_slice(&vectors).unwrap_or_default(),
        "attest-1",
        &mut found,
    );
    without_repetitions(found)
}

/// The files with that ending right in the folder.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<Seed> {
    files_of(&workspace().join(folder), ending)
        .into_iter()
        .map(|path| Seed {
            name: named(&path),
            bytes: read(&path),
        })
        .collect()
}

/// One file; nothing if it is not there, which the tests of the seeds notice.
pub(crate) fn one(path: &str) -> Vec<Seed> {
    fs::read(workspace().join(path))
        .map(|bytes| Seed {
            name: path.to_owned(),
            bytes,
        })
        .into_iter()
        .collect()
}

/// Each input once.
pub(crate) fn without_repetitions(seeds: Vec<Seed>) -> Vec<Seed> {
    let mut known = BTreeSet::new();
    seeds
        .into_iter()
        .filter(|seed| known.insert(seed.bytes.clone()))
        .collect()
}

/// The bytes of a file, none if it can't be read: the tests of the seeds notice.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_default()
}

/// Folders two levels below, and one.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for group in folders(folder) {
        found.extend(folders(&group));
        found.push(group);
    }
    found
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn files_of(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| path.is_file() && path.extension().is_some_and(|found| found == ending))
        .collect();
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn named(path: &Path) -> String {
    path.strip_prefix(workspace())
        .unwrap_or(path)
        .display()
        .to_string()
}

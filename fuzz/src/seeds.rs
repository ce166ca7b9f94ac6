//! What targets start from: files of the repository. Reading them is the only I/O here.
//!
//! Does not live here: inputs made for one target (beside it).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stoa_attestation::Anchor;

use crate::evidence::LENGTH_BYTES;
use crate::{Seed, root};

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
    for folder in below(&root().join("tests/vectors")) {
        let quote = folder.join("quote.bin");
        if quote.is_file() {
            let verdict: Value =
                serde_json::from_slice(&read(&folder.join("verdict.json"))).unwrap_or_default();
            let collateral = verdict["collateral"].as_str().unwrap_or("collateral.json");
            let collateral = folder.join(collateral);
            all.push(Vector {
                name: named(&folder),
                quote: read(&quote),
                // One vector has none.
                collateral: fs::read(collateral).unwrap_or_default(),
            });
        }
    }
    all
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

/// The roots of all vectors.
pub(crate) fn anchors() -> Vec<Anchor> {
    let pems: BTreeSet<Vec<u8>> = below(&root().join("tests/vectors"))
        .into_iter()
        .flat_map(|folder| files_of(&folder, "pem"))
        .map(|path| read(&path))
        .collect();
    pems.iter()
        .filter_map(|pem| Anchor::insecure_from_pem(&String::from_utf8_lossy(pem)).ok())
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
    let vectors = read(&root().join("tests/vectors/attest-1/vectors.json"));
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
    files_of(&root().join(folder), ending)
        .into_iter()
        .map(|path| Seed {
            name: named(&path),
            bytes: read(&path),
        })
        .collect()
}

/// One file; nothing if it is not there, which the tests of the seeds notice.
pub(crate) fn one(path: &str) -> Vec<Seed> {
    fs::read(root().join(path))
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
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

//! What the mutation tests share: which bits are changed, how changed evidence is verified, what collateral says.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;
use stoa_attestation::{
    Claims, Collateral, Evidence, Expected, Invalid, SignatureMemo, Trust, Verified,
};

use super::{ALGORITHMS, Vector, full, time};

/// Signature checks of the honest parts are made once; whether a signature is good depends on nothing else.
#[derive(Default)]
pub struct Memo(Mutex<BTreeSet<[u8; 32]>>);

impl Memo {
    /// How many signatures are remembered.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl SignatureMemo for Memo {
    fn contains(&self, key: &[u8; 32]) -> bool {
        self.0.lock().unwrap().contains(key)
    }

    fn insert(&self, keys: &[[u8; 32]]) {
        self.0.lock().unwrap().extend(keys);
    }
}

/// The bits of this byte that are changed, one after the other.
pub fn bits(at: usize) -> Vec<u8> {
    if full() {
        return (0..8).map(|bit| 1 << bit).collect();
    }
    vec![1 << (at % 8)]
}

/// Other evidence, held against what the honest one was bound to.
pub fn verify(
    vector: &Vector,
    evidence: &[u8],
    collateral: &Verified<Collateral>,
    seen: &dyn SignatureMemo,
) -> Result<Verified<Claims>, Invalid> {
    let evidence = Evidence::parse(vector.kind, evidence)?;
    let anchors = vector.anchors();
    let trust = Trust {
        anchors: &anchors,
        algorithms: ALGORITHMS,
        seen,
    };
    let expected = Expected::as_given(vector.report_data());
    evidence.verify(&expected, &trust, collateral, time(vector.now))
}

/// What collateral says: members of the JSON, hexadecimal without its case, certificates without the unused bits of their
/// text.
pub fn meaning(collateral: &[u8]) -> Vec<(String, Vec<u8>)> {
    let json: Value = serde_json::from_slice(collateral).unwrap();
    let members = json.as_object().unwrap().iter();
    let mut members: Vec<(String, Vec<u8>)> = members
        .map(|(name, value)| {
            let text = value.as_str().unwrap();
            let bytes = hex::decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
            (name.clone(), bytes)
        })
        .collect();
    members.sort();
    members
}

//! One part of genuine evidence, replaced: what is inside of certificates, revocation lists, TCB info and identities is
//! reached at once, instead of through hex in JSON.
//!
//! An input is `part (u8, modulo the number of parts) | bytes`.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use stoa_harness::programs::workspace;

use crate::{Seed, evidence, seeds};

/// Where the quote's length of signature data stands (version 3: header and body of 48 + 384 bytes before it).
const SIGNATURE_DATA_LENGTH_AT: usize = 432;
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The members that hold hex of DER, text, and PEM; the certificate in the quote is one more.
const HEX: [&str; 2] = ["root_ca_crl", "pck_crl"];
const TEXT: [&str; 2] = ["tcb_info", "qe_identity"];
const PEM: [&str; 3] = [
    "pck_crl_issuer_chain",
    "tcb_info_issuer_chain",
    "qe_identity_issuer_chain",
];
const PARTS: usize = HEX.len() + TEXT.len() + PEM.len() + 1;

struct Genuine {
    quote: Vec<u8>,
    collateral: Value,
}

pub(crate) fn run(bytes: &[u8]) {
    replaced(bytes);
}

/// Whether the verification went to its end with the part replaced.
fn replaced(bytes: &[u8]) -> bool {
    static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
        let folder = workspace().join("tests/vectors/sgx/01-processor-config-and-sw-hardening");
        Genuine {
            quote: seeds::read(&folder.join("quote.bin")),
            collateral: serde_json::from_slice(&seeds::read(&folder.join("collateral.json")))
                .unwrap_or_default(),
        }
    });
    let Some((selector, part)) = bytes.split_first() else {
        return false;
    };
    let mut collateral = GENUINE.collateral.clone();
    let mut set = |member: &str, value: String| collateral[member] = Value::String(value);
    let selector = usize::from(*selector) % PARTS;
    let rest = |before: usize| selector.checked_sub(before);
    if let Some(member) = HEX.get(selector) {
        set(member, hex::encode(part));
    } else if let Some(member) = rest(HEX.len()).and_then(|at| TEXT.get(at)) {
        set(member, String::from_utf8_lossy(part).into_owned());
    } else if let Some(member) = rest(HEX.len() + TEXT.len()).and_then(|at| PEM.get(at)) {
        let chain = GENUINE.collateral[*member].as_str().unwrap_or_default();
        set(member, with_first(chain, part));
    } else {
        let quote = with_leaf(&GENUINE.quote, part);
        return evidence::judge(&quote, collateral.to_string().as_bytes());
    }
    evidence::judge(&GENUINE.quote, collateral.to_string().as_bytes())
}

pub(crate) fn seeds() -> Vec<Seed> {
    seeds::without_repetitions(seeds::vectors().iter().flat_map(parts_of).collect())
}

fn parts_of(vector: &seeds::Vector) -> Vec<Seed> {
    let mut all = Vec::new();
    let collateral: Value = serde_json::from_slice(&vector.collateral).unwrap_or_default();
    if collateral["tee"] == "snp" {
        // Other parts, in the place of none of these; `verify` and `collateral` have them whole.
        return all;
    }
    let mut add = |part: usize, what: &str, mut bytes: Vec<u8>| {
        bytes.insert(0, u8::try_from(part).unwrap_or_default());
        all.push(Seed {
            name: format!("{}: {what}", vector.name),
            bytes,
        });
    };
    let text = |member: &str| collateral[member].as_str().unwrap_or_default().to_owned();
    for (at, member) in HEX.iter().enumerate() {
        add(at, member, hex::decode(text(member)).unwrap_or_default());
    }
    for (at, member) in TEXT.iter().enumerate() {
        add(HEX.len() + at, member, text(member).into_bytes());
    }
    for (at, member) in PEM.iter().enumerate() {
        for der in certificates(text(member).as_bytes()) {
            add(HEX.len() + TEXT.len() + at, member, der);
        }
    }
    if let Some(at) = find(&vector.quote, PEM_BEGIN) {
        for der in certificates(&vector.quote[at..]) {
            add(PARTS - 1, "certificate in the quote", der);
        }
    }
    all
}

fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .map(|certificate| certificate.to_vec())
        .collect()
}

/// The chain with another first certificate.
fn with_first(chain: &str, der: &[u8]) -> String {
    let end = "-----END CERTIFICATE-----";
    let tail = chain.split_once(end).map_or("", |(_, tail)| tail);
    format!("{}{tail}", pem(der))
}

/// The quote with another leaf, all lengths put right.
fn with_leaf(quote: &[u8], der: &[u8]) -> Vec<u8> {
    let Some(at) = find(quote, PEM_BEGIN) else {
        return Vec::new();
    };
    let chain = with_first(&String::from_utf8_lossy(&quote[at..]), der);
    let mut changed = quote[..at].to_vec();
    changed.extend(chain.as_bytes());
    let total = changed.len() - (SIGNATURE_DATA_LENGTH_AT + 4);
    let mut length = |at: usize, value: usize| {
        let bytes = u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
        changed[at..at + 4].copy_from_slice(&bytes);
    };
    length(SIGNATURE_DATA_LENGTH_AT, total);
    length(at - 4, chain.len());
    changed
}

fn pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----");
    text
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Its own parts put back leave the evidence as it was; so a part stands where the verifier looks for it.
    #[test]
    fn the_genuine_parts_put_back_verify_and_any_other_byte_string_does_not() {
        let name = "tests/vectors/sgx/01-processor-config-and-sw-hardening";
        let own = seeds::vectors()
            .into_iter()
            .find(|vector| vector.name == name)
            .unwrap();
        let mut parts_seen = [false; PARTS];
        for seed in &parts_of(&own) {
            let part = usize::from(seed.bytes[0]);
            // Of a chain the first certificate is replaced, so the others don't fit there.
            if !parts_seen[part] {
                assert!(replaced(&seed.bytes), "{}", seed.name);
                assert!(
                    !replaced(&[&seed.bytes[..1], b"\x30\x00"].concat()),
                    "{}",
                    seed.name
                );
            }
            parts_seen[part] = true;
        }
        assert_eq!(parts_seen, [true; PARTS]);
    }
}

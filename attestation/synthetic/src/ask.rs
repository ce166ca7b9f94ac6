//! A program to put inside: asks its TEE what lines on its input say, and prints one JSON line for each.
//!
//! `info`, `evidence HEX` (64 bytes), `seal measurement|signer HEX` (32 bytes). Of a sealing key only its SHA-256 is
//! printed. For tests, and for looking at a TEE by hand.

use std::io::{BufRead, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stoa_explain::Explain as _;
use stoa_source::{SealPolicy, SocketTee, Source as _, SourceError};

/// Answers every line of `input` until it ends.
///
/// # Errors
/// What input and output say; what the TEE says is a line.
pub fn answer_lines(
    spec: &str,
    input: impl BufRead,
    mut output: impl Write,
) -> std::io::Result<()> {
    for line in input.lines() {
        let answer = answer(spec, &line?)
            .unwrap_or_else(|cause| json!({ "error": "wrong-line", "cause": cause }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// The outer error is a line that is no question.
fn answer(spec: &str, line: &str) -> Result<Value, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let answer = match words[..] {
        ["info"] => info(spec),
        ["evidence", data] => evidence(spec, &bytes(data)?),
        ["seal", "measurement", id] => sealing_key(spec, SealPolicy::Measurement, &bytes(id)?),
        ["seal", "signer", id] => sealing_key(spec, SealPolicy::Signer, &bytes(id)?),
        _ => {
            return Err(format!(
                "`{line}` is none of: info, evidence HEX, seal measurement|signer HEX"
            ));
        }
    };
    Ok(answer.unwrap_or_else(
        |error| json!({ "error": error.code(), "cause": crate::program::chain(&error) }),
    ))
}

fn info(spec: &str) -> Result<Value, SourceError> {
    let tee = open(spec)?;
    let info = tee.info();
    Ok(json!({
        "pid": std::process::id(),
        "tee": spec,
        "kind": info.kind.name(),
        "measurement": hex::encode(&info.measurement),
        "signer_id": hex::encode(info.signer_id),
        "product_id": info.product_id,
        "security_version": info.security_version,
        "debug": info.debug,
    }))
}

fn evidence(spec: &str, report_data: &[u8; 64]) -> Result<Value, SourceError> {
    let tee = open(spec)?;
    let evidence = tee.evidence(report_data)?;
    Ok(json!({ "kind": tee.kind().name(), "evidence": hex::encode(evidence) }))
}

fn sealing_key(spec: &str, policy: SealPolicy, id: &[u8; 32]) -> Result<Value, SourceError> {
    let key = open(spec)?.sealing_key(policy, id)?;
    Ok(json!({ "key_sha256": hex::encode(Sha256::digest(key.as_slice())) }))
}

fn open(spec: &str) -> Result<SocketTee, SourceError> {
    match spec.parse()? {
        stoa_source::Tee::Socket(path) => SocketTee::open(path),
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out)
        .map_err(|error| format!("`{text}` is not {N} bytes in hex: {error}"))?;
    Ok(out)
}

//! Marbles: their measured configuration, their place in a manifest, their start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::digest::read;
use crate::platform::{Enclave, Platform};
use crate::process::Process;
use crate::{Failed, Outcome};

/// Longest wait for a marble's activation.
pub const ACTIVATION_TIME_MAX: Duration = Duration::from_secs(20);

/// Writes `stoa-marble.json` for `marble`: what it will believe of a coordinator, and which mesh is its own.
///
/// # Errors
/// If the reference can't be read or the file not written.
pub fn write_config(
    marble: &str,
    reference: &Path,
    root_spki_sha256: &str,
    root: &Path,
    to: &Path,
) -> Outcome<()> {
    write_config_of_roots(marble, reference, root_spki_sha256, &[root], to)
}

/// The same with several roots, one for each vendor.
///
/// # Errors
/// As there.
pub fn write_config_of_roots(
    marble: &str,
    reference: &Path,
    root_spki_sha256: &str,
    roots: &[&Path],
    to: &Path,
) -> Outcome<()> {
    let reference: Value =
        serde_json::from_slice(&read(reference)?).map_err(|e| Failed(e.to_string()))?;
    let anchors = roots.iter().map(|root| {
        let pem = String::from_utf8_lossy(&read(root)?).into_owned();
        Ok(json!({"insecure_pem": pem}))
    });
    let config = json!({
        "format": 1, "marble": marble, "coordinator": reference,
        "pin": {"root_spki_sha256": root_spki_sha256}, "anchors": anchors.collect::<Outcome<Vec<_>>>()?,
    });
    std::fs::write(
        to,
        serde_json::to_vec_pretty(&config).map_err(|e| Failed(e.to_string()))?,
    )?;
    Ok(())
}

/// The manifest's package for what the TEE measures of `enclave`.
///
/// # Errors
/// If it can't be measured.
pub fn package(platform: &Platform, enclave: &Enclave) -> Outcome<Value> {
    let measured = platform.measure(enclave)?;
    Ok(match enclave.tee {
        "tdx" => json!({"TDX": {"MRTD": measured["mrtd"]}}),
        "snp" => json!({"SNP": {"Measurement": measured["measurement"]}}),
        _ => json!({"UniqueID": measured["unique_id"]}),
    })
}

/// Starts a marble and waits until it says `activated`.
///
/// # Errors
/// If it ends before, with its last lines.
pub fn start(
    platform: &Platform,
    enclave: &Enclave,
    coordinator: &Coordinator,
    host_args: &[String],
) -> Outcome<(Process, Value)> {
    let process = platform.run(
        enclave,
        host_args,
        &[("STOA_MESH_ADDR", &coordinator.mesh_addr)],
    )?;
    let event = process.await_event("activation", ACTIVATION_TIME_MAX, |e| {
        e["event"] == "activated"
    })?;
    Ok((process, event))
}

/// A copy of `executable` in which one byte of a constant of its code is another.
///
/// # Errors
/// If `marker` does not stand in it.
pub fn altered(executable: &Path, marker: &[u8], to: &Path) -> Outcome<PathBuf> {
    let mut bytes = read(executable)?;
    let Some(at) = bytes
        .windows(marker.len())
        .position(|window| window == marker)
    else {
        return Err(Failed(format!(
            "{} does not hold the marker",
            executable.display()
        )));
    };
    bytes[at] ^= 1;
    std::fs::write(to, bytes)?;
    std::fs::set_permissions(to, std::fs::metadata(executable)?.permissions())?;
    Ok(to.to_owned())
}

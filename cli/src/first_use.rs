//! Trust on first use: without a reference, and only when asked to, believe the code that is there now and remember it.
//!
//! What is remembered is a reference file like any other. It says that the code did not change since, and nothing about
//! what that code is; the evidence itself is verified all the same.

use std::path::PathBuf;

use stoa_attestation::{Body, Claims, ReferenceValue, SgxReference, SnpReference, TdxReference};
use stoa_client::reference;

use crate::coordinator::{self, Wanted};
use crate::failure::Failure;
use crate::files;
use crate::memory;
use crate::terminal::Terminal;

/// The registers that are set when a trust domain boots; the last one grows while it runs.
const BOOT_REGISTERS: usize = 3;

/// Takes what was remembered of the coordinator at this address for the reference; `false` if nothing was.
pub(crate) fn recall(wanted: &mut Wanted, address: &str) -> Result<bool, Failure> {
    let path = file(address)?;
    if !path.exists() {
        return Ok(false);
    }
    wanted.reference.identities = coordinator::read_reference(&path)?.identities;
    Ok(true)
}

/// Remembers the code that genuine evidence names, says so, and takes it for the reference.
pub(crate) fn learn(
    wanted: &mut Wanted,
    claims: &Claims,
    address: &str,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let identity = measured(claims);
    let path = file(address)?;
    let bytes = reference::encode(std::slice::from_ref(&identity));
    memory::make_folder(&path)?;
    files::write(&path, &bytes)?;
    terminal.talk(&format!(
        "warning: first use: {address} is believed to run the right code because it runs it now:\n  {}\n  remembered in \
         {}; from now on give that file as --coordinator",
        String::from_utf8_lossy(&bytes).trim_end(),
        path.display()
    ));
    wanted.reference.identities = vec![identity];
    Ok(())
}

fn measured(claims: &Claims) -> ReferenceValue {
    match &claims.body {
        Body::Sgx(body) => ReferenceValue::Sgx(SgxReference {
            unique_id: Some(body.mr_enclave),
            ..SgxReference::default()
        }),
        Body::Tdx(body) => {
            let mut rtmr = body.rtmr.map(Some);
            rtmr[BOOT_REGISTERS..].fill(None);
            ReferenceValue::Tdx(TdxReference {
                mrtd: vec![body.mr_td],
                rtmr,
                ..TdxReference::default()
            })
        }
        Body::Snp(body) => ReferenceValue::Snp(SnpReference {
            measurement: vec![body.measurement],
            ..SnpReference::default()
        }),
    }
}

/// One file for each address; two addresses never share one.
fn file(address: &str) -> Result<PathBuf, Failure> {
    let name: String = address
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => char::from(b).to_string(),
            other => format!("%{other:02x}"),
        })
        .collect();
    Ok(memory::state_folder()?
        .join("first-use")
        .join(format!("{name}.json")))
}

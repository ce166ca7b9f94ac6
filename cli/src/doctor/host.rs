//! This machine's steps: an interface to a TEE, permission to use it, evidence, a sealing key.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use stoa_attestation::{EVIDENCE_LEN_MAX, Evidence};
use stoa_explain::Explain;
use stoa_source::seal::data_key_wrapper;
use stoa_source::{Interface, SealPolicy, Source, SourceError, Tee, gramine};

use super::{REPORT_DATA, Stop, Walk};
use crate::args::Doctor;
use crate::failure::{Exit, Failure, Refused};
use crate::files;

/// Evidence to go on with.
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    /// What it must be bound to; of a file nobody knows.
    pub(super) report_data: Option<[u8; 64]>,
}

/// The file of evidence, if one was named.
pub(super) fn read(args: &Doctor) -> Result<Option<Vec<u8>>, Failure> {
    let read = |path: &std::path::PathBuf| files::read(path, EVIDENCE_LEN_MAX);
    Ok(args.evidence.as_ref().map(read).transpose()?)
}

/// The first four steps; with a file of evidence in their place there is nothing of this machine to look at.
pub(super) fn walk(args: &Doctor, file: Option<Vec<u8>>, walk: &mut Walk) -> Result<Found, Stop> {
    if let Some(bytes) = file {
        let words = "not looked at: evidence was given";
        walk.skipped(words);
        walk.skipped(words);
        let said = well_formed(&bytes, "the file")?;
        walk.ok(said);
        walk.skipped(words);
        return Ok(Found {
            bytes,
            report_data: None,
        });
    }
    match &args.tee {
        Some(spec) => asked(&*Tee::open(spec).map_err(|error| stop(&error))?, spec, walk),
        None => looked_for(args, walk),
    }
}

/// A TEE that was named.
fn asked(tee: &dyn Source, spec: &str, walk: &mut Walk) -> Result<Found, Stop> {
    walk.ok(format!("{spec}, {}", tee.kind()));
    walk.ok("it answers this process");
    let bytes = tee.evidence(&REPORT_DATA).map_err(|error| stop(&error))?;
    walk.ok(well_formed(&bytes, spec)?);
    let key = || data_key_wrapper(tee, SealPolicy::Signer).map_err(|error| stop(&error));
    let (first, second) = (key()?, key()?);
    verify_slices_are_equal(first.as_slice(), second.as_slice())
        .map_err(|_| stop(&Refused::SealKeyChanges))?;
    walk.ok("the same at both requests");
    Ok(Found {
        bytes,
        report_data: Some(REPORT_DATA),
    })
}

/// The machine's own, found as files.
fn looked_for(args: &Doctor, walk: &mut Walk) -> Result<Found, Stop> {
    let interface = Interface::find(&args.system_root).map_err(|error| stop(&error))?;
    walk.ok(interface.name());
    interface.permitted().map_err(|error| stop(&error))?;
    walk.ok("may be asked");
    let bytes = match &interface {
        Interface::Gramine(folder) => gramine::quote(folder, &REPORT_DATA),
        // Its requests come with the sources for guests; until then a quote can be handed in.
        Interface::Tsm(_) => Err(SourceError::NotSupported {
            name: "configfs-tsm",
        }),
    };
    let bytes = bytes.map_err(|error| stop(&error))?;
    walk.ok(well_formed(&bytes, "Gramine")?);
    walk.skipped("not looked at: Gramine's keys are not asked for by this version");
    Ok(Found {
        bytes,
        report_data: Some(REPORT_DATA),
    })
}

fn well_formed(bytes: &[u8], from: &str) -> Result<String, Stop> {
    let evidence = Evidence::detect(bytes).map_err(|invalid| stop(&invalid))?;
    Ok(format!(
        "{}, {} bytes from {from}",
        evidence.kind(),
        bytes.len()
    ))
}

/// What a machine lacks is no refusal of anybody.
fn stop(error: &dyn Explain) -> Stop {
    Stop::new(Exit::Unavailable, error)
}

//! Gramine's `/dev/attestation`: 64 bytes in, a quote out.
//!
//! The pseudo-files belong to the whole process: what one thread wrote, another's read would quote. So one request at a
//! time. Source: Gramine documentation, "Attestation and Secret Provisioning".
//! Does not live here: whether the files are there (`survey`), sealing keys.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use stoa_attestation::EVIDENCE_LEN_MAX;

use crate::SourceError;

/// One request at a time, in the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// A quote over `report_data`, from the pseudo-files in `folder`.
///
/// # Errors
/// [`SourceError::NoQuote`] with the file and the step.
pub fn quote(folder: &Path, report_data: &[u8; 64]) -> Result<Vec<u8>, SourceError> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let input = folder.join("user_report_data");
    OpenOptions::new()
        .write(true)
        .open(&input)
        .and_then(|mut file| file.write_all(report_data))
        .map_err(|error| no_quote(input, format!("writing 64 bytes failed: {error}")))?;
    let output = folder.join("quote");
    let mut quote = Vec::new();
    File::open(&output)
        .and_then(|file| {
            file.take(EVIDENCE_LEN_MAX as u64 + 1)
                .read_to_end(&mut quote)
        })
        .map_err(|error| no_quote(output.clone(), format!("reading failed: {error}")))?;
    if quote.is_empty() {
        return Err(no_quote(output, "it is empty".to_owned()));
    }
    if quote.len() > EVIDENCE_LEN_MAX {
        let cause = format!("it has more than {EVIDENCE_LEN_MAX} bytes");
        return Err(no_quote(output, cause));
    }
    Ok(quote)
}

fn no_quote(path: PathBuf, cause: String) -> SourceError {
    SourceError::NoQuote { path, cause }
}

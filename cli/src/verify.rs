//! `stoa verify`: one quote, the whole mesh. Asks a coordinator, or judges a saved proof offline.

use std::path::Path;

use rustls_pki_types::UnixTime;
use stoa_attestation::Utc;
use stoa_attestation::channel::limits::STATEMENT_MANIFEST_BYTES_MAX;
use stoa_client::bundle::BUNDLE_BYTES_MAX;
use stoa_client::{Bundle, Check, Memory, Report, Statement, Verdict};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{Global, Verify};
use crate::coordinator::{Met, Wanted, block_on, complain, endpoint};
use crate::failure::{Exit, Failure, Refused};
use crate::files;
use crate::memory::MemoryFolder;
use crate::render::{self, Heading};
use crate::terminal::Terminal;

pub(crate) fn run(
    global: &Global,
    args: &Verify,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let wanted = Wanted::load(global, &args.trusted, terminal)?;
    let manifest = match &args.manifest {
        Some(path) => Some(files::read(path, STATEMENT_MANIFEST_BYTES_MAX)?),
        None => None,
    };
    if args.bundle.is_none() && args.at.is_some() {
        return Err(Refused::Argument {
            option: "--at",
            cause: "goes with --bundle; what is asked now is judged as of now".to_owned(),
        }
        .into());
    }
    match &args.bundle {
        Some(path) => offline(global, args, path, &wanted, manifest.as_deref(), terminal),
        None => online(global, args, &wanted, manifest.as_deref(), terminal),
    }
}

fn online(
    global: &Global,
    args: &Verify,
    wanted: &Wanted,
    manifest: Option<&[u8]>,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let endpoint = endpoint(global, args.address.as_deref())?;
    let met = block_on(Met::ask(&endpoint))?;
    if let Some(path) = &args.save {
        // Before the judgement: what does not hold is worth keeping, too.
        let bundle = Bundle {
            nonce: met.nonce,
            fetched_at: met.fetched_at,
            tls_leaf: Some(met.connection.leaf().to_vec()),
            statement: met.statement.clone(),
        };
        files::write(path, &bundle.encode())?;
    }
    let report = met.judge(wanted, manifest)?;
    let exit = show(
        global,
        args,
        &met.address,
        &report,
        &met.statement,
        terminal,
    )?;
    met.complain(&report, terminal);
    hints(global, wanted, &report, terminal);
    Ok(exit)
}

fn offline(
    global: &Global,
    args: &Verify,
    path: &Path,
    wanted: &Wanted,
    manifest: Option<&[u8]>,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let at = args.at.as_deref().map(parse_time).transpose()?;
    let bytes = files::read(path, BUNDLE_BYTES_MAX)?;
    let bundle =
        Bundle::parse(&bytes).map_err(|error| Failure::of(Exit::Usage, &error).in_file(path))?;
    let as_of = at.unwrap_or(bundle.fetched_at);

    // Without a folder there is no memory; a proof can still be judged.
    let remembered = match MemoryFolder::of_environment() {
        Ok(folder) => folder.find(bundle.statement.state.root().as_ref(), None)?,
        Err(_) => None,
    };
    let memory = match &remembered {
        Some(remembered) if !remembered.mesh.known_at(as_of) => {
            Memory::NotAsked("the memory is newer than the proof")
        }
        Some(remembered) => Memory::Seen(&remembered.mesh),
        None => Memory::Nothing,
    };
    let connection = stoa_client::Connection::Saved(bundle.tls_leaf.as_deref());
    let report = wanted.judge(
        &bundle.statement,
        &bundle.nonce,
        connection,
        manifest,
        memory,
        as_of,
    );
    let exit = show(
        global,
        args,
        &path.display().to_string(),
        &report,
        &bundle.statement,
        terminal,
    )?;
    complain(&report, remembered.as_ref(), terminal);
    if at.is_some() && report.failed().any(|(check, _)| check == Check::Time) {
        terminal.talk(&format!(
            "note: the proof was fetched at {}; without --at it is judged as of then",
            Utc(bundle.fetched_at)
        ));
    }
    hints(global, wanted, &report, terminal);
    Ok(exit)
}

/// Prints the report and writes the root CA if all of it holds.
fn show(
    global: &Global,
    args: &Verify,
    of: &str,
    report: &Report,
    statement: &Statement,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let verified = report.verdict == Verdict::Verified;
    if let (true, Some(path), Some(root)) = (verified, &args.save_root, &report.root) {
        files::write(path, render::pem(&root.der).as_bytes())?;
    }
    let manifest = args
        .manifest
        .as_ref()
        .map(|path| path.display().to_string());
    let heading = Heading {
        of,
        manifest: manifest.as_deref().unwrap_or("the manifest"),
        insecure: !args.trusted.insecure_trust_root.is_empty(),
        verbose: global.verbose,
    };
    if global.json {
        terminal.data(&render::json(report, statement, &heading).to_string());
    } else {
        terminal.data(&render::text(report, statement, &heading));
    }
    Ok(if verified { Exit::Done } else { Exit::Refused })
}

fn hints(global: &Global, wanted: &Wanted, report: &Report, terminal: &mut Terminal<'_>) {
    if global.quiet || !matches!(report.verdict, Verdict::Unverified { .. }) {
        return;
    }
    if !wanted.has_identities() {
        terminal.talk("hint: give --coordinator FILE; no released measurements are built in yet");
    }
    terminal.talk("hint: printing facts is not verifying; with --coordinator and --manifest all of it is compared");
}

/// `2026-11-23T22:40:11Z` (RFC 3339), or Unix seconds.
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, Refused> {
    let secs = match text.parse::<u64>() {
        Ok(secs) => Some(secs),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|time| u64::try_from(time.unix_timestamp()).ok()),
    };
    secs.map(|secs| UnixTime::since_unix_epoch(core::time::Duration::from_secs(secs)))
        .ok_or_else(|| Refused::Argument {
            option: "--at",
            cause: format!(
                "is `{}`; write 2026-11-23T22:40:11Z, or Unix seconds",
                text.escape_debug()
            ),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_unix_seconds() {
        for text in [
            "2026-11-23T22:40:11Z",
            "2026-11-23T23:40:11+01:00",
            "1795473611",
        ] {
            assert_eq!(parse_time(text).unwrap().as_secs(), 1_795_473_611, "{text}");
        }
        for text in ["", "now", "2026-11-23", "-1", "1969-01-01T00:00:00Z"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}

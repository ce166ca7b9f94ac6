//! `stoa manifest`: set the first one, get the one in force.
//!
//! Does not live here: what needs no coordinator (`offline`), changing it (`update`).

mod keep;
mod offline;
mod update;

use serde_json::json;
use stoa_attestation::channel::CoordinatorState;
use stoa_client::http::Endpoint;
use stoa_client::{RecoveryFile, Verdict};
use stoa_manifest::Manifest;

use self::keep::Keep;
use crate::args::{self, Global, ManifestCommand, Trusted};
use crate::coordinator::{Met, Wanted, block_on, change_failed, endpoint, require_verified};
use crate::failure::{Changed, Exit, Failure, Refused};
use crate::first_use;
use crate::terminal::Terminal;

pub(crate) fn run(
    global: &Global,
    args: &args::Manifest,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    match &args.command {
        ManifestCommand::Check { file } => offline::check(global, file, terminal),
        ManifestCommand::Import { file } => offline::import(global, file, terminal),
        ManifestCommand::Merge {
            base,
            overlay,
            output,
        } => offline::join(global, base, overlay, output.as_ref(), terminal),
        ManifestCommand::Set {
            file,
            trust_on_first_use,
            recovery_data,
            trusted,
        } => {
            let untouched = |failure: Failure| failure.changed(Changed::Nothing);
            let manifest = offline::read(global, file, terminal).map_err(untouched)?;
            let keep = Keep::of(&manifest, recovery_data.as_deref()).map_err(untouched)?;
            let endpoint = endpoint(global, None)?;
            let mut wanted = Wanted::load(global, trusted, terminal)?;
            if !wanted.has_identities() {
                if !trust_on_first_use {
                    return Err(Failure::from(Refused::ReferenceMissing).changed(Changed::Nothing));
                }
                first_use::recall(&mut wanted, &endpoint.authority())?;
            }
            block_on(set(global, &manifest, &keep, &endpoint, wanted, terminal))
        }
        ManifestCommand::Diff { new, from, trusted } => {
            update::diff(global, new, from.as_deref(), trusted, terminal)
        }
        ManifestCommand::Update {
            file,
            user,
            recovery_data,
            trusted,
        } => {
            let recovery_data = recovery_data.as_deref();
            update::agree(global, file, user, recovery_data, trusted, terminal)
        }
        ManifestCommand::Pending { trusted } => update::pending(global, trusted, terminal),
        ManifestCommand::Cancel {
            sha256,
            user,
            trusted,
        } => update::cancel(global, sha256, user, trusted, terminal),
        ManifestCommand::Get { trusted } => get(global, trusted, terminal),
    }
}

/// Verifies, sets, reads back. A reference without identities means that first use is to be trusted.
async fn set(
    global: &Global,
    manifest: &Manifest,
    keep: &Keep<'_>,
    endpoint: &Endpoint,
    mut wanted: Wanted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let untouched = |failure: Failure| failure.changed(Changed::Nothing);
    let mut met = Met::ask(endpoint).await.map_err(untouched)?;
    let mut report = met.judge(&wanted, None).map_err(untouched)?;
    let first_use = !wanted.has_identities() && report.failed().next().is_none();
    if let Some(claims) = report.claims.clone().filter(|_| first_use) {
        first_use::learn(&mut wanted, &claims, &met.address, terminal).map_err(untouched)?;
        report = met.judge(&wanted, None).map_err(untouched)?;
    }
    require_verified(&met, &report, &wanted, terminal).map_err(untouched)?;

    // On the connection whose leaf was just verified.
    let answer = met
        .connection
        .set_manifest(manifest.bytes().to_vec())
        .await
        .map_err(|error| change_failed(&error))?;
    // Before anything else can fail: they are given once.
    keep.shares(answer.recovery.as_ref().map(RecoveryFile::of))?;
    met.again()
        .await
        .map_err(|failure| failure.changed(Changed::Unknown))?;
    let report = met
        .judge(&wanted, Some(manifest.bytes()))
        .map_err(|failure| failure.changed(Changed::Unknown))?;
    let in_force = matches!(
        met.statement.state.state,
        CoordinatorState::AcceptingMarbles { .. }
    );
    if report.verdict != Verdict::Verified || !in_force {
        met.complain(&report, terminal);
        return Err(Failure::from(Refused::ManifestNotConfirmed).changed(Changed::Unknown));
    }
    let sha256 = hex::encode(manifest.sha256());
    let marbles: Vec<&str> = manifest.marbles().keys().map(String::as_str).collect();
    if global.json {
        let value = json!({
            "manifest_sha256": sha256, "epoch": answer.epoch, "marbles": marbles, "warnings": answer.warnings,
            "root_spki_sha256": met.statement.state.root().map(hex::encode),
        });
        terminal.data(&value.to_string());
    } else {
        terminal.data(&format!(
            "manifest  sha256:{sha256}  set, number {}",
            answer.epoch
        ));
        terminal.data(&format!(
            "marbles   {} may now activate",
            marbles.join(", ")
        ));
        keep.tell(terminal);
        if !global.quiet {
            for warning in &answer.warnings {
                terminal.talk(&format!("warning: {warning}"));
            }
        }
    }
    Ok(Exit::Done)
}

fn get(global: &Global, trusted: &Trusted, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    let met = block_on(Met::ask(&endpoint))?;
    let report = met.judge(&wanted, None)?;
    if report.failed().next().is_some() || wanted.has_identities() {
        require_verified(&met, &report, &wanted, terminal)?;
    } else if !global.quiet {
        terminal.talk("warning: the coordinator's code was not compared with anything; give --coordinator FILE");
    }
    let Some(bytes) = &met.statement.manifest else {
        return Err(Failure::from(Refused::NoManifest));
    };
    if global.json {
        use base64::Engine as _;
        let value = json!({
            "manifest_sha256": met.statement.state.manifest_sha256().map(hex::encode),
            "epoch": met.statement.history.last().map(|entry| entry.epoch),
            "manifest": base64::engine::general_purpose::STANDARD.encode(bytes),
        });
        terminal.data(&value.to_string());
    } else {
        terminal.bytes(bytes);
    }
    Ok(Exit::Done)
}

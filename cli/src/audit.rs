//! `stoa audit`: what was done to the mesh, by whom, and who was refused.
//!
//! The history of manifests comes from the statement, which the coordinator signed; the rest from a coordinator that was
//! verified on the same connection.

use rustls_pki_types::UnixTime;
use serde_json::json;
use stoa_attestation::Utc;

use crate::args::{Audit, Global};
use crate::coordinator::{Wanted, block_on, endpoint, request_failed};
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;
use crate::user::{identity, verified};

/// Hex digits of a digest that are shown without `--verbose`.
const DIGITS_SHOWN: usize = 16;

pub(crate) fn run(
    global: &Global,
    args: &Audit,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let identity = identity(&args.user)?;
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, &args.trusted, terminal)?;
    let (met, audit) = block_on(async {
        let mut met = verified(&endpoint, &identity, &wanted, terminal).await?;
        let audit = met.connection.audit(args.before, args.limit).await;
        Ok((met, audit.map_err(|error| request_failed(&error))?))
    })?;
    let history = &met.statement.history;
    if global.json {
        let history: Vec<_> = history
            .iter()
            .map(|entry| {
                let sha256 = hex::encode(entry.manifest_sha256);
                json!({"epoch": entry.epoch, "time": entry.time, "manifest_sha256": sha256})
            })
            .collect();
        terminal.data(&json!({"history": history, "audit": audit}).to_string());
        return Ok(Exit::Done);
    }
    let short = |digest: &str| match global.verbose {
        true => digest.to_owned(),
        false => digest.chars().take(DIGITS_SHOWN).collect(),
    };
    let known = |digest: &Option<String>| digest.as_deref().map_or("none".to_owned(), short);
    for entry in history {
        terminal.data(&format!(
            "manifest  {}  number {}  sha256:{}",
            at(entry.time),
            entry.epoch,
            short(&hex::encode(entry.manifest_sha256))
        ));
    }
    for entry in audit.entries.iter().rev() {
        let who = match (&entry.user, &entry.certificate_sha256) {
            (Some(user), Some(digest)) => format!("{user} ({})", short(digest)),
            (None, Some(digest)) => format!("({})", short(digest)),
            _ => "nobody with a certificate".to_owned(),
        };
        let subject = match entry.subject.as_str() {
            "" => String::new(),
            subject => format!(" {subject}"),
        };
        terminal.data(&format!(
            "done      {}  {} (record {})  {}{subject}  by {who}  {} -> {}",
            at(entry.time),
            entry.number,
            entry.sequence,
            entry.what,
            known(&entry.before),
            known(&entry.after)
        ));
    }
    for denied in &audit.denied {
        terminal.data(&format!(
            "denied    {}  {}  {}  {}  [{}]",
            at(denied.time),
            denied.what,
            known(&denied.certificate_sha256),
            denied.reason,
            denied.code
        ));
    }
    for refused in &audit.refused {
        terminal.data(&format!(
            "refused   {}  marble {}  [{}]",
            at(refused.time),
            match refused.marble.as_str() {
                "" => "of another name",
                marble => marble,
            },
            refused.code
        ));
    }
    if let (Some(next), false) = (audit.next, global.quiet) {
        terminal.talk(&format!("older ones: stoa audit --before {next}"));
    }
    Ok(Exit::Done)
}

fn at(secs: u64) -> String {
    Utc(UnixTime::since_unix_epoch(core::time::Duration::from_secs(
        secs,
    )))
    .to_string()
}

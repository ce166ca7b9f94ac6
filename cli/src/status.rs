//! `stoa status`: state of the coordinator, marbles and certificates.
//!
//! The status route is not signed. With a reference the coordinator is verified first, and what it signed is compared
//! with what it says; without one that is said, because the root's hash printed here becomes the pin of marbles.

use rustls_pki_types::UnixTime;
use serde_json::json;
use stoa_attestation::Utc;
use stoa_client::http::{Connection, Pin};

use crate::args::{Global, Trusted};
use crate::coordinator::{Met, Wanted, block_on, endpoint, request_failed, require_verified};
use crate::failure::{Exit, Failure, Refused};
use crate::terminal::Terminal;

pub(crate) fn run(
    global: &Global,
    args: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, args, terminal)?;
    let (status, verified) = if wanted.has_identities() {
        let (met, status) = block_on(async {
            let mut met = Met::ask(&endpoint).await?;
            let report = met.judge(&wanted, None)?;
            require_verified(&met, &report, &wanted, terminal)?;
            let status = met
                .connection
                .status()
                .await
                .map_err(|error| request_failed(&error))?;
            Ok((met, status))
        })?;
        let signed = met.statement.state.root().map(hex::encode);
        if signed != status.root_spki_sha256 {
            return Err(Refused::StatusContradicts {
                signed: signed.unwrap_or_else(|| "none".to_owned()),
                said: status.root_spki_sha256.unwrap_or_else(|| "none".to_owned()),
            }
            .into());
        }
        (status, true)
    } else {
        let status = block_on(async {
            let mut connection = Connection::open(&endpoint, &Pin::Anyone)
                .await
                .map_err(|error| request_failed(&error))?;
            connection
                .status()
                .await
                .map_err(|error| request_failed(&error))
        })?;
        if !global.quiet {
            terminal.talk("warning: nobody vouches for this: the coordinator was not verified; give --coordinator FILE");
        }
        (status, false)
    };
    if global.json {
        terminal.data(&json!({"verified": verified, "status": status}).to_string());
        return Ok(Exit::Done);
    }
    let vouched = if verified { "verified" } else { "not verified" };
    let none = || "none".to_owned();
    let mut lines = vec![
        line(
            "coordinator",
            &format!(
                "{}, version {}, {vouched}",
                endpoint.authority(),
                status.version
            ),
        ),
        line(
            "state",
            &format!("{} ({})", status.state, status.state_text),
        ),
        line(
            "root CA",
            &format!(
                "SHA-256 of its key {}",
                status.root_spki_sha256.clone().unwrap_or_else(none)
            ),
        ),
        line(
            "manifest",
            &match &status.manifest_sha256 {
                Some(sha256) => format!("sha256:{sha256}, number {}", status.epoch),
                None => none(),
            },
        ),
        line(
            "journal",
            &format!(
                "{} ({}), rollback witness: {}",
                status.sequence, status.head, status.rollback_witness
            ),
        ),
        line(
            "recoverable",
            if status.recoverable {
                "yes"
            } else {
                "no: with the sealing key the state is lost"
            },
        ),
    ];
    if let Some(update) = &status.update {
        let since = UnixTime::since_unix_epoch(core::time::Duration::from_secs(update.since));
        let text = format!(
            "sha256:{} waits since {}: {} of {} agreed ({}); may still: {}",
            update.manifest_sha256,
            Utc(since),
            update.agreed.len(),
            update.needed,
            update.agreed.join(", "),
            update.missing.join(", ")
        );
        lines.push(line("update", &text));
    }
    for marble in &status.marbles {
        let budget = marble
            .budget
            .map_or_else(String::new, |budget| format!(" of {budget}"));
        lines.push(line(
            "marble",
            &format!("{}: {}{budget} live", marble.marble_type, marble.live),
        ));
    }
    for expiry in &status.expiries {
        let end = UnixTime::since_unix_epoch(core::time::Duration::from_secs(expiry.not_after));
        lines.push(line("ends", &format!("{}: {}", expiry.what, Utc(end))));
    }
    lines.extend(
        status
            .warnings
            .iter()
            .map(|warning| line("warning", warning)),
    );
    terminal.data(&lines.join("\n"));
    Ok(Exit::Done)
}

fn line(heading: &str, text: &str) -> String {
    format!("{heading:<13} {text}")
}

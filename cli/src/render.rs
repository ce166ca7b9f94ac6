//! A report as people read it, and the same as JSON.

use serde_json::{Value, json};
use stoa_attestation::Utc;
use stoa_attestation::channel::Witness;
use stoa_client::{Check, Outcome, Report, Row, Statement, Verdict};

/// Facts longer than this push their outcome to the right instead of making the column wider.
const FACTS_COLUMN_MAX: usize = 84;
/// Hex digits in a row that are shown in short, unless `--verbose`.
const HEX_SHORTENED_FROM: usize = 32;
const HEX_HEAD: usize = 8;
const HEX_TAIL: usize = 4;

/// What is said beside the report itself.
pub(crate) struct Heading<'a> {
    /// `host:port`, or the bundle's file.
    pub(crate) of: &'a str,
    /// What the manifest that was given is called.
    pub(crate) manifest: &'a str,
    /// Whether an insecure root is believed.
    pub(crate) insecure: bool,
    /// Whether hashes are shown in full.
    pub(crate) verbose: bool,
}

/// The report as text: one line a check, then the verdict, then what it does not cover.
pub(crate) fn text(report: &Report, statement: &Statement, heading: &Heading<'_>) -> String {
    let mut lines = vec![format!("coordinator    {}", heading.of)];
    let facts: Vec<String> = report
        .rows
        .iter()
        .map(|row| {
            if heading.verbose {
                row.facts.clone()
            } else {
                shortened(&row.facts)
            }
        })
        .collect();
    let width = facts
        .iter()
        .map(|facts| facts.chars().count())
        .filter(|width| *width <= FACTS_COLUMN_MAX)
        .max();
    let width = width.unwrap_or(0);
    for (row, facts) in report.rows.iter().zip(&facts) {
        if row.check == Check::RootCa {
            lines.push("mesh".to_owned());
        }
        lines.push(format!(
            "  {:<12} {facts:<width$}  {}",
            row.check.name(),
            outcome(row)
        ));
    }
    lines.push(String::new());
    lines.push(verdict(report, statement, heading));
    lines.push(format!(
        "not covered    {}",
        not_covered(report, statement, heading).join("; ")
    ));
    lines.join("\n")
}

fn outcome(row: &Row) -> String {
    match &row.outcome {
        Outcome::Good(word) => (*word).to_owned(),
        Outcome::No(cause) => format!("NO  [{}]", cause.code),
        Outcome::NotChecked(why) => format!("not checked: {why}"),
    }
}

fn verdict(report: &Report, statement: &Statement, heading: &Heading<'_>) -> String {
    match &report.verdict {
        Verdict::Verified => format!(
            "verified       what runs behind this root CA is what {} says, as of {}",
            heading.manifest,
            as_of(statement)
        ),
        Verdict::Unverified { nothing_for } => {
            format!(
                "unverified     nothing was given to compare {} with",
                nothing_for.join(" and ")
            )
        }
        Verdict::NotVerified { failed, checks } => {
            format!("not verified   {failed} of {checks} checks failed")
        }
    }
}

fn as_of(statement: &Statement) -> String {
    let secs = core::time::Duration::from_secs(statement.state.time);
    Utc(rustls_pki_types::UnixTime::since_unix_epoch(secs)).to_string()
}

/// What no check of this report says anything about; it follows from what was asked and found.
fn not_covered(report: &Report, statement: &Statement, heading: &Heading<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if heading.insecure {
        out.push("the hardware: an insecure root is believed".to_owned());
    }
    let connection = report.rows.iter().find(|row| row.check == Check::Tls);
    if let Some(Outcome::NotChecked(_)) = connection.map(|row| &row.outcome) {
        out.push("who answers at the address".to_owned());
    }
    if statement.state.witness == Witness::None {
        out.push("a rollback to a state that nobody saw (no rollback witness)".to_owned());
    }
    if let Some(weakened) = &statement.legacy {
        out.push(format!(
            "marbles that speak MarbleRun's protocol ({})",
            weakened.join(", ")
        ));
    }
    out.extend(
        [
            "availability",
            "side channels of the listed TCB",
            "data that marbles send elsewhere",
        ]
        .map(str::to_owned),
    );
    out
}

/// The same as JSON, hashes in full.
pub(crate) fn json(report: &Report, statement: &Statement, heading: &Heading<'_>) -> Value {
    let (verdict, nothing_for) = match &report.verdict {
        Verdict::Verified => ("verified", Vec::new()),
        Verdict::Unverified { nothing_for } => ("unverified", nothing_for.clone()),
        Verdict::NotVerified { .. } => ("not verified", Vec::new()),
    };
    let checks: Vec<Value> = report.rows.iter().map(row_json).collect();
    let history: Vec<Value> = statement
        .history
        .iter()
        .map(|entry| {
            json!({"manifest_sha256": hex::encode(entry.manifest_sha256), "epoch": entry.epoch, "time": entry.time})
        })
        .collect();
    json!({
        "verdict": verdict,
        "nothing_for": nothing_for,
        "coordinator": heading.of,
        "as_of": statement.state.time,
        "checks": checks,
        "state": statement.state.state.number(),
        "sequence": statement.state.sequence,
        "head": hex::encode(statement.state.head),
        "rollback_witness": statement.state.witness.name(),
        "security_digest": hex::encode(statement.state.security_digest),
        "root_spki_sha256": statement.state.root().map(hex::encode),
        "manifest_sha256": statement.state.manifest_sha256().map(hex::encode),
        "history": history,
        "marbles": statement.marbles,
        "refused": statement.refused,
        "legacy": statement.legacy,
        "not_covered": not_covered(report, statement, heading),
    })
}

fn row_json(row: &Row) -> Value {
    let mut value = json!({"check": row.check.name(), "facts": row.facts});
    match &row.outcome {
        Outcome::Good(word) => value["outcome"] = json!(word),
        Outcome::NotChecked(why) => {
            value["outcome"] = json!("not checked");
            value["cause"] = json!(why);
        }
        Outcome::No(cause) => {
            value["outcome"] = json!("NO");
            value["code"] = json!(cause.code);
            value["cause"] = json!(cause.text);
            value["remedy"] = json!(cause.remedy);
        }
    }
    value
}

/// Long hex is shown by its beginning and end: people compare those, machines compare all of it.
fn shortened(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if run >= HEX_SHORTENED_FROM {
            let (hex, behind) = rest.split_at(run);
            out.push_str(&format!("{}..{}", &hex[..HEX_HEAD], &hex[run - HEX_TAIL..]));
            rest = behind;
        } else if run > 0 {
            let (hex, behind) = rest.split_at(run);
            out.push_str(hex);
            rest = behind;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// A certificate in PEM (RFC 7468, 64 characters a line).
pub(crate) fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    const LINE: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = behind;
    }
    out + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_hex_is_shortened() {
        let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(
            shortened(&format!("MRENCLAVE {hash}, é, FMSPC 00906ed50000")),
            "MRENCLAVE 01234567..cdef, é, FMSPC 00906ed50000"
        );
        assert_eq!(shortened(&hash[..31]), &hash[..31]);
    }

    #[test]
    fn pem_has_lines_of_64_characters() {
        let pem = pem(&[0; 50]);
        let lines: Vec<usize> = pem.lines().map(str::len).collect();
        assert_eq!(lines, [27, 64, 4, 25]);
    }
}

//! `stoa evidence`: judge a file of evidence, or a folder of vectors; show what a file says without judging it.
//!
//! The only place of the product that may ask for evidence bound to nothing in particular: who looks at a file by hand
//! may not know what it was bound to, and the output says so. Does not live here: the words for each field (`fields`).

mod fields;
pub(crate) mod judge;
pub(crate) mod measure;
mod vectors;

use std::path::Path;

use serde_json::{Value, json};
use stoa_attestation::{Anchor, COLLATERAL_LEN_MAX, EVIDENCE_LEN_MAX, Evidence, Utc};

use crate::args::{EvidenceCommand, EvidenceVerify, Global};
use crate::coordinator::{read_anchor, read_reference};
use crate::failure::{Exit, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;
use crate::verify::parse_time;
use crate::world;
use judge::{Judgement, Policy, Question};

pub(crate) fn run(
    global: &Global,
    command: &EvidenceCommand,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Verify(args) => match (&args.dir, &args.file) {
            (Some(dir), _) => vectors::run(global, dir, terminal),
            (None, Some(file)) => verify(global, file, args, terminal),
            (None, None) => Err(Refused::Argument {
                option: "FILE",
                cause: "is missing; name the evidence, or a folder of vectors with --dir"
                    .to_owned(),
            }
            .into()),
        },
        EvidenceCommand::Show { file } => show(global, file, terminal),
    }
}

fn verify(
    global: &Global,
    file: &Path,
    args: &EvidenceVerify,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let bytes = files::read(file, EVIDENCE_LEN_MAX)?;
    let collateral = match &args.collateral {
        Some(path) => Some(files::read(path, COLLATERAL_LEN_MAX)?),
        None => None,
    };
    let policy = match &args.policy {
        Some(path) => Policy::of_reference(read_reference(path)?),
        None => Policy::default(),
    };
    let vendors = Anchor::vendors();
    let anchors = match &args.anchor {
        Some(path) => vec![read_anchor("--anchor", path)?],
        None => vendors.clone(),
    };
    let foreign = |anchor: &&Anchor| vendors.iter().all(|v| v.sha256() != anchor.sha256());
    if let Some(anchor) = anchors.iter().find(foreign)
        && !global.quiet
    {
        terminal.talk(&format!(
            "warning: evidence is judged under another root than the vendor's (SHA-256 {}); whoever holds its key can forge all of it",
            hex::encode(anchor.sha256())
        ));
    }
    let now = match &args.at {
        Some(text) => parse_time(text)?,
        None => world::now()?,
    };
    let report_data = args
        .report_data
        .as_deref()
        .map(read_report_data)
        .transpose()?;
    let question = Question {
        kind: None,
        evidence: &bytes,
        collateral: collateral.as_deref(),
        anchors: &anchors,
        report_data,
        policy: &policy,
        now,
    };
    let judgement = judge::judge(&question)?;
    if global.json {
        terminal.data(&json(&judgement, &question).to_string());
    } else {
        terminal.data(&text(&judgement, &question, file));
    }
    match &judgement.refused {
        None => Ok(Exit::Done),
        Some(cause) => Err(Failure::of_check("the evidence", cause)),
    }
}

/// 64 bytes in hex.
fn read_report_data(text: &str) -> Result<[u8; 64], Refused> {
    let bytes = hex::decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Refused::Argument {
        option: "--report-data",
        cause: format!(
            "has {} characters or is no hex; write the 64 bytes as 128 hex digits",
            text.trim().chars().count()
        ),
    })
}

fn json(judgement: &Judgement, question: &Question<'_>) -> Value {
    let claims = judgement.claims.as_ref();
    json!({
        "kind": judgement.kind.map(|kind| kind.name()),
        "verdict": judgement.verdict.name(),
        "failure_class": judgement.failure_class,
        "accepted": judgement.refused.is_none(),
        "code": judgement.refused.as_ref().map(|cause| cause.code),
        "cause": judgement.refused.as_ref().map(|cause| &cause.text),
        "remedy": judgement.refused.as_ref().and_then(|cause| cause.remedy.as_ref()),
        "tcb_status": claims.and_then(|claims| claims.tcb()).map(|tcb| tcb.status.to_string()),
        "advisories": claims.and_then(|claims| claims.tcb()).map(|tcb| &tcb.advisories),
        "as_of": Utc(question.now).to_string(),
        "report_data_compared": question.report_data.is_some(),
        "measurement_compared": question.policy.references.is_some(),
        "fields": claims.map(|claims| fields::verified(claims)),
    })
}

fn text(judgement: &Judgement, question: &Question<'_>, file: &Path) -> String {
    let kind = judgement.kind.map_or("unknown", |kind| kind.name());
    let mut lines = vec![
        format!("evidence       {}, {kind}", file.display()),
        format!(
            "verdict        {}{}, as of {}",
            judgement.verdict,
            judgement
                .failure_class
                .as_ref()
                .map_or(String::new(), |class| format!(" ({class})")),
            Utc(question.now)
        ),
    ];
    if let Some(claims) = &judgement.claims {
        let advisories = match claims.tcb().map(|tcb| tcb.advisories.as_slice()) {
            None => "AMD gives no status".to_owned(),
            Some([]) => "no advisories".to_owned(),
            Some(some) => some.join(", "),
        };
        lines.push(format!(
            "TCB            {}; {advisories}",
            claims.tcb_words()
        ));
        lines.extend(fields::lines(&fields::verified(claims)));
    }
    for (what, given, option) in [
        (
            "report data",
            question.report_data.is_some(),
            "--report-data HEX",
        ),
        (
            "measurement",
            question.policy.references.is_some(),
            "--policy FILE",
        ),
    ] {
        if !given {
            lines.push(format!("{what:<14} not compared; give {option}"));
        }
    }
    lines.push(match &judgement.refused {
        None => format!("accepted       by {}", question.policy.name()),
        Some(cause) => format!("not accepted   [{}]", cause.code),
    });
    lines.join("\n")
}

fn show(global: &Global, file: &Path, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let bytes = files::read(file, EVIDENCE_LEN_MAX)?;
    let evidence =
        Evidence::detect(&bytes).map_err(|error| Failure::of(Exit::Usage, &error).in_file(file))?;
    let said = fields::unverified(&evidence);
    if global.json {
        let value = json!({"kind": evidence.kind().name(), "verified": false, "fields": said});
        terminal.data(&value.to_string());
    } else {
        terminal.data(&format!(
            "evidence       {}, {}\nunverified     what the file says; nothing of it was checked",
            file.display(),
            evidence.kind()
        ));
        fields::lines(&said)
            .iter()
            .for_each(|line| terminal.data(line));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn report_data_is_exactly_64_bytes_in_hex() {
        assert_eq!(read_report_data(&"ab".repeat(64)).unwrap(), [0xab; 64]);
        for text in [
            "",
            "ab",
            &"ab".repeat(63),
            &"ab".repeat(65),
            &"xy".repeat(64),
        ] {
            assert!(read_report_data(text).is_err(), "{text}");
        }
    }
}

//! Is a statement true, and is what it says what was wanted? All checks run; each gives one row.
//!
//! Source: docs/protocol/attest-1.md, section 7. The comparisons that a marble makes as well are the channel's own
//! (`stoa_attestation::channel`). Does not live here: clocks, files, sockets.

mod coordinator;
mod mesh;

use core::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::{Floors, Reference, Trust, Utc};
use stoa_explain::Explain;

use crate::certificates;
use crate::report::{
    Cause, Check, NOTHING_FOR_CODE, NOTHING_FOR_MANIFEST, Outcome, Report, Row, Verdict,
};
use crate::seen::SeenMesh;
use crate::statement::Statement;

/// What a statement is held against.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The nonce that was sent.
    pub nonce: &'a [u8; 32],
    /// Over what it came.
    pub connection: Connection<'a>,
    /// What the coordinator must be; without identities there is nothing to compare its code with.
    pub reference: &'a Reference,
    /// The manifest that must be in force, byte for byte; `None` if none was given.
    pub manifest: Option<&'a [u8]>,
    /// What is remembered of the mesh.
    pub memory: Memory<'a>,
    /// Anchors and algorithms.
    pub trust: &'a Trust<'a>,
    /// The time at which everything is judged.
    pub now: UnixTime,
}

/// Over what a statement came.
#[derive(Debug, Clone, Copy)]
pub enum Connection<'a> {
    /// A connection that is still there, with this leaf (DER), whose key the peer proved in the handshake.
    Live(&'a [u8]),
    /// A bundle, with the leaf that whoever made it says he saw.
    Saved(Option<&'a [u8]>),
}

/// What is remembered of the mesh.
#[derive(Debug, Clone, Copy)]
pub enum Memory<'a> {
    /// It was verified before.
    Seen(&'a SeenMesh),
    /// Nothing: this is the first time.
    Nothing,
    /// The memory does not count here; why.
    NotAsked(&'static str),
}

/// Runs every check.
#[must_use]
pub fn judge(statement: &Statement, question: &Question<'_>) -> Report {
    let (evidence, floors) = match coordinator::verify_evidence(statement, question) {
        Ok((claims, floors)) => (Ok(claims), floors),
        Err(invalid) => (Err(invalid), Floors::none()),
    };
    let claims = evidence.as_ref().ok();
    let chain = certificates::check_chain(
        &statement.chain,
        &statement.state,
        question.trust.algorithms,
        question.now,
    );
    let root = chain.as_ref().ok().and_then(Option::as_ref);

    let rows = vec![
        coordinator::hardware(&evidence, question),
        coordinator::code(claims, question),
        coordinator::switches(statement, claims, question),
        coordinator::session(&evidence),
        coordinator::signature(statement, question),
        coordinator::nonce(statement, question),
        coordinator::time(statement, question),
        mesh::state(statement),
        mesh::tls(statement, root, question),
        mesh::root_ca(&chain, statement),
        mesh::manifest(statement, question),
        mesh::history(statement),
        mesh::marbles(statement),
        mesh::memory(statement, &floors, question),
    ];
    let verdict = verdict(&rows, question);
    let mut report = Report {
        claims: claims.cloned(),
        root: root.cloned(),
        seen: None,
        rows,
        verdict,
    };
    if report.coordinator_verified() {
        report.seen = statement.state.root().map(|root| SeenMesh {
            root,
            sequence: statement.state.sequence,
            head: statement.state.head,
            time: statement.state.time,
            address: None,
            collateral: floors,
        });
    }
    report
}

fn verdict(rows: &[Row], question: &Question<'_>) -> Verdict {
    let failed = rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::No(_)))
        .count();
    if failed > 0 {
        return Verdict::NotVerified {
            failed,
            checks: rows.len(),
        };
    }
    let mut nothing_for = Vec::new();
    if question.reference.identities.is_empty() {
        nothing_for.push(NOTHING_FOR_CODE);
    }
    if question.manifest.is_none() {
        nothing_for.push(NOTHING_FOR_MANIFEST);
    }
    if nothing_for.is_empty() {
        Verdict::Verified
    } else {
        Verdict::Unverified { nothing_for }
    }
}

fn good(check: Check, facts: &str, word: &'static str) -> Row {
    Row {
        check,
        facts: facts.to_owned(),
        outcome: Outcome::Good(word),
    }
}

fn no(check: Check, facts: &str, error: &dyn Explain) -> Row {
    Row {
        check,
        facts: facts.to_owned(),
        outcome: Outcome::No(Cause::of(error)),
    }
}

fn not_checked(check: Check, facts: &str, why: &str) -> Row {
    Row {
        check,
        facts: facts.to_owned(),
        outcome: Outcome::NotChecked(why.to_owned()),
    }
}

fn outcome<E: Explain>(
    check: Check,
    facts: String,
    checked: Result<(), E>,
    word: &'static str,
) -> Row {
    match checked {
        Ok(()) => good(check, &facts, word),
        Err(error) => no(check, &facts, &error),
    }
}

fn same<E>(holds: bool, otherwise: impl FnOnce() -> E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn utc(secs: u64) -> Utc {
    Utc(UnixTime::since_unix_epoch(Duration::from_secs(secs)))
}

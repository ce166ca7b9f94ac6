//! What came of the checks: one row for each, and the verdict that follows from the rows.
//!
//! Does not live here: the checks (`judge`), how a report is printed (the CLI).

use stoa_attestation::{Claims, Verified};
use stoa_explain::Explain;

use crate::certificates::RootFacts;
use crate::seen::SeenMesh;

/// What [`Verdict::Unverified`] says if no manifest was given.
pub(crate) const NOTHING_FOR_MANIFEST: &str = "the manifest";
/// What it says if no reference was given.
pub(crate) const NOTHING_FOR_CODE: &str = "the coordinator's code";

/// A check of docs/protocol/attest-1.md, section 7; in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The evidence is genuine, its platform current and listed.
    Hardware,
    /// The measurement is the reference's.
    Code,
    /// The security digest is one that is accepted.
    Switches,
    /// The quote vouches for the session key, the root CA and the security digest.
    Session,
    /// The session key signed this statement.
    Signature,
    /// It answers this nonce.
    Nonce,
    /// Its clock, and the time of the quote, are near ours.
    Time,
    /// What the body restates is what was signed as state.
    State,
    /// The connection is with the coordinator that made the statement.
    Tls,
    /// Root and issuing CA are those in the state bytes.
    RootCa,
    /// The manifest in force is the one that was given.
    Manifest,
    /// The history is whole and ends in the manifest in force.
    History,
    /// Live marbles are as the manifest allows.
    Marbles,
    /// The journal did not go back behind what was seen.
    Memory,
}

impl Check {
    /// All of them, in order.
    pub const ALL: [Check; 14] = [
        Check::Hardware,
        Check::Code,
        Check::Switches,
        Check::Session,
        Check::Signature,
        Check::Nonce,
        Check::Time,
        Check::State,
        Check::Tls,
        Check::RootCa,
        Check::Manifest,
        Check::History,
        Check::Marbles,
        Check::Memory,
    ];

    /// Its name in output, stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Check::Hardware => "hardware",
            Check::Code => "code",
            Check::Switches => "switches",
            Check::Session => "session key",
            Check::Signature => "signature",
            Check::Nonce => "nonce",
            Check::Time => "time",
            Check::State => "state",
            Check::Tls => "connection",
            Check::RootCa => "root CA",
            Check::Manifest => "manifest",
            Check::History => "history",
            Check::Marbles => "marbles",
            Check::Memory => "memory",
        }
    }
}

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which check.
    pub check: Check,
    /// What was looked at, in words; never empty.
    pub facts: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds; the word says in which way: `genuine`, `expected`, `bound`, `same`.
    Good(&'static str),
    /// It does not hold.
    No(Cause),
    /// There was nothing to compare with; why.
    NotChecked(String),
}

/// Why a check does not hold, as every error of Stoa says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Stable code.
    pub code: &'static str,
    /// The exact cause, one line.
    pub text: String,
    /// What to do now; `None` if it is a bug of ours.
    pub remedy: Option<String>,
}

impl Cause {
    /// Of any error, with the errors inside it.
    #[must_use]
    pub fn of(error: &dyn Explain) -> Self {
        let mut text = error.to_string();
        let mut inner = error.source();
        while let Some(cause) = inner {
            text = format!("{text}: {cause}");
            inner = cause.source();
        }
        Self {
            code: error.code(),
            text,
            remedy: error.remedy(),
        }
    }
}

/// What all checks together say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything holds, and there was something to compare code and manifest with.
    Verified,
    /// Nothing failed, but nothing was given to compare these with: printing facts is not verifying.
    Unverified {
        /// `the coordinator's code`, `the manifest`.
        nothing_for: Vec<&'static str>,
    },
    /// At least one check failed.
    NotVerified {
        /// How many failed.
        failed: usize,
        /// How many there are.
        checks: usize,
    },
}

/// All checks of one statement.
#[derive(Debug, Clone)]
pub struct Report {
    /// One row for each of [`Check::ALL`], in that order.
    pub rows: Vec<Row>,
    /// What follows from them.
    pub verdict: Verdict,
    /// What the genuine evidence says; `None` if it is not genuine.
    pub claims: Option<Verified<Claims>>,
    /// The mesh's root CA, if the coordinator's state has one and the chain is the one in the quote.
    pub root: Option<RootFacts>,
    /// What to remember of this mesh; only if no check failed and the code was compared.
    pub seen: Option<SeenMesh>,
}

impl Report {
    /// No check failed and the code was compared with a reference; the manifest may not have been.
    ///
    /// This is what must hold before anything is handed to a coordinator.
    #[must_use]
    pub fn coordinator_verified(&self) -> bool {
        match &self.verdict {
            Verdict::Verified => true,
            Verdict::Unverified { nothing_for } => *nothing_for == [NOTHING_FOR_MANIFEST],
            Verdict::NotVerified { .. } => false,
        }
    }

    /// The checks that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = (Check, &Cause)> {
        self.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::No(cause) => Some((row.check, cause)),
            Outcome::Good(_) | Outcome::NotChecked(_) => None,
        })
    }
}

//! The relying party: one quote, whole deployment.
//!
//! [`Statement`] and [`Bundle`] read, [`judge()`] runs every check of a statement and gives a [`Report`], [`mod@reference`]
//! reads what the coordinator must be. All of that is pure: bytes, time and trust are arguments. Feature `http` adds
//! [`http`], which fetches.
//! Must not live here: files, the clock, output, exit codes (the CLI).

pub mod broken;
pub mod bundle;
pub mod certificates;
#[cfg(feature = "http")]
pub mod http;
pub mod judge;
pub mod recovery;
pub mod reference;
pub mod report;
pub mod seen;
pub mod statement;

mod json;
mod marbles;

pub use bundle::Bundle;
pub use judge::{Connection, Memory, Question, judge};
pub use recovery::{RecoveryFile, StatedRecovery};
pub use report::{Cause, Check, Outcome, Report, Row, Verdict};
pub use seen::SeenMesh;
pub use statement::Statement;

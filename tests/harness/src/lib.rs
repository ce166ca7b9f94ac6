//! Starts the real programs of a mesh as processes on free loopback ports, and stops them by pid.
//!
//! Used by `cargo demo`, by the end-to-end tests and by the benches. It knows the programs' command lines and nothing
//! of their insides: it links none of Stoa's crates, so that it builds in seconds and can't share a bug with them.

pub mod coordinator;
pub mod digest;
pub mod marble;
pub mod platform;
pub mod process;
pub mod programs;

use std::fmt;

/// What went wrong, in words for the person who ran the demo or the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Shorthand of this crate.
pub type Outcome<T> = Result<T, Failed>;

/// A failure with its words.
pub fn failed<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Failed(text.into()))
}

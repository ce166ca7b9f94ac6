//! Why a task could not do its work, as against a test that is red.
//!
//! Does not live here: red tests and broken promises; they are results, not failures of the task.

use std::path::PathBuf;

/// Why a task stopped before it had a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A file could not be read, written or made.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// `read`, `write`, `make`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The command line.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("`{program}` ended with {status}")]
    Program {
        /// The command line.
        program: String,
        /// `exit status: 101`, `signal: 9`.
        status: String,
    },
    /// A program's output was not what this task understands.
    #[error("`{program}` said something this task does not understand: {cause}")]
    Output {
        /// The command line.
        program: String,
        /// What was expected and what came.
        cause: String,
    },
}

impl Failure {
    /// For `map_err` on file operations.
    pub fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    /// The cause and the causes below it, joined by colons.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut below = std::error::Error::source(self);
        while let Some(cause) = below {
            text = format!("{text}: {cause}");
            below = cause.source();
        }
        text
    }
}

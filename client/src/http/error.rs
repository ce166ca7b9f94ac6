//! Why there is no answer, or not the one that was wanted, and whose fault that is.

use core::time::Duration;

use stoa_explain::Explain;
use stoa_proto::status::{Blame, blame};
use stoa_proto::wire;

/// What the coordinator said no to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The coordinator's code if this client knows it, else `refused-by-coordinator`.
    code: &'static str,
    /// The body as it came.
    pub body: wire::ErrorBody,
}

impl Refused {
    pub(super) fn new(body: wire::ErrorBody) -> Self {
        let code =
            stoa_explain::lookup(&body.code).map_or("refused-by-coordinator", |entry| entry.code);
        Self { code, body }
    }
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nobody there, or the connection broke.
    #[error("{authority} can't be reached ({step}): {cause}")]
    Unreachable {
        /// `host:port`.
        authority: String,
        /// What was tried.
        step: &'static str,
        /// The system's or TLS' word.
        cause: String,
    },
    /// It took too long.
    #[error("{step} took longer than {} s at {authority}", limit.as_secs())]
    TooSlow {
        /// `host:port`.
        authority: String,
        /// What was waited for.
        step: &'static str,
        /// How long.
        limit: Duration,
    },
    /// More than a limit.
    #[error("the answer of {authority} is longer than {limit} bytes")]
    AnswerTooLarge {
        /// `host:port`.
        authority: String,
        /// The limit.
        limit: usize,
    },
    /// Something answers, but not as a Stoa coordinator.
    #[error("{authority} does not answer as a Stoa coordinator: {cause}")]
    Protocol {
        /// `host:port`.
        authority: String,
        /// What is wrong.
        cause: String,
    },
    /// The user's key and certificate do not fit.
    #[error("the user's key and certificate can't be used together: {cause}")]
    IdentityUnfit {
        /// What TLS says.
        cause: String,
    },
    /// Its leaf is not of the root that was verified.
    #[error("the server is not the coordinator that was verified: {0}")]
    NotThePinned(String),
    /// The coordinator refused, with its reason.
    #[error("{}", .0.body.message)]
    Refused(Box<Refused>),
}

impl HttpError {
    /// Who is to blame, which is what exit codes follow from.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. } | Self::TooSlow { .. } => Fault::Unavailable,
            Self::AnswerTooLarge { .. } | Self::Protocol { .. } | Self::NotThePinned(_) => {
                Fault::Refused
            }
            Self::IdentityUnfit { .. } => Fault::Input,
            Self::Refused(refused) => match blame(&refused.body.code) {
                Blame::Input => Fault::Input,
                Blame::TooSlow | Blame::TooOften | Blame::Unavailable => Fault::Unavailable,
                Blame::Refused
                | Blame::Method
                | Blame::Conflict
                | Blame::Missing
                | Blame::TooLarge
                | Blame::Bug => Fault::Refused,
            },
        }
    }
}

/// Who is to blame for an [`HttpError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was sent.
    Input,
    /// The answer is no.
    Refused,
    /// Nobody: try again.
    Unavailable,
}

impl Explain for HttpError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "coordinator-unreachable",
            Self::TooSlow { .. } => "too-slow",
            Self::AnswerTooLarge { .. } => "too-large",
            Self::Protocol { .. } => "not-a-coordinator",
            Self::IdentityUnfit { .. } => "identity-unreadable",
            Self::NotThePinned(_) => "mesh-certificate-differs",
            Self::Refused(refused) => refused.code,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Refused(refused) => refused.body.remedy.clone(),
            _ => stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_only_if_it_is_known_here() {
        let refused = |code: &str| {
            HttpError::Refused(Box::new(Refused::new(wire::ErrorBody {
                code: code.to_owned(),
                message: "no".to_owned(),
                remedy: None,
                fields: Vec::new(),
                retry_after_s: None,
                request_id: String::new(),
            })))
        };
        assert_eq!(refused("made-up").code(), "refused-by-coordinator");
        assert_eq!(refused("url-invalid").code(), "url-invalid");
    }
}

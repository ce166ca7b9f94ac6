//! Why a TEE gave nothing.

use std::path::PathBuf;
use std::time::Duration;

use stoa_explain::Explain;

/// What a source could not do: the world's fault, not the peer's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The text names no TEE.
    #[error("`{spec}` names no TEE; write socket:PATH")]
    Unknown {
        /// As given.
        spec: String,
    },
    /// The TEE is known and cannot be asked by this version.
    #[error("the TEE `{name}` is not supported by this version; socket:PATH is")]
    NotSupported {
        /// `gramine`, `tdx` or `snp`.
        name: &'static str,
    },
    /// The device cannot be opened, or the exchange broke off.
    #[error("the TEE's socket {} cannot be used: {step} failed", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// `connecting`, `sending` or `receiving`.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("the TEE's socket {} did not answer within {limit:?}", path.display())]
    TooSlow {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// The device answered something else.
    #[error("the TEE's socket {} answered what is no answer: {cause}", path.display())]
    Malformed {
        /// The socket.
        path: PathBuf,
        /// What is wrong, with both values.
        cause: String,
    },
    /// The device refused.
    #[error("the TEE refused: {cause}  [{code}]")]
    Refused {
        /// The device's own code.
        code: String,
        /// The device's own words.
        cause: String,
    },
}

impl Explain for SourceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "tee-unknown",
            Self::NotSupported { .. } => "tee-not-supported",
            Self::Unreachable { .. } => "tee-unreachable",
            Self::TooSlow { .. } => "tee-too-slow",
            Self::Malformed { .. } => "tee-answer-malformed",
            Self::Refused { .. } => "tee-refused",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { .. } | Self::NotSupported { .. } => {
                "give --tee socket:PATH, as `stoa-synthetic run` does".to_owned()
            }
            Self::Unreachable { .. } => {
                "start the program inside the TEE, with `stoa-synthetic run`: nobody else may use its socket".to_owned()
            }
            Self::TooSlow { .. } => "look whether the machine is overloaded, and try again".to_owned(),
            Self::Malformed { .. } => "use device and program of the same version of Stoa".to_owned(),
            Self::Refused { code, .. } => format!("do what `stoa explain {code}` says"),
        })
    }
}

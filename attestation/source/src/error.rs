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
    /// There is no interface to a TEE.
    #[error("this machine has no TEE that can be asked: there is none of {}", looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing {
        /// What was looked for.
        looked: Vec<PathBuf>,
    },
    /// Gramine runs the program without attestation.
    #[error("{} says `{found}`, wanted `dcap`", path.display())]
    Off {
        /// The pseudo-file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A guest's device is there, the interface for its quotes is not.
    #[error("{} is there, but {} is not", device.display(), wanted.display())]
    NotMounted {
        /// The guest's device.
        device: PathBuf,
        /// The interface.
        wanted: PathBuf,
    },
    /// The interface is there and this process may not use it.
    #[error("{step} {} is not possible: {source}", path.display())]
    NotPermitted {
        /// The file or folder.
        path: PathBuf,
        /// What for.
        step: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// The interface gave no quote.
    #[error("{} gives no quote: {cause}", path.display())]
    NoQuote {
        /// The file.
        path: PathBuf,
        /// What came instead.
        cause: String,
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
            Self::Missing { .. } => "tee-missing",
            Self::Off { .. } => "tee-attestation-off",
            Self::NotMounted { .. } => "tee-interface-missing",
            Self::NotPermitted { .. } => "tee-not-permitted",
            Self::NoQuote { .. } => "tee-no-quote",
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
            Self::Missing { .. } => {
                "run this where the service runs, inside the enclave or guest; hand the device in if it is a container".to_owned()
            }
            Self::Off { .. } => {
                "write sgx.remote_attestation = \"dcap\" in the Gramine manifest, sign it again and run it with gramine-sgx".to_owned()
            }
            Self::NotMounted { .. } => {
                "mount -t configfs none /sys/kernel/config, with a kernel of 6.7 or later that has CONFIG_TSM_REPORTS".to_owned()
            }
            Self::NotPermitted { path, .. } => format!(
                "let the service's user use {}: by its group, or as root",
                path.display()
            ),
            Self::NoQuote { .. } => {
                "look whether the quoting service runs and can be reached: AESM (/var/run/aesmd) for SGX, QGS for TDX".to_owned()
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

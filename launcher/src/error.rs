//! Why the program was not started.

use std::path::PathBuf;

use marble_sdk::SdkError;
use stoa_explain::Explain;
use stoa_source::SourceError;

/// Refused: by the coordinator, by us, by a rule.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// Wrong usage or input.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Unreachable or unavailable: worth a retry.
pub(crate) const EXIT_UNAVAILABLE: u8 = 3;
/// Ours.
pub(crate) const EXIT_BUG: u8 = 70;

/// Why the program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the measured configuration {} can't be read", path.display())]
    ConfigUnreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the TEE can't be opened")]
    Tee(#[source] SourceError),
    #[error(transparent)]
    Activation(#[from] SdkError),
    #[error("the manifest's file {path:?} {cause}")]
    FileRefused { path: String, cause: String },
    #[error("{} is on {found}, which is no memory file system", dir.display())]
    NotInMemory { dir: PathBuf, found: String },
    #[error("can't {step} {}", path.display())]
    NotWritten {
        step: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the manifest gives no arguments and no program was given")]
    NoProgram,
    #[error("the variable {name:?} has a NUL byte or no name that a process can have")]
    VariableRefused { name: String },
    #[error("{} can't be executed", path.display())]
    NotExecuted {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    Bug(String),
}

impl Explain for LaunchError {
    fn code(&self) -> &'static str {
        match self {
            Self::ConfigUnreadable { .. } => "marble-config-unreadable",
            Self::Tee(error) => error.code(),
            Self::Activation(error) => error.code(),
            Self::FileRefused { .. } => "file-refused",
            Self::NotInMemory { .. } => "folder-not-in-memory",
            Self::NotWritten { .. } => "file-not-written",
            Self::NoProgram => "no-program",
            Self::VariableRefused { .. } => "variable-refused",
            Self::NotExecuted { .. } => "program-not-executed",
            Self::Bug(_) => "bug",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::ConfigUnreadable { .. } => {
                "name the file in --config and among the trusted files".into()
            }
            Self::Tee(error) => return error.remedy(),
            Self::Activation(error) => return error.remedy(),
            Self::FileRefused { .. } => {
                "change the file's path in the manifest, or give --files".into()
            }
            Self::NotInMemory { .. } => {
                "mount a tmpfs there, or name another folder in --files".into()
            }
            Self::NotWritten { .. } => {
                "make the folder writable for this user, with room for the files".into()
            }
            Self::NoProgram => {
                "write -- PROGRAM before --tee, or Parameters.Argv in the manifest".into()
            }
            Self::VariableRefused { .. } => "change the variable in the manifest".into(),
            Self::NotExecuted { .. } => {
                "name an executable behind -- or first in the manifest's Argv".into()
            }
            Self::Bug(_) => return None,
        })
    }
}

impl LaunchError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Activation(error) if error.is_worth_a_retry() => EXIT_UNAVAILABLE,
            Self::Activation(SdkError::Config(_)) | Self::ConfigUnreadable { .. } => EXIT_USAGE,
            Self::Activation(SdkError::Source(_)) => EXIT_UNAVAILABLE,
            Self::Tee(SourceError::Unknown { .. } | SourceError::NotSupported { .. }) => EXIT_USAGE,
            Self::Tee(_) => EXIT_UNAVAILABLE,
            Self::Activation(SdkError::Bug(_)) | Self::Bug(_) => EXIT_BUG,
            Self::Activation(_) => EXIT_REFUSED,
            Self::FileRefused { .. } | Self::NotInMemory { .. } | Self::VariableRefused { .. } => {
                EXIT_REFUSED
            }
            Self::NotWritten { .. } | Self::NoProgram | Self::NotExecuted { .. } => EXIT_USAGE,
        }
    }
}

//! Why a statement does not hold, where the cause is the statement's own: the channel's causes are the channel's.

use stoa_explain::Explain;

/// Why a statement does not hold, where the cause is the statement's own and not the channel's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// It answers somebody else, or an earlier request.
    #[error("the statement answers the nonce {got}, sent was {wanted}")]
    NonceDiffers {
        /// In the body, hex.
        got: String,
        /// Sent, hex.
        wanted: String,
    },
    /// The body restates another time than was signed.
    #[error("the body says it is {body}, the signed state says {state}")]
    TimeRestated {
        /// Unix seconds in the body.
        body: u64,
        /// Unix seconds in the state bytes.
        state: u64,
    },
    /// The manifest in the body is not the one that the state bytes name.
    #[error("the manifest in the statement has SHA-256 {got}, the coordinator signed {wanted}")]
    ManifestNotTheSigned {
        /// Of the bytes in the body, hex.
        got: String,
        /// In the state bytes, hex.
        wanted: String,
    },
    /// Another manifest is in force than the one that was given.
    #[error("the manifest in force has SHA-256 {got}, yours has {wanted}")]
    ManifestDiffers {
        /// In force, hex, or `none`.
        got: String,
        /// Of the file that was given, hex.
        wanted: String,
    },
    /// The history does not end where the state bytes say.
    #[error("the history ends in {got}, the coordinator signed {wanted}")]
    HistoryHead {
        /// Computed from the entries, hex.
        got: String,
        /// In the state bytes, hex.
        wanted: String,
    },
    /// The last entry is another manifest than the one in force.
    #[error("the last entry of the history is manifest {got}, in force is {wanted}")]
    HistoryManifest {
        /// In the history, hex.
        got: String,
        /// In the state bytes, hex.
        wanted: String,
    },
    /// Time runs backwards in it.
    #[error(
        "entry {epoch} of the history came into force at {time}, the one before it at {before}"
    )]
    HistoryTime {
        /// Which entry.
        epoch: u64,
        /// Its time, Unix seconds.
        time: u64,
        /// The earlier entry's.
        before: u64,
    },
    /// Live marbles are not what the manifest allows.
    #[error("{cause}")]
    MarblesDiffer {
        /// The first difference.
        cause: String,
    },
}

impl Explain for Broken {
    fn code(&self) -> &'static str {
        match self {
            Self::NonceDiffers { .. } => "nonce-differs",
            Self::TimeRestated { .. } | Self::ManifestNotTheSigned { .. } => {
                "statement-inconsistent"
            }
            Self::ManifestDiffers { .. } => "manifest-differs",
            Self::HistoryHead { .. } | Self::HistoryManifest { .. } | Self::HistoryTime { .. } => {
                "history-differs"
            }
            Self::MarblesDiffer { .. } => "marbles-differ",
        }
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

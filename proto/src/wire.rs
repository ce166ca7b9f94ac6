//! Wire twins of REST bodies (JSON).

use serde::{Deserialize, Deserializer};

mod error;
mod manifest;
mod recovery;
mod statement;
mod status;

pub use error::{ErrorBody, ErrorField};
pub use manifest::{ManifestInForce, ManifestSet, UpdateAgreed, UpdateCancelled, UpdateWaiting};
pub use recovery::{
    EncryptedShare, RecoveryAsked, RecoveryShares, ShareGiven, ShareTaken, StatementRecovery,
};
pub use statement::{Statement, StatementBody, StatementRefusal, StatementTransition};
pub use status::{IdentityExpiry, MarbleCount, Status};

/// serde takes an absent member of type `Option` for null; with this function it must be there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

//! Wire twins of REST bodies (JSON).

use serde::{Deserialize, Deserializer};

mod audit;
mod error;
mod manifest;
mod recovery;
mod secrets;
mod statement;
mod status;

pub use audit::{Audit, AuditDenied, AuditEntry, AuditRefused};
pub use error::{ErrorBody, ErrorField};
pub use manifest::{ManifestInForce, ManifestSet, UpdateAgreed, UpdateCancelled, UpdateWaiting};
pub use recovery::{
    EncryptedShare, RecoveryAsked, RecoveryShares, ShareGiven, ShareTaken, StatementRecovery,
};
pub use secrets::{SecretText, SecretValue, SecretsGiven, SecretsRead, SecretsSet, shown};
pub use statement::{Statement, StatementBody, StatementRefusal, StatementTransition};
pub use status::{IdentityExpiry, MarbleCount, Status, UpdateCount};

/// serde takes an absent member of type `Option` for null; with this function it must be there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

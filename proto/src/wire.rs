//! Wire twins of REST bodies (JSON).

mod error;
mod manifest;
mod status;

pub use error::{ErrorBody, ErrorField};
pub use manifest::{ManifestInForce, ManifestSet};
pub use status::{IdentityExpiry, MarbleCount, Status};

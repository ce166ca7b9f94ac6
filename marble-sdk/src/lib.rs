//! A marble's side of the mesh: prove what you are, verify who coordinates, get identity, secrets and parameters.
//!
//! [`activate`] makes the key in memory, verifies the coordinator's code and mesh before anything of this platform is
//! shown, and gives a [`Marble`]: certificate chain, trust roots, files, environment, arguments, and TLS configurations
//! for mutual TLS within the mesh. The private key is made here and stays here.
//!
//! [`LiveMarble`] does the same and renews in the background; its TLS configurations follow each renewal.
//!
//! What may coordinate and which mesh is ours come from a measured file ([`MarbleConfig`]); the environment gives
//! addresses only.

mod activate;
mod config;
mod connect;
mod error;
mod hot;
mod key;
mod live;
mod marble;
mod peer;
mod tls;

pub use activate::{JOIN_TIME_MAX, Options, activate, renew};
pub use config::{CONFIG_BYTES_MAX, ConfigFault, MarbleConfig};
pub use error::SdkError;
pub use live::{Failure, LiveMarble};
pub use marble::{File, Marble};
pub use peer::{PeerError, PeerIdentity};

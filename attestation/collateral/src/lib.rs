//! Asks the vendor what is current: collateral of SGX and TDX platforms from a PCS or a PCCS, of SEV-SNP chips from a KDS,
//! of any from an offline bundle.
//!
//! [`Source`] fetches once; [`Keeper`] fetches ahead, checks every signature as it arrives, keeps the result and renews
//! it before it ends, so that nothing on the way of a warm request touches the network.
//! Does not live here: what collateral means (`stoa-attestation`), URLs' configuration (`server`).

pub mod bundle;
mod endorsement;
mod error;
mod kds;
mod keeper;
mod pccs;
mod platform;
pub mod report;
mod slots;
mod source;
mod transport;

pub use bundle::Bundle;
pub use endorsement::Endorsement;
pub use error::CollateralError;
pub use kds::Kds;
pub use keeper::{FETCH_TIME_MAX, FETCHES_MAX, Keeper, RENEW_EVERY_SECS_MAX, RETRY_PAUSE_MAX};
pub use pccs::{Fetched, Pccs};
pub use platform::{Chip, Platform};
pub use slots::{CHIPS_MAX, PLATFORMS_MAX};
pub use source::{SOURCES_MAX, Source, none_gave, read_bundle};
pub use transport::{BODY_BYTES_MAX, HEAD_BYTES_MAX, REQUEST_TIME_MAX, RETRY_AFTER_MAX};

//! Asks the vendor what is current: collateral of SGX and TDX platforms from a PCS or PCCS.
//!
//! [`Pccs`] fetches once; [`Keeper`] fetches ahead, checks every signature as it arrives, keeps the result and renews
//! it before it ends, so that nothing on the way of a warm request touches the network.
//! Does not live here: what collateral means (`stoa-attestation`), URLs' configuration (`server`).

mod error;
mod keeper;
mod pccs;
mod transport;

pub use error::CollateralError;
pub use keeper::{Endorsement, FETCH_TIME_MAX, Keeper, PLATFORMS_MAX};
pub use pccs::Pccs;

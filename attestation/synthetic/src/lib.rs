//! The synthetic TEE: a TEE you can hold. Own vendor PKI, evidence in real formats, knobs for faults.
//!
//! What it makes differs from a vendor's in the root key and in nothing that a verifier could skip: simulation is another
//! trust anchor and another device path. Nobody's normal dependency (docs: design rule of import 3): tests use the
//! library, people the binary `stoa-synthetic`.
//!
//! Does not live here: verification (`stoa-attestation`), the other end of the socket (`stoa-source`).

pub mod ask;
mod config;
mod der;
pub mod device;
mod extension;
pub mod folder;
mod key;
mod knobs;
pub mod pccs;
mod peer;
mod pki;
mod platform;
mod program;
mod quote;
pub mod run;
pub mod signer;
mod snp;
mod snp_vendor;
mod tcb;

pub use config::{Config, ConfigError};
pub use device::Device;
pub use knobs::{Flip, Knobs, PckCa, PlatformTcb, ProgramTee, Revoked, Tee, UnknownName};
pub use pccs::Service;
pub use pki::ROOT_CRL_URL;
pub use platform::{Collateral, Platform};
pub use program::{Identity, Program, ProgramError};
pub use quote::{SgxIdentity, TdIdentity};
pub use snp::GuestIdentity;
pub use snp_vendor::{NoRsaKey, SnpVendor, SnpVendorParts};

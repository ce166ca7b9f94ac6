//! The synthetic TEE: a TEE you can hold. Own vendor PKI, evidence in real formats, knobs for faults.
//!
//! What it makes differs from a vendor's in the root key and in nothing that a verifier could skip: simulation is another
//! trust anchor and another device path. Nobody's normal dependency (docs: design rule of import 3): tests use the
//! library, people the binary `stoa-synthetic`.
//!
//! Does not live here: verification (`stoa-attestation`), the other end of the socket (`stoa-source`).

mod extension;
mod key;
mod knobs;
mod pki;
mod platform;
mod quote;
mod tcb;

pub use knobs::{Flip, Knobs, PckCa, PlatformTcb, Revoked, Tee, UnknownName};
pub use pki::ROOT_CRL_URL;
pub use platform::{Collateral, Platform};
pub use quote::{SgxIdentity, TdIdentity};

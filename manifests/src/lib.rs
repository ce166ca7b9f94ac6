//! What a manifest may say: from the bytes that a deployer posts to a [`Manifest`] that cannot hold a dangling name, or to
//! all its [`Faults`], each with the path of its field, its cause and its remedy.
//!
//! The format is MarbleRun's JSON with a few keys of our own: docs/reference/manifest.md. What MarbleRun has and this
//! coordinator does not do yet is refused by name, so nothing is silently ignored. Fingerprint = SHA-256 of the bytes.
//!
//! Does not live here: I/O, deciding whether a manifest may be set (`mesh`), matching evidence (`attestation::policy`),
//! YAML (the CLI turns it into JSON).

mod config;
mod fault;
mod fields;
mod json;
pub mod limits;
mod manifest;
mod marble;
mod names;
mod package;
mod secret;
mod suggest;
pub mod template;

pub use config::{CERTIFICATE_LIFETIME_DEFAULT, Config, CoordinatorEvidence, SealMode};
pub use fault::{Fault, Faults};
pub use manifest::Manifest;
pub use marble::{Marble, Parameter};
pub use package::Package;
pub use secret::{CertificateTemplate, SecretDefinition, SecretKind, VALID_FOR_DAYS_DEFAULT};

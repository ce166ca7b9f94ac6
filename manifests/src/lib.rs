//! What a manifest may say: from the bytes that a deployer posts to a [`Manifest`] that cannot hold a dangling name, or to
//! all its [`Faults`], each with the path of its field, its cause and its remedy.
//!
//! The format is MarbleRun's JSON with keys of our own, all in one table (`keys`). What MarbleRun has and this
//! coordinator does not do yet is refused by name, so nothing is silently ignored. Fingerprint = SHA-256 of the bytes.
//!
//! Does not live here: I/O, deciding whether a manifest may be set (`mesh`), matching evidence (`attestation::policy`),
//! YAML (the CLI turns it into JSON).

mod access;
mod certificate;
mod change;
mod config;
mod dates;
mod duration;
mod fault;
mod fields;
mod import;
mod infrastructure;
mod json;
mod keys;
pub mod limits;
mod manifest;
mod marble;
mod merge;
mod names;
mod package;
mod page;
mod rights;
mod schema;
mod secret;
mod suggest;
pub mod template;
mod tls;

pub use access::{Action, Resource, Role, User};
pub use certificate::{
    Attribute, CertificateTemplate, ExtendedKeyUsage, KeyUsage, VALID_FOR_DAYS_DEFAULT,
};
pub use change::{Change, Effect, changes};
pub use config::{CERTIFICATE_LIFETIME_DEFAULT, Config, CoordinatorEvidence, SealMode};
pub use fault::{Fault, Faults};
pub use import::{Advice, Sort, advice};
pub use manifest::Manifest;
pub use marble::{Marble, Parameter, Reload, SecretBinding, Signal};
pub use merge::{Conflict, Merged, merge};
pub use package::Package;
pub use page::reference_page;
pub use rights::{Asks, Never, rotates};
pub use schema::json_schema;
pub use secret::{SecretDefinition, SecretKind, Source};
pub use tls::{Incoming, Outgoing, TlsTag};

//! The state machine of one deployment: given this state, may that happen, and what follows?
//!
//! [`Machine`] decides and applies, [`Sequencer`] puts commands in order and holds every reply until its batch is durable,
//! [`View`] is what readers see. An activation is `admit` -> [`admit::Admission`] -> [`provision::draft`] ->
//! [`provision::Draft`] -> decide -> [`Grant`]: nobody can hold a later one without an earlier one.
//!
//! Pure: no I/O, no clock, no random numbers and no keys of its own; they are arguments ([`Env`], [`keys::Keys`]).
//! Must not live here: sealing and storing (`stoa_store`), verifying evidence (`stoa_attestation`), the manifest's
//! language (`stoa_manifest`), sockets.

// The fixtures of the integration tests name the crate; unit tests use them too.
#[cfg(test)]
extern crate self as stoa_mesh;

pub mod admit;
pub mod audit;
pub mod ca;
pub mod certificate;
pub mod command;
pub mod denied;
pub mod event;
mod floor;
pub mod keys;
pub mod machine;
pub mod not_certified;
pub mod provision;
pub mod recover;
pub mod refusal;
pub mod render;
pub mod secret;
pub mod sequencer;
pub mod state;
pub mod stored;
pub mod view;

mod approve;
mod board;
mod ca_key;
mod caller;
mod derive;
mod identity;
mod issue;
mod patch;
mod secrets;

pub use admit::{Admission, admit};
pub use ca_key::{CaKeyDiffers, check_root_key};
pub use caller::Caller;
pub use certificate::Certificate;
pub use command::{
    Cancel, Command, CoordinatorLeaf, Found, Given, ReadSecrets, Rotate, SetManifest, SetSecrets,
    Update,
};
pub use event::Event;
pub use floor::{CLOCK_BEHIND_SECS_MAX, in_time};
pub use identity::Instance;
pub use keys::{KeyError, KeyKind, KeyMaterial, Keys};
pub use machine::{Env, Machine};
pub use not_certified::NotCertified;
pub use provision::{Applicant, Draft, Entry, Position, draft};
pub use refusal::Refusal;
pub use render::{File, Provision};
pub use secret::SecretValue;
pub use sequencer::{Grant, Outcome, Sequencer};
pub use stored::Damaged;
pub use view::{MarbleStatus, Refused, View, WaitingUpdate};

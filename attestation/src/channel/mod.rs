//! `stoa-attest/1`: the attested channel between a marble and the coordinator, and what a client's statement shares
//! with it.
//!
//! Both sides are state machines without I/O: frames in, frames out, each type consumed by the step to the next. TLS,
//! timers, keys, signing and the TEE are the shells' (`server`, `marble-sdk`); whether a marble is admitted is `mesh`'s.
//!
//! ```text
//! marble                                                       coordinator
//! ClientHelloState::start            -- 1 ClientHello ------->  ServerHelloState::receive
//! AwaitServerHello::receive          <- 2 ServerHello --------
//! AwaitCoordinator::receive          <- 3 CoordinatorEvidence-  ServerHello::evidence_to_sign, AwaitSignature::signed
//! Attesting::evidence                -- 4, 5 evidence, MAC -->  AwaitMarble::receive, MarbleProof::verify
//! AwaitProvision::receive            <- 6, 7 MAC, provision --  VerifiedMarble::provision
//! Provisioned::check_chain
//! ```
//!
//! Modules from top to bottom: `server`, `marble` > `provision`, `session` > `check` > `report`, `secrets`, `evidence`,
//! `leaf`, `share` > `hello`, `state`, `frame`, `history`, `security`, `keys` > `error` > `names` > `limits`.
//! Source: docs/protocol/attest-1.md; readings of places that allow two: docs/decisions/0002-attest-1-readings.md.

mod check;
mod error;
mod evidence;
mod frame;
mod hello;
mod history;
mod keys;
mod leaf;
pub mod limits;
mod marble;
mod names;
mod provision;
mod report;
mod secrets;
mod security;
mod server;
mod session;
mod share;
mod state;

pub use check::{
    Pin, Seen, check_clock, check_pin, check_security_digest, check_seen, check_session_bound,
    check_session_signature, check_tls_leaf,
};
pub use error::{ChannelError, Malformed, Structure};
pub use evidence::{
    CoordinatorEvidence, MarbleEvidence, NewKey, SessionEvidence, decode_finish, encode_finish,
};
pub use frame::Frame;
pub use hello::Hello;
pub use history::{BadHistory, Transition, history_head, transition_head};
pub use keys::{ED25519_SPKI_BYTES, P256_SPKI_BYTES, PublicKey, key_id};
pub use leaf::{LEAF_RECEIPT_OID, LEAF_RECEIPT_OID_DER, LeafReceipt};
pub use limits::NONCE_BYTES;
pub use marble::{
    AcceptedCoordinator, Attesting, AwaitCoordinator, AwaitProvision, AwaitServerHello,
    ClientHelloState, CoordinatorCheck, Provisioned,
};
pub use names::{FrameType, Purpose, Role};
pub use report::{
    ReportInput, evidence_bound, session_bound, session_report_data, session_report_input,
    statement_signature_input,
};
pub use secrets::{EXPORTER_BYTES, EXPORTER_LABEL, SessionSecrets, TlsFacts};
pub use security::{BadSwitch, SWITCH_ON, Switches, default_security_digest};
pub use server::{
    AwaitMarble, AwaitSignature, MarbleProof, ServerHello, ServerHelloState, VerifiedMarble,
};
pub use session::{MarbleReport, Session};
pub use share::{BadShare, DATA_KEY_ID_BYTES, SHARE_BYTES, Share, share_signature_input};
pub use state::{CoordinatorState, StateBytes, Witness};

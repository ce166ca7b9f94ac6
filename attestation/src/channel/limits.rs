//! Every limit of the channel and the statement, each inclusive and counting a field's content.
//!
//! A decoder judges a length before anything is kept. The shells (server, SDK) use the frame limits before they
//! gather a body, and the durations for their timers.
//! Source: docs/protocol/attest-1.md, sections 3 (counts), 4 (ages) and 8.

use std::time::Duration;

/// A nonce of either side or of a statement, in bytes; exactly as many.
pub const NONCE_BYTES: usize = 32;
/// Bodies of frames 1 and 2, in bytes.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;
/// Kinds in one Hello; there is at least one.
pub const HELLO_KINDS_MAX: usize = 16;
/// A marble type, in bytes of UTF-8; there is at least one.
pub const MARBLE_TYPE_BYTES_MAX: usize = 255;
/// Evidence of either side, in bytes.
pub const EVIDENCE_BYTES_MAX: usize = 64 * 1024;
/// A SubjectPublicKeyInfo in a frame, in bytes.
pub const SPKI_BYTES_MAX: usize = 512;
/// The signature that proves possession of a new key, in bytes.
pub const POSSESSION_BYTES_MAX: usize = 512;
/// The coordinator's stapled collateral, in bytes of JSON.
pub const COLLATERAL_BYTES_MAX: usize = 1024 * 1024;
/// The session key's signature, in bytes (ECDSA P-256 in DER).
pub const SIGNATURE_BYTES_MAX: usize = 72;
/// The state bytes.
pub const STATE_BYTES_MAX: usize = 1024;
/// Body of frame 3 (CoordinatorEvidence), in bytes.
pub const COORDINATOR_EVIDENCE_BYTES_MAX: usize = 1152 * 1024;
/// Body of frame 4 (MarbleEvidence), in bytes.
pub const MARBLE_EVIDENCE_BYTES_MAX: usize = 80 * 1024;
/// Bodies of frames 5 and 6 (the finishes), in bytes: a length and a MAC.
pub const FINISH_BYTES: usize = 4 + 48;
/// Body of frame 7 (Provision), in bytes.
pub const PROVISION_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The manifest in a statement, in bytes.
pub const STATEMENT_MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Entries of the history in a statement.
pub const STATEMENT_HISTORY_MAX: usize = 10_000;
/// Refusals in a statement.
pub const STATEMENT_REFUSALS_MAX: usize = 64;
/// A whole statement as received, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How far `quoted_at` and the state bytes' time may be from the verifier's own clock, either way, in seconds.
pub const CLOCK_DIFFERENCE_SECS_MAX: u64 = 300;
/// How long a session key is handed out after it was quoted.
pub const SESSION_KEY_USE_MAX: Duration = Duration::from_secs(60);
/// From the TCP connection to the end of the TLS handshake.
pub const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(5);
/// From the end of the handshake to frame 4.
pub const MARBLE_EVIDENCE_WAIT_MAX: Duration = Duration::from_secs(10);
/// From the TCP connection to frame 7.
pub const JOIN_WAIT_MAX: Duration = Duration::from_secs(30);

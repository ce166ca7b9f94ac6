//! The comparisons by which a verifier believes a coordinator, one function each.
//!
//! A marble runs all of them before it shows its own evidence (`marble`); a client runs those that a statement allows
//! and shows each result (`client`).
//! Does not live here: evidence and reference values (the verifier and `policy`).
//! Source: docs/protocol/attest-1.md, sections 3 ("The coordinator goes first"), 4, 5 and 7.

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ChannelError;
use super::keys::{NotVerified, PublicKey, key_id};
use super::limits::CLOCK_DIFFERENCE_SECS_MAX;
use super::report::session_report_data;
use super::security::{Switches, default_security_digest};
use super::state::StateBytes;
use crate::policy::Reference;
use crate::{Anchor, Claims, Kind};

/// Which mesh a marble belongs to. It comes from measured configuration or code, never from the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pin {
    /// K of the mesh's root CA.
    RootSpki([u8; 32]),
}

/// The journal position of a mesh that this verifier saw before: in its leaf, or in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// K of the mesh's root CA.
    pub root: [u8; 32],
    /// Sequence number.
    pub sequence: u64,
    /// Head at that number.
    pub head: [u8; 32],
}

/// The quote vouches for this session key, root, security digest and time.
///
/// Everything is built again from what the caller holds; nothing that the peer restates is read.
///
/// # Errors
/// [`ChannelError::BindingDiffers`] with both report data.
pub fn check_session_bound(
    claims: &Claims,
    kind: Kind,
    session_spki: &[u8],
    state: &StateBytes,
    quoted_at: u64,
) -> Result<(), ChannelError> {
    let wanted = session_report_data(
        kind,
        session_spki,
        state.root(),
        &state.security_digest,
        quoted_at,
    );
    if bool::from(wanted.ct_eq(&claims.report_data)) {
        return Ok(());
    }
    Err(ChannelError::BindingDiffers {
        what: "the report data of the coordinator's evidence, built from session key, root CA, security digest and \
               quoted_at,",
        wanted: hex::encode(wanted),
        got: hex::encode(claims.report_data),
    })
}

/// The session key signed `input`.
///
/// # Errors
/// [`ChannelError::KeyUnknown`] if it is not P-256, [`ChannelError::SessionSignature`],
/// [`ChannelError::AlgorithmMissing`].
pub fn check_session_signature(
    input: &[u8],
    session_spki: &[u8],
    signature: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), ChannelError> {
    let key = match PublicKey::from_spki(session_spki) {
        Some(key @ PublicKey::P256(_)) => key,
        _ => return Err(key_unknown("the session key", session_spki)),
    };
    key.verify(input, signature, algorithms)
        .map_err(|no| match no {
            NotVerified::NoAlgorithm { name } => ChannelError::AlgorithmMissing { name },
            NotVerified::Signature { name } => ChannelError::SessionSignature {
                session_key: hex::encode(key_id(session_spki)),
                algorithm: name,
                input_sha256: hex::encode(Sha256::digest(input)),
            },
        })
}

/// Both clocks agree within 300 s, and the session key was quoted within 300 s, both ways.
///
/// `time` is the state bytes', `quoted_at` the quote's, both Unix seconds.
///
/// # Errors
/// [`ChannelError::ClockDiffers`] first: if our own clock is off, both would be.
/// [`ChannelError::SessionKeyStale`].
pub fn check_clock(quoted_at: u64, time: u64, now: UnixTime) -> Result<(), ChannelError> {
    let (now, limit) = (now.as_secs(), CLOCK_DIFFERENCE_SECS_MAX);
    if time.abs_diff(now) > limit {
        return Err(ChannelError::ClockDiffers { time, now, limit });
    }
    if quoted_at.abs_diff(now) > limit {
        return Err(ChannelError::SessionKeyStale {
            quoted_at,
            now,
            limit,
        });
    }
    Ok(())
}

/// The coordinator runs with no switch that lowers its safety, or with exactly those that the verifier accepts.
///
/// Accepted are: the digest that the reference names and nothing else; if it names none, the default digest, and, if
/// the evidence was verified under an insecure anchor of the verifier's own, the digest whose only switch is this
/// very root, or this root and one more of the verifier's `anchors` in the other vendor's place.
///
/// # Errors
/// [`ChannelError::SecurityDigestDiffers`] with all of them.
pub fn check_security_digest(
    digest: &[u8; 48],
    reference: &Reference,
    anchor: &Anchor,
    anchors: &[Anchor],
) -> Result<(), ChannelError> {
    let mut accepted = Vec::new();
    match reference.security_digest {
        Some(named) => accepted.push(("the reference's", named)),
        None => {
            accepted.push(("the default", default_security_digest()));
            if anchor.is_insecure() {
                accepted.push((
                    "this verifier's own insecure root alone",
                    digest_of(&[anchor]),
                ));
                let others = anchors
                    .iter()
                    .filter(|other| other.is_insecure() && other.vendor() != anchor.vendor());
                accepted.extend(others.map(|other| {
                    (
                        "this verifier's own insecure roots of both vendors",
                        digest_of(&[anchor, other]),
                    )
                }));
            }
        }
    }
    if accepted.iter().any(|(_, accepted)| accepted == digest) {
        return Ok(());
    }
    let accepted: Vec<String> = accepted
        .iter()
        .map(|(why, digest)| format!("{} ({why})", hex::encode(digest)))
        .collect();
    Err(ChannelError::SecurityDigestDiffers {
        got: hex::encode(digest),
        accepted: accepted.join(" or "),
    })
}

fn digest_of(roots: &[&Anchor]) -> [u8; 48] {
    Switches::insecure_trust_roots(roots.iter().copied())
        .expect("there is one root of each vendor")
        .digest()
}

/// The state bytes are of the mesh that is pinned.
///
/// # Errors
/// [`ChannelError::MeshDiffers`].
pub fn check_pin(pin: &Pin, state: &StateBytes) -> Result<(), ChannelError> {
    let Pin::RootSpki(pinned) = pin;
    check_root(pinned, state)
}

/// The coordinator's journal did not go back behind what was seen of it.
///
/// A verifier that remembers a mesh believes nothing that names another root, or none (state 1).
///
/// # Errors
/// [`ChannelError::MeshDiffers`]; [`ChannelError::HistoryWentBack`] for a lower sequence, or the same with another
/// head.
pub fn check_seen(seen: &Seen, state: &StateBytes) -> Result<(), ChannelError> {
    check_root(&seen.root, state)?;
    let forked = state.sequence == seen.sequence && state.head != seen.head;
    if state.sequence < seen.sequence || forked {
        return Err(ChannelError::HistoryWentBack {
            got_sequence: state.sequence,
            got_head: hex::encode(state.head),
            seen_sequence: seen.sequence,
            seen_head: hex::encode(seen.head),
        });
    }
    Ok(())
}

/// The state bytes were signed for a connection with this server leaf.
///
/// # Errors
/// [`ChannelError::BindingDiffers`] with both K.
pub fn check_tls_leaf(state: &StateBytes, server_spki: &[u8]) -> Result<(), ChannelError> {
    let leaf = key_id(server_spki);
    if state.tls_leaf == leaf {
        return Ok(());
    }
    Err(ChannelError::BindingDiffers {
        what: "the coordinator's TLS leaf (this connection's against the state bytes')",
        wanted: hex::encode(leaf),
        got: hex::encode(state.tls_leaf),
    })
}

fn check_root(wanted: &[u8; 32], state: &StateBytes) -> Result<(), ChannelError> {
    let got = state.root();
    if got == Some(*wanted) {
        return Ok(());
    }
    Err(ChannelError::MeshDiffers {
        pinned: hex::encode(wanted),
        got: got.map_or_else(|| "none".to_owned(), hex::encode),
    })
}

/// The error for an SPKI that is neither P-256 nor Ed25519.
pub(super) fn key_unknown(what: &'static str, spki: &[u8]) -> ChannelError {
    const SHOWN_BYTES: usize = 27;
    let beginning = hex::encode(&spki[..spki.len().min(SHOWN_BYTES)]);
    ChannelError::KeyUnknown {
        what,
        got: spki.len(),
        beginning,
    }
}

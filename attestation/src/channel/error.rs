//! Two questions and their answers: are these bytes a message of the protocol ([`Malformed`]), and is the other side
//! in this session who it must be ([`ChannelError`])?
//!
//! Does not live here: whether evidence is genuine (the verifier's `Invalid`) and fits a reference (`policy::Refusal`);
//! they are carried through with their own codes.
//! Source: docs/protocol/attest-1.md, section 3 (codes).

use std::time::Duration;

use stoa_explain::Explain;

use super::names::{FrameType, Purpose, Role};
use crate::lp::LpFault;
use crate::{CollateralOlder, Invalid, policy};

/// Why bytes are not a message of stoa-attest/1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// No frame has this number.
    #[error("a frame has type {got}; types are 1 to 7")]
    FrameType {
        /// The number on the wire.
        got: u32,
    },
    /// A body above its frame's limit.
    #[error("the body of {frame} has {got} bytes, the limit is {limit}")]
    FrameTooLong {
        /// Which frame.
        frame: FrameType,
        /// Bytes of its body.
        got: usize,
        /// The limit, inclusive.
        limit: usize,
    },
    /// The fields of a structure can't be taken apart.
    #[error("{structure} can't be read")]
    Fields {
        /// Which structure.
        structure: Structure,
        /// What is wrong with which field.
        source: LpFault,
    },
    /// A version that this code does not speak.
    #[error("the Hello has version {got}, this side speaks {wanted}")]
    Version {
        /// The Hello's.
        got: u16,
        /// Ours.
        wanted: u16,
    },
    /// A Hello of the wrong side: a reflection, or two clients.
    #[error("the Hello has role {got}, wanted is {wanted}")]
    Role {
        /// The number on the wire.
        got: u8,
        /// The other side's role.
        wanted: Role,
    },
    /// A purpose that no Hello may have.
    #[error("the Hello has purpose {got}; allowed are 1 (activate) and 2 (renew)")]
    Purpose {
        /// The number on the wire.
        got: u8,
    },
    /// A field that must be empty in the coordinator's Hello is not.
    #[error("the coordinator's Hello has {got} bytes of {field}, which must be empty there")]
    NotEmpty {
        /// Which field.
        field: &'static str,
        /// Bytes that it has.
        got: usize,
    },
    /// The list of kinds has no pair of bytes, or half a pair.
    #[error(
        "the kinds of the Hello with role {role} have {got} bytes; wanted are 1 to 16 kinds of 2 bytes"
    )]
    KindsLength {
        /// Whose Hello.
        role: Role,
        /// Bytes of the list.
        got: usize,
    },
    /// A list of kinds names one twice.
    #[error("the kinds of the Hello with role {role} name {kind} twice")]
    KindTwice {
        /// Whose Hello.
        role: Role,
        /// The kind.
        kind: u16,
    },
    /// Evidence of a kind that does not exist.
    #[error(
        "{frame} has evidence of kind {got}; kinds are 1 (sgx-dcap), 2 (tdx-dcap), 3 (snp) and 4 (tpm)"
    )]
    KindUnknown {
        /// Which frame.
        frame: FrameType,
        /// The number on the wire.
        got: u16,
    },
    /// A marble type that is empty or too long.
    #[error("the marble type has {got} bytes; wanted are 1 to 255")]
    MarbleTypeLength {
        /// Its bytes.
        got: usize,
    },
    /// A marble type that is no text.
    #[error("the marble type `{got}` is not UTF-8")]
    MarbleTypeText {
        /// Its bytes, escaped.
        got: String,
    },
    /// A renewal that does not say which instance renews.
    #[error("the Hello renews, but names no instance")]
    InstanceMissing,
    /// One of new SPKI and possession without the other.
    #[error(
        "the new SPKI has {spki} bytes and the possession {possession}; both are filled or both are empty"
    )]
    NewKeyHalf {
        /// Bytes of the new SPKI.
        spki: usize,
        /// Bytes of the possession.
        possession: usize,
    },
    /// State bytes of a state that does not exist.
    #[error("the state bytes have state {got}; states are 1 to 3")]
    StateNumber {
        /// The number on the wire.
        got: u8,
    },
    /// State bytes without a field that their state must have.
    #[error("the state bytes are of state {state}, but {field} is empty")]
    StateFieldMissing {
        /// Which field.
        field: &'static str,
        /// The state.
        state: u8,
    },
    /// State bytes with a field that their state can't have.
    #[error(
        "the state bytes are of state {state}, in which {field} must be empty, but it is {got}"
    )]
    StateFieldFilled {
        /// Which field.
        field: &'static str,
        /// The state.
        state: u8,
        /// Its content, hex.
        got: String,
    },
    /// State bytes with a witness that version 1 does not have.
    #[error("the state bytes name the witness `{got}`; witnesses are none, etcd and tpm-nv")]
    Witness {
        /// Its name, escaped.
        got: String,
    },
}

/// What can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Structure {
    /// The body of this frame.
    Body(FrameType),
    /// The state bytes.
    State,
    /// The private extension of a leaf.
    LeafReceipt,
}

impl std::fmt::Display for Structure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(frame) => write!(f, "the body of {frame}"),
            Self::State => f.write_str("the state bytes"),
            Self::LeafReceipt => f.write_str("the receipt in the leaf"),
        }
    }
}

impl Malformed {
    pub(super) fn fields(frame: FrameType, source: LpFault) -> Self {
        Self::Fields {
            structure: Structure::Body(frame),
            source,
        }
    }

    pub(super) fn state(source: LpFault) -> Self {
        Self::Fields {
            structure: Structure::State,
            source,
        }
    }

    pub(super) fn receipt(source: LpFault) -> Self {
        Self::Fields {
            structure: Structure::LeafReceipt,
            source,
        }
    }
}

impl Explain for Malformed {
    fn code(&self) -> &'static str {
        match self {
            Self::FrameTooLong { .. }
            | Self::Fields {
                source: LpFault::TooLong { .. },
                ..
            } => "too-large",
            Self::Version { .. } => "version-unsupported",
            Self::Purpose { .. } => "purpose-not-allowed",
            Self::Role { .. }
            | Self::NotEmpty { .. }
            | Self::MarbleTypeLength { .. }
            | Self::MarbleTypeText { .. }
            | Self::InstanceMissing
            | Self::KindsLength { .. }
            | Self::KindTwice { .. } => "hello-malformed",
            Self::Fields {
                structure: Structure::Body(FrameType::ClientHello | FrameType::ServerHello),
                ..
            } => "hello-malformed",
            _ => "frame-malformed",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::FrameTooLong { .. } | Self::Fields { source: LpFault::TooLong { .. }, .. } => {
                "keep to the limits of docs/reference/limits.md".to_owned()
            }
            Self::Version { wanted, .. } => format!("use a marble and a coordinator that speak version {wanted}"),
            Self::Purpose { .. } => "ask for activate or renew".to_owned(),
            Self::Role { .. } => "connect a marble to a coordinator, not two of one side".to_owned(),
            Self::MarbleTypeLength { .. } | Self::MarbleTypeText { .. } => {
                "name the marble type exactly as the manifest does".to_owned()
            }
            Self::InstanceMissing => "renew with the instance that stands in the leaf".to_owned(),
            _ => "use a peer that keeps to docs/protocol/attest-1.md, and look for something in between that changes \
                  bytes"
                .to_owned(),
        })
    }
}

/// Why one side of the channel refused the other.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A frame is not well-formed.
    #[error(transparent)]
    Malformed(Malformed),
    /// Another frame than the one whose turn it is.
    #[error("{got} came where {wanted} was due")]
    FrameUnexpected {
        /// The frame that was due.
        wanted: FrameType,
        /// The frame that came.
        got: FrameType,
    },
    /// The coordinator answers for another purpose.
    #[error("the coordinator's Hello answers for {got}, asked was {wanted}")]
    PurposeDiffers {
        /// The marble's.
        wanted: Purpose,
        /// The answer's.
        got: Purpose,
    },
    /// Something that belongs to renewal came with another purpose.
    #[error("{what} is for renew only, the purpose is {purpose}")]
    RenewOnly {
        /// What came.
        what: &'static str,
        /// The Hello's purpose.
        purpose: Purpose,
    },
    /// No kind of evidence is in both lists, or evidence of another came.
    #[error("{what}: the marble makes {marble:?}, the coordinator accepts {coordinator:?}")]
    KindNotCommon {
        /// What is missing.
        what: String,
        /// Numbers in the marble's Hello.
        marble: Vec<u16>,
        /// Numbers in the coordinator's Hello.
        coordinator: Vec<u16>,
    },
    /// A coordinator in another state than 3.
    #[error("the coordinator is in state {got}, marbles are accepted in state 3")]
    StateNotAccepting {
        /// The state's number and name.
        got: String,
    },
    /// Two places that must name the same thing differ; both as hex.
    #[error("{what} differs: wanted {wanted}, got {got}")]
    BindingDiffers {
        /// What it is, and where each value comes from.
        what: &'static str,
        /// The value of this connection.
        wanted: String,
        /// The value that the peer's message has.
        got: String,
    },
    /// The session key did not sign what this side sees.
    #[error(
        "the session key {session_key} did not sign these values of this connection: {algorithm} over {input_sha256} \
         (SHA-256) fails"
    )]
    SessionSignature {
        /// K of the session key, hex.
        session_key: String,
        /// The algorithm.
        algorithm: &'static str,
        /// SHA-256 of the signature input as this side builds it, hex.
        input_sha256: String,
    },
    /// A key that must be P-256 or Ed25519 and is not.
    #[error("{what} is no key that the channel knows: {got} bytes of SPKI beginning {beginning}")]
    KeyUnknown {
        /// Which key.
        what: &'static str,
        /// Bytes of its SPKI.
        got: usize,
        /// Its first bytes, hex.
        beginning: String,
    },
    /// The session key was quoted too long ago, or in the future.
    #[error(
        "the session key was quoted at {quoted_at}, this clock says {now}; {limit} s may lie between"
    )]
    SessionKeyStale {
        /// Unix seconds, in the quote.
        quoted_at: u64,
        /// Unix seconds, ours.
        now: u64,
        /// Seconds that may lie between.
        limit: u64,
    },
    /// The coordinator's clock and ours differ.
    #[error(
        "the coordinator's clock says {time}, this clock says {now}; {limit} s may lie between"
    )]
    ClockDiffers {
        /// Unix seconds, in the state bytes.
        time: u64,
        /// Unix seconds, ours.
        now: u64,
        /// Seconds that may lie between.
        limit: u64,
    },
    /// The coordinator was started with other switches than accepted.
    #[error("the coordinator's security digest is {got}, accepted is {accepted}")]
    SecurityDigestDiffers {
        /// The state bytes' and the quote's, hex.
        got: String,
        /// What is accepted and why, each in hex.
        accepted: String,
    },
    /// The coordinator of another mesh.
    #[error("the coordinator's root CA has the key {got}, pinned is {pinned}")]
    MeshDiffers {
        /// K of the root that is wanted, hex.
        pinned: String,
        /// K of the root in the state bytes, hex, or `none`.
        got: String,
    },
    /// The coordinator's journal is older than what was seen of it, or forked.
    #[error(
        "the coordinator's journal is at {got_sequence} ({got_head}), but {seen_sequence} ({seen_head}) was seen before"
    )]
    HistoryWentBack {
        /// Sequence in the state bytes.
        got_sequence: u64,
        /// Head in the state bytes, hex.
        got_head: String,
        /// Sequence that was seen.
        seen_sequence: u64,
        /// Head that was seen, hex.
        seen_head: String,
    },
    /// A key is to be certified whose holder did not prove it.
    #[error("the key {key} is not proven: {why}")]
    KeyNotProven {
        /// K of the key, hex.
        key: String,
        /// What is missing.
        why: String,
    },
    /// A leaf, presented on renew or received in frame 7, is not the one it must be.
    #[error("the leaf is not valid here: {what} is {got}, wanted {wanted}")]
    LeafNotValid {
        /// What about it.
        what: &'static str,
        /// The leaf's.
        got: String,
        /// What it must be.
        wanted: String,
    },
    /// The two sides did not see the same frames, or the other does not hold this connection's secret.
    #[error(
        "the {role} finish does not fit the frames that this side saw (their hash is {frames})"
    )]
    FinishDiffers {
        /// Whose finish.
        role: Role,
        /// The hash of the frames that it covers, as this side saw them, hex.
        frames: String,
    },
    /// A step took too long; the shells' timers make this.
    #[error("{step} took longer than {} s", limit.as_secs())]
    TooSlow {
        /// What was waited for.
        step: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The evidence or its collateral is not genuine.
    #[error(transparent)]
    Evidence(Invalid),
    /// The stapled collateral is older than what this side saw before.
    #[error(transparent)]
    CollateralOlder(CollateralOlder),
    /// The coordinator's evidence is genuine, but not what the reference wants.
    #[error(transparent)]
    Appraisal(policy::Refusal),
    /// The caller's list lacks an algorithm.
    #[error("the list of signature algorithms has no {name}")]
    AlgorithmMissing {
        /// The algorithm.
        name: &'static str,
    },
}

impl From<Malformed> for ChannelError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Explain for ChannelError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.code(),
            Self::FrameUnexpected { .. } => "frame-unexpected",
            Self::PurposeDiffers { .. } | Self::RenewOnly { .. } => "purpose-not-allowed",
            Self::KindNotCommon { .. } => "kind-not-common",
            Self::StateNotAccepting { .. } => "state-not-accepting",
            Self::BindingDiffers { .. } | Self::SessionSignature { .. } => "binding-differs",
            Self::SessionKeyStale { .. } => "session-key-stale",
            Self::ClockDiffers { .. } => "clock-differs",
            Self::SecurityDigestDiffers { .. } => "security-digest-differs",
            Self::MeshDiffers { .. } => "mesh-differs",
            Self::HistoryWentBack { .. } => "history-went-back",
            Self::KeyNotProven { .. } | Self::KeyUnknown { .. } => "key-not-proven",
            Self::LeafNotValid { .. } => "leaf-not-valid",
            Self::FinishDiffers { .. } => "finish-differs",
            Self::TooSlow { .. } => "too-slow",
            Self::Evidence(invalid) => invalid.code(),
            Self::CollateralOlder(older) => older.code(),
            Self::Appraisal(refusal) => refusal.code(),
            Self::AlgorithmMissing { .. } => "signature-algorithm-missing",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Malformed(malformed) => return malformed.remedy(),
            Self::Evidence(invalid) => return invalid.remedy(),
            Self::CollateralOlder(older) => return older.remedy(),
            Self::Appraisal(refusal) => return refusal.remedy(),
            Self::AlgorithmMissing { .. } => return None,
            Self::FrameUnexpected { .. } | Self::PurposeDiffers { .. } => {
                "use a peer that keeps to docs/protocol/attest-1.md"
            }
            Self::RenewOnly { .. } => {
                "activate with the TLS leaf's own key; a new key is taken on renew"
            }
            Self::KindNotCommon { .. } => {
                "run the marble on hardware of a kind that its package in the manifest and the coordinator accept"
            }
            Self::StateNotAccepting { .. } => {
                "look at `stoa status`: recover the coordinator, or set a manifest"
            }
            Self::BindingDiffers { .. } | Self::SessionSignature { .. } => {
                "connect straight to the coordinator: nothing in between may end the TLS connection; if nothing does, \
                 treat it as an attack"
            }
            Self::SessionKeyStale { .. } => {
                "look at the coordinator's log: it can't get fresh evidence from its TEE"
            }
            Self::ClockDiffers { .. } => "set the clocks of both machines (NTP)",
            Self::SecurityDigestDiffers { .. } => {
                "start the coordinator without the switches that lower its safety (`stoa status` lists them), or name \
                 its digest in the reference if you accept them"
            }
            Self::MeshDiffers { .. } => {
                "check the address; if the mesh was founded anew, take the new pin from `stoa status` and measure again"
            }
            Self::HistoryWentBack { .. } => {
                "find out why the coordinator runs on an old copy of its data before you trust it again"
            }
            Self::KeyNotProven { .. } => {
                "prove the new key in the same connection in which it is to be certified"
            }
            Self::KeyUnknown { .. } => "use a P-256 key (uncompressed point) or an Ed25519 key",
            Self::LeafNotValid { .. } => "activate anew instead of renewing",
            Self::FinishDiffers { .. } => {
                "connect again; if it stays, something in between changes frames"
            }
            Self::TooSlow { .. } => {
                "try again; if it stays, look at the load of both machines and the network"
            }
        };
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use stoa_explain::{Explain, lookup};

    use super::*;

    /// One error for each code of attest-1.md, section 3, that is judged here, and for each of our own.
    fn one_of_each() -> Vec<(&'static str, ChannelError)> {
        let hex = || "00".to_owned();
        let malformed = |malformed| ChannelError::Malformed(malformed);
        let body = |frame, fault| malformed(Malformed::fields(frame, fault));
        let empty = LpFault::Empty { field: "nonce" };
        let too_long = LpFault::TooLong {
            field: "nonce",
            got: 33,
            limit: 32,
        };
        vec![
            (
                "hello-malformed",
                body(FrameType::ClientHello, empty.clone()),
            ),
            ("hello-malformed", malformed(Malformed::InstanceMissing)),
            ("frame-malformed", body(FrameType::MarbleEvidence, empty)),
            (
                "frame-malformed",
                malformed(Malformed::FrameType { got: 8 }),
            ),
            ("too-large", body(FrameType::ClientHello, too_long)),
            (
                "version-unsupported",
                malformed(Malformed::Version { got: 2, wanted: 1 }),
            ),
            (
                "purpose-not-allowed",
                malformed(Malformed::Purpose { got: 4 }),
            ),
            (
                "purpose-not-allowed",
                ChannelError::PurposeDiffers {
                    wanted: Purpose::Renew,
                    got: Purpose::Activate,
                },
            ),
            (
                "purpose-not-allowed",
                ChannelError::RenewOnly {
                    what: "a new key",
                    purpose: Purpose::Activate,
                },
            ),
            (
                "frame-unexpected",
                ChannelError::FrameUnexpected {
                    wanted: FrameType::ClientHello,
                    got: FrameType::Provision,
                },
            ),
            (
                "kind-not-common",
                ChannelError::KindNotCommon {
                    what: hex(),
                    marble: vec![1],
                    coordinator: vec![2],
                },
            ),
            (
                "state-not-accepting",
                ChannelError::StateNotAccepting { got: hex() },
            ),
            (
                "binding-differs",
                ChannelError::BindingDiffers {
                    what: "it",
                    wanted: hex(),
                    got: hex(),
                },
            ),
            (
                "binding-differs",
                ChannelError::SessionSignature {
                    session_key: hex(),
                    algorithm: "ECDSA",
                    input_sha256: hex(),
                },
            ),
            (
                "session-key-stale",
                ChannelError::SessionKeyStale {
                    quoted_at: 1,
                    now: 302,
                    limit: 300,
                },
            ),
            (
                "clock-differs",
                ChannelError::ClockDiffers {
                    time: 1,
                    now: 302,
                    limit: 300,
                },
            ),
            (
                "security-digest-differs",
                ChannelError::SecurityDigestDiffers {
                    got: hex(),
                    accepted: hex(),
                },
            ),
            (
                "mesh-differs",
                ChannelError::MeshDiffers {
                    pinned: hex(),
                    got: hex(),
                },
            ),
            (
                "history-went-back",
                ChannelError::HistoryWentBack {
                    got_sequence: 1,
                    got_head: hex(),
                    seen_sequence: 2,
                    seen_head: hex(),
                },
            ),
            (
                "key-not-proven",
                ChannelError::KeyNotProven {
                    key: hex(),
                    why: hex(),
                },
            ),
            (
                "key-not-proven",
                ChannelError::KeyUnknown {
                    what: "the key",
                    got: 1,
                    beginning: hex(),
                },
            ),
            (
                "leaf-not-valid",
                ChannelError::LeafNotValid {
                    what: "its key",
                    got: hex(),
                    wanted: hex(),
                },
            ),
            (
                "finish-differs",
                ChannelError::FinishDiffers {
                    role: Role::Client,
                    frames: hex(),
                },
            ),
            (
                "too-slow",
                ChannelError::TooSlow {
                    step: "frame 4",
                    limit: Duration::from_secs(10),
                },
            ),
            (
                "signature-algorithm-missing",
                ChannelError::AlgorithmMissing { name: "Ed25519" },
            ),
        ]
    }

    #[test]
    fn every_refusal_has_its_listed_code_and_says_what_to_do() {
        for (code, error) in one_of_each() {
            assert_eq!(error.code(), code, "{error}");
            assert!(
                lookup(code).is_some(),
                "`{code}` is not in the list of codes"
            );
            let ours = matches!(error, ChannelError::AlgorithmMissing { .. });
            assert_eq!(error.remedy().is_none(), ours, "{error}");
            let text = error.to_string();
            assert!(
                !text.ends_with('.') && !text.contains('\n') && !text.contains("  "),
                "{text}"
            );
        }
    }
}

//! Small closed sets of the protocol: roles, purposes and types of frames, and their numbers on the wire.
//!
//! Does not live here: kinds of evidence (they are the verifier's).
//! Source: docs/protocol/attest-1.md, sections 1, 3 and 8.

use std::fmt;

use super::limits;

/// Who speaks; in report data and MACs also the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The marble, TLS client.
    Client = 1,
    /// The coordinator, TLS server.
    Server = 2,
}

impl Role {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.number(),
            match self {
                Self::Client => "client",
                Self::Server => "server",
            }
        )
    }
}

/// What a piece of evidence or a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A marble asks for its first leaf.
    Activate = 1,
    /// A marble with a leaf in force asks for the next.
    Renew = 2,
    /// The coordinator's session key.
    Coordinator = 3,
    /// Reserved: a second coordinator joins.
    PeerJoin = 4,
    /// Reserved: recovery.
    Recover = 5,
    /// The statement for clients.
    VerifyBundle = 6,
}

impl Purpose {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The purposes that a Hello may carry: 1 and 2.
    #[must_use]
    pub fn from_hello(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Activate),
            2 => Some(Self::Renew),
            _ => None,
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.number(),
            match self {
                Self::Activate => "activate",
                Self::Renew => "renew",
                Self::Coordinator => "coordinator",
                Self::PeerJoin => "peer-join",
                Self::Recover => "recover",
                Self::VerifyBundle => "verify-bundle",
            }
        )
    }
}

/// The seven frames, in the order in which they travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameType {
    /// 1, from the marble.
    ClientHello = 1,
    /// 2, from the coordinator.
    ServerHello = 2,
    /// 3, from the coordinator.
    CoordinatorEvidence = 3,
    /// 4, from the marble.
    MarbleEvidence = 4,
    /// 5, from the marble.
    ClientFinish = 5,
    /// 6, from the coordinator.
    ServerFinish = 6,
    /// 7, from the coordinator.
    Provision = 7,
}

impl FrameType {
    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The type with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::ClientHello,
            2 => Self::ServerHello,
            3 => Self::CoordinatorEvidence,
            4 => Self::MarbleEvidence,
            5 => Self::ClientFinish,
            6 => Self::ServerFinish,
            7 => Self::Provision,
            _ => return None,
        })
    }

    /// Its name in docs and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientHello => "ClientHello",
            Self::ServerHello => "ServerHello",
            Self::CoordinatorEvidence => "CoordinatorEvidence",
            Self::MarbleEvidence => "MarbleEvidence",
            Self::ClientFinish => "ClientFinish",
            Self::ServerFinish => "ServerFinish",
            Self::Provision => "Provision",
        }
    }

    /// Bytes that its body may have, inclusive.
    #[must_use]
    pub fn body_bytes_max(self) -> usize {
        match self {
            Self::ClientHello | Self::ServerHello => limits::HELLO_BYTES_MAX,
            Self::CoordinatorEvidence => limits::COORDINATOR_EVIDENCE_BYTES_MAX,
            Self::MarbleEvidence => limits::MARBLE_EVIDENCE_BYTES_MAX,
            Self::ClientFinish | Self::ServerFinish => limits::FINISH_BYTES,
            Self::Provision => limits::PROVISION_BYTES_MAX,
        }
    }
}

impl fmt::Display for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} ({})", self.number(), self.name())
    }
}

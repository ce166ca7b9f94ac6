//! Small closed sets of the protocol: roles and purposes, and their numbers on the wire.
//!
//! Does not live here: kinds of evidence (they are the verifier's).
//! Source: docs/protocol/attest-1.md, section 1.

use std::fmt;

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

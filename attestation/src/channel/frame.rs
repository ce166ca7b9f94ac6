//! Frames: a type and a body, as they travel on the Join stream.
//!
//! Does not live here: what the bodies hold (`hello`, `evidence`, `finish`; frame 7 is protobuf and is not read here).
//! Source: docs/protocol/attest-1.md, sections 3 and 8.

use std::fmt;

use super::error::Malformed;
use super::limits;

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

/// One frame, its body as it travelled.
///
/// `Debug` shows type and length: body 7 holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameType,
    /// Its body, byte by byte what is hashed into the transcript.
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame as received: its type must exist and its body keep to the type's limit.
    ///
    /// # Errors
    /// [`Malformed::FrameType`], [`Malformed::FrameTooLong`].
    pub fn received(number: u32, body: Vec<u8>) -> Result<Self, Malformed> {
        let kind = FrameType::from_number(number).ok_or(Malformed::FrameType { got: number })?;
        let frame = Self { kind, body };
        frame.check_length()?;
        Ok(frame)
    }

    /// Refuses a body above the limit of its type.
    pub(super) fn check_length(&self) -> Result<(), Malformed> {
        let limit = self.kind.body_bytes_max();
        if self.body.len() > limit {
            return Err(Malformed::FrameTooLong {
                frame: self.kind,
                got: self.body.len(),
                limit,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.kind, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_seven_types_are_frames() {
        for number in 0..=9u32 {
            let frame = Frame::received(number, Vec::new());
            assert_eq!(frame.is_ok(), (1..=7).contains(&number), "{number}");
            assert!(frame.is_err() || frame.unwrap().kind.number() == number);
        }
    }

    #[test]
    fn each_type_has_its_own_limit_which_is_inclusive() {
        let limits = [
            (1, 4096),
            (2, 4096),
            (3, 1_179_648),
            (4, 81_920),
            (5, 52),
            (6, 52),
            (7, 16_777_216),
        ];
        for (number, limit) in limits {
            assert!(Frame::received(number, vec![0; limit]).is_ok(), "{number}");
            let frame = FrameType::from_number(number).unwrap();
            let refused = Malformed::FrameTooLong {
                frame,
                got: limit + 1,
                limit,
            };
            assert_eq!(Frame::received(number, vec![0; limit + 1]), Err(refused));
        }
    }

    #[test]
    fn a_frames_body_is_not_printed() {
        let frame = Frame {
            kind: FrameType::Provision,
            body: b"secret".to_vec(),
        };
        assert_eq!(format!("{frame:?}"), "frame 7 (Provision) of 6 bytes");
    }
}

//! Frames: a type and a body, as they travel on the Join stream.
//!
//! Does not live here: what the bodies hold (`hello`, `evidence`, `finish`; frame 7 is protobuf and is not read here).
//! Source: docs/protocol/attest-1.md, sections 3 and 8.

use std::fmt;

use super::error::Malformed;
use super::names::FrameType;

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

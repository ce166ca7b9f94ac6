//! Bodies 3 to 6: each side's evidence, and the finishes.
//!
//! Decoding judges fields, limits and section 3's rules; inside bodies 3 and 4 also the state bytes and the fields of
//! evidence of kinds 3 and 4. It looks at no quote, key, signature or collateral.
//! Source: docs/protocol/attest-1.md, sections 1 and 3.

use super::error::Malformed;
use super::frame::Frame;
use super::limits;
use super::names::FrameType;
use super::state::StateBytes;
use crate::Kind;
use crate::lp::{LpFault, Reader, Writer};

/// A session key and the evidence that vouches for it, as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvidence {
    /// Kind of the evidence.
    pub kind: Kind,
    /// The evidence, in its wire form.
    pub evidence: Vec<u8>,
    /// The session key, P-256, 91 bytes.
    pub spki: Vec<u8>,
    /// When it was quoted, Unix seconds.
    pub quoted_at: u64,
}

/// Body 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorEvidence {
    /// The session key and its evidence.
    pub session: SessionEvidence,
    /// What the coordinator says about itself.
    pub state: StateBytes,
    /// Collateral for the evidence as JSON, or nothing.
    pub collateral: Vec<u8>,
    /// The session key's signature.
    pub signature: Vec<u8>,
}

impl CoordinatorEvidence {
    /// The body of frame 3.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .u16(self.session.kind.number())
            .field(&self.session.evidence)
            .field(&self.session.spki)
            .u64(self.session.quoted_at)
            .field(&self.state.encode())
            .field(&self.collateral)
            .field(&self.signature)
            .finish()
    }

    /// Reads body 3.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        const FRAME: FrameType = FrameType::CoordinatorEvidence;
        let mut reader = body_of(FRAME, body)?;
        let lp = |fault| Malformed::fields(FRAME, fault);
        let kind = reader.u16("kind").map_err(lp)?;
        let evidence = reader
            .filled("evidence", limits::EVIDENCE_BYTES_MAX)
            .map_err(lp)?;
        let spki = reader
            .filled("session SPKI", limits::SPKI_BYTES_MAX)
            .map_err(lp)?;
        let quoted_at = reader.u64("quoted_at").map_err(lp)?;
        let state = reader
            .field("state bytes", limits::STATE_BYTES_MAX)
            .map_err(lp)?;
        let collateral = reader
            .field("collateral", limits::COLLATERAL_BYTES_MAX)
            .map_err(lp)?;
        let signature = reader
            .filled("signature", limits::SIGNATURE_BYTES_MAX)
            .map_err(lp)?;
        reader.finish().map_err(lp)?;
        let kind = known_kind(FRAME, kind)?;
        check_evidence_fields(FRAME, kind, evidence)?;
        Ok(Self {
            session: SessionEvidence {
                kind,
                evidence: evidence.to_vec(),
                spki: spki.to_vec(),
                quoted_at,
            },
            state: StateBytes::decode(state)?,
            collateral: collateral.to_vec(),
            signature: signature.to_vec(),
        })
    }
}

/// Body 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarbleEvidence {
    /// Kind of the evidence.
    pub kind: Kind,
    /// The evidence, in its wire form.
    pub evidence: Vec<u8>,
    /// A new key to be certified instead of the TLS leaf's, on renew only.
    pub new_key: Option<NewKey>,
}

/// A key that a marble wants certified on renew in place of its old one, with the proof that it holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its SPKI, P-256 (91 bytes) or Ed25519 (44 bytes).
    pub spki: Vec<u8>,
    /// Its signature over [`super::Attesting::possession_input`].
    pub possession: Vec<u8>,
}

impl MarbleEvidence {
    /// The body of frame 4.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let new_key = self.new_key.as_ref();
        Writer::new()
            .u16(self.kind.number())
            .field(&self.evidence)
            .optional(new_key.map(|key| key.spki.as_slice()))
            .optional(new_key.map(|key| key.possession.as_slice()))
            .finish()
    }

    /// Reads body 4. Whether a new key is allowed depends on the Hello's purpose and is not judged here.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        const FRAME: FrameType = FrameType::MarbleEvidence;
        let mut reader = body_of(FRAME, body)?;
        let lp = |fault| Malformed::fields(FRAME, fault);
        let kind = reader.u16("kind").map_err(lp)?;
        let evidence = reader
            .filled("evidence", limits::EVIDENCE_BYTES_MAX)
            .map_err(lp)?;
        let spki = reader
            .field("new SPKI", limits::SPKI_BYTES_MAX)
            .map_err(lp)?;
        let possession = reader
            .field("possession", limits::POSSESSION_BYTES_MAX)
            .map_err(lp)?;
        reader.finish().map_err(lp)?;
        let kind = known_kind(FRAME, kind)?;
        check_evidence_fields(FRAME, kind, evidence)?;
        let new_key = match (spki.len(), possession.len()) {
            (0, 0) => None,
            (0, _) | (_, 0) => {
                return Err(Malformed::NewKeyHalf {
                    spki: spki.len(),
                    possession: possession.len(),
                });
            }
            _ => Some(NewKey {
                spki: spki.to_vec(),
                possession: possession.to_vec(),
            }),
        };
        Ok(Self {
            kind,
            evidence: evidence.to_vec(),
            new_key,
        })
    }
}

/// The body of frame 5 or 6: a MAC.
#[must_use]
pub fn encode_finish(mac: &[u8; 48]) -> Vec<u8> {
    Writer::new().field(mac).finish()
}

/// Reads the body of frame 5 or 6.
///
/// # Errors
/// [`Malformed`] if it is not one field of 48 bytes.
pub fn decode_finish(frame: &Frame) -> Result<[u8; 48], Malformed> {
    let mut reader = body_of(frame.kind, &frame.body)?;
    let lp = |fault| Malformed::fields(frame.kind, fault);
    let mac = reader.exact("MAC").map_err(lp)?;
    reader.finish().map_err(lp)?;
    Ok(mac)
}

/// A reader over a body that keeps to its frame's limit.
fn body_of(frame: FrameType, body: &[u8]) -> Result<Reader<'_>, Malformed> {
    let limit = frame.body_bytes_max();
    if body.len() > limit {
        return Err(Malformed::FrameTooLong {
            frame,
            got: body.len(),
            limit,
        });
    }
    Ok(Reader::new(body))
}

fn known_kind(frame: FrameType, number: u16) -> Result<Kind, Malformed> {
    Kind::from_number(number).ok_or(Malformed::KindUnknown { frame, got: number })
}

/// The fields inside evidence that is itself made of fields.
fn check_evidence_fields(frame: FrameType, kind: Kind, evidence: &[u8]) -> Result<(), Malformed> {
    let fields: &[(&'static str, MayBeEmpty)] = match kind {
        Kind::SgxDcap | Kind::TdxDcap => return Ok(()),
        Kind::Snp => &[
            ("report", MayBeEmpty::No),
            ("VEK certificate", MayBeEmpty::Yes),
        ],
        Kind::Tpm => &[
            ("TPMS_ATTEST", MayBeEmpty::No),
            ("signature", MayBeEmpty::No),
            ("AK certificate or public area", MayBeEmpty::No),
            ("PCR values", MayBeEmpty::No),
            ("event log", MayBeEmpty::Yes),
            ("IMA list", MayBeEmpty::Yes),
        ],
    };
    let check = || -> Result<(), LpFault> {
        let mut reader = Reader::new(evidence);
        for (field, may_be_empty) in fields {
            match may_be_empty {
                MayBeEmpty::Yes => reader.field(field, limits::EVIDENCE_BYTES_MAX)?,
                MayBeEmpty::No => reader.filled(field, limits::EVIDENCE_BYTES_MAX)?,
            };
        }
        reader.finish()
    };
    check().map_err(|fault| Malformed::fields(frame, fault))
}

/// Whether a field of evidence is marked as optional in section 1.
#[derive(Clone, Copy)]
enum MayBeEmpty {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use stoa_explain::Explain;

    use super::super::state::{CoordinatorState, Witness};
    use super::*;

    fn body_3(collateral_bytes: usize) -> CoordinatorEvidence {
        CoordinatorEvidence {
            session: SessionEvidence {
                kind: Kind::SgxDcap,
                evidence: vec![1],
                spki: vec![2],
                quoted_at: 3,
            },
            state: StateBytes {
                state: CoordinatorState::Recovery,
                sequence: 0,
                head: [0; 32],
                tls_leaf: [4; 32],
                security_digest: [5; 48],
                witness: Witness::None,
                time: 6,
            },
            collateral: vec![b' '; collateral_bytes],
            signature: vec![7],
        }
    }

    #[test]
    fn collateral_may_have_one_mebibyte_and_not_a_byte_more() {
        let limit = limits::COLLATERAL_BYTES_MAX;
        for bytes in [0, 1, limit] {
            let body = body_3(bytes);
            assert_eq!(CoordinatorEvidence::decode(&body.encode()).unwrap(), body);
        }
        let refused = CoordinatorEvidence::decode(&body_3(limit + 1).encode()).unwrap_err();
        assert_eq!(refused.code(), "too-large");
        let fault = LpFault::TooLong {
            field: "collateral",
            got: limit + 1,
            limit,
        };
        assert_eq!(
            refused,
            Malformed::fields(FrameType::CoordinatorEvidence, fault)
        );
    }

    #[test]
    fn a_body_above_its_frames_limit_is_refused_before_it_is_read() {
        let refused =
            CoordinatorEvidence::decode(&vec![0xff; limits::COORDINATOR_EVIDENCE_BYTES_MAX + 1]);
        assert!(matches!(refused, Err(Malformed::FrameTooLong { .. })));
        let refused = MarbleEvidence::decode(&vec![0xff; limits::MARBLE_EVIDENCE_BYTES_MAX + 1]);
        assert!(matches!(refused, Err(Malformed::FrameTooLong { .. })));
    }
}

//! State bytes: what the coordinator says about itself, signed in every Join and in the statement.
//!
//! The states are an enum that holds what each of them has, so bytes that break section 5's rules can't be made, and
//! those that come from outside are refused here.
//! Source: docs/protocol/attest-1.md, section 5.

use std::fmt;

use super::error::Malformed;
use super::limits;
use crate::lp::{LpFault, Reader, Writer};

const LABEL: &str = "stoa/state/1";

/// Where a coordinator is in its life, with the keys and hashes that exist there.
///
/// Keys are named by K, the SHA-256 of their SPKI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoordinatorState {
    /// 1: it can't open its journal's keys and waits for recovery.
    Recovery,
    /// 2: founded, no manifest yet.
    AcceptingManifest {
        /// K of the root CA.
        root: [u8; 32],
        /// K of the configured owner key, which proves nothing in this state.
        owner: Option<[u8; 32]>,
    },
    /// 3: a manifest is in force.
    AcceptingMarbles {
        /// K of the root CA.
        root: [u8; 32],
        /// K of the issuing CA.
        issuing: [u8; 32],
        /// SHA-256 of the manifest in force, as its bytes were set.
        manifest_sha256: [u8; 32],
        /// Head of the history that ends in this manifest.
        transition_head: [u8; 32],
        /// K of the owner key, only if the coordinator checked the owner's signature for this root and manifest.
        owner: Option<[u8; 32]>,
    },
}

impl CoordinatorState {
    /// Its number on the wire.
    #[must_use]
    pub fn number(&self) -> u8 {
        match self {
            Self::Recovery => 1,
            Self::AcceptingManifest { .. } => 2,
            Self::AcceptingMarbles { .. } => 3,
        }
    }
}

impl fmt::Display for CoordinatorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.number(),
            match self {
                Self::Recovery => "recovery",
                Self::AcceptingManifest { .. } => "waiting for a manifest",
                Self::AcceptingMarbles { .. } => "accepting marbles",
            }
        )
    }
}

/// What keeps sequence and head out of the host's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// Nothing does.
    None,
    /// An etcd quorum.
    Etcd,
    /// A counter in a TPM.
    TpmNv,
}

impl Witness {
    /// Its name in the state bytes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Etcd => "etcd",
            Self::TpmNv => "tpm-nv",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        [Self::None, Self::Etcd, Self::TpmNv]
            .into_iter()
            .find(|witness| witness.name().as_bytes() == name)
    }
}

/// The coordinator's state at the moment of signing, for one TLS leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateBytes {
    /// The state and what it has.
    pub state: CoordinatorState,
    /// The journal's last sequence number; 0 if the journal can't be read or is empty.
    pub sequence: u64,
    /// The journal's head; 32 zeros if the journal can't be read or is empty.
    pub head: [u8; 32],
    /// K of the coordinator's TLS leaf of this connection.
    pub tls_leaf: [u8; 32],
    /// The security digest, as in the quote.
    pub security_digest: [u8; 48],
    /// What keeps sequence and head out of the host's reach.
    pub witness: Witness,
    /// The moment, Unix seconds.
    pub time: u64,
}

impl StateBytes {
    /// K of the root CA, if the state has one.
    #[must_use]
    pub fn root(&self) -> Option<[u8; 32]> {
        match self.state {
            CoordinatorState::Recovery => None,
            CoordinatorState::AcceptingManifest { root, .. }
            | CoordinatorState::AcceptingMarbles { root, .. } => Some(root),
        }
    }

    /// K of the owner key, if it is named.
    #[must_use]
    pub fn owner(&self) -> Option<[u8; 32]> {
        match self.state {
            CoordinatorState::Recovery => None,
            CoordinatorState::AcceptingManifest { owner, .. }
            | CoordinatorState::AcceptingMarbles { owner, .. } => owner,
        }
    }

    /// K of the issuing CA, in state 3.
    #[must_use]
    pub fn issuing(&self) -> Option<[u8; 32]> {
        match self.state {
            CoordinatorState::AcceptingMarbles { issuing, .. } => Some(issuing),
            _ => None,
        }
    }

    /// SHA-256 of the manifest in force, in state 3.
    #[must_use]
    pub fn manifest_sha256(&self) -> Option<[u8; 32]> {
        match self.state {
            CoordinatorState::AcceptingMarbles {
                manifest_sha256, ..
            } => Some(manifest_sha256),
            _ => None,
        }
    }

    /// Head of the history, in state 3.
    #[must_use]
    pub fn transition_head(&self) -> Option<[u8; 32]> {
        match self.state {
            CoordinatorState::AcceptingMarbles {
                transition_head, ..
            } => Some(transition_head),
            _ => None,
        }
    }

    /// The bytes that are sent and signed; [`StateBytes::decode`] gives the same value back, and no other bytes do.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let [manifest, transition, root, issuing, owner] = [
            self.manifest_sha256(),
            self.transition_head(),
            self.root(),
            self.issuing(),
            self.owner(),
        ];
        let hash = |hash: &'_ Option<[u8; 32]>| hash.map_or(Vec::new(), |hash| hash.to_vec());
        Writer::new()
            .field(LABEL.as_bytes())
            .u8(self.state.number())
            .u64(self.sequence)
            .field(&self.head)
            .field(&hash(&manifest))
            .field(&hash(&transition))
            .field(&hash(&root))
            .field(&hash(&issuing))
            .field(&self.tls_leaf)
            .field(&hash(&owner))
            .field(&self.security_digest)
            .field(self.witness.name().as_bytes())
            .u64(self.time)
            .finish()
    }

    /// Reads state bytes; what must be filled or empty in the state is judged here.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > limits::STATE_BYTES_MAX {
            let fault = LpFault::TooLong {
                field: "state bytes",
                got: bytes.len(),
                limit: limits::STATE_BYTES_MAX,
            };
            return Err(Malformed::state(fault));
        }
        let mut reader = Reader::new(bytes);
        let lp = Malformed::state;
        reader.label(LABEL).map_err(lp)?;
        let number = reader.u8("state").map_err(lp)?;
        let sequence = reader.u64("sequence").map_err(lp)?;
        let head = reader.exact("head").map_err(lp)?;
        let manifest_sha256 = Slot::read(&mut reader, "SHA-256 of the manifest")?;
        let transition_head = Slot::read(&mut reader, "transition head")?;
        let root = Slot::read(&mut reader, "K(root)")?;
        let issuing = Slot::read(&mut reader, "K(issuing CA)")?;
        let tls_leaf = reader.exact("K(TLS leaf)").map_err(lp)?;
        let owner = Slot::read(&mut reader, "K(owner)")?;
        let security_digest = reader.exact("security digest").map_err(lp)?;
        let witness = reader.field("witness", WITNESS_BYTES_MAX).map_err(lp)?;
        let time = reader.u64("time").map_err(lp)?;
        reader.finish().map_err(lp)?;

        let witness = Witness::from_name(witness).ok_or_else(|| Malformed::Witness {
            got: witness.escape_ascii().to_string(),
        })?;
        let state = match number {
            1 => {
                for slot in [manifest_sha256, transition_head, root, issuing, owner] {
                    slot.empty(number)?;
                }
                CoordinatorState::Recovery
            }
            2 => {
                for slot in [manifest_sha256, transition_head, issuing] {
                    slot.empty(number)?;
                }
                CoordinatorState::AcceptingManifest {
                    root: root.filled(number)?,
                    owner: owner.hash,
                }
            }
            3 => CoordinatorState::AcceptingMarbles {
                root: root.filled(number)?,
                issuing: issuing.filled(number)?,
                manifest_sha256: manifest_sha256.filled(number)?,
                transition_head: transition_head.filled(number)?,
                owner: owner.hash,
            },
            got => return Err(Malformed::StateNumber { got }),
        };
        Ok(Self {
            state,
            sequence,
            head,
            tls_leaf,
            security_digest,
            witness,
            time,
        })
    }
}

/// Longer than any witness of version 1, so that another one is shown by name.
const WITNESS_BYTES_MAX: usize = 32;

/// A hash that some states have and others have not.
#[derive(Clone, Copy)]
struct Slot {
    field: &'static str,
    hash: Option<[u8; 32]>,
}

impl Slot {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Malformed> {
        Ok(Self {
            field,
            hash: reader.optional(field).map_err(Malformed::state)?,
        })
    }

    fn filled(self, state: u8) -> Result<[u8; 32], Malformed> {
        self.hash.ok_or(Malformed::StateFieldMissing {
            field: self.field,
            state,
        })
    }

    fn empty(self, state: u8) -> Result<(), Malformed> {
        match self.hash {
            None => Ok(()),
            Some(hash) => Err(Malformed::StateFieldFilled {
                field: self.field,
                state,
                got: hex::encode(hash),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn marbles() -> CoordinatorState {
        CoordinatorState::AcceptingMarbles {
            root: [1; 32],
            issuing: [2; 32],
            manifest_sha256: [3; 32],
            transition_head: [4; 32],
            owner: None,
        }
    }

    fn bytes(state: CoordinatorState) -> StateBytes {
        StateBytes {
            state,
            sequence: 9,
            head: [5; 32],
            tls_leaf: [6; 32],
            security_digest: [7; 48],
            witness: Witness::None,
            time: 1_800_000_000,
        }
    }

    #[test]
    fn every_state_is_read_back_as_written() {
        let owner = Some([8; 32]);
        for state in [
            CoordinatorState::Recovery,
            CoordinatorState::AcceptingManifest {
                root: [1; 32],
                owner: None,
            },
            CoordinatorState::AcceptingManifest {
                root: [1; 32],
                owner,
            },
            marbles(),
        ] {
            for witness in [Witness::None, Witness::Etcd, Witness::TpmNv] {
                let state = StateBytes {
                    witness,
                    ..bytes(state.clone())
                };
                assert_eq!(StateBytes::decode(&state.encode()).unwrap(), state);
            }
        }
    }

    /// The encoder can't make these; a peer can.
    fn raw(state: u8, slots: [&[u8]; 5], witness: &str) -> Vec<u8> {
        let [manifest, transition, root, issuing, owner] = slots;
        Writer::new()
            .field(LABEL.as_bytes())
            .u8(state)
            .u64(9)
            .field(&[5; 32])
            .field(manifest)
            .field(transition)
            .field(root)
            .field(issuing)
            .field(&[6; 32])
            .field(owner)
            .field(&[7; 48])
            .field(witness.as_bytes())
            .u64(1)
            .finish()
    }

    #[test]
    fn each_state_has_exactly_its_fields() {
        let x: &[u8] = &[1; 32];
        // manifest, transition, root, issuing, owner
        let allowed: [(u8, [&[u8]; 5]); 5] = [
            (1, [b"", b"", b"", b"", b""]),
            (2, [b"", b"", x, b"", b""]),
            (2, [b"", b"", x, b"", x]),
            (3, [x, x, x, x, b""]),
            (3, [x, x, x, x, x]),
        ];
        for state in 0..=4u8 {
            for filled in 0..32u8 {
                let slots: [&[u8]; 5] = std::array::from_fn(|slot| {
                    if filled & (1 << slot) == 0 {
                        b"".as_slice()
                    } else {
                        x
                    }
                });
                let decoded = StateBytes::decode(&raw(state, slots, "none"));
                assert_eq!(
                    decoded.is_ok(),
                    allowed.contains(&(state, slots)),
                    "state {state}, slots {filled:05b}"
                );
            }
        }
    }

    #[test]
    fn only_the_witnesses_of_version_1_are_read() {
        let slots: [&[u8]; 5] = [b""; 5];
        for (witness, accepted) in [
            ("none", true),
            ("etcd", true),
            ("tpm-nv", true),
            ("", false),
            ("None", false),
        ] {
            assert_eq!(
                StateBytes::decode(&raw(1, slots, witness)).is_ok(),
                accepted,
                "{witness:?}"
            );
        }
    }

    #[test]
    fn bytes_cut_or_added_anywhere_are_refused() {
        let whole = bytes(marbles()).encode();
        for end in 0..whole.len() {
            assert!(StateBytes::decode(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(StateBytes::decode(&[whole.as_slice(), b"\0"].concat()).is_err());
        assert!(StateBytes::decode(&[whole.as_slice(), &[0; 1024]].concat()).is_err());
    }
}

//! Bodies 1 and 2: what each side says before anything is proved.
//!
//! Does not live here: choosing a kind and comparing the two Hellos (`server`, `marble`).
//! Source: docs/protocol/attest-1.md, section 3.

use super::error::Malformed;
use super::limits;
use super::names::{FrameType, Purpose, Role};
use crate::Kind;
use crate::lp::{Reader, Writer};

const LABEL: &str = "stoa/hello/1";
/// The only version there is.
const VERSION: u16 = 1;

/// A Hello of either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The marble's word (1) or the coordinator's (2).
    pub role: Role,
    /// 32 fresh random bytes.
    pub nonce: [u8; 32],
    /// Numbers of kinds in order of preference, unknown ones too: what the marble can make, or the coordinator accepts.
    pub kinds: Vec<u16>,
    /// The marble's type as the manifest names it; empty in the coordinator's.
    pub marble_type: String,
    /// The instance: proposed or left to the coordinator on activate, the leaf's own on renew; `None` in the coordinator's.
    pub instance: Option<[u8; 16]>,
    /// [`Purpose::Activate`] or [`Purpose::Renew`]; the coordinator repeats the marble's.
    pub purpose: Purpose,
}

impl Hello {
    /// The kinds that this version knows, in order of preference.
    pub fn known_kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds
            .iter()
            .filter_map(|number| Kind::from_number(*number))
    }

    /// The body of frame 1 or 2.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kinds: Vec<u8> = self
            .kinds
            .iter()
            .flat_map(|kind| kind.to_be_bytes())
            .collect();
        Writer::new()
            .field(LABEL.as_bytes())
            .u16(VERSION)
            .u8(self.role.number())
            .field(&self.nonce)
            .field(&kinds)
            .field(self.marble_type.as_bytes())
            .optional(self.instance.as_ref().map(<[u8; 16]>::as_slice))
            .u8(self.purpose.number())
            .finish()
    }

    /// Reads body 1 (`role` client) or body 2 (`role` server).
    ///
    /// # Errors
    /// [`Malformed`] names the field that breaks a rule of section 3.
    pub fn decode(role: Role, body: &[u8]) -> Result<Self, Malformed> {
        let frame = match role {
            Role::Client => FrameType::ClientHello,
            Role::Server => FrameType::ServerHello,
        };
        if body.len() > limits::HELLO_BYTES_MAX {
            return Err(Malformed::FrameTooLong {
                frame,
                got: body.len(),
                limit: limits::HELLO_BYTES_MAX,
            });
        }
        let mut reader = Reader::new(body);
        let lp = |fault| Malformed::fields(frame, fault);
        reader.label(LABEL).map_err(lp)?;
        // Version first: of another one not even the number of fields is known.
        match reader.u16("version").map_err(lp)? {
            VERSION => {}
            got => {
                return Err(Malformed::Version {
                    got,
                    wanted: VERSION,
                });
            }
        }
        let got_role = reader.u8("role").map_err(lp)?;
        if got_role != role.number() {
            return Err(Malformed::Role {
                got: got_role,
                wanted: role,
            });
        }
        let nonce = reader.exact("nonce").map_err(lp)?;
        let kinds = decode_kinds(
            role,
            reader
                .field("kinds", limits::HELLO_KINDS_MAX * 2)
                .map_err(lp)?,
        )?;
        let marble_type = reader
            .field("marble type", limits::MARBLE_TYPE_BYTES_MAX)
            .map_err(lp)?;
        let instance = reader.optional("instance").map_err(lp)?;
        let purpose = reader.u8("purpose").map_err(lp)?;
        reader.finish().map_err(lp)?;

        let purpose = Purpose::from_hello(purpose).ok_or(Malformed::Purpose { got: purpose })?;
        let hello = Self {
            role,
            nonce,
            kinds,
            marble_type: decode_type(marble_type)?,
            instance,
            purpose,
        };
        hello.check_names()?;
        Ok(hello)
    }

    /// The rules about the list of kinds.
    pub(super) fn check_kinds(&self) -> Result<(), Malformed> {
        check_kinds(self.role, &self.kinds)
    }

    /// The rules about marble type and instance, which differ by role and purpose.
    pub(super) fn check_names(&self) -> Result<(), Malformed> {
        let length = self.marble_type.len();
        match self.role {
            Role::Server if length != 0 => Err(Malformed::NotEmpty {
                field: "marble type",
                got: length,
            }),
            Role::Server if self.instance.is_some() => Err(Malformed::NotEmpty {
                field: "instance",
                got: 16,
            }),
            Role::Server => Ok(()),
            Role::Client if !(1..=limits::MARBLE_TYPE_BYTES_MAX).contains(&length) => {
                Err(Malformed::MarbleTypeLength { got: length })
            }
            Role::Client if self.purpose == Purpose::Renew && self.instance.is_none() => {
                Err(Malformed::InstanceMissing)
            }
            Role::Client => Ok(()),
        }
    }
}

/// Which of the numbers are known is not judged here.
fn decode_kinds(role: Role, bytes: &[u8]) -> Result<Vec<u16>, Malformed> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Malformed::KindsLength {
            role,
            got: bytes.len(),
        });
    }
    let kinds: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    check_kinds(role, &kinds)?;
    Ok(kinds)
}

/// 1 to 16 numbers, none twice.
fn check_kinds(role: Role, kinds: &[u16]) -> Result<(), Malformed> {
    if !(1..=limits::HELLO_KINDS_MAX).contains(&kinds.len()) {
        return Err(Malformed::KindsLength {
            role,
            got: kinds.len() * 2,
        });
    }
    let twice = kinds
        .iter()
        .enumerate()
        .find(|(index, kind)| kinds[..*index].contains(kind));
    match twice {
        Some((_, kind)) => Err(Malformed::KindTwice { role, kind: *kind }),
        None => Ok(()),
    }
}

pub(super) fn decode_type(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Malformed::MarbleTypeText {
            got: bytes.escape_ascii().to_string(),
        })
}

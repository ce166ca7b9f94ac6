//! The security digest: one hash that names every switch with which this coordinator was weakened.
//!
//! It stands in the quote, so a verifier refuses a weakened coordinator without being told. Which switches there are,
//! and what each weakens, is docs/reference/security-digest.md; they are set in the server's configuration.
//! Source: docs/protocol/attest-1.md, section 5.

use std::collections::BTreeMap;

use sha2::{Digest, Sha384};
use stoa_explain::Explain;

use crate::lp::Writer;
use crate::trust::{Anchor, Vendor};

const LABEL: &str = "stoa/security/1";
/// The switch that adds a root of the user's own, in Intel's place.
const INSECURE_TRUST_ROOT: &str = "insecure-trust-root";
/// The same in AMD's place.
const INSECURE_TRUST_ROOT_AMD: &str = "insecure-trust-root-amd";
/// What a switch without an argument is set to.
pub const SWITCH_ON: &str = "1";

/// The switches that are not at their default, each once, sorted by the bytes of its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches(BTreeMap<String, String>);

impl Switches {
    /// No switch set: the default digest.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Exactly `insecure-trust-root`, for this root in Intel's place.
    ///
    /// `sha256` is the SHA-256 of the root certificate's DER.
    #[must_use]
    pub fn insecure_trust_root(sha256: &[u8; 32]) -> Self {
        Self(BTreeMap::from([(
            INSECURE_TRUST_ROOT.to_owned(),
            hex::encode(sha256),
        )]))
    }

    /// Exactly the switches of the insecure ones among `anchors`; the vendors' own need none.
    ///
    /// # Errors
    /// [`BadSwitch::Twice`] if two of them stand in one vendor's place.
    pub fn insecure_trust_roots<'a>(
        anchors: impl IntoIterator<Item = &'a Anchor>,
    ) -> Result<Self, BadSwitch> {
        let mut switches = Self::none();
        for anchor in anchors.into_iter().filter(|anchor| anchor.is_insecure()) {
            let name = match anchor.vendor() {
                Vendor::Intel => INSECURE_TRUST_ROOT,
                Vendor::Amd => INSECURE_TRUST_ROOT_AMD,
            };
            switches.set(name, &hex::encode(anchor.sha256()))?;
        }
        Ok(switches)
    }

    /// Adds a switch; `value` is [`SWITCH_ON`] if it takes no argument.
    ///
    /// # Errors
    /// [`BadSwitch`] for a name or value outside the rules, or a name that is set already.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadSwitch> {
        let name_fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty() || !name.bytes().all(name_fits) {
            return Err(BadSwitch::Name {
                got: name.escape_debug().to_string(),
            });
        }
        if value.is_empty() || !value.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
            return Err(BadSwitch::Value {
                name: name.to_owned(),
                got: value.escape_debug().to_string(),
            });
        }
        if let Some(before) = self.0.get(name) {
            return Err(BadSwitch::Twice {
                name: name.to_owned(),
                first: before.clone(),
                second: value.to_owned(),
            });
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Name and value of each switch, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The security digest, 48 bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 48] {
        let joined = self.iter().fold(
            Writer::new().field(LABEL.as_bytes()),
            |writer, (name, value)| writer.field(format!("{name}={value}").as_bytes()),
        );
        Sha384::digest(joined.finish()).into()
    }
}

/// The digest of a coordinator that nothing weakens.
#[must_use]
pub fn default_security_digest() -> [u8; 48] {
    Switches::none().digest()
}

/// Why a switch can't stand in a security digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSwitch {
    /// Not `[a-z0-9-]+`.
    #[error("`{got}` is no name of a switch: use a-z, 0-9 and -")]
    Name {
        /// The name, escaped.
        got: String,
    },
    /// Empty, or not printable ASCII.
    #[error("switch `{name}` has the value `{got}`: use one or more printable ASCII characters")]
    Value {
        /// The switch.
        name: String,
        /// Its value, escaped.
        got: String,
    },
    /// The same name again.
    #[error("switch `{name}` is set twice, to `{first}` and to `{second}`")]
    Twice {
        /// The switch.
        name: String,
        /// Its value so far.
        first: String,
        /// The value refused.
        second: String,
    },
}

impl Explain for BadSwitch {
    fn code(&self) -> &'static str {
        "security-switch-invalid"
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Name { .. } => {
                "name the switch as docs/reference/security-digest.md does".to_owned()
            }
            Self::Value { name, .. } => {
                format!("give `{name}` a value of printable ASCII characters")
            }
            Self::Twice { name, .. } => format!("set `{name}` once"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn switches(pairs: &[(&str, &str)]) -> Switches {
        let mut all = Switches::none();
        for (name, value) in pairs {
            all.set(name, value).unwrap();
        }
        all
    }

    #[test]
    fn the_default_digest_is_the_hash_of_the_label() {
        assert_eq!(
            default_security_digest(),
            <[u8; 48]>::from(Sha384::digest(b"\0\0\0\x0fstoa/security/1"))
        );
    }

    #[test]
    fn the_order_of_setting_does_not_count_but_names_and_values_do() {
        let digest = |pairs| switches(pairs).digest();
        assert_eq!(
            digest(&[("a", "1"), ("b", "2")]),
            digest(&[("b", "2"), ("a", "1")])
        );
        assert_ne!(
            digest(&[("a", "1"), ("b", "2")]),
            digest(&[("a", "2"), ("b", "1")])
        );
        assert_ne!(digest(&[("a", "1")]), default_security_digest());
    }

    #[test]
    fn a_trust_root_is_named_by_the_lower_hex_of_its_hash() {
        let root = Switches::insecure_trust_root(&[0xab; 32]);
        assert_eq!(root, switches(&[("insecure-trust-root", &"ab".repeat(32))]));
    }

    #[test]
    fn names_and_values_outside_the_rules_are_refused() {
        for name in ["", "A", "a b", "a=b", "a_b", "ä"] {
            assert!(
                matches!(Switches::none().set(name, "1"), Err(BadSwitch::Name { .. })),
                "{name}"
            );
        }
        for value in ["", "\n", "ä", "\u{7f}", "a\0"] {
            assert!(
                matches!(
                    Switches::none().set("a", value),
                    Err(BadSwitch::Value { .. })
                ),
                "{value:?}"
            );
        }
        assert_eq!(
            switches(&[("a", "1")]).set("a", "2"),
            Err(BadSwitch::Twice {
                name: "a".to_owned(),
                first: "1".to_owned(),
                second: "2".to_owned()
            })
        );
    }
}

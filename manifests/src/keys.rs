//! Every key that a manifest may have, once: type, default, rule, whose it is, and whether it is served.
//!
//! The parser takes its known keys from here, the JSON Schema (`schema`) and docs/reference/manifest.md (`page`) are
//! written from it. What is known and not served yet is marked here and nowhere else ([`Serving::Later`]).
//! Source of MarbleRun's keys: its public manifest format; of ours: docs/reference/manifest.md.
//! Does not live here: what a value means (`package`, `marble`, `secret` ...).

mod access;
mod certificate;
mod config;
mod marble;
mod package;
mod secret;

pub(crate) use access::{ACTIONS, RESOURCE_TYPES, ROLE, USER};
pub(crate) use certificate::{CERTIFICATE, NAME};
pub(crate) use config::{CONFIG, EVIDENCE, FEATURE_GATES, SEAL_MODES};
pub(crate) use marble::{
    CONTENT, ENCODINGS, INCOMING, MARBLE, OUTGOING, PARAMETERS, RELOAD, RELOADS, TLS_TAG,
};
pub(crate) use package::{
    INFRASTRUCTURE, MINIMUM, PACKAGE, SNP, SNP_TCB, STATUSES, TDX, TOLERABLE, VMPL_MAX,
};
pub(crate) use secret::{SECRET, TYPES};

/// An object whose keys the format knows.
#[derive(Debug)]
pub(crate) struct Object {
    /// The heading of its part in the reference, and its name in the schema.
    pub(crate) name: &'static str,
    /// A sentence or two about the whole.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    pub(crate) serving: Serving,
    /// What holds without it, as the reference says it.
    pub(crate) default: &'static str,
    /// What it means and which rules it follows.
    pub(crate) rule: &'static str,
}

/// Who else knows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// MarbleRun does.
    MarbleRun,
    /// It is ours: MarbleRun's coordinator would ignore it.
    Stoa,
}

/// Whether this version does what a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    /// It does.
    Now,
    /// It does not yet: shape and rules are checked, and a manifest in which the key says something is refused by name.
    Later,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Flag,
    /// A whole number from 0 to this.
    Number(u64),
    /// A whole number of any size and sign.
    BigNumber,
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    Texts,
    /// A list of some of these texts.
    Words(&'static [&'static str]),
    /// A list of whole numbers.
    Numbers,
    /// So many bytes in hex.
    Hex(usize),
    /// The same, or a list of them.
    HexOrList(usize),
    /// Bytes as Go writes and reads them: base64, or a list of numbers.
    Bytes,
    /// A duration as Go writes it: `1h30m`.
    Duration,
    /// A time as RFC 3339 has it.
    Time,
    Object(&'static Object),
    List(&'static Object),
    /// An object whose keys the deployer chose.
    Names(&'static Object),
    /// The same, of PEM texts.
    NamedTexts,
    /// Registers by number, in hex.
    Registers(usize),
    /// Files or variables: a text, or an object.
    Contents,
    /// `Secrets.<name>.Cert`: an object, or a whole certificate in base64.
    Certificate,
    /// Anything: MarbleRun reads it and does nothing with it.
    Any,
}

impl Key {
    const fn marblerun(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        rule: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            origin: Origin::MarbleRun,
            serving: Serving::Now,
            default,
            rule,
        }
    }

    const fn stoa(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        rule: &'static str,
    ) -> Self {
        Self {
            origin: Origin::Stoa,
            ..Self::marblerun(name, kind, default, rule)
        }
    }

    const fn later(self) -> Self {
        Self {
            serving: Serving::Later,
            ..self
        }
    }
}

impl Object {
    /// The key of that name, in any case.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys
            .iter()
            .find(|key| key.name.eq_ignore_ascii_case(name))
    }

    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|key| key.name)
    }
}

/// The manifest itself.
pub(crate) static MANIFEST: Object = Object {
    name: "Manifest",
    about: "",
    keys: &[
        Key::marblerun(
            "Packages",
            Kind::Names(&PACKAGE),
            "a fault",
            "which code may be a marble; at least one",
        ),
        Key::marblerun(
            "Marbles",
            Kind::Names(&MARBLE),
            "a fault",
            "the services of the mesh; at least one",
        ),
        Key::marblerun(
            "Secrets",
            Kind::Names(&SECRET),
            "none",
            "what the coordinator makes or keeps for the mesh",
        ),
        Key::marblerun(
            "Config",
            Kind::Object(&CONFIG),
            "all defaults",
            "what holds for the whole mesh",
        ),
        Key::marblerun(
            "Infrastructures",
            Kind::Names(&INFRASTRUCTURE),
            "anywhere",
            "platforms, one of which must fit (MarbleRun does not enforce them)",
        ),
        Key::marblerun(
            "Users",
            Kind::Names(&USER),
            "none",
            "people and programs with rights, known by their client certificates",
        ),
        Key::marblerun(
            "Roles",
            Kind::Names(&ROLE),
            "none",
            "rights that users can have",
        ),
        Key::marblerun(
            "RecoveryKeys",
            Kind::NamedTexts,
            "none",
            "RSA public keys (PEM, PUBLIC KEY) whose owners can bring the coordinator back",
        ),
        Key::marblerun(
            "TLS",
            Kind::Names(&TLS_TAG),
            "none",
            "connections that a runtime wraps in TLS, by tag",
        )
        .later(),
    ],
};

/// Every object that can be reached, each once.
pub(crate) fn objects() -> Vec<&'static Object> {
    let mut found: Vec<&'static Object> = vec![&MANIFEST];
    let mut at = 0;
    while at < found.len() {
        for key in found[at].keys {
            let inner = match key.kind {
                Kind::Object(inner) | Kind::List(inner) | Kind::Names(inner) => inner,
                Kind::Contents => &CONTENT,
                Kind::Certificate => &CERTIFICATE,
                _ => continue,
            };
            if !found.iter().any(|known| std::ptr::eq(*known, inner)) {
                found.push(inner);
            }
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_without_case_and_every_key_has_a_rule() {
        let objects = objects();
        assert!(objects.len() >= 18, "{}", objects.len());
        for object in objects {
            for (at, key) in object.keys.iter().enumerate() {
                let same = |other: &Key| other.name.eq_ignore_ascii_case(key.name);
                assert!(
                    !object.keys[..at].iter().any(same),
                    "{}.{}",
                    object.name,
                    key.name
                );
                assert!(!key.rule.is_empty() && !key.rule.contains(['\n', '|']));
            }
        }
    }

    /// What slips make of a key: a letter left out, doubled, or swapped with its neighbour.
    fn slips(name: &str) -> Vec<String> {
        let letters: Vec<char> = name.chars().collect();
        let (last, whole) = (letters.len() - 1, name.to_owned());
        let mut swapped = letters.clone();
        swapped.swap(0, 1);
        vec![
            letters[..last].iter().collect(),
            letters[1..].iter().collect(),
            format!("{whole}{}", letters[last]),
            swapped.iter().collect(),
        ]
    }

    #[test]
    fn every_slip_of_every_key_is_unknown_and_the_key_is_suggested() {
        let mut wrong = Vec::new();
        let mut tried = 0;
        for object in objects() {
            for key in object.keys {
                for slip in slips(key.name) {
                    if slip.eq_ignore_ascii_case(key.name) || object.find(&slip).is_some() {
                        continue; // `Uri` for `uRi`, `SigneID` is no other key
                    }
                    tried += 1;
                    let near = crate::suggest::nearest(&slip, object.names());
                    // Between `CPUSVN`, `PCESVN` and `QESVN` one slip is as near to one as to another.
                    let alike = key.name.ends_with("SVN") && near.is_some();
                    if near != Some(key.name) && !alike {
                        wrong.push(format!("{}.{slip}: {near:?}", object.name));
                    }
                }
            }
        }
        assert!(tried > 400, "only {tried}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

//! Values while a template is rendered. Secrets are borrowed from the scope, or made here and wiped.

use std::ops::Deref;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::error::TemplateCause;
use super::{Entry, EntryKind, Generation, Root, Scope};
use crate::suggest;

/// Bytes of the scope, or bytes made here, which all values share that hold them.
#[derive(Clone)]
pub(super) enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Made(Rc<Zeroizing<Vec<u8>>>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl From<Buffer> for Bytes<'_> {
    fn from(buffer: Buffer) -> Self {
        Self::Made(Rc::new(buffer.into_inner()))
    }
}

/// A value. What is a struct or a map in Go is a step on the way here.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// A Go string.
    Text(Bytes<'a>),
    /// A Go `[]byte` that is no whole field of a secret.
    Octets(Bytes<'a>),
    /// `.`
    Data,
    /// `.MarbleRun`
    MarbleRun,
    /// `.Previous`
    Previous,
    /// `.Secrets`, `.Previous.Secrets`
    Secrets(Generation),
    /// One secret, or one of `.MarbleRun`'s entries.
    Entry(Named<'a>),
    /// `.Cert`, `.Private` or `.Public` of one.
    Part(Named<'a>, Part),
}

/// An entry and how it was named.
#[derive(Clone)]
pub(super) struct Named<'a> {
    pub(super) root: Root,
    pub(super) name: String,
    pub(super) entry: Entry<'a>,
}

/// A field of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Cert,
    Private,
    Public,
}

/// The names of `.MarbleRun`.
pub(crate) const MARBLERUN: [&str; 4] = [
    "RootCA",
    "MarbleCert",
    "CoordinatorRoot",
    "CoordinatorIntermediate",
];

impl<'a> Named<'a> {
    /// Looks an entry up.
    pub(super) fn find(
        scope: &'a dyn Scope,
        root: Root,
        name: &str,
    ) -> Result<Self, TemplateCause> {
        let entry = scope.entry(root, name).ok_or_else(|| match root {
            Root::MarbleRun => unknown_field(".MarbleRun", name, &MARBLERUN),
            Root::Secrets => unknown_secret(name, Generation::Current),
            Root::PreviousSecrets => unknown_secret(name, Generation::Previous),
        })?;
        let name = name.to_owned();
        Ok(Self { root, name, entry })
    }

    /// How a template would write it: `.Secrets.db`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.root.path(), self.name)
    }

    /// The bytes of a field, not empty.
    pub(super) fn part(&self, part: Part) -> Result<&'a [u8], TemplateCause> {
        match self.part_or_empty(part) {
            [] => Err(TemplateCause::Empty(format!(
                "{}.{}",
                self.path(),
                part.name()
            ))),
            bytes => Ok(bytes),
        }
    }

    /// The bytes of a field.
    pub(super) fn part_or_empty(&self, part: Part) -> &'a [u8] {
        let keyless = self.entry.kind != EntryKind::Certificate;
        match part {
            Part::Cert => self.entry.certificate,
            // MarbleRun's symmetric keys stand in both fields.
            Part::Private if keyless => self.entry.public,
            Part::Private => self.entry.private,
            Part::Public => self.entry.public,
        }
    }
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cert => "Cert",
            Self::Private => "Private",
            Self::Public => "Public",
        }
    }
}

impl<'a> Value<'a> {
    /// The value of a field of this.
    pub(super) fn field(self, name: &str, scope: &'a dyn Scope) -> Result<Self, TemplateCause> {
        match self {
            Self::Data => match name {
                "MarbleRun" => Ok(Self::MarbleRun),
                "Secrets" => Ok(Self::Secrets(Generation::Current)),
                "Previous" => Ok(Self::Previous),
                _ => Err(unknown_field(
                    ".",
                    name,
                    &["MarbleRun", "Secrets", "Previous"],
                )),
            },
            Self::Previous if name == "Secrets" => Ok(Self::Secrets(Generation::Previous)),
            Self::Previous => Err(unknown_field(".Previous", name, &["Secrets"])),
            Self::MarbleRun => Named::find(scope, Root::MarbleRun, name).map(Self::Entry),
            Self::Secrets(generation) => {
                Named::find(scope, generation.root(), name).map(Self::Entry)
            }
            Self::Entry(entry) => {
                let part = match name {
                    "Cert" => Part::Cert,
                    "Private" => Part::Private,
                    "Public" => Part::Public,
                    "Type" => {
                        let text = entry.entry.facts.kind.as_bytes();
                        return Ok(Self::Text(Bytes::Borrowed(text)));
                    }
                    "Size" => return Ok(Self::Integer(entry.entry.facts.size.into())),
                    "ValidFor" => return Ok(Self::Integer(entry.entry.facts.valid_for.into())),
                    "Shared" => return Ok(Self::Bool(entry.entry.facts.shared)),
                    "UserDefined" => return Ok(Self::Bool(entry.entry.facts.user_defined)),
                    _ => {
                        return Err(unknown_field(
                            &entry.path(),
                            name,
                            &[
                                "Cert",
                                "Private",
                                "Public",
                                "Type",
                                "Size",
                                "Shared",
                                "UserDefined",
                                "ValidFor",
                            ],
                        ));
                    }
                };
                Ok(Self::Part(entry, part))
            }
            other => Err(TemplateCause::UnknownField {
                of: other.described(),
                name: name.to_owned(),
                remedy: None,
            }),
        }
    }

    /// Whether it counts as true in a condition: as in Go, whatever is not empty, and every struct.
    pub(super) fn truth(&self, scope: &dyn Scope) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Integer(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(bytes) | Self::Octets(bytes) => !bytes.is_empty(),
            Self::Secrets(generation) => !scope.names(generation.root()).is_empty(),
            Self::Part(entry, part @ (Part::Private | Part::Public)) => {
                !entry.part_or_empty(*part).is_empty()
            }
            Self::Data | Self::MarbleRun | Self::Previous | Self::Entry(_) | Self::Part(..) => true,
        }
    }

    /// Its bytes if it is a Go `[]byte`.
    pub(super) fn octets(&self) -> Option<Bytes<'a>> {
        match self {
            Self::Octets(bytes) => Some(bytes.clone()),
            Self::Part(entry, part @ (Part::Private | Part::Public)) => {
                Some(Bytes::Borrowed(entry.part_or_empty(*part)))
            }
            _ => None,
        }
    }

    /// How much a function that reads it reads.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Octets(bytes) => bytes.len(),
            Self::Part(entry, part) => entry.part_or_empty(*part).len(),
            Self::Entry(entry) => entry.part_or_empty(Part::Public).len(),
            _ => 0,
        }
    }

    /// What an error calls it; never the value of a secret.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Nil => "nil".into(),
            Self::Bool(_) => "a truth value".into(),
            Self::Integer(_) => "a number".into(),
            Self::Float(_) => "a number with a point".into(),
            Self::Text(_) => "a text".into(),
            Self::Octets(_) => "a list of bytes".into(),
            Self::Data => ".".into(),
            Self::MarbleRun => ".MarbleRun".into(),
            Self::Previous => ".Previous".into(),
            Self::Secrets(generation) => generation.root().path().into(),
            Self::Entry(entry) => entry.path(),
            Self::Part(entry, part) => format!("{}.{}", entry.path(), part.name()),
        }
    }
}

fn unknown_field(of: &str, name: &str, known: &[&str]) -> TemplateCause {
    TemplateCause::UnknownField {
        of: of.to_owned(),
        name: name.to_owned(),
        remedy: suggest::remedy(name, known.iter().copied()),
    }
}

fn unknown_secret(name: &str, generation: Generation) -> TemplateCause {
    let name = name.to_owned();
    TemplateCause::UnknownSecret { name, generation }
}

//! Values while a template is rendered. Secrets are borrowed from the scope, or made here and wiped.

use std::ops::Deref;

use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::error::TemplateCause;
use super::{Entry, EntryKind, Generation, Root, Scope};
use crate::suggest;

/// Bytes of the scope, or bytes made here.
pub(super) enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Made(Zeroizing<Vec<u8>>),
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
        Self::Made(buffer.into_inner())
    }
}

/// A value. What is a struct or a map in Go is a step on the way here.
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Integer(i64),
    /// A Go string.
    Text(Bytes<'a>),
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
        let keyless = self.entry.kind != EntryKind::Certificate;
        let bytes = match part {
            Part::Cert => self.entry.certificate,
            // MarbleRun's symmetric keys stand in both fields.
            Part::Private if keyless => self.entry.public,
            Part::Private => self.entry.private,
            Part::Public => self.entry.public,
        };
        match bytes {
            [] => Err(TemplateCause::Empty(format!(
                "{}.{}",
                self.path(),
                part.name()
            ))),
            bytes => Ok(bytes),
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
                    "Type" | "Size" | "Shared" | "UserDefined" | "ValidFor" => {
                        return Err(TemplateCause::NotServed(format!(
                            "the field `{}.{name}`",
                            entry.path()
                        )));
                    }
                    _ => {
                        return Err(unknown_field(
                            &entry.path(),
                            name,
                            &["Cert", "Private", "Public"],
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

    /// What an error calls it; never the value of a secret.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Nil => "nil".into(),
            Self::Bool(_) => "a truth value".into(),
            Self::Integer(_) => "a number".into(),
            Self::Text(_) => "a text".into(),
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

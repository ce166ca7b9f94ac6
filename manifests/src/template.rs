//! Templates in files and environment variables: Go's `text/template` on byte strings.
//!
//! All of Go's grammar but complex constants and calls of values. Source: Go's text/template (Go 1.26), checked against its
//! answers in `tests/templates/answers.jsonl`; docs/reference/templates.md.
//!
//! Does not live here: where values come from (the caller's [`Scope`]), where results go.

mod ast;
mod buffer;
mod builtin;
mod compare;
mod control;
mod error;
mod escape;
mod eval;
mod lex;
mod literal;
mod number;
mod parse;
mod printf;
mod uses;
mod value;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;

use zeroize::Zeroizing;

use crate::limits::TEMPLATE_WORK_MAX;
use crate::secret::{SecretDefinition, SecretKind, Source};

pub use error::{TemplateCause, TemplateError};
pub(crate) use value::MARBLERUN;

/// Where a template stands; the places have different functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A file: `pem hex raw base64`.
    File,
    /// An environment variable: `pem hex string base64`; the result holds no NUL byte.
    Env,
}

/// Of the secrets in force, or of those before the last update of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// `.Secrets`
    Current,
    /// `.Previous.Secrets`
    Previous,
}

impl Generation {
    /// Where a [`Scope`] has these secrets.
    #[must_use]
    pub fn root(self) -> Root {
        match self {
            Self::Current => Root::Secrets,
            Self::Previous => Root::PreviousSecrets,
        }
    }
}

/// A secret that a template names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// Which of the two.
    pub generation: Generation,
    /// The secret's name in the manifest.
    pub name: String,
}

impl SecretUse {
    pub(crate) fn new(generation: Generation, name: &str) -> Self {
        let name = name.to_owned();
        Self { generation, name }
    }
}

/// What templates can name: the values of one activation.
pub trait Scope {
    /// The entry of that name, or nothing if there is none.
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>>;

    /// The names of all entries of a place that holds secrets, in their order.
    fn names(&self, root: Root) -> Vec<&str>;
}

/// The three places that hold entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// `.MarbleRun`: exactly `RootCA`, `MarbleCert`, `CoordinatorRoot`, `CoordinatorIntermediate`. None
    /// has a private key: the coordinator's stay with it, and the marble's with the marble.
    MarbleRun,
    /// `.Secrets`
    Secrets,
    /// `.Previous.Secrets`
    PreviousSecrets,
}

impl Root {
    /// As a template writes it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::MarbleRun => ".MarbleRun",
            Self::Secrets => ".Secrets",
            Self::PreviousSecrets => ".Previous.Secrets",
        }
    }
}

/// What sort of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryKind {
    /// A key of bytes, in `public`.
    SymmetricKey,
    /// A certificate with its keys.
    #[default]
    Certificate,
    /// Bytes that a user set, in `public`.
    Plain,
}

impl EntryKind {
    /// That of a secret.
    #[must_use]
    pub fn of(kind: SecretKind) -> Self {
        match kind {
            SecretKind::SymmetricKey { .. } => Self::SymmetricKey,
            SecretKind::Plain => Self::Plain,
            _ => Self::Certificate,
        }
    }
}

/// What the manifest says of a secret: the fields `Type`, `Size`, `Shared`, `UserDefined`, `ValidFor`. At their zeros for
/// `.MarbleRun`'s certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    pub(crate) kind: &'static str,
    pub(crate) size: u32,
    pub(crate) shared: bool,
    pub(crate) user_defined: bool,
    pub(crate) valid_for: u32,
}

impl Facts {
    /// Those of a definition.
    #[must_use]
    pub fn of(definition: &SecretDefinition) -> Self {
        let (kind, size) = match definition.kind {
            SecretKind::SymmetricKey { bits } => ("symmetric-key", bits),
            SecretKind::CertEcdsa { bits } => ("cert-ecdsa", bits),
            SecretKind::CertEd25519 => ("cert-ed25519", 0),
            SecretKind::CertRsa { bits } => ("cert-rsa", bits),
            SecretKind::Plain => ("plain", 0),
        };
        Self {
            kind,
            size,
            shared: definition.shared,
            user_defined: definition.source == Source::User,
            valid_for: definition.certificate.valid_for_days,
        }
    }
}

/// One secret, or one of `.MarbleRun`'s certificates, borrowed for the time of rendering.
#[derive(Clone, Copy, Default)]
pub struct Entry<'a> {
    /// What sort it is.
    pub kind: EntryKind,
    /// DER; empty if there is none.
    pub certificate: &'a [u8],
    /// PKCS #8, DER; empty if there is none. Not looked at unless `kind` is `Certificate`.
    pub private: &'a [u8],
    /// SubjectPublicKeyInfo, DER; for a symmetric key and plain bytes the value itself.
    pub public: &'a [u8],
    /// What the manifest says of it.
    pub facts: Facts,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("kind", &self.kind)
            .field(
                "certificate",
                &format_args!("{} bytes", self.certificate.len()),
            )
            .field("private", &format_args!("<secret>"))
            .field("public", &format_args!("<secret>"))
            .finish()
    }
}

/// A parsed template.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    source: Vec<u8>,
    place: Place,
    tree: ast::Tree,
    uses: uses::Uses,
}

impl Template {
    /// Parses a template for its place.
    ///
    /// # Errors
    /// The first thing in it that Go's grammar does not allow, or that is not served yet, or that names no known function,
    /// with its line.
    pub fn parse(source: &[u8], place: Place) -> Result<Self, TemplateError> {
        let tree = parse::tree(source, place)?;
        let uses = uses::of(&tree);
        let source = source.to_vec();
        Ok(Self {
            source,
            place,
            tree,
            uses,
        })
    }

    /// The result with the values of `scope`. Everything on the way there is borrowed or wiped.
    ///
    /// # Errors
    /// A field or secret that `scope` does not have, an empty value, arguments that don't fit, or a result that is too
    /// large or, in a variable, has a NUL byte.
    pub fn render(&self, scope: &dyn Scope) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        self.render_within(scope, &Cell::new(TEMPLATE_WORK_MAX))
    }

    /// The same within what `work` has left of [`TEMPLATE_WORK_MAX`], which becomes less.
    pub(crate) fn render_within(
        &self,
        scope: &dyn Scope,
        work: &Cell<u64>,
    ) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        let rendered = control::render(&self.tree, &self.source, scope, work)?;
        if self.place == Place::Env && rendered.contains(&0) {
            return Err(TemplateError::at(&self.source, 0, TemplateCause::NulByte));
        }
        Ok(rendered)
    }

    /// The secrets that it names, in order of generation and name. Rendering looks up no others, unless it uses all.
    pub fn secrets_used(&self) -> impl Iterator<Item = &SecretUse> {
        self.uses.named.iter()
    }

    /// Whether it can look up any secret of a generation: by `range`, or by a name that is not written out.
    #[must_use]
    pub fn uses_all(&self, generation: Generation) -> bool {
        self.uses.all.contains(&generation)
    }

    /// The error that it names a secret which the manifest does not have.
    pub(crate) fn names_unknown(&self, used: &SecretUse) -> TemplateError {
        let cause = TemplateCause::UnknownSecret {
            name: used.name.clone(),
            generation: used.generation,
        };
        // The first place of the name is near enough for a line.
        let name = used.name.as_bytes();
        let at = self
            .source
            .windows(name.len().max(1))
            .position(|window| window == name);
        TemplateError::at(&self.source, at.unwrap_or(0), cause)
    }

    /// The template as it stands in the manifest.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("source", &String::from_utf8_lossy(&self.source))
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

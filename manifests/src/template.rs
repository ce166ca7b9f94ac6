//! Templates in files and environment variables: Go's `text/template` on byte strings.
//!
//! Served now: text, trimming, comments, pipelines, parentheses, field chains, whole numbers, texts, `$`, the functions
//! `pem hex raw base64 string index len print println printf`. Everything else of Go's grammar is refused by name when
//! the template is parsed. Source: Go's text/template (Go 1.26), checked against its answers in
//! `tests/templates/answers.jsonl`; docs/reference/templates.md.
//!
//! Does not live here: where values come from (the caller's [`Scope`]), where results go.

mod ast;
mod buffer;
mod error;
mod eval;
mod lex;
mod literal;
mod parse;
mod printf;
mod uses;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A key of bytes, in `public`.
    SymmetricKey,
    /// A certificate with its keys.
    Certificate,
    /// Bytes that a user set, in `public`.
    Plain,
}

/// One secret, or one of `.MarbleRun`'s certificates, borrowed for the time of rendering.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// What sort it is.
    pub kind: EntryKind,
    /// DER; empty if there is none.
    pub certificate: &'a [u8],
    /// PKCS #8, DER; empty if there is none. Not looked at unless `kind` is `Certificate`.
    pub private: &'a [u8],
    /// SubjectPublicKeyInfo, DER; for a symmetric key and plain bytes the value itself.
    pub public: &'a [u8],
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
    nodes: Vec<ast::Node>,
    uses: BTreeSet<SecretUse>,
}

impl Template {
    /// Parses a template for its place.
    ///
    /// # Errors
    /// The first thing in it that Go's grammar does not allow, or that is not served yet, or that names no known function,
    /// with its line.
    pub fn parse(source: &[u8], place: Place) -> Result<Self, TemplateError> {
        let nodes = parse::nodes(source, place)?;
        let uses = uses::of(&nodes, source)?;
        let source = source.to_vec();
        Ok(Self {
            source,
            place,
            nodes,
            uses,
        })
    }

    /// The result with the values of `scope`. Everything on the way there is borrowed or wiped.
    ///
    /// # Errors
    /// A field or secret that `scope` does not have, an empty value, arguments that don't fit, or a result that is too
    /// large or, in a variable, has a NUL byte.
    pub fn render(&self, scope: &dyn Scope) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        let rendered = eval::render(&self.nodes, &self.source, scope)?;
        if self.place == Place::Env && rendered.contains(&0) {
            return Err(TemplateError::at(&self.source, 0, TemplateCause::NulByte));
        }
        Ok(rendered)
    }

    /// Exactly the secrets that rendering looks up, in order of generation and name.
    pub fn secrets_used(&self) -> impl Iterator<Item = &SecretUse> {
        self.uses.iter()
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

//! What is wrong with a manifest: every fault with the path of its field, its cause and its remedy.
//!
//! Does not live here: the rules themselves (they live beside the field they are about).

use std::fmt;

use stoa_explain::Explain;

use crate::limits::{FAULTS_MAX, SHOWN_CHARS_MAX};

/// One fault of a manifest. Read aloud, path, cause and remedy are a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `Marbles.signer.Package`, `Marbles.signer.Parameters.Files["/etc/key"]`, `line 3, column 7`.
    pub path: String,
    /// What is there and why it can't be: "names `singer`, which Packages does not have".
    pub cause: String,
    /// What to do: "did you mean `signer`?"; `None` where the cause says it.
    pub remedy: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.cause)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Why a manifest was refused: all its faults, part by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    faults: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// The faults; never empty, at most [`FAULTS_MAX`].
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many faults were found beyond those listed.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    pub(crate) fn one(path: impl Into<String>, cause: String, remedy: Option<String>) -> Self {
        let path = path.into();
        Self {
            faults: vec![Fault {
                path,
                cause,
                remedy,
            }],
            more: 0,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() + self.more {
            1 => f.write_str("the manifest has 1 fault"),
            count => write!(f, "the manifest has {count} faults"),
        }
    }
}

impl std::error::Error for Faults {}

impl Explain for Faults {
    fn code(&self) -> &'static str {
        "manifest-invalid"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "mend each field that is listed and set the manifest again; nothing was changed".into(),
        )
    }
}

/// Where faults and warnings are gathered while a manifest is read.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    faults: Vec<Fault>,
    more: usize,
    warnings: Vec<Fault>,
}

impl Sink {
    pub(crate) fn fault(
        &mut self,
        path: &Path,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(path, cause.into(), Some(remedy.into()));
    }

    /// A fault whose cause says what to do.
    pub(crate) fn plain_fault(&mut self, path: &Path, cause: impl Into<String>) {
        self.push(path, cause.into(), None);
    }

    fn push(&mut self, path: &Path, cause: String, remedy: Option<String>) {
        if self.faults.len() == FAULTS_MAX {
            self.more += 1;
            return;
        }
        let path = path.to_string();
        self.faults.push(Fault {
            path,
            cause,
            remedy,
        });
    }

    /// Something that is allowed and probably not meant.
    pub(crate) fn warn(
        &mut self,
        path: &Path,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.warnings.len() < FAULTS_MAX {
            self.warnings.push(Fault {
                path: path.to_string(),
                cause: cause.into(),
                remedy: Some(remedy.into()),
            });
        }
    }

    /// The warnings, if there was no fault.
    pub(crate) fn finish(self) -> Result<Vec<Fault>, Faults> {
        if self.faults.is_empty() {
            return Ok(self.warnings);
        }
        Err(Faults {
            faults: self.faults,
            more: self.more,
        })
    }
}

/// The way to a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path(String);

impl Path {
    /// The way to a key that the format knows.
    pub(crate) fn key(&self, key: &str) -> Self {
        if self.0.is_empty() {
            return Self(key.to_owned());
        }
        Self(format!("{}.{key}", self.0))
    }

    /// The way to an entry that the deployer named: with quotes if the name could be misread.
    pub(crate) fn name(&self, name: &str) -> Self {
        let plain = !name.is_empty()
            && name.len() <= SHOWN_CHARS_MAX
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if plain {
            return self.key(name);
        }
        Self(format!("{}[{}]", self.0, quoted(name)))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "manifest"
        } else {
            &self.0
        })
    }
}

/// A posted text as a fault repeats it: in quotes, escaped, shortened.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_quote_names_that_could_be_misread() {
        let marbles = Path::default().key("Marbles");
        assert_eq!(marbles.name("front-end").to_string(), "Marbles.front-end");
        assert_eq!(marbles.name("a.b").to_string(), "Marbles[\"a.b\"]");
        assert_eq!(marbles.name("").to_string(), "Marbles[\"\"]");
        assert_eq!(marbles.name("x\ny").to_string(), "Marbles[\"x\\ny\"]");
        assert_eq!(Path::default().to_string(), "manifest");
    }

    #[test]
    fn shown_values_are_short_and_on_one_line() {
        let shown = quoted(&"é\n".repeat(1000));
        assert!(shown.chars().count() < 2 * SHOWN_CHARS_MAX + 4, "{shown}");
        assert!(!shown.contains('\n'));
        assert!(shown.ends_with("…\""));
    }

    #[test]
    fn faults_beyond_the_limit_are_counted() {
        let mut sink = Sink::default();
        for n in 0..FAULTS_MAX + 7 {
            sink.plain_fault(&Path::default().index(n), "is wrong");
        }
        let faults = sink.finish().unwrap_err();
        assert_eq!(faults.faults().len(), FAULTS_MAX);
        assert_eq!(faults.more(), 7);
        assert_eq!(faults.to_string(), "the manifest has 107 faults");
    }
}

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
    faults: Vec<(Class, Fault)>,
    more_wrong: usize,
    more_unserved: usize,
    warnings: Vec<Fault>,
    ours: Vec<String>,
}

/// Whether a fault is the manifest's or this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Wrong,
    Unserved,
}

/// What was said about a manifest that has no fault of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    /// Allowed and probably not meant.
    pub(crate) warnings: Vec<Fault>,
    /// What this version does not do yet, as faults.
    pub(crate) unserved: Vec<Fault>,
    /// Paths of keys that MarbleRun does not know.
    pub(crate) ours: Vec<String>,
}

/// Whether what is not served yet is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unserved {
    Refused,
    Kept,
}

impl Sink {
    pub(crate) fn fault(
        &mut self,
        path: &Path,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Class::Wrong, path, cause.into(), Some(remedy.into()));
    }

    /// A fault whose cause says what to do.
    pub(crate) fn plain_fault(&mut self, path: &Path, cause: impl Into<String>) {
        self.push(Class::Wrong, path, cause.into(), None);
    }

    /// Something right that this version does not do.
    pub(crate) fn unserved(
        &mut self,
        path: &Path,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Class::Unserved, path, cause.into(), Some(remedy.into()));
    }

    /// Whether one more fault would only be counted: what it says needs no work then.
    pub(crate) fn is_full(&self) -> bool {
        let wrong = |(class, _): &&(Class, Fault)| *class == Class::Wrong;
        self.faults.iter().filter(wrong).count() >= FAULTS_MAX
    }

    fn push(&mut self, class: Class, path: &Path, cause: String, remedy: Option<String>) {
        if self.faults.len() == FAULTS_MAX {
            let other = self
                .faults
                .iter()
                .rposition(|(class, _)| *class == Class::Unserved);
            // A fault of the manifest is not lost behind many that are only not served.
            match (class, other) {
                (Class::Wrong, Some(place)) => {
                    self.more_unserved += 1;
                    self.faults.remove(place);
                }
                (Class::Wrong, None) => {
                    self.more_wrong += 1;
                    return;
                }
                (Class::Unserved, _) => {
                    self.more_unserved += 1;
                    return;
                }
            }
        }
        let path = path.to_string();
        let fault = Fault {
            path,
            cause,
            remedy,
        };
        self.faults.push((class, fault));
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

    /// A key that is there and that MarbleRun does not know.
    pub(crate) fn ours(&mut self, path: &Path) {
        if self.ours.len() < FAULTS_MAX {
            self.ours.push(path.to_string());
        }
    }

    /// What remains to be said, if there was no fault.
    pub(crate) fn finish(self, unserved: Unserved) -> Result<Remarks, Faults> {
        let refused = |class: Class| class == Class::Wrong || unserved == Unserved::Refused;
        let more = match unserved {
            Unserved::Refused => self.more_wrong + self.more_unserved,
            Unserved::Kept => self.more_wrong,
        };
        if !self.faults.iter().any(|(class, _)| refused(*class)) {
            let faults = self.faults.into_iter();
            return Ok(Remarks {
                warnings: self.warnings,
                unserved: faults.map(|(_, fault)| fault).collect(),
                ours: self.ours,
            });
        }
        let faults = self.faults.into_iter();
        Err(Faults {
            faults: faults
                .filter(|(class, _)| refused(*class))
                .map(|(_, fault)| fault)
                .collect(),
            more,
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
    fn a_fault_behind_many_that_are_only_not_served_is_not_lost() {
        let mut sink = Sink::default();
        for n in 0..FAULTS_MAX + 7 {
            sink.unserved(&Path::default().index(n), "is new", "wait");
        }
        sink.plain_fault(&Path::default(), "is wrong");
        let faults = sink.finish(Unserved::Kept).unwrap_err();
        assert_eq!(faults.faults().len(), 1);
        assert_eq!(faults.faults()[0].cause, "is wrong");
    }

    #[test]
    fn faults_beyond_the_limit_are_counted() {
        let mut sink = Sink::default();
        for n in 0..FAULTS_MAX + 7 {
            sink.plain_fault(&Path::default().index(n), "is wrong");
        }
        let faults = sink.finish(Unserved::Refused).unwrap_err();
        assert_eq!(faults.faults().len(), FAULTS_MAX);
        assert_eq!(faults.more(), 7);
        assert_eq!(faults.to_string(), "the manifest has 107 faults");
    }
}

//! What every error of Stoa can say beside its cause: a stable code and a remedy; and the list of all codes.
//!
//! Does not live here: error types (they live in the crate that refuses), rendering (`cli`), HTTP statuses (`proto`).

mod codes;

/// An error that names itself for machines and helps people.
///
/// `Display` is the exact cause with its values, one line, no full stop; inner errors are in `source()`.
pub trait Explain: std::error::Error {
    /// Stable, lower-case, words joined by dashes, never reused: `tcb-not-accepted`.
    ///
    /// Each code has an entry in [`codes`] and a row in docs/reference/errors.md.
    fn code(&self) -> &'static str;

    /// What the reader can do now, in the imperative; `None` if it is a bug of ours.
    fn remedy(&self) -> Option<String>;
}

/// One entry of the list of codes: what `stoa explain CODE` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The stable code, as [`Explain::code`] returns it.
    pub code: &'static str,
    /// What it means, one or two sentences.
    pub meaning: &'static str,
    /// What to do about it, in the imperative.
    pub remedy: &'static str,
}

/// All codes of all rooms, grouped by room.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    codes::ROOMS.iter().flat_map(|room| room.iter())
}

/// The entry of one code, if there is such a code.
#[must_use]
pub fn lookup(code: &str) -> Option<&'static Code> {
    codes().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_lower_case_and_explained() {
        let mut seen = BTreeSet::new();
        for entry in codes() {
            assert!(
                seen.insert(entry.code),
                "code `{}` stands twice",
                entry.code
            );
            assert!(
                entry
                    .code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "code `{}` is not lower-case words joined by dashes",
                entry.code
            );
            assert!(
                entry.meaning.len() > 10,
                "code `{}` has no meaning",
                entry.code
            );
            assert!(
                entry.remedy.len() > 5,
                "code `{}` has no remedy",
                entry.code
            );
        }
    }

    #[test]
    fn lookup_finds_only_listed_codes() {
        assert!(codes().all(|entry| lookup(entry.code) == Some(entry)));
        assert!(lookup("no-such-code").is_none());
    }
}

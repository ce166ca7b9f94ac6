//! Whom the coordinator said no to: the last users, and the last of those who are none, each in a list of its own.
//!
//! In memory only: else whoever is refused could fill the disk. It does not outlive the process.
//!
//! Does not live here: refused marbles (`view`), what was done (`audit`).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Refusals that each list remembers.
pub const DENIED_MAX: usize = 128;
/// Characters of a reason that are remembered.
pub const DENIED_REASON_CHARS_MAX: usize = 1024;

/// Someone who was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// When, Unix time.
    pub time: u64,
    /// SHA-256 of their client certificate; `None` if there was none.
    pub certificate: Option<[u8; 32]>,
    /// What they asked for: method and path.
    pub what: String,
    /// Stable code of the refusal.
    pub code: &'static str,
    /// The refusal in words, at most [`DENIED_REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// The last refusals.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<[VecDeque<Denied>; 2]>);

impl Denials {
    /// Remembers one.
    pub(crate) fn note(&self, denied: Denied) {
        let reason = denied
            .reason
            .chars()
            .take(DENIED_REASON_CHARS_MAX)
            .collect();
        let stranger = denied.code == "user-unknown";
        // The lists are whole after every statement that changes them.
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &mut lists[usize::from(stranger)];
        if list.len() == DENIED_MAX {
            list.pop_front();
        }
        list.push_back(Denied { reason, ..denied });
    }

    /// All that are remembered: users, then others; each oldest first.
    pub(crate) fn all(&self) -> Vec<Denied> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_push_users_out_and_nothing_grows() {
        let denials = Denials::default();
        let one = |code: &'static str| Denied {
            time: 1,
            certificate: None,
            what: "GET /audit".to_owned(),
            code,
            reason: "é".repeat(5000),
        };
        denials.note(one("not-permitted"));
        for _ in 0..DENIED_MAX + 5 {
            denials.note(one("user-unknown"));
        }
        let all = denials.all();
        assert_eq!(all.len(), DENIED_MAX + 1);
        assert_eq!(all[0].code, "not-permitted");
        assert_eq!(all[0].reason.chars().count(), DENIED_REASON_CHARS_MAX);
    }
}

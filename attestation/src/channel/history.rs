//! The history of manifests, and its head: a chain of hashes that names every manifest that ever was in force.
//!
//! Source: docs/protocol/attest-1.md, section 5.

use sha2::{Digest, Sha256};
use stoa_explain::Explain;

use crate::lp::Writer;

const LABEL: &str = "stoa/transition/1";

/// One manifest coming into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// SHA-256 of the manifest's bytes as the user set them.
    pub manifest_sha256: [u8; 32],
    /// Its place in the history, from 1.
    pub epoch: u64,
    /// When it came into force, Unix seconds.
    pub time: u64,
}

/// The head after one more transition; `prev` is 32 zeros before the first.
#[must_use]
pub fn transition_head(
    prev: &[u8; 32],
    manifest_sha256: &[u8; 32],
    epoch: u64,
    time: u64,
) -> [u8; 32] {
    Sha256::digest(
        Writer::new()
            .field(LABEL.as_bytes())
            .field(prev)
            .field(manifest_sha256)
            .u64(epoch)
            .u64(time)
            .finish(),
    )
    .into()
}

/// The head of a whole history, oldest first; `None` if it is empty.
///
/// # Errors
/// [`BadHistory`] if the epochs do not count 1, 2, 3 and so on.
pub fn history_head(history: &[Transition]) -> Result<Option<[u8; 32]>, BadHistory> {
    let mut head = None;
    for (wanted, transition) in (1..).zip(history) {
        if transition.epoch != wanted {
            return Err(BadHistory {
                wanted,
                got: transition.epoch,
            });
        }
        let prev = head.unwrap_or([0; 32]);
        head = Some(transition_head(
            &prev,
            &transition.manifest_sha256,
            transition.epoch,
            transition.time,
        ));
    }
    Ok(head)
}

/// A history with a gap, a double or another beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {wanted} of the history has epoch {got}; epochs count from 1 without a gap")]
pub struct BadHistory {
    /// The entry's place, counted from 1, which is the epoch that it must have.
    pub wanted: u64,
    /// The epoch that it has.
    pub got: u64,
}

impl Explain for BadHistory {
    fn code(&self) -> &'static str {
        "history-malformed"
    }

    fn remedy(&self) -> Option<String> {
        Some("take the history whole, oldest first, from the coordinator's statement".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn transition(epoch: u64) -> Transition {
        Transition {
            manifest_sha256: [7; 32],
            epoch,
            time: 1000 + epoch,
        }
    }

    #[test]
    fn an_empty_history_has_no_head() {
        assert_eq!(history_head(&[]).unwrap(), None);
    }

    #[test]
    fn each_head_covers_the_one_before_it() {
        let first = transition_head(&[0; 32], &[7; 32], 1, 1001);
        assert_eq!(history_head(&[transition(1)]).unwrap(), Some(first));
        let second = transition_head(&first, &[7; 32], 2, 1002);
        assert_eq!(
            history_head(&[transition(1), transition(2)]).unwrap(),
            Some(second)
        );
        assert_ne!(second, transition_head(&[0; 32], &[7; 32], 2, 1002));
    }

    #[test]
    fn epochs_count_from_one_without_a_gap() {
        assert_eq!(
            history_head(&[transition(0)]),
            Err(BadHistory { wanted: 1, got: 0 })
        );
        assert_eq!(
            history_head(&[transition(1), transition(1)]),
            Err(BadHistory { wanted: 2, got: 1 })
        );
        assert_eq!(
            history_head(&[transition(1), transition(3)]),
            Err(BadHistory { wanted: 2, got: 3 })
        );
    }
}

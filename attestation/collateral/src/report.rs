//! What an operator should know of the collateral that is kept.
//!
//! A vendor that publishes nothing for a while (Intel's PCK CRL stood still for 7.4 days in July 2026) is no reason to stop
//! while what is there still holds; it is a reason to say so early. When it has ended, the manifest's policy says for how
//! long it is still accepted (`grace`), and the service goes on serving the last.

use rustls_pki_types::UnixTime;
use stoa_attestation::{Collateral, CrlName, Dated, Utc};

/// Age of a PCK CRL from which on it is said, in seconds: it is published about daily, the root's once a year.
pub const CRL_AGE_WARN_SECS: u64 = 2 * 24 * 3600;
/// Time before the end of any object from which on it is said, in seconds.
pub const ENDING_WARN_SECS: u64 = 24 * 3600;

/// One platform's collateral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// TEE, FMSPC and CA.
    pub platform: String,
    /// Until when all of it holds, Unix seconds; `None` if there is none.
    pub not_after: Option<u64>,
    /// Who gave it.
    pub source: Option<String>,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// `newest`: the collateral that is kept, and who gave it.
pub(crate) fn row(
    platform: String,
    newest: Option<(&Collateral, &str)>,
    failure: Option<String>,
    now: UnixTime,
) -> Row {
    let mut warnings: Vec<String> = newest
        .map(|(collateral, _)| dates(collateral, now))
        .unwrap_or_default();
    warnings.extend(failure);
    Row {
        platform,
        not_after: newest.map(|(collateral, _)| collateral.valid_until().as_secs()),
        source: newest.map(|(_, source)| source.to_owned()),
        warnings,
    }
}

/// What is to be said of its dates at `now`.
#[must_use]
pub fn dates(collateral: &Collateral, now: UnixTime) -> Vec<String> {
    let now = now.as_secs();
    let mut said = Vec::new();
    for (object, window) in collateral.windows() {
        let (from, until) = (window.from.as_secs(), window.until.as_secs());
        let age = now.saturating_sub(from);
        if until < now {
            said.push(format!(
                "{object} ended at {}; it is accepted for as long as the manifest's grace says",
                Utc(window.until)
            ));
        } else if until - now < ENDING_WARN_SECS {
            said.push(format!("{object} ends at {}", Utc(window.until)));
        } else if object == Dated::Crl(CrlName::Pck) && age > CRL_AGE_WARN_SECS {
            said.push(format!(
                "{object} is of {}, {} days old: no newer one was published or reached us",
                Utc(window.from),
                age / (24 * 3600)
            ));
        }
    }
    said
}

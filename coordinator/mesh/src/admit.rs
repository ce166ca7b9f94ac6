//! May this evidence be this marble? Verified claims and a view in, an [`Admission`] out, and no other way.
//!
//! Runs before the writer, under the policy of the view; the admission carries that policy's epoch, and `decide` refuses
//! it when the epoch moved.
//!
//! Does not live here: whether evidence is genuine (`stoa_attestation`), budgets and instances (`machine`).

use rustls_pki_types::UnixTime;
use stoa_attestation::policy::{ReferenceValue, appraise, appraise_infrastructures};
use stoa_attestation::{Claims, Verified};

use crate::event::Grounds;
use crate::refusal::Refusal;
use crate::view::View;

/// Evidence that the manifest of one epoch takes for one of its marbles. Only [`admit`] makes it.
#[derive(Debug, Clone)]
pub struct Admission {
    pub(crate) marble: String,
    pub(crate) epoch: u64,
    pub(crate) grounds: Grounds,
    /// When it was appraised, Unix time.
    pub(crate) attested_at: u64,
    /// The last second that the evidence is good for, Unix time; nothing issued on it lives longer.
    pub(crate) until: u64,
    /// The newest date at which something in the collateral was signed, Unix time: no clock can be behind it.
    pub(crate) newest_issue_date: u64,
}

impl Admission {
    /// The marble.
    #[must_use]
    pub fn marble(&self) -> &str {
        &self.marble
    }

    /// Epoch of the manifest that it was appraised under.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Holds verified evidence against the package of `marble` and the infrastructures in the manifest in force.
///
/// # Errors
/// [`Refusal::StateNotAccepting`] without a manifest, [`Refusal::MarbleUnknown`], and [`Refusal::NotAdmitted`] with the
/// rule that refuses.
pub fn admit(
    view: &View,
    marble: &str,
    claims: &Verified<Claims>,
    now: UnixTime,
) -> Result<Admission, Refusal> {
    let policy = view.policy().ok_or(Refusal::StateNotAccepting {
        state: view.state(),
    })?;
    let unknown = || Refusal::MarbleUnknown {
        marble: marble.to_owned(),
        epoch: policy.epoch,
    };
    let definition = policy.manifest.marbles().get(marble).ok_or_else(unknown)?;
    // A manifest holds no dangling name.
    let package = policy
        .manifest
        .packages()
        .get(&definition.package)
        .ok_or_else(unknown)?;
    let now = view.at_floor(now);
    let references: &[ReferenceValue] = std::slice::from_ref(&package.reference);
    appraise(claims, references, &package.tcb, now)
        .and_then(|()| appraise_infrastructures(claims, policy.manifest.infrastructures()))
        .map_err(|rule| Refusal::NotAdmitted {
            marble: marble.to_owned(),
            package: definition.package.clone(),
            rule: Box::new(rule),
        })?;
    let collateral_end = claims.dates.collateral_until().as_secs();
    let with_grace = collateral_end.saturating_add(package.tcb.grace.as_secs());
    let issued = claims
        .dates
        .objects()
        .iter()
        .map(|(_, window)| window.from.as_secs());
    Ok(Admission {
        marble: marble.to_owned(),
        epoch: policy.epoch,
        grounds: Grounds {
            package: definition.package.clone(),
            kind: claims.kind.number(),
            tcb_status: claims.tcb_words(),
            collateral_end,
        },
        attested_at: now.as_secs(),
        until: with_grace.min(claims.dates.evidence_until().as_secs()),
        newest_issue_date: issued.max().unwrap_or(0),
    })
}

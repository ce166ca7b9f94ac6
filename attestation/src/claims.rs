//! What verified evidence says: data only, judged by `policy`.
//!
//! Does not live here: the fields of the reports (`sgx`, `tdx`), how the TCB status comes about (`tcb`).

use rustls_pki_types::UnixTime;

use crate::dates::Window;
use crate::invalid::Dated;
use crate::kind::Kind;
use crate::pck::Platform;
use crate::quote::Body;
use crate::tcb::Tcb;

/// What genuine evidence says. Whether that is acceptable is [`crate::policy::appraise`]'s to judge.
#[derive(Debug, Clone)]
pub struct Claims {
    /// What kind of evidence it was.
    pub kind: Kind,
    /// Version of the quote: 3, 4 or 5.
    pub quote_version: u16,
    /// The 64 bytes that bind the evidence; equal to what the caller expected.
    pub report_data: [u8; 64],
    /// Measurements and flags.
    pub body: Body,
    /// How current the platform is.
    pub tcb: Tcb,
    /// Which platform it is.
    pub platform: Platform,
    /// When the collateral holds.
    pub dates: Dates,
    /// SHA-256 of the DER of the anchor that everything led to.
    pub anchor: [u8; 32],
}

/// The windows of the collateral's signed objects. No window begins after the time of the verification.
///
/// The dates of the evidence's own certificates are not here: the verification judges them itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    pub(crate) objects: Vec<(Dated, Window)>,
    pub(crate) evidence_until: UnixTime,
}

impl Dates {
    /// Each object of the collateral with its window.
    #[must_use]
    pub fn objects(&self) -> &[(Dated, Window)] {
        &self.objects
    }

    /// The end of the collateral's first object to end.
    #[must_use]
    pub fn collateral_until(&self) -> UnixTime {
        let ends = self.objects.iter().map(|(_, window)| window.until);
        ends.min().unwrap_or(self.evidence_until)
    }

    /// The end of the evidence's own certificates: PCK certificate, PCK CA, root.
    #[must_use]
    pub fn evidence_until(&self) -> UnixTime {
        self.evidence_until
    }

    /// The objects that ended before `now`, the longest ended first.
    #[must_use]
    pub fn expired(&self, now: UnixTime) -> Vec<(Dated, Window)> {
        let mut expired: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, window)| window.ended_before(now))
            .copied()
            .collect();
        expired.sort_by_key(|(_, window)| window.until);
        expired
    }
}

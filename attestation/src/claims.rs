//! What verified evidence says: data only, judged by `policy`.
//!
//! Does not live here: the fields of the reports (`sgx`, `tdx`, `snp`), how the TCB status comes about (`tcb`).

use rustls_pki_types::UnixTime;

use crate::dates::Window;
use crate::invalid::Dated;
use crate::kind::Kind;
use crate::pck::Platform;
use crate::product::{Product, SnpTcb, VekKind};
use crate::quote::Body;
use crate::tcb::Tcb;

/// What genuine evidence says. Whether that is acceptable is [`crate::policy::appraise`]'s to judge.
#[derive(Debug, Clone)]
pub struct Claims {
    /// What kind of evidence it was.
    pub kind: Kind,
    /// Version of the quote or report.
    pub quote_version: u16,
    /// The 64 bytes that bind the evidence; equal to what the caller expected.
    pub report_data: [u8; 64],
    /// Measurements and flags.
    pub body: Body,
    /// Which platform it is and how current, as its vendor tells it.
    pub origin: Origin,
    /// When the collateral holds.
    pub dates: Dates,
    /// SHA-256 of the DER of the anchor that everything led to.
    pub anchor: [u8; 32],
}

impl Claims {
    /// What a TCB info says of an Intel platform; `None` from another vendor.
    #[must_use]
    pub fn tcb(&self) -> Option<&Tcb> {
        self.intel().map(|origin| &origin.tcb)
    }

    /// An Intel platform; `None` from another vendor.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.intel().map(|origin| &origin.platform)
    }

    /// An AMD platform; `None` from another vendor.
    #[must_use]
    pub fn snp(&self) -> Option<&SnpOrigin> {
        match &self.origin {
            Origin::Intel(_) => None,
            Origin::Amd(origin) => Some(origin),
        }
    }

    /// How current the platform is, in a few words: a TCB status, or the reported versions where the vendor has none.
    #[must_use]
    pub fn tcb_words(&self) -> String {
        match &self.origin {
            Origin::Intel(origin) => origin.tcb.status.to_string(),
            Origin::Amd(origin) => origin.reported_tcb.to_string(),
        }
    }

    fn intel(&self) -> Option<&IntelOrigin> {
        match &self.origin {
            Origin::Intel(origin) => Some(origin),
            Origin::Amd(_) => None,
        }
    }
}

/// Where evidence comes from, in the terms of its vendor.
#[derive(Debug, Clone)]
pub enum Origin {
    /// SGX and TDX.
    Intel(Box<IntelOrigin>),
    /// SEV-SNP.
    Amd(Box<SnpOrigin>),
}

/// An Intel platform.
#[derive(Debug, Clone)]
pub struct IntelOrigin {
    /// How current it is.
    pub tcb: Tcb,
    /// Which it is.
    pub platform: Platform,
}

/// An AMD platform.
#[derive(Debug, Clone)]
pub struct SnpOrigin {
    /// As the report names it; with report version 2, as the certificate does.
    pub product: Product,
    /// What signed the report.
    pub signer: VekKind,
    /// The cloud provider whose VLEK signed, as AMD wrote it: `CN=cc-us-east-2.amazonaws.com`.
    pub provider: Option<String>,
    /// Of which the signing key is; equal to the certificate's.
    pub reported_tcb: SnpTcb,
    /// Behind which the firmware can't go back.
    pub committed_tcb: SnpTcb,
    /// When the guest was launched.
    pub launch_tcb: SnpTcb,
    /// Of now; it may go back to the committed one.
    pub current_tcb: SnpTcb,
    /// 64 bytes; `None` if the host masks it.
    pub chip_id: Option<[u8; 64]>,
    /// Whether there was a revocation list to look into.
    pub revocation_checked: bool,
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

    /// The end of the evidence's own certificates: PCK certificate, PCK CA, root; or VEK, ASK, ARK.
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

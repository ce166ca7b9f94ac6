//! What evidence of any vendor is bound to, and when it holds.
//!
//! Does not live here: whose signatures it has (`verify`, `snp_verify`).

use rustls_pki_types::UnixTime;
use subtle::ConstantTimeEq as _;

use crate::claims::Dates;
use crate::dates::Window;
use crate::invalid::{Dated, Invalid};
use crate::x509::Certificate;

/// The report data that the caller wants to see, 64 bytes: what the evidence must be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected([u8; 64]);

impl Expected {
    /// What a protocol computed.
    ///
    /// # Errors
    /// [`Invalid::ExpectedZero`]: 64 zero bytes bind nothing.
    pub fn bound(report_data: [u8; 64]) -> Result<Self, Invalid> {
        if report_data == [0; 64] {
            return Err(Invalid::ExpectedZero);
        }
        Ok(Self(report_data))
    }

    /// What somebody typed, zeros included: for files of evidence that are looked at by hand, and for tests.
    #[must_use]
    pub fn as_given(report_data: [u8; 64]) -> Self {
        Self(report_data)
    }

    /// The 64 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// Check 10, second half (8 of SNP): the evidence is about what the caller asked for.
pub(crate) fn check_binding(found: &[u8; 64], expected: &Expected) -> Result<(), Invalid> {
    if bool::from(found.ct_eq(expected.bytes())) {
        return Ok(());
    }
    Err(Invalid::ReportDataDiffers {
        wanted: hex::encode(expected.bytes()),
        found: hex::encode(found),
    })
}

/// Check 13 (11 of SNP): the evidence's own certificates (leaf, CA, anchor) hold now, and no part of the collateral is from
/// the future.
pub(crate) fn check_dates(
    own: [&Certificate; 3],
    objects: Vec<(Dated, Window)>,
    now: UnixTime,
) -> Result<Dates, Invalid> {
    for certificate in own {
        certificate.check_window(now)?;
    }
    if let Some((object, window)) = objects.iter().find(|(_, window)| window.begins_after(now)) {
        return Err(Invalid::CollateralNotYetValid {
            object: *object,
            from: window.from,
            now,
        });
    }
    let [leaf, ca, anchor] = own.map(|certificate| certificate.window.until);
    Ok(Dates {
        objects,
        evidence_until: leaf.min(ca).min(anchor),
    })
}

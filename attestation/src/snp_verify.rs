//! SNP evidence through the one door: checks 5 to 11 of docs/protocol/snp.md, in their order.
//!
//! Sources: AMD 56860 (report), AMD 57230, 3.1 (what certificate and report must agree on).
//! Does not live here: the form of the report (`snp`), the chain (`snp_collateral`), what is acceptable (`policy`).

use rustls_pki_types::UnixTime;

use crate::claims::{Claims, Origin, SnpOrigin};
use crate::expected::{Expected, check_binding, check_dates};
use crate::invalid::Invalid;
use crate::kind::Kind;
use crate::product::{Product, SnpTcb};
use crate::quote::Body;
use crate::signatures::Signatures;
use crate::snp::{Report, SnpBody};
use crate::snp_collateral::AmdChain;
use crate::vek::Vek;

/// SNP evidence, read.
#[derive(Debug, Clone)]
pub(crate) struct SnpEvidence {
    pub(crate) report: Report,
    /// DER of the certificate that came with it.
    pub(crate) vek: Option<Vec<u8>>,
}

impl SnpEvidence {
    pub(crate) fn verify(
        self,
        expected: &Expected,
        collateral: &AmdChain,
        signatures: &mut Signatures<'_>,
        now: UnixTime,
    ) -> Result<Claims, Invalid> {
        let body = &self.report.body;
        let brought;
        let vek = match (&self.vek, &collateral.vek) {
            (Some(der), _) => {
                brought = collateral.verify_vek(der, signatures)?;
                &brought
            }
            (None, Some(vek)) => vek,
            (None, None) => {
                return Err(Invalid::VekMissing {
                    wanted: body.signing_key,
                });
            }
        };
        check_kind(body, vek, collateral)?;
        let product = check_product(body, vek, collateral)?;
        let key = &vek.certificate.key;
        if !signatures.check_raw(key, &self.report.signed, &self.report.signature) {
            return Err(Invalid::ReportSignature);
        }
        check_binding(&body.report_data, expected)?;
        check_hardware_id(body, vek)?;
        let reported = SnpTcb::of(product, body.reported_tcb);
        if reported != vek.tcb {
            return Err(Invalid::ReportedTcbDiffers {
                wanted: vek.tcb,
                found: reported,
            });
        }
        let own = [&vek.certificate, &collateral.ask, &collateral.ark];
        let dates = check_dates(own, collateral.windows(), now)?;
        Ok(Claims {
            kind: Kind::Snp,
            // Versions are 2 to 5.
            quote_version: body.version as u16,
            report_data: body.report_data,
            origin: Origin::Amd(Box::new(SnpOrigin {
                product,
                signer: vek.kind,
                provider: vek.provider.clone(),
                reported_tcb: reported,
                committed_tcb: SnpTcb::of(product, body.committed_tcb),
                launch_tcb: SnpTcb::of(product, body.launch_tcb),
                current_tcb: SnpTcb::of(product, body.current_tcb),
                chip_id: body.chip_id().copied(),
                revocation_checked: collateral.crl.is_some(),
            })),
            body: Body::Snp(Box::new(self.report.body)),
            dates,
            anchor: collateral.ark.sha256(),
        })
    }
}

/// Check 6.
fn check_kind(body: &SnpBody, vek: &Vek, collateral: &AmdChain) -> Result<(), Invalid> {
    for (part, found) in [
        ("the collateral", collateral.kind),
        ("the certificate", vek.kind),
    ] {
        if found != body.signing_key {
            return Err(Invalid::VekKindDiffers {
                part,
                wanted: body.signing_key,
                found,
            });
        }
    }
    Ok(())
}

/// Check 7. A report of version 2 names no product: there it is the certificate's.
fn check_product(body: &SnpBody, vek: &Vek, collateral: &AmdChain) -> Result<Product, Invalid> {
    let product = body.product()?.unwrap_or(vek.product);
    for (part, found) in [
        ("the collateral", collateral.product),
        ("the certificate", vek.product),
    ] {
        if found != product {
            return Err(Invalid::SnpProductDiffers {
                part,
                wanted: product,
                found,
            });
        }
    }
    Ok(product)
}

/// Check 9. A masked chip id says nothing; a VLEK is of no chip.
fn check_hardware_id(body: &SnpBody, vek: &Vek) -> Result<(), Invalid> {
    let (Some(found), Some(wanted)) = (body.chip_id(), &vek.hardware_id) else {
        return Ok(());
    };
    // Turin's has 8 bytes; the rest of the report's field is zero.
    let (id, rest) = found.split_at(wanted.len().min(found.len()));
    if id == wanted && rest.iter().all(|b| *b == 0) {
        return Ok(());
    }
    Err(Invalid::HardwareIdDiffers {
        wanted: hex::encode(wanted),
        found: hex::encode(found),
    })
}

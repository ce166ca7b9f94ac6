//! The one door from evidence to [`Claims`].
//!
//! Source: docs/protocol/dcap.md, whose numbers stand at the checks; Intel's QuoteVerificationLibrary for their meaning.
//! SNP evidence goes on in `snp_verify`, by docs/protocol/snp.md.
//! Tampering is named before dates: everything that no date can heal comes first.
//! Does not live here: whether the claims are acceptable (`policy`).

use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};

use crate::claims::{Claims, IntelOrigin, Origin};
use crate::collateral::{Collateral, Dcap, Endorsed, check_pck_ca, check_same_anchor};
use crate::evidence::{Content, Evidence};
use crate::expected::{Expected, check_binding, check_dates};
use crate::invalid::{Chain, Invalid, Role};
use crate::members::chain;
use crate::pck::Platform;
use crate::quote::{Body, Quote};
use crate::sgx::SgxBody;
use crate::signatures::{Key, Signatures};
use crate::tcb;
use crate::trust::Trust;
use crate::verified::Verified;
use crate::x509::Certificate;

/// What every PCK certificate of the vendor is called.
const PCK_PHRASE: &str = "SGX PCK Certificate";

impl Evidence {
    /// Verifies the evidence: its own signatures and chain, that it is bound to `expected`, and what the vendor says of
    /// such a platform. Consumes it, so that nobody can read an unverified field later.
    ///
    /// `now` judges dates: what is not yet valid is refused, and so is an expired certificate of the evidence itself.
    /// Collateral that has expired is data, in [`Claims::dates`]; [`crate::policy::appraise`] refuses it by default.
    ///
    /// # Errors
    /// The first check of docs/protocol/dcap.md or docs/protocol/snp.md, section 3, that fails.
    pub fn verify(
        self,
        expected: &Expected,
        trust: &Trust<'_>,
        collateral: &Verified<Collateral>,
        now: UnixTime,
    ) -> Result<Verified<Claims>, Invalid> {
        let mut signatures = trust.signatures(self.algorithms())?;
        check_anchor(trust, collateral)?;
        let (wanted, found) = (self.kind(), collateral.kind());
        let claims = match (self.content, collateral.content()) {
            (Content::Quote(quote), Endorsed::Dcap(dcap)) if wanted == found => {
                verify_quote(quote, expected, trust, dcap, &mut signatures, now)?
            }
            (Content::Snp(snp), Endorsed::Amd(chain)) => {
                snp.verify(expected, chain, &mut signatures, now)?
            }
            _ => return Err(Invalid::CollateralTee { wanted, found }),
        };
        signatures.remember();
        Ok(Verified::new(claims))
    }
}

/// Checks 6 to 13.
fn verify_quote(
    quote: Quote,
    expected: &Expected,
    trust: &Trust<'_>,
    collateral: &Dcap,
    signatures: &mut Signatures<'_>,
    now: UnixTime,
) -> Result<Claims, Invalid> {
    let pck = check_pck_chain(&quote, trust, collateral, signatures)?;
    check_qe_report(&quote, &pck.leaf, signatures)?;
    check_quote_signature(&quote, signatures)?;
    check_binding(quote.body.report_data(), expected)?;
    check_platform(&pck.platform, collateral)?;

    let qe = SgxBody::parse("QE report", &quote.qe_report)?;
    let qe_level = collateral.qe_identity.check(&qe)?;
    let td = match &quote.body {
        Body::Tdx(td) => Some(td.as_ref()),
        Body::Sgx(_) | Body::Snp(_) => None,
    };
    if let Some(td) = td {
        collateral.tcb_info.check_module(td)?;
    }
    let qe_tcb = (
        qe_level,
        qe.isv_svn,
        collateral.qe_identity.evaluation_number,
    );
    let tcb = tcb::evaluate(&collateral.tcb_info, &pck.platform, td, qe_tcb)?;

    let own = [&pck.leaf, &pck.ca, &collateral.anchor];
    let dates = check_dates(own, collateral.windows(), now)?;
    Ok(Claims {
        kind: quote.kind(),
        quote_version: quote.version,
        report_data: *quote.body.report_data(),
        body: quote.body,
        origin: Origin::Intel(Box::new(IntelOrigin {
            tcb,
            platform: pck.platform,
        })),
        dates,
        anchor: collateral.anchor.sha256(),
    })
}

/// Check 2: the caller trusts the anchor under which the collateral was verified.
fn check_anchor(trust: &Trust<'_>, collateral: &Collateral) -> Result<(), Invalid> {
    if trust
        .anchors
        .iter()
        .any(|anchor| anchor.certificate == *collateral.anchor())
    {
        return Ok(());
    }
    Err(Invalid::CollateralAnchor {
        found: hex::encode(collateral.anchor_sha256()),
        anchors: trust.describe(),
    })
}

struct PckChain {
    ca: Certificate,
    leaf: Certificate,
    platform: Platform,
}

/// Checks 6 and 7: root, PCK CA and PCK certificate of the quote, link by link.
fn check_pck_chain(
    quote: &Quote,
    trust: &Trust<'_>,
    collateral: &Dcap,
    signatures: &mut Signatures<'_>,
) -> Result<PckChain, Invalid> {
    let roles = [Role::Pck, Role::PckCa, Role::Root];
    let [leaf, ca, root] = chain(Chain::Quote, &quote.certificates, roles)?;
    check_same_anchor(trust, Chain::Quote, &root, &collateral.anchor, signatures)?;

    let ca_kind = check_pck_ca(&ca, &collateral.anchor, signatures)?;
    collateral.root_crl.check_not_revoked(&ca)?;
    let of_crl = &collateral.pck_ca;
    if (&ca.subject, &ca.key) != (&of_crl.subject, &of_crl.key) {
        return Err(Invalid::PckCrlOfOtherCa {
            wanted: name_and_key(&ca),
            found: name_and_key(of_crl),
        });
    }

    leaf.check_common_name(PCK_PHRASE)?;
    leaf.check_is_leaf()?;
    leaf.check_issued_by(&ca, signatures)?;
    collateral.pck_crl.check_not_revoked(&leaf)?;
    let platform = Platform::parse(ca_kind, &leaf)?;
    Ok(PckChain { ca, leaf, platform })
}

fn name_and_key(certificate: &Certificate) -> String {
    let key = certificate
        .subject_key_id
        .as_deref()
        .map_or("without id".to_owned(), hex::encode);
    format!("`{}` with key {key}", certificate.common_name)
}

/// Check 9, first half: the quoting enclave ran on this platform and made this attestation key.
fn check_qe_report(
    quote: &Quote,
    pck: &Certificate,
    signatures: &mut Signatures<'_>,
) -> Result<(), Invalid> {
    if !signatures.check_raw(&pck.key, &quote.qe_report, &quote.qe_report_signature) {
        return Err(Invalid::QeReportSignature);
    }
    let mut wanted = [0; 64];
    let hash = Sha256::new()
        .chain_update(quote.attestation_key)
        .chain_update(&quote.qe_auth_data)
        .finalize();
    wanted[..32].copy_from_slice(&hash);
    // REPORTDATA is the last field of a report.
    let (_, found) = quote
        .qe_report
        .split_at(quote.qe_report.len() - wanted.len());
    if found != wanted {
        return Err(Invalid::QeReportData {
            wanted: hex::encode(wanted),
            found: hex::encode(found),
        });
    }
    Ok(())
}

/// Check 10, first half: the attestation key signed header and body.
fn check_quote_signature(quote: &Quote, signatures: &mut Signatures<'_>) -> Result<(), Invalid> {
    let key = Key::from_coordinates(&quote.attestation_key);
    if signatures.check_raw(&key, &quote.signed, &quote.signature) {
        return Ok(());
    }
    Err(Invalid::QuoteSignature)
}

/// Check 8: the TCB info is for platforms of this kind.
fn check_platform(platform: &Platform, collateral: &Dcap) -> Result<(), Invalid> {
    let info = &collateral.tcb_info;
    if platform.fmspc != info.fmspc {
        return Err(Invalid::FmspcDiffers {
            wanted: hex::encode(platform.fmspc),
            found: hex::encode(info.fmspc),
        });
    }
    if platform.pceid != info.pceid {
        return Err(Invalid::PceIdDiffers {
            wanted: hex::encode(platform.pceid),
            found: hex::encode(info.pceid),
        });
    }
    Ok(())
}

//! Collateral: what the vendor says of its platforms. Parsed and signature-checked once, dated at each use.
//!
//! Layout: one JSON object with the members of `sgx_ql_qve_collateral_t`: issuer chains as PEM text, CRLs and signatures
//! as hex, `tcb_info` and `qe_identity` as the exact signed text (docs/protocol/dcap.md, section 2). With a member `tee`
//! it is AMD's (docs/protocol/snp.md, section 2; `snp_collateral`).
//! Does not live here: fetching it (stoa-collateral), dates against `now` (`verify`).

use rustls_pki_types::UnixTime;
use serde::Deserialize;

use crate::crl::Crl;
use crate::dates::Window;
use crate::invalid::{Chain, CrlName, Dated, Invalid, Role};
use crate::kind::Kind;
use crate::members::{chain, hex_member};
use crate::pck;
use crate::product::{Product, SnpTcb, VekKind};
use crate::qe_identity::QeIdentity;
use crate::signatures::{Algorithm, Signatures};
use crate::snp_collateral::{self, AmdChain, UnverifiedAmd};
use crate::tcb_info::TcbInfo;
use crate::trust::Trust;
use crate::verified::Verified;
use crate::x509::Certificate;

/// Collateral in JSON, at most (docs/protocol/attest-1.md, section 8).
pub const COLLATERAL_LEN_MAX: usize = 1024 * 1024;

/// What every TCB signing certificate of the vendor is called.
const TCB_SIGNER_PHRASE: &str = "SGX TCB Signing";

/// Collateral whose every signature leads to a trust anchor. Exists only as `Verified<Collateral>`.
#[derive(Debug)]
pub struct Collateral {
    json: Vec<u8>,
    endorsed: Endorsed,
}

/// What a vendor said.
#[derive(Debug)]
pub(crate) enum Endorsed {
    /// Intel, of the platforms of one FMSPC.
    Dcap(Box<Dcap>),
    /// AMD, of the chips of one product.
    Amd(Box<AmdChain>),
}

/// Intel's collateral.
#[derive(Debug)]
pub(crate) struct Dcap {
    pub(crate) anchor: Certificate,
    pub(crate) pck_ca: Certificate,
    pub(crate) root_crl: Crl,
    pub(crate) pck_crl: Crl,
    pub(crate) tcb_info: TcbInfo,
    pub(crate) qe_identity: QeIdentity,
    tcb_info_signer: Certificate,
    qe_identity_signer: Certificate,
}

impl Collateral {
    /// Reads the JSON; no signature is looked at, and nothing inside the signed texts.
    ///
    /// # Errors
    /// [`Invalid::TooLarge`] above [`COLLATERAL_LEN_MAX`], [`Invalid::CollateralMalformed`].
    pub fn parse(json: &[u8]) -> Result<UnverifiedCollateral, Invalid> {
        if json.len() > COLLATERAL_LEN_MAX {
            return Err(Invalid::TooLarge {
                what: "collateral",
                len: json.len(),
                limit: COLLATERAL_LEN_MAX,
            });
        }
        let malformed = |cause| Invalid::CollateralMalformed {
            field: "JSON",
            cause: format!("is not what it should be: {cause}"),
        };
        let told: Told = serde_json::from_slice(json).map_err(malformed)?;
        let parts = match told.tee.as_deref() {
            None => {
                let parts = serde_json::from_slice(json).map_err(malformed)?;
                Parts::Dcap(Box::new(UnverifiedDcap::parse(parts)?))
            }
            Some("snp") => {
                let parts = serde_json::from_slice(json).map_err(malformed)?;
                Parts::Amd(Box::new(UnverifiedAmd::parse(parts)?))
            }
            Some(other) => {
                return Err(Invalid::CollateralMalformed {
                    field: "tee",
                    cause: format!(
                        "is `{}`, wanted `snp` or no such member",
                        other.escape_debug()
                    ),
                });
            }
        };
        Ok(UnverifiedCollateral {
            parts,
            json: json.to_vec(),
        })
    }

    /// What evidence it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.endorsed {
            Endorsed::Dcap(dcap) => dcap.tcb_info.kind,
            Endorsed::Amd(_) => Kind::Snp,
        }
    }

    /// The first second at which all its objects hold.
    #[must_use]
    pub fn valid_from(&self) -> UnixTime {
        let begins = self.windows().into_iter().map(|(_, window)| window.from);
        begins.max().unwrap_or(self.anchor().window.from)
    }

    /// The last second at which all its objects hold.
    #[must_use]
    pub fn valid_until(&self) -> UnixTime {
        let ends = self.windows().into_iter().map(|(_, window)| window.until);
        ends.min().unwrap_or(self.anchor().window.until)
    }

    /// SHA-256 of the DER of the anchor that it leads to.
    #[must_use]
    pub fn anchor_sha256(&self) -> [u8; 32] {
        self.anchor().sha256()
    }

    /// The bytes as parsed, for handing on.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// FMSPC of the Intel platforms that it is for; `None` if it is AMD's.
    #[must_use]
    pub fn fmspc(&self) -> Option<[u8; 6]> {
        self.dcap().map(|dcap| dcap.tcb_info.fmspc)
    }

    /// The AMD product that it is for; `None` if it is Intel's.
    #[must_use]
    pub fn product(&self) -> Option<Product> {
        self.amd().map(|amd| amd.product)
    }

    /// Whose ASK it has; `None` if it is Intel's.
    #[must_use]
    pub fn signer(&self) -> Option<VekKind> {
        self.amd().map(|amd| amd.kind)
    }

    /// The chip and TCB of the VCEK that it has: hardware id of 64 or 8 bytes, and versions.
    #[must_use]
    pub fn chip(&self) -> Option<(&[u8], SnpTcb)> {
        let vek = self.amd()?.vek.as_ref()?;
        Some((vek.hardware_id.as_deref()?, vek.tcb))
    }

    /// tcbEvaluationDataNumber, the lower one of TCB info and QE identity; `None` if it is AMD's, who has none.
    #[must_use]
    pub fn evaluation_number(&self) -> Option<u32> {
        self.dcap().map(|dcap| {
            dcap.tcb_info
                .evaluation_number
                .min(dcap.qe_identity.evaluation_number)
        })
    }

    /// Each revocation list and its number: a big-endian magnitude without leading zeros.
    #[must_use]
    pub fn crl_numbers(&self) -> Vec<(CrlName, &[u8])> {
        match &self.endorsed {
            Endorsed::Dcap(dcap) => vec![
                (CrlName::Root, dcap.root_crl.number.as_slice()),
                (CrlName::Pck, dcap.pck_crl.number.as_slice()),
            ],
            Endorsed::Amd(amd) => amd
                .crl
                .iter()
                .map(|crl| (CrlName::Ark, crl.number.as_slice()))
                .collect(),
        }
    }

    /// The root that everything led to.
    pub(crate) fn anchor(&self) -> &Certificate {
        match &self.endorsed {
            Endorsed::Dcap(dcap) => &dcap.anchor,
            Endorsed::Amd(amd) => &amd.ark,
        }
    }

    pub(crate) fn content(&self) -> &Endorsed {
        &self.endorsed
    }

    fn dcap(&self) -> Option<&Dcap> {
        match &self.endorsed {
            Endorsed::Dcap(dcap) => Some(dcap),
            Endorsed::Amd(_) => None,
        }
    }

    fn amd(&self) -> Option<&AmdChain> {
        match &self.endorsed {
            Endorsed::Dcap(_) => None,
            Endorsed::Amd(amd) => Some(amd),
        }
    }

    /// Each signed object that a freshness rule is about, with its window; for [`Collateral::valid_from`] also the ASK.
    #[must_use]
    pub fn windows(&self) -> Vec<(Dated, Window)> {
        match &self.endorsed {
            Endorsed::Dcap(dcap) => dcap.windows(),
            Endorsed::Amd(amd) => {
                let ask = (Dated::Certificate(amd.ask.role), amd.ask.window);
                let vek = amd.vek.iter().map(|vek| &vek.certificate);
                let vek = vek.map(|vek| (Dated::Certificate(vek.role), vek.window));
                amd.windows().into_iter().chain([ask]).chain(vek).collect()
            }
        }
    }
}

impl Dcap {
    /// Each signed object that a freshness rule is about, with its window.
    pub(crate) fn windows(&self) -> Vec<(Dated, Window)> {
        vec![
            (Dated::TcbInfo, self.tcb_info.window),
            (Dated::QeIdentity, self.qe_identity.window),
            (Dated::Crl(CrlName::Root), self.root_crl.window),
            (Dated::Crl(CrlName::Pck), self.pck_crl.window),
            (Dated::Certificate(Role::PckCa), self.pck_ca.window),
            (
                Dated::Certificate(Role::TcbInfoSigner),
                self.tcb_info_signer.window,
            ),
            (
                Dated::Certificate(Role::QeIdentitySigner),
                self.qe_identity_signer.window,
            ),
        ]
    }
}

/// Well-formed, and nothing more: no signature has been looked at.
#[derive(Debug, Clone)]
pub struct UnverifiedCollateral {
    json: Vec<u8>,
    parts: Parts,
}

#[derive(Debug, Clone)]
enum Parts {
    Dcap(Box<UnverifiedDcap>),
    Amd(Box<UnverifiedAmd>),
}

#[derive(Debug, Clone)]
struct UnverifiedDcap {
    parts: Json,
    root_crl: Vec<u8>,
    pck_crl: Vec<u8>,
    tcb_info_signature: [u8; 64],
    qe_identity_signature: [u8; 64],
}

impl UnverifiedCollateral {
    /// Checks 2 to 6 of docs/protocol/dcap.md, or 2 to 5 of docs/protocol/snp.md: every signature and every revocation,
    /// and what the signed texts say. No date is judged.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(self, trust: &Trust<'_>) -> Result<Verified<Collateral>, Invalid> {
        let (endorsed, signatures) = match &self.parts {
            Parts::Dcap(dcap) => {
                let mut signatures = trust.signatures(&[Algorithm::EcdsaP256Sha256])?;
                let dcap = dcap.verify(trust, &mut signatures)?;
                (Endorsed::Dcap(Box::new(dcap)), signatures)
            }
            Parts::Amd(amd) => {
                let mut signatures = trust.signatures(&snp_collateral::ALGORITHMS)?;
                let amd = amd.verify(trust, &mut signatures)?;
                (Endorsed::Amd(Box::new(amd)), signatures)
            }
        };
        signatures.remember();
        Ok(Verified::new(Collateral {
            json: self.json,
            endorsed,
        }))
    }
}

impl UnverifiedDcap {
    fn parse(parts: Json) -> Result<Self, Invalid> {
        Ok(Self {
            root_crl: hex_member("root_ca_crl", &parts.root_ca_crl)?,
            pck_crl: hex_member("pck_crl", &parts.pck_crl)?,
            tcb_info_signature: signature("tcb_info_signature", &parts.tcb_info_signature)?,
            qe_identity_signature: signature(
                "qe_identity_signature",
                &parts.qe_identity_signature,
            )?,
            parts,
        })
    }

    fn verify(&self, trust: &Trust<'_>, signatures: &mut Signatures<'_>) -> Result<Dcap, Invalid> {
        let parts = &self.parts;
        let [signer, root] = chain(
            Chain::TcbInfo,
            &parts.tcb_info_issuer_chain,
            [Role::TcbInfoSigner, Role::Root],
        )?;
        let anchor = trust
            .anchor_of(Chain::TcbInfo, &root, signatures)?
            .certificate
            .clone();
        let tcb_info_signer = signer;
        check_signer(&tcb_info_signer, &anchor, signatures)?;

        let roles = [Role::QeIdentitySigner, Role::Root];
        let [qe_identity_signer, root] =
            chain(Chain::QeIdentity, &parts.qe_identity_issuer_chain, roles)?;
        check_same_anchor(trust, Chain::QeIdentity, &root, &anchor, signatures)?;
        check_signer(&qe_identity_signer, &anchor, signatures)?;

        let [pck_ca, root] = chain(
            Chain::PckCrl,
            &parts.pck_crl_issuer_chain,
            [Role::PckCa, Role::Root],
        )?;
        check_same_anchor(trust, Chain::PckCrl, &root, &anchor, signatures)?;
        check_pck_ca(&pck_ca, &anchor, signatures)?;

        let root_crl = Crl::verify(CrlName::Root, &self.root_crl, &anchor, signatures)?;
        for certificate in [&anchor, &tcb_info_signer, &qe_identity_signer, &pck_ca] {
            root_crl.check_not_revoked(certificate)?;
        }
        let pck_crl = Crl::verify(CrlName::Pck, &self.pck_crl, &pck_ca, signatures)?;

        let text = parts.tcb_info.as_bytes();
        if !signatures.check_raw(&tcb_info_signer.key, text, &self.tcb_info_signature) {
            return Err(Invalid::TcbInfoSignature);
        }
        let tcb_info = TcbInfo::parse(&parts.tcb_info)?;

        let text = parts.qe_identity.as_bytes();
        if !signatures.check_raw(&qe_identity_signer.key, text, &self.qe_identity_signature) {
            return Err(Invalid::QeIdentitySignature);
        }
        let qe_identity = QeIdentity::parse(tcb_info.kind, &parts.qe_identity)?;

        Ok(Dcap {
            anchor,
            pck_ca,
            root_crl,
            pck_crl,
            tcb_info,
            qe_identity,
            tcb_info_signer,
            qe_identity_signer,
        })
    }
}

/// The chain's root is the anchor that the rest already led to.
pub(crate) fn check_same_anchor(
    trust: &Trust<'_>,
    chain: Chain,
    root: &Certificate,
    anchor: &Certificate,
    signatures: &mut Signatures<'_>,
) -> Result<(), Invalid> {
    if trust.anchor_of(chain, root, signatures)?.certificate == *anchor {
        return Ok(());
    }
    Err(Invalid::RootUntrusted {
        chain,
        found: hex::encode(root.sha256()),
        anchors: vec![format!(
            "that of the TCB info ({})",
            hex::encode(anchor.sha256())
        )],
    })
}

/// Check 6: a PCK CA, issued by the root. Says which of the two it is.
pub(crate) fn check_pck_ca(
    certificate: &Certificate,
    anchor: &Certificate,
    signatures: &mut Signatures<'_>,
) -> Result<pck::Ca, Invalid> {
    let ca = pck::Ca::of_common_name(&certificate.common_name).ok_or_else(|| {
        certificate.differs(
            "common name",
            pck::Ca::WANTED,
            &format!("`{}`", certificate.common_name),
        )
    })?;
    certificate.check_is_ca()?;
    certificate.check_issues_leaves()?;
    certificate.check_issued_by(anchor, signatures)?;
    Ok(ca)
}

/// Checks 3 and 5: a TCB signing certificate, issued by the root.
fn check_signer(
    signer: &Certificate,
    anchor: &Certificate,
    signatures: &mut Signatures<'_>,
) -> Result<(), Invalid> {
    signer.check_common_name(TCB_SIGNER_PHRASE)?;
    signer.check_is_leaf()?;
    signer.check_issued_by(anchor, signatures)
}

fn signature(field: &'static str, text: &str) -> Result<[u8; 64], Invalid> {
    let bytes = hex_member(field, text)?;
    bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| Invalid::CollateralMalformed {
            field,
            cause: format!("has {} bytes, wanted 64 (r and s)", bytes.len()),
        })
}

/// Which vendor's it is.
#[derive(Deserialize)]
struct Told {
    tee: Option<String>,
}

/// Other members are ignored, `pck_certificate_chain` among them: the chain that counts is the quote's.
#[derive(Debug, Clone, Deserialize)]
struct Json {
    #[serde(deserialize_with = "text")]
    pck_crl_issuer_chain: Vec<u8>,
    root_ca_crl: String,
    pck_crl: String,
    #[serde(deserialize_with = "text")]
    tcb_info_issuer_chain: Vec<u8>,
    tcb_info: String,
    tcb_info_signature: String,
    #[serde(deserialize_with = "text")]
    qe_identity_issuer_chain: Vec<u8>,
    qe_identity: String,
    qe_identity_signature: String,
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(String::into_bytes)
}

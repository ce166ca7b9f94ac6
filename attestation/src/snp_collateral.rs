//! What AMD says of a product: ASK, ARK, revocation list, and perhaps the VCEK of one chip.
//!
//! Layout: docs/protocol/snp.md, section 2; checks 2 to 5 of its section 3. Source: AMD 57230, 2.
//! Does not live here: the type that proves them (`collateral`), the report (`snp_verify`), dates against `now`.

use serde::Deserialize;

use crate::crl::Crl;
use crate::dates::Window;
use crate::invalid::{Chain, CrlName, Dated, Invalid, Role};
use crate::members::{chain, hex_member};
use crate::product::{Product, VekKind};
use crate::signatures::{Algorithm, Signatures};
use crate::trust::Trust;
use crate::vek::Vek;
use crate::x509::Certificate;

/// The algorithms of AMD's chain and reports.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::RsaPssSha384, Algorithm::EcdsaP384Sha384];

/// The members of the JSON.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AmdJson {
    ask_ark_chain: String,
    crl: String,
    vek: String,
}

/// Well-formed; no signature has been looked at.
#[derive(Debug, Clone)]
pub(crate) struct UnverifiedAmd {
    chain: Vec<u8>,
    crl: Option<Vec<u8>>,
    vek: Option<Vec<u8>>,
}

impl UnverifiedAmd {
    pub(crate) fn parse(json: AmdJson) -> Result<Self, Invalid> {
        Ok(Self {
            crl: optional("crl", &json.crl)?,
            vek: optional("vek", &json.vek)?,
            chain: json.ask_ark_chain.into_bytes(),
        })
    }

    pub(crate) fn verify(
        &self,
        trust: &Trust<'_>,
        signatures: &mut Signatures<'_>,
    ) -> Result<AmdChain, Invalid> {
        let [ask, root] = chain(Chain::Amd, &self.chain, [Role::Ask, Role::Ark])?;
        let ark = trust
            .anchor_of(Chain::Amd, &root, signatures)?
            .certificate
            .clone();
        let crl = match &self.crl {
            None => None,
            Some(der) => Some(Crl::verify(CrlName::Ark, der, &ark, signatures)?),
        };
        let (product, kind) = check_ask(&ask, &ark, signatures)?;
        let mut chain = AmdChain {
            ark,
            ask,
            crl,
            product,
            kind,
            vek: None,
        };
        for certificate in [&chain.ark, &chain.ask] {
            chain.check_not_revoked(certificate)?;
        }
        if let Some(der) = &self.vek {
            chain.vek = Some(chain.verify_vek(der, signatures)?);
        }
        Ok(chain)
    }
}

/// Everything signed by AMD that reports of one product are verified with.
#[derive(Debug, Clone)]
pub(crate) struct AmdChain {
    /// The anchor.
    pub(crate) ark: Certificate,
    pub(crate) ask: Certificate,
    pub(crate) crl: Option<Crl>,
    pub(crate) product: Product,
    /// What the ASK issues.
    pub(crate) kind: VekKind,
    pub(crate) vek: Option<Vek>,
}

impl AmdChain {
    /// Check 5.
    pub(crate) fn verify_vek(
        &self,
        der: &[u8],
        signatures: &mut Signatures<'_>,
    ) -> Result<Vek, Invalid> {
        let vek = Vek::parse(der)?;
        vek.certificate.check_issued_by(&self.ask, signatures)?;
        self.check_not_revoked(&vek.certificate)?;
        Ok(vek)
    }

    /// The list, which has dates that a grace may be about.
    pub(crate) fn windows(&self) -> Vec<(Dated, Window)> {
        let crl = self.crl.as_ref();
        crl.map(|crl| (Dated::Crl(CrlName::Ark), crl.window))
            .into_iter()
            .collect()
    }

    fn check_not_revoked(&self, certificate: &Certificate) -> Result<(), Invalid> {
        match &self.crl {
            Some(crl) => crl.check_not_revoked(certificate),
            None => Ok(()),
        }
    }
}

/// Check 4: which product's ASK, and what it issues.
fn check_ask(
    ask: &Certificate,
    ark: &Certificate,
    signatures: &mut Signatures<'_>,
) -> Result<(Product, VekKind), Invalid> {
    let product = ark
        .common_name
        .strip_prefix("ARK-")
        .and_then(Product::of_name);
    let product = product.ok_or_else(|| {
        ark.differs(
            "common name",
            "`ARK-` and a product",
            &format!("`{}`", ark.common_name),
        )
    })?;
    let vcek = format!("SEV-{product}");
    let vlek = format!("SEV-VLEK-{product}");
    let kind = if ask.common_name == vcek {
        VekKind::Vcek
    } else if ask.common_name == vlek {
        VekKind::Vlek
    } else {
        let wanted = format!("`{vcek}` or `{vlek}`");
        return Err(ask.differs("common name", &wanted, &format!("`{}`", ask.common_name)));
    };
    if !ask.is_ca || !ask.usage.cert_sign {
        let found = format!("CA {}, {}", ask.is_ca, ask.usage);
        return Err(ask.differs("basic constraints and key usage", "CA, keyCertSign", &found));
    }
    ask.check_issues_leaves()?;
    ask.check_issued_by(ark, signatures)?;
    Ok((product, kind))
}

fn optional(field: &'static str, text: &str) -> Result<Option<Vec<u8>>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    hex_member(field, text).map(Some)
}

//! Reference values: what the code inside must be.
//!
//! Does not live here: how manifests and reference files spell them (stoa-manifest, stoa-client), platforms (`policy`).

use core::fmt;

use crate::policy::refusal::{Difference, differs, list};
use crate::policy::snp::SnpReference;
use crate::quote::Body;
use crate::sgx::SgxBody;
use crate::tdx::TdxBody;

/// What the code inside must be.
// A manifest has a handful of them.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceValue {
    /// An SGX enclave.
    Sgx(SgxReference),
    /// A trust domain.
    Tdx(TdxReference),
    /// An SEV-SNP guest.
    Snp(SnpReference),
}

impl ReferenceValue {
    /// `sgx`, `tdx` or `snp`.
    pub(super) fn tee(&self) -> &'static str {
        match self {
            ReferenceValue::Sgx(_) => "sgx",
            ReferenceValue::Tdx(_) => "tdx",
            ReferenceValue::Snp(_) => "snp",
        }
    }
}

/// An SGX enclave by what was loaded, or by who signed it. Absent fields are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SgxReference {
    /// MRENCLAVE, equal.
    pub unique_id: Option<[u8; 32]>,
    /// MRSIGNER, equal.
    pub signer_id: Option<[u8; 32]>,
    /// ISVPRODID, equal.
    pub product_id: Option<u16>,
    /// ISVSVN, at least.
    pub security_version: Option<u16>,
    /// ISVFAMILYID, equal. This and the three below need an enclave with KSS: without it they are zero for everybody.
    pub family_id: Option<[u8; 16]>,
    /// ISVEXTPRODID, equal.
    pub extended_product_id: Option<[u8; 16]>,
    /// CONFIGID, equal.
    pub config_id: Option<[u8; 64]>,
    /// CONFIGSVN, at least.
    pub config_svn: Option<u16>,
}

/// A trust domain by its initial contents and what it measured later. Absent registers are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TdxReference {
    /// MRTD, one of these.
    pub mrtd: Vec<[u8; 48]>,
    /// RTMR0 to RTMR3, equal.
    pub rtmr: [Option<[u8; 48]>; 4],
    /// MRCONFIGID, equal: what the host gave as configuration, chosen by the owner of the image.
    pub mr_config_id: Option<[u8; 48]>,
    /// MROWNER, equal.
    pub mr_owner: Option<[u8; 48]>,
    /// MROWNERCONFIG, equal.
    pub mr_owner_config: Option<[u8; 48]>,
    /// TDATTRIBUTES, equal in every bit.
    pub attributes: Option<u64>,
    /// XFAM, equal in every bit.
    pub xfam: Option<u64>,
}

impl ReferenceValue {
    /// What only this very body fits: for looking at evidence whose measurement nobody gave, and never for admission.
    #[must_use]
    pub fn exactly(body: &Body) -> Self {
        match body {
            Body::Sgx(body) => Self::Sgx(SgxReference {
                unique_id: Some(body.mr_enclave),
                ..SgxReference::default()
            }),
            Body::Tdx(body) => Self::Tdx(TdxReference {
                mrtd: vec![body.mr_td],
                rtmr: body.rtmr.map(Some),
                ..TdxReference::default()
            }),
            Body::Snp(body) => Self::Snp(SnpReference {
                measurement: vec![body.measurement],
                host_data: Some(body.host_data),
                ..SnpReference::default()
            }),
        }
    }
}

impl SgxReference {
    pub(super) fn names_nothing(&self) -> bool {
        self.unique_id.is_none() && self.signer_id.is_none()
    }

    /// The first field in which `body` differs.
    pub(super) fn difference(&self, body: &SgxBody) -> Option<Difference> {
        equal("unique_id", self.unique_id, body.mr_enclave)
            .or_else(|| equal("signer_id", self.signer_id, body.mr_signer))
            .or_else(|| number("product_id", self.product_id, body.isv_prod_id))
            .or_else(|| at_least("security_version", self.security_version, body.isv_svn))
            .or_else(|| self.kss_difference(body))
    }

    fn kss_difference(&self, body: &SgxBody) -> Option<Difference> {
        let wants_kss = self.family_id.is_some()
            || self.extended_product_id.is_some()
            || self.config_id.is_some()
            || self.config_svn.is_some();
        if wants_kss && !body.attributes.kss() {
            return differs("attributes", "KSS".to_owned(), "no KSS".to_owned());
        }
        let extended = (self.extended_product_id, body.isv_ext_prod_id);
        equal("family_id", self.family_id, body.isv_family_id)
            .or_else(|| equal("extended_product_id", extended.0, extended.1))
            .or_else(|| equal("config_id", self.config_id, body.config_id))
            .or_else(|| at_least("config_svn", self.config_svn, body.config_svn))
    }
}

impl TdxReference {
    /// The first register in which `body` differs.
    pub(super) fn difference(&self, body: &TdxBody) -> Option<Difference> {
        let names = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        let mut registers = names.into_iter().zip(self.rtmr).zip(body.rtmr);
        let configuration = (self.mr_owner_config, body.mr_owner_config);
        one_of("mrtd", &self.mrtd, body.mr_td)
            .or_else(|| registers.find_map(|((name, wanted), found)| equal(name, wanted, found)))
            .or_else(|| equal("mr_config_id", self.mr_config_id, body.mr_config_id))
            .or_else(|| equal("mr_owner", self.mr_owner, body.mr_owner))
            .or_else(|| equal("mr_owner_config", configuration.0, configuration.1))
            .or_else(|| bits("attributes", self.attributes, body.td_attributes.0))
            .or_else(|| bits("xfam", self.xfam, body.xfam))
    }
}

pub(super) fn equal<const N: usize>(
    field: &'static str,
    wanted: Option<[u8; N]>,
    found: [u8; N],
) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| *wanted != found)?;
    differs(field, hex::encode(wanted), hex::encode(found))
}

fn number(field: &'static str, wanted: Option<u16>, found: u16) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| *wanted != found)?;
    differs(field, wanted.to_string(), found.to_string())
}

/// An empty list accepts nothing.
pub(super) fn one_of<const N: usize>(
    field: &'static str,
    wanted: &[[u8; N]],
    found: [u8; N],
) -> Option<Difference> {
    if wanted.contains(&found) {
        return None;
    }
    let wanted: Vec<String> = wanted.iter().map(hex::encode).collect();
    differs(field, list(&wanted), hex::encode(found))
}

pub(super) fn at_least<T: Copy + PartialOrd + fmt::Display>(
    field: &'static str,
    wanted: Option<T>,
    found: T,
) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| *wanted > found)?;
    differs(field, format!("at least {wanted}"), found.to_string())
}

fn bits(field: &'static str, wanted: Option<u64>, found: u64) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| *wanted != found)?;
    differs(field, format!("{wanted:#018x}"), format!("{found:#018x}"))
}

//! SGX enclave reports: the 384 bytes that a quote carries of the enclave, and of the quoting enclave.
//!
//! Source: Intel SDM volume 3D, 39.15 (REPORT); Intel SGX ECDSA QuoteLib Reference, A.4, table 5. Little-endian.
//! Does not live here: the quote around it (`quote`), what is acceptable (`policy`).

use crate::invalid::Invalid;
use crate::reader::Reader;

pub(crate) const REPORT_LEN: usize = 384;

/// ATTRIBUTES of an enclave: flags and XFRM, as the 16 bytes stand in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SgxAttributes(pub [u8; 16]);

impl SgxAttributes {
    /// Bit 1, DEBUG: the host can read and write the enclave's memory.
    #[must_use]
    pub fn debug(self) -> bool {
        self.bit(1)
    }

    /// Bit 4, PROVISIONKEY: the enclave may derive the provisioning key, which names the platform.
    #[must_use]
    pub fn provision_key(self) -> bool {
        self.bit(4)
    }

    /// Bit 5, EINITTOKEN_KEY: the enclave may derive the launch key.
    #[must_use]
    pub fn einittoken_key(self) -> bool {
        self.bit(5)
    }

    /// Bit 7, KSS: key separation and sharing; only with it do the CONFIG fields mean something.
    #[must_use]
    pub fn kss(self) -> bool {
        self.bit(7)
    }

    fn bit(self, bit: usize) -> bool {
        self.0[bit / 8] >> (bit % 8) & 1 == 1
    }
}

/// What the report says of an enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SgxBody {
    /// CPUSVN, 16 bytes, opaque.
    pub cpu_svn: [u8; 16],
    /// MISCSELECT.
    pub misc_select: u32,
    /// ISVEXTPRODID (with KSS).
    pub isv_ext_prod_id: [u8; 16],
    /// ATTRIBUTES.
    pub attributes: SgxAttributes,
    /// MRENCLAVE: hash of what was loaded. MarbleRun's UniqueID.
    pub mr_enclave: [u8; 32],
    /// MRSIGNER: hash of the signer's key. MarbleRun's SignerID.
    pub mr_signer: [u8; 32],
    /// CONFIGID (with KSS).
    pub config_id: [u8; 64],
    /// ISVPRODID: the signer's number for the product.
    pub isv_prod_id: u16,
    /// ISVSVN: the signer's security version.
    pub isv_svn: u16,
    /// CONFIGSVN (with KSS).
    pub config_svn: u16,
    /// ISVFAMILYID (with KSS).
    pub isv_family_id: [u8; 16],
    /// REPORTDATA.
    pub report_data: [u8; 64],
}

impl SgxBody {
    /// Reads a report; reserved bytes must be zero.
    pub(crate) fn parse(field: &'static str, bytes: &[u8]) -> Result<Self, Invalid> {
        let mut r = Reader(bytes);
        let cpu_svn = r.array(field)?;
        let misc_select = r.u32(field)?;
        r.zeros(12, "reserved bytes 20 to 31 of the report")?;
        let isv_ext_prod_id = r.array(field)?;
        let attributes = SgxAttributes(r.array(field)?);
        let mr_enclave = r.array(field)?;
        r.zeros(32, "reserved bytes 96 to 127 of the report")?;
        let mr_signer = r.array(field)?;
        r.zeros(32, "reserved bytes 160 to 191 of the report")?;
        let config_id = r.array(field)?;
        let isv_prod_id = r.u16(field)?;
        let isv_svn = r.u16(field)?;
        let config_svn = r.u16(field)?;
        r.zeros(42, "reserved bytes 262 to 303 of the report")?;
        let isv_family_id = r.array(field)?;
        let report_data = r.array(field)?;
        r.end(field)?;
        Ok(Self {
            cpu_svn,
            misc_select,
            isv_ext_prod_id,
            attributes,
            mr_enclave,
            mr_signer,
            config_id,
            isv_prod_id,
            isv_svn,
            config_svn,
            isv_family_id,
            report_data,
        })
    }
}

//! TD reports 1.0, 1.5 and 1.5 extended: what a quote says of a trust domain.
//!
//! Source: Intel TDX DCAP Quoting Library API, A.3.2 (1.0), A.4.2 (1.5); `sgx_quote_5.h` of Intel's DCAP headers
//! (`sgx_report2_body_v1_5_ex_t`); TD attributes: Intel TDX Module ABI specification 348551-008US, table 3.23.
//! Does not live here: the TDX module's own TCB (`tcb`), which flags are acceptable (`policy`).

use crate::invalid::Invalid;
use crate::reader::Reader;

pub(crate) const TD_REPORT_10_LEN: usize = 584;
pub(crate) const TD_REPORT_15_LEN: usize = 648;
pub(crate) const TD_REPORT_15_EX_LEN: usize = 885;

/// TDATTRIBUTES: 64 flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdAttributes(pub u64);

impl TdAttributes {
    /// Bits that the ABI wants to be zero and a verifier to refuse: 1 to 3, 7 to 15, 23 to 26, 32 to 61.
    pub const RESERVED: u64 = ones(1, 3) | ones(7, 15) | ones(23, 26) | ones(32, 61);

    /// Bit 0, DEBUG: the host can read and write the TD's memory and registers.
    #[must_use]
    pub fn debug(self) -> bool {
        self.bit(0)
    }

    /// Bits 4 to 6 (HGS+ and performance profiling, of the group "TD under debug"): the host may watch how the TD runs.
    #[must_use]
    pub fn profiling(self) -> bool {
        self.0 & ones(4, 6) != 0
    }

    /// Bit 16, ICSSD: defence against single-stepping by instruction count.
    #[must_use]
    pub fn icssd(self) -> bool {
        self.bit(16)
    }

    /// Bit 17, SERVTD_EXT: service TDs may be bound after the TD was made.
    #[must_use]
    pub fn service_td_ext(self) -> bool {
        self.bit(17)
    }

    /// Bit 28, SEPT_VE_DISABLE: the host can't inject a #VE by taking a page away.
    #[must_use]
    pub fn sept_ve_disable(self) -> bool {
        self.bit(28)
    }

    /// Bit 29, MIGRATABLE: a migration TD may move this TD elsewhere.
    #[must_use]
    pub fn migratable(self) -> bool {
        self.bit(29)
    }

    /// The reserved bits that are set.
    #[must_use]
    pub fn reserved(self) -> u64 {
        self.0 & Self::RESERVED
    }

    fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
}

const fn ones(first: u32, last: u32) -> u64 {
    (u64::MAX << first) & (u64::MAX >> (63 - last))
}

/// What the report says of a TD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxBody {
    /// TEE_TCB_SVN: security versions at launch; bytes 0 and 1 are the TDX module's ISVSVN and version.
    pub tee_tcb_svn: [u8; 16],
    /// MRSEAM: measurement of the TDX module.
    pub mr_seam: [u8; 48],
    /// MRSIGNERSEAM: its signer, zero for Intel.
    pub mr_signer_seam: [u8; 48],
    /// SEAMATTRIBUTES, little-endian.
    pub seam_attributes: u64,
    /// TDATTRIBUTES.
    pub td_attributes: TdAttributes,
    /// XFAM: CPU features that the TD may use, little-endian.
    pub xfam: u64,
    /// MRTD: hash of the TD's initial contents.
    pub mr_td: [u8; 48],
    /// MRCONFIGID: chosen by the host.
    pub mr_config_id: [u8; 48],
    /// MROWNER: chosen by the host.
    pub mr_owner: [u8; 48],
    /// MROWNERCONFIG: chosen by the host.
    pub mr_owner_config: [u8; 48],
    /// RTMR0 to RTMR3: what was measured while it booted and ran.
    pub rtmr: [[u8; 48]; 4],
    /// REPORTDATA.
    pub report_data: [u8; 64],
    /// What TDX 1.5 adds.
    pub v15: Option<Td15>,
    /// What TDX 1.5 extended adds.
    pub v15_ex: Option<Td15Ex>,
}

/// What the report of TDX 1.5 adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Td15 {
    /// TEE_TCB_SVN2: security versions of now; newer than `tee_tcb_svn` after an update that preserved the TD.
    pub tee_tcb_svn2: [u8; 16],
    /// MRSERVICETD: hash of the service TDs bound to this one, zero if none.
    pub mr_service_td: [u8; 48],
}

/// What the report of TDX 1.5 extended adds. Data only, no check of DCAP looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Td15Ex {
    /// VMID: 0 for an unpartitioned TD.
    pub vmid: u8,
    /// TD_ID: made anew at each launch.
    pub td_id: [u8; 32],
    /// Hash of the device information.
    pub dev_info: [u8; 48],
    /// Hash of the service TDs bound when the TD was made.
    pub init_service_td_hash: [u8; 48],
    /// Attributes of that service TD.
    pub init_service_td_attributes: u64,
    /// CPUSVN when the TD was made.
    pub init_cpu_svn: [u8; 16],
    /// TEE_TCB_SVN when the TD was made.
    pub init_tee_tcb_svn: [u8; 16],
    /// FMSPC of the platform on which it was made.
    pub init_tee_fmspc: [u8; 12],
    /// Hash of the service TDs bound now.
    pub cur_service_td_hash: [u8; 48],
    /// Attributes of that service TD.
    pub cur_service_td_attributes: u64,
}

impl TdxBody {
    /// Whether a service TD is bound, or could be bound unseen.
    #[must_use]
    pub fn service_td(&self) -> bool {
        let bound = self
            .v15
            .as_ref()
            .is_some_and(|v15| v15.mr_service_td != [0; 48]);
        let bound_later = self.v15_ex.as_ref().is_some_and(|ex| {
            ex.init_service_td_hash != [0; 48] || ex.cur_service_td_hash != [0; 48]
        });
        bound || bound_later || self.td_attributes.service_td_ext()
    }

    /// Reads a report; its length says which version it is.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        const FIELD: &str = "TD report";
        let mut r = Reader(bytes);
        let mut body = Self {
            tee_tcb_svn: r.array(FIELD)?,
            mr_seam: r.array(FIELD)?,
            mr_signer_seam: r.array(FIELD)?,
            seam_attributes: r.u64(FIELD)?,
            td_attributes: TdAttributes(r.u64(FIELD)?),
            xfam: r.u64(FIELD)?,
            mr_td: r.array(FIELD)?,
            mr_config_id: r.array(FIELD)?,
            mr_owner: r.array(FIELD)?,
            mr_owner_config: r.array(FIELD)?,
            rtmr: [
                r.array(FIELD)?,
                r.array(FIELD)?,
                r.array(FIELD)?,
                r.array(FIELD)?,
            ],
            report_data: r.array(FIELD)?,
            v15: None,
            v15_ex: None,
        };
        if bytes.len() >= TD_REPORT_15_LEN {
            body.v15 = Some(Td15 {
                tee_tcb_svn2: r.array(FIELD)?,
                mr_service_td: r.array(FIELD)?,
            });
        }
        if bytes.len() >= TD_REPORT_15_EX_LEN {
            body.v15_ex = Some(Td15Ex {
                vmid: r.array::<1>(FIELD)?[0],
                td_id: r.array(FIELD)?,
                dev_info: r.array(FIELD)?,
                init_service_td_hash: r.array(FIELD)?,
                init_service_td_attributes: r.u64(FIELD)?,
                init_cpu_svn: r.array(FIELD)?,
                init_tee_tcb_svn: r.array(FIELD)?,
                init_tee_fmspc: r.array(FIELD)?,
                cur_service_td_hash: r.array(FIELD)?,
                cur_service_td_attributes: r.u64(FIELD)?,
            });
        }
        r.end(FIELD)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_attribute_bits_are_those_of_the_abi() {
        let defined = [
            0, 4, 5, 6, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 62, 63,
        ];
        for bit in 0..64 {
            let reserved = TdAttributes(1 << bit).reserved() != 0;
            assert_eq!(reserved, !defined.contains(&bit), "bit {bit}");
        }
    }
}

//! SEV-SNP attestation reports, versions 2 to 5: bytes to [`SnpBody`], and the checks that need no certificate.
//!
//! Source: AMD 56860, SEV Secure Nested Paging Firmware ABI Specification, table ATTESTATION_REPORT and the signature
//! format of chapter 10 (all integers little-endian, r and s too).
//! Does not live here: products and TCB versions (`product`), the signing certificate (`vek`), the judgement (`snp_verify`).

use crate::invalid::Invalid;
use crate::product::{Product, VekKind};
use crate::reader::Reader;

/// Bytes of a report.
pub(crate) const REPORT_LEN: usize = 1184;
/// Bytes of it that are signed.
const SIGNED_LEN: usize = 0x2a0;
/// ECDSA P-384 with SHA-384.
const ALGORITHM_P384: u32 = 1;
/// Bytes of r and of s, and how many of them a P-384 number has.
const NUMBER_LEN: usize = 72;
const P384_LEN: usize = 48;

/// The guest's policy, chosen by its owner at launch (GUEST_POLICY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuestPolicy(pub u64);

impl GuestPolicy {
    /// Least ABI version of the firmware: major, minor.
    #[must_use]
    pub fn abi(self) -> (u8, u8) {
        let [minor, major, ..] = self.0.to_le_bytes();
        (major, minor)
    }

    /// Bit 16: may run with SMT.
    #[must_use]
    pub fn smt(self) -> bool {
        self.bit(16)
    }

    /// Bit 18: may be given a migration agent.
    #[must_use]
    pub fn migrate_ma(self) -> bool {
        self.bit(18)
    }

    /// Bit 19: the host may read and change it.
    #[must_use]
    pub fn debug(self) -> bool {
        self.bit(19)
    }

    /// Bit 20: runs on one socket only.
    #[must_use]
    pub fn single_socket(self) -> bool {
        self.bit(20)
    }

    fn bit(self, at: u32) -> bool {
        self.0 >> at & 1 == 1
    }
}

/// What the platform says of itself (PLATFORM_INFO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlatformInfo(pub u64);

impl PlatformInfo {
    /// Bit 5: the firmware found no memory addresses that are aliases of others (ALIAS_CHECK_COMPLETE).
    #[must_use]
    pub fn alias_check_complete(self) -> bool {
        self.0 >> 5 & 1 == 1
    }
}

/// What a report says. TCB versions are raw: their layout is the product's ([`crate::SnpTcb::of`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnpBody {
    /// Version of the report: 2 to 5.
    pub version: u32,
    /// Security version of the guest, from its ID block.
    pub guest_svn: u32,
    /// What the guest's owner allowed at launch.
    pub policy: GuestPolicy,
    /// FAMILY_ID of the ID block.
    pub family_id: [u8; 16],
    /// IMAGE_ID of the ID block.
    pub image_id: [u8; 16],
    /// Privilege level that asked for the report; 0 is the highest.
    pub vmpl: u32,
    /// CURRENT_TCB: of the firmware of now, which can be rolled back.
    pub current_tcb: [u8; 8],
    /// What the platform says of itself.
    pub platform_info: PlatformInfo,
    /// Whether an author key signed the ID key.
    pub author_key_en: bool,
    /// What signed the report.
    pub signing_key: VekKind,
    /// Chosen by the guest.
    pub report_data: [u8; 64],
    /// Launch digest.
    pub measurement: [u8; 48],
    /// Chosen by the host at launch.
    pub host_data: [u8; 32],
    /// SHA-384 of the public key that signed the ID block.
    pub id_key_digest: [u8; 48],
    /// SHA-384 of the public key that signed the ID key.
    pub author_key_digest: [u8; 48],
    /// Of this guest.
    pub report_id: [u8; 32],
    /// Of its migration agent; all ones without one.
    pub report_id_ma: [u8; 32],
    /// REPORTED_TCB: of which the signing key is.
    pub reported_tcb: [u8; 8],
    /// CPUID's family, model, stepping; from version 3 on.
    pub cpuid: Option<(u8, u8, u8)>,
    /// CHIP_ID; all zero if the host masks it.
    pub chip_id: [u8; 64],
    /// COMMITTED_TCB: the firmware can't be rolled back behind it.
    pub committed_tcb: [u8; 8],
    /// LAUNCH_TCB: when the guest was launched or imported.
    pub launch_tcb: [u8; 8],
}

impl SnpBody {
    /// The product that the report names; `None` from a report of version 2, which names none.
    ///
    /// # Errors
    /// [`Invalid::SnpProductUnknown`].
    pub(crate) fn product(&self) -> Result<Option<Product>, Invalid> {
        let Some((family, model, _)) = self.cpuid else {
            return Ok(None);
        };
        let unknown = || Invalid::SnpProductUnknown {
            found: format!("CPU family {family:#04x}, model {model:#04x}"),
        };
        Product::of_cpu(family, model).map(Some).ok_or_else(unknown)
    }

    /// The chip id, unless it is masked.
    #[must_use]
    pub fn chip_id(&self) -> Option<&[u8; 64]> {
        (self.chip_id != [0; 64]).then_some(&self.chip_id)
    }
}

/// A well-formed report; its signature has not been looked at.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) body: SnpBody,
    /// As the VEK signed it.
    pub(crate) signed: Vec<u8>,
    /// `r || s`, big-endian.
    pub(crate) signature: [u8; 96],
}

impl Report {
    /// Check 1 of docs/protocol/snp.md.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() != REPORT_LEN {
            return Err(Invalid::Malformed {
                field: "SNP report",
                cause: format!("has {} bytes, wanted {REPORT_LEN}", bytes.len()),
            });
        }
        let (signed, signature) = bytes.split_at(SIGNED_LEN);
        Ok(Self {
            body: body(signed)?,
            signed: signed.to_vec(),
            signature: numbers(signature)?,
        })
    }
}

fn body(signed: &[u8]) -> Result<SnpBody, Invalid> {
    let mut reader = Reader(signed);
    let version = reader.u32("VERSION")?;
    if !(2..=5).contains(&version) {
        return Err(Invalid::SnpReportVersion { found: version });
    }
    let guest_svn = reader.u32("GUEST_SVN")?;
    let policy = GuestPolicy(reader.u64("POLICY")?);
    let family_id = reader.array("FAMILY_ID")?;
    let image_id = reader.array("IMAGE_ID")?;
    let vmpl = reader.u32("VMPL")?;
    let algorithm = reader.u32("SIGNATURE_ALGO")?;
    if algorithm != ALGORITHM_P384 {
        return Err(Invalid::SnpSignatureAlgorithm { found: algorithm });
    }
    let current_tcb = reader.array("CURRENT_TCB")?;
    let platform_info = PlatformInfo(reader.u64("PLATFORM_INFO")?);
    let flags = reader.u32("SIGNING_KEY")?;
    let signing_key = signing_key(flags)?;
    reader.take(4, "reserved bytes")?;
    let report_data = reader.array("REPORT_DATA")?;
    let measurement = reader.array("MEASUREMENT")?;
    let host_data = reader.array("HOST_DATA")?;
    let id_key_digest = reader.array("ID_KEY_DIGEST")?;
    let author_key_digest = reader.array("AUTHOR_KEY_DIGEST")?;
    let report_id = reader.array("REPORT_ID")?;
    let report_id_ma = reader.array("REPORT_ID_MA")?;
    let reported_tcb = reader.array("REPORTED_TCB")?;
    let [family, model, stepping] = reader.array("CPUID_FAM_ID")?;
    reader.take(21, "reserved bytes")?;
    let chip_id = reader.array("CHIP_ID")?;
    let committed_tcb = reader.array("COMMITTED_TCB")?;
    reader.take(8, "CURRENT_BUILD to COMMITTED_MAJOR")?;
    let launch_tcb = reader.array("LAUNCH_TCB")?;
    Ok(SnpBody {
        version,
        guest_svn,
        policy,
        family_id,
        image_id,
        vmpl,
        current_tcb,
        platform_info,
        author_key_en: flags & 1 == 1,
        signing_key,
        report_data,
        measurement,
        host_data,
        id_key_digest,
        author_key_digest,
        report_id,
        report_id_ma,
        reported_tcb,
        cpuid: (version >= 3).then_some((family, model, stepping)),
        chip_id,
        committed_tcb,
        launch_tcb,
    })
}

/// Bit 1 is MASK_CHIP_KEY, bits 2 to 4 are SIGNING_KEY.
fn signing_key(flags: u32) -> Result<VekKind, Invalid> {
    if flags >> 1 & 1 == 1 {
        return Err(Invalid::SnpSigningKey {
            field: "MASK_CHIP_KEY",
            wanted: "0: with a masked key nothing is signed",
            found: 1,
        });
    }
    match flags >> 2 & 7 {
        0 => Ok(VekKind::Vcek),
        1 => Ok(VekKind::Vlek),
        found => Err(Invalid::SnpSigningKey {
            field: "SIGNING_KEY",
            wanted: "0 (VCEK) or 1 (VLEK)",
            found,
        }),
    }
}

/// r and s, big-endian, from the little-endian form with its padding.
fn numbers(signature: &[u8]) -> Result<[u8; 96], Invalid> {
    let mut reader = Reader(signature);
    let mut numbers = [0; 2 * P384_LEN];
    for half in numbers.chunks_exact_mut(P384_LEN) {
        let mut number: [u8; P384_LEN] = reader.array("SIGNATURE")?;
        reader.zeros(
            NUMBER_LEN - P384_LEN,
            "bytes above a number of the SIGNATURE",
        )?;
        number.reverse();
        half.copy_from_slice(&number);
    }
    reader.zeros(reader.0.len(), "bytes behind the SIGNATURE")?;
    Ok(numbers)
}

//! Quotes, byte by byte: SGX v3 and TDX v4, with the QE's report and the PCK chain.
//!
//! Source: Intel SGX ECDSA QuoteLib Reference, appendix A.4 (quote v3, enclave report); Intel TDX DCAP Quoting Library
//! API, appendix A.3 (quote v4, TD report 1.0). All integers little-endian.

use sha2::{Digest as _, Sha256};

use crate::key::VendorKey;
use crate::knobs::Tee;
use crate::tcb::{PCE_SVN, TEE_TCB_SVN, qe_product, qe_signer};

/// QE vendor id of the reference quoting enclaves.
const QE_VENDOR: [u8; 16] = [
    0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07,
];
/// ECDSA with P-256 and SHA-256.
const KEY_TYPE_P256: u16 = 2;
/// A PCK chain in PEM.
const CERT_PCK_CHAIN: u16 = 5;
/// A QE report with its own certification data; the outer type of quote v4.
const CERT_QE_REPORT: u16 = 6;
/// SGX attributes: INIT, 64-bit mode.
const ATTRIBUTES_INIT_64: u8 = 0x05;
/// SGX attributes of the quoting enclaves: INIT, provisioning key.
const ATTRIBUTES_QE: u8 = 0x11;
/// SGX and TD attributes: debug.
const SGX_DEBUG: u8 = 0x02;
const TD_DEBUG: u8 = 0x01;
/// TD attributes bit 28, SEPT_VE_DISABLE, in octet 3.
const TD_SEPT_VE_DISABLE: u8 = 0x10;
const XFRM_SGX: u64 = 0xE7;
const XFAM_TDX: u64 = 0x0006_00E7;

/// What an enclave is, as its report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SgxIdentity {
    /// MRENCLAVE.
    pub mrenclave: [u8; 32],
    /// MRSIGNER.
    pub mrsigner: [u8; 32],
    /// ISVPRODID.
    pub isv_prod_id: u16,
    /// ISVSVN.
    pub isv_svn: u16,
    /// ATTRIBUTES.DEBUG.
    pub debug: bool,
}

/// What a trust domain is, as its report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdIdentity {
    /// MRTD.
    pub mrtd: [u8; 48],
    /// RTMR0 to RTMR3.
    pub rtmr: [[u8; 48]; 4],
    /// TDATTRIBUTES.DEBUG.
    pub debug: bool,
}

/// The part of a quote that a quoting enclave makes once for its attestation key.
#[derive(Debug, Clone)]
pub(crate) struct QuotingEnclave {
    pub(crate) key: VendorKey,
    report: [u8; 384],
    signature: [u8; 64],
    auth_data: [u8; 32],
    qe_id: [u8; 16],
}

impl QuotingEnclave {
    pub(crate) fn new(
        tee: Tee,
        key: VendorKey,
        pck: &VendorKey,
        cpu_svn: [u8; 16],
        isv_svn: u16,
        qe_id: [u8; 16],
    ) -> Self {
        let auth_data: [u8; 32] =
            Sha256::digest(format!("stoa/synthetic/qe-auth/1/{}", tee.name())).into();
        let mut bound = Sha256::new();
        bound.update(key.x_y());
        bound.update(auth_data);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(&bound.finalize());
        let report = enclave_report(&Report {
            cpu_svn,
            attributes: ATTRIBUTES_QE,
            mrenclave: Sha256::digest(format!("stoa/synthetic/qe/1/{}", tee.name())).into(),
            mrsigner: qe_signer(tee),
            isv_prod_id: qe_product(tee),
            isv_svn,
            report_data,
        });
        Self {
            signature: pck.sign_fixed(&report),
            key,
            report,
            auth_data,
            qe_id,
        }
    }

    /// QE report, its signature, authentication data, certification data of type 5.
    fn certification(&self, pck_chain_pem: &str, out: &mut Vec<u8>) {
        out.extend(self.report);
        out.extend(self.signature);
        out.extend(len16(&self.auth_data));
        out.extend(self.auth_data);
        out.extend(CERT_PCK_CHAIN.to_le_bytes());
        out.extend(len32(pck_chain_pem.as_bytes()));
        out.extend(pck_chain_pem.as_bytes());
    }
}

/// SGX quote v3.
pub(crate) fn sgx(
    qe: &QuotingEnclave,
    pck_chain_pem: &str,
    cpu_svn: [u8; 16],
    identity: &SgxIdentity,
    report_data: [u8; 64],
) -> Vec<u8> {
    let mut signed = header(3, Tee::Sgx, qe).to_vec();
    signed.extend(enclave_report(&Report {
        cpu_svn,
        attributes: ATTRIBUTES_INIT_64 | if identity.debug { SGX_DEBUG } else { 0 },
        mrenclave: identity.mrenclave,
        mrsigner: identity.mrsigner,
        isv_prod_id: identity.isv_prod_id,
        isv_svn: identity.isv_svn,
        report_data,
    }));
    let mut auth = qe.key.sign_fixed(&signed).to_vec();
    auth.extend(qe.key.x_y());
    qe.certification(pck_chain_pem, &mut auth);
    close(signed, &auth)
}

/// TDX quote v4 with a TD report 1.0.
pub(crate) fn tdx(
    qe: &QuotingEnclave,
    pck_chain_pem: &str,
    identity: &TdIdentity,
    report_data: [u8; 64],
) -> Vec<u8> {
    let mut signed = header(4, Tee::Tdx, qe).to_vec();
    signed.extend(td_report(identity, report_data));
    let mut inner = Vec::new();
    qe.certification(pck_chain_pem, &mut inner);
    let mut auth = qe.key.sign_fixed(&signed).to_vec();
    auth.extend(qe.key.x_y());
    auth.extend(CERT_QE_REPORT.to_le_bytes());
    auth.extend(len32(&inner));
    auth.extend(inner);
    close(signed, &auth)
}

fn close(mut signed: Vec<u8>, auth: &[u8]) -> Vec<u8> {
    signed.extend(len32(auth));
    signed.extend_from_slice(auth);
    signed
}

fn header(version: u16, tee: Tee, qe: &QuotingEnclave) -> [u8; 48] {
    let tee_type: u32 = match tee {
        Tee::Sgx => 0,
        Tee::Tdx => 0x81,
    };
    let mut out = [0; 48];
    out[0..2].copy_from_slice(&version.to_le_bytes());
    out[2..4].copy_from_slice(&KEY_TYPE_P256.to_le_bytes());
    out[4..8].copy_from_slice(&tee_type.to_le_bytes());
    if tee == Tee::Sgx {
        // QE's and PCE's SVN; quote v4 has reserved zeros there.
        out[8..10].copy_from_slice(&qe.report[258..260]);
        out[10..12].copy_from_slice(&PCE_SVN.to_le_bytes());
    }
    out[12..28].copy_from_slice(&QE_VENDOR);
    // User data: the QE's id, then four zeros.
    out[28..44].copy_from_slice(&qe.qe_id);
    out
}

struct Report {
    cpu_svn: [u8; 16],
    attributes: u8,
    mrenclave: [u8; 32],
    mrsigner: [u8; 32],
    isv_prod_id: u16,
    isv_svn: u16,
    report_data: [u8; 64],
}

/// The 384 bytes of an enclave report body.
fn enclave_report(report: &Report) -> [u8; 384] {
    let mut out = [0; 384];
    out[0..16].copy_from_slice(&report.cpu_svn);
    out[48] = report.attributes;
    out[56..64].copy_from_slice(&XFRM_SGX.to_le_bytes());
    out[64..96].copy_from_slice(&report.mrenclave);
    out[128..160].copy_from_slice(&report.mrsigner);
    out[256..258].copy_from_slice(&report.isv_prod_id.to_le_bytes());
    out[258..260].copy_from_slice(&report.isv_svn.to_le_bytes());
    out[320..384].copy_from_slice(&report.report_data);
    out
}

/// The 584 bytes of a TD report body 1.0.
fn td_report(identity: &TdIdentity, report_data: [u8; 64]) -> [u8; 584] {
    let mut out = [0; 584];
    out[0..16].copy_from_slice(&TEE_TCB_SVN);
    // MRSEAM; MRSIGNERSEAM and SEAMATTRIBUTES stay zero, as the vendor's own module has them.
    out[16..48].copy_from_slice(&Sha256::digest("stoa/synthetic/seam/1"));
    out[120] = if identity.debug { TD_DEBUG } else { 0 };
    out[123] = TD_SEPT_VE_DISABLE;
    out[128..136].copy_from_slice(&XFAM_TDX.to_le_bytes());
    out[136..184].copy_from_slice(&identity.mrtd);
    for (index, rtmr) in identity.rtmr.iter().enumerate() {
        let start = 328 + 48 * index;
        out[start..start + 48].copy_from_slice(rtmr);
    }
    out[520..584].copy_from_slice(&report_data);
    out
}

fn len16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len())
        .expect("authentication data has 32 bytes")
        .to_le_bytes()
}

fn len32(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len())
        .expect("a quote has some 5 KiB")
        .to_le_bytes()
}

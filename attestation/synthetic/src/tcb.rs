//! TCB info v3 and QE identity v2 as JSON text, and the text's signature.
//!
//! Source: Intel PCS API v4, "Get TCB Info" and "Get Enclave Identity" (appendices A and B): the signature is over the
//! exact bytes of the inner object, so the text is written once and never parsed again here.

use rustls_pki_types::UnixTime;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use time::format_description::well_known::Rfc3339;

use crate::knobs::{Knobs, PlatformTcb, Tee};
use crate::pki::date;

/// PCE's SVN of every synthetic platform, and of every level.
pub(crate) const PCE_SVN: u16 = 13;
/// PCE id of every synthetic platform.
pub(crate) const PCE_ID: [u8; 2] = [0, 0];
/// TEE_TCB_SVN: module ISVSVN 5, module version 1 (identity `TDX_01`), SEAMLDR-side component 2.
pub(crate) const TEE_TCB_SVN: [u8; 16] = [5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Components that do not move with the TCB status.
const STEADY_SVN: u8 = 2;
/// Components with the status' own SVN: the two microcode updates.
const MICROCODE_COMPONENTS: usize = 2;
const ZERO_48: &str = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
const ZERO_8: &str = "0000000000000000";

/// CPUSVN of a platform at this status: octet i is component i + 1.
pub(crate) fn cpu_svn(status: PlatformTcb) -> [u8; 16] {
    let mut svn = [0; 16];
    svn[..MICROCODE_COMPONENTS].fill(status.svn());
    svn[MICROCODE_COMPONENTS..4].fill(STEADY_SVN);
    svn
}

/// MRSIGNER of the quoting enclave of a TEE.
pub(crate) fn qe_signer(tee: Tee) -> [u8; 32] {
    Sha256::digest(format!("stoa/synthetic/qe-signer/1/{}", tee.name())).into()
}

/// ISVPRODID of the quoting enclave of a TEE: 1 QE, 2 TD QE.
pub(crate) fn qe_product(tee: Tee) -> u16 {
    match tee {
        Tee::Sgx => 1,
        Tee::Tdx => 2,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TcbInfo {
    id: &'static str,
    version: u8,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: String,
    tcb_type: u8,
    tcb_evaluation_data_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module: Option<TdxModule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module_identities: Option<Vec<TdxModuleIdentity>>,
    tcb_levels: Vec<Level<PlatformSvns>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModule {
    mrsigner: &'static str,
    attributes: &'static str,
    attributes_mask: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModuleIdentity {
    id: &'static str,
    mrsigner: &'static str,
    attributes: &'static str,
    attributes_mask: &'static str,
    tcb_levels: Vec<Level<EnclaveSvn>>,
}

#[derive(Serialize)]
struct Level<T> {
    tcb: T,
    #[serde(rename = "tcbDate")]
    date: &'static str,
    #[serde(rename = "tcbStatus")]
    status: &'static str,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[_]>::is_empty")]
    advisories: &'static [&'static str],
}

#[derive(Serialize)]
struct PlatformSvns {
    sgxtcbcomponents: Vec<Component>,
    pcesvn: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdxtcbcomponents: Option<Vec<Component>>,
}

#[derive(Serialize)]
struct EnclaveSvn {
    isvsvn: u16,
}

#[derive(Serialize)]
struct Component {
    svn: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QeIdentity {
    id: &'static str,
    version: u8,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: &'static str,
    miscselect_mask: &'static str,
    attributes: &'static str,
    attributes_mask: &'static str,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<Level<EnclaveSvn>>,
}

/// The inner `tcbInfo` object, as it is signed.
pub(crate) fn tcb_info(tee: Tee, knobs: &Knobs, window: (UnixTime, UnixTime)) -> String {
    let tdx = tee == Tee::Tdx;
    let info = TcbInfo {
        id: if tdx { "TDX" } else { "SGX" },
        version: 3,
        issue_date: rfc3339(window.0),
        next_update: rfc3339(window.1),
        fmspc: hex::encode_upper(knobs.fmspc),
        pce_id: hex::encode_upper(PCE_ID),
        tcb_type: 0,
        tcb_evaluation_data_number: knobs.tcb_evaluation_number,
        tdx_module: tdx.then_some(TdxModule {
            mrsigner: ZERO_48,
            attributes: ZERO_8,
            attributes_mask: "FFFFFFFFFFFFFFFF",
        }),
        tdx_module_identities: tdx.then(|| {
            vec![TdxModuleIdentity {
                id: "TDX_01",
                mrsigner: ZERO_48,
                attributes: ZERO_8,
                attributes_mask: "FFFFFFFFFFFFFFFF",
                tcb_levels: vec![level(
                    EnclaveSvn {
                        isvsvn: u16::from(TEE_TCB_SVN[0]),
                    },
                    PlatformTcb::UpToDate,
                )],
            }]
        }),
        tcb_levels: PlatformTcb::LEVELS
            .into_iter()
            .map(|status| {
                let svns = PlatformSvns {
                    sgxtcbcomponents: components(cpu_svn(status)),
                    pcesvn: PCE_SVN,
                    tdxtcbcomponents: tdx.then(|| {
                        // With a module version above 0, components 0 and 1 are judged by the module's identity.
                        let mut svns = TEE_TCB_SVN;
                        svns[1] = 0;
                        components(svns)
                    }),
                };
                level(svns, status)
            })
            .collect(),
    };
    text(&info)
}

/// The inner `enclaveIdentity` object, as it is signed.
pub(crate) fn qe_identity(tee: Tee, knobs: &Knobs, window: (UnixTime, UnixTime)) -> String {
    let identity = QeIdentity {
        id: match tee {
            Tee::Sgx => "QE",
            Tee::Tdx => "TD_QE",
        },
        version: 2,
        issue_date: rfc3339(window.0),
        next_update: rfc3339(window.1),
        tcb_evaluation_data_number: knobs.tcb_evaluation_number,
        miscselect: "00000000",
        miscselect_mask: "FFFFFFFF",
        attributes: "11000000000000000000000000000000",
        attributes_mask: "FBFFFFFFFFFFFFFF0000000000000000",
        mrsigner: hex::encode_upper(qe_signer(tee)),
        isvprodid: qe_product(tee),
        tcb_levels: vec![
            level(EnclaveSvn { isvsvn: 8 }, PlatformTcb::UpToDate),
            level(EnclaveSvn { isvsvn: 6 }, PlatformTcb::OutOfDate),
        ],
    };
    text(&identity)
}

fn level<T>(tcb: T, status: PlatformTcb) -> Level<T> {
    Level {
        tcb,
        date: match status {
            PlatformTcb::OutOfDate
            | PlatformTcb::OutOfDateConfigurationNeeded
            | PlatformTcb::Revoked => "2018-08-15T00:00:00Z",
            _ => "2019-05-15T00:00:00Z",
        },
        status: status.vendor_name(),
        advisories: status.advisories(),
    }
}

fn components(svns: [u8; 16]) -> Vec<Component> {
    svns.into_iter().map(|svn| Component { svn }).collect()
}

fn rfc3339(when: UnixTime) -> String {
    date(when.as_secs())
        .format(&Rfc3339)
        .expect("date() keeps the year below 10 000")
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of numbers and text always serialise")
}

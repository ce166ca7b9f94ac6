//! QE identity: signed JSON to [`QeIdentity`], and whether a quoting enclave is the one it describes.
//!
//! Source: Intel PCS API v4, "Get Quoting Enclave Identity"; Intel's QuoteVerificationLibrary, clauses 4.1.2.9.2 to .10.
//! Does not live here: the signature of the JSON (`collateral`), the QE report's signature (`verify`).

use rustls_pki_types::UnixTime;
use serde::Deserialize;

use crate::dates::{Window, parse_utc};
use crate::invalid::{Dated, Invalid, TcbPart};
use crate::kind::Kind;
use crate::sgx::SgxBody;
use crate::status::ComponentStatus;

const STATUSES: &str =
    "UpToDate, OutOfDate, ConfigurationNeeded, OutOfDateConfigurationNeeded and Revoked";
const WANTED_SGX: &str = "QE of version 2";
const WANTED_TDX: &str = "TD_QE of version 2 or 3";

/// What the vendor's quoting enclave is.
#[derive(Debug, Clone)]
pub(crate) struct QeIdentity {
    pub(crate) window: Window,
    pub(crate) evaluation_number: u32,
    misc_select: u32,
    misc_select_mask: u32,
    attributes: [u8; 16],
    attributes_mask: [u8; 16],
    mr_signer: [u8; 32],
    isv_prod_id: u16,
    /// Highest first.
    levels: Vec<QeLevel>,
}

/// One row of the quoting enclave's levels.
#[derive(Debug, Clone)]
pub(crate) struct QeLevel {
    isv_svn: u16,
    pub(crate) status: ComponentStatus,
    pub(crate) date: UnixTime,
    pub(crate) advisories: Vec<String>,
}

impl QeIdentity {
    /// Reads the identity that goes with a TCB info of `kind`.
    pub(crate) fn parse(kind: Kind, json: &str) -> Result<Self, Invalid> {
        let json: Json = serde_json::from_str(json)
            .map_err(|cause| malformed(format!("is not the JSON that it should be: {cause}")))?;
        let (fits, wanted) = match kind {
            Kind::TdxDcap => (
                json.id == "TD_QE" && matches!(json.version, 2 | 3),
                WANTED_TDX,
            ),
            _ => (json.id == "QE" && json.version == 2, WANTED_SGX),
        };
        if !fits {
            return Err(Invalid::QeIdentityTee {
                wanted,
                found: format!("{} of version {}", json.id, json.version),
            });
        }
        let mut levels = json
            .tcb_levels
            .into_iter()
            .map(QeLevel::parse)
            .collect::<Result<Vec<_>, _>>()?;
        levels.sort_by_key(|level| core::cmp::Reverse(level.isv_svn));
        if levels
            .windows(2)
            .any(|pair| pair[0].isv_svn == pair[1].isv_svn)
        {
            return Err(malformed("has one level twice".to_owned()));
        }
        Ok(Self {
            window: Window {
                from: date("issueDate", &json.issue_date)?,
                until: date("nextUpdate", &json.next_update)?,
            },
            evaluation_number: json.tcb_evaluation_data_number,
            // Both are the bytes as they stand in the report, little-endian.
            misc_select: u32::from_le_bytes(bytes("miscselect", &json.miscselect)?),
            misc_select_mask: u32::from_le_bytes(bytes("miscselectMask", &json.miscselect_mask)?),
            attributes: bytes("attributes", &json.attributes)?,
            attributes_mask: bytes("attributesMask", &json.attributes_mask)?,
            mr_signer: bytes("mrsigner", &json.mrsigner)?,
            isv_prod_id: json.isvprodid,
            levels,
        })
    }

    /// Check 9: the enclave is the vendor's, runs without debug, and has a level.
    pub(crate) fn check(&self, qe: &SgxBody) -> Result<&QeLevel, Invalid> {
        let masked: Vec<u8> = qe
            .attributes
            .0
            .iter()
            .zip(self.attributes_mask)
            .map(|(b, mask)| b & mask)
            .collect();
        let misc_select = qe.misc_select & self.misc_select_mask;
        let (debug, no_debug) = ("set".to_owned(), "clear".to_owned());
        for (field, fits, wanted, found) in [
            ("DEBUG attribute", !qe.attributes.debug(), no_debug, debug),
            (
                "MISCSELECT under its mask",
                misc_select == self.misc_select,
                format!("{:08x}", self.misc_select),
                format!("{misc_select:08x}"),
            ),
            (
                "ATTRIBUTES under their mask",
                masked == self.attributes,
                hex::encode(self.attributes),
                hex::encode(&masked),
            ),
            (
                "MRSIGNER",
                qe.mr_signer == self.mr_signer,
                hex::encode(self.mr_signer),
                hex::encode(qe.mr_signer),
            ),
            (
                "ISVPRODID",
                qe.isv_prod_id == self.isv_prod_id,
                self.isv_prod_id.to_string(),
                qe.isv_prod_id.to_string(),
            ),
        ] {
            if !fits {
                return Err(Invalid::QeDiffers {
                    field,
                    wanted,
                    found,
                });
            }
        }
        self.levels
            .iter()
            .find(|level| qe.isv_svn >= level.isv_svn)
            .ok_or_else(|| Invalid::TcbLevelNone {
                part: TcbPart::QuotingEnclave,
                found: format!("ISVSVN {}", qe.isv_svn),
                lowest: self.levels.last().map_or("none".to_owned(), |level| {
                    format!("ISVSVN {}", level.isv_svn)
                }),
            })
    }
}

impl QeLevel {
    fn parse(json: LevelJson) -> Result<Self, Invalid> {
        Ok(Self {
            isv_svn: json.tcb.isvsvn,
            // Clause 4.1.2.9.10: whatever is neither current nor revoked counts as out of date.
            status: match json.tcb_status.as_str() {
                "UpToDate" => ComponentStatus::UpToDate,
                "OutOfDate" | "ConfigurationNeeded" | "OutOfDateConfigurationNeeded" => {
                    ComponentStatus::OutOfDate
                }
                "Revoked" => ComponentStatus::Revoked,
                _ => {
                    return Err(Invalid::TcbStatusUnknown {
                        object: Dated::QeIdentity,
                        found: json.tcb_status,
                        known: STATUSES,
                    });
                }
            },
            date: date("tcbDate", &json.tcb_date)?,
            advisories: json.advisory_ids,
        })
    }
}

fn malformed(cause: String) -> Invalid {
    Invalid::QeIdentityMalformed { cause }
}

fn date(field: &'static str, text: &str) -> Result<UnixTime, Invalid> {
    parse_utc(text)
        .ok_or_else(|| malformed(format!("{field} is `{text}`, wanted YYYY-MM-DDThh:mm:ssZ")))
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Invalid> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(cause) => Err(malformed(format!(
            "{field} is no hex of {N} bytes: {cause}"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    id: String,
    version: u32,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: String,
    miscselect_mask: String,
    attributes: String,
    attributes_mask: String,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<LevelJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelJson {
    tcb: SvnJson,
    tcb_date: String,
    tcb_status: String,
    #[serde(rename = "advisoryIDs", default)]
    advisory_ids: Vec<String>,
}

#[derive(Deserialize)]
struct SvnJson {
    isvsvn: u16,
}

//! TCB info: signed JSON to [`TcbInfo`].
//!
//! Source: Intel PCS API v4, "Get TCB Info V4" (TCB info version 3 for SGX and TDX); Intel's QuoteVerificationLibrary,
//! clauses 4.1.2.7 and 4.1.2.4.8. The signature is over the exact bytes, so it is checked before they are read as JSON.
//! Does not live here: matching (`tcb`), the signature (`collateral`).

use rustls_pki_types::UnixTime;
use serde::Deserialize;

use crate::dates::{Window, parse_utc};
use crate::invalid::{Dated, Invalid};
use crate::kind::Kind;
use crate::status::{ComponentStatus, TcbStatus};
use crate::tdx::TdxBody;

const VERSION: u32 = 3;
const TCB_TYPE: u32 = 0;
const LEVEL_STATUSES: &str = "UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, \
     OutOfDate, OutOfDateConfigurationNeeded and Revoked";
const MODULE_STATUSES: &str = "UpToDate, OutOfDate and Revoked";

/// What the vendor knows of one family of platforms.
#[derive(Debug, Clone)]
pub(crate) struct TcbInfo {
    pub(crate) kind: Kind,
    pub(crate) window: Window,
    pub(crate) fmspc: [u8; 6],
    pub(crate) pceid: [u8; 2],
    pub(crate) evaluation_number: u32,
    /// Highest first: by SGX components, then PCE SVN, then TDX components.
    pub(crate) levels: Vec<TcbLevel>,
    /// With TDX only.
    module: Option<Module>,
    module_identities: Vec<ModuleIdentity>,
}

/// One row of the platform's levels.
#[derive(Debug, Clone)]
pub(crate) struct TcbLevel {
    pub(crate) sgx: [u8; 16],
    pub(crate) pce_svn: u16,
    /// With TDX only.
    pub(crate) tdx: Option<[u8; 16]>,
    pub(crate) status: TcbStatus,
    pub(crate) date: UnixTime,
    pub(crate) advisories: Vec<String>,
}

/// What a TDX module must be.
#[derive(Debug, Clone)]
struct Module {
    mr_signer: [u8; 48],
    attributes: [u8; 8],
}

/// A TDX module version with levels of its own.
#[derive(Debug, Clone)]
pub(crate) struct ModuleIdentity {
    id: String,
    module: Module,
    /// Highest first.
    pub(crate) levels: Vec<ModuleLevel>,
}

/// One row of a TDX module's levels.
#[derive(Debug, Clone)]
pub(crate) struct ModuleLevel {
    pub(crate) isv_svn: u8,
    pub(crate) status: ComponentStatus,
    pub(crate) date: UnixTime,
    pub(crate) advisories: Vec<String>,
}

impl TcbInfo {
    pub(crate) fn parse(json: &str) -> Result<Self, Invalid> {
        let head: Head = serde_json::from_str(json).map_err(not_json)?;
        if head.version != VERSION {
            return Err(Invalid::TcbInfoVersion {
                found: head.version,
            });
        }
        let json: Json = serde_json::from_str(json).map_err(not_json)?;
        let kind = match json.id.as_str() {
            "SGX" => Kind::SgxDcap,
            "TDX" => Kind::TdxDcap,
            other => return Err(malformed(format!("id is `{other}`, wanted SGX or TDX"))),
        };
        if json.tcb_type != TCB_TYPE {
            return Err(malformed(format!(
                "tcbType is {}, wanted {TCB_TYPE}",
                json.tcb_type
            )));
        }
        if (kind == Kind::TdxDcap) != json.tdx_module.is_some() {
            return Err(malformed(format!(
                "tdxModule does not go with id {}",
                json.id
            )));
        }
        if kind == Kind::SgxDcap && json.tdx_module_identities.is_some() {
            return Err(malformed(
                "tdxModuleIdentities does not go with id SGX".to_owned(),
            ));
        }
        Ok(Self {
            kind,
            window: Window {
                from: date("issueDate", &json.issue_date)?,
                until: date("nextUpdate", &json.next_update)?,
            },
            fmspc: bytes("fmspc", &json.fmspc)?,
            pceid: bytes("pceId", &json.pce_id)?,
            evaluation_number: json.tcb_evaluation_data_number,
            levels: levels(kind, json.tcb_levels)?,
            module: json.tdx_module.map(Module::parse).transpose()?,
            module_identities: json
                .tdx_module_identities
                .unwrap_or_default()
                .into_iter()
                .map(ModuleIdentity::parse)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The identity of the TDX module with these versions (byte 1 is the module's version); `None` for version 0.
    pub(crate) fn module_identity(
        &self,
        svn: &[u8; 16],
    ) -> Result<Option<&ModuleIdentity>, Invalid> {
        let version = svn[1];
        if version == 0 {
            return Ok(None);
        }
        let wanted = format!("TDX_{version:02X}");
        let identity = self
            .module_identities
            .iter()
            .find(|identity| identity.id == wanted);
        identity.map(Some).ok_or_else(|| Invalid::TdxModuleDiffers {
            field: "identity",
            wanted: match self.module_identities.as_slice() {
                [] => "none, the TCB info lists no identities".to_owned(),
                some => some
                    .iter()
                    .map(|identity| identity.id.as_str())
                    .collect::<Vec<_>>()
                    .join(" or "),
            },
            found: wanted,
        })
    }

    /// Check 11: signer and attributes of the TDX module under the TD.
    pub(crate) fn check_module(&self, td: &TdxBody) -> Result<(), Invalid> {
        let identity = self
            .module_identity(&td.tee_tcb_svn)?
            .map(|identity| &identity.module);
        let Some(module) = identity.or(self.module.as_ref()) else {
            return Err(malformed("has no tdxModule".to_owned()));
        };
        let attributes = td.seam_attributes.to_le_bytes();
        let differs = |field, wanted: &[u8], found: &[u8]| Invalid::TdxModuleDiffers {
            field,
            wanted: hex::encode(wanted),
            found: hex::encode(found),
        };
        if td.mr_signer_seam != module.mr_signer {
            return Err(differs(
                "MRSIGNERSEAM",
                &module.mr_signer,
                &td.mr_signer_seam,
            ));
        }
        // No attribute of a TDX module is defined yet: they must be zero and as the TCB info says.
        if attributes != [0; 8] {
            return Err(differs("SEAMATTRIBUTES", &[0; 8], &attributes));
        }
        if attributes != module.attributes {
            return Err(differs("SEAMATTRIBUTES", &module.attributes, &attributes));
        }
        Ok(())
    }
}

fn levels(kind: Kind, json: Vec<LevelJson>) -> Result<Vec<TcbLevel>, Invalid> {
    let mut levels = json
        .into_iter()
        .map(|level| TcbLevel::parse(kind, level))
        .collect::<Result<Vec<_>, _>>()?;
    // The order of the JSON means nothing (the reference keeps levels in a sorted set).
    let key = |level: &TcbLevel| (level.sgx, level.pce_svn, level.tdx);
    levels.sort_by_key(|level| core::cmp::Reverse(key(level)));
    if levels.is_empty() {
        return Err(malformed("tcbLevels is empty".to_owned()));
    }
    if levels.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err(malformed("tcbLevels has one level twice".to_owned()));
    }
    Ok(levels)
}

impl TcbLevel {
    fn parse(kind: Kind, json: LevelJson) -> Result<Self, Invalid> {
        let status = match json.tcb_status.parse() {
            Ok(TcbStatus::TdRelaunchAdvised | TcbStatus::TdRelaunchAdvisedConfigurationNeeded)
            | Err(_) => {
                return Err(unknown(json.tcb_status, LEVEL_STATUSES));
            }
            Ok(status) => status,
        };
        let tdx = match (kind, json.tcb.tdxtcbcomponents) {
            (Kind::TdxDcap, Some(components)) => Some(svns("tdxtcbcomponents", &components)?),
            (Kind::TdxDcap, None) => {
                return Err(malformed("a level has no tdxtcbcomponents".to_owned()));
            }
            (_, Some(_)) => {
                return Err(malformed(
                    "tdxtcbcomponents does not go with id SGX".to_owned(),
                ));
            }
            (_, None) => None,
        };
        Ok(Self {
            sgx: svns("sgxtcbcomponents", &json.tcb.sgxtcbcomponents)?,
            pce_svn: json.tcb.pcesvn,
            tdx,
            status,
            date: date("tcbDate", &json.tcb_date)?,
            advisories: json.advisory_ids,
        })
    }
}

impl Module {
    fn parse(json: ModuleJson) -> Result<Self, Invalid> {
        let _mask: [u8; 8] = bytes("attributesMask", &json.attributes_mask)?;
        Ok(Self {
            mr_signer: bytes("mrsigner", &json.mrsigner)?,
            attributes: bytes("attributes", &json.attributes)?,
        })
    }
}

impl ModuleIdentity {
    fn parse(json: ModuleIdentityJson) -> Result<Self, Invalid> {
        let mut levels = json
            .tcb_levels
            .into_iter()
            .map(|level| {
                Ok(ModuleLevel {
                    isv_svn: level.tcb.isvsvn,
                    status: match level.tcb_status.as_str() {
                        "UpToDate" => ComponentStatus::UpToDate,
                        "OutOfDate" => ComponentStatus::OutOfDate,
                        "Revoked" => ComponentStatus::Revoked,
                        _ => return Err(unknown(level.tcb_status, MODULE_STATUSES)),
                    },
                    date: date("tcbDate", &level.tcb_date)?,
                    advisories: level.advisory_ids,
                })
            })
            .collect::<Result<Vec<_>, Invalid>>()?;
        levels.sort_by_key(|level| core::cmp::Reverse(level.isv_svn));
        if levels
            .windows(2)
            .any(|pair| pair[0].isv_svn == pair[1].isv_svn)
        {
            return Err(malformed(format!("{} has one level twice", json.id)));
        }
        Ok(Self {
            id: json.id.to_uppercase(),
            module: Module::parse(ModuleJson {
                mrsigner: json.mrsigner,
                attributes: json.attributes,
                attributes_mask: json.attributes_mask,
            })?,
            levels,
        })
    }
}

fn unknown(found: String, known: &'static str) -> Invalid {
    Invalid::TcbStatusUnknown {
        object: Dated::TcbInfo,
        found,
        known,
    }
}

fn not_json(cause: serde_json::Error) -> Invalid {
    malformed(format!("is not the JSON that it should be: {cause}"))
}

fn malformed(cause: String) -> Invalid {
    Invalid::TcbInfoMalformed { cause }
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

fn svns(field: &'static str, components: &[ComponentJson]) -> Result<[u8; 16], Invalid> {
    let svns: Vec<u8> = components.iter().map(|component| component.svn).collect();
    svns.try_into().map_err(|svns: Vec<u8>| {
        malformed(format!("{field} has {} components, wanted 16", svns.len()))
    })
}

// The JSON's shape. Members that are not named here (categories and types of components) mean nothing to the check;
// a member that is named here and stands there twice is refused by serde.

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    id: String,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: String,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    tcb_levels: Vec<LevelJson>,
    tdx_module: Option<ModuleJson>,
    tdx_module_identities: Option<Vec<ModuleIdentityJson>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelJson {
    tcb: TcbJson,
    tcb_date: String,
    tcb_status: String,
    #[serde(rename = "advisoryIDs", default)]
    advisory_ids: Vec<String>,
}

#[derive(Deserialize)]
struct TcbJson {
    sgxtcbcomponents: Vec<ComponentJson>,
    pcesvn: u16,
    tdxtcbcomponents: Option<Vec<ComponentJson>>,
}

#[derive(Deserialize)]
struct ComponentJson {
    svn: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleJson {
    mrsigner: String,
    attributes: String,
    attributes_mask: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleIdentityJson {
    id: String,
    mrsigner: String,
    attributes: String,
    attributes_mask: String,
    tcb_levels: Vec<ModuleLevelJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleLevelJson {
    tcb: ModuleTcbJson,
    tcb_date: String,
    tcb_status: String,
    #[serde(rename = "advisoryIDs", default)]
    advisory_ids: Vec<String>,
}

#[derive(Deserialize)]
struct ModuleTcbJson {
    isvsvn: u8,
}

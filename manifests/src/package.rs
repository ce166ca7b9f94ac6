//! `Packages`: which code may be a marble, and on which platforms.
//!
//! Keys: MarbleRun's for SGX, `TDX` for trust domains, `SNP` for SEV-SNP guests (docs/reference/manifest.md).
//! Does not live here: what the platform must be (`tcb`), the comparison with evidence (`attestation::policy`).

mod snp;
mod tcb;

use stoa_attestation::policy::{ReferenceValue, SgxReference, TcbPolicy, TdxReference};

use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, names};
use crate::json::Value;
use crate::keys::{PACKAGE, SNP, TDX};
use crate::limits::{LIST_ENTRY_BYTES_MAX, LIST_MAX};

/// Code that may be a marble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What its measurements must be.
    pub reference: ReferenceValue,
    /// What its platform must be.
    pub tcb: TcbPolicy,
}

/// Whether a marble names the package. What is wrong with an unused one is a warning, as in MarbleRun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    Yes,
    No,
}

impl Package {
    /// Reads a package; nothing if its reference values could not be read.
    pub(crate) fn read(value: &Value, path: &Path, used: Used, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::open(value, path, &PACKAGE, sink);
        let mut tcb = tcb::policy(&fields, sink);
        if tcb.debug {
            let cause = "is true: the memory of debug enclaves can be read by their host";
            sink.warn(
                &fields.path("Debug"),
                cause,
                "take it out for anything but trials",
            );
        }
        let sgx = sgx(&fields, sink);
        let reference = match (fields.value("TDX"), fields.value("SNP")) {
            (None, None) => {
                if matches!(value, Value::Object(_) | Value::Null) {
                    check(&sgx, &fields, path, used == Used::No || tcb.debug, sink);
                }
                ReferenceValue::Sgx(sgx)
            }
            (Some(value), other) => {
                let snp = other.map(|_| "SNP");
                alone("TDX", present(&sgx).chain(snp), &fields, sink);
                let inner = Fields::open(value, &fields.path("TDX"), &TDX, sink);
                tcb::tolerances(&inner, &mut tcb, sink);
                ReferenceValue::Tdx(tdx(&inner, sink)?)
            }
            (None, Some(value)) => {
                alone("SNP", present(&sgx), &fields, sink);
                let inner = Fields::open(value, &fields.path("SNP"), &SNP, sink);
                tcb.snp = snp::policy(&inner, sink);
                ReferenceValue::Snp(snp::reference(&inner, sink)?)
            }
        };
        Some(Self { reference, tcb })
    }
}

/// One package is of one TEE.
fn alone(
    key: &str,
    beside: impl Iterator<Item = &'static str>,
    fields: &Fields<'_>,
    sink: &mut Sink,
) {
    let beside: Vec<_> = beside.collect();
    if !beside.is_empty() {
        let cause = format!("stands beside {}", beside.join(", "));
        sink.fault(
            &fields.path(key),
            cause,
            "make a package for each kind of TEE",
        );
    }
}

fn sgx(fields: &Fields<'_>, sink: &mut Sink) -> SgxReference {
    let max = u64::from(u16::MAX);
    let mut number = |key| {
        let number = fields.number(key, max, sink)?;
        u16::try_from(number).ok()
    };
    let product_id = number("ProductID");
    let security_version = number("SecurityVersion");
    let config_svn = number("ConfigSVN");
    SgxReference {
        unique_id: hex(fields, "UniqueID", sink),
        signer_id: hex(fields, "SignerID", sink),
        product_id,
        security_version,
        family_id: hex(fields, "FamilyID", sink),
        extended_product_id: hex(fields, "ExtendedProductID", sink),
        config_id: hex(fields, "ConfigID", sink),
        config_svn,
    }
}

/// The SGX keys that are there.
fn present(sgx: &SgxReference) -> impl Iterator<Item = &'static str> {
    [
        ("UniqueID", sgx.unique_id.is_some()),
        ("SignerID", sgx.signer_id.is_some()),
        ("ProductID", sgx.product_id.is_some()),
        ("SecurityVersion", sgx.security_version.is_some()),
        ("FamilyID", sgx.family_id.is_some()),
        ("ExtendedProductID", sgx.extended_product_id.is_some()),
        ("ConfigID", sgx.config_id.is_some()),
        ("ConfigSVN", sgx.config_svn.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, there)| there.then_some(key))
}

/// What names an enclave by its signer, all of it together.
const BY_SIGNER: [&str; 3] = ["SignerID", "ProductID", "SecurityVersion"];

/// UniqueID alone, or all three others. Only warned about where MarbleRun only warns.
fn check(sgx: &SgxReference, fields: &Fields<'_>, path: &Path, lenient: bool, sink: &mut Sink) {
    let mut note = |path: &Path, cause: String, remedy: &str| match lenient {
        true => sink.warn(path, cause, remedy),
        false => sink.fault(path, cause, remedy),
    };
    const BOTH: &str = "keep UniqueID alone, or SignerID, ProductID and SecurityVersion";
    let others: Vec<_> = present(sgx).filter(|key| BY_SIGNER.contains(key)).collect();
    // A key whose value could not be read has its fault already.
    let there = |key| {
        fields
            .value(key)
            .is_some_and(|value| *value != Value::Text(String::new()))
    };
    if there("UniqueID") {
        if !others.is_empty() {
            note(
                &fields.path("UniqueID"),
                format!("stands beside {}", others.join(", ")),
                BOTH,
            );
        }
    } else if others.is_empty() && !BY_SIGNER.into_iter().any(there) {
        let remedy = "write UniqueID, or SignerID, ProductID and SecurityVersion, or TDX, or SNP";
        note(
            path,
            "has no reference values: any enclave would do".into(),
            remedy,
        );
    } else {
        for key in BY_SIGNER {
            if !there(key) {
                note(&fields.path(key), "is missing".into(), BOTH);
            }
        }
    }
}

fn tdx(fields: &Fields<'_>, sink: &mut Sink) -> Option<TdxReference> {
    let mrtd = measurements(fields, "MRTD", "the MRTD of the trust domain", sink);
    let mut rtmr = [None; 4];
    let register = |name: &str| match name {
        "0" | "1" | "2" | "3" => Ok(()),
        _ => Err((
            "no register of a trust domain".to_owned(),
            "use \"0\", \"1\", \"2\" or \"3\"".to_owned(),
        )),
    };
    for (name, value, path) in names(
        fields.value("RTMR"),
        &fields.path("RTMR"),
        rtmr.len(),
        register,
        sink,
    ) {
        let (Value::Text(text), Ok(index)) = (value, name.parse::<usize>()) else {
            sink.fault(
                &path,
                format!("is {}", value.shown()),
                "write 96 hex digits in quotes",
            );
            continue;
        };
        rtmr[index] = measurement::<48>(text, &path, sink);
    }
    let reference = TdxReference {
        mrtd,
        rtmr,
        mr_config_id: hex(fields, "MRConfigID", sink),
        mr_owner: hex(fields, "MROwner", sink),
        mr_owner_config: hex(fields, "MROwnerConfig", sink),
        attributes: hex(fields, "Attributes", sink).map(u64::from_le_bytes),
        xfam: hex(fields, "XFAM", sink).map(u64::from_le_bytes),
    };
    (!reference.mrtd.is_empty()).then_some(reference)
}

/// One measurement of 48 bytes or several; at least one must be there.
fn measurements(
    fields: &Fields<'_>,
    key: &'static str,
    what: &str,
    sink: &mut Sink,
) -> Vec<[u8; 48]> {
    let path = fields.path(key);
    let texts = match fields.value(key) {
        Some(Value::Text(text)) => vec![(text.as_str(), path.clone())],
        _ => fields.texts(key, LIST_MAX, sink),
    };
    if texts.is_empty()
        && !matches!(fields.value(key), Some(value) if !matches!(value, Value::List(_)))
    {
        let remedy = format!("write {what}, 96 hex digits, or a list of them");
        sink.fault(&path, "is missing", remedy);
    }
    let texts = texts.into_iter();
    texts
        .filter_map(|(text, path)| measurement::<48>(text, &path, sink))
        .collect()
}

/// Bytes in hex.
fn hex<const N: usize>(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> Option<[u8; N]> {
    let text = fields.text(key, sink)?;
    measurement(text, &fields.path(key), sink)
}

/// A measurement in hex.
fn measurement<const N: usize>(text: &str, path: &Path, sink: &mut Sink) -> Option<[u8; N]> {
    debug_assert!(2 * N <= LIST_ENTRY_BYTES_MAX);
    let mut bytes = [0; N];
    if hex::decode_to_slice(text, &mut bytes).is_ok() {
        return Some(bytes);
    }
    let cause = match text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => format!("has {} hex digits", text.len()),
        false => format!("is {}", quoted(text)),
    };
    sink.fault(
        path,
        cause,
        format!("write {} hex digits ({N} bytes)", 2 * N),
    );
    None
}

//! `Packages`: which code may be a marble, and on which platforms.
//!
//! Keys: MarbleRun's for SGX, `TDX` for trust domains, `SNP` for SEV-SNP guests (docs/reference/manifest.md).
//! Does not live here: the comparison with evidence (`attestation::policy`).

mod snp;

use std::collections::BTreeSet;

use stoa_attestation::TcbStatus;
use stoa_attestation::policy::{Advisories, ReferenceValue, SgxReference, TcbPolicy, TdxReference};

use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, names};
use crate::json::Value;
use crate::limits::{LIST_ENTRY_BYTES_MAX, LIST_MAX};
use crate::suggest;

/// Code that may be a marble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What its measurements must be.
    pub reference: ReferenceValue,
    /// What its platform must be.
    pub tcb: TcbPolicy,
}

const SERVED: [&str; 9] = [
    "Debug",
    "UniqueID",
    "SignerID",
    "ProductID",
    "SecurityVersion",
    "AcceptedTCBStatuses",
    "AcceptedAdvisories",
    "TDX",
    "SNP",
];
const TDX_SERVED: [&str; 2] = ["MRTD", "RTMR"];

/// Intel's spellings of what a package can accept. `Revoked` is none of them: its keys are lost.
const STATUSES: [&str; 8] = [
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
];

/// Whether a marble names the package. What is wrong with an unused one is a warning, as in MarbleRun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    Yes,
    No,
}

impl Package {
    /// Reads a package; nothing if its reference values could not be read.
    pub(crate) fn read(value: &Value, path: &Path, used: Used, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::open(value, path, &SERVED, &[], sink);
        let mut tcb = policy(&fields, sink);
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
                ReferenceValue::Tdx(tdx(value, &fields.path("TDX"), sink)?)
            }
            (None, Some(value)) => {
                alone("SNP", present(&sgx), &fields, sink);
                let path = fields.path("SNP");
                let guest = snp::Guest::read(value, &path, sink)?;
                tcb.snp = guest.policy;
                ReferenceValue::Snp(guest.reference)
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

fn policy(fields: &Fields<'_>, sink: &mut Sink) -> TcbPolicy {
    let mut policy = TcbPolicy {
        debug: fields.flag("Debug", sink),
        ..TcbPolicy::default()
    };
    let statuses = fields.texts("AcceptedTCBStatuses", LIST_MAX, sink);
    if !statuses.is_empty() {
        policy.accepted = BTreeSet::from([TcbStatus::UpToDate]);
    }
    for (text, path) in statuses {
        match text.parse() {
            Ok(TcbStatus::Revoked) => {
                let cause = "is \"Revoked\": the keys of revoked platforms are lost, so their evidence says nothing";
                sink.fault(&path, cause, "take it out");
            }
            Ok(status) => {
                policy.accepted.insert(status);
            }
            Err(_) => {
                let remedy = suggest::remedy(text, STATUSES).unwrap_or_default();
                sink.fault(&path, format!("is {}", quoted(text)), remedy);
            }
        }
    }
    let advisories = fields.texts("AcceptedAdvisories", LIST_MAX, sink);
    if !advisories.is_empty() {
        // Compared without case; Intel writes capitals.
        let accepted = advisories.iter().map(|(text, _)| text.to_ascii_uppercase());
        policy.advisories = Advisories::Only(accepted.collect());
    }
    policy
}

fn sgx(fields: &Fields<'_>, sink: &mut Sink) -> SgxReference {
    let max = u64::from(u16::MAX);
    let mut number = |key| {
        let number = fields.number(key, max, sink)?;
        u16::try_from(number).ok()
    };
    let product_id = number("ProductID");
    let security_version = number("SecurityVersion");
    let mut digest = |key| {
        let text = fields.text(key, sink)?;
        measurement::<32>(text, &fields.path(key), sink)
    };
    SgxReference {
        unique_id: digest("UniqueID"),
        signer_id: digest("SignerID"),
        product_id,
        security_version,
        ..SgxReference::default()
    }
}

/// The SGX keys that are there.
fn present(sgx: &SgxReference) -> impl Iterator<Item = &'static str> {
    [
        ("UniqueID", sgx.unique_id.is_some()),
        ("SignerID", sgx.signer_id.is_some()),
        ("ProductID", sgx.product_id.is_some()),
        ("SecurityVersion", sgx.security_version.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, there)| there.then_some(key))
}

/// UniqueID alone, or all three others. Only warned about where MarbleRun only warns.
fn check(sgx: &SgxReference, fields: &Fields<'_>, path: &Path, lenient: bool, sink: &mut Sink) {
    let mut note = |path: &Path, cause: String, remedy: &str| match lenient {
        true => sink.warn(path, cause, remedy),
        false => sink.fault(path, cause, remedy),
    };
    const BOTH: &str = "keep UniqueID alone, or SignerID, ProductID and SecurityVersion";
    let others: Vec<_> = present(sgx).filter(|key| *key != "UniqueID").collect();
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
    } else if others.is_empty()
        && !["SignerID", "ProductID", "SecurityVersion"]
            .into_iter()
            .any(there)
    {
        let remedy = "write UniqueID, or SignerID, ProductID and SecurityVersion, or TDX, or SNP";
        note(
            path,
            "has no reference values: any enclave would do".into(),
            remedy,
        );
    } else {
        for key in ["SignerID", "ProductID", "SecurityVersion"] {
            if !there(key) {
                note(&fields.path(key), "is missing".into(), BOTH);
            }
        }
    }
}

fn tdx(value: &Value, path: &Path, sink: &mut Sink) -> Option<TdxReference> {
    let fields = Fields::open(value, path, &TDX_SERVED, &[], sink);
    let mrtd_path = fields.path("MRTD");
    let texts = match fields.value("MRTD") {
        Some(Value::Text(text)) => vec![(text.as_str(), mrtd_path.clone())],
        _ => fields.texts("MRTD", LIST_MAX, sink),
    };
    if texts.is_empty()
        && !matches!(fields.value("MRTD"), Some(value) if !matches!(value, Value::List(_)))
    {
        sink.fault(
            &mrtd_path,
            "is missing",
            "write the MRTD of the trust domain, 96 hex digits, or a list of them",
        );
    }
    let mut mrtd = Vec::with_capacity(texts.len());
    for (text, path) in texts {
        mrtd.extend(measurement::<48>(text, &path, sink));
    }
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
    (!mrtd.is_empty()).then_some(TdxReference {
        mrtd,
        rtmr,
        ..TdxReference::default()
    })
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

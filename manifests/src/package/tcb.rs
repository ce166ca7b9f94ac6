//! What the platform of a package must be: statuses, advisories, floors, lists, freshness, tolerances.
//!
//! Does not live here: what the words mean (`attestation::policy`, docs/protocol/dcap.md, section 4).

use core::time::Duration;
use std::collections::BTreeSet;

use stoa_attestation::TcbStatus;
use stoa_attestation::policy::{Advisories, Minimum, TcbPolicy, Tolerance};

use super::hex;
use crate::dates;
use crate::duration;
use crate::fault::{Sink, quoted};
use crate::fields::Fields;
use crate::keys::{MINIMUM, STATUSES, TOLERABLE};
use crate::limits::{COLLATERAL_BAND_SECS_MAX, LIST_MAX, PLATFORMS_MAX};
use crate::suggest;

const PLATFORM_IDS: &str = "write 32 hex digits (a PPID or PIID), or 16 or 128 (a chip id)";
const FAMILY_IDS: &str = "write 12 hex digits (an FMSPC), or milan, genoa or turin";
/// AMD's families, as evidence names them.
const PRODUCTS: [&str; 3] = ["milan", "genoa", "turin"];

/// All of it but tolerances, which stand in `TDX`.
pub(super) fn policy(fields: &Fields<'_>, sink: &mut Sink) -> TcbPolicy {
    let mut policy = TcbPolicy {
        debug: fields.flag("Debug", sink),
        ..TcbPolicy::default()
    };
    statuses(fields, &mut policy, sink);
    let advisories = fields.texts("AcceptedAdvisories", LIST_MAX, sink);
    if !advisories.is_empty() {
        // Compared without case; Intel writes capitals.
        let accepted = advisories.iter().map(|(text, _)| text.to_ascii_uppercase());
        policy.advisories = Advisories::Only(accepted.collect());
    }
    let platform = |id: &str| matches!(id.len(), 16 | 32 | 128) && is_hex(id);
    policy.platforms = listed(fields, "Platforms", platform, PLATFORM_IDS, sink);
    let family = |id: &str| (id.len() == 12 && is_hex(id)) || PRODUCTS.contains(&id);
    policy.families = listed(fields, "Families", family, FAMILY_IDS, sink);
    policy.minimum = minimum(&fields.object("Minimum", &MINIMUM, sink), sink);
    policy.warn = band(fields, "CollateralWarning", sink);
    policy.grace = band(fields, "CollateralGrace", sink);
    policy
}

fn statuses(fields: &Fields<'_>, policy: &mut TcbPolicy, sink: &mut Sink) {
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
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An allow-list in lower case. An empty one is a fault: it would allow nothing.
fn listed(
    fields: &Fields<'_>,
    key: &str,
    rule: impl Fn(&str) -> bool,
    remedy: &str,
    sink: &mut Sink,
) -> Option<Vec<String>> {
    fields.value(key)?;
    let texts = fields.texts(key, PLATFORMS_MAX, sink);
    let mut listed = Vec::with_capacity(texts.len());
    for (text, path) in &texts {
        let id = text.to_ascii_lowercase();
        if rule(&id) {
            listed.push(id);
        } else {
            sink.fault(path, format!("is {}", quoted(text)), remedy);
        }
    }
    if texts.is_empty()
        && matches!(fields.value(key), Some(crate::json::Value::List(list)) if list.is_empty())
    {
        sink.fault(
            &fields.path(key),
            "is empty: no platform would do",
            "take it out, or list platforms",
        );
    }
    Some(listed)
}

fn minimum(fields: &Fields<'_>, sink: &mut Sink) -> Minimum {
    let mut short = |key| {
        let number = fields.number(key, u64::from(u16::MAX), sink)?;
        u16::try_from(number).ok()
    };
    let (pce_svn, qe_svn) = (short("PCESVN"), short("QESVN"));
    let number = fields.number("EvaluationNumber", u64::from(u32::MAX), sink);
    Minimum {
        evaluation_number: number.and_then(|number| u32::try_from(number).ok()),
        tcb_date: dates::field(fields, "TCBDate", sink).map(dates::unix_time),
        cpu_svn: hex(fields, "CPUSVN", sink),
        pce_svn,
        qe_svn,
        tee_tcb_svn: hex(fields, "TEETCBSVN", sink),
    }
}

fn band(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> Duration {
    duration::field(fields, key, 0..=COLLATERAL_BAND_SECS_MAX, sink).unwrap_or(Duration::ZERO)
}

/// `TDX.Tolerated`.
pub(super) fn tolerances(fields: &Fields<'_>, policy: &mut TcbPolicy, sink: &mut Sink) {
    for (word, _) in fields.words("Tolerated", &TOLERABLE, sink) {
        let place = match word {
            "Profiling" => &mut policy.profiling,
            "ServiceTD" => &mut policy.service_td,
            "Migratable" => &mut policy.migratable,
            "SeptVE" => &mut policy.sept_ve,
            _ => &mut policy.reserved_attributes,
        };
        *place = Tolerance::Accept;
    }
}

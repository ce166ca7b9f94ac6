//! The policy's floors, bands and tolerances as `coordinator.json` spells them.
//!
//! Does not live here: statuses, advisories and platforms (`reference`), what the words mean (`stoa_attestation::policy`).

use core::time::Duration;

use stoa_attestation::policy::{Minimum, Tolerance};
use stoa_attestation::{TcbPolicy, Utc};

use super::fields::Fields;

/// FMSPCs and products in one reference.
const FAMILIES_MAX: usize = 1_000;
const FAMILY_IDS: &str = "12 hex digits (an FMSPC), or milan, genoa or turin";
/// Ten years: a band that is longer is a mistake.
const BAND_HOURS_MAX: u64 = 10 * 365 * 24;
/// What a TD may be that weakens it.
const TOLERABLE: [&str; 5] = [
    "profiling",
    "service_td",
    "migratable",
    "sept_ve",
    "reserved_attributes",
];

/// Reads all of them into `tcb`; what is absent stays at its strict default.
pub(super) fn read(fields: &Fields<'_>, tcb: &mut TcbPolicy) {
    tcb.families = fields.ids("families", FAMILIES_MAX, FAMILY_IDS, is_family);
    if let Some(minimum) = fields.object("minimum") {
        tcb.minimum = self::minimum(&minimum);
    }
    let hours = |name| {
        let hours = fields.integer(name, BAND_HOURS_MAX)?;
        Some(Duration::from_secs(hours * 3600))
    };
    tcb.warn = hours("warn_hours").unwrap_or(tcb.warn);
    tcb.grace = hours("grace_hours").unwrap_or(tcb.grace);
    for (at, name) in fields
        .strings("tolerated", TOLERABLE.len())
        .unwrap_or_default()
    {
        let place = match name.as_str() {
            "profiling" => &mut tcb.profiling,
            "service_td" => &mut tcb.service_td,
            "migratable" => &mut tcb.migratable,
            "sept_ve" => &mut tcb.sept_ve,
            "reserved_attributes" => &mut tcb.reserved_attributes,
            other => {
                let known = TOLERABLE.join(", ");
                let cause = format!("is `{}`, known are {known}", other.escape_debug());
                fields.fault_at("tolerated", at, cause);
                continue;
            }
        };
        *place = Tolerance::Accept;
    }
}

fn is_family(text: &str) -> bool {
    let is_fmspc = hex::decode_to_slice(text, &mut [0; 6]).is_ok();
    is_fmspc || matches!(text, "milan" | "genoa" | "turin")
}

fn minimum(fields: &Fields<'_>) -> Minimum {
    let evaluation_number = fields.integer("evaluation_number", u64::from(u32::MAX));
    let tcb_date = fields.string("tcb_date").and_then(|text| {
        let date = Utc::parse(&text);
        if date.is_none() {
            let text = text.escape_debug();
            let cause = format!("is `{text}`, wanted a date like `2025-08-13T00:00:00Z`");
            fields.fault("tcb_date", cause, None);
        }
        date
    });
    let minimum = Minimum {
        evaluation_number: evaluation_number.and_then(|number| u32::try_from(number).ok()),
        tcb_date: tcb_date.map(|Utc(time)| time),
        cpu_svn: fields.hex("cpu_svn"),
        pce_svn: fields.short("pce_svn"),
        qe_svn: fields.short("qe_svn"),
        tee_tcb_svn: fields.hex("tee_tcb_svn"),
    };
    fields.no_others();
    minimum
}

//! `Packages.<p>.SNP`: which guest may be a marble, and what its policy, platform and firmware must be.
//!
//! Does not live here: the comparison with evidence (`attestation::policy`), debug, families and platforms (`package`).

use stoa_attestation::policy::{SnpPolicy, SnpReference, SnpTcbMinimum, Tolerance};

use super::measurement;
use crate::fault::{Path, Sink};
use crate::fields::Fields;
use crate::json::Value;
use crate::limits::LIST_MAX;

const SERVED: [&str; 16] = [
    "Measurement",
    "HostData",
    "IDKeyDigest",
    "AuthorKeyDigest",
    "FamilyID",
    "ImageID",
    "GuestSVN",
    "ABIMin",
    "VMPLMax",
    "AllowMigration",
    "ForbidSMT",
    "SingleSocket",
    "AllowUncheckedAliases",
    "AllowMissingCRL",
    "CommittedTCBMin",
    "LaunchTCBMin",
];
const TCB_SERVED: [&str; 5] = ["FMC", "Bootloader", "TEE", "SNP", "Microcode"];
/// The lowest privilege of a guest.
const VMPL_MAX: u64 = 3;

/// What `SNP` says.
pub(super) struct Guest {
    pub(super) reference: SnpReference,
    pub(super) policy: SnpPolicy,
}

impl Guest {
    /// Nothing if there is no measurement that could be read.
    pub(super) fn read(value: &Value, path: &Path, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::open(value, path, &SERVED, &[], sink);
        let reference = reference(&fields, sink);
        let policy = policy(&fields, sink);
        let reference = reference?;
        Some(Self { reference, policy })
    }
}

fn reference(fields: &Fields<'_>, sink: &mut Sink) -> Option<SnpReference> {
    let path = fields.path("Measurement");
    let texts = match fields.value("Measurement") {
        Some(Value::Text(text)) => vec![(text.as_str(), path.clone())],
        _ => fields.texts("Measurement", LIST_MAX, sink),
    };
    if texts.is_empty()
        && !matches!(fields.value("Measurement"), Some(value) if !matches!(value, Value::List(_)))
    {
        sink.fault(
            &path,
            "is missing",
            "write the launch digest of the guest, 96 hex digits, or a list of them",
        );
    }
    let mut measurements = Vec::with_capacity(texts.len());
    for (text, path) in texts {
        measurements.extend(measurement::<48>(text, &path, sink));
    }
    let guest_svn = fields.number("GuestSVN", u64::from(u32::MAX), sink);
    let reference = SnpReference {
        host_data: digest(fields, "HostData", sink),
        id_key_digest: digest(fields, "IDKeyDigest", sink),
        author_key_digest: digest(fields, "AuthorKeyDigest", sink),
        family_id: digest(fields, "FamilyID", sink),
        image_id: digest(fields, "ImageID", sink),
        guest_svn: guest_svn.and_then(|number| u32::try_from(number).ok()),
        measurement: measurements,
    };
    (!reference.measurement.is_empty()).then_some(reference)
}

fn policy(fields: &Fields<'_>, sink: &mut Sink) -> SnpPolicy {
    let strict = SnpPolicy::default();
    let accept_if = |set: bool| match set {
        true => Tolerance::Accept,
        false => Tolerance::Refuse,
    };
    let vmpl_max = fields.number("VMPLMax", VMPL_MAX, sink);
    SnpPolicy {
        migratable: accept_if(fields.flag("AllowMigration", sink)),
        smt: accept_if(!fields.flag("ForbidSMT", sink)),
        several_sockets: accept_if(!fields.flag("SingleSocket", sink)),
        abi_min: abi(fields, sink),
        vmpl_max: vmpl_max
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(strict.vmpl_max),
        unchecked_aliases: accept_if(fields.flag("AllowUncheckedAliases", sink)),
        committed_min: tcb(fields, "CommittedTCBMin", sink),
        launch_min: tcb(fields, "LaunchTCBMin", sink),
        no_crl: accept_if(fields.flag("AllowMissingCRL", sink)),
    }
}

/// `1.55`.
fn abi(fields: &Fields<'_>, sink: &mut Sink) -> Option<(u8, u8)> {
    let text = fields.text("ABIMin", sink)?;
    let version = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if version.is_none() {
        let cause = format!("is `{}`", text.escape_debug());
        sink.fault(
            &fields.path("ABIMin"),
            cause,
            "write major and minor version, as in \"1.55\"",
        );
    }
    version
}

fn tcb(fields: &Fields<'_>, key: &'static str, sink: &mut Sink) -> SnpTcbMinimum {
    let Some(value) = fields.value(key) else {
        return SnpTcbMinimum::default();
    };
    let fields = Fields::open(value, &fields.path(key), &TCB_SERVED, &[], sink);
    let mut number = |key| {
        let number = fields.number(key, u64::from(u8::MAX), sink)?;
        u8::try_from(number).ok()
    };
    SnpTcbMinimum {
        fmc: number("FMC"),
        boot_loader: number("Bootloader"),
        tee: number("TEE"),
        snp: number("SNP"),
        microcode: number("Microcode"),
    }
}

fn digest<const N: usize>(
    fields: &Fields<'_>,
    key: &'static str,
    sink: &mut Sink,
) -> Option<[u8; N]> {
    let text = fields.text(key, sink)?;
    measurement::<N>(text, &fields.path(key), sink)
}

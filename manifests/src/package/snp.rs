//! `Packages.<p>.SNP`: which guest may be a marble, and what its policy, platform and firmware must be.
//!
//! Does not live here: the comparison with evidence (`attestation::policy`), debug, families and platforms (`tcb`).

use stoa_attestation::policy::{SnpPolicy, SnpReference, SnpTcbMinimum, Tolerance};

use super::{hex, measurements};
use crate::fault::{Sink, quoted};
use crate::fields::Fields;
use crate::keys::{SNP_TCB, VMPL_MAX};

/// Nothing if there is no measurement that could be read.
pub(super) fn reference(fields: &Fields<'_>, sink: &mut Sink) -> Option<SnpReference> {
    let measurement = measurements(
        fields,
        "Measurement",
        "the launch digest of the guest",
        sink,
    );
    let guest_svn = fields.number("GuestSVN", u64::from(u32::MAX), sink);
    let reference = SnpReference {
        host_data: hex(fields, "HostData", sink),
        id_key_digest: hex(fields, "IDKeyDigest", sink),
        author_key_digest: hex(fields, "AuthorKeyDigest", sink),
        family_id: hex(fields, "FamilyID", sink),
        image_id: hex(fields, "ImageID", sink),
        guest_svn: guest_svn.and_then(|number| u32::try_from(number).ok()),
        measurement,
    };
    (!reference.measurement.is_empty()).then_some(reference)
}

pub(super) fn policy(fields: &Fields<'_>, sink: &mut Sink) -> SnpPolicy {
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
    // `parse` alone would also take a sign.
    let number = |digits: &str| {
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        only_digits.then(|| digits.parse().ok()).flatten()
    };
    let version = text
        .split_once('.')
        .and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    if version.is_none() {
        let cause = format!("is {}", quoted(text));
        sink.fault(
            &fields.path("ABIMin"),
            cause,
            "write major and minor version, as in \"1.55\"",
        );
    }
    version
}

fn tcb(fields: &Fields<'_>, key: &'static str, sink: &mut Sink) -> SnpTcbMinimum {
    let fields = fields.object(key, &SNP_TCB, sink);
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

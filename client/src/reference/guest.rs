//! What an SEV-SNP coordinator must be beside its measurement, as `coordinator.json` spells it.
//!
//! The members are those of a manifest's package (docs/reference/manifest.md, `SNP`), in this file's spelling. Does not live
//! here: what the words mean (`stoa_attestation::policy`).

use stoa_attestation::policy::{SnpPolicy, SnpTcbMinimum, Tolerance};

use super::fields::Fields;

/// VMPLs are 0 to 3.
const VMPL_MAX: u64 = 3;

/// Reads all of it; what is absent stays at its strict default.
pub(super) fn policy(fields: &Fields<'_>) -> SnpPolicy {
    let strict = SnpPolicy::default();
    let allowed = |name, otherwise| fields.boolean(name).map_or(otherwise, tolerance);
    let forbidden = |name, otherwise| {
        let forbidden = fields.boolean(name);
        forbidden.map_or(otherwise, |forbidden| tolerance(!forbidden))
    };
    let vmpl_max = fields.integer("vmpl_max", VMPL_MAX);
    let policy = SnpPolicy {
        migratable: allowed("allow_migration", strict.migratable),
        smt: forbidden("forbid_smt", strict.smt),
        several_sockets: forbidden("single_socket", strict.several_sockets),
        abi_min: abi(fields).or(strict.abi_min),
        vmpl_max: vmpl_max
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(strict.vmpl_max),
        unchecked_aliases: allowed("allow_unchecked_aliases", strict.unchecked_aliases),
        committed_min: tcb(fields, "committed_tcb_min"),
        launch_min: tcb(fields, "launch_tcb_min"),
        no_crl: allowed("allow_missing_crl", strict.no_crl),
    };
    fields.no_others();
    policy
}

fn tolerance(accepted: bool) -> Tolerance {
    match accepted {
        true => Tolerance::Accept,
        false => Tolerance::Refuse,
    }
}

/// `1.55`.
fn abi(fields: &Fields<'_>) -> Option<(u8, u8)> {
    let text = fields.string("abi_min")?;
    let number = |digits: &str| {
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        only_digits.then(|| digits.parse().ok()).flatten()
    };
    let version = text
        .split_once('.')
        .and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    if version.is_none() {
        let cause = "is no major and minor version such as `1.55`";
        fields.fault("abi_min", cause, None);
    }
    version
}

fn tcb(fields: &Fields<'_>, name: &'static str) -> SnpTcbMinimum {
    let Some(fields) = fields.object(name) else {
        return SnpTcbMinimum::default();
    };
    let number = |name| {
        let number = fields.integer(name, u64::from(u8::MAX))?;
        u8::try_from(number).ok()
    };
    let minimum = SnpTcbMinimum {
        fmc: number("fmc"),
        boot_loader: number("bootloader"),
        tee: number("tee"),
        snp: number("snp"),
        microcode: number("microcode"),
    };
    fields.no_others();
    minimum
}

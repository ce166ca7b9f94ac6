//! SNP guests: reference values, and what their policy, platform and firmware must be.
//!
//! Source of the fields: AMD 56860, ATTESTATION_REPORT, GUEST_POLICY, PLATFORM_INFO; docs/protocol/snp.md, section 4.
//! Does not live here: whether the report is genuine (`snp_verify`), debug, families and platforms (`policy`).

use core::fmt;

use crate::claims::SnpOrigin;
use crate::policy::Tolerance;
use crate::policy::reference::{at_least, equal, one_of};
use crate::policy::refusal::{Difference, Refusal, differs, list};
use crate::product::SnpTcb;
use crate::snp::SnpBody;

/// An SNP guest by its launch digest, and by who signed and configured it. Absent fields are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnpReference {
    /// MEASUREMENT, one of these.
    pub measurement: Vec<[u8; 48]>,
    /// HOST_DATA, equal: what the host gave at launch, chosen by the guest's owner.
    pub host_data: Option<[u8; 32]>,
    /// ID_KEY_DIGEST, equal.
    pub id_key_digest: Option<[u8; 48]>,
    /// AUTHOR_KEY_DIGEST, equal, and the author key is in force.
    pub author_key_digest: Option<[u8; 48]>,
    /// FAMILY_ID, equal.
    pub family_id: Option<[u8; 16]>,
    /// IMAGE_ID, equal.
    pub image_id: Option<[u8; 16]>,
    /// GUEST_SVN, at least.
    pub guest_svn: Option<u32>,
}

impl SnpReference {
    /// The first field in which `body` differs.
    pub(super) fn difference(&self, body: &SnpBody) -> Option<Difference> {
        let author = self.author_key_digest;
        one_of("measurement", &self.measurement, body.measurement)
            .or_else(|| {
                if author.is_none() || body.author_key_en {
                    return None;
                }
                let found = "no author key".to_owned();
                differs("author_key_en", "an author key".to_owned(), found)
            })
            .or_else(|| equal("host_data", self.host_data, body.host_data))
            .or_else(|| equal("id_key_digest", self.id_key_digest, body.id_key_digest))
            .or_else(|| equal("author_key_digest", author, body.author_key_digest))
            .or_else(|| equal("family_id", self.family_id, body.family_id))
            .or_else(|| equal("image_id", self.image_id, body.image_id))
            .or_else(|| at_least("guest_svn", self.guest_svn, body.guest_svn))
    }
}

/// Least versions of a platform's firmware. Absent components are not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnpTcbMinimum {
    /// FMC; a platform that has none is below every minimum.
    pub fmc: Option<u8>,
    /// PSP boot loader.
    pub boot_loader: Option<u8>,
    /// PSP operating system.
    pub tee: Option<u8>,
    /// SNP firmware.
    pub snp: Option<u8>,
    /// Microcode.
    pub microcode: Option<u8>,
}

impl SnpTcbMinimum {
    fn reached(&self, found: &SnpTcb) -> bool {
        let fmc = self
            .fmc
            .is_none_or(|wanted| found.fmc.is_some_and(|found| found >= wanted));
        let each = [
            (self.boot_loader, found.boot_loader),
            (self.tee, found.tee),
            (self.snp, found.snp),
            (self.microcode, found.microcode),
        ];
        fmc && each
            .iter()
            .all(|(wanted, found)| wanted.is_none_or(|wanted| *found >= wanted))
    }
}

impl fmt::Display for SnpTcbMinimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            ("FMC", self.fmc),
            ("boot loader", self.boot_loader),
            ("TEE", self.tee),
            ("SNP", self.snp),
            ("microcode", self.microcode),
        ];
        let each = names
            .into_iter()
            .filter_map(|(name, wanted)| Some(format!("{name} {}", wanted?)));
        f.write_str(&list(&each.collect::<Vec<_>>()))
    }
}

/// What is acceptable of an SNP guest beside its measurement. The default is strict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnpPolicy {
    /// A migration agent may be given to the guest (GUEST_POLICY, MIGRATE_MA). Default: refused.
    pub migratable: Tolerance,
    /// The guest may run with SMT (GUEST_POLICY, SMT). Default: accepted.
    pub smt: Tolerance,
    /// The guest may run on several sockets (GUEST_POLICY, SINGLE_SOCKET is clear). Default: accepted.
    pub several_sockets: Tolerance,
    /// Least ABI version that the guest's policy demands of the firmware: major, minor. Default: any.
    pub abi_min: Option<(u8, u8)>,
    /// The lowest privilege that may ask for a report, as a number: 0 is the highest. Default: 0.
    pub vmpl_max: u32,
    /// The firmware has not checked for aliases in memory (PLATFORM_INFO, ALIAS_CHECK_COMPLETE is clear; CVE-2024-21944).
    /// Default: refused.
    pub unchecked_aliases: Tolerance,
    /// Least COMMITTED_TCB, behind which firmware can't go back. Default: any.
    pub committed_min: SnpTcbMinimum,
    /// Least LAUNCH_TCB. Default: any.
    pub launch_min: SnpTcbMinimum,
    /// The collateral has no revocation list, so nothing is known to be unrevoked. Default: refused.
    pub no_crl: Tolerance,
}

impl Default for SnpPolicy {
    fn default() -> Self {
        Self {
            migratable: Tolerance::Refuse,
            smt: Tolerance::Accept,
            several_sockets: Tolerance::Accept,
            abi_min: None,
            vmpl_max: 0,
            unchecked_aliases: Tolerance::Refuse,
            committed_min: SnpTcbMinimum::default(),
            launch_min: SnpTcbMinimum::default(),
            no_crl: Tolerance::Refuse,
        }
    }
}

/// A property of an SNP guest or its platform that a policy may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnpProperty {
    /// [`SnpPolicy::migratable`].
    Migratable,
    /// [`SnpPolicy::smt`].
    Smt,
    /// [`SnpPolicy::several_sockets`].
    SeveralSockets,
    /// [`SnpPolicy::abi_min`].
    Abi,
    /// [`SnpPolicy::vmpl_max`].
    Vmpl,
    /// [`SnpPolicy::unchecked_aliases`].
    UncheckedAliases,
}

impl fmt::Display for SnpProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnpProperty::Migratable => "guest can be given a migration agent",
            SnpProperty::Smt => "guest may run with SMT",
            SnpProperty::SeveralSockets => "guest may run on several sockets",
            SnpProperty::Abi => "guest accepts old firmware",
            SnpProperty::Vmpl => "report is of a low privilege level",
            SnpProperty::UncheckedAliases => "platform may alias memory",
        })
    }
}

impl SnpPolicy {
    /// Guest policy and privilege level.
    pub(super) fn check_guest(&self, body: &SnpBody) -> Result<(), Refusal> {
        let policy = format!("{:#x}", body.policy.0);
        let (major, minor) = body.policy.abi();
        let abi_min = self.abi_min.unwrap_or_default();
        let refuses = |tolerance| tolerance == Tolerance::Refuse;
        let rules = [
            (
                SnpProperty::Migratable,
                body.policy.migrate_ma() && refuses(self.migratable),
                "GUEST_POLICY",
                "bit 18 clear".to_owned(),
                policy.clone(),
            ),
            (
                SnpProperty::Smt,
                body.policy.smt() && refuses(self.smt),
                "GUEST_POLICY",
                "bit 16 clear".to_owned(),
                policy.clone(),
            ),
            (
                SnpProperty::SeveralSockets,
                !body.policy.single_socket() && refuses(self.several_sockets),
                "GUEST_POLICY",
                "bit 20 set".to_owned(),
                policy,
            ),
            (
                SnpProperty::Abi,
                (major, minor) < abi_min,
                "ABI version of GUEST_POLICY",
                format!("at least {}.{}", abi_min.0, abi_min.1),
                format!("{major}.{minor}"),
            ),
            (
                SnpProperty::Vmpl,
                body.vmpl > self.vmpl_max,
                "VMPL",
                format!("at most {}", self.vmpl_max),
                body.vmpl.to_string(),
            ),
        ];
        let broken = rules.into_iter().find(|(_, broken, ..)| *broken);
        match broken {
            None => Ok(()),
            Some((property, _, field, wanted, found)) => Err(Refusal::SnpNotAccepted {
                property,
                field,
                wanted,
                found,
            }),
        }
    }

    /// Revocation, platform info and firmware. Never CURRENT_TCB: firmware can go back to the committed one.
    pub(super) fn check_platform(&self, body: &SnpBody, origin: &SnpOrigin) -> Result<(), Refusal> {
        if !origin.revocation_checked && self.no_crl == Tolerance::Refuse {
            return Err(Refusal::RevocationUnknown {
                product: origin.product,
            });
        }
        let unchecked = !body.platform_info.alias_check_complete();
        if unchecked && self.unchecked_aliases == Tolerance::Refuse {
            return Err(Refusal::SnpNotAccepted {
                property: SnpProperty::UncheckedAliases,
                field: "PLATFORM_INFO",
                wanted: "bit 5 set".to_owned(),
                found: format!("{:#x}", body.platform_info.0),
            });
        }
        for (field, wanted, found) in [
            ("COMMITTED_TCB", &self.committed_min, &origin.committed_tcb),
            ("LAUNCH_TCB", &self.launch_min, &origin.launch_tcb),
        ] {
            if !wanted.reached(found) {
                return Err(Refusal::BelowMinimum {
                    field,
                    wanted: wanted.to_string(),
                    found: found.to_string(),
                });
            }
        }
        Ok(())
    }
}

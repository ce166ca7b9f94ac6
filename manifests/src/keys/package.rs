//! Keys of `Packages.<name>` and `Infrastructures.<name>`.

use super::{Key, Kind, Object};

/// Intel's spellings of what a package can accept. `Revoked` is none of them: its keys are lost.
pub(crate) const STATUSES: [&str; 8] = [
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
];
/// What may weaken a trust domain and be tolerated all the same.
pub(crate) const TOLERABLE: [&str; 5] = [
    "Profiling",
    "ServiceTD",
    "Migratable",
    "SeptVE",
    "ReservedAttributes",
];

const SHORT: u64 = u16::MAX as u64;
const BYTE: u64 = u8::MAX as u64;

pub(crate) static PACKAGE: Object = Object {
    name: "Package",
    about: "`Packages.<name>` is code that may be a marble. Either `UniqueID`, or all of `SignerID`, `ProductID` and \
            `SecurityVersion`, or `TDX`, or `SNP`. For packages with `Debug` and packages that no marble uses, what is missing \
            is a warning.",
    keys: &[
        Key::marblerun(
            "Debug",
            Kind::Flag,
            "false",
            "equal both ways: a debug package refuses a production enclave",
        ),
        Key::marblerun(
            "UniqueID",
            Kind::Hex(32),
            "not compared",
            "MRENCLAVE, equal",
        ),
        Key::marblerun("SignerID", Kind::Hex(32), "not compared", "MRSIGNER, equal"),
        Key::marblerun(
            "ProductID",
            Kind::Number(SHORT),
            "not compared",
            "ISVPRODID, equal",
        ),
        Key::marblerun(
            "SecurityVersion",
            Kind::Number(SHORT),
            "not compared",
            "ISVSVN, at least",
        ),
        Key::marblerun(
            "AcceptedTCBStatuses",
            Kind::Words(&STATUSES),
            "`UpToDate`, `SWHardeningNeeded`",
            "statuses of the platform that are accepted; `UpToDate` always is, `Revoked` never",
        ),
        Key::marblerun(
            "AcceptedAdvisories",
            Kind::Texts,
            "all",
            "advisories that may apply; looked at when the status is `SWHardeningNeeded`, compared without case",
        ),
        Key::stoa(
            "TDX",
            Kind::Object(&TDX),
            "an SGX package",
            "the reference values of a trust domain; no SGX key and no SNP may stand beside it",
        ),
        Key::stoa(
            "SNP",
            Kind::Object(&SNP),
            "an SGX package",
            "the reference values of an AMD SEV-SNP guest; no SGX key may stand beside it",
        ),
        Key::stoa(
            "FamilyID",
            Kind::Hex(16),
            "not compared",
            "ISVFAMILYID, equal; needs an enclave with KSS",
        ),
        Key::stoa(
            "ExtendedProductID",
            Kind::Hex(16),
            "not compared",
            "ISVEXTPRODID, equal; needs an enclave with KSS",
        ),
        Key::stoa(
            "ConfigID",
            Kind::Hex(64),
            "not compared",
            "CONFIGID, equal; needs an enclave with KSS",
        ),
        Key::stoa(
            "ConfigSVN",
            Kind::Number(SHORT),
            "not compared",
            "CONFIGSVN, at least; needs an enclave with KSS",
        ),
        Key::stoa(
            "Minimum",
            Kind::Object(&MINIMUM),
            "nothing",
            "what the platform must at least be, whatever its status says",
        ),
        Key::stoa(
            "Platforms",
            Kind::Texts,
            "anywhere",
            "the platforms on which the code may run: PPIDs and PIIDs (32 hex digits), chip ids (16 or 128)",
        ),
        Key::stoa(
            "Families",
            Kind::Texts,
            "any",
            "the kinds of platform on which the code may run: FMSPCs (12 hex digits), or `milan`, `genoa`, `turin`",
        ),
        Key::stoa(
            "CollateralWarning",
            Kind::Duration,
            "0",
            "how long before its end collateral counts as ending; at most 87600h",
        ),
        Key::stoa(
            "CollateralGrace",
            Kind::Duration,
            "0",
            "how long after its end collateral is still accepted; at most 87600h",
        ),
    ],
};

pub(crate) static TDX: Object = Object {
    name: "TDX",
    about: "`Packages.<name>.TDX`. Fields that are absent are not compared.",
    keys: &[
        Key::stoa("MRTD", Kind::HexOrList(48), "a fault", "MRTD, one of these"),
        Key::stoa(
            "RTMR",
            Kind::Registers(48),
            "not compared",
            "registers `0` to `3`, equal",
        ),
        Key::stoa(
            "MRConfigID",
            Kind::Hex(48),
            "not compared",
            "MRCONFIGID, equal",
        ),
        Key::stoa("MROwner", Kind::Hex(48), "not compared", "MROWNER, equal"),
        Key::stoa(
            "MROwnerConfig",
            Kind::Hex(48),
            "not compared",
            "MROWNERCONFIG, equal",
        ),
        Key::stoa(
            "Attributes",
            Kind::Hex(8),
            "not compared",
            "TDATTRIBUTES, equal; bytes in the order of the report",
        ),
        Key::stoa(
            "XFAM",
            Kind::Hex(8),
            "not compared",
            "XFAM, equal; bytes in the order of the report",
        ),
        Key::stoa(
            "Tolerated",
            Kind::Words(&TOLERABLE),
            "none",
            "what the trust domain may be although it weakens it",
        ),
    ],
};

/// The lowest privilege of a guest.
pub(crate) const VMPL_MAX: u64 = 3;

pub(crate) static SNP: Object = Object {
    name: "SNP",
    about: "`Packages.<name>.SNP`. Fields that are absent are not compared. What each of them guards against: \
            docs/protocol/snp.md, 4.",
    keys: &[
        Key::stoa(
            "Measurement",
            Kind::HexOrList(48),
            "a fault",
            "launch digest, one of these",
        ),
        Key::stoa(
            "HostData",
            Kind::Hex(32),
            "not compared",
            "HOST_DATA, equal",
        ),
        Key::stoa(
            "IDKeyDigest",
            Kind::Hex(48),
            "not compared",
            "ID_KEY_DIGEST, equal",
        ),
        Key::stoa(
            "AuthorKeyDigest",
            Kind::Hex(48),
            "not compared",
            "AUTHOR_KEY_DIGEST, equal",
        ),
        Key::stoa(
            "FamilyID",
            Kind::Hex(16),
            "not compared",
            "FAMILY_ID, equal",
        ),
        Key::stoa("ImageID", Kind::Hex(16), "not compared", "IMAGE_ID, equal"),
        Key::stoa(
            "GuestSVN",
            Kind::Number(u32::MAX as u64),
            "not compared",
            "GUEST_SVN, at least",
        ),
        Key::stoa(
            "ABIMin",
            Kind::Text,
            "not compared",
            "the guest policy's ABI version, at least, as `1.55`",
        ),
        Key::stoa(
            "VMPLMax",
            Kind::Number(VMPL_MAX),
            "0",
            "privilege level of who asked for the report, at most",
        ),
        Key::stoa(
            "AllowMigration",
            Kind::Flag,
            "false",
            "a migration agent may be associated",
        ),
        Key::stoa(
            "ForbidSMT",
            Kind::Flag,
            "false",
            "simultaneous multithreading must be off in the guest policy",
        ),
        Key::stoa(
            "SingleSocket",
            Kind::Flag,
            "false",
            "the guest policy must bind the guest to one socket",
        ),
        Key::stoa(
            "AllowUncheckedAliases",
            Kind::Flag,
            "false",
            "memory need not have been checked for aliases",
        ),
        Key::stoa(
            "AllowMissingCRL",
            Kind::Flag,
            "false",
            "collateral may be without AMD's list of revoked certificates",
        ),
        Key::stoa(
            "CommittedTCBMin",
            Kind::Object(&SNP_TCB),
            "nothing",
            "COMMITTED_TCB, each component at least",
        ),
        Key::stoa(
            "LaunchTCBMin",
            Kind::Object(&SNP_TCB),
            "nothing",
            "LAUNCH_TCB, each component at least",
        ),
    ],
};

pub(crate) static SNP_TCB: Object = Object {
    name: "SNPTCB",
    about: "`Packages.<name>.SNP.CommittedTCBMin` and `LaunchTCBMin`. Absent components are not compared.",
    keys: &[
        Key::stoa(
            "FMC",
            Kind::Number(BYTE),
            "not compared",
            "firmware of Turin",
        ),
        Key::stoa(
            "Bootloader",
            Kind::Number(BYTE),
            "not compared",
            "boot loader",
        ),
        Key::stoa("TEE", Kind::Number(BYTE), "not compared", "TEE"),
        Key::stoa("SNP", Kind::Number(BYTE), "not compared", "SNP firmware"),
        Key::stoa("Microcode", Kind::Number(BYTE), "not compared", "microcode"),
    ],
};

pub(crate) static MINIMUM: Object = Object {
    name: "Minimum",
    about: "`Packages.<name>.Minimum`. Floors under what the vendor's status says; absent ones are not compared.",
    keys: &[
        Key::stoa(
            "EvaluationNumber",
            Kind::Number(u32::MAX as u64),
            "not compared",
            "tcbEvaluationDataNumber of the collateral",
        ),
        Key::stoa(
            "TCBDate",
            Kind::Time,
            "not compared",
            "tcbDate of the level that the platform reached",
        ),
        Key::stoa(
            "CPUSVN",
            Kind::Hex(16),
            "not compared",
            "the 16 SGX TCB components, each",
        ),
        Key::stoa("PCESVN", Kind::Number(SHORT), "not compared", "PCESVN"),
        Key::stoa(
            "QESVN",
            Kind::Number(SHORT),
            "not compared",
            "ISVSVN of the quoting enclave",
        ),
        Key::stoa(
            "TEETCBSVN",
            Kind::Hex(16),
            "not compared",
            "TEE_TCB_SVN of a trust domain, each of 16 components",
        ),
    ],
};

pub(crate) static INFRASTRUCTURE: Object = Object {
    name: "Infrastructure",
    about: "`Infrastructures.<name>` is a platform. If there are any, evidence must fit one of them. They only narrow what \
            the coordinator trusts: `RootCA` adds no root.",
    keys: &[
        Key::marblerun(
            "QESVN",
            Kind::Number(SHORT),
            "0",
            "ISVSVN of the quoting enclave, at least",
        ),
        Key::marblerun("PCESVN", Kind::Number(SHORT), "0", "PCESVN, at least"),
        Key::marblerun(
            "CPUSVN",
            Kind::Bytes,
            "not compared",
            "the 16 SGX TCB components, each at least",
        ),
        Key::marblerun(
            "RootCA",
            Kind::Bytes,
            "not compared",
            "the root certificate to which evidence must lead, DER or PEM",
        ),
    ],
};

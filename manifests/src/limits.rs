//! Every limit of a manifest, inclusive. Listed in docs/reference/limits.md.
//!
//! Does not live here: limits of what crosses a socket (`server`, docs/protocol/attest-1.md, section 8).

/// Bytes of a manifest as posted: 1 MiB. (The statement could carry 4 MiB: docs/protocol/attest-1.md, section 8; the
/// larger number leaves room for the next format, this one is what is taken in.)
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// Levels of JSON objects and lists inside each other. A manifest needs 6.
pub const JSON_DEPTH_MAX: usize = 32;
/// Faults that are listed; more are counted.
pub const FAULTS_MAX: usize = 100;
/// Characters of a posted value that a fault repeats.
pub const SHOWN_CHARS_MAX: usize = 80;
/// Packages of a manifest.
pub const PACKAGES_MAX: usize = 4096;
/// Marbles (types, not instances) of a manifest.
pub const MARBLES_MAX: usize = 4096;
/// Secrets of a manifest.
pub const SECRETS_MAX: usize = 4096;
/// Bytes of the name of a package, marble or secret.
pub const NAME_BYTES_MAX: usize = 255;
/// Files of one marble, and likewise its environment variables and its arguments.
pub const PARAMETERS_MAX: usize = 1024;
/// Bytes of a file's path (Linux: PATH_MAX less its NUL).
pub const PATH_BYTES_MAX: usize = 4095;
/// Entries of a list of names or values: DNS names, calls, TCB statuses, advisories, measurements.
pub const LIST_MAX: usize = 256;
/// Bytes of one entry of such a list.
pub const LIST_ENTRY_BYTES_MAX: usize = 1024;
/// Bytes of one argument of a marble (Linux: MAX_ARG_STRLEN less its NUL).
pub const ARGUMENT_BYTES_MAX: usize = 131_071;
/// Bits of a symmetric key.
pub const SYMMETRIC_KEY_BITS_MAX: u64 = 65_536;
/// Days that a certificate secret may be valid for: what the root CA is (docs/concepts/identity.md).
pub const VALID_FOR_DAYS_MAX: u64 = 3650;
/// Shortest `Config.CertificateLifetime`: one minute.
pub const CERTIFICATE_LIFETIME_SECS_MIN: u64 = 10;
/// Longest `Config.CertificateLifetime`: 90 days, what the issuing CA is.
pub const CERTIFICATE_LIFETIME_SECS_MAX: u64 = 90 * 24 * 3600;
/// Parentheses and blocks inside each other in a template.
pub const TEMPLATE_DEPTH_MAX: usize = 32;
/// Bytes that one template may give: what a whole provision may hold (docs/protocol/attest-1.md, section 8).
pub const TEMPLATE_OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Width or precision in a `printf` verb.
pub const PRINTF_WIDTH_MAX: usize = 1024;
/// Entries of an allow-list of platforms or of their kinds.
pub const PLATFORMS_MAX: usize = 4096;
/// Longest `CollateralWarning` and `CollateralGrace`: ten years; a longer one is a slip.
pub const COLLATERAL_BAND_SECS_MAX: u64 = 10 * 365 * 24 * 3600;
/// Infrastructures of a manifest.
pub const INFRASTRUCTURES_MAX: usize = 256;
/// Users of a manifest.
pub const USERS_MAX: usize = 1024;
/// Roles of a manifest.
pub const ROLES_MAX: usize = 1024;
/// Recovery keys of a manifest: as many as shares of one secret there can be.
pub const RECOVERY_KEYS_MAX: usize = 255;
/// Tags of `TLS`.
pub const TLS_TAGS_MAX: usize = 1024;
/// Bytes of a PEM text in a manifest.
pub const PEM_BYTES_MAX: usize = 16 << 10;
/// Bits of the RSA key that a recovery secret is encrypted for, at most: what crypto libraries take.
pub const RECOVERY_KEY_BITS_MAX: usize = 8192;
/// Bits of the RSA key that a recovery secret is encrypted for, at least.
pub const RECOVERY_KEY_BITS_MIN: usize = 2048;
/// Bytes of one attribute of a certificate secret's subject (X.520, ub-common-name and its like).
pub const SUBJECT_BYTES_MAX: usize = 64;
/// Longest `Reload.Settle`: one hour.
pub const RELOAD_SETTLE_SECS_MAX: u64 = 3600;
/// Templates that call each other inside one, at most so deep.
pub const TEMPLATE_CALLS_MAX: usize = 64;
/// Blocks and templates that are rendered inside each other.
pub const TEMPLATE_NESTING_MAX: usize = 256;
/// Variables that can be named at one place of a template.
pub const TEMPLATE_VARIABLES_MAX: usize = 128;
/// Operands that are evaluated, and 64 bytes that functions read or write, in rendering one template, and in trying all
/// those of a manifest.
pub const TEMPLATE_WORK_MAX: u64 = 1 << 22;
/// Pipelines and turns of loops in rendering one template.
pub const TEMPLATE_STEPS_MAX: usize = 1 << 18;

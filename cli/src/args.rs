//! Commands and options. `stoa --help` is written by hand, grouped by who needs what; a test holds it to what exists.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand};

const HELP: &str = "\
Attest, run and verify a mesh of confidential services

Usage: stoa <COMMAND> [OPTIONS]

Verify (needs no account on the mesh)
  verify      Check a coordinator's quote and print what the mesh runs
  evidence    verify, show
Deploy
  measure     Print what evidence measures, to be written into a manifest
  manifest    check, import, merge, diff, set, update, pending, cancel, get
  secret      set, get
Operate
  recover     Show which mesh asks for recovery shares, or give one
  status      State of the coordinator, marbles and certificates
  audit       What was done to the mesh, by whom, and who was refused
  collateral  fetch, show, pack
  doctor      Test each step of attestation on this host and name the one that fails
Learn
  explain     What an error code means and what to do:  stoa explain tcb-not-accepted

Options:
      --url <URL>          Where the coordinator is  [env: STOA_URL]
      --coordinator <FILE> What it must be: its reference (measurements)  [env: STOA_COORDINATOR]
      --json               Machine-readable output on stdout (same fields as the text)
  -q, --quiet   -v, --verbose   -h, --help   -V, --version

First time: `stoa manifest check manifest.json`, then `stoa manifest set manifest.json`
";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "stoa", version, color = ColorChoice::Never, override_help = HELP, disable_help_subcommand = true)]
pub(crate) struct Stoa {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where the coordinator is
    #[arg(
        long,
        global = true,
        env = "STOA_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) url: Option<String>,
    /// What it must be: its reference (measurements)
    #[arg(
        long,
        global = true,
        env = "STOA_COORDINATOR",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) coordinator: Option<PathBuf>,
    /// Machine-readable output on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say less: no warnings and no hints
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: hashes in full
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a coordinator's quote and print what the mesh runs
    #[command(after_help = "\
Examples:
  stoa verify https://mesh.example:4433 --coordinator stoa.json --manifest manifest.json --save mesh.bundle
  stoa verify --bundle mesh.bundle --coordinator stoa.json --manifest manifest.json")]
    Verify(Verify),
    /// Judge a file of evidence by itself, or show what it says
    #[command(after_help = "\
Examples:
  stoa evidence verify quote.bin --collateral collateral.json --report-data 00ff.. --policy stoa.json
  stoa evidence show quote.bin --json")]
    Evidence(Evidence),
    /// Print what evidence measures, to be written into a manifest
    #[command(after_help = "\
Examples:
  stoa measure quote.bin --name signer
  stoa measure quote.bin --by signer --json")]
    Measure(Measure),
    /// Check, import, merge, compare, set, update or get a manifest
    #[command(after_help = "\
Examples:
  stoa manifest check manifest.json
  stoa manifest set manifest.json --url https://mesh.example:4433 --coordinator stoa.json")]
    Manifest(Manifest),
    /// Set secrets that users define, or get those that you may read
    #[command(after_help = "\
Examples:
  stoa secret set secrets.json --cert ann.pem --key ann.key --url https://mesh.example:4433 --coordinator stoa.json
  stoa secret get api-key --save api-key.json --cert bob.pem --key bob.key")]
    Secret(Secret),
    /// Show which mesh asks for recovery shares, or give one
    #[command(after_help = "\
Examples:
  stoa recover --url https://mesh.example:4433 --coordinator stoa.json
  stoa recover --recovery-data mesh-recovery.json --key ann.key --url https://mesh.example:4433 --coordinator stoa.json")]
    Recover(Recover),
    /// State of the coordinator, marbles and certificates
    #[command(after_help = "\
Examples:
  stoa status --url https://mesh.example:4433
  stoa status --url https://mesh.example:4433 --coordinator stoa.json --json")]
    Status(Trusted),
    /// What was done to the mesh, by whom, and who was refused: for users who may ReadAudit
    #[command(after_help = "\
Examples:
  stoa audit --cert carol.pem --key carol.key --url https://mesh.example:4433 --coordinator stoa.json
  stoa audit --before 120 --json --cert carol.pem --key carol.key")]
    Audit(Audit),
    /// What the vendor says of platforms: fetch it, show it, pack it for a coordinator that reaches no vendor
    #[command(after_help = "\
Examples:
  stoa collateral fetch --from https://pccs.example:8081 --platform sgx:00906ed50000:platform --save collateral.json
  stoa collateral show collateral.json")]
    Collateral(Collateral),
    /// Test each step of attestation on this host and name the one that fails
    #[command(after_help = "\
Examples:
  stoa doctor --from https://pccs.example:8081
  stoa doctor --evidence quote.bin --from https://pccs.example:8081")]
    Doctor(Doctor),
    /// What an error code means and what to do
    #[command(after_help = "\
Examples:
  stoa explain tcb-not-accepted
  stoa explain")]
    Explain {
        /// The code in brackets behind an error; without it all codes are listed
        code: Option<String>,
    },
}

/// What a command that verifies may be told to trust.
#[derive(Debug, Args)]
pub(crate) struct Trusted {
    /// Also trust evidence under this root (one certificate in PEM). Whoever holds its key can forge everything. Again for
    /// another vendor's
    #[arg(long, value_name = "FILE")]
    pub(crate) insecure_trust_root: Vec<PathBuf>,
    /// TCB statuses of the coordinator's platform to accept beyond the reference's
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(crate) accept_tcb: Vec<String>,
    /// Advisories to accept beyond the reference's
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) accept_advisory: Vec<String>,
}

/// Who a user of the manifest is.
#[derive(Debug, Args)]
pub(crate) struct UserFiles {
    /// The user's certificate, as the manifest has it (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: PathBuf,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

/// `stoa verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Where the coordinator is
    #[arg(value_name = "URL", conflicts_with = "bundle")]
    pub(crate) address: Option<String>,
    /// The manifest that must be in force
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Keep the proof in this file, to be judged again offline
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    pub(crate) save: Option<PathBuf>,
    /// Write the mesh's root CA to this file (PEM), only if everything is verified
    #[arg(long, value_name = "FILE")]
    pub(crate) save_root: Option<PathBuf>,
    /// Judge a saved proof instead of asking, as of the time it was fetched
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// With --bundle: judge as of this time: 2026-11-23T22:40:11Z, or Unix seconds
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) trusted: Trusted,
}

/// `stoa recover`
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The recovery file that `stoa manifest set` wrote
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) recovery_data: Option<PathBuf>,
    /// The holder's private recovery key (PEM, PKCS #8)
    #[arg(long, value_name = "FILE", requires = "recovery_data")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trusted: Trusted,
}

/// `stoa collateral`
#[derive(Debug, Args)]
pub(crate) struct Collateral {
    #[command(subcommand)]
    pub(crate) command: CollateralCommand,
    /// Also believe collateral under this root (one certificate in PEM). Whoever holds its key can forge everything
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) insecure_trust_root: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CollateralCommand {
    /// Ask sources in their order, verify, write a bundle
    Fetch(CollateralFetch),
    /// Print what bundles hold, and whether it verifies
    Show {
        /// Bundles
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make one bundle of several: of each platform the newest
    Pack {
        /// Bundles
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        save: PathBuf,
    },
}

/// `stoa doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Ask this TEE (socket:PATH) instead of looking for the machine's
    #[arg(long, value_name = "TEE", conflicts_with = "evidence")]
    pub(crate) tee: Option<String>,
    /// Go on with this evidence instead of asking a TEE
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
    /// Collateral services to test, in their order: URLs of PCCS or PCS, kds:URL for AMD, or bundle:FILE
    #[arg(long, value_name = "SOURCES", value_delimiter = ',')]
    pub(crate) from: Vec<String>,
    /// Also believe evidence and collateral under this root (one certificate in PEM). Whoever holds its key can forge everything.
    /// Again for another vendor's
    #[arg(long, value_name = "FILE")]
    pub(crate) insecure_trust_root: Vec<PathBuf>,
    /// Look for interfaces below this folder: the root of another file system
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) system_root: PathBuf,
}

/// `stoa measure`
#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// The evidence: a quote as it came from the hardware, or in OpenEnclave's form
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The package's name in the manifest
    #[arg(long, value_name = "NAME", default_value = "NAME")]
    pub(crate) name: String,
    /// Exactly this code, or what its signer signs as this product, from this version on (SGX)
    #[arg(long, value_enum, default_value_t = MeasureBy::Code)]
    pub(crate) by: MeasureBy,
}

/// How a package names what may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MeasureBy {
    /// This very code
    Code,
    /// Its signer's product, from this version on
    Signer,
}

/// `stoa collateral fetch`
#[derive(Debug, Args)]
pub(crate) struct CollateralFetch {
    /// Where from, in this order: URLs of PCCS or PCS, or bundle:FILE
    #[arg(long, required = true, value_name = "SOURCES", value_delimiter = ',')]
    pub(crate) from: Vec<String>,
    /// Of which platform: sgx or tdx, FMSPC, CA: sgx:00906ed50000:platform; or snp and product: snp:milan:vcek
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Vec<String>,
    /// Of the platform that this quote comes from
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Vec<PathBuf>,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) save: PathBuf,
}

/// `stoa evidence`
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    #[command(subcommand)]
    pub(crate) command: EvidenceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Verify evidence with its collateral; its kind is found from the bytes
    Verify(EvidenceVerify),
    /// Print what evidence says, without verifying any of it
    Show {
        /// The evidence: a quote as it came from the hardware, or in OpenEnclave's form
        file: PathBuf,
    },
}

/// `stoa evidence verify`
#[derive(Debug, Args)]
pub(crate) struct EvidenceVerify {
    /// The evidence: a quote as it came from the hardware, or in OpenEnclave's form
    #[arg(value_name = "FILE", conflicts_with = "dir")]
    pub(crate) file: Option<PathBuf>,
    /// What the vendor says of the platform, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) collateral: Option<PathBuf>,
    /// Believe this root (one certificate in PEM) instead of the vendor's. Whoever holds its key can forge everything
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) anchor: Option<PathBuf>,
    /// Judge as of this time instead of now: 2026-11-23T22:40:11Z, or Unix seconds
    #[arg(long, value_name = "TIME", conflicts_with = "dir")]
    pub(crate) at: Option<String>,
    /// The 64 bytes that the evidence must be bound to; without them that is not compared
    #[arg(long, value_name = "HEX", conflicts_with = "dir")]
    pub(crate) report_data: Option<String>,
    /// What the code must be and which platforms are accepted, in the format of --coordinator
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) policy: Option<PathBuf>,
    /// Run each vector in this folder (format tee-vector/1) and compare with its verdict.json
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `stoa manifest`
#[derive(Debug, Args)]
pub(crate) struct Manifest {
    #[command(subcommand)]
    pub(crate) command: ManifestCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Find every fault in a manifest, offline
    Check {
        /// The manifest
        file: PathBuf,
    },
    /// Say what a manifest written for MarbleRun does here, and how to make it stronger
    Import {
        /// The manifest
        file: PathBuf,
    },
    /// Adapt one manifest by another: conflicts and what the overlay widens are named
    Merge {
        /// The manifest to adapt
        base: PathBuf,
        /// What is to be different; null takes something out
        overlay: PathBuf,
        /// Where the result goes; stdout without it
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say what differs from the manifest in force (or another), for whom, and who must agree to it
    Diff {
        /// The new manifest
        new: PathBuf,
        /// Compare with this manifest, offline
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Verify the coordinator, then set its first manifest, then read back what is in force
    Set {
        /// The manifest
        file: PathBuf,
        /// Without a reference: believe the code that is there now, and remember it
        #[arg(long, conflicts_with = "coordinator")]
        trust_on_first_use: bool,
        /// Where the encrypted shares of the manifest's RecoveryKeys are kept; a new file
        #[arg(long, value_name = "FILE")]
        recovery_data: Option<PathBuf>,
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Verify the coordinator, then agree to another manifest: proposes it, or adds a yes to the one that waits
    Update {
        /// The manifest
        file: PathBuf,
        #[command(flatten)]
        user: UserFiles,
        /// Where the encrypted shares of RecoveryKeys are kept that the manifest in force has not; a new file
        #[arg(long, value_name = "FILE")]
        recovery_data: Option<PathBuf>,
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Show the update that waits: who agreed, who may, what it would change
    Pending {
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Take back the update that waits
    Cancel {
        /// Which: the SHA-256 of its manifest, as `stoa manifest pending` shows it
        #[arg(value_name = "SHA256")]
        sha256: String,
        #[command(flatten)]
        user: UserFiles,
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Print the manifest in force, byte for byte
    Get {
        #[command(flatten)]
        trusted: Trusted,
    },
}

/// `stoa audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what was done before the entry of this number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) before: Option<u64>,
    /// At most so many entries, the newest
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) user: UserFiles,
    #[command(flatten)]
    pub(crate) trusted: Trusted,
}

/// `stoa secret`
#[derive(Debug, Args)]
pub(crate) struct Secret {
    #[command(subcommand)]
    pub(crate) command: SecretCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Verify the coordinator, then set secrets, all or none
    Set {
        /// JSON: name -> {"Key": base64}, or {"Cert": PEM or base64, "Private": the same}
        file: PathBuf,
        #[command(flatten)]
        user: UserFiles,
        #[command(flatten)]
        trusted: Trusted,
    },
    /// Verify the coordinator, then read secrets, all or none; that you did is recorded
    Get {
        /// Their names in the manifest
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Write them to this file, which only its owner can read
        #[arg(long, value_name = "FILE", required_unless_present = "stdout")]
        save: Option<PathBuf>,
        /// Print them
        #[arg(long, conflicts_with = "save")]
        stdout: bool,
        #[command(flatten)]
        user: UserFiles,
        #[command(flatten)]
        trusted: Trusted,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_help_names_every_command_and_option_that_exists_and_no_other() {
        let stoa = Stoa::command();
        stoa.clone().debug_assert();
        let commands: Vec<&str> = stoa
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let listed: Vec<&str> = HELP
            .lines()
            .filter(|line| line.starts_with("  ") && !line.trim_start().starts_with('-'))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(listed, commands);
        for option in stoa.get_arguments() {
            assert!(
                HELP.contains(&format!("--{}", option.get_long().unwrap())),
                "{option}"
            );
        }
        for command in ["evidence", "manifest", "secret", "collateral"] {
            let verbs: Vec<&str> = stoa
                .find_subcommand(command)
                .unwrap()
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            assert!(HELP.contains(&format!("{command:<11} {}\n", verbs.join(", "))));
        }
    }

    #[test]
    fn only_commands_that_verify_can_be_told_to_trust_an_insecure_root() {
        for command in ["status", "verify"] {
            assert!(Stoa::try_parse_from(["stoa", command, "--insecure-trust-root", "x"]).is_ok());
        }
        for command in [&["explain"][..], &["manifest", "check", "m"]] {
            let line = ["stoa"]
                .iter()
                .chain(command)
                .chain(&["--insecure-trust-root", "x"]);
            assert!(Stoa::try_parse_from(line).is_err(), "{command:?}");
        }
    }
}

//! The launcher's flags and environment variables: two tables. docs/reference/launcher.md is written from them.
//!
//! Who decides what: everything before the first `--tee` is the measured command line (Gramine's `loader.argv`, a unit file
//! in a measured image, `argv` of the synthetic TEE). From there on, and in the environment, the host speaks: it may give
//! an address and a name, and nothing that decides whom this marble believes or what it runs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Parser;

/// Makes an unmodified program a marble of a mesh.
///
/// The measured command line stands before the first --tee; from there on the host speaks.
#[derive(Debug, Parser)]
#[command(
    name = "stoa-launcher",
    version,
    max_term_width = 100,
    override_usage = "stoa-launcher --config FILE [--files DIR] [-- PROGRAM [ARGS]] --tee TEE [--mesh-addr HOST:PORT] [--instance UUID]"
)]
pub(crate) struct Measured {
    /// The measured configuration, stoa-marble.json: which coordinator is believed, which mesh is ours.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Where the program runs, files with a relative path go, and tls/cert.pem, tls/key.pem and tls/ca.pem are written.
    #[arg(long, value_name = "DIR")]
    pub(crate) files: Option<PathBuf>,

    /// Refuse a DIR that is not on a memory file system.
    #[arg(long, requires = "files")]
    pub(crate) tmpfs: bool,

    /// Variables that the program keeps from the launcher's own environment; it keeps no others.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) keep_env: Vec<String>,

    /// The program to become, and its arguments unless the manifest has some. Without it, the first of the manifest's
    /// arguments is executed.
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

/// What the host may say, from --tee on.
#[derive(Debug, Parser)]
#[command(
    name = "stoa-launcher .. --tee TEE",
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(crate) struct Host {
    /// The TEE that this runs in: socket:PATH.
    #[arg(long, value_name = "TEE")]
    pub(crate) tee: String,

    /// Where the coordinator's mesh port is.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "STOA_MESH_ADDR",
        default_value = "localhost:2001"
    )]
    pub(crate) mesh_addr: String,

    /// A name for this instance, 32 hex digits or a UUID (a pod's UID, say). Without it the coordinator chooses.
    #[arg(long, value_name = "UUID", env = "STOA_INSTANCE", value_parser = instance)]
    pub(crate) instance: Option<[u8; 16]>,
}

/// Everything that the launcher was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) measured: Measured,
    pub(crate) host: Host,
}

impl Config {
    /// Reads a command line, the launcher's own name first, and the environment.
    ///
    /// # Errors
    /// Clap's own, also for `--help`.
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.collect();
        // The first one: the host can add words behind it, and none before.
        let tee = words
            .iter()
            .position(|word| is_tee(word))
            .unwrap_or(words.len());
        let (measured, host) = words.split_at(tee);
        let measured = Measured::try_parse_from(measured)?;
        let name = OsString::from("stoa-launcher");
        let host = Host::try_parse_from(std::iter::once(&name).chain(host))?;
        Ok(Self { measured, host })
    }
}

fn is_tee(word: &OsStr) -> bool {
    word == "--tee" || word.as_encoded_bytes().starts_with(b"--tee=")
}

/// 16 bytes as 32 hex digits, with or without a UUID's dashes.
fn instance(text: &str) -> Result<[u8; 16], String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let dashes = text.len() - digits.len();
    let mut bytes = [0; 16];
    let pairs = digits.chunks_exact(2);
    if digits.len() != 32 || !matches!(dashes, 0 | 4) {
        return Err(format!(
            "has {} hex digits and {dashes} dashes; write 32 digits or a UUID",
            digits.len()
        ));
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| format!("`{pair}` is no hex"))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(arguments: &str) -> Result<Config, clap::Error> {
        let line = std::iter::once("stoa-launcher").chain(arguments.split(' '));
        Config::read(line.map(OsString::from))
    }

    #[test]
    fn the_measured_part_stands_before_the_tee() {
        let config = read(
            "--config c.json --files /d --tmpfs --keep-env A,B -- /bin/p -x --y --tee socket:/s --mesh-addr h:1 --instance \
             000102030405060708090a0b0c0d0e0f",
        )
        .unwrap();
        assert_eq!(config.measured.program, ["/bin/p", "-x", "--y"]);
        assert_eq!(config.measured.keep_env, ["A", "B"]);
        assert!(config.measured.tmpfs);
        assert_eq!(
            (config.host.tee.as_str(), config.host.mesh_addr.as_str()),
            ("socket:/s", "h:1")
        );
        assert_eq!(config.host.instance.unwrap()[15], 15);
        let short = read("--config c.json --tee=socket:/s").unwrap();
        assert_eq!(
            (short.host.tee.as_str(), short.measured.program.len()),
            ("socket:/s", 0)
        );
    }

    #[test]
    fn the_host_decides_nothing_but_address_and_name() {
        for late in [
            "--config n.json",
            "--files /tmp",
            "--tmpfs",
            "--keep-env LD_PRELOAD",
            "-- /bin/sh",
            "/bin/sh",
            "--tee socket:/t",
        ] {
            let line = format!("--config m.json -- /bin/p --tee socket:/s {late}");
            assert!(read(&line).is_err(), "{line}");
        }
        assert!(read("--tee socket:/s --config n.json").is_err());
        assert!(read("--config m.json").is_err(), "a TEE must be named");
    }

    #[test]
    fn instances_are_hex_or_uuids() {
        let uuid = instance("00010203-0405-0607-0809-0a0b0c0d0e0f").unwrap();
        assert_eq!(uuid, instance("000102030405060708090a0b0c0d0e0f").unwrap());
        for bad in [
            "",
            "00",
            "zz0102030405060708090a0b0c0d0e0f",
            "é00102030405060708090a0b0c0d0e0",
            "0-0-0-0-0",
        ] {
            assert!(instance(bad).is_err(), "{bad}");
        }
    }
}

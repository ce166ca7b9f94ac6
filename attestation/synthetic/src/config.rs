//! CONFIG: what runs inside the synthetic TEE, as TOML.
//!
//! Does not live here: reading and hashing what it names (`program`), the platform's own state (`folder`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stoa_attestation::lp::Writer;
use stoa_explain::Explain;

use crate::knobs::{Flip, PlatformTcb, ProgramTee};

/// Bytes of a configuration file, at most.
const CONFIG_LEN_MAX: u64 = 64 * 1024;
/// Entries of `argv`, `env` and `trusted_files`, at most, each.
const CONFIG_ENTRIES_MAX: usize = 1024;

/// One program, its measured arguments and environment, its trusted files; and faults of its platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What kind of TEE.
    pub tee: ProgramTee,
    /// Path of the program; a relative one starts at the configuration's folder, as all paths here do.
    pub executable: String,
    /// Arguments after the program's own name; `--tee socket:PATH` and the host's arguments follow them.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Environment variables that the host cannot change.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files whose content belongs to the measurement.
    #[serde(default)]
    pub trusted_files: Vec<String>,
    /// RSA-3072 private key, PEM; absent: a signer of its own for each measurement.
    #[serde(default)]
    pub signer: Option<String>,
    /// ISVPRODID.
    #[serde(default)]
    pub product_id: u16,
    /// ISVSVN.
    #[serde(default)]
    pub security_version: u16,
    /// ATTRIBUTES.DEBUG, TDATTRIBUTES.DEBUG, or DEBUG of the guest policy.
    #[serde(default)]
    pub debug: bool,
    /// Fault: what the platform's SVNs reach; absent: as the platform's folder says. Not measured.
    #[serde(default, deserialize_with = "status")]
    pub tcb: Option<PlatformTcb>,
    /// Fault: a byte of each quote that is changed after signing. Not measured.
    #[serde(default)]
    pub flip: Option<Flip>,
}

fn status<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<PlatformTcb>, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Why a configuration says nothing that could run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("the configuration {} has more than {CONFIG_LEN_MAX} bytes", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// The text is not what a configuration is.
    #[error("the configuration {} is malformed: {cause}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where, one line.
        cause: String,
    },
}

impl Explain for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "synthetic-config-unreadable",
            Self::TooLong { .. } | Self::Malformed { .. } => "synthetic-config-malformed",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "name an existing TOML file".to_owned(),
            Self::TooLong { .. } => "move what is large into a trusted file".to_owned(),
            Self::Malformed { .. } => {
                "write tee, executable and, if needed, argv, env, trusted_files, signer, product_id, \
                 security_version, debug, tcb, flip"
                    .to_owned()
            }
        })
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] with the field and the cause.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        use std::io::Read as _;

        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        let len = file
            .take(CONFIG_LEN_MAX + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if len as u64 > CONFIG_LEN_MAX {
            return Err(ConfigError::TooLong {
                path: path.to_owned(),
            });
        }
        Self::parse(&text).map_err(|cause| ConfigError::Malformed {
            path: path.to_owned(),
            cause,
        })
    }

    /// Parses a configuration; the error is the cause in words.
    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| located(text, &error))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let lists = [
            ("argv", self.argv.len()),
            ("env", self.env.len()),
            ("trusted_files", self.trusted_files.len()),
        ];
        for (name, len) in lists {
            if len > CONFIG_ENTRIES_MAX {
                return Err(format!(
                    "`{name}` has {len} entries, at most {CONFIG_ENTRIES_MAX} are allowed"
                ));
            }
        }
        if self.executable.is_empty() {
            return Err("`executable` is empty".to_owned());
        }
        let texts = [("executable", &self.executable)]
            .into_iter()
            .chain(self.argv.iter().map(|arg| ("argv", arg)))
            .chain(self.env.iter().flat_map(|(k, v)| [("env", k), ("env", v)]))
            .chain(self.trusted_files.iter().map(|p| ("trusted_files", p)));
        for (field, text) in texts {
            if text.contains('\0') {
                return Err(format!("`{field}` has a text with a zero byte"));
            }
        }
        if let Some(name) = self.env.keys().find(|n| n.is_empty() || n.contains('=')) {
            return Err(format!(
                "`env` has the name `{name}`; a name is not empty and has no `=`"
            ));
        }
        let mut sorted: Vec<&String> = self.trusted_files.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("`trusted_files` names `{}` twice", pair[0]));
        }
        Ok(())
    }

    /// What the measurement covers of this configuration, in its one encoding.
    ///
    /// Not in it: `signer` and `debug`, which reports carry beside the measurement as on hardware (MRENCLAVE covers
    /// neither SIGSTRUCT nor ATTRIBUTES), and the fault knobs, which are the platform's. Trusted files are measured with
    /// their content, by `program`.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut argv = Writer::new();
        for arg in &self.argv {
            argv = argv.field(arg.as_bytes());
        }
        let mut env = Writer::new();
        for (name, value) in &self.env {
            env = env.field(name.as_bytes()).field(value.as_bytes());
        }
        Writer::new()
            .field(b"stoa/synthetic/config/1")
            .field(self.tee.name().as_bytes())
            .field(self.executable.as_bytes())
            .field(&argv.finish())
            .field(&env.finish())
            .u16(self.product_id)
            .u16(self.security_version)
            .finish()
    }
}

/// The parser's message on one line, with the place.
fn located(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    const WHOLE: &str = r#"
tee = "sgx"
executable = "bin/signer"
argv = ["--config", "marble.json"]
trusted_files = ["marble.json"]
signer = "key.pem"
product_id = 3
security_version = 2
debug = true
tcb = "out-of-date"
flip = { byte = 400, mask = 1 }

[env]
A = "1"
"#;

    #[test]
    fn reads_every_field() {
        let config = Config::parse(WHOLE).unwrap();
        assert_eq!(config.tee, ProgramTee::Sgx);
        assert_eq!(config.argv, ["--config", "marble.json"]);
        assert_eq!(config.tcb, Some(PlatformTcb::OutOfDate));
        assert_eq!(config.flip, Some(Flip { byte: 400, mask: 1 }));
        assert_eq!(config.env["A"], "1");
        assert!(config.debug);
    }

    #[test]
    fn names_the_line_of_what_is_unknown_or_wrong() {
        let cases = [
            (
                "tee = \"sgx\"\nexecutable = \"x\"\nargs = []\n",
                "line 3: unknown field `args`",
            ),
            (
                "tee = \"sev\"\nexecutable = \"x\"\n",
                "line 1: unknown variant `sev`",
            ),
            ("tee = \"sgx\"\n", "missing field `executable`"),
            (
                "tee = \"sgx\"\nexecutable = \"x\"\ntcb = \"good\"\n",
                "`good` is no TCB status",
            ),
            (
                "tee = \"sgx\"\nexecutable = \"\"\n",
                "`executable` is empty",
            ),
            (
                "tee = \"sgx\"\nexecutable = \"x\"\nargv = [\"a\\u0000\"]\n",
                "`argv` has a text with a zero byte",
            ),
            (
                "tee = \"sgx\"\nexecutable = \"x\"\nenv = { \"A=B\" = \"\" }\n",
                "`env` has the name `A=B`",
            ),
            (
                "tee = \"sgx\"\nexecutable = \"x\"\ntrusted_files = [\"a\", \"b\", \"a\"]\n",
                "`trusted_files` names `a` twice",
            ),
        ];
        for (text, cause) in cases {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn canonical_form_covers_the_program_and_neither_signer_nor_debug_nor_faults() {
        let base = Config::parse(WHOLE).unwrap();
        type Change = (&'static str, fn(&mut Config));
        let changed: [Change; 7] = [
            ("tee", |c| c.tee = ProgramTee::Tdx),
            ("executable", |c| c.executable.push('x')),
            ("argv", |c| {
                c.argv = vec!["--config".into(), "marble.jsox".into()]
            }),
            ("argv joined", |c| {
                c.argv = vec!["--configmarble.json".into()]
            }),
            ("env", |c| _ = c.env.insert("A".into(), "2".into())),
            ("product", |c| c.product_id = 4),
            ("version", |c| c.security_version = 3),
        ];
        for (what, change) in changed {
            let mut config = base.clone();
            change(&mut config);
            assert_ne!(config.canonical(), base.canonical(), "{what}");
        }
        let mut config = base.clone();
        config.signer = None;
        config.debug = false;
        config.tcb = None;
        config.flip = None;
        assert_eq!(config.canonical(), base.canonical());
    }
}

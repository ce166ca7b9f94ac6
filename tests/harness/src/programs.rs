//! Where the built programs are, and building them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::{Failed, Outcome, failed};

/// The programs of a mesh: cargo package and binary.
pub const PROGRAMS: [(&str, &str); 7] = [
    ("stoa-synthetic", "stoa-synthetic"),
    ("stoa-coordinator", "stoa-coordinator"),
    ("stoa-launcher", "stoa-launcher"),
    ("stoa-cli", "stoa"),
    ("stoa-demo", "demo-signer"),
    ("stoa-demo", "demo-statuslist"),
    ("stoa-demo", "demo-store"),
];

/// Environment variable with the folder of programs that are built already; `cargo xtask test` sets it.
pub const BIN_DIR: &str = "STOA_BIN_DIR";

/// The folder of the built programs.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them (a no-op of a second when nothing changed) and says where they are. A run of all tests built them
    /// before and says where, in [`BIN_DIR`]: then nothing is built, so that tests judge what was built for them.
    ///
    /// # Errors
    /// If the build fails; its own words went to standard error.
    pub fn build(quiet: bool) -> Outcome<Self> {
        if let Some(folder) = std::env::var_os(BIN_DIR).map(PathBuf::from) {
            return Ok(Self { folder });
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .arg("build")
            .current_dir(workspace())
            .stdin(Stdio::null());
        for (package, binary) in PROGRAMS {
            command.args(["--package", package, "--bin", binary]);
        }
        command.args(["--message-format", "json-render-diagnostics"]);
        command.stdout(Stdio::piped()).stderr(if quiet {
            Stdio::null()
        } else {
            Stdio::inherit()
        });
        let output = command
            .output()
            .map_err(|error| Failed(format!("cargo does not start: {error}")))?;
        if !output.status.success() {
            return failed("the programs could not be built; run `cargo build` to see why");
        }
        let lines = String::from_utf8_lossy(&output.stdout);
        let folder = lines.lines().rev().find_map(folder_of_executable);
        let Some(folder) = folder else {
            return failed("cargo built no program");
        };
        Ok(Self { folder })
    }

    /// The same for tests: once in a process, quietly.
    ///
    /// # Errors
    /// As [`Programs::build`].
    pub fn for_tests() -> Outcome<Self> {
        static BUILT: OnceLock<Outcome<Programs>> = OnceLock::new();
        BUILT.get_or_init(|| Self::build(true)).clone()
    }

    /// Path of one program.
    #[must_use]
    pub fn path(&self, binary: &str) -> PathBuf {
        self.folder.join(binary)
    }
}

fn folder_of_executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let executable = message.get("executable")?.as_str()?;
    Path::new(executable).parent().map(Path::to_owned)
}

/// The folder of the workspace's Cargo.toml.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

//! Where things are: the root of the repository, the folder that cargo builds into, cargo itself.
//!
//! Does not live here: what is done with them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository that this build of xtask stands in.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this crate was compiled in.
    #[must_use]
    pub fn of_this_build() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            root: own.parent().unwrap_or(own).to_owned(),
        }
    }

    /// The folder with the workspace's Cargo.toml.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// `target/` of the repository, whatever folder cargo builds into: results that people look for stay there.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Cargo, started in the root. The same cargo that runs this program, if one does.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }
}

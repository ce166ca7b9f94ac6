//! Where the shares of a manifest's recovery keys are kept: named before they are asked for, written before anything else.
//!
//! Does not live here: the file's format (`stoa_client`), giving a share back (`recover`).

use std::path::Path;

use stoa_client::RecoveryFile;
use stoa_manifest::Manifest;

use crate::failure::{Changed, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;

/// A new file for shares, or nothing if none will come.
pub(super) struct Keep<'a>(Option<&'a Path>);

impl<'a> Keep<'a> {
    /// For the first manifest.
    pub(super) fn of(manifest: &Manifest, file: Option<&'a Path>) -> Result<Self, Failure> {
        if manifest.recovery_keys().is_empty() {
            return Ok(Self(None));
        }
        let Some(path) = file else {
            let cause = "the manifest has RecoveryKeys, and their shares are given out once: name a file for them";
            return Err(Refused::RecoveryDataNotAsked(cause).into());
        };
        if path.exists() {
            return Err(Refused::NotWritten {
                path: path.display().to_string(),
                cause: "it is there already, and may hold the shares of a mesh".to_owned(),
            }
            .into());
        }
        Ok(Self(Some(path)))
    }

    /// For an update: shares come only if the manifest in force has no recovery keys.
    pub(super) fn of_update(
        in_force: Option<&[u8]>,
        manifest: &Manifest,
        file: Option<&'a Path>,
    ) -> Result<Self, Failure> {
        let before = in_force.and_then(|bytes| Manifest::parse(bytes).ok());
        if before.is_some_and(|before| before.recovery_keys().is_empty()) {
            return Self::of(manifest, file);
        }
        Ok(Self(None))
    }

    /// Writes what came, mode 0600; if nothing came, that is said.
    pub(super) fn shares(&self, shares: Option<RecoveryFile>) -> Result<(), Failure> {
        let failed = |refused: Refused| Failure::from(refused).changed(Changed::Unknown);
        match (self.0, shares) {
            (Some(path), Some(shares)) => files::write(path, &shares.encode()).map_err(failed),
            (Some(_), None) => {
                let cause =
                    "the coordinator took the manifest and gave no shares for its RecoveryKeys";
                Err(failed(Refused::RecoveryDataNotAsked(cause)))
            }
            (None, _) => Ok(()),
        }
    }

    /// Says where they are.
    pub(super) fn tell(&self, terminal: &mut Terminal<'_>) {
        if let Some(path) = self.0 {
            terminal.data(&format!(
                "shares    in {}; give a copy to each holder of a recovery key",
                path.display()
            ));
        }
    }
}

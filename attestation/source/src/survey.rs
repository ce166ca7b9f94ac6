//! Which TEE is this, and may we ask it? Looked up as files, before anything is asked: what most set-ups lack is a mount,
//! a permission or a line in a manifest, and the devices' own errors name none of these.
//!
//! Sources: Gramine, "Attestation and Secret Provisioning" (`/dev/attestation`: `attestation_type`, `user_report_data`,
//! `quote`, `keys/`); Linux, Documentation/ABI/testing/configfs-tsm-report.
//! Does not live here: asking (a file for each interface).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::SourceError;

pub(crate) const GRAMINE: &str = "dev/attestation";
const TSM: &str = "sys/kernel/config/tsm/report";
/// Devices of guests whose quotes are asked for through configfs-tsm.
const GUESTS: [&str; 2] = ["dev/tdx_guest", "dev/sev-guest"];

/// An interface to a TEE, as files below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// Gramine's `/dev/attestation`, with attestation on.
    Gramine(PathBuf),
    /// configfs-tsm, of a TDX or SNP guest.
    Tsm(PathBuf),
}

impl Interface {
    /// Looks below `root`, which is `/` for the machine itself.
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::Off`] or [`SourceError::NotMounted`].
    pub fn find(root: &Path) -> Result<Self, SourceError> {
        let gramine = root.join(GRAMINE);
        let kind = gramine.join("attestation_type");
        match fs::read_to_string(&kind) {
            Ok(found) if found.trim() == "dcap" => return Ok(Self::Gramine(gramine)),
            Ok(found) => {
                return Err(SourceError::Off {
                    path: kind,
                    found: found.trim().to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(not_permitted(kind, "reading", source)),
        }
        let tsm = root.join(TSM);
        if tsm.is_dir() {
            return Ok(Self::Tsm(tsm));
        }
        let guest = GUESTS.map(|device| root.join(device));
        match guest.into_iter().find(|device| device.exists()) {
            Some(device) => Err(SourceError::NotMounted {
                device,
                wanted: tsm,
            }),
            None => Err(SourceError::Missing {
                looked: [kind, tsm]
                    .into_iter()
                    .chain(GUESTS.map(|device| root.join(device)))
                    .collect(),
            }),
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Gramine(path) => format!("Gramine, at {}", path.display()),
            Self::Tsm(path) => format!("configfs-tsm, at {}", path.display()),
        }
    }

    /// Whether this process may do with it what a quote needs. Nothing is asked; a folder that is made is removed.
    ///
    /// # Errors
    /// [`SourceError::NotPermitted`] with the file and what it was opened for.
    pub fn permitted(&self) -> Result<(), SourceError> {
        match self {
            Self::Gramine(folder) => {
                let input = folder.join("user_report_data");
                OpenOptions::new()
                    .write(true)
                    .open(&input)
                    .map_err(|source| not_permitted(input, "writing", source))?;
                let quote = folder.join("quote");
                File::open(&quote).map_err(|source| not_permitted(quote, "reading", source))?;
                Ok(())
            }
            Self::Tsm(folder) => {
                let request = folder.join(format!("stoa-survey-{}", std::process::id()));
                fs::create_dir(&request)
                    .and_then(|()| fs::remove_dir(&request))
                    .map_err(|source| not_permitted(request, "making a request", source))
            }
        }
    }
}

fn not_permitted(path: PathBuf, step: &'static str, source: io::Error) -> SourceError {
    SourceError::NotPermitted { path, step, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use stoa_explain::Explain as _;

    use super::*;

    /// A tree with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn code(files: &[(&str, &str)]) -> &'static str {
        let root = tree(files);
        Interface::find(root.path())
            .and_then(|found| found.permitted())
            .map_or_else(|error| error.code(), |()| "permitted")
    }

    #[test]
    fn what_is_there_is_found_and_what_is_missing_is_named() {
        let on = ("dev/attestation/attestation_type", "dcap\n");
        let [input, quote] = [
            ("dev/attestation/user_report_data", ""),
            ("dev/attestation/quote", ""),
        ];
        for (files, wanted) in [
            (&[][..], "tee-missing"),
            (
                &[("dev/attestation/attestation_type", "none\n")],
                "tee-attestation-off",
            ),
            (
                &[("dev/attestation/attestation_type", "")],
                "tee-attestation-off",
            ),
            (&[on], "tee-not-permitted"),
            (&[on, input], "tee-not-permitted"),
            (&[on, input, quote], "permitted"),
            (&[("dev/tdx_guest", "")], "tee-interface-missing"),
            (&[("dev/sev-guest", "")], "tee-interface-missing"),
            (
                &[
                    ("sys/kernel/config/tsm/report/x", ""),
                    ("dev/sev-guest", ""),
                ],
                "permitted",
            ),
        ] {
            assert_eq!(code(files), wanted, "{files:?}");
        }
    }

    #[test]
    fn a_look_leaves_nothing_behind() {
        let root = tree(&[("sys/kernel/config/tsm/report/x", "")]);
        Interface::find(root.path()).unwrap().permitted().unwrap();
        let left = fs::read_dir(root.path().join(TSM)).unwrap().count();
        assert_eq!(left, 1);
    }
}

//! The memory of meshes that were seen: one file each in `seen/`, so that one that went back, or was replaced behind its
//! address, is noticed.
//!
//! The folder is `$STOA_STATE_DIR`, else `$XDG_STATE_HOME/stoa`, else `~/.local/state/stoa`. A file that can't be read is
//! an error and not an empty memory. Does not live here: what the files say (`stoa_client::seen`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use stoa_client::SeenMesh;
use stoa_client::seen::SEEN_BYTES_MAX;

use crate::failure::{Exit, Failure, Refused};
use crate::files;

/// Meshes that are remembered, at most; beyond that the folder is not read.
const SEEN_FILES_MAX: usize = 10_000;

/// The folder of the memory. Nothing is made before something is remembered.
#[derive(Debug)]
pub(crate) struct MemoryFolder(PathBuf);

/// A mesh that is remembered, and where.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) mesh: SeenMesh,
    pub(crate) path: PathBuf,
}

impl MemoryFolder {
    /// The folder that the environment names.
    pub(crate) fn of_environment() -> Result<Self, Refused> {
        Ok(Self(state_folder()?.join("seen")))
    }

    /// What a statement with this root, from this address, must be held against.
    ///
    /// The mesh that was met at the address counts before the one of that root: a coordinator that shows another root
    /// there, or none, is not the one that was verified.
    pub(crate) fn find(
        &self,
        root: Option<&[u8; 32]>,
        address: Option<&str>,
    ) -> Result<Option<Remembered>, Failure> {
        let mut at_address: Option<Remembered> = None;
        if address.is_some() {
            for path in self.list()? {
                let mesh = read(&path)?;
                let newer = at_address
                    .as_ref()
                    .is_none_or(|before| before.mesh.time < mesh.time);
                if mesh.address.as_deref() == address && newer {
                    at_address = Some(Remembered { mesh, path });
                }
            }
        }
        match (at_address, root) {
            (Some(met), _) => Ok(Some(met)),
            (None, Some(root)) => {
                let path = self.file(root);
                let mesh = if path.exists() {
                    Some(read(&path)?)
                } else {
                    None
                };
                Ok(mesh.map(|mesh| Remembered { mesh, path }))
            }
            (None, None) => Ok(None),
        }
    }

    /// Remembers a mesh as it was just verified; what is remembered never goes back.
    pub(crate) fn remember(&self, mesh: SeenMesh) -> Result<(), Failure> {
        let failed = |path: &Path, error: &std::io::Error| Refused::NotWritten {
            path: path.display().to_string(),
            cause: error.to_string(),
        };
        let path = self.file(&mesh.root);
        make_folder(&path)?;
        // Two commands at once: the later writer must see what the earlier one wrote.
        let lock = self.0.join(".lock");
        let held = File::options()
            .create(true)
            .append(true)
            .open(&lock)
            .map_err(|error| failed(&lock, &error))?;
        held.lock().map_err(|error| failed(&lock, &error))?;
        let before = if path.exists() {
            Some(read(&path)?)
        } else {
            None
        };
        files::write(&path, &mesh.advanced(before).encode())?;
        Ok(())
    }

    fn file(&self, root: &[u8; 32]) -> PathBuf {
        self.0.join(format!("{}.json", hex::encode(root)))
    }

    fn list(&self) -> Result<Vec<PathBuf>, Refused> {
        let failed = |error: std::io::Error| Refused::NotReadable {
            path: self.0.display().to_string(),
            cause: error.to_string(),
        };
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        if paths.len() > SEEN_FILES_MAX {
            return Err(failed(std::io::Error::other(format!(
                "it has more than {SEEN_FILES_MAX} files"
            ))));
        }
        paths.sort();
        Ok(paths)
    }
}

/// Where this program keeps what it remembers.
pub(crate) fn state_folder() -> Result<PathBuf, Refused> {
    state_folder_of(|name| std::env::var_os(name))
}

fn state_folder_of(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Refused> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // A relative XDG_STATE_HOME is to be ignored (XDG Base Directory Specification, 0.8).
    let xdg = || set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    set("STOA_STATE_DIR")
        .or_else(|| xdg().map(|path| path.join("stoa")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/stoa")))
        .ok_or(Refused::MemoryUnavailable)
}

/// Makes the folder of a file, for its owner only.
pub(crate) fn make_folder(path: &Path) -> Result<(), Refused> {
    let folder = path.parent().unwrap_or(path);
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|error| Refused::NotWritten {
        path: folder.display().to_string(),
        cause: error.to_string(),
    })
}

fn read(path: &Path) -> Result<SeenMesh, Failure> {
    let bytes = files::read(path, SEEN_BYTES_MAX)?;
    SeenMesh::parse(&bytes).map_err(|error| Failure::of(Exit::Usage, &error).in_file(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mesh(root: u8, sequence: u64, address: &str) -> SeenMesh {
        SeenMesh {
            root: [root; 32],
            sequence,
            head: [9; 32],
            time: 1000 + sequence,
            address: Some(address.to_owned()),
            collateral: stoa_attestation::Floors::none(),
        }
    }

    fn sequence(found: Option<Remembered>) -> Option<(u8, u64)> {
        found.map(|found| (found.mesh.root[0], found.mesh.sequence))
    }

    #[test]
    fn the_folder_is_the_first_that_the_environment_names() {
        let folder = |set: &[(&str, &str)]| {
            let set: Vec<(String, OsString)> = set
                .iter()
                .map(|(k, v)| ((*k).to_owned(), OsString::from(v)))
                .collect();
            let of =
                state_folder_of(|name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()));
            of.map(|folder| folder.display().to_string()).ok()
        };
        let (own, xdg, home) = (
            ("STOA_STATE_DIR", "s"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        );
        assert_eq!(folder(&[own, xdg, home]).unwrap(), "s");
        assert_eq!(
            folder(&[("STOA_STATE_DIR", ""), xdg, home]).unwrap(),
            "/x/stoa"
        );
        assert_eq!(
            folder(&[("XDG_STATE_HOME", "relative"), home]).unwrap(),
            "/h/.local/state/stoa"
        );
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn what_was_met_at_an_address_counts_before_what_shows_itself_there() {
        let state = tempfile::tempdir().unwrap();
        let memory = MemoryFolder(state.path().join("new/seen"));
        assert_eq!(
            sequence(memory.find(Some(&[1; 32]), Some("a:1")).unwrap()),
            None
        );
        memory.remember(mesh(1, 5, "a:1")).unwrap();
        memory.remember(mesh(2, 7, "b:1")).unwrap();
        assert_eq!(
            sequence(memory.find(Some(&[1; 32]), Some("a:1")).unwrap()),
            Some((1, 5))
        );
        assert_eq!(
            sequence(memory.find(Some(&[2; 32]), Some("a:1")).unwrap()),
            Some((1, 5)),
            "replaced at its address"
        );
        assert_eq!(
            sequence(memory.find(None, Some("a:1")).unwrap()),
            Some((1, 5)),
            "in recovery at its address"
        );
        assert_eq!(
            sequence(memory.find(Some(&[2; 32]), Some("c:1")).unwrap()),
            Some((2, 7)),
            "met at a new address"
        );
        assert_eq!(
            sequence(memory.find(Some(&[2; 32]), None).unwrap()),
            Some((2, 7)),
            "a bundle has no address"
        );
        assert_eq!(sequence(memory.find(None, None).unwrap()), None);
    }

    #[test]
    fn memory_moves_forward_and_a_damaged_file_is_an_error() {
        let state = tempfile::tempdir().unwrap();
        let memory = MemoryFolder(state.path().join("seen"));
        memory.remember(mesh(1, 5, "a:1")).unwrap();
        memory.remember(mesh(1, 4, "a:1")).unwrap();
        assert_eq!(
            sequence(memory.find(Some(&[1; 32]), None).unwrap()),
            Some((1, 5))
        );
        fs::write(memory.file(&[1; 32]), b"{").unwrap();
        assert!(memory.find(Some(&[1; 32]), None).is_err());
        assert!(memory.find(None, Some("elsewhere:1")).is_err());
        assert!(memory.remember(mesh(1, 6, "a:1")).is_err());
    }
}

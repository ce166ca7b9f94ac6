//! Files for the program: where they may be, and how they get there.
//!
//! A file appears whole, under its own mode from its first moment, or not at all: it is written under another name and
//! renamed. A link that stands in its place is replaced, not followed.
//! Does not live here: what is in them (`identity`, the coordinator).

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use marble_sdk::File;
use zeroize::Zeroizing;

use crate::error::LaunchError;

/// Folders that are made for files: only their owner enters them.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits that a file may have; set-user-id and its like are none of them.
const MODE_BITS: u32 = 0o777;
/// For a file whose mode is not given.
pub(crate) const FILE_MODE_DEFAULT: u32 = 0o600;
/// The folder of the marble's certificate and key (`identity`); the manifest's files stay out of it.
pub(crate) const IDENTITY: &str = "tls";

/// Magic numbers of memory file systems (Linux: linux/magic.h).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Where relative paths begin.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// If it can't be made, or must be in memory and is not.
    pub(crate) fn open(dir: &Path, in_memory: bool) -> Result<Self, LaunchError> {
        make_folder(dir)?;
        if in_memory {
            let found = rustix::fs::statfs(dir).map_err(|error| LaunchError::NotWritten {
                step: "look at",
                path: dir.to_owned(),
                source: error.into(),
            })?;
            // The field's type differs between architectures; the numbers have 32 bits.
            #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
            let magic = u64::from(found.f_type as u32);
            if magic != TMPFS && magic != RAMFS {
                let (dir, found) = (dir.to_owned(), format!("a file system of type {magic:#x}"));
                return Err(LaunchError::NotInMemory { dir, found });
            }
        }
        Ok(Self(dir.to_owned()))
    }

    pub(crate) fn join(&self, relative: &str) -> PathBuf {
        self.0.join(relative)
    }
}

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) data: Zeroizing<Vec<u8>>,
}

/// Where each file of the manifest goes; nothing is written yet.
///
/// # Errors
/// [`LaunchError::FileRefused`] for a path that leaves its folder or needs one that was not given, a mode with other than
/// permission bits, and an owner or form, which are not served yet.
pub(crate) fn plan(
    files: &BTreeMap<String, File>,
    folder: Option<&Folder>,
) -> Result<Vec<Planned>, LaunchError> {
    let planned = files.iter().map(|(name, file)| {
        let refused = |cause: String| LaunchError::FileRefused {
            path: name.clone(),
            cause,
        };
        let path = place(name, folder).map_err(|cause| refused(cause.into()))?;
        if file.mode & !MODE_BITS != 0 {
            return Err(refused(format!(
                "has the mode {:o}; only permission bits are allowed",
                file.mode
            )));
        }
        if !file.owner.is_empty() {
            return Err(refused(format!(
                "is for the user {:?}, which is not served yet",
                file.owner
            )));
        }
        if !file.form.is_empty() {
            return Err(refused(format!(
                "has the form {:?}, which is not served yet",
                file.form
            )));
        }
        let mode = if file.mode == 0 {
            FILE_MODE_DEFAULT
        } else {
            file.mode
        };
        let data = file.data.clone();
        Ok(Planned { path, mode, data })
    });
    planned.collect()
}

fn place(name: &str, folder: Option<&Folder>) -> Result<PathBuf, &'static str> {
    let path = Path::new(name);
    if name.is_empty() || name.contains('\0') || name.ends_with('/') {
        return Err("is no path of a file");
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err("leaves its folder by `..`");
    }
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let first = path.components().find(|part| *part != Component::CurDir);
    match (folder, first) {
        (None, _) => Err("is relative, and there is no --files that it could be in"),
        (Some(_), None) => Err("is no path of a file"),
        (Some(_), Some(first)) if first.as_os_str() == IDENTITY => {
            Err("is in tls/, which is the launcher's")
        }
        (Some(folder), Some(_)) => Ok(folder.join(name)),
    }
}

/// Writes all files, or none.
///
/// # Errors
/// The first that can't be written; what was written before is removed.
pub(crate) fn write_all(plan: &[Planned]) -> Result<Vec<PathBuf>, LaunchError> {
    let mut written = Vec::with_capacity(plan.len());
    for file in plan {
        if let Err(error) = write(file) {
            remove(&written);
            return Err(error);
        }
        written.push(file.path.clone());
    }
    Ok(written)
}

/// Removes files that nobody will use.
pub(crate) fn remove(files: &[PathBuf]) {
    for file in files {
        // The error that led here is the one to tell.
        let _ = std::fs::remove_file(file);
    }
}

fn write(file: &Planned) -> Result<(), LaunchError> {
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |source| LaunchError::NotWritten { step, path, source }
    };
    let (Some(folder), Some(name)) = (file.path.parent(), file.path.file_name()) else {
        return Err(failed("write", &file.path)(ErrorKind::InvalidInput.into()));
    };
    make_folder(folder)?;
    let mut hidden = std::ffi::OsString::from(format!(".stoa-{}-", std::process::id()));
    hidden.push(name);
    let passing = folder.join(hidden);
    // A rest of an earlier start under the same process id, as containers have them.
    let _ = std::fs::remove_file(&passing);
    let mut open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE_DEFAULT & file.mode)
        .open(&passing)
        .map_err(failed("make", &passing))?;
    let whole = open
        .write_all(&file.data)
        .and_then(|()| open.set_permissions(Permissions::from_mode(file.mode)))
        .map_err(failed("write", &passing))
        .and_then(|()| std::fs::rename(&passing, &file.path).map_err(failed("write", &file.path)));
    if whole.is_err() {
        let _ = std::fs::remove_file(&passing);
    }
    whole
}

fn make_folder(path: &Path) -> Result<(), LaunchError> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(|source| LaunchError::NotWritten {
            step: "make the folder",
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(mode: u32) -> File {
        File {
            data: Zeroizing::new(b"content".to_vec()),
            mode,
            owner: String::new(),
            form: String::new(),
        }
    }

    fn planned(name: &str, file: File, folder: Option<&Folder>) -> Result<Vec<Planned>, String> {
        plan(&[(name.to_owned(), file)].into(), folder).map_err(|error| error.to_string())
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_and_their_folders_have_exactly_their_modes() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temp.path().join("new"), false).unwrap();
        for (name, given, want) in [
            ("a/b/key", 0, 0o600),
            ("run", 0o700, 0o700),
            ("shared", 0o644, 0o644),
            ("ro", 0o400, 0o400),
        ] {
            let plan = planned(name, file(given), Some(&folder)).unwrap();
            let written = write_all(&plan).unwrap();
            assert_eq!(written, [folder.join(name)]);
            assert_eq!(mode(&written[0]), want, "{name}");
            assert_eq!(std::fs::read(&written[0]).unwrap(), b"content");
        }
        assert_eq!(mode(&temp.path().join("new")), 0o700);
        assert_eq!(mode(&folder.join("a/b")), 0o700);
        let names: Vec<_> = std::fs::read_dir(temp.path().join("new"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 4, "nothing passing is left: {names:?}");
    }

    #[test]
    fn no_path_leaves_its_folder() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        let table = [
            ("../x", "leaves its folder by `..`"),
            ("a/../../x", "leaves its folder by `..`"),
            ("/run/../etc/x", "leaves its folder by `..`"),
            ("", "is no path of a file"),
            (".", "is no path of a file"),
            ("a/", "is no path of a file"),
            ("a\0b", "is no path of a file"),
            ("tls/key.pem", "is in tls/, which is the launcher's"),
            ("./tls/x", "is in tls/, which is the launcher's"),
        ];
        for (name, cause) in table {
            let refused = planned(name, file(0), Some(&folder)).unwrap_err();
            assert!(refused.ends_with(cause), "{name}: {refused}");
        }
        let refused = planned("x", file(0), None).unwrap_err();
        assert!(refused.contains("no --files"), "{refused}");
        assert_eq!(
            planned("/run/x", file(0), None).unwrap()[0].path,
            Path::new("/run/x")
        );
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        let owned = File {
            owner: "postgres".into(),
            ..file(0)
        };
        assert!(
            planned("x", owned, Some(&folder))
                .unwrap_err()
                .contains("\"postgres\"")
        );
        let formed = File {
            form: "pkcs12".into(),
            ..file(0)
        };
        assert!(
            planned("x", formed, Some(&folder))
                .unwrap_err()
                .contains("\"pkcs12\"")
        );
        assert!(
            planned("x", file(0o4755), Some(&folder))
                .unwrap_err()
                .contains("4755")
        );
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced_and_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        let target = temp.path().join("of-the-host");
        std::fs::write(&target, b"untouched").unwrap();
        std::os::unix::fs::symlink(&target, folder.join("key")).unwrap();
        write_all(&planned("key", file(0), Some(&folder)).unwrap()).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"untouched");
        assert!(folder.join("key").symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn files_are_written_all_or_none() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        std::fs::create_dir_all(folder.join("b/in-the-way")).unwrap();
        let files = [("a".to_owned(), file(0)), ("b".to_owned(), file(0))].into();
        let refused = write_all(&plan(&files, Some(&folder)).unwrap()).unwrap_err();
        assert!(refused.to_string().starts_with("can't write"), "{refused}");
        let left: Vec<_> = std::fs::read_dir(temp.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["b"], "only what was there before is left");
    }

    #[test]
    fn a_folder_on_disk_is_refused_if_memory_is_asked_for() {
        // The sources are on a disk on every machine that this was built on; /dev/shm is tmpfs by Linux's own convention.
        let shm = tempfile::tempdir_in("/dev/shm").unwrap();
        Folder::open(shm.path(), true).unwrap();
        let disk = Path::new("/proc/self");
        let refused = Folder::open(disk, true).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "/proc/self is on a file system of type 0x9fa0, which is no memory file system"
        );
    }
}

//! Durable file operations, and the only place that calls a sync.
//!
//! A file is durable after its own sync, its name after a sync of the folder that holds it. Every sync reports itself
//! to a [`Watch`], so that tests see the order and not only the result.
//!
//! Source: fsync(2), "does not necessarily ensure that the entry in the directory containing the file has also reached
//! disk"; shared measurements in docs/decisions/0007-sled-behind-a-guard.md. Does not live here: names (`folder`), what is
//! written (`head`, `envelope`).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

/// Files are for the coordinator's user only. What is in them is sealed; this keeps others from writing.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Marks what is being made under another name.
pub(crate) const NEW_SUFFIX: &str = ".new";

/// A step that the promise of durability rests on, reported after it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A backend handed records to the operating system.
    RecordsWritten,
    /// The records' file was synced.
    RecordsSynced,
    /// A slot of the head was handed to the operating system.
    HeadWritten,
    /// The head file was synced.
    HeadSynced,
    /// A compacted journal took the place of the old one, and the folder was synced.
    Replaced,
}

/// Sees every [`Step`]. Silent unless a test listens.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Watch {
    #[cfg(test)]
    pub(crate) fn new(see: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(see)))
    }

    pub(crate) fn saw(&self, step: Step) {
        if let Some(see) = &self.0 {
            see(step);
        }
    }
}

/// A file whose syncs are part of the promise.
pub(crate) struct SyncedFile {
    file: File,
    path: PathBuf,
    synced: Step,
    watch: Watch,
}

impl SyncedFile {
    /// Opens an existing file for reading, writing and syncing; each sync reports `synced`.
    pub(crate) fn open(path: &Path, synced: Step, watch: Watch) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(StoreError::io("open", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            synced,
            watch,
        })
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(StoreError::io("write", &self.path))
    }

    /// fdatasync(2): content and length, on the device.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(StoreError::io("sync", &self.path))?;
        self.watch.saw(self.synced);
        Ok(())
    }
}

/// Makes a file that must not be there yet, content synced. Its name is durable once the folder is synced.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(StoreError::io("create", path))?;
    file.write_all(bytes)
        .map_err(StoreError::io("write", path))?;
    file.sync_all().map_err(StoreError::io("sync", path))
}

/// Puts `bytes` in the place of `dir/name`, all or nothing: made under another name, synced, renamed, folder synced.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let new = dir.join(format!("{name}{NEW_SUFFIX}"));
    remove_file(&new)?;
    write_new(&new, bytes)?;
    rename(&new, &dir.join(name))?;
    sync_folder(dir)
}

/// The file's bytes; `None` if it is not there. At most `max` bytes are read, so a longer file shows by its length.
pub(crate) fn read_up_to(path: &Path, max: usize) -> Result<Option<Vec<u8>>, StoreError> {
    use std::io::Read;
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(StoreError::io("open", path))?,
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(max).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)
        .map_err(StoreError::io("read", path))?;
    Ok(Some(bytes))
}

/// Makes a folder that must not be there yet.
pub(crate) fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(StoreError::io("create", path))
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("rename", from))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io("sync", path))
}

/// Makes a folder with everything in it durable, from the leaves to the root.
pub(crate) fn sync_tree(path: &Path) -> Result<(), StoreError> {
    for_each_file(path, &|file, path| {
        file.sync_all().map_err(StoreError::io("sync", path))
    })
}

/// Makes a folder durable as it is, and lets go of what memory holds of its files, so that they are read from the disk.
///
/// After a failed sync the page cache shows what the disk never got, and calls it clean. Whoever reads it back from
/// there would take it for durable. Letting go is a request; where the system does not follow it, nothing is lost but
/// this.
pub(crate) fn settle_tree(path: &Path) -> Result<(), StoreError> {
    for_each_file(path, &|file, path| {
        file.sync_all().map_err(StoreError::io("sync", path))?;
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    })
}

/// Does `each` with every file below `path`, and syncs the folders after what is in them.
fn for_each_file(
    path: &Path,
    each: &impl Fn(&File, &Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for entry in entries(path)? {
        if entry.is_dir {
            for_each_file(&entry.path, each)?;
        } else {
            let file = File::open(&entry.path).map_err(StoreError::io("open", &entry.path))?;
            each(&file, &entry.path)?;
        }
    }
    sync_folder(path)
}

/// Copies a folder of files and folders, without what `skip` names. Nothing is synced: the copy is thrown away.
pub(crate) fn copy_tree(from: &Path, to: &Path, skip: fn(&str) -> bool) -> Result<(), StoreError> {
    make_folder(to)?;
    for entry in entries(from)? {
        if skip(&entry.name) {
            continue;
        }
        let target = to.join(&entry.name);
        if entry.is_dir {
            copy_tree(&entry.path, &target, skip)?;
        } else {
            fs::copy(&entry.path, &target).map_err(StoreError::io("copy", &entry.path))?;
        }
    }
    Ok(())
}

pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(StoreError::io("remove", path)),
    }
}

pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(StoreError::io("remove", path)),
    }
}

pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) is_dir: bool,
}

/// The files and folders in a folder, by name.
///
/// # Errors
/// [`StoreError::BackendFolder`] for a link, a device or a name that is no UTF-8: nothing of ours.
pub(crate) fn entries(path: &Path) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(StoreError::io("list", path))? {
        let entry = entry.map_err(StoreError::io("list", path))?;
        let kind = entry
            .file_type()
            .map_err(StoreError::io("look at", &entry.path()))?;
        let strange = |cause: String| StoreError::BackendFolder {
            path: path.to_owned(),
            cause,
        };
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| strange(format!("holds {}, whose name is no UTF-8", name.display())))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(strange(format!(
                "holds `{name}`, which is no file and no folder"
            )));
        }
        found.push(Entry {
            path: entry.path(),
            is_dir: kind.is_dir(),
            name,
        });
    }
    found.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(found)
}

//! The data folder: its names, and the lock that makes it one process's.
//!
//! ```text
//! DIR/lock                 empty; locked (flock) while a coordinator runs
//! DIR/sealed_key           the data key, wrapped for this TEE           (keyfile)
//! DIR/sealed_data          format marker and clear recovery data        (sealed_data)
//! DIR/journal/head         where the journal ended                      (head)
//! DIR/journal/records.N    sled's folder; N = number of the last record in its snapshot, 16 hex digits
//! DIR/*.new, DIR/journal/*.new, DIR/opening      unfinished work and the copy that is being checked: never read
//! ```
//!
//! Source: docs/reference/journal.md, 1. Does not live here: what the files hold.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk;
use crate::error::StoreError;
use crate::{keyfile, sealed_data};

pub(crate) const LOCK: &str = "lock";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const HEAD: &str = "head";
/// The copy that is checked before the original is opened.
pub(crate) const OPENING: &str = "opening";

/// A data folder, held exclusively until the last clone is dropped.
///
/// The server locks first, then reads `sealed_key`, then opens or creates: two processes that start at once on an
/// empty folder can't both found a mesh.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    // Held, never read: closing the last handle gives the lock back.
    _lock: Arc<File>,
}

impl Folder {
    /// Locks `dir`, which is made (mode 0700) if only its parent is there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] at once if another process holds it; [`StoreError::Io`].
    pub fn lock(dir: &Path) -> Result<Self, StoreError> {
        if !dir.exists() {
            disk::make_folder(dir)?;
            if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent) {
                disk::sync_folder(parent)?;
            }
        }
        Self::lock_existing(dir)
    }

    /// Locks `dir` only if it is there.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; as [`Folder::lock`].
    pub fn lock_existing(dir: &Path) -> Result<Self, StoreError> {
        // Absolute from here on: sled mixes relative paths with the current folder.
        let path = match dir.canonicalize() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing {
                    path: dir.to_owned(),
                });
            }
            other => other.map_err(StoreError::io("find", dir))?,
        };
        let name = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(StoreError::io("open", &name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                _lock: Arc::new(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &name)(error)),
        }
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a journal to open.
    ///
    /// # Errors
    /// [`StoreError::Gone`], [`StoreError::Io`], as [`crate::Journal::exists`].
    pub fn has_journal(&self) -> Result<bool, StoreError> {
        has_journal(&self.path)
    }

    /// `sealed_key`, `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_sealed_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        keyfile::read(&self.path)
    }

    /// Replaces `sealed_key`, durable when it returns, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write_sealed_key(&self, bytes: &[u8]) -> Result<(), StoreError> {
        keyfile::write(&self.path, bytes)
    }
}

/// As [`crate::Journal::exists`].
pub(crate) fn has_journal(dir: &Path) -> Result<bool, StoreError> {
    if is_there(&dir.join(JOURNAL))? {
        return Ok(true);
    }
    if is_there(&dir.join(sealed_data::NAME))? {
        return Err(StoreError::Gone {
            path: dir.to_owned(),
        });
    }
    Ok(false)
}

fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(StoreError::io("look for", path))
}

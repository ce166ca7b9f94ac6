//! The data folder: its names, and the lock that makes it one process's.
//!
//! ```text
//! DIR/lock                 empty; locked (flock) while a coordinator runs
//! DIR/sealed_key           the data key, wrapped for this TEE           (keyfile)
//! DIR/sealed_data          format marker and clear recovery data        (sealed_data)
//! DIR/journal/head         where the journal ended                      (head)
//! DIR/journal/records.N    sled's folder; N = number of the last record in its snapshot, 16 hex digits
//! DIR/set-aside-ID/        a state that an operator set aside; ID = its data key's, 16 hex digits
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
use crate::sealed_data::RecoveryData;
use crate::{keyfile, sealed_data};

pub(crate) const LOCK: &str = "lock";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const HEAD: &str = "head";
/// The copy that is checked before the original is opened.
pub(crate) const OPENING: &str = "opening";
/// In front of the data key's id in the name of a folder with a state that was set aside.
const ASIDE_PREFIX: &str = "set-aside-";

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

    /// Moves the state into `set-aside-ID` beside it, where ID is the data key's in hex: nothing of it is lost, and the
    /// folder can be founded anew. Interrupted, it goes on when it is called again.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn set_aside(&self, data_key: &[u8; 8]) -> Result<PathBuf, StoreError> {
        let aside = self
            .path
            .join(format!("{ASIDE_PREFIX}{}", hex::encode(data_key)));
        if !is_there(&aside)? {
            disk::make_folder(&aside)?;
            disk::sync_folder(&self.path)?;
        }
        // The journal last: as long as it is here, it says whose state this is, and nobody founds over it.
        for name in [sealed_data::NAME, keyfile::NAME, JOURNAL] {
            let from = self.path.join(name);
            if is_there(&from)? {
                disk::rename(&from, &aside.join(name))?;
                disk::sync_folder(&aside)?;
                disk::sync_folder(&self.path)?;
            }
        }
        Ok(aside)
    }

    /// What `sealed_data` says in clear about shares of the data key; `None` if there are none, or no such file.
    ///
    /// # Errors
    /// [`StoreError::SealedDataDamaged`], [`StoreError::VersionUnknown`], [`StoreError::Io`].
    pub fn read_recovery_data(&self) -> Result<Option<RecoveryData>, StoreError> {
        Ok(sealed_data::read(&self.path)?.flatten())
    }

    /// Replaces `sealed_data` if it says anything else, durable when it returns, all or nothing. Tells whether it did.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write_recovery_data(&self, data: Option<&RecoveryData>) -> Result<bool, StoreError> {
        let there = sealed_data::read(&self.path).ok().flatten();
        if there.is_some_and(|there| there.as_ref() == data) {
            return Ok(false);
        }
        sealed_data::write(&self.path, data).map(|()| true)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conformance::SeededRng;
    use crate::{DataKey, Journal};

    #[test]
    fn a_state_that_was_set_aside_is_whole_there_also_after_an_interruption_and_another_can_be_founded()
     {
        for interrupted in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let mut rng = SeededRng::new(interrupted);
            let key = DataKey::generate(&mut rng);
            let id = key.id();
            let again = DataKey::from_bytes(key.expose_secret());
            let folder = Folder::lock(dir.path()).unwrap();
            folder.write_sealed_key(b"wrapped").unwrap();
            let mut journal = Journal::create_in(folder.clone(), key, &mut rng).unwrap();
            journal.append(b"batch", &mut rng).unwrap();
            drop(journal);
            // What an interrupted call had moved.
            let aside = dir.path().join(format!("set-aside-{}", hex::encode(id)));
            std::fs::create_dir(&aside).unwrap();
            for name in [sealed_data::NAME, keyfile::NAME]
                .iter()
                .take(interrupted as usize)
            {
                std::fs::rename(dir.path().join(name), aside.join(name)).unwrap();
            }
            assert!(folder.has_journal().unwrap());
            assert_eq!(Journal::survey(folder.clone()).unwrap().key, id);
            assert_eq!(
                folder.set_aside(&id).unwrap(),
                aside.canonicalize().unwrap()
            );
            assert!(!folder.has_journal().unwrap());
            assert_eq!(folder.read_sealed_key().unwrap(), None);
            Journal::create_in(folder, DataKey::generate(&mut rng), &mut rng).unwrap();
            let old = Folder::lock(&aside).unwrap();
            assert_eq!(old.read_sealed_key().unwrap().unwrap(), b"wrapped");
            let (journal, contents) = Journal::open_in(old, again).unwrap();
            assert_eq!(journal.position().sequence, 1);
            assert_eq!(contents[0].as_slice(), b"batch");
        }
    }
}

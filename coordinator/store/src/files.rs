//! A journal in a data folder: head file and sled's folder, created by rename, opened on a copy first.
//!
//! Source: docs/reference/journal.md, 1 and 4. Does not live here: names and lock (`folder`), syncs (`disk`), what
//! sled does (`sled`), verdicts (`check`).

use std::path::{Path, PathBuf};

use crate::check::Found;
use crate::disk::{self, NEW_SUFFIX, Step, SyncedFile, Watch};
use crate::error::StoreError;
use crate::folder::{self, Folder, HEAD, JOURNAL, OPENING};
use crate::ground::Ground;
use crate::head::{HEAD_LEN, SLOT_LEN};
use crate::sealed_data;
use crate::sled::{self, SledStore};
use crate::store::{Loaded, Store};

pub(crate) struct Files {
    folder: Folder,
    head: Option<SyncedFile>,
    watch: Watch,
}

impl Files {
    pub(crate) fn new(folder: Folder, watch: Watch) -> Self {
        Self {
            folder,
            head: None,
            watch,
        }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join(JOURNAL)
    }

    fn open_head(&mut self) -> Result<(), StoreError> {
        let path = self.journal().join(HEAD);
        self.head = Some(SyncedFile::open(
            &path,
            Step::HeadSynced,
            self.watch.clone(),
        )?);
        Ok(())
    }
}

impl Ground for Files {
    fn place(&self) -> String {
        self.journal().display().to_string()
    }

    fn create(&mut self, head: &[u8; HEAD_LEN]) -> Result<Box<dyn Store>, StoreError> {
        if self.folder.has_journal()? {
            return Err(StoreError::Exists {
                path: self.folder.path().to_owned(),
            });
        }
        let dir = self.folder.path();
        let new = dir.join(format!("{JOURNAL}{NEW_SUFFIX}"));
        disk::remove_tree(&new)?;
        disk::make_folder(&new)?;
        disk::write_new(&new.join(HEAD), head)?;
        sled::make(&new.join(sled::folder_name(0)), &[])?;
        disk::sync_tree(&new)?;
        disk::rename(&new, &self.journal())?;
        disk::sync_folder(dir)?;
        // Its presence says that there was a journal, so it comes last.
        sealed_data::write(dir, None)?;
        self.open_head()?;
        let (store, _empty) = SledStore::open(&self.journal(), 0, self.watch.clone())?;
        Ok(Box::new(store))
    }

    fn read(&mut self) -> Result<Found, StoreError> {
        let dir = self.folder.path();
        if !folder::has_journal(dir)? {
            return Err(StoreError::Missing {
                path: dir.to_owned(),
            });
        }
        sealed_data::check(dir)?;
        let journal = self.journal();
        // A killed process leaves writes that are in the page cache only, a failed sync leaves some that never get any
        // further. What is judged must be what the disk holds: sled will free, zero and cut off the places that these
        // writes replaced.
        disk::settle_tree(&journal)?;
        let head_path = journal.join(HEAD);
        let head = disk::read_up_to(&head_path, HEAD_LEN + 1)?
            .ok_or(StoreError::HeadMissing { path: head_path })?;
        let base = newest_base(&journal)?;
        let loaded = read_copy(dir, &journal.join(sled::folder_name(base)))?;
        let in_snapshot = loaded
            .snapshot
            .as_ref()
            .map_or(0, |(sequence, _)| *sequence);
        if in_snapshot != base {
            return Err(StoreError::BackendFolder {
                path: journal.join(sled::folder_name(base)),
                cause: format!(
                    "should hold a snapshot up to record {base}, but its snapshot goes up to record {in_snapshot} (0: none)"
                ),
            });
        }
        Ok(Found {
            head,
            loaded,
            place: self.place(),
        })
    }

    fn open(&mut self, checked: &Loaded) -> Result<Box<dyn Store>, StoreError> {
        let dir = self.folder.path();
        let journal = self.journal();
        let base = newest_base(&journal)?;
        let records = journal.join(sled::folder_name(base));
        sled::remove_leftovers(&records)?;
        for entry in disk::entries(&journal)? {
            if entry.is_dir && entry.path != records && entry.name.starts_with(sled::FOLDER_PREFIX)
            {
                disk::remove_tree(&entry.path)?;
            }
        }
        disk::sync_folder(&journal)?;
        disk::remove_tree(&dir.join(format!("{JOURNAL}{NEW_SUFFIX}")))?;
        sealed_data::write_if_missing(dir)?;
        let (store, opened) = SledStore::open(&journal, base, self.watch.clone())?;
        if opened != *checked {
            return Err(StoreError::Changed {
                place: self.place(),
                checked: checked.last(),
                opened: opened.last(),
            });
        }
        self.open_head()?;
        Ok(Box::new(store))
    }

    fn write_head(&mut self, slot: usize, bytes: &[u8; SLOT_LEN]) -> Result<(), StoreError> {
        let Some(head) = &self.head else {
            self.open_head()?;
            return self.write_head(slot, bytes);
        };
        let offset = if slot == 0 { 0 } else { SLOT_LEN as u64 };
        head.write_at(bytes, offset)?;
        self.watch.saw(Step::HeadWritten);
        head.sync()
    }
}

/// The records folder in force: the one with the highest base. Lower ones are what a compaction did not get to remove.
fn newest_base(journal: &Path) -> Result<u64, StoreError> {
    disk::entries(journal)?
        .iter()
        .filter(|entry| entry.is_dir)
        .filter_map(|entry| sled::base_of(&entry.name))
        .max()
        .ok_or_else(|| StoreError::BackendFolder {
            path: journal.to_owned(),
            cause: "holds no folder `records.N`".to_owned(),
        })
}

/// Reads the records from a copy: sled writes while it opens, and overwrites what it takes for a torn end.
fn read_copy(dir: &Path, records: &Path) -> Result<Loaded, StoreError> {
    let copy = dir.join(OPENING);
    disk::remove_tree(&copy)?;
    let read = disk::copy_tree(records, &copy, sled::is_leftover)
        .and_then(|()| sled::read(&copy, records));
    disk::remove_tree(&copy)?;
    read
}

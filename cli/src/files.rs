//! Files: read with a limit, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Refused;

/// Files that this program writes are for their owner.
const MODE: u32 = 0o600;

/// Reads at most `max` bytes.
pub(crate) fn read(path: &Path, max: usize) -> Result<Vec<u8>, Refused> {
    let refused = |cause: String| Refused::NotReadable {
        path: path.display().to_string(),
        cause,
    };
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(error.to_string()))?;
    if bytes.len() > max {
        return Err(refused(format!("it is longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Writes under another name in the same folder, syncs, renames, syncs the folder: after a crash the old content or the
/// new is there, never half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Refused> {
    let refused = |error: std::io::Error| Refused::NotWritten {
        path: path.display().to_string(),
        cause: error.to_string(),
    };
    let name = path
        .file_name()
        .ok_or_else(|| refused(std::io::Error::other("it names no file")))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut other = std::ffi::OsString::from(".");
    other.push(name);
    other.push(format!(".{}", std::process::id()));
    let other = folder.join(other);
    let written = write_new(&other, bytes).and_then(|()| fs::rename(&other, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&other);
        return Err(refused(error));
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(refused)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Left over from a process of the same number that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for content in [&b"one"[..], b"two"] {
            write(&path, content).unwrap();
            assert_eq!(read(&path, 3).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("missing/x"), b"").is_err());
    }

    #[test]
    fn a_file_longer_than_its_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"1234").unwrap();
        assert!(read(&path, 4).is_ok());
        assert!(read(&path, 3).is_err());
    }
}

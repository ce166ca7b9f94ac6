//! A program as it enters the synthetic TEE: read once, measured, and run from what was measured.
//!
//! The executable is copied into a memory file while it is hashed and the memory file is sealed against writing, so what
//! is executed is what was measured, whatever happens to the path in between. Trusted files are opened by the program
//! itself, by path, as it knows nothing of this TEE; so [`Program::check_trusted_files`] looks at them again before each
//! answer of the TEE: a program whose files changed gets no evidence and no key. What remains: a file that is changed,
//! read and changed back between two answers. Shared libraries that the executable loads are not measured unless they
//! are named as trusted files; hardware behind Gramine has them in its manifest in the same way.
//!
//! Measurement: LP("stoa/synthetic/1"), LP(SHA-256 of the executable), LP(the configuration in canonical form), then for
//! each trusted file in order of its path LP(path), LP(SHA-256); SHA-256 of that for SGX, SHA-384 for
//! TDX and SNP.

use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use sha2::{Digest as _, Sha256, Sha384};
use stoa_attestation::lp::Writer;
use stoa_explain::Explain;

use crate::config::Config;
use crate::knobs::ProgramTee;
use crate::signer::{self, SignerError};

/// Bytes of an executable or a trusted file, at most.
const FILE_LEN_MAX: u64 = 2 << 30;
/// Bytes that are read at once.
const CHUNK_LEN: usize = 128 * 1024;
/// How long sealing is tried again while the kernel holds a page of the memory file.
const SEAL_WAIT_MAX: Duration = Duration::from_secs(10);
/// Between two tries.
const SEAL_PAUSE: Duration = Duration::from_millis(50);

/// What the TEE measured of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What it runs in.
    pub tee: ProgramTee,
    /// MRENCLAVE (32 bytes), MRTD or MEASUREMENT (48 bytes).
    pub measurement: Vec<u8>,
    /// MRSIGNER: SHA-256 of the signer's modulus, little-endian.
    pub signer_id: [u8; 32],
    /// ISVPRODID.
    pub product_id: u16,
    /// ISVSVN.
    pub security_version: u16,
    /// Whether the TEE is a debug one.
    pub debug: bool,
}

impl Identity {
    /// ID_KEY_DIGEST of an SNP guest: SHA-384 of the signer's id, as there is no ID block here.
    #[must_use]
    pub fn id_key_digest(&self) -> [u8; 48] {
        Sha384::digest(self.signer_id).into()
    }
}

/// A measured program, ready to run.
#[derive(Debug)]
pub struct Program {
    identity: Identity,
    config: Config,
    folder: PathBuf,
    executable: File,
    trusted: Vec<TrustedFile>,
}

#[derive(Debug)]
struct TrustedFile {
    path: PathBuf,
    digest: [u8; 32],
    /// What the file's inode said when it was hashed; while it says the same, the content is the same.
    stamp: std::sync::Mutex<Stamp>,
}

/// Device, inode, length, change time: the change time moves with every write and cannot be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

/// Why a program does not enter the TEE, or gets nothing more from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    Unreadable {
        /// `executable` or `trusted file`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too long.
    #[error("the {what} {} has more than {FILE_LEN_MAX} bytes", path.display())]
    TooLong {
        /// `executable` or `trusted file`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// A script would be run by an interpreter that nobody measured.
    #[error("the executable {} is a script: its interpreter would not be measured", path.display())]
    Script {
        /// Which file.
        path: PathBuf,
    },
    /// There is no signer.
    #[error("the program has no signer")]
    Signer {
        /// Why.
        #[from]
        source: SignerError,
    },
    /// A trusted file is not what it was when the program was measured.
    #[error("the trusted file {} had SHA-256 {measured} when the program was measured and has {found} now", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Lower hex.
        measured: String,
        /// Lower hex, or why it cannot be read.
        found: String,
    },
    /// The kernel gives no sealed memory for the executable.
    #[error("cannot make a sealed memory file for the executable")]
    Memory {
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for ProgramError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::TooLong { .. } => "synthetic-file-unreadable",
            Self::Script { .. } => "synthetic-executable-is-script",
            Self::Signer { source } => source.code(),
            Self::Changed { .. } => "synthetic-trusted-file-changed",
            Self::Memory { .. } => "synthetic-memory-unavailable",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => {
                "correct the path; relative ones start at the configuration's folder".to_owned()
            }
            Self::TooLong { .. } => format!("use files of at most {FILE_LEN_MAX} bytes"),
            Self::Script { .. } => {
                "name the interpreter as `executable` and the script in `argv` and `trusted_files`"
                    .to_owned()
            }
            Self::Signer { source } => return source.remedy(),
            Self::Changed { .. } => {
                "measure the program again, and put the new measurement into the manifest"
                    .to_owned()
            }
            Self::Memory { .. } => {
                "use Linux 3.17 or later, with memory for the executable".to_owned()
            }
        })
    }
}

impl Program {
    /// Reads and measures what the configuration names; relative paths start at `folder`.
    ///
    /// # Errors
    /// [`ProgramError`] with the file and the cause.
    pub fn load(config: Config, folder: &Path) -> Result<Self, ProgramError> {
        let (executable, executable_digest) = sealed_copy(&folder.join(&config.executable))?;
        let mut paths = config.trusted_files.clone();
        paths.sort_unstable();
        let mut trusted = Vec::with_capacity(paths.len());
        let mut measured = Writer::new()
            .field(b"stoa/synthetic/1")
            .field(&executable_digest)
            .field(&config.canonical());
        for path in &paths {
            let file = TrustedFile::read(folder.join(path))?;
            measured = measured.field(path.as_bytes()).field(&file.digest);
            trusted.push(file);
        }
        let measured = measured.finish();
        let measurement = match config.tee {
            ProgramTee::Sgx => Sha256::digest(&measured).to_vec(),
            ProgramTee::Tdx | ProgramTee::Snp => Sha384::digest(&measured).to_vec(),
        };
        let identity = Identity {
            tee: config.tee,
            signer_id: match &config.signer {
                Some(path) => signer::id_of(&folder.join(path))?,
                None => unsigned_signer_id(&measurement),
            },
            measurement,
            product_id: config.product_id,
            security_version: config.security_version,
            debug: config.debug,
        };
        Ok(Self {
            identity,
            config,
            folder: folder.to_owned(),
            executable,
            trusted,
        })
    }

    /// What was measured.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it was loaded from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where relative paths start; also the program's working directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sealed copy of the executable.
    pub(crate) fn executable(&self) -> &File {
        &self.executable
    }

    /// Whether every trusted file still is what was measured. Reads a file again only if its inode says that it changed.
    ///
    /// # Errors
    /// [`ProgramError::Changed`] with both digests.
    pub fn check_trusted_files(&self) -> Result<(), ProgramError> {
        self.trusted.iter().try_for_each(TrustedFile::check)
    }
}

impl TrustedFile {
    fn read(path: PathBuf) -> Result<Self, ProgramError> {
        let (digest, stamp) = digest_of("trusted file", &path)?;
        Ok(Self {
            path,
            digest,
            stamp: std::sync::Mutex::new(stamp),
        })
    }

    fn check(&self) -> Result<(), ProgramError> {
        let mut stamp = self
            .stamp
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if std::fs::metadata(&self.path).is_ok_and(|found| Stamp::of(&found) == *stamp) {
            return Ok(());
        }
        let found = match digest_of("trusted file", &self.path) {
            Ok((digest, found_stamp)) if digest == self.digest => {
                *stamp = found_stamp;
                return Ok(());
            }
            Ok((digest, _)) => hex::encode(digest),
            Err(error) => chain(&error),
        };
        Err(ProgramError::Changed {
            path: self.path.clone(),
            measured: hex::encode(self.digest),
            found,
        })
    }
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self(
            meta.dev(),
            meta.ino(),
            meta.len(),
            meta.ctime(),
            meta.ctime_nsec(),
        )
    }
}

/// MRSIGNER of a program without `signer`: as if signed with a key that was used for this measurement and thrown away,
/// so that two such programs never share a key under the signer policy.
fn unsigned_signer_id(measurement: &[u8]) -> [u8; 32] {
    let named = Writer::new()
        .field(b"stoa/synthetic/unsigned/1")
        .field(measurement)
        .finish();
    Sha256::digest(named).into()
}

/// A sealed memory file with the content of `path`, and its SHA-256.
fn sealed_copy(path: &Path) -> Result<(File, [u8; 32]), ProgramError> {
    let mut source = open("executable", path)?;
    let memory = |error: rustix::io::Errno| ProgramError::Memory {
        source: error.into(),
    };
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
    let copy = match memfd_create("stoa-synthetic", flags | MemfdFlags::EXEC) {
        // Kernels before 6.3 know no EXEC flag and need none.
        Err(rustix::io::Errno::INVAL) => memfd_create("stoa-synthetic", flags),
        other => other,
    };
    let mut copy = File::from(copy.map_err(memory)?);
    let mut head = Vec::new();
    let digest = each_chunk("executable", path, &mut source, |chunk| {
        if head.len() < 2 {
            head.extend(chunk.iter().take(2));
        }
        copy.write_all(chunk)
    })?;
    if head.starts_with(b"#!") {
        return Err(ProgramError::Script {
            path: path.to_owned(),
        });
    }
    seal(&copy, SEAL_WAIT_MAX).map_err(memory)?;
    Ok((copy, digest))
}

/// Seals the memory file against every change. While anything in the kernel holds one of its pages, as reclaim and memory
/// monitors do for moments, the kernel waits a fraction of a second and then says that it is busy.
fn seal(copy: &File, wait: Duration) -> Result<(), rustix::io::Errno> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    let since = Instant::now();
    loop {
        match fcntl_add_seals(copy, seals) {
            Err(rustix::io::Errno::BUSY) if since.elapsed() < wait => {
                std::thread::sleep(SEAL_PAUSE);
            }
            other => return other,
        }
    }
}

fn digest_of(what: &'static str, path: &Path) -> Result<([u8; 32], Stamp), ProgramError> {
    let mut file = open(what, path)?;
    let meta = file.metadata().map_err(|source| ProgramError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })?;
    let digest = each_chunk(what, path, &mut file, |_| Ok(()))?;
    // The stamp of before the reading: a write meanwhile shows at the next check.
    Ok((digest, Stamp::of(&meta)))
}

/// Opens a regular file; anything else has no content to measure.
fn open(what: &'static str, path: &Path) -> Result<File, ProgramError> {
    let unreadable = |source| ProgramError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(std::io::Error::other(
            "it is not a regular file",
        )));
    }
    File::open(path).map_err(unreadable)
}

/// Hands the content on in pieces; its SHA-256.
fn each_chunk(
    what: &'static str,
    path: &Path,
    source: &mut File,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<[u8; 32], ProgramError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_LEN];
    let mut total = 0_u64;
    loop {
        let len = match source.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(ProgramError::Unreadable {
                    what,
                    path: path.to_owned(),
                    source: error,
                });
            }
        };
        total += len as u64;
        if total > FILE_LEN_MAX {
            return Err(ProgramError::TooLong {
                what,
                path: path.to_owned(),
            });
        }
        hash.update(&buffer[..len]);
        take(&buffer[..len]).map_err(|source| ProgramError::Memory { source })?;
    }
}

/// An error and what is under it, joined by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        next = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::pipe::{SpliceFlags, pipe, splice};

    use super::*;

    /// A memory file with a page in a pipe, which holds it until it is read.
    fn held() -> (File, OwnedFd) {
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
        let mut file = File::from(memfd_create("held", flags).unwrap());
        file.write_all(&[7; 4096]).unwrap();
        let (output, input) = pipe().unwrap();
        let none = SpliceFlags::empty();
        let moved = splice(&file, Some(&mut 0), &input, None, 4096, none).unwrap();
        assert_eq!(moved, 4096);
        (file, output)
    }

    #[test]
    fn a_page_that_is_held_for_a_moment_only_delays_the_sealing() {
        let (mut file, output) = held();
        assert_eq!(seal(&file, Duration::ZERO), Err(Errno::BUSY));
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            let mut page = [0; 4096];
            File::from(output).read_exact(&mut page).unwrap();
        });
        assert_eq!(seal(&file, SEAL_WAIT_MAX), Ok(()));
        reader.join().unwrap();
        assert!(file.write_all(b"changed").is_err());
    }
}

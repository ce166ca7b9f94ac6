//! DIR: what a platform keeps between runs. A seed, from which its PKI and sealing root come, and its TCB status.
//!
//! `platform.json` and, with an SNP vendor, `snp-vendor.json` (mode 0600, in a folder of mode 0700) are secret; `root.pem`
//! and `snp-root.pem` are for verifiers.
//! Does not live here: what comes from the seed (`platform`).

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stoa_explain::Explain;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::knobs::{Knobs, PlatformTcb};
use crate::platform::Platform;
use crate::snp_vendor::{NoRsaKey, SnpVendor, SnpVendorParts};

/// Version of `platform.json`.
const FORMAT: u32 = 1;
/// Bytes of `platform.json`, at most.
const STATE_LEN_MAX: u64 = 4096;
/// Bytes of `snp-vendor.json`, at most: two RSA keys of 4096 bits with their certificates have some 15 000 in hex.
const SNP_LEN_MAX: u64 = 64 * 1024;
const STATE_FILE: &str = "platform.json";
const ROOT_FILE: &str = "root.pem";
/// The SNP vendor, with its private keys.
const SNP_FILE: &str = "snp-vendor.json";
const SNP_ROOT_FILE: &str = "snp-root.pem";

/// What `platform.json` says.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    /// 64 hex digits.
    seed: String,
    tcb: String,
}

/// What `snp-vendor.json` says: keys in PKCS #8 and certificates in DER, all in hex.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct SnpState {
    format: u32,
    ark: String,
    ask: String,
    ark_certificate: String,
    ask_certificate: String,
}

impl SnpState {
    fn of(parts: &SnpVendorParts) -> Self {
        Self {
            format: FORMAT,
            ark: hex::encode(&*parts.ark),
            ask: hex::encode(&*parts.ask),
            ark_certificate: hex::encode(&parts.ark_certificate),
            ask_certificate: hex::encode(&parts.ask_certificate),
        }
    }

    fn parts(&self) -> Result<SnpVendorParts, String> {
        if self.format != FORMAT {
            return Err(format!(
                "its format is {}, this program knows {FORMAT}",
                self.format
            ));
        }
        let bytes = |text: &str| hex::decode(text).map_err(|error| format!("no hex: {error}"));
        Ok(SnpVendorParts {
            ark: Zeroizing::new(bytes(&self.ark)?),
            ask: Zeroizing::new(bytes(&self.ask)?),
            ark_certificate: bytes(&self.ark_certificate)?,
            ask_certificate: bytes(&self.ask_certificate)?,
        })
    }
}

/// Why a platform's folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file of the folder cannot be read or written.
    #[error("cannot use {} of the platform's folder", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no platform in it.
    #[error("there is no platform in {}: it has no {STATE_FILE}", path.display())]
    Missing {
        /// Which folder.
        path: PathBuf,
    },
    /// The state file does not say what it should.
    #[error("{} is malformed: {cause}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The folder holds another platform than the one that is asked for.
    #[error("the platform in {} has another seed than the one given", path.display())]
    OtherSeed {
        /// Which folder.
        path: PathBuf,
    },
    /// No random bytes.
    #[error("the operating system gives no random bytes for the seed")]
    NoRandomness,
}

impl Explain for FolderError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "synthetic-folder-unusable",
            Self::Missing { .. } => "synthetic-folder-missing",
            Self::Malformed { .. } => "synthetic-folder-malformed",
            Self::OtherSeed { .. } => "synthetic-folder-differs",
            Self::NoRandomness => "synthetic-no-randomness",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { .. } => "name a folder that this user may write".to_owned(),
            Self::Missing { .. } => "start `stoa-synthetic platform DIR` first".to_owned(),
            Self::Malformed { .. } => {
                "remove the folder; its platform and sealing keys are gone then".to_owned()
            }
            Self::OtherSeed { .. } => "leave out --seed, or use another folder".to_owned(),
            Self::NoRandomness => "give --seed".to_owned(),
        })
    }
}

/// Makes the platform of a folder, or opens it again; what is given is kept for later runs.
///
/// # Errors
/// [`FolderError`]; a given seed must be the folder's.
pub fn create_or_open(
    folder: &Path,
    seed: Option<[u8; 32]>,
    tcb: Option<PlatformTcb>,
) -> Result<Platform, FolderError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| unusable(folder, source))?;
    let (kept_seed, kept_tcb) = match read(folder) {
        Ok(kept) => kept,
        Err(FolderError::Missing { .. }) => {
            let new = match seed {
                Some(seed) => seed,
                None => random_seed()?,
            };
            (Zeroizing::new(new), PlatformTcb::default())
        }
        Err(other) => return Err(other),
    };
    if seed.is_some_and(|given| given != *kept_seed) {
        return Err(FolderError::OtherSeed {
            path: folder.to_owned(),
        });
    }
    let tcb = tcb.unwrap_or(kept_tcb);
    write_state(folder, &kept_seed, tcb)?;
    let platform = platform(&kept_seed, tcb);
    write(folder, ROOT_FILE, 0o644, platform.root_pem().as_bytes())?;
    Ok(platform)
}

/// The platform of a folder, certified by the SNP vendor that the folder keeps; a new one is made if it keeps none, which
/// takes seconds. Its root is written beside the other one.
///
/// # Errors
/// [`FolderError`]
pub fn with_snp_vendor(folder: &Path, platform: Platform) -> Result<Platform, FolderError> {
    let path = folder.join(SNP_FILE);
    let malformed = |cause: String| FolderError::Malformed {
        path: path.clone(),
        cause,
    };
    let unusable_key = |error: NoRsaKey| malformed(error.to_string());
    let vendor = match read_secret::<SnpState>(&path, SNP_LEN_MAX)? {
        Some(kept) => {
            SnpVendor::from_parts(kept.parts().map_err(malformed)?).map_err(unusable_key)?
        }
        None => {
            let vendor = SnpVendor::generate().map_err(unusable_key)?;
            let state = SnpState::of(&vendor.parts().map_err(unusable_key)?);
            let text = Zeroizing::new(
                serde_json::to_vec(&state).expect("a struct of text always serialises"),
            );
            write(folder, SNP_FILE, 0o600, &text)?;
            vendor
        }
    };
    write(folder, SNP_ROOT_FILE, 0o644, vendor.root_pem().as_bytes())?;
    Ok(platform.with_snp_vendor(Arc::new(vendor)))
}

/// Opens the platform of a folder, for a program that runs on it.
///
/// # Errors
/// [`FolderError`]
pub fn open(folder: &Path) -> Result<Platform, FolderError> {
    let (seed, tcb) = read(folder)?;
    Ok(platform(&seed, tcb))
}

fn platform(seed: &[u8; 32], tcb: PlatformTcb) -> Platform {
    Platform::seeded(
        *seed,
        Knobs {
            tcb,
            ..Knobs::default()
        },
    )
}

fn read(folder: &Path) -> Result<(Zeroizing<[u8; 32]>, PlatformTcb), FolderError> {
    let path = folder.join(STATE_FILE);
    let Some(state) = read_secret::<State>(&path, STATE_LEN_MAX)? else {
        return Err(FolderError::Missing {
            path: folder.to_owned(),
        });
    };
    let malformed = |cause: String| FolderError::Malformed {
        path: path.clone(),
        cause,
    };
    if state.format != FORMAT {
        return Err(malformed(format!(
            "its format is {}, this program knows {FORMAT}",
            state.format
        )));
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&state.seed, seed.as_mut_slice())
        .map_err(|error| malformed(format!("`seed` is not 64 hex digits: {error}")))?;
    let tcb = state
        .tcb
        .parse()
        .map_err(|error| malformed(format!("`tcb`: {error}")))?;
    Ok((seed, tcb))
}

/// What a file of at most `len_max` bytes says; `None` if there is no such file.
fn read_secret<T: DeserializeOwned>(path: &Path, len_max: u64) -> Result<Option<T>, FolderError> {
    let len = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unusable(path, source)),
    };
    let malformed = |cause: String| FolderError::Malformed {
        path: path.to_owned(),
        cause,
    };
    if len > len_max {
        return Err(malformed(format!(
            "it has {len} bytes, at most {len_max} are expected"
        )));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|source| unusable(path, source))?);
    let told = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    Ok(Some(told))
}

fn write_state(folder: &Path, seed: &[u8; 32], tcb: PlatformTcb) -> Result<(), FolderError> {
    let state = State {
        format: FORMAT,
        seed: hex::encode(seed),
        tcb: tcb.name().to_owned(),
    };
    let text =
        Zeroizing::new(serde_json::to_vec(&state).expect("a struct of text always serialises"));
    write(folder, STATE_FILE, 0o600, &text)
}

/// Writes under another name and renames, unless the file says the same already: a program may be reading it.
fn write(folder: &Path, name: &str, mode: u32, content: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    let next = folder.join(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&next)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&next, &path));
    written.map_err(|source| unusable(&path, source))
}

fn random_seed() -> Result<[u8; 32], FolderError> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| FolderError::NoRandomness)?;
    Ok(seed)
}

fn unusable(path: &Path, source: std::io::Error) -> FolderError {
    FolderError::Unusable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sealing_key(platform: &Platform) -> [u8; 32] {
        *platform.sealing_key(b"some program", &[1; 32])
    }

    #[test]
    fn the_same_folder_opened_again_has_the_same_root_and_sealing_keys() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("platform");
        let first = create_or_open(&folder, None, None).unwrap();
        let again = create_or_open(&folder, None, None).unwrap();
        let for_program = open(&folder).unwrap();
        for other in [&again, &for_program] {
            assert_eq!(first.root_pem(), other.root_pem());
            assert_eq!(sealing_key(&first), sealing_key(other));
        }
        assert_eq!(
            fs::read_to_string(folder.join(ROOT_FILE)).unwrap(),
            first.root_pem()
        );

        let elsewhere = create_or_open(&outer.path().join("other"), None, None).unwrap();
        assert_ne!(first.root_pem(), elsewhere.root_pem());
        assert_ne!(sealing_key(&first), sealing_key(&elsewhere));
    }

    #[test]
    fn the_seed_is_readable_for_its_owner_only() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("platform");
        create_or_open(&folder, Some([3; 32]), None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(STATE_FILE)), 0o600);
    }

    #[test]
    fn a_given_status_is_kept_and_another_seed_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path();
        create_or_open(folder, Some([3; 32]), Some(PlatformTcb::OutOfDate)).unwrap();
        assert_eq!(open(folder).unwrap().tcb(), PlatformTcb::OutOfDate);
        create_or_open(folder, Some([3; 32]), None).unwrap();
        assert_eq!(open(folder).unwrap().tcb(), PlatformTcb::OutOfDate);
        let error = create_or_open(folder, Some([4; 32]), None).unwrap_err();
        assert_eq!(error.code(), "synthetic-folder-differs");
    }

    #[test]
    fn an_empty_folder_and_a_damaged_one_are_told_apart() {
        let outer = tempfile::tempdir().unwrap();
        assert_eq!(
            open(outer.path()).unwrap_err().code(),
            "synthetic-folder-missing"
        );
        fs::write(outer.path().join(STATE_FILE), b"{}").unwrap();
        let error = open(outer.path()).unwrap_err();
        assert_eq!(error.code(), "synthetic-folder-malformed");
        assert!(
            error.to_string().contains("missing field `format`"),
            "{error}"
        );
        // Nothing is overwritten: the damage may be somebody's only seed.
        assert!(create_or_open(outer.path(), None, None).is_err());
        assert_eq!(fs::read(outer.path().join(STATE_FILE)).unwrap(), b"{}");
    }

    #[test]
    fn files_over_their_limits_are_not_read() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path();
        create_or_open(folder, Some([3; 32]), None).unwrap();
        let snp = |len: u64| {
            fs::write(folder.join(SNP_FILE), vec![b' '; len as usize]).unwrap();
            let error = with_snp_vendor(folder, create_or_open(folder, None, None).unwrap());
            error.unwrap_err().to_string()
        };
        assert!(snp(SNP_LEN_MAX).contains("EOF while parsing"));
        let said = snp(SNP_LEN_MAX + 1);
        assert!(said.contains("65537 bytes, at most 65536"), "{said}");
        let len = STATE_LEN_MAX as usize + 1;
        fs::write(folder.join(STATE_FILE), vec![b' '; len]).unwrap();
        let said = open(folder).unwrap_err().to_string();
        assert!(said.contains("4097 bytes, at most 4096"), "{said}");
    }
}

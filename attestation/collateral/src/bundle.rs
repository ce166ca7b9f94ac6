//! Offline bundles: the collateral of some platforms in one file, for where no service can be reached.
//!
//! `{"format": 1, "entries": [{"platform": "sgx:FMSPC:CA", "fetched_at": Unix seconds, "collateral": text}]}`, where the text
//! is the JSON of `stoa_attestation::Collateral`, byte for byte. A bundle is not signed: what it holds is, by the vendor, and
//! is verified wherever it is used. docs/reference/collateral.md, 4.
//!
//! Does not live here: files (`source`), what is newer (`stoa_attestation::Floors`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stoa_attestation::COLLATERAL_LEN_MAX;

use crate::error::CollateralError;
use crate::platform::Platform;

/// Platforms in one bundle, at most.
pub const BUNDLE_PLATFORMS_MAX: usize = 64;
/// A bundle, in bytes, at most.
pub const BUNDLE_BYTES_MAX: usize = 16 * 1024 * 1024;
const FORMAT: u32 = 1;

/// The collateral of one platform, as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, Unix seconds; nobody vouches for it.
    pub fetched_at: u64,
    /// JSON in the layout of `stoa_attestation::Collateral`. Nothing of it is verified.
    pub json: Vec<u8>,
}

/// Collateral by platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle(BTreeMap<Platform, Entry>);

impl Bundle {
    /// Without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a bundle; `path` is named in errors.
    ///
    /// # Errors
    /// [`CollateralError::BundleUnusable`].
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, CollateralError> {
        let unusable = |cause: String| CollateralError::BundleUnusable {
            path: path.to_owned(),
            cause,
        };
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(unusable(format!(
                "it has {} bytes, at most {BUNDLE_BYTES_MAX} are read",
                bytes.len()
            )));
        }
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|error| unusable(format!("it is no bundle of collateral: {error}")))?;
        if stored.format != FORMAT {
            return Err(unusable(format!(
                "its format is {}, this version reads {FORMAT}",
                stored.format
            )));
        }
        let mut bundle = Self::empty();
        for entry in stored.entries {
            let platform: Platform = entry
                .platform
                .parse()
                .map_err(|error: CollateralError| unusable(error.to_string()))?;
            if entry.collateral.len() > COLLATERAL_LEN_MAX {
                return Err(unusable(format!(
                    "the collateral of {} has {} bytes, at most {COLLATERAL_LEN_MAX} are read",
                    platform.words(),
                    entry.collateral.len()
                )));
            }
            let words = platform.words();
            let kept = Entry {
                fetched_at: entry.fetched_at,
                json: entry.collateral.into_bytes(),
            };
            if bundle.0.insert(platform, kept).is_some() {
                return Err(unusable(format!("{words} stands in it twice")));
            }
        }
        if bundle.0.len() > BUNDLE_PLATFORMS_MAX {
            return Err(unusable(format!(
                "it has {} platforms, at most {BUNDLE_PLATFORMS_MAX} are read",
                bundle.0.len()
            )));
        }
        Ok(bundle)
    }

    /// The file's bytes; `path` is named in errors.
    ///
    /// # Errors
    /// [`CollateralError::BundleUnusable`] if an entry is no text or it has more platforms than can be read again.
    pub fn encode(&self, path: &str) -> Result<Vec<u8>, CollateralError> {
        let unusable = |cause: String| CollateralError::BundleUnusable {
            path: path.to_owned(),
            cause,
        };
        if self.0.len() > BUNDLE_PLATFORMS_MAX {
            return Err(unusable(format!(
                "{} platforms are more than the {BUNDLE_PLATFORMS_MAX} of one bundle",
                self.0.len()
            )));
        }
        let entries = self.0.iter().map(|(platform, entry)| {
            let collateral = String::from_utf8(entry.json.clone()).map_err(|_| {
                unusable(format!("the collateral of {} is no text", platform.words()))
            })?;
            Ok(StoredEntry {
                platform: platform.to_string(),
                fetched_at: entry.fetched_at,
                collateral,
            })
        });
        let stored = Stored {
            format: FORMAT,
            entries: entries.collect::<Result<_, CollateralError>>()?,
        };
        serde_json::to_vec(&stored).map_err(|error| unusable(error.to_string()))
    }

    /// The entry of a platform.
    #[must_use]
    pub fn find(&self, platform: &Platform) -> Option<&Entry> {
        self.0.get(platform)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = (&Platform, &Entry)> {
        self.0.iter()
    }

    /// Puts an entry in, in place of the one of this platform.
    pub fn insert(&mut self, platform: Platform, entry: Entry) {
        self.0.insert(platform, entry);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    entries: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    platform: String,
    fetched_at: u64,
    collateral: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundle(platforms: usize) -> Bundle {
        let mut bundle = Bundle::empty();
        for n in 0..platforms {
            let platform = format!("sgx:{n:012x}:platform").parse().unwrap();
            let json = format!("{{\"n\": {n}}}").into_bytes();
            bundle.insert(
                platform,
                Entry {
                    fetched_at: 7,
                    json,
                },
            );
        }
        bundle
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let written = bundle(3);
        let bytes = written.encode("b").unwrap();
        assert_eq!(Bundle::parse("b", &bytes).unwrap(), written);
    }

    #[test]
    fn a_bundle_that_is_cut_or_too_large_or_of_another_format_is_refused_with_its_path() {
        let bytes = bundle(2).encode("b").unwrap();
        for end in 0..bytes.len() {
            let error = Bundle::parse("the-path", &bytes[..end]).unwrap_err();
            assert!(
                error.to_string().starts_with("bundle the-path: "),
                "{error}"
            );
        }
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("sgx:000000000001", "sgx:000000000000"),
            ("sgx:000000000001", "snp:000000000001"),
            ("\"fetched_at\":7", "\"fetched_at\":-7"),
            ("\"entries\"", "\"x\":0,\"entries\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert!(Bundle::parse("b", changed.as_bytes()).is_err(), "{to}");
        }
        assert!(bundle(BUNDLE_PLATFORMS_MAX).encode("b").is_ok());
        assert!(bundle(BUNDLE_PLATFORMS_MAX + 1).encode("b").is_err());
        assert!(Bundle::parse("b", &vec![b' '; BUNDLE_BYTES_MAX + 1]).is_err());
    }
}

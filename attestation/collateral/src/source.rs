//! Where collateral comes from: a service of Intel's kind or of AMD's, or a bundle in a file; written as one text each.
//!
//! Does not live here: the order of several and what is kept (`keeper`).

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::bundle::{BUNDLE_BYTES_MAX, Bundle};
use crate::error::CollateralError;
use crate::kds::Kds;
use crate::pccs::{Fetched, Pccs};
use crate::platform::Platform;

/// Sources of one configuration, at most.
pub const SOURCES_MAX: usize = 8;

/// One source of collateral.
#[derive(Clone)]
#[non_exhaustive]
pub enum Source {
    /// Intel's PCS or a PCCS.
    Pccs(Pccs),
    /// AMD's KDS.
    Kds(Kds),
    /// A bundle in a file, read again at each fetch, so that it can be replaced.
    Bundle(PathBuf),
}

impl Source {
    /// Reads `http://..`, `https://..`, `kds:http://..`, `kds:https://..` or `bundle:FILE`. `tls` is for https only.
    ///
    /// # Errors
    /// [`CollateralError::SourceInvalid`], [`CollateralError::UrlInvalid`].
    pub fn parse(text: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, CollateralError> {
        let invalid = |cause: &str| CollateralError::SourceInvalid {
            source_text: text.to_owned(),
            cause: cause.to_owned(),
        };
        if let Some(path) = text.strip_prefix("bundle:") {
            if path.is_empty() {
                return Err(invalid("it names no file"));
            }
            return Ok(Self::Bundle(PathBuf::from(path)));
        }
        if let Some(url) = text.strip_prefix("kds:") {
            return Kds::new(url, tls).map(Self::Kds);
        }
        if Self::is_url(text) {
            return Pccs::new(text, tls).map(Self::Pccs);
        }
        Err(invalid(
            "it begins with neither http://, https://, kds: nor bundle:",
        ))
    }

    /// Several, separated by commas, in their order. `tls` is made if one of them wants it.
    ///
    /// # Errors
    /// As [`Source::parse`], those of `tls`, and if there are more than [`SOURCES_MAX`] or none.
    pub fn parse_all<E: From<CollateralError>>(
        texts: &[impl AsRef<str>],
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, E>,
    ) -> Result<Vec<Self>, E> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let invalid = |cause: String| CollateralError::SourceInvalid {
            source_text: texts.join(","),
            cause,
        };
        if texts.is_empty() || texts.len() > SOURCES_MAX {
            let cause = format!("{} sources; 1 to {SOURCES_MAX} can be named", texts.len());
            return Err(invalid(cause).into());
        }
        let tls = texts
            .iter()
            .any(|text| text.contains("https:"))
            .then(tls)
            .transpose()?;
        let sources = texts.iter().map(|text| Self::parse(text, tls.clone()));
        Ok(sources.collect::<Result<_, _>>()?)
    }

    fn is_url(text: &str) -> bool {
        text.starts_with("http://") || text.starts_with("https://")
    }

    /// As configured.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Pccs(pccs) => pccs.url().to_owned(),
            Self::Kds(kds) => format!("kds:{}", kds.url()),
            Self::Bundle(path) => format!("bundle:{}", path.display()),
        }
    }

    /// Whether it may have collateral of such a platform at all.
    #[must_use]
    pub fn serves(&self, platform: &Platform) -> bool {
        match (self, platform) {
            (Self::Pccs(_), Platform::Intel { .. }) | (Self::Kds(_), Platform::Amd { .. }) => true,
            (Self::Pccs(_), Platform::Amd { .. }) | (Self::Kds(_), Platform::Intel { .. }) => false,
            (Self::Bundle(_), _) => true,
        }
    }

    /// The collateral of one platform, nothing of it verified.
    ///
    /// # Errors
    /// [`CollateralError`] with the URL and what came back.
    pub async fn fetch(&self, platform: &Platform) -> Result<Fetched, CollateralError> {
        match self {
            Self::Pccs(pccs) => pccs.fetch(platform).await,
            Self::Kds(kds) => kds.fetch(platform).await,
            Self::Bundle(path) => {
                let (path, platform) = (path.clone(), platform.clone());
                let read = move || from_bundle(&path, &platform);
                let stopped = |_| CollateralError::BundleUnusable {
                    path: self.name(),
                    cause: "reading it was broken off".to_owned(),
                };
                tokio::task::spawn_blocking(read).await.map_err(stopped)?
            }
        }
    }
}

/// What to say when each source that serves `platform` was asked and none gave its collateral; `errors` in their order.
#[must_use]
pub fn none_gave(platform: &Platform, mut errors: Vec<CollateralError>) -> CollateralError {
    let platform = platform.words();
    match errors.len() {
        0 => CollateralError::SourceMissing { platform },
        1 => errors.remove(0),
        _ => CollateralError::NoSource {
            platform,
            causes: errors.iter().map(ToString::to_string).collect(),
        },
    }
}

/// Reads the bundle at `path`.
///
/// # Errors
/// [`CollateralError::BundleUnusable`].
pub fn read_bundle(path: &Path) -> Result<Bundle, CollateralError> {
    let at = path.display().to_string();
    let unusable = |error: std::io::Error| CollateralError::BundleUnusable {
        path: at.clone(),
        cause: format!("it can't be read: {error}"),
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| {
            file.take(BUNDLE_BYTES_MAX as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(unusable)?;
    Bundle::parse(&at, &bytes)
}

fn from_bundle(path: &Path, platform: &Platform) -> Result<Fetched, CollateralError> {
    let bundle = read_bundle(path)?;
    let entry = bundle
        .find(platform)
        .ok_or_else(|| CollateralError::NotInBundle {
            path: path.display().to_string(),
            platform: platform.words(),
            has: listed(&bundle),
        })?;
    Ok(Fetched {
        json: entry.json.clone(),
        source: format!("bundle:{}", path.display()),
        served_at: None,
    })
}

fn listed(bundle: &Bundle) -> String {
    let names: Vec<String> = bundle
        .entries()
        .map(|(platform, _)| platform.to_string())
        .collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn no_tls() -> Result<Arc<ClientConfig>, CollateralError> {
        Err(CollateralError::KindUnknown { kind: "tls" })
    }

    #[test]
    fn sources_are_read_in_their_order_and_named_as_written() {
        let texts = [
            "http://127.0.0.1:8081",
            "kds:http://127.0.0.1:8082",
            "bundle:/etc/stoa/collateral.json",
        ];
        let sources = Source::parse_all(&texts, no_tls).unwrap();
        let names: Vec<String> = sources.iter().map(Source::name).collect();
        assert_eq!(names, texts);
    }

    #[test]
    fn what_is_no_source_is_refused_with_its_text() {
        for text in [
            "",
            "bundle:",
            "file.json",
            "ftp://x",
            "127.0.0.1:8081",
            "kdS:x",
        ] {
            let error = Source::parse(text, None).err().unwrap().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is no source")),
                "{error}"
            );
        }
        let none: [&str; 0] = [];
        assert!(Source::parse_all(&none, no_tls).is_err());
        let many = ["http://127.0.0.1:1"; SOURCES_MAX + 1];
        assert!(Source::parse_all(&many, no_tls).is_err());
        assert!(Source::parse_all(&many[1..], no_tls).is_ok());
        assert!(
            Source::parse_all(&["https://x"], no_tls).is_err(),
            "TLS is asked for"
        );
    }
}

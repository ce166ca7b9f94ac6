//! `stoa-marble.json`: which coordinator this marble believes, and which mesh is its own.
//!
//! The file belongs to the measurement, so whoever reads the measurement knows what the marble will accept.
//! Format: docs/reference/marble-config.md.

use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::Value;
use stoa_attestation::channel::Pin;
use stoa_attestation::{Anchor, Reference};
use stoa_explain::Explain;

/// Largest file, in bytes.
pub const CONFIG_BYTES_MAX: usize = 256 * 1024;
/// The one version that is read.
const FORMAT: u64 = 1;
/// Most anchors.
const ANCHORS_MAX: usize = 8;

/// What a marble knows before it meets anybody.
pub struct MarbleConfig {
    pub(crate) marble: String,
    pub(crate) reference: Reference,
    pub(crate) pin: Pin,
    pub(crate) anchors: Vec<Anchor>,
}

impl std::fmt::Debug for MarbleConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MarbleConfig")
            .field("marble", &self.marble)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u64,
    marble: String,
    coordinator: Value,
    pin: PinFile,
    anchors: Vec<AnchorFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    root_spki_sha256: Option<String>,
    owner_spki_sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum AnchorFile {
    Named(String),
    Insecure { insecure_pem: String },
}

impl MarbleConfig {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`ConfigFault`] with the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigFault> {
        if bytes.len() > CONFIG_BYTES_MAX {
            let cause = format!("has {} bytes; at most {CONFIG_BYTES_MAX}", bytes.len());
            return Err(ConfigFault::new(
                "(the file)",
                cause,
                "keep only what docs/reference/marble-config.md names",
            ));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| {
            ConfigFault::new(
                "(the file)",
                error.to_string(),
                "write it as docs/reference/marble-config.md shows",
            )
        })?;
        if file.format != FORMAT {
            let cause = format!("is {}; this version reads {FORMAT}", file.format);
            return Err(ConfigFault::new("format", cause, "write 1"));
        }
        Ok(Self {
            reference: reference(&file.coordinator)?,
            pin: pin(&file.pin)?,
            anchors: anchors(file.anchors)?,
            marble: file.marble,
        })
    }

    /// The marble's name, as the manifest has it.
    #[must_use]
    pub fn marble(&self) -> &str {
        &self.marble
    }
}

fn reference(value: &Value) -> Result<Reference, ConfigFault> {
    stoa_client::reference::parse(value.to_string().as_bytes()).map_err(|error| {
        ConfigFault::new(
            "coordinator",
            error.to_string(),
            "copy the coordinator's reference file here",
        )
    })
}

fn pin(file: &PinFile) -> Result<Pin, ConfigFault> {
    let root = match (&file.root_spki_sha256, &file.owner_spki_sha256) {
        (Some(root), None) => root,
        (None, Some(_)) => {
            let cause = "is not served by this version".to_owned();
            return Err(ConfigFault::new(
                "pin.owner_spki_sha256",
                cause,
                "pin the founded mesh by root_spki_sha256",
            ));
        }
        (Some(_), Some(_)) => {
            let cause =
                "names root_spki_sha256 and owner_spki_sha256; one pin is wanted".to_owned();
            return Err(ConfigFault::new("pin", cause, "keep one of them"));
        }
        (None, None) => {
            let cause = "names no mesh".to_owned();
            return Err(ConfigFault::new(
                "pin",
                cause,
                "write the root's SPKI hash that `stoa status` prints",
            ));
        }
    };
    let bytes = hex::decode(root)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| {
        let cause = format!("is `{root}`; wanted 64 hex digits");
        ConfigFault::new(
            "pin.root_spki_sha256",
            cause,
            "write the root's SPKI hash that `stoa status` prints",
        )
    })?;
    Ok(Pin::RootSpki(bytes))
}

fn anchors(files: Vec<AnchorFile>) -> Result<Vec<Anchor>, ConfigFault> {
    if files.is_empty() || files.len() > ANCHORS_MAX {
        let cause = format!("has {} entries; 1 to {ANCHORS_MAX} are wanted", files.len());
        return Err(ConfigFault::new("anchors", cause, "write [\"vendor\"]"));
    }
    let mut anchors = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let field = format!("anchors[{index}]");
        anchors.extend(match file {
            AnchorFile::Named(name) if name == "vendor" => Anchor::vendors(),
            AnchorFile::Named(name) => {
                let cause = format!("is `{name}`; the one name is `vendor`");
                return Err(ConfigFault::new(&field, cause, "write \"vendor\""));
            }
            AnchorFile::Insecure { insecure_pem } => {
                vec![Anchor::insecure_from_pem(&insecure_pem).map_err(|error| {
                    ConfigFault::new(
                        &format!("{field}.insecure_pem"),
                        error.to_string(),
                        "write one self-signed CA as PEM",
                    )
                })?]
            }
        });
    }
    Ok(anchors)
}

/// A certificate of the mesh, as TLS wants it.
pub(crate) fn certificates(ders: &[Vec<u8>]) -> Vec<CertificateDer<'static>> {
    ders.iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect()
}

/// Why the configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stoa-marble.json: {field} {cause}")]
pub struct ConfigFault {
    field: String,
    cause: String,
    remedy: &'static str,
}

impl ConfigFault {
    fn new(field: &str, cause: String, remedy: &'static str) -> Self {
        Self {
            field: field.to_owned(),
            cause,
            remedy,
        }
    }
}

impl Explain for ConfigFault {
    fn code(&self) -> &'static str {
        "marble-config-invalid"
    }

    fn remedy(&self) -> Option<String> {
        Some(self.remedy.to_owned())
    }
}

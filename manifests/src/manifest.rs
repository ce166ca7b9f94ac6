//! A manifest: from the bytes that were posted to something that cannot hold a dangling name.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::config::{self, Config};
use crate::fault::{Fault, Faults, Path, Sink};
use crate::fields::{Fields, Shape, names as entries};
use crate::json::Value;
use crate::limits::{MANIFEST_BYTES_MAX, MARBLES_MAX, PACKAGES_MAX, SECRETS_MAX};
use crate::marble::{Declared, Marble};
use crate::names;
use crate::package::{Package, Used};
use crate::secret::SecretDefinition;

/// What a deployer wants of a mesh, without a fault.
///
/// Every name in it exists, every template has been rendered once, and nothing that was posted is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Vec<u8>,
    sha256: [u8; 32],
    packages: BTreeMap<String, Package>,
    marbles: BTreeMap<String, Marble>,
    secrets: BTreeMap<String, SecretDefinition>,
    config: Config,
    warnings: Vec<Fault>,
}

const SERVED: [&str; 4] = ["Packages", "Marbles", "Secrets", "Config"];
const LATER: [(&str, Shape); 5] = [
    ("Infrastructures", Shape::Names),
    ("Users", Shape::Names),
    ("Roles", Shape::Names),
    ("RecoveryKeys", Shape::Names),
    ("TLS", Shape::Names),
];

impl Manifest {
    /// Reads a manifest, JSON of at most [`MANIFEST_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// All its faults at once, each with the path of its field.
    pub fn parse(bytes: &[u8]) -> Result<Self, Faults> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            let cause = format!("has {} bytes", bytes.len());
            let remedy = format!("at most {MANIFEST_BYTES_MAX} are allowed");
            return Err(Faults::one("manifest", cause, Some(remedy)));
        }
        let document = Value::parse(bytes).map_err(|error| {
            let path = format!("line {}, column {}", error.line, error.column);
            Faults::one(path, format!("is not JSON: {}", error.why), None)
        })?;
        let mut sink = Sink::default();
        let mut manifest = read(&document, &mut sink);
        manifest.warnings = sink.finish()?;
        manifest.bytes = bytes.to_vec();
        manifest.sha256 = Sha256::digest(bytes).into();
        Ok(manifest)
    }

    /// The bytes as they were posted.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The fingerprint: SHA-256 of the bytes as they were posted.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Which code may be a marble, by name.
    #[must_use]
    pub fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// The services, by type. Never empty; each one's package is in [`Self::packages`].
    #[must_use]
    pub fn marbles(&self) -> &BTreeMap<String, Marble> {
        &self.marbles
    }

    /// The secrets, by name.
    #[must_use]
    pub fn secrets(&self) -> &BTreeMap<String, SecretDefinition> {
        &self.secrets
    }

    /// What holds for the whole mesh.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is allowed and probably not meant; for people, never for decisions.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }
}

/// Reads the document. What comes back means something only if no fault was noted.
fn read(document: &Value, sink: &mut Sink) -> Manifest {
    let root = Path::default();
    let fields = Fields::open(document, &root, &SERVED, &LATER, sink);
    let mut named = |key, max, rule: fn(&str) -> _| {
        entries(fields.value(key), &fields.path(key), max, rule, sink)
    };
    let package_entries = named("Packages", PACKAGES_MAX, names::entry);
    let marble_entries = named("Marbles", MARBLES_MAX, names::marble);
    let secret_entries = named("Secrets", SECRETS_MAX, names::entry);
    for key in ["Packages", "Marbles"] {
        let empty = match fields.value(key) {
            None => true,
            Some(Value::Object(members)) => members.is_empty(),
            Some(_) => false, // its fault is noted
        };
        if empty && matches!(document, Value::Object(_) | Value::Null) {
            sink.fault(
                &fields.path(key),
                "is empty",
                "a manifest needs at least one",
            );
        }
    }

    let used: Vec<&str> = marble_entries
        .iter()
        .filter_map(|(_, value, _)| package_of(value))
        .collect();
    let mut packages = BTreeMap::new();
    for (name, value, path) in &package_entries {
        let used = if used.contains(name) {
            Used::Yes
        } else {
            Used::No
        };
        if let Some(package) = Package::read(value, path, used, sink) {
            packages.insert((*name).to_owned(), package);
        }
    }

    let mut secrets = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for (name, value, path) in &secret_entries {
        let secret = SecretDefinition::read(value, path, sink);
        kinds.insert(*name, secret.as_ref().map(|secret| secret.kind));
        secrets.extend(secret.map(|secret| ((*name).to_owned(), secret)));
    }

    let declared = Declared {
        packages: package_entries.iter().map(|(name, ..)| *name).collect(),
        marbles: marble_entries.iter().map(|(name, ..)| *name).collect(),
        secrets: kinds,
    };
    let mut marbles = BTreeMap::new();
    for (name, value, path) in &marble_entries {
        marbles.insert(
            (*name).to_owned(),
            Marble::read(value, path, &declared, sink),
        );
    }

    let (served, later) = config::KEYS;
    let config = fields.value("Config").unwrap_or(&Value::Null);
    let config = Fields::open(config, &fields.path("Config"), served, later, sink);
    let config = Config::read(&config, sink);
    Manifest {
        bytes: Vec::new(),
        sha256: [0; 32],
        packages,
        marbles,
        secrets,
        config,
        warnings: Vec::new(),
    }
}

/// The package that a marble names, read ahead; its faults are noted when the marble is read.
fn package_of(marble: &Value) -> Option<&str> {
    let Value::Object(members) = marble else {
        return None;
    };
    members.iter().find_map(
        |(key, value)| match (key.eq_ignore_ascii_case("Package"), value) {
            (true, Value::Text(name)) => Some(name.as_str()),
            _ => None,
        },
    )
}

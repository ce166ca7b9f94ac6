//! A manifest: from the bytes that were posted to something that cannot hold a dangling name.

use std::cell::Cell;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use stoa_attestation::policy::Infrastructure;

use crate::access::{self, Action, Role, User};
use crate::config::Config;
use crate::fault::{Fault, Faults, Path, Remarks, Sink, Unserved};
use crate::fields::{Fields, names as entries};
use crate::infrastructure;
use crate::json::Value;
use crate::keys::{CONFIG, MANIFEST};
use crate::limits::{
    INFRASTRUCTURES_MAX, MANIFEST_BYTES_MAX, MARBLES_MAX, PACKAGES_MAX, RECOVERY_KEYS_MAX,
    ROLES_MAX, SECRETS_MAX, TEMPLATE_WORK_MAX, TLS_TAGS_MAX, USERS_MAX,
};
use crate::marble::{Declared, Marble};
use crate::names;
use crate::package::{Package, Used};
use crate::secret::SecretDefinition;
use crate::tls::{self, TlsTag};

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
    infrastructures: Vec<Infrastructure>,
    users: BTreeMap<String, User>,
    roles: BTreeMap<String, Role>,
    recovery_keys: BTreeMap<String, Vec<u8>>,
    tls: BTreeMap<String, TlsTag>,
    config: Config,
    remarks: Remarks,
}

impl Manifest {
    /// Reads a manifest, JSON of at most [`MANIFEST_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// All its faults at once, each with the path of its field. What this version does not serve yet is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Faults> {
        read(bytes, Unserved::Refused)
    }

    /// Reads a manifest with all that the language has, for looking at it: what is not served yet is in
    /// [`Self::unserved`]. Never for setting one.
    ///
    /// # Errors
    /// As [`Self::parse`], without what is not served yet.
    pub fn parse_with_unserved(bytes: &[u8]) -> Result<Self, Faults> {
        read(bytes, Unserved::Kept)
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

    /// Platforms, one of which evidence must fit; none is anywhere.
    #[must_use]
    pub fn infrastructures(&self) -> &[Infrastructure] {
        &self.infrastructures
    }

    /// People and programs with rights, by name; their roles are in [`Self::roles`].
    #[must_use]
    pub fn users(&self) -> &BTreeMap<String, User> {
        &self.users
    }

    /// Rights, by name.
    #[must_use]
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.roles
    }

    /// Public keys of those who can bring the coordinator back, by name: SubjectPublicKeyInfo, DER, RSA. Not served yet.
    #[must_use]
    pub fn recovery_keys(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.recovery_keys
    }

    /// Connections that a runtime wraps, by tag. Not served yet.
    #[must_use]
    pub fn tls(&self) -> &BTreeMap<String, TlsTag> {
        &self.tls
    }

    /// What is allowed and probably not meant; for people, never for decisions.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.remarks.warnings
    }

    /// What this version does not serve yet; empty unless it was read by [`Self::parse_with_unserved`].
    #[must_use]
    pub fn unserved(&self) -> &[Fault] {
        &self.remarks.unserved
    }

    /// Paths of the keys that MarbleRun does not know and would ignore.
    #[must_use]
    pub fn keys_of_our_own(&self) -> &[String] {
        &self.remarks.ours
    }
}

/// The JSON of a manifest or of a part of one, within its limit; nothing in it is looked at.
pub(crate) fn document(bytes: &[u8]) -> Result<Value, Faults> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        let cause = format!("has {} bytes", bytes.len());
        let remedy = format!("at most {MANIFEST_BYTES_MAX} are allowed");
        return Err(Faults::one("manifest", cause, Some(remedy)));
    }
    Value::parse(bytes).map_err(|error| {
        let path = format!("line {}, column {}", error.line, error.column);
        Faults::one(path, format!("is not JSON: {}", error.why), None)
    })
}

fn read(bytes: &[u8], unserved: Unserved) -> Result<Manifest, Faults> {
    let document = document(bytes)?;
    let mut sink = Sink::default();
    let mut manifest = of_document(&document, &mut sink);
    manifest.remarks = sink.finish(unserved)?;
    manifest.bytes = bytes.to_vec();
    manifest.sha256 = Sha256::digest(bytes).into();
    Ok(manifest)
}

/// The entries of the parts that are named by the deployer.
struct Parts<'a> {
    packages: Entries<'a>,
    marbles: Entries<'a>,
    secrets: Entries<'a>,
    infrastructures: Entries<'a>,
    users: Entries<'a>,
    roles: Entries<'a>,
    recovery_keys: Entries<'a>,
    tls: Entries<'a>,
}

type Entries<'a> = Vec<(&'a str, &'a Value, Path)>;

impl<'a> Parts<'a> {
    fn open(fields: &Fields<'a>, sink: &mut Sink) -> Self {
        let mut named = |key, max, rule: fn(&str) -> _| {
            entries(fields.value(key), &fields.path(key), max, rule, sink)
        };
        Self {
            packages: named("Packages", PACKAGES_MAX, names::entry),
            marbles: named("Marbles", MARBLES_MAX, names::marble),
            secrets: named("Secrets", SECRETS_MAX, names::entry),
            infrastructures: named("Infrastructures", INFRASTRUCTURES_MAX, names::entry),
            users: named("Users", USERS_MAX, names::entry),
            roles: named("Roles", ROLES_MAX, names::entry),
            recovery_keys: named("RecoveryKeys", RECOVERY_KEYS_MAX, names::entry),
            tls: named("TLS", TLS_TAGS_MAX, names::entry),
        }
    }
}

fn names_of<'a>(entries: &Entries<'a>) -> Vec<&'a str> {
    entries.iter().map(|(name, ..)| *name).collect()
}

/// Reads the document. What comes back means something only if no fault was noted.
fn of_document(document: &Value, sink: &mut Sink) -> Manifest {
    let fields = Fields::open(document, &Path::default(), &MANIFEST, sink);
    let parts = Parts::open(&fields, sink);
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

    let used: Vec<&str> = parts
        .marbles
        .iter()
        .filter_map(|(_, value, _)| package_of(value))
        .collect();
    let mut packages = BTreeMap::new();
    for (name, value, path) in &parts.packages {
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
    for (name, value, path) in &parts.secrets {
        secrets.insert(*name, SecretDefinition::read(value, path, sink));
    }
    let declared = Declared {
        packages: names_of(&parts.packages),
        marbles: names_of(&parts.marbles),
        secrets,
        tags: names_of(&parts.tls),
        work: Cell::new(TEMPLATE_WORK_MAX),
    };
    let mut marbles = BTreeMap::new();
    for (name, value, path) in &parts.marbles {
        marbles.insert(
            (*name).to_owned(),
            Marble::read(value, path, &declared, sink),
        );
    }
    let config = Config::read(&fields.object("Config", &CONFIG, sink), sink);
    let infrastructures = parts.infrastructures.iter();
    let infrastructures = infrastructures
        .map(|(name, value, path)| infrastructure::read(name, value, path, sink))
        .collect();
    let mut tls = BTreeMap::new();
    for (name, value, path) in &parts.tls {
        tls.insert(
            (*name).to_owned(),
            tls::read(value, path, &declared.secrets, sink),
        );
    }
    let mut manifest = Manifest {
        bytes: Vec::new(),
        sha256: [0; 32],
        packages,
        marbles,
        secrets: BTreeMap::new(),
        infrastructures,
        users: BTreeMap::new(),
        roles: BTreeMap::new(),
        recovery_keys: BTreeMap::new(),
        tls,
        config,
        remarks: Remarks::default(),
    };
    access_of(&mut manifest, &parts, &declared, &fields, sink);
    let defined = declared.secrets.into_iter();
    manifest.secrets = defined
        .filter_map(|(name, definition)| Some((name.to_owned(), definition?)))
        .collect();
    manifest
}

/// Users, roles and recovery keys, and the thresholds that count them.
fn access_of(
    manifest: &mut Manifest,
    parts: &Parts<'_>,
    declared: &Declared<'_>,
    fields: &Fields<'_>,
    sink: &mut Sink,
) {
    let nameable = access::Nameable {
        packages: &declared.packages,
        secrets: &declared.secrets,
    };
    let role_names = names_of(&parts.roles);
    for (name, value, path) in &parts.users {
        if let Some(user) = access::user(value, path, &role_names, sink) {
            manifest.users.insert((*name).to_owned(), user);
        }
    }
    access::distinct(&manifest.users, &fields.path("Users"), sink);
    for (name, value, path) in &parts.roles {
        if let Some(role) = access::role(value, path, &nameable, sink) {
            manifest.roles.insert((*name).to_owned(), role);
        }
    }
    for (name, value, path) in &parts.recovery_keys {
        if let Some(key) = access::recovery_key(value, path, sink) {
            manifest.recovery_keys.insert((*name).to_owned(), key);
        }
    }
    access::distinct_keys(&manifest.recovery_keys, &fields.path("RecoveryKeys"), sink);
    let config = fields.path("Config");
    let (wanted, updaters) = (
        manifest.config.update_threshold as usize,
        manifest.users_who_may(Action::UpdateManifest, &[]).count(),
    );
    if wanted > updaters {
        let cause = format!("is {wanted}, but {updaters} users may UpdateManifest");
        let remedy =
            format!("write 0 to {updaters}, or give more users a role with UpdateManifest");
        sink.fault(&config.key("UpdateThreshold"), cause, remedy);
    }
    // Keys with a fault of their own count: that fault is named, this would only follow from it.
    let (wanted, keys) = (
        manifest.config.recovery_threshold as usize,
        parts.recovery_keys.len(),
    );
    if wanted > keys {
        let cause = format!("is {wanted}, but there are {keys} RecoveryKeys");
        sink.fault(
            &config.key("RecoveryThreshold"),
            cause,
            format!("write 0 to {keys}, or add keys"),
        );
    }
}

impl Manifest {
    /// Whether nothing differs in what the two mean, packages left out.
    pub(crate) fn same_but_packages(&self, other: &Self) -> bool {
        let Self {
            bytes: _,
            sha256: _,
            packages: _,
            marbles,
            secrets,
            infrastructures,
            users,
            roles,
            recovery_keys,
            tls,
            config,
            remarks: _,
        } = self;
        *marbles == other.marbles
            && *secrets == other.secrets
            && *infrastructures == other.infrastructures
            && *users == other.users
            && *roles == other.roles
            && *recovery_keys == other.recovery_keys
            && *tls == other.tls
            && *config == other.config
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

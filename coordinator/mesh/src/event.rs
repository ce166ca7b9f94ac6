//! What happened: the events that the journal keeps, and the only things that change the state.
//!
//! An event holds its results (certificates as signed, secrets as made), never the means to make them again, so that a
//! replay signs and draws nothing. Whatever leaves the coordinator stands in an event first.
//!
//! Does not live here: their bytes in the journal (`stored`), what they do to the state (`machine`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use stoa_attestation::Floors;
use stoa_manifest::Manifest;

use crate::ca::Certified;
use crate::certificate::Certificate;
use crate::identity::Instance;
use crate::secret::{DerivationSecret, Secret, SecretValue};

/// One step of a mesh's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The mesh came to be.
    Founded(Arc<Founded>),
    /// The coordinator got a leaf for its client port.
    Started(Arc<Started>),
    /// A manifest came into force.
    ManifestSet(Arc<ManifestSet>),
    /// A user agreed to another manifest, the first of them.
    Proposed(Arc<Proposed>),
    /// Another user agreed to it.
    Agreed(Arc<Agreed>),
    /// A user took it back.
    Cancelled(Arc<Agreed>),
    /// Another manifest came into force.
    Updated(Arc<Updated>),
    /// The issuing CA was replaced within its epoch.
    Rotated(Arc<Rotated>),
    /// A marble was activated, or its leaf renewed.
    Admitted(Arc<Admitted>),
    /// Newer collateral was seen than ever before.
    CollateralSeen(Arc<CollateralSeen>),
    /// A user set secrets.
    SecretsSet(Arc<SecretsSet>),
    /// A user read secrets.
    SecretsRead(Arc<SecretsRead>),
}

impl Event {
    /// When it happened, Unix time; never before the event in front of it.
    #[must_use]
    pub fn time(&self) -> u64 {
        match self {
            Self::Founded(event) => event.time,
            Self::Started(event) => event.time,
            Self::ManifestSet(event) => event.time,
            Self::Proposed(event) => event.time,
            Self::Agreed(event) | Self::Cancelled(event) => event.time,
            Self::Updated(event) => event.set.time,
            Self::Rotated(event) => event.time,
            Self::Admitted(event) => event.time,
            Self::CollateralSeen(event) => event.time,
            Self::SecretsSet(event) => event.time,
            Self::SecretsRead(event) => event.time,
        }
    }
}

/// The mesh came to be: root CA and the secret that secrets are derived from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founded {
    /// When, Unix time.
    pub time: u64,
    /// The root CA.
    pub root: Certified,
    /// Secrets of single instances are derived from it (docs/reference/derivation.md).
    pub(crate) derivation: DerivationSecret,
}

/// The coordinator got a leaf for its client port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// When, Unix time.
    pub time: u64,
    /// The leaf, issued by the root.
    pub leaf: Certificate,
}

/// A manifest came into force, with the issuing CA and the shared secrets of its epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestSet {
    /// When, Unix time; stands in the history.
    pub time: u64,
    /// Its place in the history, from 1.
    pub epoch: u64,
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the client certificate of whoever set it; `None` if there was none.
    pub caller: Option<[u8; 32]>,
    /// The issuing CA of this epoch.
    pub issuing: Certified,
    /// The shared secrets, by name.
    pub shared: BTreeMap<String, Secret>,
}

impl fmt::Debug for ManifestSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestSet")
            .field("time", &self.time)
            .field("epoch", &self.epoch)
            .field("manifest", &hex::encode(self.manifest.sha256()))
            .field("caller", &self.caller.map(hex::encode))
            .field("issuing", &self.issuing)
            .field("shared", &self.shared)
            .finish()
    }
}

/// Who did something, as the manifest in force knew them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The user's name.
    pub user: String,
    /// SHA-256 of their certificate.
    pub certificate: [u8; 32],
}

/// A user agreed to another manifest, the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// When, Unix time.
    pub time: u64,
    /// Epoch in force.
    pub epoch: u64,
    /// Who.
    pub by: By,
    /// To what.
    pub manifest: Arc<Manifest>,
}

/// A user agreed to the manifest that waits, or took it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// When, Unix time.
    pub time: u64,
    /// Who.
    pub by: By,
    /// SHA-256 of the manifest.
    pub manifest_sha256: [u8; 32],
}

/// Another manifest came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// As for the first; `caller` is the last who agreed.
    pub set: ManifestSet,
    /// All who agreed, by name.
    pub agreed: BTreeSet<String>,
    /// Of the shared secrets that were made anew, the ones before.
    pub previous: BTreeMap<String, Secret>,
    /// A new secret in the place of that of founding, if the manifest asks for one.
    pub(crate) derivation: Option<DerivationSecret>,
}

/// A user set secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsSet {
    /// When, Unix time.
    pub time: u64,
    /// Who.
    pub by: By,
    /// The values, by name; never empty.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// A user read secrets: it stands here before they leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsRead {
    /// When, Unix time.
    pub time: u64,
    /// Who.
    pub by: By,
    /// Which; never empty.
    pub names: BTreeSet<String>,
}

/// The issuing CA was replaced within its epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// When, Unix time.
    pub time: u64,
    /// The new issuing CA.
    pub issuing: Certified,
}

/// Newer collateral was seen than ever before: none that is older counts from now on, and time is not before its dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollateralSeen {
    /// When, Unix time; not before the newest date that the vendor signed in it.
    pub time: u64,
    /// What was seen; only what is newer than the floors before changes them.
    pub floors: Floors,
}

/// A marble was activated, or its leaf renewed: every identity that it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Admitted {
    /// When, Unix time.
    pub time: u64,
    /// Epoch of the manifest that admitted it.
    pub epoch: u64,
    /// Its marble.
    pub marble: String,
    /// Its instance.
    pub instance: Instance,
    /// SHA-256 of the SPKI of its key, attested and certified.
    pub key: [u8; 32],
    /// What it asked for, and whether it counts.
    pub entry: Admittance,
    /// What evidence admitted it.
    pub grounds: Grounds,
    /// Its leaf.
    pub leaf: Certificate,
    /// The certificate secrets made for it, by the secret's name.
    pub certificates: BTreeMap<String, Certificate>,
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("time", &self.time)
            .field("epoch", &self.epoch)
            .field("marble", &self.marble)
            .field("instance", &hex::encode(self.instance))
            .field("key", &hex::encode(self.key))
            .field("entry", &self.entry)
            .field("grounds", &self.grounds)
            .field("leaf", &self.leaf)
            .field("certificates", &self.certificates)
            .finish()
    }
}

/// How an instance came by its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    /// Activated: it counts against MaxActivations.
    Activated,
    /// Activated again under the same key soon after: a retry, which does not count.
    Retried,
    /// Renewed on the strength of a leaf in force; does not count.
    Renewed,
}

/// What admitted an instance, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// The manifest's package that its evidence fitted.
    pub package: String,
    /// Kind of its evidence, as a number of attest-1.md, 1.
    pub kind: u16,
    /// TCB status of its platform, in the vendor's spelling.
    pub tcb_status: String,
    /// The last second that its collateral is good for, Unix time.
    pub collateral_end: u64,
}

//! Why the mesh says no: to a command ([`Refusal`]), and to the content of a certificate ([`NotCertified`]).
//!
//! Does not live here: whether evidence is genuine (`stoa_attestation`), statuses of HTTP and gRPC (`proto`).

use stoa_attestation::policy;
use stoa_explain::Explain;
use stoa_manifest::template::TemplateError;

use crate::ca::{COMMON_NAME_BYTES_MAX, LEAF_LIFETIME_SECS_MIN, NAMES_MAX};
use crate::keys::{KeyError, KeyKind};

/// Why a command was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A mesh is founded once.
    #[error("this mesh was founded already; its root CA is `{root}`")]
    AlreadyFounded {
        /// Common name of the root CA.
        root: String,
    },
    /// Nothing can happen before the mesh was founded.
    #[error("this mesh was not founded yet: there is no root CA")]
    NotFounded,
    /// There is a manifest.
    #[error("a manifest is in force: epoch {epoch}, SHA-256 {sha256}")]
    ManifestAlreadySet {
        /// Epoch of the manifest in force.
        epoch: u64,
        /// Lower-case hex of its SHA-256.
        sha256: String,
    },
    /// The history holds its most.
    #[error("the history holds {entries} manifests, which is its most")]
    HistoryFull {
        /// Entries of the history.
        entries: usize,
    },
    /// Marbles can't be served before a manifest is set.
    #[error("the coordinator is in state {state}; marbles are served in state 3")]
    StateNotAccepting {
        /// The state that it is in, as a number.
        state: u8,
    },
    /// No such marble.
    #[error("the manifest of epoch {epoch} has no marble `{marble}`")]
    MarbleUnknown {
        /// The name asked for.
        marble: String,
        /// Epoch of the manifest in force.
        epoch: u64,
    },
    /// The evidence is genuine and not what the manifest wants.
    #[error("the evidence of marble `{marble}` does not fit package `{package}`")]
    NotAdmitted {
        /// The marble asked for.
        marble: String,
        /// Its package.
        package: String,
        /// The rule, what it wants and what was found.
        #[source]
        rule: Box<policy::Refusal>,
    },
    /// The manifest changed between admission and decision.
    #[error("prepared for epoch {prepared}, while epoch {current} is in force")]
    EpochMoved {
        /// Epoch when it was prepared.
        prepared: u64,
        /// Epoch in force.
        current: u64,
    },
    /// `MaxActivations` instances were activated.
    #[error("marble `{marble}` was activated {activated} times; its MaxActivations is {budget}")]
    BudgetSpent {
        /// The marble asked for.
        marble: String,
        /// How many activations were counted.
        activated: u64,
        /// The manifest's MaxActivations.
        budget: u64,
    },
    /// The instance is alive under another key.
    #[error(
        "instance {instance} of marble `{marble}` lives under another key until {until} (Unix time); now is {now}"
    )]
    InstanceInUse {
        /// The marble asked for.
        marble: String,
        /// The instance, lower-case hex.
        instance: String,
        /// When its last leaf ends.
        until: u64,
        /// When it was asked for.
        now: u64,
    },
    /// More instances than the state may hold.
    #[error("{instances} instances are alive, which is the most")]
    InstancesFull {
        /// Instances that are kept.
        instances: usize,
    },
    /// The leaf that a renewal rests on is not one of ours in force.
    #[error("the leaf presented to renew marble `{marble}` is not valid: {cause}")]
    LeafNotValid {
        /// The marble asked for.
        marble: String,
        /// What is wrong with the leaf.
        cause: String,
    },
    /// The leaf of a draft ended before it was decided on.
    #[error("the drafted leaf ends at {not_after} (Unix time); now is {now}")]
    DraftEnded {
        /// Last second of the leaf.
        not_after: u64,
        /// When it was decided on.
        now: u64,
    },
    /// A template could not be rendered.
    #[error("parameter {parameter} of marble `{marble}` can't be rendered")]
    Template {
        /// The marble asked for.
        marble: String,
        /// Which parameter, as `Files./etc/key` or `Env.KEY`.
        parameter: String,
        /// The template's own cause.
        #[source]
        error: Box<TemplateError>,
    },
    /// The parameters are larger than a provision may be.
    #[error(
        "the parameters of marble `{marble}` have {bytes} bytes; a provision holds at most {max}"
    )]
    ProvisionTooLarge {
        /// The marble asked for.
        marble: String,
        /// Bytes of all its parameters.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// A secret's definition asks for what can't be made.
    #[error("secret `{secret}` can't be made: {cause}")]
    SecretNotMade {
        /// The secret.
        secret: String,
        /// Why not.
        cause: String,
    },
    /// A certificate may not be issued as asked for.
    #[error("the certificate of {holder} is refused")]
    Certificate {
        /// Whose certificate.
        holder: String,
        /// What may not stand in it.
        #[source]
        cause: NotCertified,
    },
    /// A key could not be made.
    #[error("the key of {holder} could not be made")]
    Key {
        /// Whose key.
        holder: String,
        /// What the crypto library said.
        #[source]
        cause: KeyError,
    },
}

impl Explain for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyFounded { .. } => "already-founded",
            Self::NotFounded => "not-founded",
            Self::ManifestAlreadySet { .. } => "manifest-already-set",
            Self::HistoryFull { .. } => "history-full",
            Self::StateNotAccepting { .. } => "state-not-accepting",
            Self::MarbleUnknown { .. } => "marble-unknown",
            Self::NotAdmitted { rule, .. } => rule.code(),
            Self::EpochMoved { .. } => "epoch-moved",
            Self::BudgetSpent { .. } => "budget-spent",
            Self::InstanceInUse { .. } => "instance-in-use",
            Self::InstancesFull { .. } => "instances-full",
            Self::LeafNotValid { .. } => "leaf-not-valid",
            Self::DraftEnded { .. } => "draft-ended",
            Self::Template { .. } => "template-failed",
            Self::ProvisionTooLarge { .. } => "provision-too-large",
            Self::SecretNotMade { .. } => "secret-not-made",
            Self::Certificate { cause, .. } => cause.code(),
            Self::Key { cause, .. } => cause.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::AlreadyFounded { .. } => {
                Some("use the mesh that is there, or start with an empty data folder to found another".to_owned())
            }
            Self::NotFounded => None,
            Self::ManifestAlreadySet { sha256, .. } => {
                Some(format!("compare {sha256} with your manifest's digest; a manifest is set once, by whoever comes first"))
            }
            Self::HistoryFull { .. } => Some("found a new mesh".to_owned()),
            Self::StateNotAccepting { .. } => Some("set a manifest first: `stoa manifest set`".to_owned()),
            Self::MarbleUnknown { marble, .. } => {
                Some(format!("name a marble of the manifest, or add `Marbles.{marble}` to it"))
            }
            Self::NotAdmitted { rule, .. } => rule.remedy(),
            Self::EpochMoved { .. } => Some("ask again; it is prepared anew".to_owned()),
            Self::BudgetSpent { marble, .. } => {
                Some(format!("raise `Marbles.{marble}.MaxActivations`, or renew the instances that are alive"))
            }
            Self::InstanceInUse { .. } => {
                Some("wait for the end of its leaf, propose another instance, or renew under the key that it has".to_owned())
            }
            Self::InstancesFull { .. } => Some("stop instances that are not needed, or shorten Config.CertificateLifetime".to_owned()),
            Self::LeafNotValid { .. } => Some("activate instead of renewing".to_owned()),
            Self::DraftEnded { .. } => Some("ask again; if it repeats, refresh the collateral".to_owned()),
            Self::Template { parameter, .. } => Some(format!("correct the template of {parameter} in the manifest")),
            Self::ProvisionTooLarge { .. } => Some("make the files, variables and arguments of the marble smaller".to_owned()),
            Self::SecretNotMade { secret, .. } => Some(format!("correct `Secrets.{secret}` in the manifest")),
            Self::Certificate { cause, .. } => cause.remedy(),
            Self::Key { cause, .. } => cause.remedy(),
        }
    }
}

/// Why a certificate may not hold what its template says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCertified {
    /// The key has no layout that this mesh certifies.
    #[error(
        "the public key ({spki_bytes} bytes of SPKI) is neither uncompressed P-256 or P-384 nor Ed25519"
    )]
    KeyUnknown {
        /// Bytes of the SPKI.
        spki_bytes: usize,
    },
    /// The key has another kind than its role allows.
    #[error("a marble's key is {kind}; it may be ECDSA P-256 or Ed25519")]
    KeyKind {
        /// The kind that it has.
        kind: KeyKind,
    },
    /// The serial number is not positive or could be shorter.
    #[error("the serial number begins with {first:#04x}; it must begin with 0x40 to 0x7f")]
    Serial {
        /// Its first byte.
        first: u8,
    },
    /// The common name is empty or too long.
    #[error("the common name has {bytes} bytes; it has 1 to {COMMON_NAME_BYTES_MAX}")]
    CommonName {
        /// Its bytes.
        bytes: usize,
    },
    /// A name that nobody may have.
    #[error(
        "`{name}` is no DNS name: labels of letters, digits and dashes, no wildcard, no address"
    )]
    NameMalformed {
        /// The name.
        name: String,
    },
    /// A name that the manifest does not give to this holder.
    #[error("the name `{name}` is not one that the manifest gives to this holder")]
    NameNotAllowed {
        /// The name; empty if one that must be there is missing.
        name: String,
    },
    /// More names than a certificate may hold.
    #[error("{count} names are more than {NAMES_MAX}")]
    TooManyNames {
        /// How many there are.
        count: usize,
    },
    /// It would outlive what it rests on.
    #[error(
        "it would end at {not_after}, after what it rests on, which ends at {last} (Unix times)"
    )]
    TooLong {
        /// Its last second.
        not_after: u64,
        /// The last second that its issuer and what admitted its holder are good for.
        last: u64,
    },
    /// It would begin before its issuer.
    #[error(
        "it would be issued at {issued_at}, before its issuer begins, at {issuer_start} (Unix times)"
    )]
    BeforeIssuer {
        /// The moment of issue.
        issued_at: u64,
        /// The issuer's first second.
        issuer_start: u64,
    },
    /// It would end before anyone could use it.
    #[error(
        "it would be issued at {issued_at} and end at {not_after} (Unix times), less than {LEAF_LIFETIME_SECS_MIN} s later"
    )]
    TooShort {
        /// The moment of issue.
        issued_at: u64,
        /// Its last second.
        not_after: u64,
    },
    /// The private extension is there where it may not be, or missing.
    #[error(
        "the private extension belongs into the leaf of a marble and nowhere else; this is for role {role}"
    )]
    Receipt {
        /// The role of the template.
        role: String,
    },
    /// The issuer's private key could not be used.
    #[error("it could not be signed")]
    Signing(#[source] KeyError),
    /// What the encoder made is not what was asked for.
    #[error("it could not be encoded: {cause}")]
    Encoding {
        /// What the encoder said, or what differs.
        cause: String,
    },
}

impl Explain for NotCertified {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyUnknown { .. } | Self::KeyKind { .. } => "key-not-certifiable",
            Self::NameMalformed { .. }
            | Self::NameNotAllowed { .. }
            | Self::TooManyNames { .. } => "name-not-allowed",
            Self::TooShort { .. } => "leaf-too-short",
            Self::TooLong { .. } | Self::BeforeIssuer { .. } => "leaf-too-long",
            Self::Signing(cause) => cause.code(),
            Self::Serial { .. }
            | Self::CommonName { .. }
            | Self::Receipt { .. }
            | Self::Encoding { .. } => "certificate-not-made",
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::KeyUnknown { .. } | Self::KeyKind { .. } => {
                Some("make a P-256 or Ed25519 key for the marble".to_owned())
            }
            Self::NameMalformed { name } | Self::NameNotAllowed { name } => Some(format!(
                "correct `{name}` where the manifest or the coordinator's --dns-names has it"
            )),
            Self::TooManyNames { .. } => Some(format!("give at most {NAMES_MAX} names")),
            Self::TooShort { .. } => Some(
                "refresh the collateral of the platform and the coordinator's issuing CA"
                    .to_owned(),
            ),
            Self::Signing(cause) => cause.remedy(),
            Self::TooLong { .. }
            | Self::BeforeIssuer { .. }
            | Self::Serial { .. }
            | Self::CommonName { .. }
            | Self::Receipt { .. }
            | Self::Encoding { .. } => None,
        }
    }
}

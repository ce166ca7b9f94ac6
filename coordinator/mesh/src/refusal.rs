//! Why the mesh says no to a command.
//!
//! Does not live here: whether evidence is genuine (`stoa_attestation`), what may stand in a certificate
//! (`not_certified`), statuses of HTTP and gRPC (`proto`).

use stoa_attestation::policy;
use stoa_explain::Explain;
use stoa_manifest::template::TemplateError;

use crate::keys::KeyError;
use crate::not_certified::NotCertified;

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
    /// The clock is behind what is known to be past.
    #[error(
        "the clock says {now} (Unix time), but {floor} is past already; at most {limit} s behind is borne"
    )]
    ClockBehind {
        /// The clock's time.
        now: u64,
        /// The time floor: the newest of the journal's last record and the vendors' newest signed dates.
        floor: u64,
        /// Seconds.
        limit: u64,
    },
    /// The history holds its most.
    #[error("the history holds {entries} manifests, which is its most")]
    HistoryFull {
        /// Entries of the history.
        entries: usize,
    },
    /// Whoever asks is no user of the manifest in force.
    #[error(
        "the client certificate (SHA-256 {certificate}) is that of no user of the manifest in force"
    )]
    UserUnknown {
        /// Lower-case hex, or `none`.
        certificate: String,
    },
    /// The user's roles do not allow that.
    #[error("user `{user}` has no role that allows {action} on {on}")]
    NotPermitted {
        /// The user.
        user: String,
        /// As a manifest writes it.
        action: &'static str,
        /// The packages or secrets, or `the manifest`, `the audit`.
        on: String,
    },
    /// Another manifest waits for users to agree.
    #[error("another update waits for users to agree: SHA-256 {sha256}")]
    UpdatePending {
        /// Lower-case hex of the SHA-256 of the manifest that waits.
        sha256: String,
    },
    /// The update that was named does not wait.
    #[error("no update of SHA-256 {asked} waits; waiting: {pending}")]
    NoUpdatePending {
        /// Lower-case hex of the SHA-256 asked for.
        asked: String,
        /// Lower-case hex of the one that waits, or `none`.
        pending: String,
    },
    /// No user can do that to a mesh that runs.
    #[error("the mesh can't be updated to this manifest: {cause}")]
    UpdateRefused {
        /// What is in the way.
        cause: String,
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
    /// An update would take shares of the data key out of force, and the key itself can't be replaced yet.
    #[error(
        "the update changes RecoveryKeys or Config.RecoveryThreshold: {before} would be {after}"
    )]
    RecoveryKeysFixed {
        /// Threshold and holders in force.
        before: String,
        /// Those of the update.
        after: String,
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
    /// A request about secrets that names none.
    #[error("no secret is named")]
    NoSecretsNamed,
    /// A value is not what the manifest says of its secret.
    #[error("the value for secret `{secret}` is refused: {cause}")]
    SecretUnfit {
        /// The secret.
        secret: String,
        /// What it must be and what is wrong; never the value.
        cause: String,
    },
    /// No user has set it yet.
    #[error("secret `{secret}`, which users define, is not set; {needed_by} needs it")]
    SecretNotSet {
        /// The secret.
        secret: String,
        /// What needs it.
        needed_by: String,
    },
    /// A secret was set between draft and decision.
    #[error("secret `{secret}` was set while the provision of marble `{marble}` was prepared")]
    SecretsMoved {
        /// The secret.
        secret: String,
        /// The marble.
        marble: String,
    },
    /// More than users' secrets may have together.
    #[error("the secrets that users set would have {bytes} bytes together; at most {max}")]
    SecretsFull {
        /// With what was asked for.
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
            Self::ClockBehind { .. } => "clock-behind",
            Self::HistoryFull { .. } => "history-full",
            Self::UserUnknown { .. } => "user-unknown",
            Self::NotPermitted { .. } => "not-permitted",
            Self::UpdatePending { .. } => "update-pending",
            Self::NoUpdatePending { .. } => "no-update-pending",
            Self::UpdateRefused { .. } => "update-refused",
            Self::RecoveryKeysFixed { .. } => "recovery-keys-fixed",
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
            Self::NoSecretsNamed => "no-secrets-named",
            Self::SecretUnfit { .. } => "secret-unfit",
            Self::SecretNotSet { .. } => "secret-not-set",
            Self::SecretsMoved { .. } => "secrets-moved",
            Self::SecretsFull { .. } => "secrets-full",
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
                Some(format!("compare {sha256} with your manifest's digest; the first is set once, users change it with `stoa manifest update`"))
            }
            Self::ClockBehind { .. } => Some("set the clock of the coordinator's machine right, then try again".to_owned()),
            Self::HistoryFull { .. } => Some("found a new mesh".to_owned()),
            Self::UserUnknown { .. } => {
                Some("connect with the certificate and key of a user: `--cert FILE --key FILE`".to_owned())
            }
            Self::NotPermitted { .. } => {
                Some("ask a user with that right, or have the manifest changed by those who may".to_owned())
            }
            Self::UpdatePending { .. } => {
                Some("look at it with `stoa manifest pending`, then agree to it or cancel it first".to_owned())
            }
            Self::NoUpdatePending { .. } => Some("look at what waits with `stoa manifest pending`".to_owned()),
            Self::UpdateRefused { .. } => Some("compare with `stoa manifest diff`; else found a new mesh".to_owned()),
            Self::RecoveryKeysFixed { .. } => {
                Some("keep RecoveryKeys and Config.RecoveryThreshold as they are, or found a new mesh".to_owned())
            }
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
            Self::NoSecretsNamed => Some("name at least one secret of the manifest".to_owned()),
            Self::SecretUnfit { secret, .. } => Some(format!("give what `Secrets.{secret}` of the manifest in force says")),
            Self::SecretNotSet { secret, .. } => {
                Some(format!("have it set by a user who may WriteSecret on `{secret}`: `stoa secret set FILE`"))
            }
            Self::SecretsMoved { .. } => Some("ask again; it is prepared anew".to_owned()),
            Self::SecretsFull { .. } => Some("set smaller values, or take secrets out of the manifest".to_owned()),
            Self::SecretNotMade { secret, .. } => Some(format!("correct `Secrets.{secret}` in the manifest")),
            Self::Certificate { cause, .. } => cause.remedy(),
            Self::Key { cause, .. } => cause.remedy(),
        }
    }
}

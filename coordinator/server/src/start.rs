//! From a folder to an open state: found, or open and check, or recovery with the exact cause.
//!
//! Order: lock, `sealed_key`, journal, founding record, the leaf of the client port. Each step is durable before the
//! next, and a crash between two of them is finished by the next start.

use std::path::Path;
use std::sync::Arc;

use stoa_attestation::Anchor;
use stoa_attestation::channel::Switches;
use stoa_mesh::{
    Command, CoordinatorLeaf, Env, Found, Machine, Outcome, Position, Refusal, Sequencer,
};
use stoa_source::Source;
use stoa_store::keyfile::SealedKeyError;
use stoa_store::{DataKey, Folder, Journal, StoreError};

use crate::clock::Clock;
use crate::custody::Custody;
use crate::error::chain;
use crate::keys::AwsLcKeys;
use crate::recovering::Recovering;
use crate::rng::OsRandom;
use crate::sealing::Sealing;

/// Why the coordinator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// I2: an insecure root is for the synthetic TEE only.
    #[error("--insecure-trust-root was given, but --tee {tee} is hardware")]
    InsecureRootOnHardware {
        /// As given.
        tee: String,
    },
    /// A file that was named can't be used.
    #[error("{what} {path} can't be used: {cause}")]
    FileUnusable {
        /// Which.
        what: &'static str,
        /// Where.
        path: String,
        /// Why.
        cause: String,
    },
    /// The TEE did not give what is needed.
    #[error("the TEE gives no {what}: {cause}")]
    Tee {
        /// Evidence or sealing key.
        what: &'static str,
        /// Its words.
        cause: String,
    },
    /// The folder, in the store's words.
    #[error("the sealed state in {path} can't be opened")]
    Store {
        /// Folder.
        path: String,
        /// The store's error.
        #[source]
        source: StoreError,
    },
    /// A key file without a journal, which this TEE can't open.
    #[error("`sealed_key` in {path} can't be opened, and there is no journal beside it")]
    SealedKey {
        /// Folder.
        path: String,
        /// The store's words.
        #[source]
        source: SealedKeyError,
    },
    /// What the journal holds, in the machine's words.
    #[error("the journal holds what this version can't replay: {cause}")]
    Replay {
        /// Its words.
        cause: String,
    },
    /// A rule of the mesh, at founding or start.
    #[error("the mesh can't be founded or started")]
    Mesh(#[source] Refusal),
    /// A CA's certificate and key do not belong together.
    #[error("the mesh's CAs can't be used")]
    CaKey(#[source] stoa_mesh::CaKeyDiffers),
    /// A source of collateral.
    #[error("--collateral can't be used")]
    Collateral(#[source] stoa_collateral::CollateralError),
    /// A port can't be had.
    #[error("the {listener} port {addr} can't be had: {cause}")]
    Port {
        /// Which.
        listener: &'static str,
        /// As configured.
        addr: String,
        /// The system's words.
        cause: String,
    },
    /// Ours.
    #[error("{0}")]
    Bug(String),
}

impl From<stoa_collateral::CollateralError> for StartError {
    fn from(source: stoa_collateral::CollateralError) -> Self {
        Self::Collateral(source)
    }
}

impl stoa_explain::Explain for StartError {
    fn code(&self) -> &'static str {
        match self {
            Self::InsecureRootOnHardware { .. } => "insecure-root-on-hardware",
            Self::FileUnusable { .. } => "file-unusable",
            Self::Tee { .. } => "tee-unusable",
            Self::Store { source, .. } => source.code(),
            Self::SealedKey { source, .. } => source.code(),
            Self::Replay { .. } => "journal-not-replayable",
            Self::Mesh(refusal) => refusal.code(),
            Self::CaKey(differs) => differs.code(),
            Self::Collateral(error) => error.code(),
            Self::Port { .. } => "port-unavailable",
            Self::Bug(_) => "bug",
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::InsecureRootOnHardware { .. } => {
                "leave --insecure-trust-root away; on hardware only the vendor's root is believed"
                    .to_owned()
            }
            Self::FileUnusable { what, .. } => format!("name a readable, well-formed {what}"),
            Self::Tee { .. } => "check that --tee names the TEE this process runs in".to_owned(),
            Self::Store { source, .. } => return source.remedy(),
            Self::SealedKey { source, .. } => return source.remedy(),
            Self::Replay { .. } => "start the version that wrote it, or a later one".to_owned(),
            Self::Mesh(refusal) => return refusal.remedy(),
            Self::CaKey(differs) => return differs.remedy(),
            Self::Collateral(error) => return error.remedy(),
            Self::Port { .. } => {
                "free the port, or configure another (0 picks a free one)".to_owned()
            }
            Self::Bug(_) => return None,
        })
    }
}

/// What a start leads to.
pub enum Start {
    /// State 2 or 3.
    Open(Box<Opened>),
    /// State 1: nothing was changed.
    Recovery {
        /// The exact cause.
        reason: String,
        /// Of the newest record; sequence 0 and head zero if the journal can't be read without its key.
        position: Position,
        /// The way out by shares; `None` if there are none, or the clear recovery data can't be read.
        recovering: Option<Box<Recovering>>,
    },
}

/// An open state with its journal.
pub struct Opened {
    /// Held exclusively by this process.
    pub journal: Journal,
    /// Replayed, checked, with nothing pending.
    pub sequencer: Sequencer,
    /// K(root SPKI), computed from the root's private key.
    pub root_key_id: [u8; 32],
    /// DER of the client port's leaf, then what is sent with it.
    pub client_chain: Vec<Vec<u8>>,
    /// The data key, for its shares.
    pub custody: Custody,
}

impl Opened {
    /// Of the newest durable record.
    #[must_use]
    pub fn position(&self) -> Position {
        let position = self.journal.position();
        Position {
            sequence: position.sequence,
            head: position.head,
        }
    }
}

/// Opens the state in `data`, or founds a mesh there.
///
/// `reset`: id of the data key of a state that is to be set aside first. `leaf_spki` is the key of the client port of this start; its certificate is journaled before it is used.
///
/// # Errors
/// [`StartError`]; the folder is then as it was, but for steps that a next start goes on with.
pub fn open(
    data: &Path,
    source: &Arc<dyn Source>,
    keys: &AwsLcKeys,
    clock: &dyn Clock,
    dns_names: &[String],
    reset: Option<&str>,
    leaf_spki: &[u8],
) -> Result<Start, StartError> {
    let at = data.display().to_string();
    let store = |source: StoreError| StartError::Store {
        path: at.clone(),
        source,
    };
    let folder = Folder::lock(data).map_err(store)?;
    if let Some(id) = reset {
        set_aside(&folder, id).map_err(store)?;
    }
    let sealing = Sealing::of(&**source).map_err(|error| StartError::Tee {
        what: "sealing key",
        cause: chain(&error),
    })?;
    let founded = folder.has_journal().map_err(store)?;
    let sealed = folder.read_sealed_key().map_err(store)?;
    let key = match (sealed, founded) {
        (Some(bytes), _) => match sealing.open(&bytes) {
            Ok(opened) => opened,
            Err(error) if founded => return recovery(folder, chain(&error), source),
            Err(source) => return Err(StartError::SealedKey { path: at, source }),
        },
        (None, true) => {
            let reason = "the file `sealed_key` is missing".to_owned();
            return recovery(folder, reason, source);
        }
        (None, false) => {
            let key = DataKey::generate(&mut OsRandom);
            folder
                .write_sealed_key(&sealing.seal(&key))
                .map_err(store)?;
            key
        }
    };
    let (held, kept) = (folder.clone(), DataKey::from_bytes(key.expose_secret()));
    let (journal, batches) = if founded {
        Journal::open_in(folder, key).map_err(store)?
    } else {
        (
            Journal::create_in(folder, key, &mut OsRandom).map_err(store)?,
            Vec::new(),
        )
    };
    let machine =
        Machine::replay_after(journal.base(), &batches).map_err(|error| StartError::Replay {
            cause: error.to_string(),
        })?;
    let mut state = Starting {
        journal,
        sequencer: Sequencer::new(machine),
        clock,
    };
    if state.sequencer.view().root().is_none() {
        let found = Found::prepare(keys, dns_names, clock.now(), &mut OsRandom)
            .map_err(StartError::Mesh)?;
        state
            .run(Command::Found(found))
            .map_err(|error| error.at(&at))?;
    }
    let view = state.sequencer.view();
    let root_key_id = stoa_mesh::check_root_key(&view, keys)
        .map_err(StartError::CaKey)?
        .ok_or_else(|| {
            StartError::Bug("the mesh was founded, but there is no root CA".to_owned())
        })?;
    let root = view.root().map(|root| root.der().to_vec());
    let custody = Custody::new(held, kept, root.unwrap_or_default(), root_key_id);
    // A crash may have left it ahead of the journal, and the host may have changed it.
    custody
        .tell(view.manifest().map(AsRef::as_ref))
        .map_err(store)?;
    let leaf = CoordinatorLeaf::prepare(
        &view,
        leaf_spki,
        dns_names,
        keys,
        clock.now(),
        &mut OsRandom,
    )
    .map_err(StartError::Mesh)?;
    let client_chain = match state
        .run(Command::Start(leaf))
        .map_err(|error| error.at(&at))?
    {
        Outcome::Started { chain, .. } => chain,
        other => {
            return Err(StartError::Bug(format!(
                "the start had the outcome {other:?}"
            )));
        }
    };
    let Starting {
        journal, sequencer, ..
    } = state;
    Ok(Start::Open(Box::new(Opened {
        journal,
        sequencer,
        client_chain,
        root_key_id,
        custody,
    })))
}

/// Runs commands one by one, before the writer's thread is there.
struct Starting<'a> {
    journal: Journal,
    sequencer: Sequencer,
    clock: &'a dyn Clock,
}

enum Failed {
    Store(StoreError),
    Refused(Refusal),
    Silent,
}

impl Failed {
    fn at(self, path: &str) -> StartError {
        match self {
            Self::Store(source) => StartError::Store {
                path: path.to_owned(),
                source,
            },
            Self::Refused(refusal) => StartError::Mesh(refusal),
            Self::Silent => StartError::Bug("the sequencer gave no decision".to_owned()),
        }
    }
}

impl Starting<'_> {
    fn run(&mut self, command: Command) -> Result<Outcome, Failed> {
        let env = Env {
            now: self.clock.now(),
            rng: &mut OsRandom,
        };
        self.sequencer.submit(0, command, env);
        if let Some(batch) = self.sequencer.batch() {
            self.journal
                .append(&batch, &mut OsRandom)
                .map_err(Failed::Store)?;
        }
        let (_, decision) = self.sequencer.committed().pop().ok_or(Failed::Silent)?;
        decision.map_err(Failed::Refused)
    }
}

/// Sets the state aside if it is sealed under the data key with this id; a supervisor may start us with the same
/// arguments again, so any other state is left alone.
fn set_aside(folder: &Folder, id: &str) -> Result<(), StoreError> {
    if !folder.has_journal()? {
        return Ok(());
    }
    let key = Journal::survey(folder.clone())?.key;
    if hex::encode(key) != id.to_ascii_lowercase() {
        tracing::warn!(
            event = "state.not-set-aside",
            asked = id,
            data_key = hex::encode(key),
            "--reset names another state than the one that is here"
        );
        return Ok(());
    }
    let to = folder.set_aside(&key)?;
    tracing::warn!(
        event = "state.set-aside",
        data_key = hex::encode(key),
        folder = %to.display(),
        "The state was set aside as asked; a new mesh is founded"
    );
    Ok(())
}

/// State 1. What can be told without the data key is told. The folder stays locked if shares can open it.
fn recovery(folder: Folder, reason: String, source: &Arc<dyn Source>) -> Result<Start, StartError> {
    let (reason, position) = match Journal::survey(folder.clone()) {
        Ok(survey) => {
            let key = hex::encode(survey.key);
            let position = Position {
                sequence: survey.position.sequence,
                head: survey.position.head,
            };
            (
                format!("{reason}; the journal is sealed under data key {key}"),
                position,
            )
        }
        Err(_) => (
            reason,
            Position {
                sequence: 0,
                head: [0; 32],
            },
        ),
    };
    let recovering = match folder.read_recovery_data() {
        Ok(Some(data)) => Recovering::new(folder, data, Arc::clone(source))
            .map(|recovering| Some(Box::new(recovering)))
            .map_err(|error| chain(&error)),
        Ok(None) => Ok(None),
        Err(error) => Err(chain(&error)),
    };
    Ok(match recovering {
        Ok(recovering) => Start::Recovery {
            reason,
            position,
            recovering,
        },
        Err(error) => Start::Recovery {
            reason: format!("{reason}; and no share is taken: {error}"),
            position,
            recovering: None,
        },
    })
}

/// The switches of this process that are not at their default.
///
/// # Errors
/// [`StartError::FileUnusable`] for two roots in one vendor's place.
pub fn switches(anchors: &[Anchor]) -> Result<Switches, StartError> {
    Switches::insecure_trust_roots(anchors).map_err(|error| StartError::FileUnusable {
        what: "trust root",
        path: "of --insecure-trust-root".to_owned(),
        cause: chain(&error),
    })
}

/// What an operator should know of the switches that are set.
#[must_use]
pub fn warnings(anchors: &[Anchor]) -> Vec<String> {
    let insecure = anchors.iter().filter(|anchor| anchor.is_insecure());
    let warning = |anchor: &Anchor| {
        format!(
            "evidence under the insecure root {} is believed; this coordinator is for trying out",
            hex::encode(anchor.sha256())
        )
    };
    insecure.map(warning).collect()
}

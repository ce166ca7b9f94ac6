//! State 1: shares come in from their holders until the data key is there; then the state is opened, bound and sealed.
//!
//! Whoever can reach the port can post here. A junk share costs one RSA decryption and is kept nowhere; all that is ever
//! kept is one right share for each holder. The order at the end: key put together once, compared with the journal's key
//! id, journal opened and replayed, CAs and signatures checked against what it holds, and only then `sealed_key` written.
//!
//! Source: docs/reference/recovery.md, 4 and 5. Does not live here: which shares are right (`mesh::recover`), routes
//! (`rest`), what follows (`run` opens the state anew).

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::SignatureVerificationAlgorithm;
use stoa_attestation::channel::key_id;
use stoa_explain::Explain;
use stoa_mesh::recover::{Asked, Collector, Holder, ShareRefused};
use stoa_mesh::{CaKeyDiffers, Machine};
use stoa_proto::wire;
use stoa_source::Source;
use stoa_store::{DataKey, Folder, Journal, RecoveryData, StoreError};
use tokio::sync::Notify;

use crate::error::{EdgeError, chain};
use crate::keys::AwsLcKeys;
use crate::oaep::UploadKey;
use crate::sealing::Sealing;
use crate::spki::of_certificate;

/// Largest body of a share that is posted, in bytes.
pub const SHARE_BODY_BYTES_MAX: usize = 8 * 1024;
/// Shares that are looked at, at once; opening the state counts as one.
pub const SHARES_AT_ONCE_MAX: usize = 4;

/// One recovery: it ends when the state is open, or with the process.
pub struct Recovering {
    upload: UploadKey,
    upload_id: [u8; 32],
    root: Vec<u8>,
    asked: Asked,
    /// Names of the holders whose shares are there; readers never wait for the state being opened.
    given: Mutex<Vec<String>>,
    inner: Mutex<Inner>,
    source: Arc<dyn Source>,
    /// Told once, when the state is sealed to this TEE again.
    pub recovered: Notify,
}

struct Inner {
    collector: Collector,
    /// `None` when it is over: the lock is given back, so that the state can be opened.
    folder: Option<Folder>,
}

/// Why a share is not taken, or the state not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotRecovered {
    /// A rule about shares.
    #[error(transparent)]
    Share(#[from] ShareRefused),
    /// What was sent is not encrypted for the upload key.
    #[error("the share can't be decrypted with the upload key that this process has")]
    UploadUnreadable,
    /// The coordinator is not in recovery, or not any more.
    #[error("the coordinator is not in recovery")]
    NotInRecovery,
    /// It is, but the clear recovery data is missing.
    #[error("the coordinator has no clear recovery data, so it can't tell shares from junk")]
    NoRecoveryData,
    /// With the right key the state could not be opened.
    #[error("the shares made the data key, but the state can't be opened")]
    Store(#[source] StoreError),
    /// It was opened, and is not what this version can go on with.
    #[error("the shares made the data key, but what the journal holds can't be used: {0}")]
    Replay(String),
    /// The CAs in it can't be used.
    #[error("the shares made the data key, but the mesh's CAs can't be used")]
    CaKey(#[source] CaKeyDiffers),
    /// The TEE gave no sealing key.
    #[error("the shares made the data key, but the TEE gives no sealing key: {0}")]
    Tee(String),
    /// Ours.
    #[error(transparent)]
    Edge(#[from] EdgeError),
}

impl Explain for NotRecovered {
    fn code(&self) -> &'static str {
        match self {
            Self::Share(refused) => refused.code(),
            Self::UploadUnreadable => "upload-unreadable",
            Self::NotInRecovery => "not-in-recovery",
            Self::NoRecoveryData => "recovery-data-missing",
            Self::Store(error) => error.code(),
            Self::Replay(_) => "journal-not-replayable",
            Self::CaKey(differs) => differs.code(),
            Self::Tee(_) => "tee-unusable",
            Self::Edge(error) => error.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Share(refused) => refused.remedy(),
            Self::Store(error) => error.remedy(),
            Self::CaKey(differs) => differs.remedy(),
            Self::Edge(error) => error.remedy(),
            other => stoa_explain::lookup(other.code()).map(|entry| entry.remedy.to_owned()),
        }
    }
}

impl Recovering {
    /// For a folder whose key can't be opened here.
    ///
    /// # Errors
    /// [`EdgeError::Bug`] if the upload key can't be made or the recovery data names no root.
    pub fn new(
        folder: Folder,
        data: RecoveryData,
        source: Arc<dyn Source>,
    ) -> Result<Self, EdgeError> {
        let upload = UploadKey::generate()?;
        let root = of_certificate(&data.root).map_err(|cause| EdgeError::RequestInvalid {
            what: "the root in the clear recovery data",
            got: format!("unreadable ({cause})"),
            wanted: "a certificate".to_owned(),
        })?;
        let holder = |holder: stoa_store::RecoveryHolder| Holder {
            name: holder.name,
            spki: holder.spki,
            share: holder.share,
        };
        let asked = Asked {
            root: key_id(&root),
            data_key: data.data_key,
            threshold: data.threshold,
            holders: data.holders.into_iter().map(holder).collect(),
        };
        Ok(Self {
            upload_id: key_id(&upload.spki),
            upload,
            root: data.root,
            asked: asked.clone(),
            given: Mutex::default(),
            inner: Mutex::new(Inner {
                collector: Collector::new(asked),
                folder: Some(folder),
            }),
            source,
            recovered: Notify::new(),
        })
    }

    /// Which mesh asks for which shares, and what is there.
    #[must_use]
    pub fn asked(&self) -> wire::RecoveryAsked {
        let asked = &self.asked;
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        wire::RecoveryAsked {
            upload_key: STANDARD.encode(&self.upload.spki),
            root_spki_sha256: hex::encode(asked.root),
            data_key: hex::encode(asked.data_key),
            threshold: u64::from(asked.threshold),
            holders: asked
                .holders
                .iter()
                .map(|holder| holder.name.clone())
                .collect(),
            given: given.clone(),
        }
    }

    /// The same for the statement.
    #[must_use]
    pub fn stated(&self) -> wire::StatementRecovery {
        let asked = &self.asked;
        wire::StatementRecovery {
            root: STANDARD.encode(&self.root),
            data_key: hex::encode(asked.data_key),
            threshold: u64::from(asked.threshold),
            shares: asked.holders.len() as u64,
        }
    }

    /// Takes a share; with the last one needed the state is opened and sealed to this TEE. Blocks for that long.
    ///
    /// # Errors
    /// [`NotRecovered`]. Other shares stay, unless those that are there turn out not to be of this state.
    pub fn offer(
        &self,
        encrypted: &[u8],
        signature: &[u8],
    ) -> Result<wire::ShareTaken, NotRecovered> {
        // Outside of the lock: junk waits for nobody and nobody for junk.
        let share = self
            .upload
            .decrypt(encrypted)
            .ok_or(NotRecovered::UploadUnreadable)?;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.take(&mut inner, &share, signature);
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = inner.collector.given();
        done
    }

    fn take(
        &self,
        inner: &mut Inner,
        share: &[u8],
        signature: &[u8],
    ) -> Result<wire::ShareTaken, NotRecovered> {
        let Inner { collector, folder } = inner;
        let held = folder.as_ref().ok_or(NotRecovered::NotInRecovery)?;
        let taken = collector.offer(share, signature, &self.upload_id, algorithms())?;
        tracing::info!(
            event = "recovery.share-taken",
            holder = taken.holder,
            given = taken.given,
            needed = taken.needed,
            "A recovery share was taken"
        );
        let recovered = match collector.combine() {
            None => false,
            Some(key) => {
                let key = key.inspect_err(|_| collector.clear())?;
                self.open(held, &DataKey::from_bytes(&key), collector)?;
                collector.clear();
                *folder = None;
                self.recovered.notify_one();
                true
            }
        };
        Ok(wire::ShareTaken {
            holder: taken.holder,
            given: taken.given as u64,
            needed: taken.needed as u64,
            recovered,
        })
    }

    /// Opens, checks what only an open state can tell, seals. The journal is closed again.
    fn open(
        &self,
        folder: &Folder,
        key: &DataKey,
        collector: &mut Collector,
    ) -> Result<(), NotRecovered> {
        let wanted = collector.asked().data_key;
        if key.id() != wanted {
            collector.clear();
            return Err(ShareRefused::KeyDiffers {
                got: hex::encode(key.id()),
                wanted: hex::encode(wanted),
            }
            .into());
        }
        let (journal, batches) =
            Journal::open_in(folder.clone(), DataKey::from_bytes(key.expose_secret()))
                .map_err(NotRecovered::Store)?;
        drop(journal);
        let machine =
            Machine::replay(&batches).map_err(|error| NotRecovered::Replay(error.to_string()))?;
        let view = machine.view();
        let root = stoa_mesh::check_root_key(&view, &AwsLcKeys)
            .map_err(NotRecovered::CaKey)?
            .unwrap_or_default();
        let manifest = view.manifest().map(AsRef::as_ref);
        collector
            .bind(manifest, &root, algorithms())
            .inspect_err(|_| collector.clear())?;
        let sealing =
            Sealing::of(&*self.source).map_err(|error| NotRecovered::Tee(chain(&error)))?;
        folder
            .write_sealed_key(&sealing.seal(key))
            .map_err(NotRecovered::Store)
    }
}

/// What the process's crypto library verifies; of these, RSA PKCS #1 v1.5 with SHA-256 counts.
fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    rustls::crypto::aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all
}

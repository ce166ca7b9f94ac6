//! The data key of an open state, kept to give shares of it to the holders of recovery keys.
//!
//! What `sealed_data` says in clear follows from manifest in force, data key and root CA, so it can be written again at
//! any time; it is on the disk before the manifest that it belongs to is in the journal. Shares leave encrypted, in the
//! answer to that manifest.
//!
//! Source: docs/reference/recovery.md, 2 and 3. Does not live here: splitting (`mesh::recover`), the file
//! (`stoa_store`), putting shares together (`recovering`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use stoa_manifest::Manifest;
use stoa_mesh::View;
use stoa_mesh::recover::{self, Terms};
use stoa_proto::wire::{EncryptedShare, RecoveryShares};
use stoa_store::{DataKey, Folder, Journal, Opened, RecoveryData, RecoveryHolder, StoreError};

use crate::error::EdgeError;
use crate::oaep;

/// How long after a manifest came into force its shares are given again to who posts the same bytes, in seconds: the
/// first answer may have been lost.
pub const SHARES_AGAIN_S: u64 = 600;

/// The data key with what shares of it are told by.
pub struct Custody {
    folder: Folder,
    key: DataKey,
    root: Vec<u8>,
    root_key_id: [u8; 32],
}

impl Custody {
    /// Of the state in a folder that is locked. `root`: the root CA's certificate, DER; `root_key_id`: K(root SPKI).
    #[must_use]
    pub fn new(folder: Folder, key: DataKey, root: Vec<u8>, root_key_id: [u8; 32]) -> Self {
        Self {
            folder,
            key,
            root,
            root_key_id,
        }
    }

    /// Opens the journal anew, when an error left nothing of it in memory.
    ///
    /// # Errors
    /// As [`Journal::open_in`].
    pub fn open_journal(&self) -> Result<(Journal, Opened), StoreError> {
        let key = DataKey::from_bytes(self.key.expose_secret());
        Journal::open_in(self.folder.clone(), key)
    }

    /// Makes `sealed_data` say what belongs to `manifest`; durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tell(&self, manifest: Option<&Manifest>) -> Result<(), StoreError> {
        let data = manifest.and_then(|manifest| self.data(manifest));
        if self.folder.write_recovery_data(data.as_ref())? {
            tracing::info!(
                event = "recovery-data.written",
                holders = data.as_ref().map_or(0, |data| data.holders.len()),
                threshold = data.as_ref().map_or(0, |data| data.threshold),
                "The clear recovery data was written"
            );
        }
        Ok(())
    }

    /// The shares of the recovery keys of `manifest`, each encrypted for its key; `None` if it has none.
    ///
    /// # Errors
    /// [`EdgeError::Bug`] if the crypto library does not take a key.
    pub fn shares(&self, manifest: &Manifest) -> Result<Option<RecoveryShares>, EdgeError> {
        let (Some(terms), Some(data)) = (Terms::of(manifest), self.data(manifest)) else {
            return Ok(None);
        };
        let shares = self.split(&terms);
        let encrypted = terms
            .holders
            .iter()
            .zip(&shares)
            .map(|((name, spki), share)| {
                Ok(EncryptedShare {
                    name: name.clone(),
                    key_sha256: hex::encode(Sha256::digest(spki)),
                    share: STANDARD.encode(oaep::encrypt(spki, &share.encode())?),
                })
            });
        Ok(Some(RecoveryShares {
            root_spki_sha256: hex::encode(self.root_key_id),
            data_key: hex::encode(data.data_key),
            threshold: u64::from(data.threshold),
            shares: encrypted.collect::<Result<_, EdgeError>>()?,
            sealed_data: STANDARD.encode(RecoveryData::encode(Some(&data))),
        }))
    }

    fn split(&self, terms: &Terms) -> Vec<stoa_attestation::channel::Share> {
        recover::split(
            self.key.expose_secret(),
            self.key.id(),
            self.root_key_id,
            terms,
        )
    }

    fn data(&self, manifest: &Manifest) -> Option<RecoveryData> {
        let terms = Terms::of(manifest)?;
        let shares = self.split(&terms);
        let holder = |((name, spki), share): ((String, Vec<u8>), _)| {
            let share: &stoa_attestation::channel::Share = share;
            RecoveryHolder {
                name,
                spki,
                share: share.fingerprint(),
            }
        };
        Some(RecoveryData {
            data_key: self.key.id(),
            threshold: terms.threshold,
            root: self.root.clone(),
            holders: terms.holders.into_iter().zip(&shares).map(holder).collect(),
        })
    }
}

/// The manifest in force, if it is the one with this SHA-256, has recovery keys, and came into force less than
/// [`SHARES_AGAIN_S`] ago.
#[must_use]
pub fn told_again_of<'a>(view: &'a View, sha256: &[u8; 32], now: u64) -> Option<&'a Arc<Manifest>> {
    let since = view.history().last().map(|last| last.time)?;
    view.manifest().filter(|manifest| {
        manifest.sha256() == *sha256
            && !manifest.recovery_keys().is_empty()
            && now < since.saturating_add(SHARES_AGAIN_S)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Duration;

    use rustls::pki_types::UnixTime;
    use stoa_mesh::{Caller, Command, Env, Found, Machine, Sequencer, SetManifest};

    use super::*;
    use crate::keys::AwsLcKeys;
    use crate::rng::OsRandom;

    const NOW: u64 = 1_800_000_000;

    fn manifest(budget: u64, keys: bool) -> Manifest {
        let keys = if keys {
            let key = include_str!("../../../tests/harness/keys/recovery/ann.pub");
            serde_json::json!({"ann": key})
        } else {
            serde_json::json!({})
        };
        let text = serde_json::json!({
            "Packages": {"p": {"UniqueID": "11".repeat(32)}},
            "Marbles": {"m": {"Package": "p", "MaxActivations": budget}},
            "RecoveryKeys": keys,
        });
        Manifest::parse(text.to_string().as_bytes()).unwrap()
    }

    fn with(manifest: &Manifest) -> View {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
        let mut sequencer = Sequencer::new(Machine::empty());
        let rng = &mut OsRandom;
        let found = Found::prepare(&AwsLcKeys, &[], now, rng).unwrap();
        let run = |sequencer: &mut Sequencer, command| {
            sequencer.submit(
                0,
                command,
                Env {
                    now,
                    rng: &mut OsRandom,
                },
            );
            sequencer.committed().pop().unwrap().1.unwrap();
        };
        run(&mut sequencer, Command::Found(found));
        let (view, caller) = (sequencer.view(), Caller::default());
        let set = SetManifest::prepare(&view, manifest.clone(), caller, &AwsLcKeys, now, rng);
        run(&mut sequencer, Command::SetManifest(set.unwrap()));
        sequencer.view()
    }

    #[test]
    fn a_manifest_is_answered_again_for_ten_minutes_and_no_other_is() {
        let ours = manifest(1, true);
        let view = with(&ours);
        for (after, again) in [(0, true), (599, true), (600, false), (6000, false)] {
            let told = told_again_of(&view, &ours.sha256(), NOW + after);
            assert_eq!(told.is_some(), again, "{after}");
        }
        let other = manifest(2, true).sha256();
        assert!(told_again_of(&view, &other, NOW).is_none());
        let without = manifest(1, false);
        let view = with(&without);
        assert!(told_again_of(&view, &without.sha256(), NOW).is_none());
    }
}

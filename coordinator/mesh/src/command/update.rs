//! Another manifest for a mesh that runs: what is made for its epoch, and taking an update back that waits.
//!
//! Does not live here: who may and who must agree (`approve`), which secrets stay (`secrets`).

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use rustls_pki_types::UnixTime;
use stoa_manifest::Manifest;

use super::issuing_ca;
use crate::approve;
use crate::ca::Certified;
use crate::caller::Caller;
use crate::keys::Keys;
use crate::refusal::Refusal;
use crate::secret::{DerivationSecret, Secret};
use crate::secrets::{self, Issuing};
use crate::state::Policy;
use crate::view::View;

/// A user's yes to another manifest, with all that its epoch would need: whether this yes is the last, `decide` knows.
#[derive(Debug)]
pub struct Update {
    /// Epoch in force when it was prepared.
    pub(crate) after: u64,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) caller: Caller,
    pub(crate) issuing: Certified,
    pub(crate) shared: BTreeMap<String, Secret>,
    pub(crate) previous: BTreeMap<String, Secret>,
    pub(crate) derivation: Option<DerivationSecret>,
}

impl Update {
    /// Whether `caller` could agree to some manifest: nobody else's is read.
    ///
    /// # Errors
    /// [`Refusal::StateNotAccepting`] before the first manifest, [`Refusal::UserUnknown`], [`Refusal::NotPermitted`].
    pub fn may(view: &View, caller: &Caller) -> Result<(), Refusal> {
        approve::may_agree(in_force(view)?, caller)
    }

    /// Makes the issuing CA of the next epoch, and each shared secret that is new or defined anew; the others stay, unless
    /// the manifest asks for a new root secret.
    ///
    /// # Errors
    /// [`Refusal::NotFounded`], [`Refusal::StateNotAccepting`] before the first manifest; who may not do it is refused
    /// before anything is made, as `decide` would; [`Refusal::SecretNotMade`], [`Refusal::Key`], [`Refusal::Certificate`].
    pub fn prepare(
        view: &View,
        manifest: Manifest,
        caller: Caller,
        keys: &dyn Keys,
        now: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let root = view.root_authority().ok_or(Refusal::NotFounded)?;
        let policy = in_force(view)?;
        approve::agree(policy, view.pending_update(), &manifest, &caller)?;
        let now = view.not_before_floor(now);
        let epoch = policy.epoch.saturating_add(1);
        let issuing = issuing_ca(root, epoch, keys, now, rng)?;
        let making = Issuing { root, keys, now };
        let kept = secrets::updated(policy, &manifest, &making, rng)?;
        Ok(Self {
            after: policy.epoch,
            manifest: Arc::new(manifest),
            caller,
            issuing,
            shared: kept.shared,
            previous: kept.previous,
            derivation: kept.derivation,
        })
    }
}

fn in_force(view: &View) -> Result<&Policy, Refusal> {
    view.policy().ok_or(Refusal::StateNotAccepting {
        state: view.state(),
    })
}

/// A user takes back the update that waits.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Which: SHA-256 of the manifest that waits, so that nobody takes back another than they looked at.
    pub manifest_sha256: [u8; 32],
    /// Who asks.
    pub caller: Caller,
}

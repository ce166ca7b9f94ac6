//! The data key as `sealed_key` holds it: wrapped under the sealing key of this TEE.
//!
//! Does not live here: the file (`stoa_store::keyfile`), the derivation (`stoa_source::seal`).

use stoa_source::{SealPolicy, Source, SourceError};
use stoa_store::DataKey;
use stoa_store::keyfile::{self, SealMode, SealedKeyError};
use zeroize::Zeroizing;

use crate::rng::OsRandom;

/// To whom the data key is sealed: to the signer and product, so that a new version of the coordinator opens it.
const SEAL_MODE: SealMode = SealMode::ProductKey;

/// What wraps data keys in this TEE.
pub struct Sealing(Zeroizing<[u8; 32]>);

impl Sealing {
    /// Asks the TEE.
    ///
    /// # Errors
    /// In the TEE's words.
    pub fn of(source: &dyn Source) -> Result<Self, SourceError> {
        stoa_source::seal::data_key_wrapper(source, SealPolicy::Signer).map(Self)
    }

    /// The content of `sealed_key`.
    #[must_use]
    pub fn seal(&self, key: &DataKey) -> Vec<u8> {
        keyfile::wrap(&self.0, key, SEAL_MODE, &mut OsRandom)
    }

    /// The data key in it.
    ///
    /// # Errors
    /// [`SealedKeyError`].
    pub fn open(&self, bytes: &[u8]) -> Result<DataKey, SealedKeyError> {
        keyfile::unwrap(&self.0, bytes, SEAL_MODE)
    }
}

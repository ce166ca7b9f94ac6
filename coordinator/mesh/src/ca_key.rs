//! Does the private key of each CA belong to its certificate?
//!
//! Source: docs/protocol/attest-1.md, section 4 (K(root SPKI) is computed from the private key).
//! Does not live here: who holds a CA's key (`state`).

use stoa_attestation::channel::key_id;
use stoa_explain::Explain;

use crate::ca::Certified;
use crate::keys::{KeyError, Keys};
use crate::view::View;

/// Compares each CA's certificate with the key beside it, and gives K(root SPKI) as the private key has it.
///
/// Without this, whoever founds a mesh could write another mesh's public root into its journal and be taken for it
/// (docs/protocol/attest-1.md, section 4). `None` before founding.
///
/// # Errors
/// [`CaKeyDiffers`] if a certificate and its key differ or a key can't be read: the coordinator must not start.
pub fn check_root_key(view: &View, keys: &dyn Keys) -> Result<Option<[u8; 32]>, CaKeyDiffers> {
    let check = |authority: &Certified| {
        let key = authority.key();
        let name = || authority.certificate().common_name().to_owned();
        let public = keys
            .public(key.kind, &key.pkcs8)
            .map_err(|cause| CaKeyDiffers::Unreadable { ca: name(), cause })?;
        if public != authority.certificate().spki() || public != key.spki {
            let id = |spki: &[u8]| hex::encode(key_id(spki));
            return Err(CaKeyDiffers::Differs {
                ca: name(),
                certificate: id(authority.certificate().spki()),
                key: id(&public),
            });
        }
        Ok(key_id(&public))
    };
    view.issuing_authority().map(check).transpose()?;
    view.root_authority().map(check).transpose()
}

/// A CA's certificate and private key do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaKeyDiffers {
    /// The public keys differ.
    #[error(
        "the certificate of `{ca}` names the key {certificate}, the private key beside it is that of {key} (SHA-256 of the SPKIs)"
    )]
    Differs {
        /// The CA.
        ca: String,
        /// SHA-256 of the SPKI in the certificate, lower-case hex.
        certificate: String,
        /// SHA-256 of the SPKI of the private key, lower-case hex.
        key: String,
    },
    /// The private key can't be read.
    #[error("the private key of `{ca}` can't be read")]
    Unreadable {
        /// The CA.
        ca: String,
        /// What the crypto library said.
        #[source]
        cause: KeyError,
    },
}

impl Explain for CaKeyDiffers {
    fn code(&self) -> &'static str {
        "ca-key-differs"
    }

    fn remedy(&self) -> Option<String> {
        Some("restore the data folder from a backup; whoever wrote this one does not hold that CA's key".to_owned())
    }
}

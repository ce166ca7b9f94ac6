//! What an admitted marble has: identity, trust, parameters, and TLS made from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};
use stoa_attestation::Floors;
use stoa_attestation::channel::Seen;
use stoa_proto::mesh as pb;
use zeroize::Zeroizing;

use crate::config::certificates;
use crate::error::SdkError;
use crate::key::MarbleKey;
use crate::tls;

/// A file that the manifest gives this marble.
#[derive(Clone)]
pub struct File {
    /// Its bytes.
    pub data: Zeroizing<Vec<u8>>,
    /// Permission bits, e.g. 0o600.
    pub mode: u32,
    /// User that shall own it; empty: whoever writes it.
    pub owner: String,
    /// How the manifest calls its form; empty: as it is.
    pub form: String,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("data", &format_args!("<secret>"))
            .field("mode", &format_args!("{:o}", self.mode))
            .field("owner", &self.owner)
            .field("form", &self.form)
            .finish()
    }
}

/// An admitted marble.
pub struct Marble {
    name: String,
    instance: [u8; 16],
    key: MarbleKey,
    chain: Vec<CertificateDer<'static>>,
    trust: Vec<CertificateDer<'static>>,
    files: BTreeMap<String, File>,
    env: BTreeMap<String, Zeroizing<Vec<u8>>>,
    argv: Vec<Vec<u8>>,
    not_after: u64,
    renew_at: u64,
    seen: Seen,
    collateral_seen: Floors,
}

impl Marble {
    pub(crate) fn new(
        name: String,
        key: MarbleKey,
        provision: pb::Provision,
        seen: Seen,
        collateral_seen: Floors,
    ) -> Result<Self, SdkError> {
        let instance =
            provision
                .instance
                .as_slice()
                .try_into()
                .map_err(|_| SdkError::ProvisionMalformed {
                    what: "the instance",
                    cause: format!("has {} bytes, wanted 16", provision.instance.len()),
                })?;
        let files = provision.files.into_iter().map(|(path, file)| {
            let file = File {
                data: Zeroizing::new(file.data),
                mode: file.mode,
                owner: file.owner,
                form: file.form,
            };
            (path, file)
        });
        Ok(Self {
            name,
            instance,
            key,
            chain: certificates(&provision.chain),
            trust: certificates(&provision.trust),
            files: files.collect(),
            env: provision
                .env
                .into_iter()
                .map(|(name, value)| (name, Zeroizing::new(value)))
                .collect(),
            argv: provision.argv,
            not_after: provision.not_after,
            renew_at: provision.renew_at,
            seen,
            collateral_seen,
        })
    }

    /// The marble's name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This instance's 16 bytes.
    #[must_use]
    pub fn instance(&self) -> [u8; 16] {
        self.instance
    }

    /// Leaf, then issuing CA.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Roots of the mesh.
    #[must_use]
    pub fn trust(&self) -> &[CertificateDer<'static>] {
        &self.trust
    }

    /// PKCS #8 of the private key, for programs that read it from a file on a memory file system.
    #[must_use]
    pub fn private_key_pkcs8(&self) -> &[u8] {
        self.key.pkcs8()
    }

    /// Files by path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }

    /// Environment variables by name.
    #[must_use]
    pub fn env(&self) -> &BTreeMap<String, Zeroizing<Vec<u8>>> {
        &self.env
    }

    /// The value of one environment variable of the manifest: a secret by name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&[u8]> {
        self.env.get(name).map(|value| value.as_slice())
    }

    /// Arguments.
    #[must_use]
    pub fn argv(&self) -> &[Vec<u8>] {
        &self.argv
    }

    /// When the leaf ends, Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// When to renew, Unix seconds.
    #[must_use]
    pub fn renew_at(&self) -> u64 {
        self.renew_at
    }

    /// Where the mesh's journal stood when this leaf was made. A coordinator that is behind it was rolled back.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// How new the collateral was that the coordinator was judged by. One that staples older is refused on renewal.
    #[must_use]
    pub fn collateral_seen(&self) -> &Floors {
        &self.collateral_seen
    }

    pub(crate) fn key(&self) -> &MarbleKey {
        &self.key
    }

    /// For calls to other marbles: shows this leaf, accepts only servers of this mesh under the name that is asked for.
    ///
    /// # Errors
    /// [`SdkError::ProvisionMalformed`] for a root that is none.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, SdkError> {
        tls::mesh_client(self.chain.clone(), self.key.private_der(), &self.trust).map(Arc::new)
    }

    /// For serving other marbles: shows this leaf, accepts only clients of this mesh.
    ///
    /// # Errors
    /// [`SdkError::ProvisionMalformed`] for a root that is none.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, SdkError> {
        tls::mesh_server(self.chain.clone(), self.key.private_der(), &self.trust).map(Arc::new)
    }

    /// For serving anybody, under this leaf and without client certificates.
    ///
    /// # Errors
    /// [`SdkError::Bug`] if leaf and key do not fit.
    pub fn public_server_config(&self) -> Result<Arc<ServerConfig>, SdkError> {
        tls::public_server(self.chain.clone(), self.key.private_der()).map(Arc::new)
    }
}

impl std::fmt::Debug for Marble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marble")
            .field("name", &self.name)
            .field("instance", &hex::encode(self.instance))
            .field("key", &self.key)
            .field("files", &self.files)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("argv", &self.argv.len())
            .field("not_after", &self.not_after)
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
    }
}

//! What each port presents, and who answers on it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DistinguishedName, DnType};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use stoa_mesh::{KeyKind, KeyMaterial, Keys};
use stoa_proto::path::ALPN_ATTEST;

use crate::keys::AwsLcKeys;
use crate::listener::Answer;
use crate::start::StartError;
use crate::tls::{self, Presented};

type Ready = (Arc<ServerConfig>, Arc<[u8]>);

/// The mesh port: `stoa-attest/1` or a fatal alert. Its leaf is self-signed and new at each start; what it is worth
/// follows from the state bytes that name its key.
pub struct MeshPort(Ready);

impl MeshPort {
    /// Makes key and leaf.
    ///
    /// # Errors
    /// [`StartError::Bug`] if the crypto library fails.
    pub fn new(keys: &AwsLcKeys) -> Result<Self, StartError> {
        let key = generate(keys)?;
        let der = self_signed(keys, &key, "Stoa coordinator, attested channel")?;
        let presented = Presented {
            chain: vec![der],
            key: pkcs8(&key),
        };
        let config =
            tls::attest_config(presented).map_err(|error| StartError::Bug(error.to_string()))?;
        Ok(Self((config, key.spki.into())))
    }
}

impl Answer for MeshPort {
    fn config(&self, offered: &[&[u8]]) -> Option<Ready> {
        offered.contains(&ALPN_ATTEST).then(|| self.0.clone())
    }
}

/// The client port: whatever a client offers; its leaf can be replaced while it serves.
pub struct ClientPort(ArcSwap<Ready>);

impl ClientPort {
    /// Presents `chain` (DER, leaf first), whose leaf is that of `key`.
    ///
    /// # Errors
    /// [`StartError::Bug`] if they do not belong together.
    pub fn new(chain: Vec<Vec<u8>>, key: &KeyMaterial) -> Result<Self, StartError> {
        Ok(Self(ArcSwap::from_pointee(ready(chain, key)?)))
    }

    /// Presents another chain from the next connection on.
    ///
    /// # Errors
    /// As [`ClientPort::new`]; the old one is kept then.
    pub fn replace(&self, chain: Vec<Vec<u8>>, key: &KeyMaterial) -> Result<(), StartError> {
        self.0.store(Arc::new(ready(chain, key)?));
        Ok(())
    }

    /// Without a mesh (state 1): a self-signed leaf.
    ///
    /// # Errors
    /// As [`ClientPort::new`].
    pub fn self_signed(keys: &AwsLcKeys, key: &KeyMaterial) -> Result<Self, StartError> {
        let der = self_signed(keys, key, "Stoa coordinator, in recovery")?;
        Self::new(vec![der.to_vec()], key)
    }
}

impl Answer for ClientPort {
    fn config(&self, _offered: &[&[u8]]) -> Option<Ready> {
        Some((**self.0.load()).clone())
    }
}

/// A fresh key for a leaf of this process.
///
/// # Errors
/// [`StartError::Bug`] if the crypto library fails.
pub fn generate(keys: &AwsLcKeys) -> Result<KeyMaterial, StartError> {
    keys.generate(KeyKind::EcdsaP256)
        .map_err(|error| StartError::Bug(error.to_string()))
}

fn ready(chain: Vec<Vec<u8>>, key: &KeyMaterial) -> Result<Ready, StartError> {
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let config = tls::client_config(Presented {
        chain,
        key: pkcs8(key),
    });
    Ok((
        config.map_err(|error| StartError::Bug(error.to_string()))?,
        key.spki.clone().into(),
    ))
}

fn pkcs8(key: &KeyMaterial) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.pkcs8.to_vec())
}

fn self_signed(
    keys: &AwsLcKeys,
    key: &KeyMaterial,
    common_name: &str,
) -> Result<CertificateDer<'static>, StartError> {
    let bug =
        |error: String| StartError::Bug(format!("a self-signed leaf could not be made: {error}"));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.serial_number = Some(crate::rng::OsRandom::array::<16>().to_vec().into());
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(Vec::new());
    let signer = keys.load(key).map_err(|error| bug(error.to_string()))?;
    let certificate = params
        .self_signed(&signer)
        .map_err(|error| bug(error.to_string()))?;
    Ok(certificate.der().clone())
}

//! TLS that follows renewals: every handshake takes the leaf and the roots of that moment.
//!
//! Connections that are open stay as they are. Does not live here: when to renew (`live`).

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DistinguishedName, Error, ServerConfig, SignatureScheme};

use crate::error::SdkError;
use crate::marble::Marble;
use crate::tls;

/// What handshakes take, behind one lock, so that leaf and roots are of one renewal.
pub(crate) struct Hot(RwLock<Arc<Now>>);

struct Now {
    leaf: Arc<CertifiedKey>,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Hot {
    pub(crate) fn new(marble: &Marble) -> Result<Self, SdkError> {
        Ok(Self(RwLock::new(Arc::new(Now::of(marble)?))))
    }

    /// From now on handshakes are this marble's.
    pub(crate) fn set(&self, marble: &Marble) -> Result<(), SdkError> {
        let next = Arc::new(Now::of(marble)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn now(&self) -> Arc<Now> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn client_config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, SdkError> {
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| tls::tls_bug(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Servers(Arc::clone(self))))
            .with_client_cert_resolver(Arc::new(Leaf(Arc::clone(self))));
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, SdkError> {
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| tls::tls_bug(&error))?
            .with_client_cert_verifier(Arc::new(Clients(Arc::clone(self))))
            .with_cert_resolver(Arc::new(Leaf(Arc::clone(self))));
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    pub(crate) fn public_server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, SdkError> {
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| tls::tls_bug(&error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Leaf(Arc::clone(self))));
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl Now {
    fn of(marble: &Marble) -> Result<Self, SdkError> {
        let provider = tls::provider();
        let roots = Arc::new(tls::roots(marble.trust())?);
        let key = PrivateKeyDer::Pkcs8(marble.key().private_der());
        let leaf = CertifiedKey::from_der(marble.chain().to_vec(), key, &provider)
            .map_err(|error| tls::tls_bug(&error))?;
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| tls::tls_bug(&error))?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| tls::tls_bug(&error))?;
        Ok(Self {
            leaf: Arc::new(leaf),
            servers,
            clients,
        })
    }
}

impl std::fmt::Debug for Hot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hot(<secret>)")
    }
}

#[derive(Debug)]
struct Leaf(Arc<Hot>);

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.now().leaf))
    }
}

impl ResolvesClientCert for Leaf {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.now().leaf))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Verifies servers as rustls does, under the roots of now.
#[derive(Debug)]
struct Servers(Arc<Hot>);

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let servers = Arc::clone(&self.0.now().servers);
        servers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    tls::handshake_signatures!();
}

/// Verifies clients as rustls does, under the roots of now. Names of roots are not sent: they may change.
#[derive(Debug)]
struct Clients(Arc<Hot>);

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let clients = Arc::clone(&self.0.now().clients);
        clients.verify_client_cert(end_entity, intermediates, now)
    }

    tls::handshake_signatures!();
}

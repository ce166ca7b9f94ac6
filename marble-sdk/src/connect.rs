//! One TLS connection to the mesh port, its facts taken once, and gRPC on exactly that connection.
//!
//! A channel that silently connected again would have another exporter value than the evidence names, so the connector
//! refuses a second call.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use stoa_attestation::channel::{EXPORTER_BYTES, EXPORTER_LABEL, TlsFacts};
use stoa_proto::mesh::mesh_client::MeshClient;
use stoa_proto::path::ALPN_ATTEST;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::SdkError;

/// Longest wait for TCP and TLS.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// What TLS says of the connection, before it is a [`TlsFacts`].
#[derive(Clone)]
struct Facts {
    exporter: [u8; EXPORTER_BYTES],
    server_spki: Vec<u8>,
}

/// Connects to `addr` (`host:port`). `client_spki` is the key of the certificate in `config`.
pub(crate) async fn connect(
    addr: &str,
    config: ClientConfig,
    client_spki: Vec<u8>,
) -> Result<(MeshClient<Channel>, TlsFacts), SdkError> {
    let unreachable = |cause: String| SdkError::Unreachable {
        addr: addr.to_owned(),
        cause,
    };
    let taken: Arc<OnceLock<Facts>> = Arc::default();
    let connector = {
        let (taken, config, addr) = (Arc::clone(&taken), Arc::new(config), addr.to_owned());
        tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let (taken, config, addr) = (Arc::clone(&taken), Arc::clone(&config), addr.clone());
            async move { handshake(&addr, config, &taken).await.map(TokioIo::new) }
        })
    };
    // The name is never looked up or verified: the connector knows the address, evidence says who answers.
    let endpoint =
        Endpoint::from_static("http://coordinator.mesh").connect_timeout(CONNECT_TIME_MAX);
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| unreachable(chain(&error)))?;
    let facts = taken
        .get()
        .cloned()
        .ok_or_else(|| unreachable("the handshake left no facts".to_owned()))?;
    let facts = TlsFacts {
        exporter: facts.exporter,
        server_spki: facts.server_spki,
        client_spki,
    };
    Ok((MeshClient::new(channel), facts))
}

async fn handshake(
    addr: &str,
    config: Arc<ClientConfig>,
    taken: &OnceLock<Facts>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, std::io::Error> {
    if taken.get().is_some() {
        return Err(std::io::Error::other(
            "a second connection would have another exporter value",
        ));
    }
    let tcp = TcpStream::connect(addr).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("coordinator.mesh").map_err(std::io::Error::other)?;
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    let (_, connection) = tls.get_ref();
    // A server that chooses no protocol is let through by TLS; it has not chosen ours (docs/protocol/attest-1.md, 2).
    if connection.alpn_protocol() != Some(ALPN_ATTEST) {
        return Err(std::io::Error::other(
            "the server did not choose the protocol stoa-attest/1",
        ));
    }
    let exporter = connection
        .export_keying_material([0u8; EXPORTER_BYTES], EXPORTER_LABEL, Some(&[]))
        .map_err(std::io::Error::other)?;
    let leaf = connection
        .peer_certificates()
        .and_then(|certificates| certificates.first())
        .ok_or_else(|| std::io::Error::other("the server showed no certificate"))?;
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(std::io::Error::other)?;
    let facts = Facts {
        exporter,
        server_spki: certificate.public_key().raw.to_vec(),
    };
    taken
        .set(facts)
        .map_err(|_| std::io::Error::other("two connections at once"))?;
    Ok(tls)
}

/// An error and all behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

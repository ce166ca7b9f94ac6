//! A Join by hand: an attacker with TLS and keys of its own sends whatever frames it wants, and knows all of its session.
//!
//! It has no marble's key and no TEE of its own; evidence is handed in by the test, which plays a host with an enclave.
//! Does not live here: what an honest marble does (`marble-sdk`).

use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use stoa_attestation::channel::{EXPORTER_BYTES, EXPORTER_LABEL, Frame, TlsFacts};
use stoa_coordinator::spki;
use stoa_proto::mesh as pb;
use stoa_proto::mesh::mesh_client::MeshClient;
use stoa_proto::path::{ALPN_ATTEST, ERROR_TRAILER};
use stoa_proto::wire::ErrorBody;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use crate::relay::{Fault, client_config_as, own_leaf};

/// A connection to the mesh port, before the Join.
pub struct Line {
    client: MeshClient<Channel>,
    /// What both sides know of the connection.
    pub tls: TlsFacts,
}

/// A Join under way.
pub struct Join {
    _client: MeshClient<Channel>,
    outgoing: mpsc::Sender<pb::Frame>,
    incoming: Streaming<pb::Frame>,
}

impl Line {
    /// Connects to the mesh port at `addr` under a new self-signed leaf.
    ///
    /// # Errors
    /// TLS or HTTP did not come about.
    pub async fn open(addr: &str) -> Result<Self, Fault> {
        let (chain, key) = own_leaf()?;
        Self::open_as(addr, chain, key).await
    }

    /// The same under a leaf that came from somewhere, with its key.
    ///
    /// # Errors
    /// TLS or HTTP did not come about.
    pub async fn open_as(
        addr: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Fault> {
        let client_spki = spki::of_certificate(&chain[0])?;
        let config = Arc::new(client_config_as(&[ALPN_ATTEST], chain, key)?);
        let taken: Arc<OnceLock<([u8; EXPORTER_BYTES], Vec<u8>)>> = Arc::default();
        let connector = {
            let (taken, addr) = (Arc::clone(&taken), addr.to_owned());
            tower::service_fn(move |_: http::Uri| {
                let (taken, config, addr) = (Arc::clone(&taken), Arc::clone(&config), addr.clone());
                async move { handshake(&addr, config, &taken).await.map(TokioIo::new) }
            })
        };
        let channel = Endpoint::from_static("http://coordinator.mesh")
            .connect_with_connector(connector)
            .await?;
        let (exporter, server_spki) = taken.get().cloned().ok_or("no facts were taken")?;
        Ok(Self {
            client: MeshClient::new(channel),
            tls: TlsFacts {
                exporter,
                server_spki,
                client_spki,
            },
        })
    }

    /// Begins a Join with this frame.
    ///
    /// # Errors
    /// [`Status`], whose code [`code`] reads.
    pub async fn join(mut self, first: Frame) -> Result<Join, Status> {
        let (outgoing, frames) = mpsc::channel(4);
        let _ = outgoing.send(wire(first)).await;
        let incoming = self.client.join(ReceiverStream::new(frames)).await?;
        Ok(Join {
            incoming: incoming.into_inner(),
            _client: self.client,
            outgoing,
        })
    }
}

impl Join {
    /// Sends a frame; that the other side hung up shows when its answer is read.
    pub async fn send(&self, frame: Frame) {
        let _ = self.outgoing.send(wire(frame)).await;
    }

    /// The next frame of the coordinator.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn receive(&mut self) -> Result<Frame, Status> {
        let frame = self.incoming.message().await?;
        let frame = frame.ok_or_else(|| Status::unavailable("the stream ended"))?;
        Frame::received(frame.r#type, frame.body)
            .map_err(|malformed| Status::internal(malformed.to_string()))
    }
}

/// The stable code of a refusal; the status' own words if it has none.
#[must_use]
pub fn code(status: &Status) -> String {
    let body = status.metadata().get_bin(ERROR_TRAILER);
    let body = body.and_then(|value| value.to_bytes().ok());
    body.and_then(|bytes| serde_json::from_slice::<ErrorBody>(&bytes).ok())
        .map_or_else(|| status.to_string(), |body| body.code)
}

/// A frame as it travels.
#[must_use]
pub fn wire(frame: Frame) -> pb::Frame {
    pb::Frame {
        r#type: frame.kind.number(),
        body: frame.body,
    }
}

async fn handshake(
    addr: &str,
    config: Arc<rustls::ClientConfig>,
    taken: &OnceLock<([u8; EXPORTER_BYTES], Vec<u8>)>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, std::io::Error> {
    let name = ServerName::try_from("coordinator.mesh").map_err(std::io::Error::other)?;
    let tcp = TcpStream::connect(addr).await?;
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    let (_, connection) = tls.get_ref();
    let exporter = connection
        .export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, Some(&[]))
        .map_err(std::io::Error::other)?;
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.ok_or_else(|| std::io::Error::other("no certificate"))?;
    let server_spki = spki::of_certificate(leaf).map_err(std::io::Error::other)?;
    let _ = taken.set((exporter, server_spki));
    Ok(tls)
}

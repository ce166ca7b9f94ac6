//! A false coordinator: TLS with a key of its own, and frames that a test wrote or recorded, or that it makes with a session
//! key that leaked.
//!
//! Does not live here: handing on live frames (`relay`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use stoa_attestation::channel::{
    EXPORTER_BYTES, EXPORTER_LABEL, Frame, FrameType, ServerHelloState, StateBytes, TlsFacts,
    key_id,
};
use stoa_coordinator::session::SessionKey;
use stoa_coordinator::spki;
use stoa_proto::mesh as pb;
use stoa_proto::mesh::mesh_server::{Mesh, MeshServer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::attacker::wire;
use crate::relay::{Fault, own_leaf, server_config_as};

/// What it answers a Join with.
#[derive(Clone)]
pub enum Script {
    /// Each frame of the marble, sent back.
    Echo,
    /// These frames, whatever the marble sends.
    Frames(Vec<pb::Frame>),
    /// Frames 2 and 3 as the protocol has them.
    Leaked(Arc<Leaked>),
}

/// A session key that got out, with its quote, and what a genuine coordinator said of itself.
pub struct Leaked {
    /// The key and its evidence.
    pub key: Arc<SessionKey>,
    /// To be said again; leaf and time are the impostor's.
    pub state: StateBytes,
    /// For the evidence.
    pub collateral: Vec<u8>,
    /// How many marbles sent it their evidence.
    pub convinced: AtomicUsize,
}

/// Listens and follows the script, as long as the runtime lives; speaks these protocols (ALPN), none if empty.
///
/// # Errors
/// If it can't listen or make its keys.
pub async fn start(script: Script, protocols: &[&[u8]]) -> Result<String, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?.to_string();
    let (chain, key) = own_leaf()?;
    let server_spki = Arc::new(spki::of_certificate(&chain[0])?);
    let config = server_config_as(protocols, chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, script) = (acceptor.clone(), script.clone());
            let server_spki = Arc::clone(&server_spki);
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let Ok(facts) = facts(&tls) else {
                    return;
                };
                let service = Scripted {
                    script,
                    facts,
                    server_spki,
                };
                let server = TowerToHyperService::new(MeshServer::new(service));
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), server)
                    .await;
            });
        }
    });
    Ok(addr)
}

/// What both sides know of the connection.
fn facts(tls: &TlsStream<TcpStream>) -> Result<Arc<Facts>, Fault> {
    let (_, connection) = tls.get_ref();
    let exporter =
        connection.export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, Some(&[]))?;
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let client_spki = leaf.map(|leaf| spki::of_certificate(leaf)).transpose()?;
    Ok(Arc::new(Facts {
        exporter,
        client_spki: client_spki.unwrap_or_default(),
    }))
}

struct Facts {
    exporter: [u8; EXPORTER_BYTES],
    client_spki: Vec<u8>,
}

#[derive(Clone)]
struct Scripted {
    script: Script,
    facts: Arc<Facts>,
    server_spki: Arc<Vec<u8>>,
}

impl Scripted {
    /// Frames 2 and 3 for this connection.
    fn played(&self, leaked: &Leaked, hello: &pb::Frame) -> Result<[pb::Frame; 2], Fault> {
        let tls = TlsFacts {
            exporter: self.facts.exporter,
            server_spki: self.server_spki.to_vec(),
            client_spki: self.facts.client_spki.clone(),
        };
        let frame_1 = Frame::received(hello.r#type, hello.body.clone())?;
        let kinds = [leaked.key.evidence.kind];
        let (server, two) = ServerHelloState::receive(tls, &frame_1, &kinds, [3; 32])?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let state = StateBytes {
            tls_leaf: key_id(&self.server_spki),
            time: now,
            ..leaked.state.clone()
        };
        let (unsigned, to_sign) =
            server.evidence_to_sign(&state, &leaked.key.evidence, &leaked.collateral)?;
        let (_, three) = unsigned.signed(leaked.key.sign(&to_sign)?)?;
        Ok([wire(two), wire(three)])
    }
}

#[tonic::async_trait]
impl Mesh for Scripted {
    type JoinStream = ReceiverStream<Result<pb::Frame, Status>>;

    async fn join(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let mut from_marble = request.into_inner();
        let (to_marble, answers) = mpsc::channel(4);
        let (scripted, script) = (self.clone(), self.script.clone());
        tokio::spawn(async move {
            if let Script::Frames(frames) = &script {
                for frame in frames {
                    let _ = to_marble.send(Ok(frame.clone())).await;
                }
            }
            while let Ok(Some(frame)) = from_marble.message().await {
                match &script {
                    Script::Echo => {
                        let _ = to_marble.send(Ok(frame)).await;
                    }
                    Script::Frames(_) => {}
                    Script::Leaked(leaked) if frame.r#type == FrameType::ClientHello.number() => {
                        for frame in scripted.played(leaked, &frame).into_iter().flatten() {
                            let _ = to_marble.send(Ok(frame)).await;
                        }
                    }
                    Script::Leaked(leaked) => {
                        leaked.convinced.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

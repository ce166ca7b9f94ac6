//! A false coordinator: TLS with a key of its own, and frames that a test wrote or recorded.
//!
//! Does not live here: handing on live frames (`relay`).

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use stoa_proto::mesh as pb;
use stoa_proto::mesh::mesh_server::{Mesh, MeshServer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::relay::{Fault, server_config};

/// What it answers a Join with.
#[derive(Clone)]
pub enum Script {
    /// Each frame of the marble, sent back.
    Echo,
    /// These frames, whatever the marble sends.
    Frames(Vec<pb::Frame>),
}

/// Listens and follows the script, as long as the runtime lives; speaks these protocols (ALPN), none if empty.
///
/// # Errors
/// If it can't listen or make its keys.
pub async fn start(script: Script, protocols: &[&[u8]]) -> Result<String, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?.to_string();
    let acceptor = TlsAcceptor::from(Arc::new(server_config(protocols)?));
    let service = Scripted(script);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
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

#[derive(Clone)]
struct Scripted(Script);

#[tonic::async_trait]
impl Mesh for Scripted {
    type JoinStream = ReceiverStream<Result<pb::Frame, Status>>;

    async fn join(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let mut from_marble = request.into_inner();
        let (to_marble, answers) = mpsc::channel(4);
        let script = self.0.clone();
        tokio::spawn(async move {
            if let Script::Frames(frames) = &script {
                for frame in frames {
                    let _ = to_marble.send(Ok(frame.clone())).await;
                }
            }
            while let Ok(Some(frame)) = from_marble.message().await {
                if let Script::Echo = &script {
                    let _ = to_marble.send(Ok(frame)).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

//! TCP and TLS of both ports: accept, handshake under limits, serve HTTP on the finished connection.
//!
//! Each wait and each count has a named limit. A failed handshake ends that connection and nothing else.
//! Does not live here: what is served (`rest`, `marble`).

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

use crate::connections::{Asking, Connection, Connections};

/// Longest handshake, from accept to finished.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// Most handshakes under way at once on one port; more wait in the kernel's queue.
pub const HANDSHAKES_MAX: usize = 256;
/// Most finished connections at once on one port; one more closes the oldest that asks nothing, or is closed itself.
pub const CONNECTIONS_MAX: usize = 1024;
/// Longest life of a connection of the mesh port: a Join takes 30 s at most.
pub const MESH_CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest life of a connection of the client port.
pub const CLIENT_CONNECTION_TIME_MAX: Duration = Duration::from_secs(300);
/// Longest wait for the first request of a connection, and for the head of any (HTTP/1.1).
pub const REQUEST_HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most streams of one HTTP/2 connection at once.
pub const STREAMS_MAX: u32 = 32;
/// Length of the exporter value, in bytes.
const EXPORTER_BYTES: usize = 48;
/// Label of the exporter (docs/protocol/attest-1.md, section 2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-stoa-attest-1";

/// What a handler knows of its connection, taken once after the handshake.
pub struct Session {
    /// The peer's address.
    pub peer: SocketAddr,
    /// The exporter value of this connection.
    pub exporter: [u8; EXPORTER_BYTES],
    /// The client's certificates, leaf first; empty if it sent none.
    pub client_chain: Vec<CertificateDer<'static>>,
    /// SPKI of the leaf that this connection was answered with.
    pub server_spki: Arc<[u8]>,
    joined: AtomicBool,
}

impl Session {
    /// DER of the client's leaf, if it sent one.
    #[must_use]
    pub fn client_leaf(&self) -> Option<&[u8]> {
        self.client_chain.first().map(AsRef::as_ref)
    }

    /// True the first time it is asked: a connection carries one Join.
    pub fn first_join(&self) -> bool {
        !self.joined.swap(true, Ordering::AcqRel)
    }
}

/// What a port answers a ClientHello with.
pub trait Answer: Send + Sync + 'static {
    /// The configuration and the SPKI of its leaf, or `None` for a fatal alert.
    fn config(&self, offered: &[&[u8]]) -> Option<(Arc<ServerConfig>, Arc<[u8]>)>;
}

/// Limits of one port.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest life of a connection.
    pub connection_time_max: Duration,
    /// Most finished connections at once.
    pub connections_max: usize,
}

/// Accepts until the task is dropped. `make` gives the service of one connection.
pub async fn serve<A, M, S, B>(listener: TcpListener, answer: Arc<A>, limits: Limits, make: M)
where
    A: Answer,
    M: Fn(Arc<Session>) -> S + Clone + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let connections = Connections::new(limits.connections_max);
    loop {
        // A permit before the accept: what can't be handled waits in the kernel, where it costs us nothing.
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(event = "connection.accept-failed", %error, "Accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (answer, make, connections) =
            (Arc::clone(&answer), make.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            let finished =
                tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake_with(tcp, peer, &*answer)).await;
            drop(handshake);
            let (tls, session) = match finished {
                Ok(Ok(done)) => done,
                Ok(Err(error)) => {
                    tracing::debug!(event = "connection.handshake-failed", %peer, error, "Handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(event = "connection.handshake-slow", %peer, "Handshake took too long");
                    return;
                }
            };
            let Some(place) = connections.enter() else {
                tracing::warn!(
                    event = "connection.refused",
                    %peer,
                    connections_max = limits.connections_max,
                    "Too many connections"
                );
                return;
            };
            let service = Counted {
                service: make(Arc::new(session)),
                connection: place.connection(),
            };
            tokio::select! {
                () = serve_http(tls, service) => {}
                () = tokio::time::sleep(limits.connection_time_max) => {
                    tracing::debug!(event = "connection.ended", %peer, "Connection reached its longest life");
                }
                () = place.unasked(REQUEST_HEAD_TIME_MAX) => {
                    tracing::debug!(event = "connection.ended", %peer, "Connection asked nothing");
                }
                () = place.needed() => {
                    tracing::debug!(event = "connection.ended", %peer, "Idle connection made room for another");
                }
            }
        });
    }
}

/// A service that says when it is asked, so that its connection is not taken for idle.
#[derive(Clone)]
struct Counted<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body + Unpin,
{
    type Response = Response<Answered<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let asking = self.connection.asking();
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| Answered {
                body,
                _asking: asking,
            }))
        })
    }
}

/// The body of an answer: until it is sent, or given up, its connection is being asked.
struct Answered<B> {
    body: B,
    _asking: Asking,
}

impl<B: Body + Unpin> Body for Answered<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn handshake_with(
    tcp: TcpStream,
    peer: SocketAddr,
    answer: &dyn Answer,
) -> Result<(TlsStream<TcpStream>, Session), String> {
    let _ = tcp.set_nodelay(true);
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp)
        .await
        .map_err(|e| e.to_string())?;
    let chosen = {
        let hello = start.client_hello();
        let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        answer.config(&offered)
    };
    let Some((config, server_spki)) = chosen else {
        return Err("the client offered no protocol that this port speaks".to_owned());
    };
    let tls = start.into_stream(config).await.map_err(|e| e.to_string())?;
    let session = facts(&tls, peer, server_spki)?;
    Ok((tls, session))
}

fn facts(
    tls: &TlsStream<TcpStream>,
    peer: SocketAddr,
    server_spki: Arc<[u8]>,
) -> Result<Session, String> {
    let (_, connection) = tls.get_ref();
    let exporter = connection
        .export_keying_material([0u8; EXPORTER_BYTES], EXPORTER_LABEL, Some(&[]))
        .map_err(|e| e.to_string())?;
    let client_chain = connection
        .peer_certificates()
        .map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect())
        .unwrap_or_default();
    Ok(Session {
        peer,
        exporter,
        client_chain,
        server_spki,
        joined: AtomicBool::new(false),
    })
}

async fn serve_http<S, B>(tls: TlsStream<TcpStream>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let service = TowerToHyperService::new(service);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_TIME_MAX)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(REQUEST_HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(16)
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    if let Err(error) = builder.serve_connection(TokioIo::new(tls), service).await {
        tracing::debug!(event = "connection.ended", %error, "Connection ended with an error");
    }
}

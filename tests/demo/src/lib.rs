//! What the demo's marbles have in common: their command line, becoming a marble, one server and one call over TLS.
//!
//! They are examples of the SDK's use, so everything here is as small as it can be and still has its limits.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it speaks for programs

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use marble_sdk::{Marble, MarbleConfig, Options, PeerIdentity, activate};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use stoa_explain::Explain;
use stoa_source::Tee;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Bytes of a body, in either direction.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 64;
/// Longest handshake, and longest call.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest life of a connection.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// An answer with all of its body.
pub type Answer = Response<Full<Bytes>>;

/// What ended a marble: a text for people, and its exit code.
#[derive(Debug)]
pub struct Failure {
    text: String,
    exit_code: u8,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    /// Wrong usage.
    #[must_use]
    pub fn usage(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, exit_code: 2 }
    }

    /// Something refused, or not there.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, exit_code: 1 }
    }

    /// Any error of the house, with its code and remedy.
    pub fn explained(error: &(dyn Explain + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text += &format!(": {inner}");
            cause = inner.source();
        }
        text += &format!("  [{}]", error.code());
        if let Some(remedy) = error.remedy() {
            text += &format!("\n  remedy  {remedy}");
        }
        Self::refused(text)
    }
}

/// Runs a marble to its end and turns that into the process's exit code.
pub fn run(marble: impl Future<Output = Result<(), Failure>>) -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(marble),
        Err(error) => Err(Failure::refused(error.to_string())),
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            std::process::ExitCode::from(failure.exit_code)
        }
    }
}

/// `--name value` pairs. What stands before `--tee` was measured; what stands behind it is the host's.
#[derive(Debug)]
pub struct Arguments {
    measured: BTreeMap<String, String>,
    host: BTreeMap<String, String>,
    tee: String,
}

impl Arguments {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// A text that is no `--name value` pair, a name that stands twice, or no `--tee`.
    pub fn read() -> Result<Self, Failure> {
        let (mut measured, mut host, mut tee) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let (Some(name), Some(value)) = (word.strip_prefix("--"), words.next()) else {
                return Err(Failure::usage(format!("`{word}`: write --name value")));
            };
            let part = if tee.is_some() {
                &mut host
            } else {
                &mut measured
            };
            let twice = match name {
                "tee" => tee.replace(value).is_some(),
                name => part.insert(name.to_owned(), value).is_some(),
            };
            if twice {
                return Err(Failure::usage(format!("--{name} stands twice")));
            }
        }
        let tee = tee.ok_or_else(|| Failure::usage("--tee TEE is missing"))?;
        Ok(Self {
            measured,
            host,
            tee,
        })
    }

    /// A value that the host may choose: an address.
    ///
    /// # Errors
    /// If it is missing.
    pub fn of_the_host(&self, name: &str) -> Result<&str, Failure> {
        let value = self.host.get(name).map(String::as_str);
        value.ok_or_else(|| Failure::usage(format!("--{name} is missing behind --tee")))
    }
}

/// Proves to the coordinator what this program is, and says so in one JSON line.
///
/// Whom to believe stands in the measured file that `--config` names; the environment says where to call.
///
/// # Errors
/// The file can't be read, the TEE can't be asked, or either side refused the other.
pub async fn become_marble(arguments: &Arguments) -> Result<Marble, Failure> {
    let started = Instant::now();
    let path = arguments
        .measured
        .get("config")
        .ok_or_else(|| Failure::usage("--config FILE is missing before --tee"))?;
    let file = std::fs::read(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    let config = MarbleConfig::parse(&file).map_err(|error| Failure::explained(&error))?;
    let source = Tee::open(&arguments.tee).map_err(|error| Failure::explained(&error))?;
    let options = Options {
        mesh_addr: std::env::var("STOA_MESH_ADDR").unwrap_or_else(|_| "localhost:2001".to_owned()),
        source: source.into(),
        instance: None,
    };
    let marble = activate(&config, &options).await.map_err(|error| Failure {
        exit_code: if error.is_worth_a_retry() { 3 } else { 1 },
        ..Failure::explained(&error)
    })?;
    let given = |name: &&String| !name.starts_with("MARBLE_PREDEFINED_");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    say(&json!({
        "event": "activated", "marble": marble.name(), "instance": hex::encode(marble.instance()),
        "elapsed_us": started.elapsed().as_micros(), "secrets": marble.env().keys().filter(given).count(),
        "files": marble.files().len(), "certificate_s": marble.not_after().saturating_sub(now),
    }));
    Ok(marble)
}

/// One JSON line on stdout.
pub fn say(event: &Value) {
    println!("{event}");
}

/// An answer in JSON.
#[must_use]
pub fn answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string() + "\n")));
    *answer.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    answer
}

/// Serves `handle` until SIGTERM. It is told which marble calls, if the configuration asked for a certificate.
///
/// # Errors
/// If the address can't be listened on.
pub async fn serve<H, A>(
    name: &str,
    addr: &str,
    config: Arc<ServerConfig>,
    handle: H,
) -> Result<(), Failure>
where
    H: Fn(Option<PeerIdentity>, Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let failed = |error: std::io::Error| Failure::refused(format!("{addr}: {error}"));
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound: SocketAddr = listener.local_addr().map_err(failed)?;
    say(&json!({"event": "listening", "listener": name, "addr": bound.to_string()}));
    let (acceptor, handle) = (TlsAcceptor::from(config), Arc::new(handle));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = term.recv() => return Ok(()),
        };
        let Ok((tcp, _)) = accepted else { continue };
        let (acceptor, handle) = (acceptor.clone(), Arc::clone(&handle));
        tokio::spawn(async move {
            let _place = place;
            // Whoever breaks off, is too slow or is no marble of this mesh gets no answer; nobody is waiting for one.
            let _ =
                tokio::time::timeout(CONNECTION_TIME_MAX, connection(tcp, acceptor, handle)).await;
        });
    }
}

async fn connection<H, A>(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    handle: Arc<H>,
) -> Result<(), Failure>
where
    H: Fn(Option<PeerIdentity>, Request<Bytes>) -> A,
    A: Future<Output = Answer>,
{
    let broken = |error: &dyn std::error::Error| Failure::refused(error.to_string());
    let handshake = tokio::time::timeout(WAIT_MAX, acceptor.accept(tcp)).await;
    let tls = handshake
        .map_err(|error| broken(&error))?
        .map_err(|error| broken(&error))?;
    let peer = match tls.get_ref().1.peer_certificates() {
        Some([leaf, ..]) => Some(PeerIdentity::of(leaf).map_err(|error| broken(&error))?),
        _ => None,
    };
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (handle, peer) = (Arc::clone(&handle), peer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let answer = match body {
                Ok(body) => handle(peer, Request::from_parts(head, body.to_bytes())).await,
                Err(error) => answer(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &json!({"error": error.to_string()}),
                ),
            };
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WAIT_MAX)
        .serve_connection(TokioIo::new(tls), service)
        .await
        .map_err(|error| broken(&error))
}

/// Calls the marble `name` at `addr` over mutual TLS. The host chose the address; the name is certified by the mesh.
///
/// # Errors
/// No connection, no certificate of this mesh for `name`, no answer in time, or a status that is no success.
pub async fn call(
    marble: &Marble,
    name: &str,
    addr: &str,
    request: Request<Full<Bytes>>,
) -> Result<Bytes, Failure> {
    let config = marble
        .client_config()
        .map_err(|error| Failure::explained(&error))?;
    let called = tokio::time::timeout(WAIT_MAX, async {
        let broken =
            |error: &dyn std::error::Error| Failure::refused(format!("{name} at {addr}: {error}"));
        let server = ServerName::try_from(name.to_owned()).map_err(|error| broken(&error))?;
        let tcp = TcpStream::connect(addr)
            .await
            .map_err(|error| broken(&error))?;
        let tls = TlsConnector::from(config)
            .connect(server, tcp)
            .await
            .map_err(|error| broken(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|error| broken(&error))?;
        let connection = tokio::spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX)
            .collect()
            .await;
        connection.abort();
        let body = body.map_err(|error| broken(&*error))?.to_bytes();
        match status.is_success() {
            true => Ok(body),
            false => Err(Failure::refused(format!(
                "{name} at {addr}: {status} {}",
                String::from_utf8_lossy(&body)
            ))),
        }
    });
    called.await.map_err(|_| {
        Failure::refused(format!(
            "{name} at {addr} did not answer within {WAIT_MAX:?}"
        ))
    })?
}

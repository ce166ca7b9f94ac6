//! Demo program that knows nothing of Stoa: a store of blobs in memory, behind mutual TLS.
//!
//! What it knows comes in files and environment variables, as any program takes it: `STORE_LISTEN` (an address),
//! `STORE_TLS` (a folder with cert.pem, key.pem, ca.pem), `STORE_CONF` (a file of `name = number` lines), `STORE_TOKEN`
//! (whoever shows it may read and write). The launcher makes it a marble.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Said at the start. The demo alters one byte of it in a copy of the program, which is then another program.
const ABOUT: &str = "stoa-demo: one byte of this text is as good as any other";
/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 64;
/// Longest handshake, and longest wait for a request's head.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest life of a connection.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error + Send + Sync>;

struct Store {
    token: Vec<u8>,
    blobs_max: usize,
    blob_bytes_max: usize,
    blobs: Mutex<BTreeMap<String, Bytes>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut term = signal(SignalKind::terminate())?;
    let store = Arc::new(Store::configured()?);
    let acceptor = TlsAcceptor::from(Arc::new(tls(Path::new(&variable("STORE_TLS")?))?));
    let listener = TcpListener::bind(variable("STORE_LISTEN")?).await?;
    say_listening(listener.local_addr()?);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await?;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = term.recv() => return Ok(()),
        };
        let Ok((tcp, _)) = accepted else { continue };
        let (acceptor, store) = (acceptor.clone(), Arc::clone(&store));
        tokio::spawn(async move {
            let _place = place;
            // Whoever breaks off or shows no certificate of the mesh gets no answer.
            let _ =
                tokio::time::timeout(CONNECTION_TIME_MAX, connection(tcp, acceptor, store)).await;
        });
    }
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| format!("{name}: {error}").into())
}

#[allow(clippy::print_stdout)] // a program's own output
fn say_listening(addr: SocketAddr) {
    println!(r#"{{"event":"listening","listener":"store","addr":"{addr}","about":"{ABOUT}"}}"#);
}

/// Mutual TLS 1.3 from PEM files.
fn tls(folder: &Path) -> Result<ServerConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(folder.join("ca.pem"))? {
        roots.add(root?)?;
    }
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(folder.join("cert.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?)
}

async fn connection(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    store: Arc<Store>,
) -> Result<(), Failure> {
    let tls = tokio::time::timeout(WAIT_MAX, acceptor.accept(tcp)).await??;
    let service = service_fn(|request| {
        let store = Arc::clone(&store);
        async move { Ok::<_, std::convert::Infallible>(store.answer(request).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WAIT_MAX)
        .serve_connection(TokioIo::new(tls), service)
        .await?;
    Ok(())
}

impl Store {
    fn configured() -> Result<Self, Failure> {
        let path = variable("STORE_CONF")?;
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let number = |name: &str| -> Result<usize, Failure> {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let value = pairs
                .filter(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim())
                .next();
            let value = value.ok_or_else(|| format!("{path} has no {name}"))?;
            value
                .parse()
                .map_err(|error| format!("{path}: {name}: {error}").into())
        };
        Ok(Self {
            token: variable("STORE_TOKEN")?.into_bytes(),
            blobs_max: number("blobs_max")?,
            blob_bytes_max: number("blob_bytes_max")?,
            blobs: Mutex::default(),
        })
    }

    /// `PUT /blobs/{name}` and `GET /blobs/{name}`.
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let shown = request
            .headers()
            .get(AUTHORIZATION)
            .map(|value| value.as_bytes());
        let token = shown
            .and_then(|value| value.strip_prefix(b"Bearer "))
            .unwrap_or_default();
        if aws_lc_rs::constant_time::verify_slices_are_equal(token, &self.token).is_err() {
            return status(StatusCode::UNAUTHORIZED);
        }
        let Some(name) = request
            .uri()
            .path()
            .strip_prefix("/blobs/")
            .map(str::to_owned)
        else {
            return status(StatusCode::NOT_FOUND);
        };
        match *request.method() {
            Method::GET => match self.blobs().get(&name) {
                Some(blob) => Response::new(Full::new(blob.clone())),
                None => status(StatusCode::NOT_FOUND),
            },
            Method::PUT => match Limited::new(request.into_body(), self.blob_bytes_max)
                .collect()
                .await
            {
                Ok(body) => self.put(name, body.to_bytes()),
                Err(_) => status(StatusCode::PAYLOAD_TOO_LARGE),
            },
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn put(&self, name: String, blob: Bytes) -> Response<Full<Bytes>> {
        let mut blobs = self.blobs();
        if blobs.len() >= self.blobs_max && !blobs.contains_key(&name) {
            return status(StatusCode::INSUFFICIENT_STORAGE);
        }
        blobs.insert(name, blob);
        status(StatusCode::NO_CONTENT)
    }

    fn blobs(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        // A blob is in or not; a panic elsewhere leaves nothing half done.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

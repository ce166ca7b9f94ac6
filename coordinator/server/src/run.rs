//! From configuration to serving, and the way out: the whole life of the process in one read.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stoa_attestation::Anchor;
use stoa_explain::Explain as _;
use stoa_mesh::KeyMaterial;
use stoa_proto::mesh::mesh_server::MeshServer;
use stoa_source::{Source, Tee};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tower::ServiceExt as _;

use crate::app::App;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::custody::Custody;
use crate::endorsements::Endorsements;
use crate::error::chain;
use crate::keys::AwsLcKeys;
use crate::listener::{
    self, CLIENT_CONNECTION_TIME_MAX, CONNECTIONS_MAX, Limits, MESH_CONNECTION_TIME_MAX,
};
use crate::marble::{JOINS_MAX, JoinService};
use crate::ports::{ClientPort, MeshPort, generate};
use crate::rate::Limiter;
use crate::recovering::{Recovering, SHARES_AT_ONCE_MAX};
use crate::rest::{RECOVER_RATE, REQUEST_RATE, STATEMENT_RATE};
use crate::session::{Sessions, Sharing};
use crate::start::{self, Opened, Start, StartError};
use crate::statement::StatementCache;
use crate::view::{Published, State, Window};
use crate::writer::Writer;
use crate::{upkeep, writer};

/// Longest wait for Joins in flight when the process is told to stop.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest message that gRPC takes before a frame's own limit is judged.
const GRPC_MESSAGE_BYTES_MAX: usize = 1280 * 1024;

/// Why [`run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// SIGTERM or SIGINT.
    Asked,
    /// The writer's thread ended by itself, which is a bug.
    WriterGone,
}

/// Serves until a signal comes. `listening` is called once for each port, when both are served.
///
/// When a recovery succeeds, the state is opened anew in this process, on the same ports: nothing of state 1 lives on.
///
/// # Errors
/// [`StartError`]: nothing was served, or not any more.
pub async fn run(
    config: &Config,
    listening: impl Fn(&str, SocketAddr),
) -> Result<Stopped, StartError> {
    if !config.insecure_trust_root.is_empty() && Tee::names_hardware(&config.tee) {
        return Err(insecure_root_on_hardware(config));
    }
    let source: Arc<dyn Source> = tee(config)?;
    let anchors = anchors(config, &*source)?;
    let mut ports = None;
    loop {
        match live(config, &source, &anchors, &mut ports, &listening).await? {
            Ended::Stopped(stopped) => return Ok(stopped),
            Ended::Recovered => tracing::info!(
                event = "state.recovered",
                "The state was recovered by shares and is opened anew"
            ),
        }
    }
}

/// Why a state is not served any more.
enum Ended {
    Stopped(Stopped),
    /// It was state 1, and the state can be opened now.
    Recovered,
}

/// From opening the state to its end.
async fn live(
    config: &Config,
    source: &Arc<dyn Source>,
    anchors: &[Anchor],
    ports: &mut Option<Ports>,
    listening: &impl Fn(&str, SocketAddr),
) -> Result<Ended, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = AwsLcKeys;
    let digest = start::switches(anchors)?.digest();
    let client_key = generate(&keys)?;
    let started = {
        let (config, source, clock, spki) = (
            config.clone(),
            Arc::clone(source),
            Arc::clone(&clock),
            client_key.spki.clone(),
        );
        let open = move || {
            start::open(
                &config.data,
                &source,
                &keys,
                &*clock,
                &config.dns_names,
                config.reset.as_deref(),
                &spki,
            )
        };
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| StartError::Bug("opening the state died".to_owned()))??
    };
    let (gone, writer_gone) = oneshot::channel();
    let state = match started {
        Start::Open(opened) => Served::open(*opened, &client_key, &clock, gone)?,
        Start::Recovery {
            reason,
            position,
            recovering,
        } => {
            tracing::error!(
                event = "state.in-recovery",
                reason,
                shares = recovering.is_some(),
                "The sealed state can't be opened here"
            );
            let published = Published {
                state: State::Recovery {
                    reason: reason.into(),
                },
                position,
            };
            Served {
                window: Window::new(published),
                writer: None,
                root_key_id: None,
                custody: None,
                recovering: recovering.map(|boxed| Arc::new(*boxed)),
                port: ClientPort::self_signed(&keys, &client_key)?,
                _no_writer: Some(gone),
            }
        }
    };

    let sessions = Arc::new(Sessions::new(
        Arc::clone(source),
        state.root_key_id,
        digest,
        Arc::clone(&clock),
    ));
    let floors = match &state.window.look().state {
        State::Open(view) => Arc::clone(view.collateral_floors()),
        State::Recovery { .. } => Arc::default(),
    };
    let endorsements = Endorsements::new(
        &config.sources(),
        anchors.to_vec(),
        &floors,
        Arc::clone(&clock),
    )?;
    let now = Instant::now();
    let app = Arc::new(App {
        window: state.window,
        writer: state.writer,
        custody: state.custody,
        recovering: state.recovering,
        sessions: Arc::clone(&sessions),
        endorsements: Arc::clone(&endorsements),
        keys,
        clock,
        root_key_id: state.root_key_id,
        statement_rate: Limiter::new(STATEMENT_RATE, now),
        recover_rate: Limiter::new(RECOVER_RATE, now),
        recovers: Arc::new(Semaphore::new(SHARES_AT_ONCE_MAX)),
        request_rate: Limiter::new(REQUEST_RATE, now),
        joins: Arc::new(Semaphore::new(JOINS_MAX)),
        statement_cache: StatementCache::default(),
        warnings: start::warnings(anchors),
    });
    prove_ourselves(&app).await;
    let ports = match ports {
        Some(ports) => ports,
        None => {
            let bound = Ports::bind(config)?;
            bound.tell(listening);
            ports.insert(bound)
        }
    };
    let mut serving = serve(config, &app, state.port, ports)?;
    serving.push(tokio::spawn(sessions.keep_fresh()));
    serving.push(tokio::spawn(endorsements.keep_fresh()));
    let stopped = tokio::select! {
        stopped = until_stopped(writer_gone) => Some(stopped),
        () = until_recovered(&app) => None,
    };
    serving.iter().for_each(tokio::task::JoinHandle::abort);
    drain(&app).await;
    let Some(stopped) = stopped else {
        return Ok(Ended::Recovered);
    };
    tracing::info!(event = "coordinator.stopped", reason = ?stopped, "Stopped");
    Ok(Ended::Stopped(stopped))
}

/// What a state that was opened, or could not be, is served with.
struct Served {
    window: Window,
    writer: Option<Writer>,
    root_key_id: Option<[u8; 32]>,
    custody: Option<Arc<Custody>>,
    recovering: Option<Arc<Recovering>>,
    port: ClientPort,
    /// In recovery there is no writer that could go.
    _no_writer: Option<oneshot::Sender<()>>,
}

impl Served {
    fn open(
        opened: Opened,
        client_key: &KeyMaterial,
        clock: &Arc<dyn Clock>,
        gone: oneshot::Sender<()>,
    ) -> Result<Self, StartError> {
        let window = Window::new(Published {
            state: State::Open(opened.sequencer.view()),
            position: opened.position(),
        });
        let port = ClientPort::new(opened.client_chain, client_key)?;
        let custody = Arc::new(opened.custody);
        let (writer, _thread) = writer::spawn(
            opened.journal,
            opened.sequencer,
            window.clone(),
            Arc::clone(&custody),
            Arc::clone(clock),
            gone,
        )
        .map_err(|error| StartError::Bug(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            window,
            writer: Some(writer),
            root_key_id: Some(opened.root_key_id),
            custody: Some(custody),
            recovering: None,
            port,
            _no_writer: None,
        })
    }
}

/// Ends when the last share needed was taken; never without shares. Whoever is still connected to state 1 hears that it
/// is over.
async fn until_recovered(app: &App) {
    let Some(recovering) = &app.recovering else {
        return std::future::pending().await;
    };
    recovering.recovered.notified().await;
    let position = app.window.look().position;
    app.window.publish(Published {
        state: State::Recovery {
            reason: "the state was recovered; connect again".into(),
        },
        position,
    });
}

/// One line as the command line says errors: what, why, what now.
#[must_use]
pub fn words(error: &StartError) -> String {
    let remedy = error
        .remedy()
        .map(|remedy| format!("\n  remedy  {remedy}"))
        .unwrap_or_default();
    format!("error: {}  [{}]{remedy}", chain(error), error.code())
}

fn tee(config: &Config) -> Result<Arc<dyn Source>, StartError> {
    let opened = Tee::open(&config.tee);
    opened.map(Arc::from).map_err(|error| StartError::Tee {
        what: "evidence",
        cause: chain(&error),
    })
}

/// The vendors' roots, and with the dangerous switch more; never those on hardware (I2).
fn anchors(config: &Config, source: &dyn Source) -> Result<Vec<Anchor>, StartError> {
    let mut anchors = Anchor::vendors();
    for path in &config.insecure_trust_root {
        if source.is_hardware() {
            return Err(insecure_root_on_hardware(config));
        }
        anchors.push(insecure_anchor(path)?);
    }
    Ok(anchors)
}

fn insecure_root_on_hardware(config: &Config) -> StartError {
    StartError::InsecureRootOnHardware {
        tee: config.tee.clone(),
    }
}

fn insecure_anchor(path: &Path) -> Result<Anchor, StartError> {
    let unusable = |cause: String| StartError::FileUnusable {
        what: "trust root",
        path: path.display().to_string(),
        cause,
    };
    let pem = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    Anchor::insecure_from_pem(&pem).map_err(|error| unusable(chain(&error)))
}

/// Makes own evidence once and judges it as a marble would, so that a wrong collateral service or root shows now and
/// not when the first marble comes. It is a warning, not a refusal: the service may come back.
async fn prove_ourselves(app: &App) {
    let proved = async {
        let key = app.sessions.key(Sharing::Shared).await?;
        app.endorsements
            .own(key.evidence.kind, &key.evidence.evidence)
            .await?;
        if let Some(writer) = &app.writer
            && let Err(crate::writer::NotDone::Edge(edge)) = app.endorsements.journal(writer).await
        {
            return Err(edge);
        }
        Ok::<_, crate::error::EdgeError>(())
    };
    if let Err(error) = proved.await {
        tracing::error!(
            event = "evidence.failed",
            error = chain(&error),
            "The coordinator can't prove itself yet; it tries again"
        );
    }
}

fn serve(
    config: &Config,
    app: &Arc<App>,
    port: ClientPort,
    ports: &Ports,
) -> Result<Vec<tokio::task::JoinHandle<()>>, StartError> {
    let (mesh, client) = (ports.mesh.listener()?, ports.client.listener()?);
    let port = Arc::new(port);
    let upkeep = tokio::spawn(upkeep::keep(
        Arc::clone(app),
        Arc::clone(&port),
        config.dns_names.clone(),
    ));

    let joins = Arc::clone(app);
    let make_join = move |session| {
        let service = JoinService {
            app: Arc::clone(&joins),
            session,
        };
        let server = MeshServer::new(service)
            .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(usize::MAX);
        server.map_request(|request: http::Request<hyper::body::Incoming>| {
            request.map(tonic::body::Body::new)
        })
    };
    let mesh_limits = Limits {
        connection_time_max: MESH_CONNECTION_TIME_MAX,
        connections_max: CONNECTIONS_MAX,
    };
    let mesh_port = Arc::new(MeshPort::new(&app.keys)?);
    let mesh = tokio::spawn(listener::serve(mesh, mesh_port, mesh_limits, make_join));

    let router = crate::rest::router(Arc::clone(app));
    let make_rest = move |session: Arc<listener::Session>| {
        let router = router.clone();
        router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Arc::clone(&session));
            request
        })
    };
    let client_limits = Limits {
        connection_time_max: CLIENT_CONNECTION_TIME_MAX,
        connections_max: CONNECTIONS_MAX,
    };
    let client = tokio::spawn(listener::serve(client, port, client_limits, make_rest));
    Ok(vec![mesh, client, upkeep])
}

/// Both ports. They stay bound from one state to the next, so that nobody is turned away between them.
struct Ports {
    mesh: Port,
    client: Port,
}

impl Ports {
    fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            mesh: Port::bind("mesh", config.mesh_addr)?,
            client: Port::bind("client", config.client_addr)?,
        })
    }

    fn tell(&self, listening: &impl Fn(&str, SocketAddr)) {
        for port in [&self.mesh, &self.client] {
            listening(port.name, port.addr);
        }
    }
}

/// A bound port.
struct Port {
    name: &'static str,
    addr: SocketAddr,
    socket: std::net::TcpListener,
}

impl Port {
    fn bind(name: &'static str, addr: SocketAddr) -> Result<Self, StartError> {
        let failed = |error| unavailable(name, addr, &error);
        let socket = std::net::TcpListener::bind(addr).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { name, addr, socket })
    }

    fn listener(&self) -> Result<TcpListener, StartError> {
        let cloned = self.socket.try_clone().and_then(TcpListener::from_std);
        cloned.map_err(|error| unavailable(self.name, self.addr, &error))
    }
}

fn unavailable(listener: &'static str, addr: SocketAddr, error: &std::io::Error) -> StartError {
    StartError::Port {
        listener,
        addr: addr.to_string(),
        cause: error.to_string(),
    }
}

async fn until_stopped(writer_gone: oneshot::Receiver<()>) -> Stopped {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        // Without signals it can still be killed, which loses nothing.
        let _ = writer_gone.await;
        return Stopped::WriterGone;
    };
    tokio::select! {
        _ = terminate.recv() => Stopped::Asked,
        _ = interrupt.recv() => Stopped::Asked,
        _ = writer_gone => Stopped::WriterGone,
    }
}

/// Waits for the Joins in flight: what they were promised is durable, but they want to hear it.
async fn drain(app: &App) {
    let all = app.joins.acquire_many(JOINS_MAX as u32);
    if tokio::time::timeout(DRAIN_TIME_MAX, all).await.is_err() {
        tracing::warn!(event = "coordinator.drain-slow", "Joins were cut off");
    }
}

//! REST on the client port, `/api/stoa/v1`: decode, ask, encode.
//!
//! Does not live here: rules (`mesh`), wire forms (`proto`), sockets (`listener`).

mod audit;
mod recover;
mod secrets;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Extension, Query, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand_core::CryptoRng;
use rustls::pki_types::UnixTime;
use sha2::{Digest as _, Sha256};
use stoa_attestation::channel::{NONCE_BYTES, key_id};
use stoa_explain::Explain;
use stoa_manifest::Manifest;
use stoa_mesh::denied::Denied;
use stoa_mesh::{Caller, Command, Keys, Outcome, Refusal, SetManifest, View};
use stoa_proto::status::blame;
use stoa_proto::{path, wire};

use crate::app::App;
use crate::error::{EdgeError, body};
use crate::listener::Session;
use crate::rate::{Limiter, Over, Rate};
use crate::view::{Published, State};
use crate::writer::{NotDone, Writer};

pub use recover::RECOVER_RATE;
pub use secrets::{SECRETS_ASKED_MAX, SECRETS_BYTES_MAX};
pub use update::UPDATE_TRIES_MAX;

/// Largest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = stoa_manifest::limits::MANIFEST_BYTES_MAX;
/// Longest wait for a whole request, and for its answer.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Statements a second.
pub const STATEMENT_RATE: Rate = Rate {
    per_address: 50,
    in_all: 500,
};
/// Other requests a second.
pub const REQUEST_RATE: Rate = Rate {
    per_address: 200,
    in_all: 2000,
};

/// The routes of the client port.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(path::STATEMENT, get(statement))
        .route(path::STATUS, get(status))
        .route(path::MANIFEST, get(manifest).post(set_manifest))
        .route(path::RECOVER, get(recover::asked).post(recover::share))
        .route(
            path::UPDATE,
            get(update::waiting)
                .post(update::agree)
                .delete(update::cancel),
        )
        .route(
            path::SECRETS,
            get(secrets::read)
                .post(secrets::set)
                .layer(DefaultBodyLimit::max(SECRETS_BYTES_MAX)),
        )
        .route(path::AUDIT, get(audit::read))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MANIFEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// What every request gets: an id, a rate, a deadline, and no caching.
async fn guard(
    Shared(app): Shared<Arc<App>>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let id = RequestId::next();
    let session = request.extensions().get::<Arc<Session>>().cloned();
    let peer = session.as_ref().map(|session| session.peer);
    let limiter = match request.uri().path() {
        path::STATEMENT => &app.statement_rate,
        path::RECOVER => &app.recover_rate,
        _ => &app.request_rate,
    };
    let limited = peer.map_or(Ok(()), |peer| within(limiter, peer));
    let (method, uri) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let mut response = match limited {
        Err(error) => ApiError::from(error).into_response(),
        Ok(()) => match tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let limit_s = REQUEST_TIME_MAX.as_secs();
                ApiError::from(EdgeError::TooSlow {
                    what: "the request",
                    limit_s,
                })
                .into_response()
            }
        },
    };
    // The id is known here only, so the body is finished here.
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        note_denied(&app, session.as_deref(), format!("{method} {uri}"), &error);
        response = error.finished(&id);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    tracing::debug!(
        event = "request.answered",
        %method,
        path = uri,
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = id.0,
        "Request answered"
    );
    response
}

/// Remembers for auditors who was refused because of who they are.
fn note_denied(app: &App, session: Option<&Session>, what: String, error: &ApiError) {
    if !matches!(error.code, "user-unknown" | "not-permitted") {
        return;
    }
    if let State::Open(view) = &app.window.look().state {
        view.note_denied(Denied {
            time: app.clock.now().as_secs(),
            certificate: session.and_then(|session| caller(session).certificate),
            what,
            code: error.code,
            reason: error.message.clone(),
        });
    }
}

fn within(limiter: &Limiter, peer: SocketAddr) -> Result<(), EdgeError> {
    limiter.take(peer.ip(), Instant::now()).map_err(|over| {
        let (limit, scope) = match over {
            Over::Address => (limiter.rate().per_address, "a second from one address"),
            Over::All => (limiter.rate().in_all, "a second in all"),
        };
        EdgeError::TooManyRequests {
            what: "this route",
            limit,
            scope,
        }
    })
}

#[derive(serde::Deserialize)]
struct StatementQuery {
    nonce: String,
}

/// `GET /api/stoa/v1/statement?nonce=`: see docs/protocol/attest-1.md, section 7.
async fn statement(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    query: Result<Query<StatementQuery>, QueryRejection>,
) -> Result<Json<wire::Statement>, ApiError> {
    let wanted = || "32 bytes as base64url without padding (43 characters), once".to_owned();
    let invalid = |got: String| EdgeError::RequestInvalid {
        what: "the query's nonce",
        got,
        wanted: wanted(),
    };
    let Query(StatementQuery { nonce }) =
        query.map_err(|error| invalid(format!("unreadable ({error})")))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(&nonce)
        .map_err(|error| invalid(format!("unreadable ({error})")))?;
    let nonce: [u8; NONCE_BYTES] = bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| invalid(format!("{} bytes long", bytes.len())))?;
    Ok(Json(
        crate::status::statement(&app, &nonce, key_id(&session.server_spki)).await?,
    ))
}

/// `GET /api/stoa/v1/status`: for operators and probes; not signed.
async fn status(Shared(app): Shared<Arc<App>>) -> Json<wire::Status> {
    Json(crate::status::report(&app))
}

/// `GET /api/stoa/v1/manifest`: the manifest in force, byte for byte.
async fn manifest(Shared(app): Shared<Arc<App>>) -> Result<Json<wire::ManifestInForce>, ApiError> {
    let published = app.window.look();
    let view = open(&published)?;
    let manifest = view.manifest().ok_or(EdgeError::ManifestNotSet)?;
    Ok(Json(wire::ManifestInForce {
        manifest_sha256: hex::encode(manifest.sha256()),
        epoch: view.epoch(),
        manifest: STANDARD.encode(manifest.bytes()),
    }))
}

/// `POST /api/stoa/v1/manifest`: the first manifest. Body: its bytes as the deployer hashes them.
async fn set_manifest(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<wire::ManifestSet>, ApiError> {
    if let Some(answer) = recover::told_again(&app, &bytes).await? {
        return Ok(Json(answer));
    }
    let (writer, manifest) = posted(&app, bytes, SetManifest::may).await?;
    let warnings = crate::status::warnings_of(&manifest);
    let posted = manifest.clone();
    let caller = caller(&session);
    let prepared = prepared(&app, move |view, keys, now, rng| {
        SetManifest::prepare(view, manifest, caller, keys, now, rng)
    })
    .await?;
    // Before it is in force, so that a key which can't be used is found in time.
    let recovery = recover::shares(&app, &posted).await?;
    match writer.submit(Command::SetManifest(prepared)).await? {
        Outcome::ManifestSet {
            sha256,
            epoch,
            marbles,
        } => {
            let manifest_sha256 = hex::encode(sha256);
            tracing::info!(
                event = "manifest.set",
                manifest_sha256,
                epoch,
                "Manifest set"
            );
            Ok(Json(wire::ManifestSet {
                manifest_sha256,
                epoch,
                marbles,
                warnings,
                recovery,
            }))
        }
        other => {
            Err(EdgeError::Bug(format!("the manifest's command had the outcome {other:?}")).into())
        }
    }
}

/// A manifest that was posted, and who could bring it into force. It is read only if it is within its limit and `may`
/// allows it, and not on the threads that serve connections.
async fn posted(
    app: &App,
    bytes: Result<Bytes, BytesRejection>,
    may: impl FnOnce(&View) -> Result<(), Refusal>,
) -> Result<(Writer, Manifest), ApiError> {
    let bytes = bytes.map_err(|_| EdgeError::TooLarge {
        what: "the manifest",
        limit: MANIFEST_BYTES_MAX,
    })?;
    let writer = app.writer()?.clone();
    may(open(&app.window.look())?)?;
    let read = tokio::task::spawn_blocking(move || Manifest::parse(&bytes));
    let died = |_| EdgeError::Bug("the task that reads a manifest died".to_owned());
    Ok((writer, read.await.map_err(died)??))
}

/// The state, if it can be read here.
fn open(published: &Published) -> Result<&View, EdgeError> {
    match &published.state {
        State::Open(view) => Ok(view),
        State::Recovery { reason } => Err(EdgeError::InRecovery {
            reason: reason.to_string(),
        }),
    }
}

/// Who asks: the client certificate, whose key the handshake proved.
fn caller(session: &Session) -> Caller {
    Caller {
        certificate: session.client_leaf().map(|der| Sha256::digest(der).into()),
    }
}

/// Makes the keys and secrets that a command asks for; not on the threads that serve connections.
async fn prepared<T: Send + 'static>(
    app: &Arc<App>,
    prepare: impl FnOnce(&View, &dyn Keys, UnixTime, &mut dyn CryptoRng) -> Result<T, Refusal>
    + Send
    + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(app);
    let work = move || {
        let published = app.window.look();
        let view = open(&published)?;
        let now = app.now()?;
        prepare(view, &app.keys, now, &mut crate::rng::OsRandom).map_err(ApiError::from)
    };
    let died = |_| EdgeError::Bug("the task that prepares a command died".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(died)?
}

async fn unknown_path(uri: Uri) -> ApiError {
    EdgeError::PathUnknown {
        path: uri.path().chars().take(200).collect(),
    }
    .into()
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    EdgeError::MethodNotAllowed {
        path: uri.path().to_owned(),
        method: method.to_string(),
    }
    .into()
}

/// Identifies a request in answer and log.
#[derive(Clone)]
struct RequestId(String);

impl RequestId {
    fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let start: [u8; 4] = *PROCESS.get_or_init(crate::rng::OsRandom::array);
        Self(format!(
            "{}-{}",
            hex::encode(start),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ))
    }
}

/// Random for each process, so that ids of two runs differ.
static PROCESS: std::sync::OnceLock<[u8; 4]> = std::sync::OnceLock::new();

/// Any error on its way out.
#[derive(Clone)]
struct ApiError {
    code: &'static str,
    message: String,
    remedy: Option<String>,
    fields: Vec<wire::ErrorField>,
    retry_after: Option<Duration>,
}

impl ApiError {
    fn of(
        error: &dyn Explain,
        fields: Vec<wire::ErrorField>,
        retry_after: Option<Duration>,
    ) -> Self {
        let wire::ErrorBody {
            message,
            remedy,
            fields,
            ..
        } = body(error, fields, retry_after, "");
        Self {
            code: error.code(),
            message,
            remedy,
            fields,
            retry_after,
        }
    }

    fn finished(&self, id: &RequestId) -> Response {
        let status = StatusCode::from_u16(blame(self.code).http())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = wire::ErrorBody {
            code: self.code.to_owned(),
            message: self.message.clone(),
            remedy: self.remedy.clone(),
            fields: self.fields.clone(),
            retry_after_s: self.retry_after.map(|d| d.as_secs()),
            request_id: id.0.clone(),
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(after) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<EdgeError> for ApiError {
    fn from(error: EdgeError) -> Self {
        let retry_after = error.retry_after();
        Self::of(&error, Vec::new(), retry_after)
    }
}

impl From<stoa_mesh::Refusal> for ApiError {
    fn from(error: stoa_mesh::Refusal) -> Self {
        Self::of(&error, Vec::new(), None)
    }
}

impl From<NotDone> for ApiError {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Refused(refusal) => refusal.into(),
            NotDone::Edge(edge) => edge.into(),
        }
    }
}

impl From<stoa_manifest::Faults> for ApiError {
    fn from(error: stoa_manifest::Faults) -> Self {
        let fields = error
            .faults()
            .iter()
            .map(|fault| wire::ErrorField {
                path: fault.path.clone(),
                cause: fault.cause.clone(),
            })
            .collect();
        Self::of(&error, fields, None)
    }
}

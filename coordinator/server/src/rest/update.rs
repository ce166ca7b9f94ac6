//! `/api/stoa/v1/update`: users agree to another manifest, look at the one that waits, take it back.
//!
//! Does not live here: who may and what follows (`mesh`).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Query, State as Shared};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stoa_mesh::{Cancel, Command, Outcome, Update};
use stoa_proto::wire;

use super::{ApiError, caller, open, posted, prepared, recover};
use crate::app::App;
use crate::error::EdgeError;
use crate::listener::Session;

/// How often an update is prepared anew because another one came into force meanwhile.
pub const UPDATE_TRIES_MAX: usize = 3;

/// `POST /api/stoa/v1/update`: a user's yes to a manifest. Body: its bytes.
pub(super) async fn agree(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<wire::UpdateAgreed>, ApiError> {
    let caller = caller(&session);
    let (writer, manifest) = posted(&app, bytes, |view| Update::may(view, &caller)).await?;
    let warnings = crate::status::warnings_of(&manifest);
    let mut tries = 1;
    let (recovery, outcome) = loop {
        let posted = &manifest;
        let manifest = manifest.clone();
        let update = prepared(&app, move |view, keys, now, rng| {
            Update::prepare(view, manifest, caller, keys, now, rng)
        })
        .await?;
        let recovery = recover::new_shares(&app, posted).await?;
        match writer.submit(Command::Update(update)).await {
            Err(error) if error.is_epoch_moved() && tries < UPDATE_TRIES_MAX => tries += 1,
            other => break (recovery, other?),
        }
    };
    let manifest_sha256 = hex::encode(manifest.sha256());
    match outcome {
        Outcome::ManifestSet { epoch, .. } => {
            tracing::info!(
                event = "manifest.updated",
                manifest_sha256,
                epoch,
                "Manifest updated"
            );
            Ok(Json(wire::UpdateAgreed {
                manifest_sha256,
                in_force: true,
                epoch,
                agreed: Vec::new(),
                may_agree: Vec::new(),
                needed: 0,
                warnings,
                recovery,
            }))
        }
        Outcome::UpdateWaits(waiting) => {
            let agreed = waiting.agreed.len();
            tracing::info!(
                event = "manifest.agreed",
                manifest_sha256,
                agreed,
                needed = waiting.needed,
                "A user agreed to a manifest"
            );
            Ok(Json(wire::UpdateAgreed {
                manifest_sha256,
                in_force: false,
                epoch: waiting.epoch,
                agreed: waiting.agreed,
                may_agree: waiting.may_agree,
                needed: waiting.needed as u64,
                warnings,
                recovery: None,
            }))
        }
        other => Err(EdgeError::Bug(format!("an update had the outcome {other:?}")).into()),
    }
}

/// `GET /api/stoa/v1/update`: the manifest that waits, and who agreed.
pub(super) async fn waiting(
    Shared(app): Shared<Arc<App>>,
) -> Result<Json<wire::UpdateWaiting>, ApiError> {
    let published = app.window.look();
    let view = open(&published)?;
    let waiting = view.waiting_update().ok_or(EdgeError::NoUpdateWaits)?;
    Ok(Json(wire::UpdateWaiting {
        manifest_sha256: hex::encode(waiting.manifest.sha256()),
        since: waiting.since,
        epoch: waiting.epoch,
        agreed: waiting.agreed,
        may_agree: waiting.may_agree,
        needed: waiting.needed as u64,
        manifest: STANDARD.encode(waiting.manifest.bytes()),
    }))
}

#[derive(serde::Deserialize)]
pub(super) struct CancelQuery {
    manifest_sha256: String,
}

/// `DELETE /api/stoa/v1/update?manifest_sha256=`: takes back the update that waits, if it is that one.
pub(super) async fn cancel(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    query: Result<Query<CancelQuery>, QueryRejection>,
) -> Result<Json<wire::UpdateCancelled>, ApiError> {
    let invalid = |got: String| EdgeError::RequestInvalid {
        what: "the query's manifest_sha256",
        got,
        wanted: "64 hex digits, once".to_owned(),
    };
    let Query(CancelQuery { manifest_sha256 }) =
        query.map_err(|error| invalid(format!("unreadable ({error})")))?;
    let mut digest = [0; 32];
    hex::decode_to_slice(&manifest_sha256, &mut digest)
        .map_err(|error| invalid(format!("unreadable ({error})")))?;
    let cancel = Cancel {
        manifest_sha256: digest,
        caller: caller(&session),
    };
    app.writer()?.submit(Command::Cancel(cancel)).await?;
    let manifest_sha256 = hex::encode(digest);
    tracing::info!(
        event = "manifest.cancelled",
        manifest_sha256,
        "An update was taken back"
    );
    Ok(Json(wire::UpdateCancelled { manifest_sha256 }))
}

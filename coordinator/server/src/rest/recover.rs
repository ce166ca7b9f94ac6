//! `/api/stoa/v1/recover`: which mesh asks for which shares, and shares in; and shares out, with a manifest.
//!
//! Does not live here: which shares are right and what follows (`recovering`), what shares are made of (`custody`).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::extract::rejection::BytesRejection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use stoa_manifest::Manifest;
use stoa_proto::wire;

use super::{ApiError, open};
use crate::app::App;
use crate::custody::told_again_of;
use crate::error::EdgeError;
use crate::rate::Rate;
use crate::recovering::{NotRecovered, Recovering, SHARE_BODY_BYTES_MAX, SHARES_AT_ONCE_MAX};
use crate::view::State;

/// Requests about shares a second: each costs an RSA decryption.
pub const RECOVER_RATE: Rate = Rate {
    per_address: 10,
    in_all: 100,
};

/// `GET /api/stoa/v1/recover`: who asks, and the key to encrypt a share for.
pub(super) async fn asked(
    Shared(app): Shared<Arc<App>>,
) -> Result<Json<wire::RecoveryAsked>, ApiError> {
    Ok(Json(recovering(&app)?.asked()))
}

/// `POST /api/stoa/v1/recover`: a share, encrypted and signed.
pub(super) async fn share(
    Shared(app): Shared<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<wire::ShareTaken>, ApiError> {
    let too_large = || EdgeError::TooLarge {
        what: "a share",
        limit: SHARE_BODY_BYTES_MAX,
    };
    let body = body.map_err(|_| too_large())?;
    if body.len() > SHARE_BODY_BYTES_MAX {
        return Err(too_large().into());
    }
    let recovering = Arc::clone(recovering(&app)?);
    let (share, signature) = decoded(&body)?;
    let place = Arc::clone(&app.recovers).try_acquire_owned();
    let place = place.map_err(|_| EdgeError::TooManyRequests {
        what: "shares",
        limit: SHARES_AT_ONCE_MAX as u32,
        scope: "at once",
    })?;
    let work = move || {
        let taken = recovering.offer(&share, &signature);
        drop(place);
        taken
    };
    let died = |_| EdgeError::Bug("the task that takes a share died".to_owned());
    let taken = tokio::task::spawn_blocking(work).await.map_err(died)?;
    Ok(Json(taken.inspect_err(|error| {
        let code = stoa_explain::Explain::code(error);
        tracing::warn!(
            event = "recovery.share-refused",
            code,
            error = crate::error::chain(error),
            "A recovery share was refused"
        );
    })?))
}

/// The shares of a manifest that may come into force now; `None` if it has no recovery keys.
pub(super) async fn shares(
    app: &Arc<App>,
    manifest: &Manifest,
) -> Result<Option<wire::RecoveryShares>, ApiError> {
    if manifest.recovery_keys().is_empty() {
        return Ok(None);
    }
    let Some(custody) = app.custody.clone() else {
        return Ok(None);
    };
    let manifest = manifest.clone();
    let died = |_| EdgeError::Bug("the task that makes shares died".to_owned());
    let made = tokio::task::spawn_blocking(move || custody.shares(&manifest));
    Ok(made.await.map_err(died)??)
}

/// The same for an update: only if the manifest in force has no recovery keys, else their holders have theirs.
pub(super) async fn new_shares(
    app: &Arc<App>,
    manifest: &Manifest,
) -> Result<Option<wire::RecoveryShares>, ApiError> {
    let none_yet = open(&app.window.look())?
        .manifest()
        .is_some_and(|in_force| in_force.recovery_keys().is_empty());
    if none_yet {
        shares(app, manifest).await
    } else {
        Ok(None)
    }
}

/// The answer once more to whoever posts a manifest with recovery keys that came into force a moment ago.
pub(super) async fn told_again(
    app: &Arc<App>,
    bytes: &Result<Bytes, BytesRejection>,
) -> Result<Option<wire::ManifestSet>, ApiError> {
    let Ok(bytes) = bytes else {
        return Ok(None);
    };
    let (manifest, epoch) = {
        let published = app.window.look();
        let view = open(&published)?;
        let sha256 = Sha256::digest(bytes).into();
        match told_again_of(view, &sha256, app.clock.now().as_secs()) {
            Some(manifest) => (Arc::clone(manifest), view.epoch()),
            None => return Ok(None),
        }
    };
    Ok(Some(wire::ManifestSet {
        manifest_sha256: hex::encode(manifest.sha256()),
        epoch,
        marbles: manifest.marbles().keys().cloned().collect(),
        warnings: crate::status::warnings_of(&manifest),
        recovery: shares(app, &manifest).await?,
    }))
}

fn recovering(app: &App) -> Result<&Arc<Recovering>, ApiError> {
    let none = || match &app.window.look().state {
        State::Open(_) => NotRecovered::NotInRecovery,
        State::Recovery { .. } => NotRecovered::NoRecoveryData,
    };
    app.recovering.as_ref().ok_or_else(|| none().into())
}

/// Share and signature out of the body.
fn decoded(body: &[u8]) -> Result<(Vec<u8>, Vec<u8>), EdgeError> {
    let invalid = |what: &'static str, got: String| EdgeError::RequestInvalid {
        what,
        got,
        wanted: "base64 (RFC 4648 section 4, padded)".to_owned(),
    };
    let given: wire::ShareGiven =
        serde_json::from_slice(body).map_err(|error| EdgeError::RequestInvalid {
            what: "the body",
            got: format!(
                "unreadable (line {}, column {})",
                error.line(),
                error.column()
            ),
            wanted: "a JSON object with `share` and `signature`".to_owned(),
        })?;
    let bytes = |what, text: &str| {
        let unreadable = |error| invalid(what, format!("unreadable ({error})"));
        STANDARD.decode(text).map_err(unreadable)
    };
    Ok((
        bytes("`share`", &given.share)?,
        bytes("`signature`", &given.signature)?,
    ))
}

impl From<NotRecovered> for ApiError {
    fn from(error: NotRecovered) -> Self {
        Self::of(&error, Vec::new(), None)
    }
}

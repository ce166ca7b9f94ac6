//! The statement: what a client verifies once to know the whole deployment.
//!
//! Format: docs/protocol/attest-1.md, section 7. The body but for nonce, time and state is kept for as long as state
//! and session key stay the same, so that a request costs one hash and one signature.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::UnixTime;
use stoa_attestation::channel::{NONCE_BYTES, statement_signature_input};
use stoa_mesh::Refused;
use stoa_proto::wire::{
    MarbleCount, Statement, StatementBody, StatementRefusal, StatementTransition,
};

use crate::app::App;
use crate::endorsements::Endorsement;
use crate::error::EdgeError;
use crate::session::{SessionKey, Sharing};
use crate::view::{Published, State};

/// The statement for `nonce`, signed now, for a connection whose leaf has `tls_leaf` as key id.
///
/// # Errors
/// [`EdgeError::EvidenceUnavailable`] without evidence or collateral of our own.
pub async fn make(
    app: &App,
    nonce: &[u8; NONCE_BYTES],
    tls_leaf: [u8; 32],
) -> Result<Statement, EdgeError> {
    let key = app.sessions.key(Sharing::Shared).await?;
    let collateral = app
        .endorsements
        .own(key.evidence.kind, &key.evidence.evidence)
        .await?;
    let published = app.window.look();
    let kept = app
        .statement_cache
        .body(&published, &key, &collateral, app.clock.now());
    let state = app.state_bytes(&published, tls_leaf)?;
    let body = StatementBody {
        nonce: STANDARD.encode(nonce),
        time: state.time,
        state: STANDARD.encode(state.encode()),
        ..(*kept).clone()
    };
    let body = serde_json::to_vec(&body)
        .map_err(|error| EdgeError::Bug(format!("the statement could not be written: {error}")))?;
    let signature = key.sign(&statement_signature_input(nonce, &state, &body))?;
    Ok(Statement {
        body: STANDARD.encode(body),
        signature: STANDARD.encode(signature),
    })
}

/// What was built last, and from what.
#[derive(Default)]
pub struct StatementCache(Mutex<Option<Kept>>);

struct Kept {
    published: Arc<Published>,
    key: Arc<SessionKey>,
    collateral: Arc<Endorsement>,
    refused: Vec<Refused>,
    /// Nonce, time and state are empty.
    body: Arc<StatementBody>,
}

impl StatementCache {
    fn body(
        &self,
        published: &Arc<Published>,
        key: &Arc<SessionKey>,
        collateral: &Arc<Endorsement>,
        now: UnixTime,
    ) -> Arc<StatementBody> {
        let refused = refused(&published.state);
        if let Some(kept) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && Arc::ptr_eq(&kept.published, published)
            && Arc::ptr_eq(&kept.key, key)
            && Arc::ptr_eq(&kept.collateral, collateral)
            && kept.refused == refused
        {
            return Arc::clone(&kept.body);
        }
        let body = Arc::new(body(&published.state, key, collateral, &refused, now));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept {
            published: Arc::clone(published),
            key: Arc::clone(key),
            collateral: Arc::clone(collateral),
            refused,
            body: Arc::clone(&body),
        });
        body
    }
}

/// The last refusals of an open state.
fn refused(state: &State) -> Vec<Refused> {
    match state {
        State::Open(view) => view.refused(),
        State::Recovery { .. } => Vec::new(),
    }
}

fn body(
    state: &State,
    key: &SessionKey,
    collateral: &Endorsement,
    refused: &[Refused],
    now: UnixTime,
) -> StatementBody {
    let evidence = &key.evidence;
    let mut body = StatementBody {
        nonce: String::new(),
        kind: evidence.kind.number(),
        quoted_at: evidence.quoted_at,
        time: 0,
        evidence: STANDARD.encode(&evidence.evidence),
        collateral: STANDARD.encode(collateral.json()),
        session_key: STANDARD.encode(&evidence.spki),
        state: String::new(),
        manifest: String::new(),
        chain: Vec::new(),
        history: Vec::new(),
        marbles: Vec::new(),
        refused: refused.iter().map(refusal).collect(),
        legacy: None,
    };
    if let State::Open(view) = state {
        body.manifest = view
            .manifest()
            .map(|m| STANDARD.encode(m.bytes()))
            .unwrap_or_default();
        body.chain = view
            .chain()
            .iter()
            .map(|der| STANDARD.encode(der))
            .collect();
        body.history = view.history().iter().map(transition).collect();
        body.marbles = counts(view, now);
    }
    body
}

/// Live identities of each marble of the manifest.
pub fn counts(view: &stoa_mesh::View, now: UnixTime) -> Vec<MarbleCount> {
    let count = |status: stoa_mesh::MarbleStatus| MarbleCount {
        marble_type: status.marble,
        live: status.live,
        budget: status.budget,
    };
    view.marbles(now).into_iter().map(count).collect()
}

fn refusal(refused: &Refused) -> StatementRefusal {
    StatementRefusal {
        code: refused.code.to_owned(),
        marble_type: refused.marble.clone(),
        time: refused.time,
    }
}

fn transition(entry: &stoa_attestation::channel::Transition) -> StatementTransition {
    StatementTransition {
        manifest_sha256: hex::encode(entry.manifest_sha256),
        epoch: entry.epoch,
        time: entry.time,
    }
}

//! The statement: what a client verifies once to know the whole deployment.
//!
//! Format: docs/protocol/attest-1.md, section 7. The body but for nonce, time, state and recovery is kept for as long as state
//! and session key stay the same, so that a request costs one hash and one signature.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::UnixTime;
use stoa_collateral::Endorsement;
use stoa_mesh::Refused;
use stoa_proto::wire::{MarbleCount, StatementBody, StatementRefusal, StatementTransition};

use crate::session::SessionKey;
use crate::view::{Published, State};

/// What was built last, and from what.
#[derive(Default)]
pub struct StatementCache(Mutex<Option<Kept>>);

struct Kept {
    published: Arc<Published>,
    key: Arc<SessionKey>,
    collateral: Arc<Endorsement>,
    refused: Vec<Refused>,
    /// Nonce, time, state and recovery are empty.
    body: Arc<StatementBody>,
}

impl StatementCache {
    /// The body for this state and session key; nonce, time, state and recovery are empty.
    pub fn body(
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
        recovery: None,
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

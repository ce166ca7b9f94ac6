//! What the client port is asked most: status and statement, and what an operator should be told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stoa_attestation::channel::{NONCE_BYTES, statement_signature_input};
use stoa_manifest::Manifest;
use stoa_mesh::WaitingUpdate;
use stoa_proto::wire::{self, Statement, StatementBody};

use crate::app::App;
use crate::error::EdgeError;
use crate::session::Sharing;
use crate::view::State;

/// State of the coordinator, in short and unsigned.
pub fn report(app: &App) -> wire::Status {
    let published = app.window.look();
    let position = published.position;
    let mut report = wire::Status {
        state: 1,
        state_text: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sequence: position.sequence,
        head: hex::encode(position.head),
        root_spki_sha256: None,
        manifest_sha256: None,
        epoch: 0,
        update: None,
        marbles: Vec::new(),
        rollback_witness: "none".to_owned(),
        recoverable: false,
        expiries: app.endorsements.expiries(),
        warnings: app.warnings.clone(),
    };
    match &published.state {
        State::Recovery { reason } => {
            report.state_text = format!("recovery: {reason}");
            report.recoverable = app.recovering.is_some();
        }
        State::Open(view) => {
            report.state = view.state();
            let accepting = view.manifest().is_some();
            report.state_text = if accepting {
                "accepting marbles"
            } else {
                "waiting for a manifest"
            }
            .to_owned();
            report.root_spki_sha256 = app.root_key_id.map(hex::encode);
            report.manifest_sha256 = view
                .manifest()
                .map(|manifest| hex::encode(manifest.sha256()));
            report.epoch = view.epoch();
            report.update = view.waiting_update().map(waiting);
            report.marbles = crate::statement::counts(view, app.clock.now());
            let certificates = [
                ("root-ca", view.root()),
                ("issuing-ca", view.issuing()),
                ("client-port-leaf", view.coordinator_leaf()),
            ];
            report
                .expiries
                .extend(certificates.into_iter().filter_map(|(what, certificate)| {
                    Some(wire::IdentityExpiry {
                        what: what.to_owned(),
                        not_after: certificate?.not_after(),
                    })
                }));
            if let Some(manifest) = view.manifest() {
                report.recoverable = !manifest.recovery_keys().is_empty();
                report.warnings.extend(warnings_of(manifest));
            }
        }
    }
    report.warnings.extend(app.endorsements.warnings());
    if let Err(behind) = app.now() {
        report
            .warnings
            .push(format!("{behind}; nothing is issued until it is right"));
    }
    report
}

fn waiting(update: WaitingUpdate) -> wire::UpdateCount {
    let may = update.may_agree.into_iter();
    wire::UpdateCount {
        manifest_sha256: hex::encode(update.manifest.sha256()),
        since: update.since,
        missing: may.filter(|user| !update.agreed.contains(user)).collect(),
        agreed: update.agreed,
        needed: update.needed as u64,
    }
}

/// What a deployer should know about `manifest` and this coordinator, one sentence each.
pub fn warnings_of(manifest: &Manifest) -> Vec<String> {
    if manifest.recovery_keys().is_empty() {
        return vec![
            "not recoverable: the manifest has no RecoveryKeys, so without this TEE's sealing key the state is lost"
                .to_owned(),
        ];
    }
    Vec::new()
}

/// The statement for `nonce`, signed now, for a connection whose leaf has `tls_leaf` as key id.
///
/// # Errors
/// [`EdgeError::EvidenceUnavailable`] without evidence or collateral of our own.
pub async fn statement(
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
        recovery: app
            .recovering
            .as_ref()
            .map(|recovering| recovering.stated()),
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

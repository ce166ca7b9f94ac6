//! The status route's body, and what an operator should be told.

use stoa_manifest::Manifest;
use stoa_proto::wire;

use crate::app::App;
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
        marbles: Vec::new(),
        rollback_witness: "none".to_owned(),
        recoverable: false,
        expiries: app.endorsements.expiries(),
        warnings: app.warnings.clone(),
    };
    match &published.state {
        State::Recovery { reason } => {
            report.state_text = format!("recovery: {reason}");
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
                report.warnings.extend(warnings_of(manifest));
            }
        }
    }
    report.warnings.extend(app.endorsements.warnings());
    report
}

/// What a deployer should know about `manifest` and this coordinator, one sentence each.
pub fn warnings_of(_manifest: &Manifest) -> Vec<String> {
    vec!["not recoverable: without this TEE's sealing key the state is lost (RecoveryKeys are not served yet)".to_owned()]
}

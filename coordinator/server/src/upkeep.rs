//! What the coordinator renews of its own before it ends: the client port's leaf and the issuing CA; and the floors of
//! collateral in the journal.

use std::sync::Arc;
use std::time::Duration;

use stoa_explain::Explain as _;
use stoa_mesh::{Command, CoordinatorLeaf, Outcome, Rotate};

use crate::app::App;
use crate::error::chain;
use crate::ports::{ClientPort, generate};
use crate::rng::OsRandom;
use crate::view::State;
use crate::writer::NotDone;

/// How often it looks.
pub const UPKEEP_PAUSE: Duration = Duration::from_secs(30);

/// Looks every [`UPKEEP_PAUSE`]; what failed is tried again at the next look.
pub async fn keep(app: Arc<App>, port: Arc<ClientPort>, dns_names: Vec<String>) {
    loop {
        tokio::time::sleep(UPKEEP_PAUSE).await;
        said(
            "client-port-leaf",
            client_leaf(&app, &port, &dns_names).await,
        );
        said("collateral-floors", collateral_floors(&app).await);
        said("issuing-ca", issuing_ca(&app).await);
    }
}

fn said(what: &'static str, renewed: Result<(), String>) {
    if let Err(error) = renewed {
        tracing::warn!(event = "upkeep.failed", what, error, "Renewal failed");
    }
}

async fn client_leaf(app: &App, port: &ClientPort, dns_names: &[String]) -> Result<(), String> {
    let published = app.window.look();
    let State::Open(view) = &published.state else {
        return Ok(());
    };
    let now = app.now().map_err(|error| chain(&error))?;
    let due = view
        .coordinator_leaf()
        .is_some_and(|leaf| leaf.not_before().midpoint(leaf.not_after()) <= now.as_secs());
    if !due {
        return Ok(());
    }
    let key = generate(&app.keys).map_err(|error| chain(&error))?;
    let leaf = CoordinatorLeaf::prepare(view, &key.spki, dns_names, &app.keys, now, &mut OsRandom)
        .map_err(|error| chain(&error))?;
    match submit(app, Command::Start(leaf)).await? {
        Outcome::Started { chain: der, .. } => {
            port.replace(der, &key).map_err(|error| chain(&error))
        }
        other => Err(format!("the renewal had the outcome {other:?}")),
    }
}

/// What was fetched ahead while nobody joined.
async fn collateral_floors(app: &App) -> Result<(), String> {
    let Some(writer) = &app.writer else {
        return Ok(());
    };
    app.endorsements.journal(writer).await.map_err(words)
}

async fn issuing_ca(app: &App) -> Result<(), String> {
    let published = app.window.look();
    let State::Open(view) = &published.state else {
        return Ok(());
    };
    let now = app.now().map_err(|error| chain(&error))?;
    if view.issuing_renew_at().is_none_or(|at| now.as_secs() < at) {
        return Ok(());
    }
    let rotate =
        Rotate::prepare(view, &app.keys, now, &mut OsRandom).map_err(|error| chain(&error))?;
    submit(app, Command::Rotate(rotate)).await?;
    tracing::info!(
        event = "issuing-ca.rotated",
        epoch = view.epoch(),
        "The issuing CA was replaced"
    );
    Ok(())
}

async fn submit(app: &App, command: Command) -> Result<Outcome, String> {
    let writer = app.writer().map_err(|error| chain(&error))?;
    writer.submit(command).await.map_err(words)
}

fn words(error: NotDone) -> String {
    match error {
        NotDone::Refused(refusal) => format!("{} [{}]", chain(&refusal), refusal.code()),
        NotDone::Edge(edge) => chain(&edge),
    }
}

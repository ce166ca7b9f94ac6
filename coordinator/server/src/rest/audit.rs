//! `/api/stoa/v1/audit`: what was done to the mesh and who was refused, for users who may `ReadAudit`.
//!
//! Does not live here: what is entered, and who may read it (`mesh`).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State as Shared};
use stoa_mesh::audit::{AUDIT_PAGE_MAX, Entry};
use stoa_mesh::denied::Denied;
use stoa_proto::wire;

use super::{ApiError, caller, open};
use crate::app::App;
use crate::error::EdgeError;
use crate::listener::Session;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET /api/stoa/v1/audit?before=&limit=`: newest first.
pub(super) async fn read(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<wire::Audit>, ApiError> {
    let invalid = |got: String| EdgeError::RequestInvalid {
        what: "the query",
        got,
        wanted: format!("before=NUMBER and limit=1 to {AUDIT_PAGE_MAX}, each at most once"),
    };
    let Query(Page { before, limit }) =
        page.map_err(|error| invalid(format!("unreadable ({error})")))?;
    let limit = limit.unwrap_or(AUDIT_PAGE_MAX);
    if !(1..=AUDIT_PAGE_MAX).contains(&limit) {
        return Err(invalid(format!("one with limit {limit}")).into());
    }
    let published = app.window.look();
    let view = open(&published)?;
    let caller = caller(&session);
    let entries = view.audit(&caller, before.unwrap_or(u64::MAX), limit)?;
    let next = match entries.last() {
        Some(last) if !view.audit(&caller, last.number, 1)?.is_empty() => Some(last.number),
        _ => None,
    };
    let refused = view
        .refused()
        .into_iter()
        .map(|refused| wire::AuditRefused {
            time: refused.time,
            marble: refused.marble,
            code: refused.code.to_owned(),
        });
    Ok(Json(wire::Audit {
        entries: entries.into_iter().map(entry).collect(),
        next,
        denied: view.denied(&caller)?.into_iter().map(denied).collect(),
        refused: refused.collect(),
    }))
}

fn entry(entry: Entry) -> wire::AuditEntry {
    wire::AuditEntry {
        number: entry.number,
        sequence: entry.sequence,
        time: entry.time,
        what: entry.what.name().to_owned(),
        user: entry.user,
        certificate_sha256: entry.certificate.map(hex::encode),
        subject: entry.subject,
        before: entry.before.map(hex::encode),
        after: entry.after.map(hex::encode),
    }
}

fn denied(denied: Denied) -> wire::AuditDenied {
    wire::AuditDenied {
        time: denied.time,
        certificate_sha256: denied.certificate.map(hex::encode),
        what: denied.what,
        code: denied.code.to_owned(),
        reason: denied.reason,
    }
}

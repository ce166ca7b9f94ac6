//! The audit, as a user of the connection who may read it.

use http::Method;
use hyper::body::Bytes;
use stoa_proto::{path, wire};

use super::{Connection, HttpError};

/// A page of the audit, in bytes: 256 entries, and refusals with their reasons.
pub const AUDIT_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Connection {
    /// What was done to the mesh, newest first: at most `limit` entries with numbers below `before`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn audit(
        &mut self,
        before: Option<u64>,
        limit: u64,
    ) -> Result<wire::Audit, HttpError> {
        let before = before.map_or_else(String::new, |number| format!("&before={number}"));
        let target = format!("{}?limit={limit}{before}", path::AUDIT);
        let answer = self
            .ask(Method::GET, &target, Bytes::new(), AUDIT_ANSWER_BYTES_MAX)
            .await?;
        self.read(&answer)
    }
}

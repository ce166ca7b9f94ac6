//! The one error body, the same on every route and in the trailer of a refused Join.

use serde::{Deserialize, Serialize};

/// What failed, why, and what now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable code (docs/reference/errors.md).
    pub code: String,
    /// The exact cause, one line.
    pub message: String,
    /// What to do now, in the imperative.
    pub remedy: Option<String>,
    /// One row for each faulty field, empty if the fault is not in fields.
    #[serde(default)]
    pub fields: Vec<ErrorField>,
    /// Seconds after which a retry is worth it.
    pub retry_after_s: Option<u64>,
    /// To find this request in the coordinator's log.
    pub request_id: String,
}

/// One faulty field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorField {
    /// Where, e.g. `Marbles.signer.Package`.
    pub path: String,
    /// Why, with both values.
    pub cause: String,
}

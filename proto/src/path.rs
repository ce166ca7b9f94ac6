//! Paths of the REST API on the client port.

/// `GET ?nonce=<base64url, 43 characters>`: the statement (docs/protocol/attest-1.md, section 7).
pub const STATEMENT: &str = "/api/stoa/v1/statement";
/// `GET`: state of the coordinator, in short and unsigned.
pub const STATUS: &str = "/api/stoa/v1/status";
/// `GET` the manifest in force, `POST` the first one; bytes as the deployer hashed them.
pub const MANIFEST: &str = "/api/stoa/v1/manifest";
/// `POST` a manifest: a user's yes to it; `GET` the one that waits; `DELETE ?manifest_sha256=<hex>` takes it back.
pub const UPDATE: &str = "/api/stoa/v1/update";
/// `POST` values of secrets that users define; `GET ?name=<name>&name=..` reads those and shared ones.
pub const SECRETS: &str = "/api/stoa/v1/secrets";
/// `GET ?before=<number>&limit=<count>`: what was done and who was refused, for users who may read it.
pub const AUDIT: &str = "/api/stoa/v1/audit";
/// In recovery: `GET` which mesh asks for which shares and the upload key, `POST` a share.
pub const RECOVER: &str = "/api/stoa/v1/recover";
/// ALPN of the attested channel on the mesh port.
pub const ALPN_ATTEST: &[u8] = b"stoa-attest/1";
/// Trailer of a refused Join: the JSON error body.
pub const ERROR_TRAILER: &str = "stoa-error-bin";

//! Fetches from a coordinator's client port: TLS 1.3, one connection, every answer bounded in size and time.
//!
//! The handshake proves that the peer holds its leaf's key, and nothing else. Who it is follows from the statement; after
//! that, [`Pin::Root`] lets only leaves of the verified root through.
//! Does not live here: the judgement (`judge`), what to do on an error (the CLI).

mod audit;
mod endpoint;
mod error;
mod identity;
mod secrets;
mod tls;

use core::time::Duration;
use std::future::Future;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use stoa_attestation::channel::limits::{STATEMENT_BYTES_MAX, STATEMENT_MANIFEST_BYTES_MAX};
use stoa_proto::{path, wire};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::json;

pub use audit::AUDIT_ANSWER_BYTES_MAX;
pub use endpoint::{BadUrl, Endpoint, PORT};
pub use error::{Fault, HttpError, Refused};
pub use identity::{BadIdentity, Identity};
pub use secrets::{BadSecrets, SECRETS_ANSWER_BYTES_MAX, Secrets};

/// From the first packet to the end of the TLS handshake.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// From a request to the last byte of its answer.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// The answer of the status route, in bytes.
pub const STATUS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The answer of the manifest routes, in bytes: a manifest in base64 and what is around it.
pub const MANIFEST_ANSWER_BYTES_MAX: usize = STATEMENT_MANIFEST_BYTES_MAX / 3 * 4 + 64 * 1024;
/// The body of a refusal, in bytes.
pub const ERROR_BYTES_MAX: usize = 1024 * 1024;

/// Which servers a connection is made with.
#[derive(Debug, Clone)]
pub enum Pin {
    /// Any that holds the key of its leaf. For the first request, whose answer is then judged.
    Anyone,
    /// Those whose leaf this root CA issued (DER).
    Root(Vec<u8>),
}

/// One connection to a coordinator.
pub struct Connection {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    leaf: Vec<u8>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects; needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`HttpError::Unreachable`], [`HttpError::TooSlow`], [`HttpError::NotThePinned`].
    pub async fn open(endpoint: &Endpoint, pin: &Pin) -> Result<Self, HttpError> {
        Self::open_as(endpoint, pin, None).await
    }

    /// The same as a user of the manifest.
    ///
    /// # Errors
    /// As there; [`HttpError::IdentityUnfit`] if key and certificate do not fit.
    pub async fn open_as(
        endpoint: &Endpoint,
        pin: &Pin,
        identity: Option<&Identity>,
    ) -> Result<Self, HttpError> {
        let authority = endpoint.authority();
        let unreachable = |step, error: std::io::Error| HttpError::Unreachable {
            authority: authority.clone(),
            step,
            cause: error.to_string(),
        };
        let (config, verdict) =
            tls::config(pin, identity).map_err(|error| HttpError::IdentityUnfit {
                cause: error.to_string(),
            })?;
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| {
            HttpError::Unreachable {
                authority: authority.clone(),
                step: "TLS",
                cause: error.to_string(),
            }
        })?;
        let stream = limited(CONNECT_WAIT_MAX, "connecting", &authority, async {
            let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
                .await
                .map_err(|error| unreachable("connecting", error))?;
            TlsConnector::from(Arc::new(config))
                .connect(name, tcp)
                .await
                .map_err(|error| match verdict.refusal() {
                    Some(refused) => HttpError::NotThePinned(refused),
                    None => unreachable("TLS", error),
                })
        })
        .await?;
        let leaf = match stream.get_ref().1.peer_certificates() {
            Some([leaf, ..]) => leaf.to_vec(),
            _ => {
                return Err(HttpError::Protocol {
                    authority,
                    cause: "the TLS connection has no server certificate".to_owned(),
                });
            }
        };
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| HttpError::Protocol {
                authority: authority.clone(),
                cause: error.to_string(),
            })?;
        let driver = tokio::spawn(async move {
            // The request that is under way gets the error too.
            let _ = driver.await;
        });
        Ok(Self {
            authority,
            sender,
            driver,
            leaf,
        })
    }

    /// The server's leaf in DER, whose key the server proved.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The statement for a nonce, as received.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn statement(&mut self, nonce: &[u8; 32]) -> Result<Vec<u8>, HttpError> {
        let target = format!(
            "{}?nonce={}",
            path::STATEMENT,
            URL_SAFE_NO_PAD.encode(nonce)
        );
        self.ask(Method::GET, &target, Bytes::new(), STATEMENT_BYTES_MAX)
            .await
    }

    /// The state in short; not signed.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn status(&mut self) -> Result<wire::Status, HttpError> {
        let answer = self
            .ask(Method::GET, path::STATUS, Bytes::new(), STATUS_BYTES_MAX)
            .await?;
        self.read(&answer)
    }

    /// The bytes of the manifest in force, with its number.
    ///
    /// # Errors
    /// [`HttpError`]; `manifest-not-set` if none is in force.
    pub async fn manifest(&mut self) -> Result<(u64, Vec<u8>), HttpError> {
        let answer = self
            .ask(
                Method::GET,
                path::MANIFEST,
                Bytes::new(),
                MANIFEST_ANSWER_BYTES_MAX,
            )
            .await?;
        let answer: wire::ManifestInForce = self.read(&answer)?;
        let bytes = self.decoded(&answer.manifest)?;
        Ok((answer.epoch, bytes))
    }

    /// Sets the first manifest; it is durable when this returns.
    ///
    /// # Errors
    /// [`HttpError`]; after [`HttpError::Unreachable`] or [`HttpError::TooSlow`] it may have been set or not.
    pub async fn set_manifest(&mut self, bytes: Vec<u8>) -> Result<wire::ManifestSet, HttpError> {
        let answer = self
            .ask(
                Method::POST,
                path::MANIFEST,
                Bytes::from(bytes),
                MANIFEST_ANSWER_BYTES_MAX,
            )
            .await?;
        self.read(&answer)
    }

    /// Says yes to a manifest as the user of this connection; durable when this returns.
    ///
    /// # Errors
    /// [`HttpError`]; after [`HttpError::Unreachable`] or [`HttpError::TooSlow`] it may have been heard or not.
    pub async fn agree(&mut self, bytes: Vec<u8>) -> Result<wire::UpdateAgreed, HttpError> {
        let answer = self
            .ask(
                Method::POST,
                path::UPDATE,
                Bytes::from(bytes),
                MANIFEST_ANSWER_BYTES_MAX,
            )
            .await?;
        self.read(&answer)
    }

    /// The update that waits for users to agree, and the bytes of its manifest.
    ///
    /// # Errors
    /// [`HttpError`]; `no-update-pending` if none does.
    pub async fn waiting_update(&mut self) -> Result<(wire::UpdateWaiting, Vec<u8>), HttpError> {
        let answer = self
            .ask(
                Method::GET,
                path::UPDATE,
                Bytes::new(),
                MANIFEST_ANSWER_BYTES_MAX,
            )
            .await?;
        let answer: wire::UpdateWaiting = self.read(&answer)?;
        let bytes = self.decoded(&answer.manifest)?;
        Ok((answer, bytes))
    }

    /// Takes back the update that waits, if it is the one of that digest.
    ///
    /// # Errors
    /// [`HttpError`]; `no-update-pending` if it is not.
    pub async fn cancel_update(&mut self, manifest_sha256: &[u8; 32]) -> Result<(), HttpError> {
        let target = format!(
            "{}?manifest_sha256={}",
            path::UPDATE,
            hex::encode(manifest_sha256)
        );
        let answer = self
            .ask(Method::DELETE, &target, Bytes::new(), ERROR_BYTES_MAX)
            .await?;
        self.read::<wire::UpdateCancelled>(&answer).map(|_| ())
    }

    /// Which mesh asks for which shares; the upload key is worth what this connection is worth.
    ///
    /// # Errors
    /// [`HttpError`]; `not-in-recovery`, `recovery-data-missing`.
    pub async fn recovery_asked(&mut self) -> Result<wire::RecoveryAsked, HttpError> {
        let answer = self
            .ask(Method::GET, path::RECOVER, Bytes::new(), STATUS_BYTES_MAX)
            .await?;
        self.read(&answer)
    }

    /// Hands over a share: encrypted for the upload key, and signed by its holder.
    ///
    /// # Errors
    /// [`HttpError`]; after [`HttpError::Unreachable`] or [`HttpError::TooSlow`] it may have been taken or not.
    pub async fn give_share(
        &mut self,
        encrypted: &[u8],
        signature: &[u8],
    ) -> Result<wire::ShareTaken, HttpError> {
        let given = wire::ShareGiven {
            share: STANDARD.encode(encrypted),
            signature: STANDARD.encode(signature),
        };
        let body = serde_json::to_vec(&given).expect("a struct of strings always is JSON");
        let answer = self
            .ask(
                Method::POST,
                path::RECOVER,
                Bytes::from(body),
                ERROR_BYTES_MAX,
            )
            .await?;
        self.read(&answer)
    }

    async fn ask(
        &mut self,
        method: Method,
        target: &str,
        body: Bytes,
        max: usize,
    ) -> Result<Vec<u8>, HttpError> {
        let authority = self.authority.clone();
        let protocol = |cause: String| HttpError::Protocol {
            authority: authority.clone(),
            cause,
        };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, &authority)
            .header(
                header::USER_AGENT,
                concat!("stoa/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| protocol(error.to_string()))?;
        let sender = &mut self.sender;
        limited(ANSWER_WAIT_MAX, "the answer", &authority, async {
            let unreachable = |error: hyper::Error| HttpError::Unreachable {
                authority: authority.clone(),
                step: "the request",
                cause: spelled(&error),
            };
            // The answer before may be read to its end a moment before the connection knows it.
            sender.ready().await.map_err(unreachable)?;
            let answer = sender.send_request(request).await.map_err(unreachable)?;
            let status = answer.status();
            let max = if status == StatusCode::OK {
                max
            } else {
                ERROR_BYTES_MAX
            };
            let bytes = Limited::new(answer.into_body(), max)
                .collect()
                .await
                .map_err(|error| {
                    if error.downcast_ref::<LengthLimitError>().is_some() {
                        HttpError::AnswerTooLarge {
                            authority: authority.clone(),
                            limit: max,
                        }
                    } else {
                        HttpError::Unreachable {
                            authority: authority.clone(),
                            step: "the answer",
                            cause: error.to_string(),
                        }
                    }
                })?;
            let bytes = bytes.to_bytes().to_vec();
            if status == StatusCode::OK {
                return Ok(bytes);
            }
            match json::read::<wire::ErrorBody>(&bytes) {
                Ok(body) => Err(HttpError::Refused(Box::new(Refused::new(body)))),
                Err(_) => Err(protocol(format!(
                    "{status} without the error body of a Stoa coordinator"
                ))),
            }
        })
        .await
    }

    fn decoded(&self, manifest: &str) -> Result<Vec<u8>, HttpError> {
        STANDARD
            .decode(manifest)
            .map_err(|error| HttpError::Protocol {
                authority: self.authority.clone(),
                cause: format!("`manifest` is not canonical base64: {error}"),
            })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, HttpError> {
        json::read(bytes).map_err(|cause| HttpError::Protocol {
            authority: self.authority.clone(),
            cause,
        })
    }
}

async fn limited<T>(
    limit: Duration,
    step: &'static str,
    authority: &str,
    work: impl Future<Output = Result<T, HttpError>>,
) -> Result<T, HttpError> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(HttpError::TooSlow {
            authority: authority.to_owned(),
            step,
            limit,
        })
    })
}

/// hyper hides the cause one level down.
fn spelled(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(inner) => format!("{error}: {}", spelled(inner)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use stoa_explain::Explain as _;

    #[tokio::test]
    async fn what_takes_longer_than_its_limit_is_given_up() {
        let limit = Duration::from_millis(1);
        let error = limited::<()>(limit, "the answer", "a:1", std::future::pending())
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.fault()),
            ("too-slow", Fault::Unavailable)
        );
    }
}

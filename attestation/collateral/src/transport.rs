//! One GET over HTTP/1.1, plain or over TLS, with a limit on time, head and body.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::CollateralError;

/// Longest wait for one answer.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);
/// Largest body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 512 * 1024;
/// Largest head of an answer, in bytes: issuer chains travel in headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How much of a refusal's body is quoted.
const QUOTED_CHARS_MAX: usize = 200;

/// Where a service is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Transport {
    host: String,
    port: u16,
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
    base: String,
}

/// A good answer.
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Transport {
    /// `tls` is needed for `https` only. Collateral is signed by the vendor: TLS here hides which platform is asked
    /// for, the collateral itself is believed by its signatures.
    pub(crate) fn new(base: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, CollateralError> {
        let invalid = |cause| CollateralError::UrlInvalid {
            url: base.to_owned(),
            cause,
        };
        let uri: Uri = base.parse().map_err(|_| invalid("it can't be parsed"))?;
        let host = uri.host().ok_or_else(|| invalid("it names no host"))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (tls, default_port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (
                Some(tls.ok_or_else(|| {
                    invalid("https needs trusted roots, and none are configured")
                })?),
                443,
            ),
            _ => return Err(invalid("its scheme is neither http nor https")),
        };
        if uri.query().is_some() {
            return Err(invalid("it has a query"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self {
            host,
            port,
            prefix,
            tls,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// `target`: path and query behind the base.
    pub(crate) async fn get(&self, target: &str) -> Result<Answer, CollateralError> {
        let url = format!("{}{target}", self.base);
        let slow = CollateralError::TooSlow {
            url: url.clone(),
            limit: REQUEST_TIME_MAX,
        };
        tokio::time::timeout(REQUEST_TIME_MAX, self.get_unlimited(target, url))
            .await
            .map_err(|_| slow)?
    }

    async fn get_unlimited(&self, target: &str, url: String) -> Result<Answer, CollateralError> {
        let unreachable = |cause: String| CollateralError::Unreachable {
            url: url.clone(),
            cause,
        };
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        match &self.tls {
            None => self.exchange(tcp, target, url).await,
            Some(config) => {
                let name = ServerName::try_from(self.host.clone())
                    .map_err(|e| unreachable(e.to_string()))?;
                let connector = TlsConnector::from(Arc::clone(config));
                let tls = connector
                    .connect(name, tcp)
                    .await
                    .map_err(|e| unreachable(e.to_string()))?;
                self.exchange(tls, target, url).await
            }
        }
    }

    async fn exchange<S>(
        &self,
        stream: S,
        target: &str,
        url: String,
    ) -> Result<Answer, CollateralError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let unreachable = |cause: String| CollateralError::Unreachable {
            url: url.clone(),
            cause,
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        let driver = tokio::spawn(connection);
        let request = Request::get(format!("{}{target}", self.prefix))
            .header(HOST, format!("{}:{}", self.host, self.port))
            .body(Empty::new())
            .map_err(|e| unreachable(e.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        let body = body.to_bytes();
        drop(sender);
        driver.abort();
        if head.status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body)
                .chars()
                .take(QUOTED_CHARS_MAX)
                .collect();
            return Err(CollateralError::Status {
                url,
                status: head.status.as_u16(),
                text,
            });
        }
        Ok(Answer {
            url,
            headers: head.headers,
            body,
        })
    }
}

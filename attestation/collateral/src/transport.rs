//! One GET over HTTP/1.1, plain or over TLS, with a limit on time, head and body.
//!
//! No redirect is followed: a service that points elsewhere is named, and whoever runs it writes the right URL. What a
//! service asks for with Retry-After is kept: until then it is not asked again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::CollateralError;

/// Longest wait for one answer of a collateral service, connecting included.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);
/// Largest body of an answer, in bytes.
pub const BODY_BYTES_MAX: usize = 512 * 1024;
/// Largest head of an answer, in bytes: issuer chains travel in headers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest pause that a service can ask for with Retry-After.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Pause after 429 or 503 without a Retry-After that can be read.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(10);
/// How much of a refusal's body is quoted.
const QUOTED_CHARS_MAX: usize = 200;

/// Where a service is, how it is spoken to, and until when it wants to be left alone.
#[derive(Clone)]
pub(crate) struct Transport {
    host: String,
    port: u16,
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
    base: String,
    paused_until: Arc<Mutex<Option<Instant>>>,
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
            paused_until: Arc::default(),
        })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `target`: path and query behind the base.
    pub(crate) async fn get(&self, target: &str) -> Result<Answer, CollateralError> {
        let url = format!("{}{target}", self.base);
        if let Some(left) = self.pause_left() {
            return Err(CollateralError::Paused { url, left });
        }
        let slow = CollateralError::TooSlow {
            url: url.clone(),
            limit: REQUEST_TIME_MAX,
        };
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, self.get_unlimited(target, url))
            .await
            .map_err(|_| slow)?;
        if let Err(CollateralError::Busy { retry_after, .. }) = &answer {
            *self.pause() = Some(Instant::now() + *retry_after);
        }
        answer
    }

    fn pause_left(&self) -> Option<Duration> {
        let until = (*self.pause())?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        // Ends with this call, also when the caller gives up: a slow peer holds no connection of ours.
        let _driver = AbortOnDrop(tokio::spawn(connection));
        let request = Request::get(format!("{}{target}", self.prefix))
            .header(HOST, self.authority())
            .header(USER_AGENT, concat!("stoa/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|e| unreachable(e.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| unreachable(with_cause(&e)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(CollateralError::TooLarge {
                    url,
                    limit: BODY_BYTES_MAX,
                });
            }
            Err(error) => return Err(unreachable(error.to_string())),
        };
        judge(url, head.status, head.headers, body)
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer by its status: 200 and nothing else is one.
fn judge(
    url: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, CollateralError> {
    if status == StatusCode::OK {
        return Ok(Answer { url, headers, body });
    }
    let code = status.as_u16();
    if status.is_redirection() {
        let to = headers.get(LOCATION).map_or("nowhere", |value| {
            value.to_str().unwrap_or("something unreadable")
        });
        return Err(CollateralError::Redirected {
            url,
            status: code,
            to: quoted(to),
        });
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return Err(CollateralError::Busy {
            url,
            status: code,
            retry_after: retry_after(&headers),
        });
    }
    Err(CollateralError::Status {
        url,
        status: code,
        text: quoted(&String::from_utf8_lossy(&body)),
    })
}

/// Seconds (RFC 9110, 10.2.3); a date there is taken for the default, as the host's clock is not the service's.
fn retry_after(headers: &HeaderMap) -> Duration {
    headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok())
        .map_or(RETRY_AFTER_DEFAULT, Duration::from_secs)
        .min(RETRY_AFTER_MAX)
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn retry_after_is_seconds_and_bounded() {
        for (value, wanted) in [
            ("7", 7),
            (" 7 ", 7),
            ("0", 0),
            ("999999", 3600),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 10),
            ("-1", 10),
            ("", 10),
        ] {
            let headers: HeaderMap = [(RETRY_AFTER, value.parse().unwrap())]
                .into_iter()
                .collect();
            assert_eq!(retry_after(&headers).as_secs(), wanted, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), RETRY_AFTER_DEFAULT);
    }

    #[test]
    fn a_url_is_scheme_host_port_and_prefix() {
        for (url, cause) in [
            ("ftp://x", "its scheme is neither http nor https"),
            ("http://x?y", "it has a query"),
            ("/x", "it names no host"),
            (
                "https://x",
                "https needs trusted roots, and none are configured",
            ),
        ] {
            let error = Transport::new(url, None).err().unwrap();
            assert!(error.to_string().ends_with(cause), "{url}: {error}");
        }
        let transport = Transport::new("http://[::1]:8081/a/b/", None).unwrap();
        assert_eq!(transport.authority(), "[::1]:8081");
        assert_eq!(
            (transport.host(), transport.prefix.as_str()),
            ("::1", "/a/b")
        );
        assert_eq!(transport.base(), "http://[::1]:8081/a/b");
    }
}

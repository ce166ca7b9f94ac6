//! Where a coordinator is: host and port out of a URL.

use http::Uri;
use rustls_pki_types::ServerName;
use stoa_explain::Explain;

/// The client port if the URL names none.
pub const PORT: u16 = 4433;

/// Where a coordinator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// Reads `https://host:port` or `host:port`; without a port it is [`PORT`].
    ///
    /// # Errors
    /// [`BadUrl`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let bad = |cause: &str| BadUrl {
            url: text.to_owned(),
            cause: cause.to_owned(),
        };
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let uri: Uri = whole.parse().map_err(|_| bad("is no URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(bad(
                "does not begin with https://; a coordinator speaks TLS only",
            ));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("has a path; give host and port only"));
        }
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("names a user; a coordinator knows none"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port_text = authority
            .as_str()
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'));
        if host.is_empty() || ServerName::try_from(host).is_err() {
            return Err(bad("names no host"));
        }
        match (authority.port_u16(), port_text) {
            (Some(port), _) if port != 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            (None, None) => Ok(Self {
                host: host.to_owned(),
                port: PORT,
            }),
            _ => Err(bad("has no port from 1 to 65535 behind the colon")),
        }
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What is not an address of a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {cause}", url.escape_debug())]
pub struct BadUrl {
    url: String,
    cause: String,
}

impl Explain for BadUrl {
    fn code(&self) -> &'static str {
        "url-invalid"
    }

    fn remedy(&self) -> Option<String> {
        Some("write https://HOST:PORT".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_are_a_host_and_a_port_over_https() {
        for (text, authority) in [
            ("https://mesh.example:4433", "mesh.example:4433"),
            ("https://mesh.example/", "mesh.example:4433"),
            ("mesh.example", "mesh.example:4433"),
            ("127.0.0.1:41873", "127.0.0.1:41873"),
            ("https://[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:4433"),
        ] {
            assert_eq!(
                Endpoint::parse(text).unwrap().authority(),
                authority,
                "{text}"
            );
        }
        for (text, cause) in [
            ("http://mesh.example", "does not begin with https://"),
            ("https://mesh.example/api", "has a path"),
            ("https://mesh.example?x=1", "has a path"),
            ("https://user@mesh.example", "names a user"),
            ("https://mesh.example:0", "has no port"),
            ("https://mesh.example:70000", "has no port"),
            ("https://mesh.example:", "has no port"),
            ("", "is no URL"),
            ("https://", "is no URL"),
            ("mesh example", "is no URL"),
            ("https://mesh_.!:1", "is no URL"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(cause) || error.contains("names no host"),
                "{text}: {error}"
            );
        }
    }
}

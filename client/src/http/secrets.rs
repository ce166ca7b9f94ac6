//! Secrets that users set and read, as a user of the connection.
//!
//! Does not live here: who a user is (`identity`), what a value must be (the coordinator).

use http::Method;
use hyper::body::Bytes;
use stoa_explain::Explain;
use stoa_proto::{path, wire};
use zeroize::Zeroizing;

use super::{Connection, HttpError, MANIFEST_ANSWER_BYTES_MAX};

/// The answer with secrets that were read, in bytes: 64 of the largest in base64.
pub const SECRETS_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Values of secrets as a file has them: an object, name -> value (docs/reference/rest.md). Wiped when dropped.
pub struct Secrets {
    names: Vec<String>,
    json: Zeroizing<Vec<u8>>,
}

impl Secrets {
    /// Reads the names; whether the values are what the manifest says, the coordinator judges.
    ///
    /// # Errors
    /// [`BadSecrets`] says where it can't be read, and never repeats what stands there.
    pub fn parse(json: Zeroizing<Vec<u8>>) -> Result<Self, BadSecrets> {
        let wire::SecretsGiven(members) = wire::SecretsGiven::parse(&json).map_err(BadSecrets)?;
        let names = members.into_iter().map(|(name, _)| name).collect();
        Ok(Self { names, json })
    }

    /// Which secrets have a value here.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secrets")
            .field("names", &self.names)
            .field("json", &"<secret>")
            .finish()
    }
}

/// Why a file does not hold values of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an object was expected, name -> {{\"Key\": ..}} or {{\"Cert\": .., \"Private\": ..}}: {0}"
)]
pub struct BadSecrets(String);

impl Explain for BadSecrets {
    fn code(&self) -> &'static str {
        "secrets-unreadable"
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

impl Connection {
    /// Sets secrets as the user of this connection, all or none; durable when this returns. Their names.
    ///
    /// # Errors
    /// [`HttpError`]; after [`HttpError::Unreachable`] or [`HttpError::TooSlow`] they may have been set or not.
    pub async fn set_secrets(&mut self, secrets: Secrets) -> Result<Vec<String>, HttpError> {
        let body = Bytes::from_owner(secrets.json);
        let answer = self
            .ask(Method::POST, path::SECRETS, body, MANIFEST_ANSWER_BYTES_MAX)
            .await?;
        self.read::<wire::SecretsSet>(&answer).map(|set| set.names)
    }

    /// Reads secrets as the user of this connection, all or none.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn read_secrets(&mut self, names: &[String]) -> Result<wire::SecretsRead, HttpError> {
        let members: Vec<String> = names
            .iter()
            .map(|name| format!("name={}", escaped(name)))
            .collect();
        let target = format!("{}?{}", path::SECRETS, members.join("&"));
        let answer = self
            .ask(Method::GET, &target, Bytes::new(), SECRETS_ANSWER_BYTES_MAX)
            .await?;
        self.read(&Zeroizing::new(answer))
    }
}

/// A name within a query: all but unreserved characters are escaped (RFC 3986, 2.1 and 2.3).
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
            continue;
        }
        text.push('%');
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(HEX_DIGITS[usize::from(digit)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_name_travels_in_a_query() {
        assert_eq!(escaped("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(
            escaped("../a&name=b%\0 é"),
            "..%2Fa%26name%3Db%25%00%20%C3%A9"
        );
    }

    #[test]
    fn a_file_with_a_name_twice_is_refused_and_nothing_shows_its_values() {
        let parse = |text: &str| Secrets::parse(Zeroizing::new(text.as_bytes().to_vec()));
        let error = parse(r#"{"a": {"Key": "aHVzaA=="}, "a": {}}"#).unwrap_err();
        assert!(error.to_string().contains("\"a\" stands twice"), "{error}");
        assert!(stoa_explain::lookup(error.code()).is_some());
        let secrets = parse(r#"{"a": {"Key": "aHVzaA=="}}"#).unwrap();
        assert_eq!(secrets.names(), ["a"]);
        assert_eq!(
            format!("{secrets:?}"),
            r#"Secrets { names: ["a"], json: "<secret>" }"#
        );
    }
}

//! `/api/stoa/v1/secrets`: users set the values of secrets, and read those that they may.
//!
//! What holds a value is wiped when it is dropped: the body as far as it is ours alone, what is read from it, the answer.
//! Copies that TLS and HTTP make are not ours to wipe; they are in this process's memory, which is the TEE's.
//!
//! Does not live here: who may, what a value must be (`mesh`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Query, State as Shared};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stoa_mesh::{Command, Given, Outcome, ReadSecrets, SecretValue, SetSecrets};
use stoa_proto::wire;
use zeroize::{Zeroize as _, Zeroizing};

use super::{ApiError, UPDATE_TRIES_MAX, caller, open, prepared};
use crate::app::App;
use crate::error::EdgeError;
use crate::listener::Session;

/// Largest body with values of secrets, in bytes.
pub const SECRETS_BYTES_MAX: usize = 1024 * 1024;
/// Secrets that are read in one request, at most.
pub const SECRETS_ASKED_MAX: usize = 64;
/// What JSON adds to a value: names of members, quotation marks.
const VALUE_OVERHEAD_BYTES: usize = 128;

/// `POST /api/stoa/v1/secrets`: sets all of them, or none.
pub(super) async fn set(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<wire::SecretsSet>, ApiError> {
    let bytes = bytes.map_err(|_| EdgeError::TooLarge {
        what: "the body with secrets",
        limit: SECRETS_BYTES_MAX,
    })?;
    let writer = app.writer()?.clone();
    let caller = caller(&session);
    SetSecrets::may(open(&app.window.look())?, &caller)?;
    let given = given(&bytes);
    wipe(bytes);
    let given = given?;
    let names: Vec<String> = given.keys().cloned().collect();
    let mut tries = 1;
    let outcome = loop {
        let given = given.clone();
        let set = prepared(&app, move |view, keys, _, _| {
            SetSecrets::prepare(view, given, caller, keys)
        })
        .await?;
        match writer.submit(Command::SetSecrets(set)).await {
            Err(error) if error.is_epoch_moved() && tries < UPDATE_TRIES_MAX => tries += 1,
            other => break other?,
        }
    };
    match outcome {
        Outcome::SecretsSet => {
            tracing::info!(
                event = "secrets.set",
                caller = caller.certificate.map(hex::encode),
                secrets = names.len(),
                "A user set secrets"
            );
            Ok(Json(wire::SecretsSet { names }))
        }
        other => Err(EdgeError::Bug(format!("setting secrets had the outcome {other:?}")).into()),
    }
}

/// `GET /api/stoa/v1/secrets?name=..&name=..`: all of them, or none. That they were read is durable before they leave.
pub(super) async fn read(
    Shared(app): Shared<Arc<App>>,
    Extension(session): Extension<Arc<Session>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let names = asked(query)?;
    let caller = caller(&session);
    let secrets = names.len();
    let read = ReadSecrets { names, caller };
    let outcome = app.writer()?.submit(Command::ReadSecrets(read)).await?;
    let Outcome::SecretsRead(values) = outcome else {
        return Err(EdgeError::Bug(
            "reading secrets had the outcome of another command".to_owned(),
        )
        .into());
    };
    tracing::info!(
        event = "secrets.read",
        caller = caller.certificate.map(hex::encode),
        secrets,
        "A user read secrets"
    );
    let body = answer(&values)?;
    let mut response = Response::new(Body::from(Bytes::from_owner(body)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// The names asked for, each once.
fn asked(
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<BTreeSet<String>, EdgeError> {
    let invalid = |got: String| EdgeError::RequestInvalid {
        what: "the query",
        got,
        wanted: format!("name=NAME, 1 to {SECRETS_ASKED_MAX} times, each name once"),
    };
    let Query(pairs) = query.map_err(|_| invalid("unreadable".to_owned()))?;
    if !(1..=SECRETS_ASKED_MAX).contains(&pairs.len()) {
        return Err(invalid(format!("{} members long", pairs.len())));
    }
    let mut names = BTreeSet::new();
    for (key, name) in pairs {
        if key != "name" {
            return Err(invalid(format!(
                "one with the member {}",
                wire::shown(&key)
            )));
        }
        if let Some(name) = names.replace(name) {
            return Err(invalid(format!("one with {} twice", wire::shown(&name))));
        }
    }
    Ok(names)
}

/// The values of a body. Errors say where, and never repeat what stands there.
fn given(bytes: &[u8]) -> Result<BTreeMap<String, Given>, EdgeError> {
    let invalid = |got: String| {
        EdgeError::RequestInvalid {
        what: "the body with secrets",
        got,
        wanted: "an object, name -> {\"Key\": base64} or {\"Cert\": PEM or base64, \"Private\": PEM or base64}"
            .to_owned(),
    }
    };
    let wire::SecretsGiven(members) = wire::SecretsGiven::parse(bytes).map_err(invalid)?;
    let mut given = BTreeMap::new();
    for (name, value) in members {
        let wrong = |member: &str| {
            invalid(format!(
                "unreadable: {member} of secret {}",
                wire::shown(&name)
            ))
        };
        let octets =
            |text: &wire::SecretText| STANDARD.decode(text.0.as_bytes()).map(Zeroizing::new);
        let key = value.key.as_ref().map(octets).transpose();
        let certificate = value.cert.as_ref().map(certificate).transpose();
        let private = value.private.as_ref().map(private).transpose();
        let value = Given {
            key: key.map_err(|_| wrong("Key"))?,
            certificate: certificate.map_err(|NotRead| wrong("Cert"))?,
            private: private.map_err(|NotRead| wrong("Private"))?,
        };
        given.insert(name, value);
    }
    Ok(given)
}

/// Neither PEM of one thing, nor base64.
struct NotRead;

fn certificate(text: &wire::SecretText) -> Result<Vec<u8>, NotRead> {
    let text = text.0.trim();
    if !text.starts_with("-----BEGIN ") {
        return STANDARD.decode(text).map_err(|_| NotRead);
    }
    let blocks: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match blocks.map_err(|_| NotRead)?.as_slice() {
        [one] => Ok(one.to_vec()),
        _ => Err(NotRead),
    }
}

fn private(text: &wire::SecretText) -> Result<Zeroizing<Vec<u8>>, NotRead> {
    let text = text.0.trim();
    if !text.starts_with("-----BEGIN ") {
        return STANDARD
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| NotRead);
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(mut key)) => {
            let copy = Zeroizing::new(key.secret_pkcs8_der().to_vec());
            key.zeroize();
            Ok(copy)
        }
        _ => Err(NotRead),
    }
}

/// The answer in JSON, written into one buffer that does not grow.
fn answer(values: &BTreeMap<String, SecretValue>) -> Result<Zeroizing<Vec<u8>>, EdgeError> {
    let text = |bytes: &[u8]| wire::SecretText(Zeroizing::new(STANDARD.encode(bytes)));
    let shown = |value: &SecretValue| match value {
        SecretValue::Bytes(bytes) => wire::SecretValue {
            key: Some(text(bytes)),
            ..wire::SecretValue::default()
        },
        SecretValue::Certificate {
            certificate,
            private,
            ..
        } => wire::SecretValue {
            cert: Some(text(certificate)),
            private: private.as_ref().map(|key| text(key)),
            ..wire::SecretValue::default()
        },
    };
    let read = wire::SecretsRead {
        secrets: values
            .iter()
            .map(|(name, value)| (name.clone(), shown(value)))
            .collect(),
    };
    let length = |value: &Option<wire::SecretText>| value.as_ref().map_or(0, |text| text.0.len());
    let bytes = read.secrets.iter().map(|(name, value)| {
        // A control character in a name takes six bytes.
        let texts = length(&value.key) + length(&value.cert) + length(&value.private);
        6 * name.len() + texts + VALUE_OVERHEAD_BYTES
    });
    let capacity = bytes.sum::<usize>() + VALUE_OVERHEAD_BYTES;
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    serde_json::to_writer(&mut *body, &read)
        .map_err(|error| EdgeError::Bug(format!("the answer could not be written: {error}")))?;
    Ok(body)
}

/// Wipes a body, if nobody else holds it.
fn wipe(bytes: Bytes) {
    if let Ok(mut ours) = bytes.try_into_mut() {
        ours.as_mut().zeroize();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_fits_its_buffer_and_can_be_set_again() {
        let certificate = SecretValue::Certificate {
            certificate: vec![3; 1000],
            spki: vec![4; 91],
            private: Some(Zeroizing::new(vec![5; 138])),
        };
        let values = BTreeMap::from([
            (
                "\u{1}\u{2}\"\\".repeat(60),
                SecretValue::Bytes(Zeroizing::new(vec![1; 65536])),
            ),
            ("b".to_owned(), certificate),
        ]);
        let body = answer(&values).unwrap();
        assert!(body.len() <= body.capacity());
        let read: wire::SecretsRead = serde_json::from_slice(&body).unwrap();
        let again = serde_json::to_vec(&read.secrets).unwrap();
        let given = given(&again).unwrap();
        assert_eq!(given["b"].private.as_ref().unwrap().as_slice(), [5; 138]);
        assert_eq!(
            given["b"].certificate.as_ref().unwrap().as_slice(),
            [3; 1000]
        );
        let first = given.keys().next().unwrap();
        assert_eq!(given[first].key.as_ref().unwrap().len(), 65536);
    }

    #[test]
    fn what_can_not_be_read_is_named_and_never_repeated() {
        let pem = "-----BEGIN CERTIFICATE-----\\naHVzaA==\\n-----END CERTIFICATE-----\\n";
        for (body, cause) in [
            (
                r#"{"a": {"Key": "hush!"}}"#.to_owned(),
                "unreadable: Key of secret \"a\"",
            ),
            (
                r#"{"a": {"Key": "aHVzaB=="}}"#.to_owned(),
                "unreadable: Key of secret \"a\"",
            ),
            (
                r#"{"a": {"Cert": "hush!"}}"#.to_owned(),
                "unreadable: Cert of secret \"a\"",
            ),
            (
                format!(r#"{{"a": {{"Cert": "{pem}{pem}"}}}}"#),
                "unreadable: Cert of secret \"a\"",
            ),
            (
                format!(r#"{{"a": {{"Private": "{pem}"}}}}"#),
                "unreadable: Private of secret \"a\"",
            ),
            (
                r#"{"a": {"Key": "aHVzaA=="}, "a": {"Key": "aHVzaA=="}}"#.to_owned(),
                "stands twice",
            ),
            (r#"{"a": "hush!"}"#.to_owned(), "unreadable at line 1"),
        ] {
            let text = given(body.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(cause), "{text}");
            assert!(!text.contains("hush") && !text.contains("aHVz"), "{text}");
        }
        let one = format!(r#"{{"a": {{"Cert": "{pem}"}}}}"#);
        let given = given(one.as_bytes()).unwrap();
        assert_eq!(given["a"].certificate.as_deref(), Some(&b"hush"[..]));
    }

    #[test]
    fn names_are_asked_for_once_each_and_not_too_many() {
        let ask = |text: &str| {
            let uri = format!("/x?{text}").parse().unwrap();
            asked(Query::try_from_uri(&uri))
        };
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("name=s{number}")).collect();
            names.join("&")
        };
        let got = ask("name=a%2Fb&name=..%2F..%2Fc&name=%00").unwrap();
        assert!(got.contains("a/b") && got.contains("../../c") && got.contains("\0"));
        assert_eq!(
            ask(&many(SECRETS_ASKED_MAX)).unwrap().len(),
            SECRETS_ASKED_MAX
        );
        for bad in [
            "",
            "name",
            "name=a&name=a",
            "name=a&name=%61",
            "s=a",
            "name=a&x=b",
        ] {
            let got = ask(bad);
            // `name` alone asks for the secret with the empty name, which no manifest has.
            assert!(got.is_err() || bad == "name", "{bad}: {got:?}");
        }
        assert!(ask(&many(SECRETS_ASKED_MAX + 1)).is_err());
    }
}

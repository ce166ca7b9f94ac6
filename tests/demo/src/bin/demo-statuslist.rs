//! Demo marble: a list of credentials' statuses. It has the list signed by `signer`, keeps it in `store`, and shows it to
//! anybody who asks.
//!
//! Secrets of the manifest: `SIGNER_KEY` (the signer's public key, so a list is believed only if its signature holds) and
//! `STORE_TOKEN`. Command line, measured: `--config FILE`; the host's: `--public ADDR`. Where signer and store are is told
//! with the request, by whoever; whom those addresses lead to is for TLS to find out.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, StatusCode};
use marble_sdk::Marble;
use serde_json::{Value, json};
use stoa_demo::{Answer, Arguments, Failure, answer, become_marble, call, run, say, serve};

/// Most credentials of a list; each is a bit.
const CREDENTIALS_MAX: usize = 65_536;
/// As the signer has it.
const PURPOSE: &[u8] = b"stoa-demo: one byte of this text is as good as any other\n";
/// Where the list is in the store.
const BLOB: &str = "/blobs/status-list";

/// The marble, and where the store was when the list was put there.
struct StatusList {
    marble: Marble,
    store: Mutex<Option<String>>,
}

fn main() -> ExitCode {
    run(statuslist())
}

async fn statuslist() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let marble = become_marble(&arguments).await?;
    let config = marble
        .public_server_config()
        .map_err(|error| Failure::explained(&error))?;
    let listen = arguments.of_the_host("public")?;
    let list = Arc::new(StatusList {
        marble,
        store: Mutex::default(),
    });
    serve("public", listen, config, move |_, request| {
        let list = Arc::clone(&list);
        async move { list.answer(&request).await }
    })
    .await
}

impl StatusList {
    /// `POST /publish?signer=ADDR&store=ADDR&credentials=N&revoke=I`, `GET /status/{i}`.
    async fn answer(&self, request: &Request<Bytes>) -> Answer {
        let path = request.uri().path();
        let done = match (request.method(), path.strip_prefix("/status/")) {
            (&Method::POST, _) if path == "/publish" => {
                self.publish(request.uri().query().unwrap_or_default())
                    .await
            }
            (&Method::GET, Some(number)) => self.status(number).await,
            _ => {
                return answer(
                    StatusCode::NOT_FOUND,
                    &json!({"error": "POST /publish or GET /status/{number}"}),
                );
            }
        };
        match done {
            Ok(body) => answer(StatusCode::OK, &body),
            Err(failure) => answer(
                StatusCode::BAD_GATEWAY,
                &json!({"error": failure.to_string()}),
            ),
        }
    }

    /// Makes a list, has it signed, revokes one credential, has that signed, and puts it into the store.
    async fn publish(&self, query: &str) -> Result<Value, Failure> {
        let (signer, store) = (parameter(query, "signer")?, parameter(query, "store")?);
        let (credentials, revoke) = (
            number(parameter(query, "credentials")?)?,
            number(parameter(query, "revoke")?)?,
        );
        if credentials > CREDENTIALS_MAX || revoke >= credentials {
            return Err(Failure::usage(format!(
                "{revoke} of {credentials} credentials; at most {CREDENTIALS_MAX}"
            )));
        }
        let mut bits = vec![0; credentials.div_ceil(8)];
        self.signed(signer, credentials, &bits).await?;
        bits[revoke / 8] |= 1 << (revoke % 8);
        let list = self.signed(signer, credentials, &bits).await?;
        let put = self.to_store(Method::PUT, Bytes::from(list.to_string()))?;
        call(&self.marble, "store", store, put).await?;
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.to_owned());
        say(&json!({"event": "published", "credentials": credentials, "revoked": revoke}));
        Ok(list)
    }

    /// The list with the signer's signature over its bits, which is checked.
    async fn signed(
        &self,
        signer: &str,
        credentials: usize,
        bits: &[u8],
    ) -> Result<Value, Failure> {
        let message = [
            &u64::try_from(credentials).unwrap_or(u64::MAX).to_be_bytes()[..],
            bits,
        ]
        .concat();
        let request = Request::post("/sign")
            .header(HOST, "signer")
            .body(Full::new(Bytes::from(message)));
        let request = request.map_err(|error| Failure::refused(error.to_string()))?;
        let answered = call(&self.marble, "signer", signer, request).await?;
        let answered: Value = serde_json::from_slice(&answered)
            .map_err(|error| Failure::refused(format!("the signer's answer: {error}")))?;
        let list = json!({"credentials": credentials, "bits": STANDARD.encode(bits), "signature": answered["signature"]});
        self.check(&list)?;
        Ok(list)
    }

    /// One credential's status, from the list as the store has it now.
    async fn status(&self, text: &str) -> Result<Value, Failure> {
        let store = self
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let store = store.ok_or_else(|| Failure::refused("no list was published"))?;
        let kept = call(
            &self.marble,
            "store",
            &store,
            self.to_store(Method::GET, Bytes::new())?,
        )
        .await?;
        let list: Value = serde_json::from_slice(&kept)
            .map_err(|error| Failure::refused(format!("the store's answer: {error}")))?;
        let bits = self.check(&list)?;
        let number = number(text)?;
        if list["credentials"]
            .as_u64()
            .is_none_or(|count| number as u64 >= count)
        {
            return Err(Failure::usage(format!("there is no credential {number}")));
        }
        let revoked = bits[number / 8] >> (number % 8) & 1 == 1;
        let status = if revoked { "revoked" } else { "valid" };
        Ok(json!({"credential": number, "status": status, "signature": "good"}))
    }

    /// The bits of a list whose signature is the signer's.
    fn check(&self, list: &Value) -> Result<Vec<u8>, Failure> {
        let bytes = |member: &str| {
            let text = list[member].as_str().unwrap_or_default();
            STANDARD
                .decode(text)
                .map_err(|error| Failure::refused(format!("{member} of the list: {error}")))
        };
        let (bits, signature) = (bytes("bits")?, bytes("signature")?);
        let credentials = list["credentials"].as_u64().unwrap_or_default();
        if bits.len() as u64 != credentials.div_ceil(8) {
            return Err(Failure::refused(format!(
                "{} bytes for {credentials} credentials",
                bits.len()
            )));
        }
        let key = self.marble.secret("SIGNER_KEY").unwrap_or_default();
        let refused =
            |error: &dyn std::error::Error| Failure::refused(format!("SIGNER_KEY: {error}"));
        let key = STANDARD.decode(key).map_err(|error| refused(&error))?;
        let key =
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).map_err(|error| refused(&error))?;
        let message = [PURPOSE, &credentials.to_be_bytes(), &bits].concat();
        key.verify_sig(&message, &signature)
            .map_err(|_| Failure::refused("the list's signature is not the signer's"))?;
        Ok(bits)
    }

    fn to_store(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let token = String::from_utf8_lossy(self.marble.secret("STORE_TOKEN").unwrap_or_default());
        Request::builder()
            .method(method)
            .uri(BLOB)
            .header(HOST, "store")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(body))
            .map_err(|error| Failure::refused(error.to_string()))
    }
}

/// A value of a query; addresses and numbers need no escapes.
fn parameter<'a>(query: &'a str, name: &str) -> Result<&'a str, Failure> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| *key == name);
    found
        .map(|(_, value)| value)
        .ok_or_else(|| Failure::usage(format!("{name} is missing")))
}

fn number(text: &str) -> Result<usize, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(format!("`{text}`: {error}")))
}

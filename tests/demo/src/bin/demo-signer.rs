//! Demo marble: signs what the marble `statuslist` asks it to sign, and nobody else.
//!
//! The signing key is a secret of the manifest (`SIGNING_KEY`), so a signer that is started again signs with the same one.
//! Command line, measured: `--config FILE`; the host's: `--listen ADDR`.

use std::process::ExitCode;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use marble_sdk::PeerIdentity;
use serde_json::json;
use stoa_demo::{Answer, Arguments, Failure, answer, become_marble, run, serve};
use zeroize::Zeroizing;

/// Stands before every message that is signed, so that no signature can be shown as one for something else.
///
/// The demo alters one byte of this text in a copy of the program, which is then another program.
const PURPOSE: &[u8] = b"stoa-demo: one byte of this text is as good as any other\n";
/// The one marble that may ask.
const CALLER: &str = "statuslist";

fn main() -> ExitCode {
    run(signer())
}

async fn signer() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let marble = become_marble(&arguments).await?;
    let key = Arc::new(key(marble.secret("SIGNING_KEY"))?);
    let config = marble
        .server_config()
        .map_err(|error| Failure::explained(&error))?;
    let listen = arguments.of_the_host("listen")?;
    serve("mesh", listen, config, move |peer, request| {
        let key = Arc::clone(&key);
        async move { sign(&key, peer.as_ref(), &request) }
    })
    .await
}

/// The key as the manifest gives it: base64 of PKCS #8.
fn key(text: Option<&[u8]>) -> Result<EcdsaKeyPair, Failure> {
    let text = text.ok_or_else(|| Failure::refused("the manifest gives no SIGNING_KEY"))?;
    let pkcs8 = STANDARD.decode(text).map(Zeroizing::new);
    let pkcs8 = pkcs8.map_err(|error| Failure::refused(format!("SIGNING_KEY: {error}")))?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
        .map_err(|error| Failure::refused(format!("SIGNING_KEY: {error}")))
}

/// `POST /sign`: the body's signature (ECDSA P-256, SHA-256, DER) over purpose and body.
fn sign(key: &EcdsaKeyPair, peer: Option<&PeerIdentity>, request: &Request<Bytes>) -> Answer {
    let caller = peer.map_or("nobody", |peer| peer.marble.as_str());
    if caller != CALLER {
        return answer(
            StatusCode::FORBIDDEN,
            &json!({"error": format!("{caller} may not ask for signatures")}),
        );
    }
    if (request.method(), request.uri().path()) != (&Method::POST, "/sign") {
        return answer(
            StatusCode::NOT_FOUND,
            &json!({"error": "POST /sign is all there is"}),
        );
    }
    match key.sign(&SystemRandom::new(), &[PURPOSE, request.body()].concat()) {
        Ok(signature) => answer(
            StatusCode::OK,
            &json!({"signature": STANDARD.encode(signature.as_ref())}),
        ),
        Err(_) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"error": "the signature failed"}),
        ),
    }
}

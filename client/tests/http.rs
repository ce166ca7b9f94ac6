//! The fetching client against a real TLS server: who is let through, what is read, and what each failure is called.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "world/serve.rs"]
mod serve;
mod world;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serve::{Answer, serve};
use stoa_client::http::{Connection, Endpoint, Fault, HttpError, Pin, STATUS_BYTES_MAX};
use stoa_client::{Check, Outcome, Statement, Verdict};
use stoa_explain::Explain as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use world::{DAY, Key, MANIFEST, NOW, World, outcome, params, self_signed, signed_by};

async fn fixed(world: &World, status: u16, body: impl Into<Vec<u8>>) -> Endpoint {
    let body = body.into();
    serve(
        world.tls_leaf.clone(),
        world.leaf.pkcs8(),
        Box::new(move |_, _, _| (status, body.clone())),
    )
    .await
}

async fn open(endpoint: &Endpoint) -> Connection {
    Connection::open(endpoint, &Pin::Anyone).await.unwrap()
}

/// TLS judges leaves by the real clock, so leaves of the world must hold today.
fn today(leaf: &Key, issuer: &Key) -> Vec<u8> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let root = params("root", true, NOW, NOW);
    signed_by(
        &params("coordinator", false, now - DAY, now + DAY),
        leaf,
        &root,
        issuer,
    )
}

#[tokio::test]
async fn a_statement_for_a_fresh_nonce_is_fetched_and_verified_over_the_live_connection() {
    let mut world = World::new();
    world.nonce = [77; 32];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (leaf, pkcs8) = (world.tls_leaf.clone(), world.leaf.pkcs8());
    let seen = Arc::clone(&asked);
    let shared = Arc::new(Mutex::new(world));
    let serving = Arc::clone(&shared);
    let answer: Answer = Box::new(move |method, target, _| {
        seen.lock().unwrap().push(format!("{method} {target}"));
        let nonce = target
            .strip_prefix("/api/stoa/v1/statement?nonce=")
            .unwrap();
        let mut world = serving.lock().unwrap();
        world.answered = URL_SAFE_NO_PAD.decode(nonce).unwrap().try_into().unwrap();
        (200, serde_json::to_vec(&world.wire()).unwrap())
    });
    let endpoint = serve(leaf, pkcs8, answer).await;
    let mut connection = open(&endpoint).await;
    let bytes = connection.statement(&[77; 32]).await.unwrap();
    let mut world = shared.lock().unwrap();
    assert_eq!(connection.leaf(), world.tls_leaf);
    world.tls_leaf = connection.leaf().to_vec();
    let report = world.judged(&Statement::parse(&bytes).unwrap());
    assert_eq!(report.verdict, Verdict::Verified);
    assert_eq!(*outcome(&report, Check::Tls), Outcome::Good("same"));
    assert_eq!(
        *asked.lock().unwrap(),
        [format!(
            "GET /api/stoa/v1/statement?nonce={}",
            URL_SAFE_NO_PAD.encode([77; 32])
        )]
    );
}

#[tokio::test]
async fn a_manifest_is_posted_byte_for_byte_and_read_back() {
    let world = World::new();
    let posted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&posted);
    let answer: Answer = Box::new(move |method, target, body| {
        assert_eq!(target, "/api/stoa/v1/manifest");
        let value = if method == "POST" {
            seen.lock().unwrap().extend_from_slice(body);
            serde_json::json!({"manifest_sha256": "00", "epoch": 1, "marbles": ["signer"], "warnings": []})
        } else {
            serde_json::json!({"manifest_sha256": "00", "epoch": 1, "manifest": STANDARD.encode(&*seen.lock().unwrap())})
        };
        (200, value.to_string().into_bytes())
    });
    let endpoint = serve(world.tls_leaf.clone(), world.leaf.pkcs8(), answer).await;
    let mut connection = open(&endpoint).await;
    assert_eq!(
        connection
            .set_manifest(MANIFEST.to_vec())
            .await
            .unwrap()
            .epoch,
        1
    );
    assert_eq!(connection.manifest().await.unwrap(), (1, MANIFEST.to_vec()));
}

#[tokio::test]
async fn once_the_root_is_known_only_its_leaves_are_let_through() {
    let world = World::new();
    let root = Pin::Root(world.chain[1].clone());
    let pkcs8 = world.leaf.pkcs8();
    let answer = || -> Answer { Box::new(|_, _, _| (200, Vec::new())) };

    let good = serve(today(&world.leaf, &world.root), pkcs8.clone(), answer()).await;
    assert!(Connection::open(&good, &root).await.is_ok());
    for leaf in [
        today(&world.leaf, &Key::new()),
        self_signed(
            &params("coordinator", false, NOW - DAY, NOW + DAY),
            &world.leaf,
        ),
    ] {
        let other = serve(leaf, pkcs8.clone(), answer()).await;
        let error = Connection::open(&other, &root).await.err().unwrap();
        assert!(matches!(error, HttpError::NotThePinned(_)), "{error}");
        assert_eq!(
            (error.code(), error.fault()),
            ("mesh-certificate-differs", Fault::Refused)
        );
        assert!(
            Connection::open(&other, &Pin::Anyone).await.is_ok(),
            "the twin: without a pin it is let through"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_hold_its_leafs_key_is_not_let_through() {
    let world = World::new();
    let answer: Answer = Box::new(|_, _, _| (200, Vec::new()));
    let endpoint = serve(world.tls_leaf.clone(), Key::new().pkcs8(), answer).await;
    let error = Connection::open(&endpoint, &Pin::Anyone)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "coordinator-unreachable", "{error}");
}

#[tokio::test]
async fn an_answer_longer_than_its_limit_is_cut_off() {
    let world = World::new();
    let endpoint = fixed(&world, 200, vec![b' '; STATUS_BYTES_MAX + 1]).await;
    let error = open(&endpoint).await.status().await.unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::AnswerTooLarge {
                limit: STATUS_BYTES_MAX,
                ..
            }
        ),
        "{error}"
    );
    let endpoint = fixed(&world, 200, vec![b' '; STATUS_BYTES_MAX]).await;
    let error = open(&endpoint).await.status().await.unwrap_err();
    assert!(matches!(error, HttpError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_keeps_its_code_text_and_fields_and_says_whose_fault_it_is() {
    let world = World::new();
    let body = |code: &str| {
        serde_json::json!({"code": code, "message": "the manifest has 1 fault", "remedy": "mend it",
            "fields": [{"path": "Marbles", "cause": "is missing"}], "retry_after_s": null, "request_id": "r1"})
        .to_string()
    };
    for (status, code, fault) in [
        (400, "manifest-invalid", Fault::Input),
        (409, "state-not-accepting", Fault::Refused),
        (503, "collateral-unavailable", Fault::Unavailable),
    ] {
        let endpoint = fixed(&world, status, body(code)).await;
        let error = open(&endpoint)
            .await
            .set_manifest(Vec::new())
            .await
            .unwrap_err();
        assert_eq!((error.code(), error.fault()), (code, fault));
        assert_eq!(
            (error.to_string(), error.remedy()),
            (
                "the manifest has 1 fault".to_owned(),
                Some("mend it".to_owned())
            )
        );
    }
}

#[tokio::test]
async fn what_does_not_answer_as_a_coordinator_is_called_that() {
    let world = World::new();
    for (status, body) in [
        (405, "{\"status\":\"error\",\"data\":null}"),
        (200, "<html>"),
        (200, "{}"),
        (302, ""),
    ] {
        let endpoint = fixed(&world, status, body).await;
        let error = open(&endpoint).await.status().await.unwrap_err();
        assert_eq!(
            (error.code(), error.fault()),
            ("not-a-coordinator", Fault::Refused),
            "{error}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    drop(listener);
    let error = Connection::open(&endpoint, &Pin::Anyone)
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.code(), error.fault()),
        ("coordinator-unreachable", Fault::Unavailable),
        "{error}"
    );
    // A port that speaks, but no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    let error = Connection::open(&endpoint, &Pin::Anyone)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("(TLS)"), "{error}");
}

//! Services that do not do what they should: each is told by its URL and its answer, within the limits.

use std::time::{Duration, Instant};

use stoa_collateral::{BODY_BYTES_MAX, CollateralError, HEAD_BYTES_MAX, REQUEST_TIME_MAX, Source};
use stoa_explain::Explain as _;
use stoa_synthetic::pccs::respond;

use crate::double::{Double, Reply, answer};
use crate::world::{NOW, at, bytes, platform, published, vendor};

/// What comes of a service that answers each request for TCB info so, and all others well.
async fn with_tcb(reply: impl Fn() -> Reply + Send + 'static) -> (String, CollateralError) {
    let vendor = vendor();
    let double = Double::start(move |target| {
        if target.contains("/tcb?") {
            return reply();
        }
        Reply::Bytes(bytes(&respond(&vendor, target, at(NOW))))
    });
    let source = Source::parse(double.url(), None).unwrap();
    let error = source.fetch(&platform()).await.unwrap_err();
    (double.url().to_owned(), error)
}

#[tokio::test]
async fn each_bad_answer_is_told_with_its_url_and_what_came() {
    let chain = ("TCB-Info-Issuer-Chain", "x");
    let body: &[u8] = br#"{"tcbInfo":{},"signature":"00"}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "answered 404 \"no TCB info for this FMSPC\"",
            answer("404 Not Found", &[], b"no TCB info for this FMSPC"),
        ),
        (
            "answered 500 \"oops\"",
            answer("500 Internal Server Error", &[], b"oops"),
        ),
        ("answered 401 \"\"", answer("401 Unauthorized", &[], b"")),
        (
            "answered 204 \"\"",
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        ),
        (
            "answered 302, to https://elsewhere.example/; redirects are not followed",
            answer(
                "302 Found",
                &[("Location", "https://elsewhere.example/")],
                b"",
            ),
        ),
        (
            "answered 308, to nowhere; redirects are not followed",
            answer("308 Permanent Redirect", &[], b""),
        ),
        (
            "answered 429; it may be asked again in 7 s",
            answer("429 Too Many Requests", &[("Retry-After", "7")], b""),
        ),
        (
            "answered 503; it may be asked again in 10 s",
            answer("503 Service Unavailable", &[], b""),
        ),
        (
            "the body is something else (",
            answer("200 OK", &[chain], b"<html>Sign in</html>"),
        ),
        (
            "wanted JSON with tcbInfo and signature",
            answer("200 OK", &[chain], br#"{"tcbInfo":{}}"#),
        ),
        (
            "TCB-Info-Issuer-Chain is missing, wanted a percent-encoded PEM chain",
            answer("200 OK", &[], body),
        ),
        (
            "TCB-Info-Issuer-Chain is no text",
            answer("200 OK", &[("TCB-Info-Issuer-Chain", "%FF%FE")], body),
        ),
        ("", b"HTTP/2 what\r\n\r\n".to_vec()),
        ("", b"\0\0\0\0".to_vec()),
        ("", Vec::new()),
        (
            "",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort".to_vec(),
        ),
    ];
    for (wanted, reply) in cases {
        let shown = String::from_utf8_lossy(&reply).into_owned();
        let (url, error) = with_tcb(move || Reply::Bytes(reply.clone())).await;
        let text = error.to_string();
        let target = format!("GET {url}/sgx/certification/v4/tcb?fmspc=009067110000: ");
        assert!(text.starts_with(&target), "{shown}: {text}");
        assert!(text.contains(wanted), "{shown}: {text}");
        assert_eq!(error.code(), "collateral-unavailable", "{shown}");
        assert!(error.remedy().is_some());
    }
}

#[tokio::test]
async fn a_body_or_a_head_over_its_limit_is_not_taken_into_memory() {
    let (_, error) = with_tcb(|| {
        let body = vec![b'x'; BODY_BYTES_MAX + 1];
        Reply::Bytes(answer("200 OK", &[], &body))
    })
    .await;
    assert!(matches!(error, CollateralError::TooLarge { .. }), "{error}");
    // Endless, and not even with a length.
    let (_, error) = with_tcb(|| {
        let mut bytes = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        bytes.extend(vec![b'x'; 4 * BODY_BYTES_MAX]);
        Reply::Bytes(bytes)
    })
    .await;
    assert!(matches!(error, CollateralError::TooLarge { .. }), "{error}");
    let (_, error) = with_tcb(|| {
        let long = "x".repeat(2 * HEAD_BYTES_MAX);
        Reply::Bytes(answer("200 OK", &[("TCB-Info-Issuer-Chain", &long)], b""))
    })
    .await;
    assert!(
        matches!(error, CollateralError::Unreachable { .. }),
        "{error}"
    );
}

/// Under tokio's own clock, which runs ahead while all wait.
#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_costs_the_limit_and_no_more() {
    let double = Double::start(|_| Reply::Silence);
    let source = Source::parse(double.url(), None).unwrap();
    let before = tokio::time::Instant::now();
    let error = source.fetch(&platform()).await.unwrap_err();
    assert!(matches!(error, CollateralError::TooSlow { .. }), "{error}");
    assert!(before.elapsed() <= REQUEST_TIME_MAX + Duration::from_millis(100));
}

#[tokio::test]
async fn a_service_that_asks_for_a_pause_gets_it_and_is_asked_again_after() {
    let double = Double::start(|_| {
        Reply::Bytes(answer(
            "429 Too Many Requests",
            &[("Retry-After", "2")],
            b"",
        ))
    });
    let source = Source::parse(double.url(), None).unwrap();
    let started = Instant::now();
    assert!(source.fetch(&platform()).await.is_err());
    // The requests that went out beside the refused one arrive when they arrive.
    tokio::time::sleep(Duration::from_millis(500)).await;
    double.asked();
    double.now(published(NOW));
    let error = source.fetch(&platform()).await.unwrap_err();
    assert!(matches!(error, CollateralError::Paused { .. }), "{error}");
    assert!(error.retry_after().unwrap() <= Duration::from_secs(2));
    assert_eq!(
        double.asked(),
        Vec::<String>::new(),
        "it was asked in its pause"
    );
    tokio::time::sleep(Duration::from_millis(2100).saturating_sub(started.elapsed())).await;
    assert!(source.fetch(&platform()).await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_told_with_the_url() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let error = Source::parse(&url, None).unwrap().fetch(&platform()).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), "collateral-unavailable");
    assert!(error.to_string().contains(&url), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

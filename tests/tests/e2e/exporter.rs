//! The exporter value is equal on both sides of a real connection, also when the other side is not ours.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use stoa_coordinator::keys::AwsLcKeys;
use stoa_coordinator::listener::{self, Limits, Session};
use stoa_coordinator::ports::MeshPort;
use stoa_harness::programs::workspace;

use crate::mesh::runtime;

/// What our listener took from the connection that it served last.
fn taken_by_the_server(connect: impl FnOnce(&str)) -> Arc<Session> {
    let runtime = runtime();
    let (sender, mut sessions) = tokio::sync::mpsc::channel(4);
    let addr = runtime.block_on(async {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap().to_string();
        let port = Arc::new(MeshPort::new(&AwsLcKeys).unwrap());
        let limits = Limits {
            connection_time_max: Duration::from_secs(5),
            connections_max: 4,
        };
        let make = move |session: Arc<Session>| {
            sender.try_send(session).unwrap();
            tower::service_fn(|_: http::Request<hyper::body::Incoming>| async {
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            })
        };
        tokio::spawn(listener::serve(tcp, port, limits, make));
        addr
    });
    connect(&addr);
    let received = async { tokio::time::timeout(Duration::from_secs(10), sessions.recv()).await };
    runtime
        .block_on(received)
        .expect("a finished connection")
        .unwrap()
}

#[test]
#[ignore = "needs: go"]
fn a_go_client_has_the_same_exporter_value() {
    let mut printed = String::new();
    let session = taken_by_the_server(|addr| {
        let output = Command::new("go")
            .args(["run", ".", addr])
            .current_dir(workspace().join("tests/go/exporter"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        printed = String::from_utf8(output.stdout).unwrap();
    });
    let go: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(go["exporter"], hex::encode(session.exporter), "{go}");
    assert_eq!(go["alpn"], "stoa-attest/1", "{go}");
    // Empty before Go 1.25, which does not tell.
    let group = go["group"].as_str().unwrap();
    assert!(["", "X25519MLKEM768"].contains(&group), "{go}");
    assert_eq!(session.client_chain.len(), 1);
}

#[test]
#[ignore = "needs: openssl"]
fn openssl_without_our_alpn_gets_a_fatal_alert() {
    let runtime = runtime();
    let addr = runtime.block_on(async {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap().to_string();
        let port = Arc::new(MeshPort::new(&AwsLcKeys).unwrap());
        let limits = Limits {
            connection_time_max: Duration::from_secs(5),
            connections_max: 4,
        };
        tokio::spawn(listener::serve(tcp, port, limits, |_| {
            tower::service_fn(|_: http::Request<hyper::body::Incoming>| async {
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            })
        }));
        addr
    });
    let client = |alpn: &str| {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &addr, "-alpn", alpn, "-tls1_3"])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    assert!(client("stoa-attest/1").contains("ALPN protocol: stoa-attest/1"));
    for alpn in ["h2", "http/1.1", "stoa-attest/2"] {
        let said = client(alpn);
        assert!(!said.contains("ALPN protocol: "), "{alpn}: {said}");
    }
}

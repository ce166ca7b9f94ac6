//! What strangers do to the ports: nothing, garbage, halves, too much, slowly, in crowds. Each connection is ended within
//! its named wait, memory stays within the connections' budget, and the next honest request passes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use stoa_coordinator::listener::{
    CONNECTIONS_MAX, HANDSHAKE_TIME_MAX, MESH_CONNECTION_TIME_MAX, REQUEST_HEAD_BYTES_MAX,
    REQUEST_HEAD_TIME_MAX,
};
use stoa_coordinator::rest::MANIFEST_BYTES_MAX;
use stoa_proto::path::ALPN_ATTEST;
use stoa_tests::relay::client_config;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::mesh::{KNOWN, Mesh, runtime};

/// Connections of one kind at once.
const CROWD: usize = 60;
/// More than a port keeps.
const FLOOD: usize = CONNECTIONS_MAX + 200;
/// A loaded machine may be late by this much.
const SLACK: Duration = Duration::from_secs(20);
/// Memory of one connection: TLS and HTTP buffers (docs/reference/limits.md).
const CONNECTION_BYTES_BUDGET: usize = 64 * 1024;
/// Growth beyond the budget of the connections.
const GROWTH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A record that begins a handshake, as long as a ClientHello, with the beginning of one.
const HELLO_HEAD: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the other side has ended it; fails if it has not within the wait.
async fn ends(stream: &mut (impl AsyncRead + Unpin), within: Duration) -> Result<Vec<u8>, String> {
    let mut said = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        // A reset is an end, too.
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            said.extend_from_slice(&piece[..length]);
        }
    };
    match tokio::time::timeout(within + SLACK, read).await {
        Ok(()) => Ok(said),
        Err(_) => Err(format!("not ended within {within:?}")),
    }
}

/// Writes what still can be written: the other side may end it before.
async fn put(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

async fn slowly(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn tcp(addr: &str) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

async fn tls(addr: &str, protocol: &'static [u8]) -> TlsStream<TcpStream> {
    let config = Arc::new(client_config(&[protocol]).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config)
        .connect(name, tcp(addr).await)
        .await
        .unwrap()
}

/// What is done before TLS stands; the same on both ports.
async fn before_tls(case: &'static str, addr: String) -> Result<(), String> {
    let mut stream = tcp(&addr).await;
    match case {
        "empty" => drop(stream.shutdown().await),
        "garbage" => put(&mut stream, &[0xa5; 16 * 1024]).await,
        "truncated" => {
            put(&mut stream, HELLO_HEAD).await;
            drop(stream.shutdown().await);
        }
        "oversized" => {
            put(&mut stream, b"\x16\x03\x01\xff\xff").await;
            put(&mut stream, &vec![0; 1024 * 1024]).await;
        }
        "half-open" => {}
        "slow" => {
            let mut bytes = HELLO_HEAD.to_vec();
            bytes.extend([0; 30]);
            let (mut read, mut write) = stream.split();
            let (ended, ()) = tokio::join!(
                ends(&mut read, HANDSHAKE_TIME_MAX),
                slowly(&mut write, &bytes)
            );
            return ended.map(drop);
        }
        other => panic!("{other}"),
    }
    ends(&mut stream, HANDSHAKE_TIME_MAX).await.map(drop)
}

/// What is done on a finished connection of the client port.
async fn at_client(case: &'static str, addr: String) -> Result<(), String> {
    let protocol = if case == "silent, HTTP/2" {
        &b"h2"[..]
    } else {
        b"http/1.1"
    };
    let mut stream = tls(&addr, protocol).await;
    let wait = REQUEST_HEAD_TIME_MAX;
    let said = match case {
        "silent" => ends(&mut stream, wait).await?,
        // The preface and settings, pings answered by nobody.
        "silent, HTTP/2" => {
            put(
                &mut stream,
                &[HTTP2_PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat(),
            )
            .await;
            ends(&mut stream, wait).await?;
            return Ok(());
        }
        "garbage" => {
            put(&mut stream, &[0xa5; 4096]).await;
            ends(&mut stream, wait).await?
        }
        "truncated" => {
            put(&mut stream, b"GET /api/stoa/v1/status HT").await;
            drop(stream.shutdown().await);
            ends(&mut stream, wait).await?
        }
        "oversized head" => {
            let head = format!(
                "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
                "y".repeat(4 * REQUEST_HEAD_BYTES_MAX)
            );
            put(&mut stream, head.as_bytes()).await;
            ends(&mut stream, wait).await?
        }
        "oversized body" => {
            let head = format!(
                "POST /api/stoa/v1/manifest HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                64 * MANIFEST_BYTES_MAX
            );
            put(&mut stream, head.as_bytes()).await;
            put(&mut stream, &vec![b' '; 2 * MANIFEST_BYTES_MAX]).await;
            ends(&mut stream, wait).await?
        }
        "slow head" => {
            let (mut read, mut write) = tokio::io::split(stream);
            let head = [&b"GET / HTTP/1.1\r\nx: "[..], &[b'y'; 80]].concat();
            let (ended, ()) = tokio::join!(ends(&mut read, wait), slowly(&mut write, &head));
            ended?
        }
        other => panic!("{other}"),
    };
    // Whatever is said is an error of HTTP.
    if said.is_empty() || said.starts_with(b"HTTP/1.1 4") {
        return Ok(());
    }
    Err(format!("said {}", String::from_utf8_lossy(&said)))
}

/// What is done on a finished connection of the mesh port, which speaks HTTP/2.
async fn at_mesh(case: &'static str, addr: String) -> Result<(), String> {
    let mut stream = tls(&addr, ALPN_ATTEST).await;
    let wait = MESH_CONNECTION_TIME_MAX;
    match case {
        "silent" => {}
        "garbage" => put(&mut stream, &[0xa5; 4096]).await,
        "truncated" => {
            put(&mut stream, &HTTP2_PREFACE[..10]).await;
            drop(stream.shutdown().await);
        }
        "oversized" => {
            put(&mut stream, HTTP2_PREFACE).await;
            // A frame of DATA of 16 MiB, where 16 KiB are allowed (RFC 9113, 4.2).
            put(&mut stream, b"\xff\xff\xff\x00\x00\x00\x00\x00\x01").await;
            put(&mut stream, &vec![0; 1024 * 1024]).await;
        }
        "slow" => {
            let (mut read, mut write) = tokio::io::split(stream);
            let bytes = [HTTP2_PREFACE, &[0; 200]].concat();
            let (ended, ()) = tokio::join!(ends(&mut read, wait), slowly(&mut write, &bytes));
            return ended.map(drop);
        }
        other => panic!("{other}"),
    }
    ends(&mut stream, wait).await.map(drop)
}

/// Resident memory of the coordinator, in bytes.
fn resident(mesh: &Mesh) -> usize {
    let pid = mesh.coordinator().process.inner_pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// A crowd does `case` at once; then memory is within its budget and an honest request passes.
fn crowd<F>(mesh: &Mesh, case: &'static str, addr: &str, act: fn(&'static str, String) -> F)
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let before = resident(mesh);
    let failed = runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..CROWD {
            tasks.spawn(act(case, addr.to_owned()));
        }
        let ended = tasks.join_all().await;
        ended
            .into_iter()
            .filter_map(Result::err)
            .collect::<Vec<_>>()
    });
    assert!(
        failed.is_empty(),
        "{case}: {} of {CROWD}: {}",
        failed.len(),
        failed[0]
    );
    within_budget(mesh, case, before, CROWD);
    assert_eq!(mesh.status()["state"], 3, "after {case}");
}

fn within_budget(mesh: &Mesh, case: &str, before: usize, connections: usize) {
    let growth = resident(mesh).saturating_sub(before);
    let allowed = connections * CONNECTION_BYTES_BUDGET + GROWTH_BYTES_MAX;
    assert!(
        growth <= allowed,
        "{case}: {growth} bytes more, {allowed} are allowed"
    );
}

fn client_addr(mesh: &Mesh) -> String {
    mesh.coordinator()
        .url
        .strip_prefix("https://")
        .unwrap()
        .to_owned()
}

#[test]
fn before_tls_stands_whatever_comes_is_ended_and_costs_its_budget() {
    let mesh = Mesh::with_budget(1000);
    for case in [
        "empty",
        "garbage",
        "truncated",
        "oversized",
        "half-open",
        "slow",
    ] {
        for addr in [client_addr(&mesh), mesh.coordinator().mesh_addr.clone()] {
            crowd(&mesh, case, &addr, before_tls);
        }
    }
    mesh.join("worker", KNOWN).unwrap();
}

#[test]
fn on_the_client_port_whatever_comes_is_ended_and_costs_its_budget() {
    let mesh = Mesh::with_budget(1000);
    for case in [
        "silent",
        "silent, HTTP/2",
        "garbage",
        "truncated",
        "oversized head",
        "oversized body",
        "slow head",
    ] {
        crowd(&mesh, case, &client_addr(&mesh), at_client);
    }
}

#[test]
fn on_the_mesh_port_whatever_comes_is_ended_and_costs_its_budget() {
    let mesh = Mesh::with_budget(1000);
    for case in ["silent", "garbage", "truncated", "oversized", "slow"] {
        crowd(&mesh, case, &mesh.coordinator().mesh_addr.clone(), at_mesh);
    }
    mesh.join("worker", KNOWN).unwrap();
}

/// More finished connections than a port keeps, all silent and all held: who asks something is let in all the same.
#[test]
fn who_holds_more_connections_than_a_port_keeps_shuts_nobody_out() {
    let mesh = Mesh::with_budget(1000);
    let before = resident(&mesh);
    let runtime = runtime();
    for (addr, protocol) in [
        (client_addr(&mesh), &b"http/1.1"[..]),
        (mesh.coordinator().mesh_addr.clone(), ALPN_ATTEST),
    ] {
        let held = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            let mut held = Vec::new();
            for _ in 0..FLOOD {
                // As many at once as a port takes handshakes without making others wait.
                if tasks.len() >= CROWD
                    && let Some(stream) = tasks.join_next().await
                {
                    held.push(stream.unwrap());
                }
                let addr = addr.clone();
                tasks.spawn(async move { tls(&addr, protocol).await });
            }
            held.extend(tasks.join_all().await);
            held
        });
        assert_eq!(held.len(), FLOOD);
        assert_eq!(mesh.status()["state"], 3);
        mesh.join("worker", KNOWN).unwrap();
        within_budget(&mesh, "flood", before, 2 * CONNECTIONS_MAX);
    }
}

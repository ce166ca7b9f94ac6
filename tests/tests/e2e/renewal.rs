//! Renewal: fresh evidence and a new key for each, nothing lost in an outage, refused where admission would be.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use marble_sdk::{LiveMarble, Marble, MarbleConfig, Options, SdkError};
use rustls::pki_types::ServerName;
use serde_json::json;
use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::mesh::{KNOWN, Mesh, UNKNOWN, runtime};

/// Marbles of the soak.
const MARBLES: usize = 5;
/// Between two calls of one marble to the next.
const CALL_PAUSE: Duration = Duration::from_millis(50);
const SOAK: Duration = Duration::from_secs(60);
const SOAK_FULL: Duration = Duration::from_secs(3600);
/// How long the coordinator is away: less than half a leaf, which is what renewal at half of it leaves.
const OUTAGE: Duration = Duration::from_secs(3);

fn short_lived(seconds: u64) -> Mesh {
    let mesh = Mesh::founded();
    mesh.set_manifest(&json!({
        "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
        "Marbles": {
            "worker": {"Package": "worker", "MaxActivations": MARBLES, "DNSNames": ["worker"]},
            "other": {"Package": "worker", "MaxActivations": 1},
        },
        "Config": {"CertificateLifetime": format!("{seconds}s")},
    }));
    mesh
}

fn options(mesh: &Mesh, mrenclave: [u8; 32]) -> Options {
    Options {
        mesh_addr: mesh.coordinator().mesh_addr.clone(),
        source: mesh.enclave(mrenclave),
        instance: None,
    }
}

fn config(mesh: &Mesh, marble: &str) -> MarbleConfig {
    mesh.marble_config(marble, &mesh.root_key)
}

fn renew(
    mesh: &Mesh,
    name: &str,
    mrenclave: [u8; 32],
    marble: &Marble,
) -> Result<Marble, SdkError> {
    let (config, options) = (config(mesh, name), options(mesh, mrenclave));
    runtime().block_on(marble_sdk::renew(&config, &options, marble))
}

#[test]
fn a_renewal_is_the_same_instance_under_a_new_key_and_takes_no_budget() {
    let mesh = Mesh::with_budget(1);
    let first = mesh.join("worker", KNOWN).unwrap();
    let second = renew(&mesh, "worker", KNOWN, &first).unwrap();
    let third = renew(&mesh, "worker", KNOWN, &second).unwrap();
    for (before, after) in [(&first, &second), (&second, &third)] {
        assert_eq!(before.instance(), after.instance());
        assert_ne!(before.private_key_pkcs8(), after.private_key_pkcs8());
        assert_ne!(before.chain()[0], after.chain()[0]);
        assert!(after.seen().sequence > before.seen().sequence);
        assert_eq!(before.secret("OWN"), after.secret("OWN"));
    }
    assert_eq!(mesh.live("worker"), 1);
    let full = mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(full.code(), "budget-spent", "{full}");
}

#[test]
fn a_renewal_is_refused_where_the_leaf_is_not_in_force_or_the_evidence_is_not_admitted() {
    let mesh = short_lived(3600);
    let marble = mesh.join("worker", KNOWN).unwrap();
    // Other code with a leaf that it stole.
    let error = renew(&mesh, "worker", UNKNOWN, &marble).unwrap_err();
    assert_eq!(error.code(), "measurement-differs", "{error}");
    // Another name than the leaf's.
    let error = renew(&mesh, "other", KNOWN, &marble).unwrap_err();
    assert_eq!(error.code(), "leaf-not-valid", "{error}");
    // The honest twin, also of one to whom the answer never came: the leaf before holds until it ends.
    let next = renew(&mesh, "worker", KNOWN, &marble).unwrap();
    renew(&mesh, "worker", KNOWN, &marble).unwrap();
    renew(&mesh, "worker", KNOWN, &next).unwrap();
    assert_eq!(mesh.live("worker"), 1);
}

#[test]
fn a_leaf_that_ended_proves_nothing() {
    let mesh = short_lived(10);
    let marble = mesh.join("worker", KNOWN).unwrap();
    std::thread::sleep(Duration::from_secs(12));
    let error = renew(&mesh, "worker", KNOWN, &marble).unwrap_err();
    assert_eq!(error.code(), "leaf-not-valid", "{error}");
}

/// A host that puts back an older state folder: whoever has seen more refuses the coordinator, before showing evidence.
#[test]
fn a_marble_that_remembers_refuses_a_coordinator_that_was_set_back() {
    let mut mesh = Mesh::with_budget(5);
    let marble = mesh.join("worker", KNOWN).unwrap();
    let copy = mesh.folder.path().join("copy-of-the-host");
    let enclave = Coordinator::enclave(&mesh.programs);
    let coordinator = mesh.coordinator.take().unwrap();
    let back = coordinator.crash_and_restart_after(&mesh.platform, &enclave, |state| {
        copy_folder(state, &copy);
        Ok(())
    });
    mesh.coordinator = Some(back.unwrap());
    let marble = renew(&mesh, "worker", KNOWN, &marble).unwrap();

    let coordinator = mesh.coordinator.take().unwrap();
    let back = coordinator.crash_and_restart_after(&mesh.platform, &enclave, |state| {
        std::fs::remove_dir_all(state)?;
        copy_folder(&copy, state);
        Ok(())
    });
    mesh.coordinator = Some(back.unwrap());
    let error = renew(&mesh, "worker", KNOWN, &marble).unwrap_err();
    assert_eq!(error.code(), "history-went-back", "{error:?}");
    // Who has seen nothing can't know: that is what memory is for.
    mesh.join("worker", KNOWN).unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_live_marble_whose_leaf_ended_in_an_outage_comes_back_as_the_same_instance() {
    let mut mesh = short_lived(10);
    let runtime = runtime();
    let live = runtime
        .block_on(LiveMarble::activate(
            config(&mesh, "worker"),
            options(&mesh, KNOWN),
        ))
        .unwrap();
    let before = live.current();
    let coordinator = mesh.coordinator.take().unwrap();
    let enclave = Coordinator::enclave(&mesh.programs);
    let back = coordinator.crash_and_restart_after(&mesh.platform, &enclave, |_| {
        std::thread::sleep(Duration::from_secs(12));
        let failure = live.failure().expect("renewals failed meanwhile");
        assert_eq!(failure.code, "coordinator-unreachable");
        Ok(())
    });
    mesh.coordinator = Some(back.unwrap());
    let mut watch = live.watch();
    let renewed = runtime.block_on(async {
        tokio::time::timeout(
            Duration::from_secs(90),
            watch.wait_for(|now| now.not_after() > before.not_after()),
        )
        .await
        .expect("it comes back within the longest pause")
        .unwrap()
        .clone()
    });
    assert_eq!(renewed.instance(), before.instance());
    assert_eq!(live.failure(), None);
    assert_eq!(mesh.live("worker"), 1);
}

/// Five marbles with leaves of 10 s call each other all the time, through an outage of the coordinator.
#[test]
fn no_connection_fails_while_leaves_of_ten_seconds_are_renewed_through_an_outage() {
    let mut mesh = short_lived(10);
    let runtime = runtime();
    let marbles: Vec<Arc<LiveMarble>> = (0..MARBLES)
        .map(|_| {
            let (config, options) = (config(&mesh, "worker"), options(&mesh, KNOWN));
            Arc::new(
                runtime
                    .block_on(LiveMarble::activate(config, options))
                    .unwrap(),
            )
        })
        .collect();
    let started = Instant::now();
    let full = std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1");
    let end = started + if full { SOAK_FULL } else { SOAK };
    let renewals = Arc::new(AtomicU64::new(0));
    for marble in &marbles {
        let (mut watch, renewals) = (marble.watch(), Arc::clone(&renewals));
        runtime.spawn(async move {
            while watch.changed().await.is_ok() {
                renewals.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let servers: Vec<SocketAddr> = marbles
        .iter()
        .map(|marble| runtime.block_on(serve(marble)))
        .collect();
    let callers: Vec<_> = marbles
        .iter()
        .enumerate()
        .map(|(at, marble)| {
            let next = servers[(at + 1) % MARBLES];
            runtime.spawn(call_until(Arc::clone(marble), next, end))
        })
        .collect();

    std::thread::sleep(end.saturating_duration_since(Instant::now()) / 2);
    let coordinator = mesh.coordinator.take().unwrap();
    let enclave = Coordinator::enclave(&mesh.programs);
    let back = coordinator.crash_and_restart_after(&mesh.platform, &enclave, |_| {
        std::thread::sleep(OUTAGE);
        Ok(())
    });
    mesh.coordinator = Some(back.unwrap());

    let (mut calls, mut failures) = (0, Vec::new());
    for caller in callers {
        let (done, failed) = runtime.block_on(caller).unwrap();
        calls += done;
        failures.extend(failed);
    }
    assert!(
        failures.is_empty(),
        "{} of {calls} calls failed: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    let renewals = renewals.load(Ordering::SeqCst);
    // Half of a leaf's life each, less what the outage delayed.
    let wanted = started.elapsed().as_secs() / 8 * MARBLES as u64;
    assert!(renewals >= wanted, "{renewals} renewals, wanted {wanted}");
    assert!(calls > 1000, "{calls} calls");
    assert_eq!(mesh.live("worker"), MARBLES as u64);
}

async fn serve(marble: &LiveMarble) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(marble.server_config().unwrap());
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut word = [0; 4];
                if tls.read_exact(&mut word).await.is_ok() {
                    let _ = tls.write_all(&word).await;
                    let _ = tls.shutdown().await;
                }
            });
        }
    });
    addr
}

async fn call_until(marble: Arc<LiveMarble>, to: SocketAddr, end: Instant) -> (u64, Vec<String>) {
    let connector = TlsConnector::from(marble.client_config().unwrap());
    let (mut done, mut failed) = (0, Vec::new());
    while Instant::now() < end {
        done += 1;
        if let Err(error) = call(&connector, to).await {
            failed.push(error.to_string());
        }
        tokio::time::sleep(CALL_PAUSE).await;
    }
    (done, failed)
}

async fn call(connector: &TlsConnector, to: SocketAddr) -> std::io::Result<()> {
    let tcp = TcpStream::connect(to).await?;
    let name = ServerName::try_from("worker").map_err(std::io::Error::other)?;
    let mut tls = connector.connect(name, tcp).await?;
    tls.write_all(b"ping").await?;
    let mut word = [0; 4];
    tls.read_exact(&mut word).await?;
    if &word == b"ping" {
        return Ok(());
    }
    Err(std::io::Error::other("another word came back"))
}

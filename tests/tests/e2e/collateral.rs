//! Collateral between real processes: nobody is asked on the way of a request, and a date that a vendor signed is past.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use marble_sdk::{Options, SdkError};
use stoa_harness::coordinator::Coordinator;
use stoa_synthetic::{Knobs, Platform, Service};

use crate::mesh::{KNOWN, Mesh, runtime};

/// Activations (row J6).
const ACTIVATIONS: usize = 1000;
/// Marbles that join at the same time.
const JOINING: usize = 8;
const YEAR: i64 = 365 * 24 * 3600;

/// Stands in front of a collateral service and counts the requests that pass.
fn counting(behind: &str) -> (String, Arc<AtomicUsize>) {
    let behind: SocketAddr = behind.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || pass_on(stream.unwrap(), behind));
        }
    });
    (url, count)
}

fn pass_on(mut from: TcpStream, behind: SocketAddr) {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match from.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(len) => head.extend_from_slice(&piece[..len]),
        }
    }
    let mut to = TcpStream::connect(behind).unwrap();
    let mut answer = Vec::new();
    to.write_all(&head).unwrap();
    to.read_to_end(&mut answer).unwrap();
    let _ = from.write_all(&answer);
}

#[test]
fn a_thousand_activations_ask_the_collateral_service_nothing() {
    let mut count = None;
    let mesh = Mesh::founded_behind(|behind| {
        let (url, counter) = counting(behind);
        count = Some(counter);
        Some(url)
    });
    let mesh = mesh.budgeted(1_000_000);
    let count = count.unwrap();
    mesh.join("worker", KNOWN).unwrap();
    assert!(
        count.load(Ordering::SeqCst) >= 4,
        "the start fetched it through here"
    );
    let before = count.load(Ordering::SeqCst);

    let config = Arc::new(mesh.marble_config("worker", &mesh.root_key));
    let granted = Arc::new(AtomicUsize::new(0));
    let runtime = runtime();
    let joining: Vec<_> = (0..JOINING)
        .map(|_| {
            let (config, granted) = (Arc::clone(&config), Arc::clone(&granted));
            let (source, addr) = (mesh.enclave(KNOWN), mesh.coordinator().mesh_addr.clone());
            runtime.spawn(async move {
                while granted.fetch_add(1, Ordering::SeqCst) < ACTIVATIONS {
                    let options = Options {
                        mesh_addr: addr.clone(),
                        source: Arc::clone(&source),
                        instance: None,
                    };
                    marble_sdk::activate(&config, &options).await.unwrap();
                }
            })
        })
        .collect();
    for one in joining {
        runtime.block_on(one).unwrap();
    }
    assert_eq!(mesh.live("worker"), ACTIVATIONS as u64 + 1);
    assert_eq!(count.load(Ordering::SeqCst), before);
}

/// The machine's clock can't be set back here, so the vendor's is set ahead: to the coordinator it is the same.
#[test]
fn under_a_clock_a_year_behind_what_a_vendor_signed_nothing_is_issued() {
    let mut mesh = Mesh::with_budget(10);
    let first = mesh.join("worker", KNOWN).unwrap();
    let ahead = Knobs {
        collateral_shift_secs: YEAR,
        ..Knobs::default()
    };
    let service = Service::start(
        Platform::seeded(mesh.seed, ahead),
        SocketAddr::from(([127, 0, 0, 1], 0)),
    )
    .unwrap();
    let today = mesh.platform.pccs().to_owned();
    let refused = |mesh: &Mesh| match mesh.join("worker", KNOWN).unwrap_err() {
        SdkError::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    for (url, wanted) in [
        (service.url(), "clock-behind"),
        // What was seen is in the journal: collateral of today is older, and the clock is still behind.
        (today, "evidence-unavailable"),
    ] {
        mesh.platform.serve_collateral_from(&url);
        let enclave = Coordinator::enclave(&mesh.programs);
        let coordinator = mesh.coordinator.take().unwrap();
        let (back, _) = coordinator
            .crash_and_restart(&mesh.platform, &enclave)
            .unwrap();
        mesh.coordinator = Some(back);
        assert_eq!(refused(&mesh), wanted, "{url}");
    }
    // A marble that remembers holds the coordinator to what it saw.
    assert!(!first.collateral_seen().is_empty());
}

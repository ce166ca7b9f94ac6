//! `kill -9` under load: what was acknowledged is there, once, whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use marble_sdk::Options;
use stoa_harness::coordinator::Coordinator;

use crate::mesh::{KNOWN, Mesh, runtime};

/// Kills in a row (row W6).
const KILLS: usize = 20;
/// Marbles that join at the same time.
const JOINING: usize = 6;

#[test]
fn acknowledged_activations_survive_twenty_kills_under_load() {
    let mut mesh = Mesh::with_budget(1_000_000);
    let config = Arc::new(mesh.marble_config("worker", &mesh.root_key));
    let before = mesh.status();
    let granted = Arc::new(AtomicU64::new(0));
    let enclave = Coordinator::enclave(&mesh.programs);
    for round in 0..KILLS {
        let runtime = runtime();
        let addr = mesh.coordinator().mesh_addr.clone();
        for _ in 0..JOINING {
            let (config, granted, addr) = (Arc::clone(&config), Arc::clone(&granted), addr.clone());
            let source = mesh.enclave(KNOWN);
            runtime.spawn(async move {
                loop {
                    let options = Options {
                        mesh_addr: addr.clone(),
                        source: Arc::clone(&source),
                        instance: None,
                    };
                    match marble_sdk::activate(&config, &options).await {
                        Ok(_) => granted.fetch_add(1, Ordering::SeqCst),
                        Err(_) => return,
                    };
                }
            });
        }
        let load = Duration::from_millis(150 + 37 * (round as u64 % 5));
        std::thread::sleep(load);
        let coordinator = mesh.coordinator.take().unwrap();
        let (back, _) = coordinator
            .crash_and_restart(&mesh.platform, &enclave)
            .unwrap();
        runtime.shutdown_timeout(Duration::from_secs(5));
        mesh.coordinator = Some(back);
        let acknowledged = granted.load(Ordering::SeqCst);
        let live = mesh.live("worker");
        // In flight at the kill: durable, but nobody heard of it. At most one for each that was joining, in each round.
        let unheard = (JOINING * (round + 1)) as u64;
        assert!(
            live >= acknowledged,
            "round {round}: {acknowledged} acknowledged, {live} there"
        );
        assert!(
            live <= acknowledged + unheard,
            "round {round}: {acknowledged} acknowledged, {live} there"
        );
    }
    assert!(
        granted.load(Ordering::SeqCst) > 0,
        "nothing was activated between the kills"
    );
    let after = mesh.status();
    for member in ["root_spki_sha256", "manifest_sha256", "epoch"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    let next = mesh.join("worker", KNOWN).unwrap();
    assert_eq!(next.name(), "worker");
}

#[test]
fn a_budget_is_not_passed_across_a_crash() {
    let mut mesh = Mesh::with_budget(2);
    mesh.join("worker", KNOWN).unwrap();
    let enclave = Coordinator::enclave(&mesh.programs);
    let coordinator = mesh.coordinator.take().unwrap();
    mesh.coordinator = Some(
        coordinator
            .crash_and_restart(&mesh.platform, &enclave)
            .unwrap()
            .0,
    );
    mesh.join("worker", KNOWN).unwrap();
    let third = mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(
        stoa_explain::Explain::code(&third),
        "budget-spent",
        "{third}"
    );
    assert_eq!(mesh.live("worker"), 2);
}

#[test]
fn shared_secrets_are_equal_and_own_ones_differ_also_after_a_crash() {
    let mut mesh = Mesh::with_budget(10);
    let first = mesh.join("worker", KNOWN).unwrap();
    let enclave = Coordinator::enclave(&mesh.programs);
    let coordinator = mesh.coordinator.take().unwrap();
    mesh.coordinator = Some(
        coordinator
            .crash_and_restart(&mesh.platform, &enclave)
            .unwrap()
            .0,
    );
    let second = mesh.join("worker", KNOWN).unwrap();
    assert_eq!(first.secret("SHARED"), second.secret("SHARED"));
    assert_eq!(first.secret("SHARED").unwrap().len(), 64);
    assert_ne!(first.secret("OWN"), second.secret("OWN"));
    assert_eq!(first.trust(), second.trust());
}

//! Fresh activations against a running coordinator: each on a connection of its own, with fresh evidence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use marble_sdk::Options;
use stoa_harness::{Failed, Outcome};
use tokio::runtime::Runtime;

use crate::cpu::of_process;
use crate::mesh::{Mesh, enclave};

/// Activations before anything is counted: platform and code are warm then.
const WARM_UP: usize = 20;

/// What came of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Marbles that join at the same time.
    pub concurrency: usize,
    /// Activations a second.
    pub per_second: f64,
    /// The coordinator's CPU for one.
    pub server_cpu: Duration,
}

/// The coordinator's CPU of one fresh activation, one after the other.
///
/// # Errors
/// The first activation that is refused.
pub fn cost(mesh: &Mesh, activations: usize) -> Outcome<Duration> {
    let runtime = runtime()?;
    runtime.block_on(many(mesh, WARM_UP))?;
    let pid = mesh.pid()?;
    let before = of_process(pid)?;
    runtime.block_on(many(mesh, activations))?;
    let used = of_process(pid)? - before;
    Ok(used / u32::try_from(activations.max(1)).unwrap_or(u32::MAX))
}

/// Activations a second with `concurrency` marbles at once, over `window`.
///
/// # Errors
/// If none came through.
pub fn rate(mesh: &Mesh, concurrency: usize, window: Duration) -> Outcome<Rate> {
    let runtime = runtime()?;
    runtime.block_on(many(mesh, WARM_UP))?;
    let pid = mesh.pid()?;
    let done = Arc::new(AtomicU64::new(0));
    let before = of_process(pid)?;
    let started = Instant::now();
    let end = started + window;
    for _ in 0..concurrency {
        let (config, addr, done) = (
            Arc::clone(&mesh.config),
            mesh.coordinator.mesh_addr.clone(),
            Arc::clone(&done),
        );
        let source = enclave();
        runtime.spawn(async move {
            while Instant::now() < end {
                let options = Options {
                    mesh_addr: addr.clone(),
                    source: Arc::clone(&source),
                    instance: None,
                };
                if marble_sdk::activate(&config, &options).await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    std::thread::sleep(window);
    let (count, elapsed) = (done.load(Ordering::Relaxed), started.elapsed());
    let used = of_process(pid)? - before;
    runtime.shutdown_timeout(Duration::from_secs(5));
    if count == 0 {
        return Err(Failed(format!(
            "no activation of {concurrency} at once came through in {window:?}"
        )));
    }
    Ok(Rate {
        concurrency,
        per_second: count as f64 / elapsed.as_secs_f64(),
        server_cpu: used / u32::try_from(count).unwrap_or(u32::MAX),
    })
}

async fn many(mesh: &Mesh, count: usize) -> Outcome<()> {
    let source = enclave();
    for _ in 0..count {
        let options = Options {
            mesh_addr: mesh.coordinator.mesh_addr.clone(),
            source: Arc::clone(&source),
            instance: None,
        };
        let joined = marble_sdk::activate(&mesh.config, &options).await;
        joined.map_err(|error| Failed(format!("an activation failed: {error:?}")))?;
    }
    Ok(())
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

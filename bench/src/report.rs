//! All figures of one run, as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_harness::Outcome;
use stoa_harness::programs::Programs;

use crate::Scale;
use crate::load::{Rate, cost, rate};
use crate::mesh::{Mesh, Parameters};

/// Marbles that join at the same time.
const CONCURRENCIES: [usize; 3] = [1, 16, 64];

/// Measures everything; `say` gets a line for each figure as it comes.
///
/// # Errors
/// If a program does not come up or an activation fails.
pub fn measure(programs: &Programs, scale: Scale, say: &mut dyn FnMut(&str)) -> Outcome<Value> {
    let v = crate::cpu::verification()?;
    say(&format!(
        "V, one P-256 verification        {:.1} us CPU",
        micros(v)
    ));
    let verifications = crate::judge::measure()?;
    for cost in &verifications {
        say(&format!(
            "one {} verification             {:.1} V cold (collateral and quote), {:.1} V for a fresh quote of a known platform",
            cost.kind,
            ratio(cost.cold, v),
            ratio(cost.warm, v)
        ));
    }
    let mesh = Mesh::start(programs, Parameters::Plain)?;
    let idle = crate::cpu::resident_kib(mesh.pid()?)?;
    say(&format!(
        "coordinator, idle                {:.1} MiB resident",
        idle as f64 / 1024.0
    ));
    let one = cost(&mesh, scale.activations)?;
    say(&format!(
        "one fresh activation             {:.1} V ({:.0} us of the coordinator's CPU)",
        ratio(one, v),
        micros(one)
    ));
    let mut rates = Vec::new();
    for concurrency in CONCURRENCIES {
        let rate = rate(&mesh, concurrency, scale.window)?;
        say(&format!(
            "{concurrency:>2} at once                       {:.0} activations/s, {:.1} V each",
            rate.per_second,
            ratio(rate.server_cpu, v)
        ));
        rates.push(rate);
    }
    let loaded = crate::cpu::resident_kib(mesh.pid()?)?;
    say(&format!(
        "coordinator, after the load      {:.1} MiB resident",
        loaded as f64 / 1024.0
    ));
    let restart = restart(mesh, scale.restarts)?;
    say(&format!(
        "kill -9 to listening again       {:.0} ms (median of {})",
        micros(restart) / 1000.0,
        scale.restarts
    ));
    Ok(json!({
        "format": 1,
        "v_us": micros(v),
        "verifications": verifications
            .iter()
            .map(|cost| json!({"kind": cost.kind, "cold_v": ratio(cost.cold, v), "warm_v": ratio(cost.warm, v)}))
            .collect::<Vec<_>>(),
        "activation_v": ratio(one, v),
        "activation_us": micros(one),
        "rates": rates.iter().map(|rate| as_json(rate, v)).collect::<Vec<_>>(),
        "idle_rss_kib": idle,
        "loaded_rss_kib": loaded,
        "restart_ms": micros(restart) / 1000.0,
    }))
}

/// Median time from the kill to listening again, with all that the load left in the journal.
fn restart(mut mesh: Mesh, restarts: usize) -> Outcome<Duration> {
    let mut times = Vec::with_capacity(restarts);
    for _ in 0..restarts.max(1) {
        let (back, elapsed) = mesh.restart()?;
        mesh = back;
        times.push(elapsed);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn as_json(rate: &Rate, v: Duration) -> Value {
    json!({"concurrency": rate.concurrency, "per_second": rate.per_second, "server_v": ratio(rate.server_cpu, v)})
}

fn ratio(time: Duration, unit: Duration) -> f64 {
    time.as_secs_f64() / unit.as_secs_f64()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

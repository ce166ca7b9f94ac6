//! What the bench measures is the path: work that is put into it shows.
#![allow(clippy::unwrap_used, reason = "tests")]

use stoa_bench::load::{cost, rate};
use stoa_bench::mesh::{Mesh, Parameters};
use stoa_bench::{Scale, cpu, report};
use stoa_harness::programs::Programs;

/// Enough certificates on P-384 to cost about 5 ms: key, signature and DER of each.
const CERTIFICATES: usize = 40;
const ACTIVATIONS: usize = 30;

#[test]
fn five_milliseconds_of_planted_work_in_the_path_show() {
    let programs = Programs::for_tests().unwrap();
    let plain = cost(
        &Mesh::start(&programs, Parameters::Plain).unwrap(),
        ACTIVATIONS,
    )
    .unwrap();
    let mesh = Mesh::start(&programs, Parameters::Certificates(CERTIFICATES)).unwrap();
    let heavy = cost(&mesh, ACTIVATIONS).unwrap();
    let v = cpu::verification().unwrap();
    assert!(
        heavy > plain + 20 * v,
        "plain {plain:?}, with {CERTIFICATES} certificates {heavy:?}, V {v:?}"
    );
}

#[test]
fn a_quick_run_has_every_figure() {
    let programs = Programs::for_tests().unwrap();
    let scale = Scale {
        activations: 10,
        window: std::time::Duration::from_millis(300),
        restarts: 1,
    };
    let mut lines = Vec::new();
    let figures =
        report::measure(&programs, scale, &mut |line| lines.push(line.to_owned())).unwrap();
    for member in [
        "v_us",
        "activation_v",
        "activation_us",
        "idle_rss_kib",
        "loaded_rss_kib",
        "restart_ms",
    ] {
        assert!(
            figures[member].as_f64().unwrap() > 0.0,
            "{member} in {figures}"
        );
    }
    assert_eq!(figures["rates"].as_array().unwrap().len(), 3);
    let verifications = figures["verifications"].as_array().unwrap();
    for cost in verifications {
        let (cold, warm) = (cost["cold_v"].as_f64(), cost["warm_v"].as_f64());
        assert!(warm > Some(1.0) && cold > warm, "{cost}");
    }
    assert_eq!(verifications.len(), 2);
    assert_eq!(lines.len(), 10, "{lines:?}");
}

#[test]
fn a_rate_is_of_activations_that_came_through() {
    let programs = Programs::for_tests().unwrap();
    let mesh = Mesh::start(&programs, Parameters::Plain).unwrap();
    let found = rate(&mesh, 4, std::time::Duration::from_millis(500)).unwrap();
    assert_eq!(found.concurrency, 4);
    assert!(found.per_second > 0.0);
    drop(mesh.coordinator);
}

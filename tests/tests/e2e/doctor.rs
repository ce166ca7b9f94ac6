//! `stoa doctor` as a program inside a TEE: the socket is its own, so every step can be taken.

use std::time::Duration;

use serde_json::Value;
use stoa_harness::platform::{Enclave, Platform};
use stoa_harness::programs::Programs;

/// Longest life of the program.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// Exit code and the steps with their states.
fn doctor(platform: &Platform, host_args: &[String]) -> (i32, Vec<(String, String)>) {
    let programs = Programs::for_tests().unwrap();
    let mut enclave = Enclave::sgx("doctor", programs.path("stoa"));
    enclave.argv = vec!["doctor".to_owned(), "--json".to_owned()];
    let mut process = platform.run(&enclave, host_args, &[]).unwrap();
    let status = process.await_end(END_TIME_MAX).unwrap();
    let output = process.output();
    let said = output
        .iter()
        .find_map(|line| {
            let value: Value = serde_json::from_str(line).ok()?;
            Some(value["steps"].as_array()?.clone())
        })
        .unwrap_or_else(|| panic!("{output:?}"));
    let of = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = said
        .iter()
        .map(|step| (of(step, "step"), of(step, "state")))
        .collect();
    (status.code().unwrap(), steps)
}

#[test]
fn inside_a_tee_every_step_passes_and_with_another_root_the_collateral_fails() {
    let programs = Programs::for_tests().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::start(&programs, folder.path()).unwrap();
    let from = ["--from".to_owned(), platform.pccs().to_owned()];
    let root = [
        "--insecure-trust-root".to_owned(),
        platform.root().display().to_string(),
    ];

    let (exit, steps) = doctor(&platform, &[&from[..], &root].concat());
    assert_eq!(exit, 0, "{steps:?}");
    let not_ok: Vec<&str> = steps
        .iter()
        .filter(|(_, state)| state != "ok")
        .map(|(step, _)| step.as_str())
        .collect();
    // The synthetic vendor's service does not say its time.
    assert_eq!((steps.len(), not_ok), (9, vec!["clock"]), "{steps:?}");

    let (exit, steps) = doctor(&platform, &from);
    assert_eq!(exit, 1, "{steps:?}");
    assert_eq!(steps[6], ("collateral".to_owned(), "failed".to_owned()));
}

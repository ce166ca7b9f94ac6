//! CPU and memory of processes, from /proc; and the unit V.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use stoa_harness::{Failed, Outcome, failed};

/// Verifications in one sample of V.
const SAMPLE: u32 = 300;
/// Different keys, messages and signatures.
const SIGNATURES: usize = 64;
/// Samples, of which the fastest counts: others were disturbed.
const SAMPLES: usize = 7;

/// CPU of one P-256 verification (SHA-256, DER, key parsed each time), by the library that the coordinator uses.
///
/// No two in a row are of the same signature: the processor would learn the branches of one by heart, and nobody verifies
/// one signature three hundred times.
///
/// # Errors
/// If /proc can't be read.
pub fn verification() -> Outcome<Duration> {
    let bug = |_| Failed("the crypto library failed".to_owned());
    let mut signed = Vec::with_capacity(SIGNATURES);
    for number in 0..SIGNATURES {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(bug)?;
        let message = [number as u8; 256];
        let signature = key.sign(&SystemRandom::new(), &message).map_err(bug)?;
        let public = key.public_key().as_ref().to_vec();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public);
        signed.push((public, message, signature));
    }
    let mut best = Duration::MAX;
    for _ in 0..SAMPLES {
        let before = own_thread()?;
        for (public, message, signature) in signed.iter().cycle().take(SAMPLE as usize) {
            black_box(public.verify(black_box(message), signature.as_ref())).map_err(bug)?;
        }
        best = best.min((own_thread()? - before) / SAMPLE);
    }
    Ok(best)
}

/// CPU that all threads of `pid` have used so far; of threads that ended, only what the process has inherited is missing.
///
/// # Errors
/// If there is no such process.
pub fn of_process(pid: u32) -> Outcome<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/schedstat"));
    let mut total = Duration::ZERO;
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .map_err(|error| Failed(format!("process {pid}: {error}")))?;
    for task in tasks.flatten() {
        if let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) {
            total += nanoseconds(&text)?;
        }
    }
    match stat {
        Ok(_) => Ok(total),
        Err(error) => failed(format!("process {pid}: {error}")),
    }
}

/// Resident memory of `pid` in KiB.
///
/// # Errors
/// If there is no such process.
pub fn resident_kib(pid: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| Failed(format!("process {pid}: {error}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failed(format!("process {pid} has no VmRSS")))
}

/// CPU that this thread has used so far, to the nanosecond: schedstat of the running thread is a scheduler's tick old.
///
/// # Errors
/// Never on Linux; a clock that runs backwards would be one.
pub fn own_thread() -> Outcome<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).map_err(|error| Failed(format!("the thread's CPU clock: {error}")))
}

/// The first number of a schedstat line: time on the CPU in nanoseconds.
fn nanoseconds(text: &str) -> Outcome<Duration> {
    let first = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    first
        .map(Duration::from_nanos)
        .ok_or_else(|| Failed(format!("schedstat is {text:?}")))
}

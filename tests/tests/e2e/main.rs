//! End to end: real processes, loopback, `kill -9`; what users would see.
//!
//! Marbles of these tests run in the test process with the SDK and a platform of the same seed as the daemon's, so that
//! hundreds can join; the demo's marbles are processes of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod attacks;
mod collateral;
mod crash;
mod demo;
mod doctor;
mod exporter;
mod host;
mod launcher;
mod listeners;
mod mesh;
mod readme;
mod recovery;
mod refusals;
mod relay;
mod renewal;
mod secrets;
mod three_tees;
mod update;
mod verify;

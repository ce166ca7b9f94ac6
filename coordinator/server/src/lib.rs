//! The coordinator's process: sockets, limits, threads, clock, randomness, configuration.
//!
//! The corridor between the rooms: evidence is judged by `attestation`, commands are decided by `mesh`, sealed bytes are
//! kept by `store`, hardware is asked by `source`, vendors by `collateral`. It is the only crate that knows both `mesh`
//! and `store`. Start reading at [`run`], then [`marble`] and [`writer`].

pub mod app;
pub mod clock;
pub mod config;
pub mod connections;
pub mod custody;
pub mod endorsements;
pub mod error;
pub mod keys;
pub mod listener;
pub mod marble;
pub mod oaep;
pub mod ports;
pub mod rate;
pub mod recovering;
pub mod rest;
pub mod rng;
pub mod run;
pub mod sealing;
pub mod session;
pub mod spki;
pub mod start;
pub mod statement;
pub mod status;
pub mod tls;
pub mod upkeep;
pub mod view;
pub mod writer;

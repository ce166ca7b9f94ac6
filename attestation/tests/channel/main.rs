//! Whole Joins in memory, over evidence of the synthetic TEE that is verified as hardware's is, and one change at a time:
//! every field of every binding must count, and each change must be refused by its name.
//!
//! `world` has two honest sides; the other modules each turn one thing.

#![allow(clippy::unwrap_used, clippy::panic)]

mod certificates;
mod coordinator_refuses;
mod honest;
mod lists;
mod marble_refuses;
mod provision_refused;
mod world;

//! The rules of the house that can be checked, as tests: over sources, Cargo.toml files, what cargo resolves, and pages.
//!
//! Each rule is a function from a path and a text to faults. It is run over the repository, and over a planted fault,
//! so that every rule is known to turn red.
//!
//! | module | rules about |
//! |---|---|
//! | `purity` | no clock, randomness, file, socket, process or thread in the pure crates |
//! | `imports` | floors, proto, synthetic, mesh and store, features, pins |
//! | `modules` | loops inside a crate |
//! | `words` | printing, exiting, unfinished work, ignored tests, names of tests, machine paths |
//! | `size` | length and names of files, module headers |
//! | `codes` | error codes and their page |
//! | `limits` | limits and their page |
//! | `licences` | licences, banned crates, sources |
//! | `pages` | promises, links, the architecture page, the page of dependencies |
//!
//! Does not live here: what the product does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test"
)]

mod codes;
mod imports;
mod licences;
mod limits;
mod modules;
mod pages;
mod purity;
mod size;
mod source;
mod tree;
mod words;

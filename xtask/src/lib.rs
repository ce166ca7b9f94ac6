//! What the tasks of the house know: how to run every test and account for it, what the pages under docs/ promise,
//! and how a README block is checked.
//!
//! A library beside the binary, so that `stoa-tests` holds the pages to the same rules.
//! Does not live here: the rules of the house (`tests/tests/tidy.rs`), any test of a product crate.

pub mod demo;
pub mod failure;
pub mod libtest;
pub mod needs;
pub mod program;
pub mod promises;
pub mod readme;
pub mod reference;
pub mod run_log;
pub mod suite;
pub mod test;
pub mod workspace;

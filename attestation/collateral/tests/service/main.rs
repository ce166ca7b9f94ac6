//! The collateral service against real HTTP servers on loopback: good ones, bad ones, none.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bundles;
mod double;
mod kds;
mod kept;
mod misbehaving;
mod requests;
mod world;

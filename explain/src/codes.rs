//! The list, one file a room. An entry is added here in the commit that adds the error.

mod attestation;
mod channel;
mod cli;
mod client;
mod collateral;
mod launcher;
mod manifest;
mod mesh;
mod sdk;
mod server;
mod source;
mod store;
mod synthetic;

pub(crate) const ROOMS: &[&[crate::Code]] = &[
    attestation::CODES,
    channel::CODES,
    cli::CODES,
    client::CODES,
    collateral::CODES,
    launcher::CODES,
    manifest::CODES,
    mesh::CODES,
    sdk::CODES,
    server::CODES,
    source::CODES,
    store::CODES,
    synthetic::CODES,
];

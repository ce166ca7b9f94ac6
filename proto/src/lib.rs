//! What crosses a socket: gRPC messages, and the wire twins of REST bodies.
//!
//! Additive changes only. Domain types live elsewhere; here are their twins, which are what is serialised.
//! Does not live here: routes (`server`, `client`), exit codes (`cli`, `launcher`), the LP structures of the attested
//! channel (`attestation::channel`).
//!
//! Without features this crate has messages and twins only; feature `grpc` adds tonic's client and server code.

pub mod path;
pub mod status;
pub mod wire;

/// Messages of `stoa.v1` (proto/stoa/v1/mesh.proto), and with feature `grpc` the service `Mesh`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod mesh {
    include!(concat!(env!("OUT_DIR"), "/stoa.v1.rs"));
}

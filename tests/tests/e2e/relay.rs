//! A man in the middle that relays every frame between two real sessions.
//!
//! It terminates TLS on both sides with keys of its own and hands gRPC frames on unchanged, so both ends talk to a
//! genuine peer. What stops it is the binding: exporter, both leaves and both nonces are in what is signed and quoted.

use std::sync::Arc;
use std::time::Duration;

use stoa_explain::Explain as _;

use crate::mesh::{KNOWN, Mesh, runtime};

#[test]
fn a_relay_between_two_real_sessions_is_refused() {
    let mesh = Mesh::with_budget(5);
    let runtime = runtime();
    let relay = runtime
        .block_on(stoa_tests::relay::start(&mesh.coordinator().mesh_addr))
        .unwrap();
    let config = mesh.marble_config("worker", &mesh.root_key);
    let error = mesh.join_at(&relay.addr, &config, KNOWN).unwrap_err();
    assert_eq!(error.code(), "binding-differs", "{error:?}");
    let seen = Arc::clone(&relay.frames);
    std::thread::sleep(Duration::from_millis(50));
    let frames = seen.lock().unwrap().clone();
    assert!(
        frames.contains(&3),
        "the relay did hand on the coordinator's evidence: {frames:?}"
    );
    assert!(
        !frames.contains(&4),
        "the marble showed its evidence to a relay: {frames:?}"
    );
    assert_eq!(mesh.live("worker"), 0);
    // The honest twin: the same marble without the man in the middle.
    mesh.join("worker", KNOWN).unwrap();
}

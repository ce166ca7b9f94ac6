//! Codes of the room `marble-sdk`: why a marble did not become one.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "marble-config-invalid",
        meaning: "The marble's measured configuration (stoa-marble.json) can't be used. The message names the field.",
        remedy: "Write it as docs/reference/marble-config.md shows, measure the marble again, update the manifest.",
    },
    Code {
        code: "join-broken",
        meaning: "The connection ended in the middle of a Join without a reason from the coordinator.",
        remedy: "Try again; look at the coordinator's log if it happens often.",
    },
    Code {
        code: "provision-malformed",
        meaning: "The verified coordinator sent parameters that can't be used.",
        remedy: "Check the manifest's parameters of this marble, and that both sides have the same version.",
    },
    Code {
        code: "peer-not-a-marble",
        meaning: "The peer's certificate is of this mesh, but names no marble.",
        remedy: "Call or serve marbles of this mesh only.",
    },
];

//! Codes of the room `marble-sdk`: why a marble did not become one.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "marble-config-invalid",
        meaning: "The marble's measured configuration (stoa-marble.json) can't be used. The message names the field.",
        remedy: "Write it as docs/reference/marble-config.md shows, measure the marble again, update the manifest.",
    },
    Code {
        code: "coordinator-unreachable",
        meaning: "No TLS connection to the coordinator could be made.",
        remedy: "Check the address and that the coordinator runs, then try again.",
    },
    Code {
        code: "refused-by-coordinator",
        meaning: "The coordinator refused with a code that this version does not know.",
        remedy: "Update the marble, or look the code up with a newer `stoa explain`.",
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

//! Codes of the room `source`: what a TEE does not give.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "tee-unknown",
        meaning: "The configured TEE is none that Stoa knows.",
        remedy: "Write socket:PATH for the synthetic TEE.",
    },
    Code {
        code: "tee-not-supported",
        meaning: "The configured TEE is known by name, but this version has no way to ask it.",
        remedy: "Use socket:PATH with the synthetic TEE until a version that supports it.",
    },
    Code {
        code: "tee-unreachable",
        meaning: "The TEE's device can't be opened, or the exchange with it broke off.",
        remedy: "Start the program inside the TEE: for the synthetic one with `stoa-synthetic run`, which hands over --tee itself.",
    },
    Code {
        code: "tee-too-slow",
        meaning: "The TEE's device did not answer in time.",
        remedy: "Look whether the machine is overloaded, and try again.",
    },
    Code {
        code: "tee-answer-malformed",
        meaning: "The TEE's device answered with something that is no answer to the request.",
        remedy: "Use device and program of the same version of Stoa.",
    },
    Code {
        code: "tee-refused",
        meaning: "The TEE's device refused the request. The message has its own code and cause.",
        remedy: "Do what `stoa explain` says of the code in the message.",
    },
];

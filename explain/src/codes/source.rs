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
        code: "tee-missing",
        meaning: "None of the interfaces to a TEE is there: neither Gramine's /dev/attestation nor configfs-tsm.",
        remedy: "Run it inside the enclave or guest; a container needs the device handed in.",
    },
    Code {
        code: "tee-attestation-off",
        meaning: "Gramine runs the program, but without DCAP attestation.",
        remedy: "Write sgx.remote_attestation = \"dcap\" in the Gramine manifest, sign it again and run it with gramine-sgx.",
    },
    Code {
        code: "tee-interface-missing",
        meaning: "The guest's device is there, but configfs-tsm, through which quotes are asked for, is not.",
        remedy: "Mount configfs (mount -t configfs none /sys/kernel/config); the kernel must be 6.7 or later, with CONFIG_TSM_REPORTS.",
    },
    Code {
        code: "tee-not-permitted",
        meaning: "The interface to the TEE is there, but this user may not use it.",
        remedy: "Let the service's user read and write the named file: by its group, or as root.",
    },
    Code {
        code: "tee-no-quote",
        meaning: "The interface to the TEE gave no quote, though it may be used.",
        remedy: "Look whether the quoting service runs and can be reached: AESM for SGX, QGS for TDX.",
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

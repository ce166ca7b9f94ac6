//! Codes of the room `synthetic`: what a synthetic platform or a program on it does not do.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "synthetic-config-unreadable",
        meaning: "The configuration of a program for the synthetic TEE can't be read.",
        remedy: "Name an existing TOML file.",
    },
    Code {
        code: "synthetic-config-malformed",
        meaning: "The configuration of a program for the synthetic TEE has a field that is wrong. The message names line and field.",
        remedy: "Write tee, executable and, if needed, argv, env, trusted_files, signer, product_id, security_version, debug, tcb, flip.",
    },
    Code {
        code: "synthetic-file-unreadable",
        meaning: "An executable or a trusted file that belongs to the measurement can't be read.",
        remedy: "Correct the path; relative ones start at the configuration's folder.",
    },
    Code {
        code: "synthetic-executable-is-script",
        meaning: "The executable is a script, whose interpreter nobody would measure.",
        remedy: "Name the interpreter as `executable` and the script in `argv` and `trusted_files`.",
    },
    Code {
        code: "synthetic-signer-unusable",
        meaning: "The signer's key file is missing, exists already, or holds no RSA-3072 private key in PEM.",
        remedy: "Make a key with `stoa-synthetic signer FILE`, in a file that does not exist yet.",
    },
    Code {
        code: "synthetic-trusted-file-changed",
        meaning: "A trusted file is not what it was when the program was measured, so the TEE gives no evidence and no key.",
        remedy: "Measure the program again, put the new measurement into the manifest, and start the program anew.",
    },
    Code {
        code: "synthetic-memory-unavailable",
        meaning: "The kernel gives no sealed memory for the copy of the executable that is measured and run.",
        remedy: "Use Linux 3.17 or later, with memory for the executable.",
    },
    Code {
        code: "synthetic-folder-unusable",
        meaning: "A file of the platform's folder can't be read or written.",
        remedy: "Name a folder that this user may write.",
    },
    Code {
        code: "synthetic-folder-missing",
        meaning: "There is no platform in the folder.",
        remedy: "Start `stoa-synthetic platform DIR` first.",
    },
    Code {
        code: "synthetic-folder-malformed",
        meaning: "The platform's state file is damaged.",
        remedy: "Remove the folder; its platform and sealing keys are gone then.",
    },
    Code {
        code: "synthetic-folder-differs",
        meaning: "The folder holds a platform of another seed than the one given.",
        remedy: "Leave out --seed, or use another folder.",
    },
    Code {
        code: "synthetic-no-randomness",
        meaning: "The operating system gives no random bytes for a new platform's seed.",
        remedy: "Give --seed.",
    },
    Code {
        code: "synthetic-socket-unavailable",
        meaning: "The TEE's socket can't be made.",
        remedy: "Set XDG_RUNTIME_DIR or TMPDIR to a short path that this user may write.",
    },
    Code {
        code: "synthetic-start-failed",
        meaning: "The program can't be started inside the TEE. The message names the step.",
        remedy: "Name an executable for this machine, and see that it can be started by hand.",
    },
    Code {
        code: "synthetic-wait-failed",
        meaning: "The daemon can't wait for a program or a signal; this is a bug of Stoa.",
        remedy: "Report it with the message.",
    },
    Code {
        code: "synthetic-service-unavailable",
        meaning: "The synthetic vendor's collateral can't be served on the given address.",
        remedy: "Give a free loopback address, or none.",
    },
    Code {
        code: "synthetic-request-malformed",
        meaning: "The program inside asked the synthetic TEE for something that is no request.",
        remedy: "Use stoa-source of the same version; it is a bug of Stoa if it says this.",
    },
];

//! Codes of the room `server`: what the coordinator's edges refuse themselves.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "request-invalid",
        meaning: "A value of the request can't be read. The message names it, with what came and what is wanted.",
        remedy: "Correct the value and ask again; nothing was changed.",
    },
    Code {
        code: "path-unknown",
        meaning: "The coordinator serves no such path.",
        remedy: "See docs/reference/rest.md for what is served on the client port.",
    },
    Code {
        code: "method-not-allowed",
        meaning: "The path exists, but does not take this HTTP method.",
        remedy: "See docs/reference/rest.md for the methods of each path.",
    },
    Code {
        code: "too-many-requests",
        meaning: "One address, or all together, asked more often than the named limit.",
        remedy: "Wait a second and ask again; a statement can be kept and judged offline.",
    },
    Code {
        code: "manifest-not-set",
        meaning: "The coordinator is waiting for its first manifest.",
        remedy: "Set one with `stoa manifest set FILE`.",
    },
    Code {
        code: "in-recovery",
        meaning: "The sealed state is there, but its data key can't be opened by this TEE. Only status, statement and recovery are served.",
        remedy: "Let the holders of the recovery keys run `stoa recover`; or start the coordinator with the identity that sealed the state, or put the file `sealed_key` back.",
    },
    Code {
        code: "store-unavailable",
        meaning: "The sealed journal can't be written at the moment. What was acknowledged is safe; the request was not applied.",
        remedy: "Look at the coordinator's disk (full, read-only, slow), then try again.",
    },
    Code {
        code: "evidence-unavailable",
        meaning: "The coordinator can't prove itself now: its TEE gives no evidence, or its collateral can't be had.",
        remedy: "Look at the coordinator's log for the failing step and at the collateral service, then try again.",
    },
    Code {
        code: "stopping",
        meaning: "The coordinator is ending and takes no new work.",
        remedy: "Try again when it is back.",
    },
    Code {
        code: "protocol-misused",
        meaning: "The peer broke a rule of the connection, such as one Join a connection.",
        remedy: "Open a new connection for each Join.",
    },
    Code {
        code: "insecure-root-on-hardware",
        meaning: "--insecure-trust-root was given although --tee names hardware. A root of one's own is for the synthetic TEE.",
        remedy: "Leave --insecure-trust-root away; on hardware only the vendor's root is believed.",
    },
    Code {
        code: "file-unusable",
        meaning: "A file that was named on the command line can't be read or is not what it should be.",
        remedy: "Name a readable, well-formed file; the message says what is wrong with this one.",
    },
    Code {
        code: "tee-unusable",
        meaning: "The TEE that --tee names does not give evidence or a sealing key.",
        remedy: "Check that --tee names the TEE that this process runs in.",
    },
    Code {
        code: "journal-not-replayable",
        meaning: "The journal is intact, but holds events that this version does not know or can't apply.",
        remedy: "Start the version that wrote it, or a later one.",
    },
    Code {
        code: "port-unavailable",
        meaning: "The coordinator can't listen on a configured address.",
        remedy: "Free the port, or configure another; port 0 picks a free one.",
    },
    Code {
        code: "bug",
        meaning: "Something that can't happen did. It is ours.",
        remedy: "Report it with the request id and the coordinator's log.",
    },
    Code {
        code: "upload-unreadable",
        meaning: "What was sent as a recovery share is not encrypted for the upload key of the coordinator's process. The key is a new one after each restart.",
        remedy: "Ask for the upload key again and encrypt the share for it (RSA-OAEP, SHA-256); `stoa recover` does all of it.",
    },
    Code {
        code: "not-in-recovery",
        meaning: "The coordinator's state is open, so it takes no recovery shares.",
        remedy: "Keep the shares; look at `stoa status`.",
    },
    Code {
        code: "recovery-data-missing",
        meaning: "The coordinator is in recovery, and its file `sealed_data` names no shares: the manifest has no RecoveryKeys, or the file was lost or damaged.",
        remedy: "Put `sealed_data` back into the coordinator's data folder, from a backup or from a recovery file, and start it again; or put `sealed_key` back.",
    },
];

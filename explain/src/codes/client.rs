//! Codes of the room `client`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "secrets-unreadable",
        meaning: "A file does not hold values of secrets: it is no JSON of the right form, or a name stands twice in it.",
        remedy: "Write an object: {\"name\": {\"Key\": \"<base64>\"}} or {\"name\": {\"Cert\": \"<PEM>\", \"Private\": \"<PEM>\"}}.",
    },
    Code {
        code: "identity-unreadable",
        meaning: "The certificate or key of the user can't be read, or they do not fit together.",
        remedy: "Give the user's certificate with --cert and its private key with --key, both PEM.",
    },
    Code {
        code: "statement-malformed",
        meaning: "What came is not a statement: no JSON, a member that is missing, twice or of another type, or bytes that \
                  can't be read.",
        remedy: "Check the address; it must be the client port of a Stoa coordinator of this version.",
    },
    Code {
        code: "statement-inconsistent",
        meaning: "The coordinator signed one thing and states another: the manifest or the time beside the signed state is \
                  not the signed one.",
        remedy: "Do not trust this coordinator; save the answer (`--save`) and report it.",
    },
    Code {
        code: "nonce-differs",
        meaning: "The statement answers another request than this one.",
        remedy: "Ask again; if it stays, something in between replays old answers.",
    },
    Code {
        code: "manifest-differs",
        meaning: "The manifest in force is not, byte for byte, the one that was given; or none is in force.",
        remedy: "Compare the two: `stoa manifest get`. If the new one is right, verify against it.",
    },
    Code {
        code: "history-differs",
        meaning: "The history in the statement does not end where the coordinator signed, or its times run back.",
        remedy: "Do not trust this coordinator; save the answer (`--save`) and report it.",
    },
    Code {
        code: "marbles-differ",
        meaning: "The coordinator counts marbles that its manifest does not allow: another type, or more than the budget.",
        remedy: "Do not trust this coordinator; save the answer (`--save`) and report it.",
    },
    Code {
        code: "mesh-certificate-differs",
        meaning: "A certificate of the mesh (root CA, issuing CA, TLS leaf) is not the one that the coordinator's evidence \
                  names, or its chain does not hold.",
        remedy: "Connect straight to the coordinator; if nothing stands in between, treat it as an attack.",
    },
    Code {
        code: "mesh-certificate-expired",
        meaning: "A certificate of the mesh is outside its validity.",
        remedy: "Set this machine's clock; if it is right, tell the operator that a certificate ended.",
    },
    Code {
        code: "reference-invalid",
        meaning: "The file that says what the coordinator must be has faults; each is named with its path.",
        remedy: "Correct the fields that are named (docs/reference/coordinator-reference.md).",
    },
    Code {
        code: "bundle-malformed",
        meaning: "The file is no bundle: no JSON, or a member that is missing, twice or can't be read.",
        remedy: "Save it again: stoa verify URL --save FILE.",
    },
    Code {
        code: "memory-malformed",
        meaning: "The file that remembers how far a mesh was can't be read, so a coordinator that went back would not be \
                  noticed.",
        remedy: "Restore the file from a backup, or delete it if you accept that once.",
    },
    Code {
        code: "url-invalid",
        meaning: "The address of the coordinator can't be read.",
        remedy: "Write https://HOST:PORT.",
    },
    Code {
        code: "coordinator-unreachable",
        meaning: "Nobody answers at that address, or the connection broke.",
        remedy: "Check the address and that the coordinator runs; then try again.",
    },
    Code {
        code: "not-a-coordinator",
        meaning: "Something answers at that address, but not as a Stoa coordinator of this version.",
        remedy: "Check the address: it must be the client port (4433 unless it was configured).",
    },
    Code {
        code: "refused-by-coordinator",
        meaning: "The coordinator refused with a code that this version of the client does not know.",
        remedy: "Read its message; update the client to the coordinator's version.",
    },
    Code {
        code: "recovery-file-malformed",
        meaning: "The file is no recovery file: no JSON of format 1, or a share in it can't be read.",
        remedy: "Give the file that `stoa manifest set --recovery-data FILE` wrote, unchanged.",
    },
];

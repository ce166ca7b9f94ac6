//! Codes of the room `channel`: stoa-attest/1, both sides, and what the statement shares with it.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "hello-malformed",
        meaning: "The first frame of a side breaks a rule of docs/protocol/attest-1.md, section 3: a field's length, the role, \
                  the list of kinds, the marble type or the instance.",
        remedy: "Name the marble type and the instance as the manifest and the leaf do; use a peer that keeps to the protocol.",
    },
    Code {
        code: "frame-malformed",
        meaning: "A later frame, the state bytes or the receipt in a leaf can't be read.",
        remedy: "Use a peer that keeps to docs/protocol/attest-1.md, and look for something in between that changes bytes.",
    },
    Code {
        code: "frame-unexpected",
        meaning: "A frame came out of its turn; frames travel in the order 1 to 7.",
        remedy: "Use a peer that keeps to docs/protocol/attest-1.md.",
    },
    Code {
        code: "version-unsupported",
        meaning: "The other side speaks another version of stoa-attest.",
        remedy: "Use a marble and a coordinator of releases that speak the same version.",
    },
    Code {
        code: "purpose-not-allowed",
        meaning: "The Hello asks for something else than activate or renew, is answered for another purpose, or a new key came \
                  without renew.",
        remedy: "Ask for activate or renew; bring a new key only when renewing.",
    },
    Code {
        code: "kind-not-common",
        meaning: "No kind of evidence is both made by the marble's platform and accepted by the coordinator, or evidence of \
                  another kind came.",
        remedy: "Run the marble on hardware of a kind that its package in the manifest and the coordinator accept.",
    },
    Code {
        code: "state-not-accepting",
        meaning: "The coordinator takes no marbles in its state: it waits for recovery or for a manifest.",
        remedy: "Look at `stoa status`; recover the coordinator, or set a manifest.",
    },
    Code {
        code: "session-key-stale",
        meaning: "The coordinator's session key was quoted more than 300 s away from this verifier's clock.",
        remedy: "Look at the coordinator's log: it can't get fresh evidence from its TEE.",
    },
    Code {
        code: "clock-differs",
        meaning: "This machine's clock and that of the coordinator, or of a collateral service, are more than 300 s apart; the error shows both.",
        remedy: "Set the clocks of both machines (NTP).",
    },
    Code {
        code: "security-digest-differs",
        meaning: "The coordinator runs with switches that lower its safety and that this verifier did not accept.",
        remedy: "Start it without them (`stoa status` lists them), or name its digest in the reference if you accept them.",
    },
    Code {
        code: "security-switch-invalid",
        meaning: "A switch can't stand in the security digest: its name or value is outside the rules, or it is set twice.",
        remedy: "Name each switch once, as docs/reference/security-digest.md does, with a value of printable ASCII characters.",
    },
    Code {
        code: "mesh-differs",
        meaning: "The coordinator's root CA is not the pinned or remembered one: this is another mesh.",
        remedy: "Check the address; if the mesh was founded anew, take the new pin from `stoa status` and measure again.",
    },
    Code {
        code: "history-went-back",
        meaning: "The coordinator's journal is older than what was seen of it before, or forked from it.",
        remedy: "Find out why it runs on an old copy of its data before you trust it again.",
    },
    Code {
        code: "history-malformed",
        meaning: "The epochs of a history do not count 1, 2, 3 and so on.",
        remedy: "Take the history whole, oldest first, from the coordinator's statement.",
    },
    Code {
        code: "key-not-proven",
        meaning: "The key that is to be certified is of an unknown kind, or its holder did not prove it in this connection.",
        remedy: "Use a P-256 or Ed25519 key, and sign with a new key in the connection in which it is to be certified.",
    },
    Code {
        code: "leaf-not-valid",
        meaning: "The leaf that is renewed, or the one that came with the provision, is not the one that it must be.",
        remedy: "Activate anew instead of renewing; if it is the provision's, report it: the coordinator contradicts itself.",
    },
    Code {
        code: "finish-differs",
        meaning: "The two sides did not see the same frames, or the other side does not hold this connection's secrets.",
        remedy: "Connect again; if it stays, something in between changes frames.",
    },
    Code {
        code: "too-large",
        meaning: "A frame or field is above its limit.",
        remedy: "Keep to the limits of docs/reference/limits.md.",
    },
    Code {
        code: "too-slow",
        meaning: "A step of the channel took longer than its limit.",
        remedy: "Try again; if it stays, look at the load of both machines and at the network between them.",
    },
    Code {
        code: "share-malformed",
        meaning: "The bytes are no recovery share: another length, format or version.",
        remedy: "Decrypt the holder's share from the recovery file with the holder's key (RSA-OAEP, SHA-256).",
    },
];

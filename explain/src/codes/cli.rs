//! Codes of the room `cli`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "file-not-readable",
        meaning: "A file that was named can't be read, or is longer than its limit.",
        remedy: "Check the path, its permissions and its length.",
    },
    Code {
        code: "file-not-written",
        meaning: "A file could not be written; what was there before is unchanged.",
        remedy: "Check the path, its permissions and the space on the disk.",
    },
    Code {
        code: "argument-invalid",
        meaning: "The value of an option or argument can't be.",
        remedy: "Correct it as the message says; `stoa COMMAND --help` lists the options.",
    },
    Code {
        code: "address-missing",
        meaning: "The command talks to a coordinator and was not told where it is.",
        remedy: "Give --url https://HOST:PORT, or set STOA_URL.",
    },
    Code {
        code: "reference-missing",
        meaning: "The command hands something over and must know before to whom, but no reference was given; no released \
                  measurements are built in yet.",
        remedy: "Give --coordinator FILE: what the coordinator must be. Where nobody can say that, --trust-on-first-use \
                 believes the code that is there now, and remembers it.",
    },
    Code {
        code: "memory-unavailable",
        meaning: "There is no folder in which to remember the meshes that were seen.",
        remedy: "Set STOA_STATE_DIR to a folder that you may write to.",
    },
    Code {
        code: "code-unknown",
        meaning: "There is no such error code.",
        remedy: "List all codes with `stoa explain`.",
    },
    Code {
        code: "manifest-not-confirmed",
        meaning: "The coordinator took the manifest, but what it then stated is not that manifest.",
        remedy: "Do not trust this coordinator; look at `stoa manifest get` and report it.",
    },
    Code {
        code: "manifest-not-in-force",
        meaning: "The coordinator has no manifest in force that could be shown.",
        remedy: "Look at `stoa status`; set a manifest with `stoa manifest set FILE`.",
    },
    Code {
        code: "clock-unset",
        meaning: "This machine's clock is before 1970, so nothing can be judged by it.",
        remedy: "Set the clock (NTP).",
    },
    Code {
        code: "seal-key-changes",
        meaning: "The TEE gave two different sealing keys for the same purpose, so what is sealed could not be opened again.",
        remedy: "Update the TEE's firmware or the program that stands for it; until then seal nothing on this machine.",
    },
    Code {
        code: "randomness-unavailable",
        meaning: "The system gave no random bytes for a nonce.",
        remedy: "Check the system's random generator; a container may lack /dev/urandom.",
    },
    Code {
        code: "recovery-key-unfit",
        meaning: "The file is no private RSA key in PKCS #8 and PEM, or its share can't be decrypted with it.",
        remedy: "Give the private key whose public half is among the manifest's RecoveryKeys; `openssl pkcs8 -topk8 -nocrypt` writes it in that form.",
    },
    Code {
        code: "recovery-share-missing",
        meaning: "The recovery file has no share for the key that was given.",
        remedy: "Give the key that belongs to one of the holders named, and the newest recovery file.",
    },
    Code {
        code: "recovery-not-confirmed",
        meaning: "The coordinator said that the state is recovered, and does not prove it: it did not come back in state 3, or with another root CA.",
        remedy: "Look at `stoa status` and at the coordinator's log; if the root CA is another, treat the share as given away.",
    },
    Code {
        code: "recovery-data-not-asked",
        meaning: "The manifest has RecoveryKeys whose shares are given out once, and no file was named to keep them in; or the coordinator gave none.",
        remedy: "Name one: `--recovery-data FILE`. It must not be there yet.",
    },
];

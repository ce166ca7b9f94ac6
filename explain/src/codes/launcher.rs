//! Codes of the room `launcher`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "file-refused",
        meaning: "The manifest gives a file a path that leaves its folder or has none, a mode with other than permission bits, or an owner or form, which are not served yet.",
        remedy: "Change the file in the manifest, or give the launcher --files for relative paths.",
    },
    Code {
        code: "folder-not-in-memory",
        meaning: "The launcher was told to write to memory only, and its folder is on another file system.",
        remedy: "Mount a tmpfs there, or name another folder in --files.",
    },
    Code {
        code: "marble-config-unreadable",
        meaning: "The measured configuration of a marble, stoa-marble.json, can't be read.",
        remedy: "Name the file in --config and among the trusted files of the TEE.",
    },
    Code {
        code: "no-program",
        meaning: "Neither the launcher's command line nor the manifest's arguments name a program.",
        remedy: "Write -- PROGRAM before --tee, or Parameters.Argv in the manifest.",
    },
    Code {
        code: "program-not-executed",
        meaning: "The program could not be executed in place of the launcher.",
        remedy: "Name an executable file behind -- or first in the manifest's Argv; a name without a slash is one in the working folder.",
    },
    Code {
        code: "variable-refused",
        meaning: "An environment variable of the manifest has a name or a value that a process can't have.",
        remedy: "Change the variable in the manifest: no NUL byte, and no = in its name.",
    },
];

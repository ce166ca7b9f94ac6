//! Codes of the room `store`.

use crate::Code;

const FROM_BACKUP: &str = "Keep a copy of the data folder as it is, then restore the whole folder from a backup. Nothing in it was changed.";

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "journal-locked",
        meaning: "Another process holds the data folder; one coordinator at a time may write into it.",
        remedy: "Stop the other coordinator, or give this one a data folder of its own.",
    },
    Code {
        code: "journal-exists",
        meaning: "A journal was to be made in a data folder that already holds one.",
        remedy: "Open the journal that is there, or choose an empty folder.",
    },
    Code {
        code: "journal-missing",
        meaning: "The data folder, or the journal in it, is not there.",
        remedy: "Check the path of the data folder; an empty folder is founded, not opened.",
    },
    Code {
        code: "journal-gone",
        meaning: "The data folder shows that a journal was in it, and it is not there any more.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-io",
        meaning: "The operating system refused an operation on a file of the data folder.",
        remedy: "Check free space, permissions and the health of the disk, then start again.",
    },
    Code {
        code: "head-missing",
        meaning: "The head file is not there, so nothing says where the journal ended; it is never made up from the journal, which may have lost its end.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "head-damaged",
        meaning: "Neither slot of the head file can be believed, or the two were not written one after the other.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-key-foreign",
        meaning: "Head or record is sealed under another data key than the one given.",
        remedy: "Check that `sealed_key` belongs to this data folder, or recover with the shares.",
    },
    Code {
        code: "journal-version-unknown",
        meaning: "A file of the data folder has a format version that this build does not know.",
        remedy: "Use the version of Stoa that wrote it, or a later one.",
    },
    Code {
        code: "journal-damaged",
        meaning: "A record, or the backend's file that holds it, is not what was written.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-chain-broken",
        meaning: "A genuine record stands behind another record than the one it was written behind.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-forked",
        meaning: "Head and journal agree on the number of the last record and not on its hash: they belong to two histories.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-shorter-than-head",
        meaning: "The head says that more records were acknowledged than the journal holds: acknowledged records are lost.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-longer-than-head",
        meaning: "The journal holds more records behind the head than the one that can have been in flight.",
        remedy: FROM_BACKUP,
    },
    Code {
        code: "journal-backend-failed",
        meaning: "The backend failed while it was running; the journal stops, because its end is not known any more.",
        remedy: "Check free space and the health of the disk, then start again; what was acknowledged is checked at the start.",
    },
    Code {
        code: "journal-changed",
        meaning: "The data folder changed between its check and its opening.",
        remedy: "Make sure that nothing else writes into the data folder, then start again.",
    },
    Code {
        code: "journal-conflict",
        meaning: "A record was to follow another one than the last: someone else wrote.",
        remedy: "Stop serving and open the journal again.",
    },
    Code {
        code: "batch-too-large",
        meaning: "A batch or a snapshot is larger than one record may be.",
        remedy: "Report it: the coordinator's own limits should never let a batch grow that large.",
    },
    Code {
        code: "journal-stopped",
        meaning: "An earlier failure left the end of the journal unknown, so it takes nothing more.",
        remedy: "Open the journal again, or restart the coordinator.",
    },
    Code {
        code: "sealed-data-damaged",
        meaning: "The file `sealed_data` is not what was written.",
        remedy: "Restore `sealed_data` from a backup of this folder, or remove it: it is written again at the next start.",
    },
    Code {
        code: "sealed-key-damaged",
        meaning: "The file `sealed_key` is not what was written.",
        remedy: "Restore `sealed_key` from a backup of this folder, or recover with the shares.",
    },
    Code {
        code: "sealed-key-mode",
        meaning: "The file `sealed_key` was sealed in another seal mode than the one asked for.",
        remedy: "Start with the seal mode that it was sealed in, or recover with the shares.",
    },
    Code {
        code: "sealed-key-foreign",
        meaning: "The file `sealed_key` does not open under this TEE's sealing key: other code, another signer, another platform, or damage.",
        remedy: "Start the coordinator that sealed it on the platform that sealed it, or recover with the shares.",
    },
];

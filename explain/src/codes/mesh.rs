//! Codes of the room `mesh`: the state machine, its certificates and the stored form of its events.
//!
//! `state-not-accepting` and `leaf-not-valid`, which it shares with the channel, stand there.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "already-founded",
        meaning: "The mesh in this data folder was founded before; a mesh is founded once.",
        remedy: "Use the mesh that is there, or start with an empty data folder to found another.",
    },
    Code {
        code: "not-founded",
        meaning: "There is no root CA yet, and nothing else can happen before there is one.",
        remedy: "Start the coordinator anew; it founds the mesh before its listeners open. If it repeats, report it.",
    },
    Code {
        code: "manifest-already-set",
        meaning: "A manifest is in force; the first one is set once.",
        remedy: "Compare the digest of the manifest in force with yours; its users change it with `stoa manifest update`.",
    },
    Code {
        code: "user-unknown",
        meaning: "The client certificate of the connection is that of no user of the manifest in force.",
        remedy: "Connect with the certificate and key of a user: --cert FILE --key FILE.",
    },
    Code {
        code: "not-permitted",
        meaning: "The user's roles in the manifest in force do not allow that.",
        remedy: "Ask a user with that right, or have the manifest changed by those who may.",
    },
    Code {
        code: "update-pending",
        meaning: "Another manifest waits for users to agree, and only one can.",
        remedy: "Look at it with `stoa manifest pending`, then agree to it with `stoa manifest update` or take it back with `stoa manifest cancel`.",
    },
    Code {
        code: "no-update-pending",
        meaning: "No update waits, or another than the one that was named.",
        remedy: "Look at what waits with `stoa manifest pending`.",
    },
    Code {
        code: "update-refused",
        meaning: "A mesh that runs can't be updated to this manifest, whoever agrees: it is the one in force, or names the mesh differently.",
        remedy: "Compare with `stoa manifest diff`; for another name found a new mesh.",
    },
    Code {
        code: "history-full",
        meaning: "The history holds as many manifests as the statement can carry.",
        remedy: "Found a new mesh.",
    },
    Code {
        code: "marble-unknown",
        meaning: "The manifest in force has no marble of that name.",
        remedy: "Name a marble of the manifest, or set a manifest that has it.",
    },
    Code {
        code: "epoch-moved",
        meaning: "The manifest changed while the request was prepared; nothing was counted.",
        remedy: "Ask again; the coordinator does so itself a few times.",
    },
    Code {
        code: "budget-spent",
        meaning: "As many instances of the marble were activated as its MaxActivations allows.",
        remedy: "Raise MaxActivations in the manifest, or renew the instances that are alive instead of activating new ones.",
    },
    Code {
        code: "instance-in-use",
        meaning: "The proposed instance is alive under another key.",
        remedy: "Wait for the end of its leaf, propose another instance or none, or renew under the key that it has.",
    },
    Code {
        code: "instances-full",
        meaning: "More instances are alive than one coordinator keeps.",
        remedy: "Stop instances that are not needed, or shorten Config.CertificateLifetime so that ended ones are forgotten sooner.",
    },
    Code {
        code: "draft-ended",
        meaning: "The leaf that was prepared ended before it could be decided on.",
        remedy: "Ask again; if it repeats, refresh the collateral and look for a queue that is too long.",
    },
    Code {
        code: "template-failed",
        meaning: "A file or environment variable of the marble could not be rendered; nothing was counted.",
        remedy: "Correct the template that the error names. A marble's private key is never at the coordinator: take it from the launcher or SDK.",
    },
    Code {
        code: "provision-too-large",
        meaning: "The files, variables and arguments of the marble are larger than one provision may be.",
        remedy: "Make them smaller, or hand large data over another way than the manifest.",
    },
    Code {
        code: "no-secrets-named",
        meaning: "A request to set or read secrets names none.",
        remedy: "Name at least one secret of the manifest in force.",
    },
    Code {
        code: "secret-unfit",
        meaning: "The value for a secret is not what the manifest in force says of it: its type, its size, or a key that is not the certificate's.",
        remedy: "Give what the error asks for; nothing was set.",
    },
    Code {
        code: "secret-not-set",
        meaning: "A secret that users define has no value yet, and a marble needs it or a user asked for it.",
        remedy: "Have it set by a user who may WriteSecret on it: `stoa secret set FILE`. Nothing was counted.",
    },
    Code {
        code: "secrets-moved",
        meaning: "A user set a secret while the provision of a marble that uses it was prepared.",
        remedy: "Nothing: the coordinator prepares it anew.",
    },
    Code {
        code: "secrets-full",
        meaning: "All secrets that users set would together be larger than the coordinator keeps.",
        remedy: "Set smaller values, or take secrets out of the manifest.",
    },
    Code {
        code: "secret-not-made",
        meaning: "A secret of the manifest asks for something that can't be made.",
        remedy: "Correct the secret that the error names in the manifest.",
    },
    Code {
        code: "key-not-usable",
        meaning: "The crypto library could not make, read or use a private key.",
        remedy: "Report it; the error holds what the library said.",
    },
    Code {
        code: "key-not-certifiable",
        meaning: "The public key has another kind or another encoding than a leaf may hold.",
        remedy: "Make a P-256 (uncompressed) or Ed25519 key for the marble.",
    },
    Code {
        code: "name-not-allowed",
        meaning: "A certificate would hold a name that is malformed or that the manifest does not give to its holder.",
        remedy: "Correct the name where the manifest or the coordinator's --dns-names has it.",
    },
    Code {
        code: "leaf-too-short",
        meaning: "A certificate would end before anyone could use it, because its grounds end.",
        remedy: "Refresh the collateral of the platform; look at the end of the coordinator's CAs in its status.",
    },
    Code {
        code: "leaf-too-long",
        meaning: "A certificate would outlive its issuer or what admitted its holder, or begin before its issuer.",
        remedy: "Report it; lives are bounded when a certificate is drafted.",
    },
    Code {
        code: "certificate-not-made",
        meaning: "A certificate could not be encoded as it was asked for.",
        remedy: "Report it with the error's text.",
    },
    Code {
        code: "certificate-not-ours",
        meaning: "A certificate in the journal has not the shape of this mesh's certificates.",
        remedy: "Start the version of the coordinator that wrote the data folder, or a later one.",
    },
    Code {
        code: "ca-key-differs",
        meaning: "The certificate of a CA in the journal and the private key beside it do not belong together, so the coordinator does not start.",
        remedy: "Restore the data folder from a backup; whoever wrote this one does not hold that CA's key.",
    },
    Code {
        code: "stored-form-unknown",
        meaning: "A record of the journal, though whole and sealed, has a layout that this version does not know.",
        remedy: "Start the version of the coordinator that wrote the data folder, or a later one.",
    },
    Code {
        code: "stored-manifest-refused",
        meaning: "The manifest in force was accepted once and is refused by this version.",
        remedy: "Start the version of the coordinator that wrote the data folder; report the faults that the error lists.",
    },
    Code {
        code: "clock-behind",
        meaning: "The coordinator's clock is behind what is past already: its own journal, or a date that a vendor signed.",
        remedy: "Set the clock of the coordinator's machine right, then try again. Nothing is issued until then.",
    },
    Code {
        code: "recovery-keys-fixed",
        meaning: "An update would change who holds shares of the data key. The shares in force would have to be retired with the key, which is not served yet.",
        remedy: "Keep RecoveryKeys and Config.RecoveryThreshold as they are, or found a new mesh.",
    },
    Code {
        code: "share-of-another-key",
        meaning: "The recovery share is of another data key, or of another mesh, than the coordinator in recovery asks for.",
        remedy: "Give a share from the newest recovery file of this very mesh.",
    },
    Code {
        code: "share-unknown",
        meaning: "The recovery share names the right data key and is none of those that were given out.",
        remedy: "Give the share as it was decrypted from the recovery file, unchanged.",
    },
    Code {
        code: "share-not-signed",
        meaning: "The recovery share does not come with its holder's signature for the upload key of the coordinator's process.",
        remedy: "Sign with the private recovery key whose share it is; `stoa recover` does all of it.",
    },
    Code {
        code: "shares-do-not-fit",
        meaning: "Enough shares were given, and what they make is not the journal's data key. The clear recovery data is not what was written. The shares are forgotten.",
        remedy: "Restore `sealed_data` and `journal` from one backup, then give the shares again.",
    },
    Code {
        code: "recovery-not-bound",
        meaning: "The state was opened, but its root CA or its manifest's RecoveryKeys are not those that the holders signed for. Nothing was sealed, and the shares are forgotten.",
        remedy: "Restore `sealed_data` and `journal` from one backup, then give the shares again.",
    },
];

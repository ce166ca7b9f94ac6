//! Keys of `Marbles.<name>` and of `TLS.<tag>`.

use super::{Key, Kind, Object};

/// How a content is written.
pub(crate) const ENCODINGS: [&str; 3] = ["string", "base64", "hex"];
/// What a program does when its certificate was renewed.
pub(crate) const RELOADS: [&str; 4] = ["None", "HUP", "USR1", "USR2"];

pub(crate) static MARBLE: Object = Object {
    name: "Marble",
    about: "`Marbles.<name>` is a service. The name has 1 to 255 letters, digits, `-`, `_` and `.`; it stands in the SPIFFE ID.",
    keys: &[
        Key::marblerun("Package", Kind::Text, "a fault", "the name of its package"),
        Key::marblerun(
            "MaxActivations",
            Kind::Number(u64::MAX),
            "any number",
            "how many instances may be activated; 0 is any number",
        ),
        Key::marblerun(
            "Parameters",
            Kind::Object(&PARAMETERS),
            "none",
            "what it is given",
        ),
        Key::stoa(
            "DNSNames",
            Kind::Texts,
            "none",
            "names on its certificate: DNS names in lower case without wildcards, and loopback addresses",
        ),
        Key::stoa(
            "Calls",
            Kind::Texts,
            "anybody",
            "the marbles that it may call; not enforced yet, which a warning says",
        ),
        Key::stoa(
            "Reload",
            Kind::Object(&RELOAD),
            "no signal",
            "how the launcher tells the program that its files were renewed",
        )
        .later(),
        Key::marblerun(
            "DisableSecretBinding",
            Kind::Flag,
            "false",
            "its own symmetric secrets do not depend on its name, so that instances keep them when the marble is renamed",
        ),
        Key::marblerun(
            "TLS",
            Kind::Texts,
            "none",
            "tags of `TLS` whose connections its runtime wraps",
        )
        .later(),
    ],
};

pub(crate) static RELOAD: Object = Object {
    name: "Reload",
    about: "`Marbles.<name>.Reload`.",
    keys: &[
        Key::stoa(
            "Signal",
            Kind::Word(&RELOADS),
            "`None`",
            "the signal to send",
        )
        .later(),
        Key::stoa(
            "Settle",
            Kind::Duration,
            "0",
            "how long the program may take until the old certificate ends; at most 1h",
        )
        .later(),
    ],
};

pub(crate) static PARAMETERS: Object = Object {
    name: "Parameters",
    about: "`Marbles.<name>.Parameters`.",
    keys: &[
        Key::marblerun(
            "Files",
            Kind::Contents,
            "none",
            "files by path; a relative path is below the launcher's directory",
        ),
        Key::marblerun(
            "Env",
            Kind::Contents,
            "none",
            "environment variables by name",
        ),
        Key::marblerun(
            "Argv",
            Kind::Texts,
            "none",
            "arguments, the program's name first; never templates",
        ),
    ],
};

pub(crate) static CONTENT: Object = Object {
    name: "Content",
    about: "A content is a text, or an object. It is a [template](templates.md) unless `NoTemplates` is true.",
    keys: &[
        Key::marblerun("Data", Kind::Text, "empty", "the content"),
        Key::marblerun(
            "Encoding",
            Kind::Word(&ENCODINGS),
            "`string`",
            "how `Data` is written, compared without case",
        ),
        Key::marblerun(
            "NoTemplates",
            Kind::Flag,
            "false",
            "the content stands for itself",
        ),
    ],
};

pub(crate) static TLS_TAG: Object = Object {
    name: "TLSTag",
    about: "`TLS.<tag>`.",
    keys: &[
        Key::marblerun(
            "Outgoing",
            Kind::List(&OUTGOING),
            "none",
            "connections that the marble makes",
        ),
        Key::marblerun(
            "Incoming",
            Kind::List(&INCOMING),
            "none",
            "connections that it takes",
        ),
    ],
};

pub(crate) static OUTGOING: Object = Object {
    name: "Outgoing",
    about: "One of `TLS.<tag>.Outgoing`.",
    keys: &[
        Key::marblerun("Addr", Kind::Text, "a fault", "the host's name or address"),
        Key::marblerun("Port", Kind::Text, "a fault", "a port number as a text"),
    ],
};

pub(crate) static INCOMING: Object = Object {
    name: "Incoming",
    about: "One of `TLS.<tag>.Incoming`.",
    keys: &[
        Key::marblerun("Port", Kind::Text, "a fault", "a port number as a text"),
        Key::marblerun(
            "Cert",
            Kind::Text,
            "the marble's own",
            "the certificate secret to present; needs `DisableClientAuth`",
        ),
        Key::marblerun(
            "DisableClientAuth",
            Kind::Flag,
            "false",
            "clients need no certificate; needs `Cert`",
        ),
    ],
};

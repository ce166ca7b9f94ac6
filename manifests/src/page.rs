//! docs/reference/manifest.md, written from the table of keys.
//!
//! Does not live here: the table (`keys`), writing the file (`cargo xtask docs`).

use std::fmt::Write;

use crate::keys::{Key, Kind, Object, Origin, Serving, objects};

const HEAD: &str = "\
# The manifest

Written from the table of keys in `manifests/src/keys/` by `cargo xtask docs`, and so is the JSON Schema for editors,
[manifests/schema/manifest.schema.json](../../manifests/schema/manifest.schema.json).

A manifest says which code may join the mesh, what each service is, which secrets the mesh has and who may change it. It is
one JSON object in MarbleRun's format with keys of our own (marked +, which MarbleRun would ignore). Its fingerprint is the
SHA-256 of the bytes as they were posted. Examples that tests read and run: [manifests/examples](../../manifests/examples/).

`stoa manifest check FILE` finds every fault, `stoa manifest import FILE` says what a manifest of MarbleRun does here and how
to make it stronger, `stoa manifest merge BASE OVERLAY` adapts one manifest by another.

Read as Go reads it: keys match without regard to case (names that the deployer chose do not), `null` means absent, a zero
value (`false`, `0`, `\"\"`, `[]`, `0001-01-01T00:00:00Z`) says nothing, whole numbers have no point and no exponent, bytes are
base64 or a list of numbers, durations are whole `h`, `m` and `s`. Unlike Go: unknown keys and keys that stand twice, also in
another case, are refused, and so is text that is not UTF-8. All faults are reported at once, each with the path of its field.
Limits: [limits.md](limits.md).

Keys marked \"not served yet\" are read and checked, and a manifest in which one says something is refused by its name: nothing
in a manifest is silently ignored.
";

/// The page, with a newline at its end.
#[must_use]
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    for object in objects() {
        // Writing to a String can't fail.
        _ = write!(page, "\n## {}\n\n", object.name);
        if !object.about.is_empty() {
            _ = writeln!(page, "{}\n", object.about);
        }
        table(object, &mut page);
    }
    page
}

fn table(object: &Object, page: &mut String) {
    page.push_str("| key | value | without it | meaning |\n|---|---|---|---|\n");
    let (served, later): (Vec<&Key>, Vec<&Key>) = object
        .keys
        .iter()
        .partition(|key| key.serving == Serving::Now);
    for key in served {
        row(key, "", page);
    }
    for key in later {
        row(key, "not served yet: ", page);
    }
}

fn row(key: &Key, before: &str, page: &mut String) {
    let ours = if key.origin == Origin::Stoa { " +" } else { "" };
    _ = writeln!(
        page,
        "| `{}`{ours} | {} | {} | {before}{} |",
        key.name,
        value(key.kind),
        key.default,
        key.rule
    );
}

/// What stands in the column of values.
fn value(kind: Kind) -> String {
    let words = |words: &[&str]| {
        let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        quoted.join(", ")
    };
    match kind {
        Kind::Flag => "true or false".into(),
        Kind::Number(u64::MAX) => "a number".into(),
        Kind::Number(max) if max == i64::MAX as u64 => "a number".into(),
        Kind::Number(max) => format!("0 to {max}"),
        Kind::BigNumber => "a number of any size".into(),
        Kind::Text => "text".into(),
        Kind::Word(known) => words(known),
        Kind::Texts => "list of texts".into(),
        Kind::Words(known) => format!("list of {}", words(known)),
        Kind::Numbers => "list of numbers".into(),
        Kind::Hex(bytes) => format!("{} hex digits", 2 * bytes),
        Kind::HexOrList(bytes) => format!("{} hex digits, or a list", 2 * bytes),
        Kind::Bytes => "bytes".into(),
        Kind::Duration => "duration".into(),
        Kind::Time => "time (RFC 3339)".into(),
        Kind::Object(object) => format!("[{}](#{})", object.name, object.name.to_lowercase()),
        Kind::List(object) => format!("list of [{}](#{})", object.name, object.name.to_lowercase()),
        Kind::Names(object) => {
            format!("name -> [{}](#{})", object.name, object.name.to_lowercase())
        }
        Kind::NamedTexts => "name -> text".into(),
        Kind::Registers(bytes) => format!("register -> {} hex digits", 2 * bytes),
        Kind::Contents => "name -> text or [Content](#content)".into(),
        Kind::Certificate => "[Certificate](#certificate), or base64".into(),
        Kind::Any => "anything".into(),
    }
}

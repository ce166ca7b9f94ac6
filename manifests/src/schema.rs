//! The JSON Schema of manifests (draft 7, which editors know), written from the table of keys.
//!
//! It says what a schema can say: keys, types, words, lengths. Names that must exist, templates and what belongs together
//! are for `Manifest::parse`. Keys stand as they are spelled in the reference; the parser also takes them in other case.
//! Does not live here: the table (`keys`), the file (manifests/schema/, written by `cargo xtask docs`).

use std::fmt::Write;

use crate::keys::{CERTIFICATE, CONTENT, Key, Kind, MANIFEST, Object, Origin, Serving, objects};

/// The schema as the file has it, with a newline at its end.
#[must_use]
pub fn json_schema() -> String {
    let mut definitions: Vec<(String, Json)> = objects()
        .into_iter()
        .map(|object| (object.name.to_owned(), definition(object)))
        .collect();
    definitions.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut root = vec![
        (
            "$schema".to_owned(),
            text("http://json-schema.org/draft-07/schema#"),
        ),
        ("title".to_owned(), text("Stoa manifest")),
        ("$ref".to_owned(), text("#/definitions/Manifest")),
    ];
    root.push(("definitions".to_owned(), Json::Object(definitions)));
    let mut out = String::new();
    Json::Object(root).write(0, &mut out);
    out.push('\n');
    out
}

fn definition(object: &Object) -> Json {
    let properties = object
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)));
    let properties = properties.collect();
    let mut members = vec![
        ("type".to_owned(), either("object", "null")),
        ("additionalProperties".to_owned(), Json::False),
        ("properties".to_owned(), Json::Object(properties)),
    ];
    if std::ptr::eq(object, &MANIFEST) {
        members[0].1 = text("object");
        let required = ["Packages", "Marbles"].map(text);
        members.push(("required".to_owned(), Json::List(required.to_vec())));
    }
    Json::Object(members)
}

fn property(key: &Key) -> Json {
    let mut about = format!("{} (default: {})", key.rule, key.default);
    if key.origin == Origin::Stoa {
        about.push_str("; MarbleRun does not know it");
    }
    if key.serving == Serving::Later {
        about.push_str("; not served yet");
    }
    let mut members = vec![("description".to_owned(), Json::Text(about))];
    members.extend(shape(key.kind));
    Json::Object(members)
}

/// What a value may be; `null` is always absent.
fn shape(kind: Kind) -> Vec<(String, Json)> {
    let hex = |bytes: usize| format!("^([0-9A-Fa-f]{{{}}})?$", 2 * bytes);
    match kind {
        Kind::Flag => of_type("boolean"),
        Kind::Number(max) => {
            let mut members = of_type("integer");
            members.push(("minimum".to_owned(), Json::Number(0)));
            members.push(("maximum".to_owned(), Json::Number(max)));
            members
        }
        Kind::BigNumber => of_type("integer"),
        Kind::Text | Kind::Time => of_type("string"),
        Kind::Duration => with_pattern(of_type("string"), "^(0|([0-9]+[hms])*)$"),
        Kind::Hex(bytes) => with_pattern(of_type("string"), &hex(bytes)),
        Kind::Word(words) => {
            let words = words.iter().map(|word| text(word));
            let words = words.chain([text(""), Json::Null]).collect();
            vec![("enum".to_owned(), Json::List(words))]
        }
        Kind::Texts => list_of(plain("string")),
        Kind::Words(words) => {
            let words = words.iter().map(|word| text(word)).collect();
            list_of(Json::Object(vec![("enum".to_owned(), Json::List(words))]))
        }
        Kind::Numbers => list_of(plain("integer")),
        Kind::HexOrList(bytes) => any_of([hex_text(bytes), Json::Object(list_of(hex_text(bytes)))]),
        Kind::Bytes => any_of([plain("string"), Json::Object(list_of(plain("integer")))]),
        Kind::Object(object) => vec![reference(object)],
        Kind::List(object) => list_of(Json::Object(vec![reference(object)])),
        Kind::Names(object) => names_of(Json::Object(vec![reference(object)])),
        Kind::NamedTexts => names_of(plain("string")),
        Kind::Registers(bytes) => {
            let mut members = of_type("object");
            let registers = ["0", "1", "2", "3"].map(|name| (name.to_owned(), hex_text(bytes)));
            members.push(("properties".to_owned(), Json::Object(registers.to_vec())));
            members.push(("additionalProperties".to_owned(), Json::False));
            members
        }
        Kind::Contents => names_of(Json::Object(any_of([
            plain("string"),
            Json::Object(vec![reference(&CONTENT)]),
        ]))),
        Kind::Certificate => any_of([plain("string"), Json::Object(vec![reference(&CERTIFICATE)])]),
        Kind::Any => Vec::new(),
    }
}

fn of_type(name: &str) -> Vec<(String, Json)> {
    vec![("type".to_owned(), either(name, "null"))]
}

fn with_pattern(mut members: Vec<(String, Json)>, pattern: &str) -> Vec<(String, Json)> {
    members.push(("pattern".to_owned(), text(pattern)));
    members
}

fn plain(name: &str) -> Json {
    Json::Object(vec![("type".to_owned(), text(name))])
}

fn hex_text(bytes: usize) -> Json {
    let pattern = format!("^[0-9A-Fa-f]{{{}}}$", 2 * bytes);
    Json::Object(with_pattern(
        vec![("type".to_owned(), text("string"))],
        &pattern,
    ))
}

fn list_of(items: Json) -> Vec<(String, Json)> {
    let mut members = of_type("array");
    members.push(("items".to_owned(), items));
    members
}

fn names_of(entries: Json) -> Vec<(String, Json)> {
    let mut members = of_type("object");
    members.push(("additionalProperties".to_owned(), entries));
    members
}

fn any_of<const N: usize>(shapes: [Json; N]) -> Vec<(String, Json)> {
    let null = plain("null");
    let shapes = shapes.into_iter().chain([null]).collect();
    vec![("anyOf".to_owned(), Json::List(shapes))]
}

fn reference(object: &Object) -> (String, Json) {
    // Beside a `$ref` draft 7 ignores everything, the description too; inside an `allOf` it does not.
    let target = Json::Object(vec![(
        "$ref".to_owned(),
        Json::Text(format!("#/definitions/{}", object.name)),
    )]);
    ("allOf".to_owned(), Json::List(vec![target]))
}

fn either(one: &str, other: &str) -> Json {
    Json::List(vec![text(one), text(other)])
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// JSON in an order of its own, so that the file does not depend on how other crates configure theirs.
#[derive(Clone)]
enum Json {
    Null,
    False,
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self, depth: usize, out: &mut String) {
        let inner = "  ".repeat(depth + 1);
        // Writing to a String can't fail.
        match self {
            Self::Null => out.push_str("null"),
            Self::False => out.push_str("false"),
            Self::Number(number) => _ = write!(out, "{number}"),
            Self::Text(text) => _ = write!(out, "{}", serde_json::Value::from(text.as_str())),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    item.write(depth + 1, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { ",\n" } else { "\n" });
                    _ = write!(out, "{inner}{}: ", serde_json::Value::from(name.as_str()));
                    value.write(depth + 1, out);
                }
                _ = write!(out, "\n{}}}", "  ".repeat(depth));
            }
        }
    }
}

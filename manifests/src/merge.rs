//! Joining two manifests: a base that many share, and an overlay that adapts it.
//!
//! Rule: objects are joined key by key, at every depth; everything else is the overlay's, and where the base says something
//! different there that is a conflict. `null` in the overlay takes a key out. The result is written in one way only: keys of
//! the format in its spelling and order, names in the order of their bytes. So the same two manifests always give the same
//! bytes and one fingerprint.
//! Does not live here: what a join changes for whom (`change`), reading what comes out (`manifest`).

use std::fmt::Write;

use crate::fault::{Faults, Path, Sink, Unserved};
use crate::json::{Number, Value};
use crate::keys::{CERTIFICATE, CONTENT, Kind, MANIFEST, Object};
use crate::manifest::document;

/// Two manifests joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The joined manifest, JSON with a newline at its end.
    pub bytes: Vec<u8>,
    /// Paths at which the overlay says something else than the base, with both values as faults show them.
    pub conflicts: Vec<Conflict>,
}

/// A place at which two manifests say different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where.
    pub path: String,
    /// What the base says.
    pub base: String,
    /// What the overlay says, which holds.
    pub overlay: String,
}

/// Joins two manifests. The overlay need not be whole.
///
/// # Errors
/// Keys that no manifest has, keys that stand twice, and what is no JSON, in one of the two. What the joined manifest says
/// is not checked here.
pub fn merge(base: &[u8], overlay: &[u8]) -> Result<Merged, Faults> {
    let mut base = canonical(base)?;
    let overlay = canonical(overlay)?;
    let mut conflicts = Vec::new();
    join(&mut base, overlay, &Path::default(), &mut conflicts);
    // What the overlay added stands at the end of its object; each was read without a fault before.
    let joined = ordered(
        base,
        &Path::default(),
        Some(&MANIFEST),
        &mut Sink::default(),
    );
    let mut text = String::new();
    write(&joined, 0, &mut text);
    text.push('\n');
    conflicts.sort_by(|a: &Conflict, b| a.path.cmp(&b.path));
    Ok(Merged {
        bytes: text.into_bytes(),
        conflicts,
    })
}

/// A manifest with its keys as the format spells and orders them, and its names in order.
fn canonical(bytes: &[u8]) -> Result<Value, Faults> {
    let document = document(bytes)?;
    let mut sink = Sink::default();
    let value = ordered(document, &Path::default(), Some(&MANIFEST), &mut sink);
    sink.finish(Unserved::Kept)?;
    Ok(value)
}

/// A value with known keys in their order, if `object` is what it is.
fn ordered(value: Value, path: &Path, object: Option<&'static Object>, sink: &mut Sink) -> Value {
    let (Value::Object(members), Some(object)) = (&value, object) else {
        return value;
    };
    // Unknown and double keys are noted by the very code that reads manifests.
    drop(crate::fields::Fields::open(&value, path, object, sink));
    let mut found: Vec<(usize, String, Value)> = Vec::new();
    for (name, value) in members {
        let place = object
            .keys
            .iter()
            .position(|key| key.name.eq_ignore_ascii_case(name));
        let Some(place) = place else { continue };
        let key = &object.keys[place];
        let path = path.key(key.name);
        let inner = match key.kind {
            Kind::Object(inner) => ordered(value.clone(), &path, Some(inner), sink),
            Kind::List(inner) => listed(value.clone(), &path, inner, sink),
            Kind::Certificate => ordered(value.clone(), &path, Some(&CERTIFICATE), sink),
            Kind::Names(inner) => named(value.clone(), &path, Some(inner), sink),
            Kind::Contents => named(value.clone(), &path, Some(&CONTENT), sink),
            Kind::NamedTexts | Kind::Registers(_) => named(value.clone(), &path, None, sink),
            _ => value.clone(),
        };
        found.push((place, key.name.to_owned(), inner));
    }
    found.sort_by_key(|(place, ..)| *place);
    let members = found.into_iter().map(|(_, name, value)| (name, value));
    Value::Object(members.collect())
}

/// A list of objects, each with its keys in order.
fn listed(value: Value, path: &Path, inner: &'static Object, sink: &mut Sink) -> Value {
    let Value::List(items) = value else {
        return value;
    };
    let items = items.into_iter().enumerate();
    let ordered = items.map(|(place, item)| ordered(item, &path.index(place), Some(inner), sink));
    Value::List(ordered.collect())
}

/// Entries by name, in the order of their bytes.
fn named(value: Value, path: &Path, inner: Option<&'static Object>, sink: &mut Sink) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (name, value) in members {
        let path = path.name(&name);
        if entries.iter().any(|(known, _)| *known == name) {
            sink.fault(&path, "stands twice", "keep one of them");
            continue;
        }
        let value = ordered(value, &path, inner, sink);
        entries.push((name, value));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(entries)
}

fn join(base: &mut Value, overlay: Value, path: &Path, conflicts: &mut Vec<Conflict>) {
    let (Value::Object(members), Value::Object(others)) = (&mut *base, &overlay) else {
        if *base != overlay && !matches!(base, Value::Null) {
            conflicts.push(Conflict {
                path: path.to_string(),
                base: shown(base),
                overlay: shown(&overlay),
            });
        }
        *base = overlay;
        return;
    };
    for (name, value) in others {
        let inner = path.name(name);
        let place = members.iter().position(|(known, _)| known == name);
        match (place, value) {
            (Some(place), Value::Null) => {
                let (_, gone) = members.remove(place);
                if gone != Value::Null {
                    conflicts.push(Conflict {
                        path: inner.to_string(),
                        base: shown(&gone),
                        overlay: "null".to_owned(),
                    });
                }
            }
            (Some(place), value) => join(&mut members[place].1, value.clone(), &inner, conflicts),
            (None, Value::Null) => {}
            (None, value) => members.push((name.clone(), value.clone())),
        }
    }
}

/// A value in a few words.
fn shown(value: &Value) -> String {
    match value {
        Value::List(list) => {
            let each: Vec<_> = list.iter().map(Value::shown).collect();
            format!("[{}]", each.join(", "))
        }
        other => other.shown(),
    }
}

/// Writes a value with two spaces a level; empty objects and lists on one line.
fn write(value: &Value, depth: usize, out: &mut String) {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    // Writing to a String can't fail.
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => _ = write!(out, "{flag}"),
        Value::Number(Number::Natural(number)) => _ = write!(out, "{number}"),
        Value::Number(Number::Negative(number)) => _ = write!(out, "{number}"),
        Value::Number(Number::Other(number)) => _ = write!(out, "{number:?}"),
        Value::Text(text) => _ = write!(out, "{}", serde_json::Value::from(text.as_str())),
        Value::List(list) if list.is_empty() => out.push_str("[]"),
        Value::Object(members) if members.is_empty() => out.push_str("{}"),
        Value::List(list) => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                _ = write!(out, "{}{inner}", if at > 0 { ",\n" } else { "\n" });
                write(value, depth + 1, out);
            }
            _ = write!(out, "\n{outer}]");
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                let name = serde_json::Value::from(name.as_str());
                _ = write!(out, "{}{inner}{name}: ", if at > 0 { ",\n" } else { "\n" });
                write(value, depth + 1, out);
            }
            _ = write!(out, "\n{outer}}}");
        }
    }
}

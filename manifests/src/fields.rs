//! Objects with known keys and objects with named entries, read with Go's decoding rules and with every fault noted.
//!
//! Go's rules as MarbleRun's manifests rely on them: keys match without regard to case (ASCII), `null` means absent.
//! Unlike Go: unknown keys and duplicate keys, also by case, are faults. Names that a deployer chose (of packages,
//! files, variables ...) do differ by case.
//! Does not live here: what a value means (`package`, `marble`, `secret`, `config`).

use crate::fault::{Path, Sink, quoted};
use crate::json::{Number, Value};
use crate::limits::LIST_ENTRY_BYTES_MAX;
use crate::suggest;

/// The shape of a key that is known and not served yet, so that an empty one can be told from one that says something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Bool,
    Number,
    Text,
    List,
    /// An object with fixed keys; it says nothing if all its members say nothing.
    Object,
    /// An object whose keys the deployer chose; it says nothing if it is empty.
    Names,
    /// Go's `time.Time`, whose zero is the text 0001-01-01T00:00:00Z.
    Time,
    /// A value of any of several shapes.
    Any,
}

/// An object whose keys the format knows.
pub(crate) struct Fields<'a> {
    path: Path,
    members: Vec<(&'static str, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Looks at the keys of `value`: those of `served` can then be taken, those of `later` are faults unless they say
    /// nothing, all others are faults. `null` is an object without members.
    pub(crate) fn open(
        value: &'a Value,
        path: &Path,
        served: &[&'static str],
        later: &[(&'static str, Shape)],
        sink: &mut Sink,
    ) -> Self {
        let mut fields = Self {
            path: path.clone(),
            members: Vec::new(),
        };
        let members = match value {
            Value::Null => return fields,
            Value::Object(members) => members,
            other => {
                sink.fault(path, format!("is {}", other.shown()), "write an object");
                return fields;
            }
        };
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (key, value) in members {
            let known = || {
                served
                    .iter()
                    .copied()
                    .chain(later.iter().map(|(key, _)| *key))
            };
            let Some(canonical) = known().find(|known| known.eq_ignore_ascii_case(key)) else {
                unknown(path, key, known(), sink);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == canonical) {
                let cause = match *first == key.as_str() {
                    true => "stands twice".to_owned(),
                    false => format!("stands twice, as `{first}` and `{key}`"),
                };
                sink.fault(&path.key(canonical), cause, "keep one of them");
                continue;
            }
            seen.push((canonical, key));
            match later.iter().find(|(key, _)| *key == canonical) {
                None => fields.members.push((canonical, value)),
                Some((_, shape)) => later_key(&path.key(canonical), value, *shape, sink),
            }
        }
        fields
    }

    /// The way to one of the keys.
    pub(crate) fn path(&self, key: &str) -> Path {
        self.path.key(key)
    }

    /// The value of a key, unless it is absent or `null`.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.members
            .iter()
            .find(|(member, value)| *member == key && **value != Value::Null)
            .map(|(_, value)| *value)
    }

    pub(crate) fn flag(&self, key: &str, sink: &mut Sink) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let cause = format!("is {}", other.shown());
                sink.fault(&self.path(key), cause, "write true or false");
                false
            }
        }
    }

    /// A text; empty is absent, as in Go.
    pub(crate) fn text(&self, key: &str, sink: &mut Sink) -> Option<&'a str> {
        match self.value(key)? {
            Value::Text(text) if text.is_empty() => None,
            Value::Text(text) => Some(text),
            other => {
                let cause = format!("is {}", other.shown());
                sink.fault(&self.path(key), cause, "write a text in quotes");
                None
            }
        }
    }

    /// A whole number from 0 to `max`; 0 is not absent.
    pub(crate) fn number(&self, key: &str, max: u64, sink: &mut Sink) -> Option<u64> {
        match self.value(key)? {
            Value::Number(Number::Natural(number)) if *number <= max => Some(*number),
            other => {
                let whole = match other {
                    Value::Number(Number::Other(_)) => "whole ",
                    _ => "",
                };
                let remedy = match max {
                    u64::MAX => format!("write a {whole}number from 0 on"),
                    max => format!("write a {whole}number, 0 to {max}"),
                };
                sink.fault(&self.path(key), format!("is {}", other.shown()), remedy);
                None
            }
        }
    }

    /// A list of texts, each with its path. Absent is empty.
    pub(crate) fn texts(&self, key: &str, max: usize, sink: &mut Sink) -> Vec<(&'a str, Path)> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => texts(value, &self.path(key), max, LIST_ENTRY_BYTES_MAX, sink),
        }
    }
}

/// A list of texts, each with its path.
pub(crate) fn texts<'a>(
    value: &'a Value,
    path: &Path,
    max: usize,
    bytes_max: usize,
    sink: &mut Sink,
) -> Vec<(&'a str, Path)> {
    let Value::List(list) = value else {
        let cause = format!("is {}", value.shown());
        sink.fault(path, cause, "write a list of texts, [\"..\"]");
        return Vec::new();
    };
    if too_many(list.len(), max, path, sink) {
        return Vec::new();
    }
    let mut texts = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let path = path.index(index);
        match entry {
            Value::Text(text) if text.len() <= bytes_max => texts.push((text.as_str(), path)),
            Value::Text(text) => {
                let cause = format!("has {} bytes", text.len());
                sink.fault(&path, cause, format!("at most {bytes_max} are allowed"));
            }
            other => sink.fault(
                &path,
                format!("is {}", other.shown()),
                "write a text in quotes",
            ),
        }
    }
    texts
}

/// The entries of an object whose keys the deployer chose, each with its path. Absent and `null` are empty.
///
/// `fit` says of a name that does not fit what it is not, and what to do.
pub(crate) fn names<'a>(
    value: Option<&'a Value>,
    path: &Path,
    max: usize,
    fit: impl Fn(&str) -> Result<(), (String, String)>,
    sink: &mut Sink,
) -> Vec<(&'a str, &'a Value, Path)> {
    let members = match value {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(members)) => members,
        Some(other) => {
            sink.fault(path, format!("is {}", other.shown()), "write an object");
            return Vec::new();
        }
    };
    if too_many(members.len(), max, path, sink) {
        return Vec::new();
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut entries = Vec::with_capacity(members.len());
    for (name, value) in members {
        let path = path.name(name);
        if !seen.insert(name.as_str()) {
            sink.fault(&path, "stands twice", "keep one of them");
        } else if let Err((cause, remedy)) = fit(name) {
            sink.fault(&path, format!("is {cause}"), remedy);
        } else {
            entries.push((name.as_str(), value, path));
        }
    }
    entries
}

/// Notes a fault, and says so, if there are more entries than allowed.
fn too_many(count: usize, max: usize, path: &Path, sink: &mut Sink) -> bool {
    if count > max {
        let cause = format!("has {count} entries");
        sink.fault(path, cause, format!("at most {max} are allowed"));
    }
    count > max
}

/// Notes a key that the format does not know.
fn unknown(
    path: &Path,
    key: &str,
    known: impl IntoIterator<Item = &'static str> + Clone,
    sink: &mut Sink,
) {
    let path = path.name(key);
    let cause = "is no key that manifests have here";
    match suggest::remedy(key, known) {
        Some(remedy) => sink.fault(&path, cause, remedy),
        None => sink.fault(&path, cause, "take it out"),
    }
}

/// Notes a key that is known and not served yet, unless it says nothing.
fn later_key(path: &Path, value: &Value, shape: Shape, sink: &mut Sink) {
    let silent = match (shape, value) {
        (_, Value::Null) => true,
        (Shape::Bool | Shape::Any, Value::Bool(flag)) => !flag,
        (Shape::Number | Shape::Any, Value::Number(number)) => *number == Number::Natural(0),
        (Shape::Text | Shape::Any, Value::Text(text)) => text.is_empty(),
        (Shape::Time, Value::Text(text)) => text.is_empty() || text == "0001-01-01T00:00:00Z",
        (Shape::List | Shape::Any, Value::List(list)) => list.is_empty(),
        (Shape::Object | Shape::Any, Value::Object(_)) => says_nothing(value),
        (Shape::Names, Value::Object(members)) => members.is_empty(),
        _ => false,
    };
    if !silent {
        not_served(path, &said(value), sink);
    }
}

/// Whether a value is Go's zero value, whatever its type.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => *number == Number::Natural(0),
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Object(members) => members.iter().all(|(_, value)| says_nothing(value)),
    }
}

/// Notes something that the format knows and this coordinator does not do yet.
pub(crate) fn not_served(path: &Path, what: &str, sink: &mut Sink) {
    sink.fault(
        path,
        format!("{what}, which is not served yet"),
        "take it out: nothing in a manifest is silently ignored",
    );
}

/// What a value says, as the beginning of a cause.
fn said(value: &Value) -> String {
    const NAMES_SHOWN: usize = 4;
    match value {
        Value::List(list) if list.is_empty() => "is an empty list".into(),
        Value::List(list) => format!("has {} entries", list.len()),
        Value::Object(members) => {
            let shown = members.iter().take(NAMES_SHOWN);
            let names: Vec<_> = shown.map(|(key, _)| quoted(key)).collect();
            let more = if members.len() > NAMES_SHOWN {
                ", .."
            } else {
                ""
            };
            format!("has {}{more}", names.join(", "))
        }
        other => format!("is {}", other.shown()),
    }
}

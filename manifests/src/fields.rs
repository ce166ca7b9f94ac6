//! Objects with known keys and objects with named entries, read with Go's decoding rules and with every fault noted.
//!
//! Go's rules as MarbleRun's manifests rely on them: keys match without regard to case (ASCII), `null` means absent.
//! Unlike Go: unknown keys and duplicate keys, also by case, are faults. Names that a deployer chose (of packages,
//! files, variables ...) do differ by case.
//! Does not live here: what a value means (`package`, `marble`, `secret`, `config`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fault::{Path, Sink, quoted};
use crate::json::{Number, Value};
use crate::keys::{Key, Kind, Object, Origin, Serving};
use crate::limits::{LIST_ENTRY_BYTES_MAX, LIST_MAX};
use crate::suggest;

/// What Go writes for a `time.Time` that was not set.
pub(crate) const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// An object whose keys the format knows.
pub(crate) struct Fields<'a> {
    path: Path,
    members: Vec<(&'static str, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// Looks at the keys of `value`: those of `object` can then be taken, others are faults, and so are those that are not
    /// served yet, unless they say nothing. `null` is an object without members.
    pub(crate) fn open(
        value: &'a Value,
        path: &Path,
        object: &'static Object,
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
        for (name, value) in members {
            let Some(key) = object.find(name) else {
                unknown(path, name, object.names(), sink);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == key.name) {
                let cause = match *first == name.as_str() {
                    true => "stands twice".to_owned(),
                    false => format!("stands twice, as `{first}` and `{name}`"),
                };
                sink.fault(&path.key(key.name), cause, "keep one of them");
                continue;
            }
            seen.push((key.name, name));
            if key.serving == Serving::Later
                && has_type(key.kind, value)
                && !says_nothing(key.kind, value)
            {
                not_served(&path.key(key.name), &said(value), sink);
            }
            if key.origin == Origin::Stoa && *value != Value::Null {
                sink.ours(&path.key(key.name));
            }
            fields.members.push((key.name, value));
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

    /// One of a few words, spelled exactly. Absent and empty are nothing.
    pub(crate) fn word(
        &self,
        key: &str,
        words: &[&'static str],
        sink: &mut Sink,
    ) -> Option<&'static str> {
        let text = self.text(key, sink)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let remedy = suggest::remedy(text, words.iter().copied()).unwrap_or_default();
            sink.fault(&self.path(key), format!("is {}", quoted(text)), remedy);
        }
        found
    }

    /// A list of some of a few words, in any case, each as it is spelled here.
    pub(crate) fn words(
        &self,
        key: &str,
        words: &[&'static str],
        sink: &mut Sink,
    ) -> Vec<(&'static str, Path)> {
        let mut found = Vec::new();
        for (text, path) in self.texts(key, LIST_MAX, sink) {
            match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
                Some(word) => found.push((*word, path)),
                None => {
                    let remedy = suggest::remedy(text, words.iter().copied()).unwrap_or_default();
                    sink.fault(&path, format!("is {}", quoted(text)), remedy);
                }
            }
        }
        found
    }

    /// Bytes as Go writes and reads them: base64, or a list of numbers. Empty is absent.
    pub(crate) fn bytes(&self, key: &str, sink: &mut Sink) -> Option<Vec<u8>> {
        const REMEDY: &str =
            "write base64 with + and /, padded, or a list of numbers from 0 to 255";
        let path = self.path(key);
        let bytes = match self.value(key)? {
            Value::Text(text) => STANDARD
                .decode(text)
                .map_err(|error| sink.fault(&path, format!("is not base64: {error}"), REMEDY))
                .ok()?,
            Value::List(list) => {
                let byte = |value: &Value| match value {
                    Value::Number(Number::Natural(number)) => u8::try_from(*number).ok(),
                    _ => None,
                };
                let place = list.iter().position(|value| byte(value).is_none());
                if let Some(place) = place {
                    let cause = format!("is {}", list[place].shown());
                    sink.fault(&path.index(place), cause, "write a number from 0 to 255");
                }
                list.iter().map(byte).collect::<Option<Vec<u8>>>()?
            }
            other => {
                sink.fault(&path, format!("is {}", other.shown()), REMEDY);
                return None;
            }
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Checks the type of a key that Go reads and that is otherwise of no use here.
    pub(crate) fn shape(&self, key: &'static Key, sink: &mut Sink) {
        match key.kind {
            Kind::Flag => _ = self.flag(key.name, sink),
            Kind::Number(max) => _ = self.number(key.name, max, sink),
            Kind::BigNumber => match self.value(key.name) {
                None | Some(Value::Number(_)) => {}
                Some(other) => sink.fault(
                    &self.path(key.name),
                    format!("is {}", other.shown()),
                    "write a number",
                ),
            },
            Kind::Text | Kind::Time => _ = self.text(key.name, sink),
            Kind::Texts => _ = self.texts(key.name, LIST_MAX, sink),
            Kind::Bytes => _ = self.bytes(key.name, sink),
            Kind::Object(object) => {
                if let Some(value) = self.value(key.name) {
                    let inner = Fields::open(value, &self.path(key.name), object, sink);
                    object.keys.iter().for_each(|key| inner.shape(key, sink));
                }
            }
            _ => {}
        }
    }

    /// The members of one of the keys.
    pub(crate) fn object(&self, key: &str, object: &'static Object, sink: &mut Sink) -> Fields<'a> {
        Fields::open(
            self.value(key).unwrap_or(&Value::Null),
            &self.path(key),
            object,
            sink,
        )
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

/// Whether a value has the JSON type of its kind; another is a fault of its own.
fn has_type(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Flag => matches!(value, Value::Bool(_)),
        Kind::Number(_) | Kind::BigNumber => matches!(value, Value::Number(_)),
        Kind::Texts | Kind::Words(_) | Kind::Numbers | Kind::List(_) => {
            matches!(value, Value::List(_))
        }
        Kind::Object(_) | Kind::Names(_) | Kind::NamedTexts => matches!(value, Value::Object(_)),
        Kind::Text | Kind::Time | Kind::Duration | Kind::Word(_) => matches!(value, Value::Text(_)),
        _ => true,
    }
}

/// Whether a value is Go's zero value of its kind, so that it says nothing.
fn says_nothing(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (Kind::Time, Value::Text(text)) => text == GO_ZERO_TIME || text.is_empty(),
        // A name is something, whatever stands behind it.
        (Kind::Names(_) | Kind::NamedTexts, Value::Object(members)) => members.is_empty(),
        (Kind::Object(object), Value::Object(members)) => members.iter().all(|(name, value)| {
            let kind = object.find(name).map_or(Kind::Any, |key| key.kind);
            says_nothing(kind, value)
        }),
        _ => is_zero(kind, value),
    }
}

/// Whether a value is the zero of a kind. A zero of another kind is none: it is a slip that must be seen.
fn is_zero(kind: Kind, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => matches!(kind, Kind::Flag | Kind::Any) && !flag,
        Value::Number(number) => {
            matches!(kind, Kind::Number(_) | Kind::BigNumber | Kind::Any)
                && *number == Number::Natural(0)
        }
        Value::Text(text) => {
            let texts = matches!(
                kind,
                Kind::Text
                    | Kind::Word(_)
                    | Kind::Bytes
                    | Kind::Duration
                    | Kind::Certificate
                    | Kind::Any
            );
            texts && text.is_empty()
        }
        Value::List(list) => {
            let lists = matches!(
                kind,
                Kind::Texts
                    | Kind::Words(_)
                    | Kind::Numbers
                    | Kind::Bytes
                    | Kind::List(_)
                    | Kind::Any
            );
            lists && list.is_empty()
        }
        Value::Object(members) => {
            matches!(kind, Kind::Any) && members.iter().all(|(_, value)| is_zero(Kind::Any, value))
        }
    }
}

/// Notes something that the format knows and this coordinator does not do yet.
pub(crate) fn not_served(path: &Path, what: &str, sink: &mut Sink) {
    sink.unserved(
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

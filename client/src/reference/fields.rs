//! Reads the members of a JSON object and collects every fault with its path.
//!
//! Asking for a member makes it known; [`Fields::no_others`] then reports those that nobody asked for. A member that is
//! null counts as absent.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Fault;

/// How the names of members are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Byte by byte.
    Exact,
    /// Without case, as Go does; two spellings of one name are a fault.
    Any,
}

/// One object of the file.
pub(super) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    case: Case,
    known: RefCell<BTreeSet<&'static str>>,
    faults: &'a RefCell<Vec<Fault>>,
}

impl<'a> Fields<'a> {
    /// The object as a whole.
    pub(super) fn top(
        object: &'a Map<String, Value>,
        case: Case,
        faults: &'a RefCell<Vec<Fault>>,
    ) -> Self {
        Self::at(String::new(), object, case, faults)
    }

    fn at(
        path: String,
        object: &'a Map<String, Value>,
        case: Case,
        faults: &'a RefCell<Vec<Fault>>,
    ) -> Self {
        Self {
            path,
            object,
            case,
            known: RefCell::default(),
            faults,
        }
    }

    /// Reports a fault of a member.
    pub(super) fn fault(&self, name: &str, cause: impl Into<String>, remedy: Option<&str>) {
        self.push(self.member(name), cause.into(), remedy);
    }

    /// Reports a fault of one item of a list.
    pub(super) fn fault_at(&self, name: &str, at: usize, cause: String) {
        self.push(format!("{}[{at}]", self.member(name)), cause, None);
    }

    /// Whether the member is there and not null.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn string(&self, name: &'static str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text.clone()),
            other => self.wrong(name, other, "a string"),
        }
    }

    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(value) => Some(*value),
            other => self.wrong(name, other, "true or false"),
        }
    }

    /// An integer from 0 to `max`.
    pub(super) fn integer(&self, name: &'static str, max: u64) -> Option<u64> {
        let value = self.value(name)?;
        match value.as_u64().filter(|number| *number <= max) {
            Some(number) => Some(number),
            None => self.wrong(name, value, &format!("a number, 0 to {max}")),
        }
    }

    /// A u16, for product ids and security versions.
    pub(super) fn short(&self, name: &'static str) -> Option<u16> {
        self.integer(name, u64::from(u16::MAX))
            .and_then(|number| u16::try_from(number).ok())
    }

    /// The hex of exactly `N` bytes, in either case.
    pub(super) fn hex<const N: usize>(&self, name: &'static str) -> Option<[u8; N]> {
        let text = self.string(name)?;
        decode(&text)
            .map_err(|cause| self.fault(name, cause, None))
            .ok()
    }

    /// The same, or a list of such.
    pub(super) fn hexes<const N: usize>(&self, name: &'static str) -> Option<Vec<[u8; N]>> {
        if let Value::String(text) = self.value(name)? {
            return decode(text)
                .map_err(|cause| self.fault(name, cause, None))
                .ok()
                .map(|one| vec![one]);
        }
        let items = self.strings(name, usize::MAX)?;
        let mut out = Vec::new();
        for (at, text) in items {
            match decode(&text) {
                Ok(bytes) => out.push(bytes),
                Err(cause) => self.fault_at(name, at, cause),
            }
        }
        Some(out)
    }

    /// A list of strings with their places; items of another type are reported and left out.
    pub(super) fn strings(&self, name: &'static str, max: usize) -> Option<Vec<(usize, String)>> {
        let items = self.list(name, max, "a list of strings")?;
        let mut out = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => out.push((at, text.clone())),
                other => self.fault_at(name, at, format!("is {}, wanted a string", kind(other))),
            }
        }
        Some(out)
    }

    /// A list of ids, given in lower case; what is `wanted` is for the fault of those that are none.
    pub(super) fn ids(
        &self,
        name: &'static str,
        max: usize,
        wanted: &str,
        is_one: impl Fn(&str) -> bool,
    ) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for (at, text) in self.strings(name, max)? {
            let lower = text.to_ascii_lowercase();
            if is_one(&lower) {
                out.push(lower);
                continue;
            }
            let text = text.escape_debug();
            self.fault_at(name, at, format!("is `{text}`, wanted {wanted}"));
        }
        Some(out)
    }

    /// A list of objects; items of another type are reported and left out.
    pub(super) fn objects(&self, name: &'static str, max: usize) -> Option<Vec<Fields<'a>>> {
        let items = self.list(name, max, "a list of objects")?;
        let mut out = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item {
                Value::Object(object) => {
                    let path = format!("{}[{at}]", self.member(name));
                    out.push(Self::at(path, object, self.case, self.faults));
                }
                other => self.fault_at(name, at, format!("is {}, wanted an object", kind(other))),
            }
        }
        Some(out)
    }

    pub(super) fn object(&self, name: &'static str) -> Option<Fields<'a>> {
        match self.value(name)? {
            Value::Object(object) => {
                Some(Self::at(self.member(name), object, self.case, self.faults))
            }
            other => self.wrong(name, other, "an object"),
        }
    }

    /// Reports every member that nobody asked for.
    pub(super) fn no_others(&self) {
        let known = self.known.borrow();
        let names: Vec<&str> = known.iter().copied().collect();
        for name in self.object.keys() {
            if !names.iter().any(|known| self.same(known, name)) {
                self.fault(
                    name,
                    format!("is not known here; known are {}", names.join(", ")),
                    None,
                );
            }
        }
    }

    fn value(&self, name: &'static str) -> Option<&'a Value> {
        let first = self.known.borrow_mut().insert(name);
        let mut found = self.object.iter().filter(|(key, _)| self.same(name, key));
        let (_, value) = found.next()?;
        if let Some((second, _)) = found.next().filter(|_| first) {
            self.fault(second, format!("is `{name}` again; it stands twice"), None);
        }
        Some(value).filter(|value| !value.is_null())
    }

    fn list(&self, name: &'static str, max: usize, wanted: &str) -> Option<&'a Vec<Value>> {
        match self.value(name)? {
            Value::Array(items) if items.len() > max => {
                self.fault(
                    name,
                    format!("has {} entries, the limit is {max}", items.len()),
                    None,
                );
                None
            }
            Value::Array(items) => Some(items),
            other => self.wrong(name, other, wanted),
        }
    }

    fn wrong<T>(&self, name: &str, value: &Value, wanted: &str) -> Option<T> {
        self.fault(name, format!("is {}, wanted {wanted}", kind(value)), None);
        None
    }

    fn same(&self, known: &str, name: &str) -> bool {
        match self.case {
            Case::Exact => known == name,
            Case::Any => known.eq_ignore_ascii_case(name),
        }
    }

    fn member(&self, name: &str) -> String {
        let name = name.escape_debug();
        if self.path.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn push(&self, path: String, cause: String, remedy: Option<&str>) {
        self.faults.borrow_mut().push(Fault {
            path,
            cause,
            remedy: remedy.map(str::to_owned),
        });
    }
}

/// Shows a value, or its type if it is long.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("\"{}\"", text.escape_debug()),
        Value::String(_) => "a long string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(format!(
            "has {} characters, wanted {} hex digits",
            text.chars().count(),
            2 * N
        ));
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|error| format!("is no hex: {error}"))?;
    Ok(bytes)
}

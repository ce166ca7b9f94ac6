//! JSON as strictly as a manifest needs it: order kept, duplicate keys kept (so that they can be refused by name), depth
//! limited, nothing after the end.
//!
//! The lexer is serde_json's; here is only the tree. Source: RFC 8259. Stricter than Go's decoder in two points, both
//! without a use: text that is not UTF-8 and lone surrogates are refused, where Go puts U+FFFD.
//! Does not live here: what the keys mean (`fields` and the modules of each part).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::fault::quoted;
use crate::limits::JSON_DEPTH_MAX;

/// A JSON value. An object keeps its members in order, duplicates included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// A JSON number, as far as it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// A whole number from 0 on.
    Natural(u64),
    /// A whole number below 0.
    Negative(i64),
    /// Everything else: with a point or an exponent, or too large.
    Other(f64),
}

impl Value {
    /// Reads one value that is all of `bytes`.
    ///
    /// # Errors
    /// Where the text stops being JSON: line, column (from 1) and why.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        Level(JSON_DEPTH_MAX)
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value))
            .map_err(|error| NotJson::new(&error))
    }

    /// What a fault calls this value: `"2"`, `a list`, `-1`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(Number::Natural(value)) => value.to_string(),
            Self::Number(Number::Negative(value)) => value.to_string(),
            // With its point or exponent: 1.0 is not shown as 1.
            Self::Number(Number::Other(value)) => format!("{value:?}"),
            Self::Text(text) => quoted(text),
            Self::List(_) => "a list".into(),
            Self::Object(_) => "an object".into(),
        }
    }
}

/// Where and why a text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) why: String,
}

impl NotJson {
    fn new(error: &serde_json::Error) -> Self {
        // serde_json ends its text with the position, which stands in our path already.
        let mut why = error.to_string();
        if let Some(end) = why.find(" at line ") {
            why.truncate(end);
        }
        Self {
            line: error.line(),
            column: error.column(),
            why,
        }
    }
}

/// Reads a value that may hold so many levels of objects and lists.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(E::custom(format_args!(
                "more than {JSON_DEPTH_MAX} levels deep"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::Natural(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(match u64::try_from(value) {
            Ok(natural) => Number::Natural(natural),
            Err(_) => Number::Negative(value),
        }))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::Other(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            members.push((key, map.next_value_seed(inner)?));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_order_and_duplicates() {
        let value = Value::parse(br#"{"b":1,"a":-2,"b":1.5}"#).unwrap();
        let members = [
            ("b".to_owned(), Value::Number(Number::Natural(1))),
            ("a".to_owned(), Value::Number(Number::Negative(-2))),
            ("b".to_owned(), Value::Number(Number::Other(1.5))),
        ];
        assert_eq!(value, Value::Object(members.to_vec()));
    }

    #[test]
    fn depth_is_limited_inclusively() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Value::parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        let refused = Value::parse(nested(JSON_DEPTH_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(refused.why, "more than 32 levels deep");
        // Far deeper than any stack: refused at the same place.
        assert_eq!(
            Value::parse("[".repeat(1 << 20).as_bytes())
                .unwrap_err()
                .why,
            refused.why
        );
    }

    #[test]
    fn refuses_what_is_not_one_json_value() {
        let table: [(&[u8], usize, usize); 10] = [
            (b"", 1, 0),
            (b"{", 1, 1),
            (b"{}{}", 1, 3),
            (b"{} x", 1, 4),
            (b"{\"a\":1,}", 1, 8),
            (b"{\n \"a\": tru }", 2, 10),
            (b"\xef\xbb\xbf{}", 1, 1),
            (b"\"\xff\"", 1, 2),
            (b"\"\\ud800\"", 1, 8),
            (b"// x\n{}", 1, 1),
        ];
        for (text, line, column) in table {
            let refused = Value::parse(text).unwrap_err();
            let text = String::from_utf8_lossy(text);
            assert_eq!(
                (refused.line, refused.column),
                (line, column),
                "{text}: {refused:?}"
            );
            assert!(!refused.why.contains("line"), "{text}: {refused:?}");
        }
    }

    #[test]
    fn numbers_too_large_for_a_word_are_not_natural() {
        assert_eq!(
            Value::parse(b"18446744073709551615").unwrap(),
            Value::Number(Number::Natural(u64::MAX))
        );
        for text in ["18446744073709551616", "1e3", "1.0", "-0.0"] {
            assert!(
                matches!(
                    Value::parse(text.as_bytes()).unwrap(),
                    Value::Number(Number::Other(_))
                ),
                "{text}"
            );
        }
    }
}

//! JSON in which a member stands twice is refused: two readers would take two values.
//!
//! serde takes the last of two unknown members in silence; this pass looks at every object, at any depth.

use core::fmt;
use std::collections::BTreeSet;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};

/// Reads `T` from JSON without duplicate members.
///
/// # Errors
/// The cause in words, with line and column.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut scan = serde_json::Deserializer::from_slice(bytes);
    NoDuplicates
        .deserialize(&mut scan)
        .and_then(|()| scan.end())
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

#[derive(Clone, Copy)]
struct NoDuplicates;

impl<'de> DeserializeSeed<'de> for NoDuplicates {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!(
                    "member `{name}` stands twice"
                )));
            }
            names.insert(name);
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ok(text: &str) -> bool {
        read::<serde_json::Value>(text.as_bytes()).is_ok()
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth_and_in_any_spelling() {
        assert!(ok(
            r#"{"a": 1, "b": [{"a": 1}, {"a": null}], "c": {"a": "x", "b": 1.5, "d": -2, "e": true}}"#
        ));
        for twice in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": [0, {"y": {"a": 1, "b": 2, "a": 3}}]}"#,
        ] {
            let error = read::<serde_json::Value>(twice.as_bytes()).unwrap_err();
            assert!(
                error.contains("member `a` stands twice at line 1 column"),
                "{error}"
            );
        }
    }

    #[test]
    fn bytes_behind_the_value_and_bytes_that_are_no_utf8_are_refused() {
        assert!(ok("{} \n"));
        for bad in [
            &b"{} {}"[..],
            b"{}x",
            b"",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1,}",
        ] {
            assert!(read::<serde_json::Value>(bad).is_err(), "{bad:?}");
        }
    }
}

//! Bodies of the secrets route.
//!
//! A value is written as manifests write values: `Key` in base64 (a symmetric key, or plain bytes); or `Cert`, with `Private`
//! or without, each as PEM or as base64 of its DER. A text is wiped when it is dropped.

use core::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Characters of a name that an error repeats.
const NAME_CHARS_SHOWN: usize = 80;

/// Body of `POST` secrets: an object, name -> value. Members that stand twice are both here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsGiven(pub Vec<(String, SecretValue)>);

/// Answer to `POST` secrets: they are set, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsSet {
    /// Which, in order of names.
    pub names: Vec<String>,
}

/// Answer to `GET` secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsRead {
    /// Name -> value; bytes and DER in base64 (RFC 4648 section 4, padded).
    pub secrets: std::collections::BTreeMap<String, SecretValue>,
}

/// The value of one secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretValue {
    /// A symmetric key, or plain bytes.
    #[serde(rename = "Key", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretText>,
    /// A certificate.
    #[serde(rename = "Cert", default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<SecretText>,
    /// Its private key, PKCS #8.
    #[serde(rename = "Private", default, skip_serializing_if = "Option::is_none")]
    pub private: Option<SecretText>,
}

/// A text that holds something secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(pub Zeroizing<String>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for SecretsGiven {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for SecretsGiven {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = SecretsGiven;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, name -> value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SecretsGiven, A::Error> {
        let mut given = Vec::new();
        while let Some(member) = members.next_entry()? {
            given.push(member);
        }
        Ok(SecretsGiven(given))
    }
}

impl SecretsGiven {
    /// Reads the body. What is wrong is said by place only, never with what stands there.
    ///
    /// # Errors
    /// Line and column of what can't be read, or the name that stands twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let given: Self = serde_json::from_slice(bytes).map_err(|error| {
            format!(
                "unreadable at line {}, column {}",
                error.line(),
                error.column()
            )
        })?;
        let mut names: Vec<&str> = given.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        match twice.and_then(<[&str]>::first) {
            Some(name) => Err(format!("unclear: secret {} stands twice", shown(name))),
            None => Ok(given),
        }
    }
}

/// A name that somebody sent, in so few characters that it can be told.
#[must_use]
pub fn shown(name: &str) -> String {
    let start: String = name.chars().take(NAME_CHARS_SHOWN).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_twice_or_is_no_value_is_refused_without_being_repeated() {
        for (text, cause) in [
            (
                r#"{"a": {"Key": "aHVzaA=="}, "a": {"Key": "aHVzaA=="}}"#,
                r#"unclear: secret "a" stands twice"#,
            ),
            (
                r#"{"a": {"Key": "aHVzaA=="}, "\u0061": {}}"#,
                r#"unclear: secret "a" stands twice"#,
            ),
            (
                r#"{"a": {"Key": "aHVzaA==", "Key": "aHVzaA=="}}"#,
                "unreadable at line 1, column 31",
            ),
            (r#"{"a": "aHVzaA=="}"#, "unreadable at line 1, column 16"),
            (
                r#"{"a": {"key": "aHVzaA=="}}"#,
                "unreadable at line 1, column 12",
            ),
            (r#"["aHVzaA=="]"#, "unreadable at line 1, column 0"),
            (
                r#"{"a": {"Key": "aHVzaA=="}} x"#,
                "unreadable at line 1, column 28",
            ),
            ("", "unreadable at line 1, column 0"),
        ] {
            assert_eq!(SecretsGiven::parse(text.as_bytes()), Err(cause.to_owned()));
        }
        let good = SecretsGiven::parse(br#"{"b": {"Key": "aHVzaA=="}, "a": {"Cert": "x"}}"#);
        let good = good.unwrap();
        assert!(!format!("{good:?}").contains("aHVz"));
        assert_eq!(
            serde_json::to_string(&good).unwrap(),
            r#"{"b":{"Key":"aHVzaA=="},"a":{"Cert":"x"}}"#
        );
    }
}

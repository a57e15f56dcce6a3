//! JSON as it has to be before anybody acts on it: one document, with every member once.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use crate::{
    error::{Error, ErrorKind, Result},
    user::{Known, Text},
};

/// Parses one JSON document and refuses members that stand twice, which the next reader might take differently.
///
/// Nesting is limited to 128 levels.
///
/// # Errors
///
/// [`ErrorKind::Malformed`], with line and column.
///
/// ```
/// use interlingua_core::json;
///
/// assert!(json::parse(br#"{"a": 1}"#).is_ok());
/// let error = json::parse(br#"{"a": 1, "a": 2}"#).unwrap_err();
/// assert!(error.message().contains("the member `a` stands twice"));
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::new(ErrorKind::Malformed, "the body is empty; a JSON document was expected"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer).map_err(|error| malformed(&error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Malformed, format!("the body is not a JSON document: {error}"))
}

/// Reads a typed document from a request.
///
/// # Errors
///
/// [`ErrorKind::Malformed`] when it is no JSON, [`ErrorKind::Invalid`] when it is of another form. The schema gives
/// better words; this is for who did not ask it.
pub fn request<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    object(bytes).map_err(|error| {
        if error.is_data() {
            Error::new(ErrorKind::Invalid, format!("the request is not of the expected form ({})", position(&error)))
        } else {
            malformed(&error)
        }
    })
}

/// Reads a typed document from an upstream's reply.
///
/// # Errors
///
/// [`ErrorKind::BadReply`], with line and column and without a value of the reply.
pub fn reply<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    object(bytes).map_err(|error| {
        Error::new(
            ErrorKind::BadReply,
            format!("the upstream's answer is not of the expected form ({})", position(&error)),
        )
    })
}

/// serde also takes the members of a struct from an array, by position; no document means that.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        serde_json::from_slice::<IgnoredAny>(bytes)?;
        return Err(serde::de::Error::custom("expected an object"));
    }
    serde_json::from_slice(bytes)
}

/// serde's own words may quote a value; these do not.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Deserializes a member that may be null; with `#[serde(default)]`, one that may be absent, too.
///
/// # Errors
///
/// The value is of another type.
pub fn known<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Known<T>, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.map_or(Known::Null, Known::Value))
}

/// The names of an object's members, for `#[serde(flatten)]`: what a document has beyond the known members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberNames(pub Vec<Text>);

impl<'de> Deserialize<'de> for MemberNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = MemberNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<MemberNames, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = access.next_entry()? {
            names.push(name);
        }
        Ok(MemberNames(names))
    }
}

/// Builds a [`Value`], and refuses what `Value` itself would silently take.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                let name: String = name.chars().take(60).collect();
                return Err(serde::de::Error::custom(format_args!("the member `{name}` stands twice")));
            }
            let value = access.next_value_seed(Self)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_parse_as_serde_json_parses_them() {
        for text in [r#"{"a": [1, -2, 1.5, 18446744073709551615, "é", null, true, {}]}"#, "null", " 1 "] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn an_array_is_no_struct() {
        #[derive(Debug, serde::Deserialize)]
        struct Id {
            id: u8,
        }
        assert_eq!(request::<Id>(br#"{"id": 7}"#).unwrap().id, 7);
        assert_eq!(request::<Id>(b" [7]").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(reply::<Id>(b"[7]").unwrap_err().kind(), ErrorKind::BadReply);
        assert_eq!(request::<Id>(b"[").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[track_caller]
    fn refused(text: &[u8], because: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains(because), "{}", error.message());
    }

    #[test]
    fn everything_else_is_refused() {
        refused(b"", "empty");
        refused(b" \n", "empty");
        refused(br#"{"a": 1"#, "EOF");
        refused(br#"{"a": 1} x"#, "trailing");
        refused(br#"{"a": {"b": 1, "b": 1}}"#, "`b` stands twice");
        refused(br#"{"a": 1, "\u0061": 1}"#, "`a` stands twice");
        refused(b"\xff", "line 1");
        refused(br#""\ud800""#, "line 1");
        refused("[".repeat(1000).as_bytes(), "recursion");
    }
}

//! JSON as it has to be before anybody acts on it: one document, with every member once.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Serialize,
    de::{Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::{
    error::{Error, ErrorKind, Result},
    user::Text,
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
    // One check of the whole costs less than one of every text.
    match str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Writes a document.
///
/// # Panics
///
/// The document does not serialize: a map in it has keys that are no texts, or it says itself that it cannot.
pub fn write(document: &impl Serialize) -> Bytes {
    // As good as no document about one user is larger.
    let mut buffer = Vec::with_capacity(1024);
    serde_json::to_writer(&mut buffer, document).expect("texts, numbers, booleans and JSON values always serialize");
    buffer.into()
}

/// serde's own words may quote a value; these do not.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// The names of an object's members that nobody here knows, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberNames(pub Vec<Text>);

/// The name of a member; borrowed from the document, unless it has escapes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Name<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Names)
    }
}

/// A text that says nothing to anybody here: read, and not kept.
#[derive(Clone, Copy, Debug)]
pub struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl Visitor<'_> for Texts {
            type Value = AnyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, _: &str) -> Result<AnyText, E> {
                Ok(AnyText)
            }
        }

        deserializer.deserialize_str(Texts)
    }
}

/// Declares a struct that is read from a JSON object, and that keeps the names of the members that it does not know.
///
/// serde has `flatten` for that, which makes it hold all members in a form of its own before it reads any of them, many
/// times the work. Here each is read where it stands.
///
/// A field has the name of its member before it. In brackets behind its type may stand `required`, or a function that
/// reads it, or both; a member that may be absent is then the default of its type. The last field holds the names of
/// all other members. A member that stands twice is an error where it is known.
///
/// ```
/// use interlingua_core::{Known, Text, json::{self, MemberNames}};
///
/// json::object! {
///     #[derive(Debug)]
///     struct User {
///         "id" => id: u32 [required],
///         "firstName" => first_name: Known<Text>,
///         .. others,
///     }
/// }
///
/// let user: User = json::request(br#"{"firstName": null, "shoeSize": 44, "id": 7}"#)?;
/// assert_eq!((user.id, user.first_name, user.others.0), (7, Known::Null, vec!["shoeSize".into()]));
/// assert!(json::request::<User>(b"{}").is_err());
/// # Ok::<(), interlingua_core::Error>(())
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __json_object {
    (
        $(#[$about:meta])*
        $visible:vis struct $object:ident $(<$generic:ident>)? {
            $(
                $(#[$about_field:meta])*
                $name:literal => $field_visible:vis $field:ident: $type:ty $([$($how:tt)+])?,
            )+
            .. $(#[$about_others:meta])* $others_visible:vis $others:ident $(,)?
        }
    ) => {
        $(#[$about])*
        $visible struct $object $(<$generic>)? {
            $($(#[$about_field])* $field_visible $field: $type,)+
            $(#[$about_others])*
            $others_visible $others: $crate::json::MemberNames,
        }

        impl<'de $(, $generic: $crate::json::serde::Deserialize<'de>)?> $crate::json::serde::Deserialize<'de>
            for $object $(<$generic>)?
        {
            fn deserialize<D: $crate::json::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                struct Members<T>(::core::marker::PhantomData<T>);

                impl<'de $(, $generic: $crate::json::serde::Deserialize<'de>)?> $crate::json::serde::de::Visitor<'de>
                    for Members<$object $(<$generic>)?>
                {
                    type Value = $object $(<$generic>)?;

                    fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: $crate::json::serde::de::MapAccess<'de>>(
                        self,
                        mut access: A,
                    ) -> ::core::result::Result<Self::Value, A::Error> {
                        $(let mut $field: ::core::option::Option<$type> = ::core::option::Option::None;)+
                        let mut others = ::std::vec::Vec::new();
                        while let Some($crate::json::Name(name)) = access.next_key()? {
                            match &*name {
                                $($name => {
                                    if $field.is_some() {
                                        return Err($crate::json::serde::de::Error::duplicate_field($name));
                                    }
                                    $field = Some($crate::__json_member!(@read access, $type $(, $($how)+)?));
                                })+
                                other => {
                                    let $crate::json::serde::de::IgnoredAny = access.next_value()?;
                                    others.push($crate::Text::from(other));
                                }
                            }
                        }
                        Ok($object {
                            $($field: match $field {
                                Some(value) => value,
                                None => $crate::__json_member!(@absent $name $(, $($how)+)?),
                            },)+
                            $others: $crate::json::MemberNames(others),
                        })
                    }
                }

                deserializer.deserialize_map(Members(::core::marker::PhantomData))
            }
        }
    };
}

/// How one member is read, and what it is where it is absent.
#[doc(hidden)]
#[macro_export]
macro_rules! __json_member {
    (@read $access:ident, $type:ty $(, required)?) => { $access.next_value()? };
    (@read $access:ident, $type:ty, required, $read:path) => { $crate::__json_member!(@read $access, $type, $read) };
    (@read $access:ident, $type:ty, $read:path) => {{
        struct Seed;

        impl<'de> $crate::json::serde::de::DeserializeSeed<'de> for Seed {
            type Value = $type;

            fn deserialize<D: $crate::json::serde::Deserializer<'de>>(self, deserializer: D) -> Result<$type, D::Error> {
                $read(deserializer)
            }
        }

        $access.next_value_seed(Seed)?
    }};
    (@absent $name:literal, required $(, $read:path)?) => {
        return Err($crate::json::serde::de::Error::missing_field($name))
    };
    (@absent $name:literal $(, $read:path)?) => { ::core::default::Default::default() };
}

#[doc(hidden)]
pub use serde;

#[doc(inline)]
pub use crate::__json_object as object;

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

    #[test]
    fn what_nobody_reads_is_checked_as_far_as_its_form() {
        #[derive(serde::Deserialize)]
        struct Id {
            id: u8,
            _note: Option<AnyText>,
        }
        assert_eq!(reply::<Id>(br#"{"id": 7, "_note": "\u00e9"}"#).unwrap().id, 7);
        assert_eq!(reply::<Id>(b"{\"id\": 7, \"other\": \"\xff\"}").unwrap().id, 7);
        assert!(reply::<Id>(b"{\"id\": 7, \"_note\": \"\xff\"}").is_err());
        assert!(reply::<Id>(br#"{"id": 7, "_note": 1}"#).is_err());
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

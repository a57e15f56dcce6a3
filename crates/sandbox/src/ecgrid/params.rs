//! Reads the fields of a request body; a field that is absent or `null` means "unchanged".

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::wire::{AuthLevel, Failure};
use crate::assumed::ecgrid as assumed;
use crate::vendor::is_email;

/// The fields of a request body; those nobody asks for are ignored.
pub(super) struct Params(Map<String, Value>);

impl Params {
    /// Reads a body that must be there.
    pub(super) fn read(body: &[u8]) -> Result<Params, Failure> {
        let document = serde_json::from_slice(body);
        let document: Value = document.map_err(|_| Failure::parameter("body", "is not valid JSON"))?;
        match document {
            Value::Object(fields) => Ok(Params(fields)),
            _ => Err(Failure::parameter("body", "must be an object")),
        }
    }

    /// Reads a body that may be left out.
    pub(super) fn read_optional(body: &[u8]) -> Result<Params, Failure> {
        Params::read(if body.is_empty() { assumed::EMPTY_BODY } else { body })
    }

    /// The fields other than `userId` that are to be stored.
    pub(super) fn into_config(mut self) -> Map<String, Value> {
        self.0.remove("userId");
        self.0.retain(|_, value| !value.is_null());
        self.0
    }

    pub(super) fn user_id(&self) -> Result<i32, Failure> {
        required("userId", self.integer("userId")?)
    }

    pub(super) fn integer(&self, field: &str) -> Result<Option<i32>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number.map(Some).ok_or_else(|| Failure::parameter(field, "must be an integer"))
    }

    /// A count from one upwards, with a default.
    pub(super) fn count(&self, field: &str, default: usize) -> Result<usize, Failure> {
        let Some(number) = self.integer(field)? else { return Ok(default) };
        let count = usize::try_from(number).ok().filter(|count| *count > 0);
        count.ok_or_else(|| Failure::parameter(field, "must be 1 or more"))
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<String>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let text = value.as_str().map(str::to_owned);
        text.map(Some).ok_or_else(|| Failure::parameter(field, "must be a string"))
    }

    /// A text that must be there and say something.
    pub(super) fn required_text(&self, field: &str) -> Result<String, Failure> {
        let text = self.text(field)?.filter(|text| !text.is_empty());
        required(field, text)
    }

    pub(super) fn email(&self) -> Result<Option<String>, Failure> {
        match self.text("email")? {
            Some(text) if !is_email(&text) => Err(Failure::parameter("email", "must be a valid e-mail address")),
            email => Ok(email),
        }
    }

    pub(super) fn password(&self, field: &str) -> Result<String, Failure> {
        let password = self.required_text(field)?;
        if is_password(&password) { Ok(password) } else { Err(Failure::parameter(field, "does not fit the pattern")) }
    }

    /// A level; `NoChange` counts as absent.
    pub(super) fn auth_level(&self) -> Result<Option<AuthLevel>, Failure> {
        if self.value("authLevel").is_some_and(|value| value == "NoChange") {
            return Ok(None);
        }
        self.word("authLevel")
    }

    /// A word of a closed vocabulary.
    pub(super) fn word<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let word = serde_json::from_value(Value::String(text));
        word.map(Some).map_err(|_| Failure::parameter(field, "is not one of the known values"))
    }

    /// Whether a field is there and not `null`.
    pub(super) fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }
}

/// The value, or the refusal that names the missing field.
pub(super) fn required<T>(field: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::parameter(field, "is required"))
}

/// `^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^a-zA-Z0-9]).+$`
fn is_password(text: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric(),
    ];
    kinds.iter().all(|kind| text.contains(*kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_password() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(is_password(text), expected, "{text}");
        }
        check("Abc123!x", true);
        check("aA1-", true);
        check("abc123!x", false);
        check("ABC123!X", false);
        check("Abcdef!x", false);
        check("Abc123xx", false);
        check("", false);
    }
}

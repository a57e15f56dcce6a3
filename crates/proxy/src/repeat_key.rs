//! The key by which a client names a request that it may send again (draft-ietf-httpapi-idempotency-key-header).

use http::{HeaderMap, HeaderName};
use interlingua_core::{Error, ErrorKind, Result, Text};

/// The header.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The most characters of a key; a UUID has 36.
const LONGEST: usize = 255;

/// A key as its client means it, without quotes.
///
/// `Debug` leaves it out: whoever knows it, and the client's own key, is told what came of the request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct RepeatKey(Text);

impl RepeatKey {
    /// The key of a request, where it has one: a string as structured fields have them (RFC 9651, section 3.3.3), or, as
    /// many clients send it, the same without quotes.
    ///
    /// # Errors
    ///
    /// It is neither, or too long, or there are several.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|text| parse(text.trim()));
        let malformed = || {
            let message = format!("Idempotency-Key is not one text in quotes, of at most {LONGEST} characters");
            Error::new(ErrorKind::Malformed, message)
        };
        key.filter(|key| (1..=LONGEST).contains(&key.len())).map(Self).map(Some).ok_or_else(malformed)
    }

    /// The key itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse(text: &str) -> Option<Text> {
    let Some(quoted) = text.strip_prefix('"') else {
        let plain = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '\\' | ',' | ';');
        return text.chars().all(plain).then(|| text.into());
    };
    let mut characters = quoted.strip_suffix('"')?.chars();
    let mut key = Text::default();
    while let Some(character) = characters.next() {
        key.push(match character {
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            '"' => return None,
            plain if plain == ' ' || plain.is_ascii_graphic() => plain,
            _ => return None,
        });
    }
    Some(key)
}

impl std::fmt::Debug for RepeatKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepeatKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        }
        let key = RepeatKey::of(&headers);
        let found = key.as_ref().map(|key| key.as_ref().map(RepeatKey::as_str));
        assert_eq!(found.map_err(|error| assert_eq!(error.kind(), ErrorKind::Malformed)), expected, "{values:?}");
    }

    #[test]
    fn keys() {
        check(&[], Ok(None));
        check(&[r#""8e03978e-40d5-43dd-bc93-6894a57f9324""#], Ok(Some("8e03978e-40d5-43dd-bc93-6894a57f9324")));
        check(&["8e03978e-40d5-43dd-bc93-6894a57f9324"], Ok(Some("8e03978e-40d5-43dd-bc93-6894a57f9324")));
        check(&[r#" "a \"b\" \\c" "#], Ok(Some(r#"a "b" \c"#)));
        check(&[&"x".repeat(255)], Ok(Some(&*"x".repeat(255))));
        for malformed in
            ["", "\"\"", "\"a", "a\"", "\"a\"b", r#""a\x""#, r#""a\""#, "a b", "a,b", "\"a\";x=1", &"x".repeat(256)]
        {
            check(&[malformed], Err(()));
        }
        check(&["a", "a"], Err(()));
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", RepeatKey("secret".into())), "RepeatKey(..)");
    }
}

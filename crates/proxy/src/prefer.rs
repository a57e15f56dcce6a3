//! `Prefer: handling=strict|lenient` (RFC 7240): a client's own word on losses.

use http::{HeaderMap, HeaderName};
use interlingua_core::OnLoss;

/// The header of the request.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header of the answer that says which preference was followed.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How the client wants losses handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// A loss is an error.
    Strict,
    /// A loss is reported.
    Lenient,
}

impl Handling {
    /// What the request prefers; the first word counts, and one that is not known is no preference.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).find_map(|preference| {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("handling") {
                return None;
            }
            match value.trim().trim_matches('"') {
                "strict" => Some(Self::Strict),
                "lenient" => Some(Self::Lenient),
                _ => None,
            }
        })
    }

    pub(crate) fn on_loss(self) -> OnLoss {
        match self {
            Self::Strict => OnLoss::Reject,
            Self::Lenient => OnLoss::Warn,
        }
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> &'static str {
        match self {
            Self::Strict => "handling=strict",
            Self::Lenient => "handling=lenient",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: Option<Handling>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_static(value));
        }
        assert_eq!(Handling::of(&headers), expected);
    }

    #[test]
    fn preferences() {
        check(&[], None);
        check(&["handling=lenient"], Some(Handling::Lenient));
        check(&["respond-async, Handling = \"strict\"; x=1"], Some(Handling::Strict));
        check(&["return=minimal", "handling=lenient"], Some(Handling::Lenient));
        check(&["handling=lenient, handling=strict"], Some(Handling::Lenient));
        check(&["handling", "lenient"], None);
        check(&["handling=harsh"], None);
    }
}

//! Sizes and lengths of time as people write them.

use std::time::Duration;

use serde::Deserialize;

/// A number or a text, for keys that take both: an environment variable is always a text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number or text")]
pub(super) enum Scalar {
    Number(i64),
    Text(String),
}

/// A size in bytes: `1048576`, `"1MiB"`, `"64KiB"`. At least 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Scalar")]
pub(super) struct Size(pub(super) usize);

const SIZES: &[(&str, u64)] = &[("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl TryFrom<Scalar> for Size {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        let bytes = match scalar {
            Scalar::Number(number) => u64::try_from(number).ok(),
            Scalar::Text(text) => measure(&text, SIZES),
        };
        let bytes = bytes.filter(|bytes| *bytes > 0).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Self).ok_or("expected a number of bytes of at least 1, such as 65536, \"64KiB\" or \"1MiB\"")
    }
}

/// A length of time: `"500ms"`, `"10s"`, `"2m"`, `"1h"`. At most a day, so that it can be added to any clock.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Scalar")]
pub(super) struct Span(pub(super) Duration);

const SPANS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const DAY: u64 = 24 * 3_600_000;

impl TryFrom<Scalar> for Span {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        let milliseconds = match scalar {
            Scalar::Number(_) => None,
            Scalar::Text(text) => measure(&text, SPANS),
        };
        let milliseconds = milliseconds.filter(|milliseconds| *milliseconds <= DAY);
        let span = milliseconds.map(|milliseconds| Self(Duration::from_millis(milliseconds)));
        span.ok_or("expected a length of time with its unit, such as \"500ms\", \"10s\" or \"2m\", and at most \"24h\"")
    }
}

/// How long something is kept: `"24h"`, `"7d"`. At most a year.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Scalar")]
pub(super) struct Age(pub(super) Duration);

const AGES: &[(&str, u64)] = &[("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", DAY)];

impl TryFrom<Scalar> for Age {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        let milliseconds = match scalar {
            Scalar::Number(_) => None,
            Scalar::Text(text) => measure(&text, AGES),
        };
        let milliseconds = milliseconds.filter(|milliseconds| *milliseconds <= 366 * DAY);
        let age = milliseconds.map(|milliseconds| Self(Duration::from_millis(milliseconds)));
        age.ok_or("expected a length of time with its unit, such as \"12h\" or \"7d\", and at most \"366d\"")
    }
}

/// A count of at least 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Scalar")]
pub(super) struct Count(pub(super) std::num::NonZeroU32);

impl TryFrom<Scalar> for Count {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        let count = Number::try_from(scalar).ok().and_then(|Number(number)| number.try_into().ok());
        count.map(Self).ok_or("expected a whole number of at least 1")
    }
}

/// A count that may be 0.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Scalar")]
pub(super) struct Number(pub(super) u32);

impl TryFrom<Scalar> for Number {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        let number = match scalar {
            Scalar::Number(number) => u32::try_from(number).ok(),
            Scalar::Text(text) => text.parse().ok(),
        };
        number.map(Self).ok_or("expected a whole number, 0 or more")
    }
}

/// A part of a whole: `0.1`, and at most `1`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Decimal")]
pub(super) struct Part(pub(super) f64);

/// A number or a text, as [`Scalar`].
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or text")]
enum Decimal {
    Number(f64),
    Text(String),
}

impl TryFrom<Decimal> for Part {
    type Error = &'static str;

    fn try_from(decimal: Decimal) -> Result<Self, Self::Error> {
        let part = match decimal {
            Decimal::Number(number) => Some(number),
            Decimal::Text(text) => text.parse().ok(),
        };
        part.filter(|part| (0.0..=1.0).contains(part)).map(Self).ok_or("expected a number from 0 to 1, such as 0.1")
    }
}

/// Digits and a unit, in the smallest of the units.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_size(text: &str, expected: Option<usize>) {
        assert_eq!(Size::try_from(Scalar::Text(text.to_owned())).ok(), expected.map(Size), "{text}");
    }

    #[test]
    fn parts() {
        let part = |text: &str| Part::try_from(Decimal::Text(text.to_owned())).ok();
        assert_eq!([part("0"), part("0.25"), part("1")], [0.0, 0.25, 1.0].map(|part| Some(Part(part))));
        assert_eq!([part("-0.1"), part("1.1"), part("NaN"), part("10%"), part("")], [None; 5]);
        assert_eq!(Part::try_from(Decimal::Number(0.5)), Ok(Part(0.5)));
    }

    #[test]
    fn sizes() {
        check_size("1", Some(1));
        check_size("100B", Some(100));
        check_size("64KiB", Some(65_536));
        check_size("1 MiB", Some(1_048_576));
        check_size("0", None);
        check_size("", None);
        check_size("MiB", None);
        check_size("1MB", None);
        check_size("1.5MiB", None);
        check_size("-1", None);
        check_size("99999999999GiB", None);
        assert_eq!(Size::try_from(Scalar::Number(512)), Ok(Size(512)));
        assert!(Size::try_from(Scalar::Number(-1)).is_err());
    }

    #[track_caller]
    fn check_span(text: &str, milliseconds: Option<u64>) {
        let expected = milliseconds.map(|milliseconds| Span(Duration::from_millis(milliseconds)));
        assert_eq!(Span::try_from(Scalar::Text(text.to_owned())).ok(), expected, "{text}");
    }

    #[test]
    fn spans() {
        check_span("500ms", Some(500));
        check_span("10s", Some(10_000));
        check_span("2m", Some(120_000));
        check_span("24h", Some(DAY));
        check_span("0s", Some(0));
        check_span("25h", None);
        check_span("10", None);
        check_span("s", None);
        check_span("1d", None);
        check_span("18446744073709551615h", None);
        assert!(Span::try_from(Scalar::Number(10)).is_err());
    }

    #[test]
    fn counts() {
        let check = |scalar| Count::try_from(scalar).ok().map(|count| count.0.get());
        assert_eq!(check(Scalar::Number(1024)), Some(1024));
        assert_eq!(check(Scalar::Text("8".to_owned())), Some(8));
        assert_eq!(check(Scalar::Number(0)), None);
        assert_eq!(check(Scalar::Number(-1)), None);
        assert_eq!(check(Scalar::Number(1 << 40)), None);
        assert_eq!(Number::try_from(Scalar::Number(0)), Ok(Number(0)));
        assert!(Number::try_from(Scalar::Number(-1)).is_err());
    }
}

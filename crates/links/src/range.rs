//! Ids that may be handed out.

use std::{collections::BTreeMap, fmt};

use interlingua_core::Text;

/// The numbers from which ids are handed out, by dialect.
pub type Ranges = BTreeMap<Text, IdRange>;

/// The numbers from which the ids of one dialect are handed out to users of others.
///
/// A counter belongs to the first number: a range that is widened at its end goes on where it was, one with another
/// first number starts anew and leaves out what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    first: u64,
    last: u64,
}

impl IdRange {
    /// The numbers from `first` to `last`, both included.
    ///
    /// # Errors
    ///
    /// There is none, or they do not fit into a signed 64-bit integer.
    pub fn new(first: u64, last: u64) -> Result<Self, NotARange> {
        // The number after the last one is stored, too.
        if first <= last && i64::try_from(last).is_ok_and(|last| last < i64::MAX) {
            Ok(Self { first, last })
        } else {
            Err(NotARange)
        }
    }

    /// The first number.
    pub fn first(self) -> u64 {
        self.first
    }

    /// The last number.
    pub fn last(self) -> u64 {
        self.last
    }
}

/// The two numbers are no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARange;

impl fmt::Display for NotARange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a range: the first number must not be above the last, nor the last above 2^63 - 2")
    }
}

impl std::error::Error for NotARange {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_at_least_one_number_that_a_database_can_hold() {
        assert!(IdRange::new(5, 5).is_ok());
        assert_eq!(IdRange::new(6, 5), Err(NotARange));
        assert_eq!(IdRange::new(0, i64::MAX as u64), Err(NotARange));
        assert!(IdRange::new(0, i64::MAX as u64 - 1).is_ok());
    }
}

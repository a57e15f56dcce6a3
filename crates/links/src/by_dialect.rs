//! What each of some dialects has.

use std::{fmt, ops::Index};

use interlingua_core::Text;

/// A few values by the names of dialects, in their order.
///
/// There are two or three where a link is, and many links: a list takes a fifth of the memory that a tree would.
#[derive(Clone, PartialEq, Eq)]
pub struct ByDialect<V>(Box<[(Text, V)]>);

impl<V> ByDialect<V> {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a dialect.
    pub fn get(&self, dialect: &str) -> Option<&V> {
        self.0.iter().find(|(name, _)| name == dialect).map(|(_, value)| value)
    }

    /// Whether the dialect has a value.
    pub fn contains_key(&self, dialect: &str) -> bool {
        self.get(dialect).is_some()
    }

    /// Puts a value, and gives back the one that it replaces.
    pub fn insert(&mut self, dialect: Text, value: V) -> Option<V> {
        let mut all = std::mem::take(&mut self.0).into_vec();
        let replaced = match all.binary_search_by(|(name, _)| name.cmp(&dialect)) {
            Ok(place) => Some(std::mem::replace(&mut all[place].1, value)),
            Err(place) => {
                all.insert(place, (dialect, value));
                None
            }
        };
        self.0 = all.into();
        replaced
    }

    /// The dialects and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &V)> {
        self.into_iter()
    }

    /// The dialects.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().map(|(dialect, _)| dialect)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> Default for ByDialect<V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<V> FromIterator<(Text, V)> for ByDialect<V> {
    /// Of two values of a dialect the later one stays.
    fn from_iter<I: IntoIterator<Item = (Text, V)>>(values: I) -> Self {
        let mut all = Self::new();
        for (dialect, value) in values {
            all.insert(dialect, value);
        }
        all
    }
}

impl<V, const N: usize> From<[(Text, V); N]> for ByDialect<V> {
    fn from(values: [(Text, V); N]) -> Self {
        values.into_iter().collect()
    }
}

impl<'a, V> IntoIterator for &'a ByDialect<V> {
    type Item = (&'a Text, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (Text, V)>, fn(&'a (Text, V)) -> (&'a Text, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(dialect, value)| (dialect, value))
    }
}

impl<V> Index<&str> for ByDialect<V> {
    type Output = V;

    fn index(&self, dialect: &str) -> &V {
        self.get(dialect).expect("the dialect has a value")
    }
}

impl<V: fmt::Debug> fmt::Debug for ByDialect<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_order_and_each_once() {
        let mut all: ByDialect<u8> =
            [("b", 1), ("a", 2), ("c", 3), ("b", 4)].map(|(d, v)| (d.into(), v)).into_iter().collect();
        assert_eq!(format!("{all:?}"), r#"{"a": 2, "b": 4, "c": 3}"#);
        assert_eq!((all["b"], all.get("d"), all.len()), (4, None, 3));
        assert_eq!(all.insert("a".into(), 5), Some(2));
        assert!(all.contains_key("a") && !all.is_empty());
        assert_eq!(all.keys().map(Text::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(all.values().collect::<Vec<_>>(), [&5, &4, &3]);
    }
}

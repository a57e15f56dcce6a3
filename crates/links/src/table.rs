//! Links by number and by id, in memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use interlingua_core::Text;

use crate::link::Link;

/// Links by number, and the numbers by dialect and id. The number of a link never changes and gives pages their order.
#[derive(Debug)]
pub(crate) struct Table<L> {
    links: BTreeMap<i64, Arc<L>>,
    numbers: HashMap<Text, HashMap<Text, i64>>,
}

impl<L> Default for Table<L> {
    fn default() -> Self {
        Self { links: BTreeMap::new(), numbers: HashMap::new() }
    }
}

impl<L: Link> Table<L> {
    /// Puts a link in the place of the one with its number. No other link may have one of its ids.
    pub(crate) fn put(&mut self, number: i64, link: Arc<L>) {
        self.take(number);
        for (dialect, id) in link.ids() {
            self.numbers.entry(dialect.clone()).or_default().insert(id.into(), number);
        }
        self.links.insert(number, link);
    }

    /// Takes a link out.
    pub(crate) fn take(&mut self, number: i64) -> Option<Arc<L>> {
        let link = self.links.remove(&number)?;
        for (dialect, id) in link.ids() {
            if let Some(ids) = self.numbers.get_mut(dialect) {
                ids.remove(id);
            }
        }
        Some(link)
    }

    /// The link with that id, and its number.
    pub(crate) fn find(&self, dialect: &str, id: &str) -> Option<(i64, &Arc<L>)> {
        let number = *self.numbers.get(dialect)?.get(id)?;
        Some((number, self.links.get(&number)?))
    }

    /// The links with numbers above `after`, in their order.
    pub(crate) fn after(&self, after: i64) -> impl Iterator<Item = (i64, &Arc<L>)> {
        self.links.range((Bound::Excluded(after), Bound::Unbounded)).map(|(number, link)| (*number, link))
    }

    /// How many links there are.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// The links in their order, with their numbers.
    pub(crate) fn into_links(self) -> impl Iterator<Item = (i64, Arc<L>)> {
        self.links.into_iter()
    }
}

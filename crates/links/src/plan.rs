//! What is to be done with links that are added: one rule for every store.

use std::collections::HashMap;

use crate::{
    AddError, Added,
    error::{Reason, Taken},
    link::{Link, is_storable},
    table::Table,
};

/// What is to be done with links that are added.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The positions of those to write.
    pub(crate) fresh: Vec<usize>,
    /// How many are in the store as they are.
    pub(crate) unchanged: usize,
    /// Those that cannot be added.
    pub(crate) taken: Vec<Taken>,
}

impl Plan {
    /// What comes of it.
    pub(crate) fn outcome(self) -> Result<Added, AddError> {
        if self.taken.is_empty() {
            Ok(Added { added: self.fresh.len(), unchanged: self.unchanged })
        } else {
            Err(AddError::Taken(self.taken))
        }
    }
}

/// Plans to add `links` one after the other to a store that holds, of all that have an id of theirs, `stored`.
pub(crate) fn plan<L: Link>(links: &[L], stored: &Table<L>) -> Plan {
    let mut plan = Plan::default();
    let mut given = HashMap::new();
    for (position, link) in links.iter().enumerate() {
        let taken = obstacles(position, link, &given, stored, links);
        match taken {
            Obstacles::None => {
                given.extend(link.ids().map(|(dialect, id)| ((dialect.as_str(), id), position)));
                plan.fresh.push(position);
            }
            Obstacles::Itself => plan.unchanged += 1,
            Obstacles::Taken(taken) => plan.taken.extend(taken),
        }
    }
    plan
}

enum Obstacles {
    None,
    /// The link is there already.
    Itself,
    Taken(Vec<Taken>),
}

fn obstacles<L: Link>(
    position: usize,
    link: &L,
    given: &HashMap<(&str, &str), usize>,
    stored: &Table<L>,
    links: &[L],
) -> Obstacles {
    let taken = |id: String, reason| Taken { position, id, reason };
    let ids = || link.ids().map(|(dialect, id)| format!("{dialect} {id}"));
    if let Some(reason) = unfit(link) {
        return Obstacles::Taken(vec![taken(ids().next().unwrap_or_default(), reason)]);
    }
    let mut obstacles = Vec::new();
    for (dialect, id) in link.ids() {
        let (holder, reason) = match (stored.find(dialect, id), given.get(&(dialect.as_str(), id))) {
            (Some((_, holder)), _) => (holder.as_ref(), Reason::Linked),
            (None, Some(&earlier)) => (&links[earlier], Reason::Repeated(earlier)),
            (None, None) => continue,
        };
        if link.adds_nothing_to(holder) {
            return Obstacles::Itself;
        }
        let reason = if link.is_part_of(holder) { Reason::Differs } else { reason };
        obstacles.push(taken(format!("{dialect} {id}"), reason));
    }
    if obstacles.is_empty() { Obstacles::None } else { Obstacles::Taken(obstacles) }
}

fn unfit(link: &impl Link) -> Option<Reason> {
    if link.ids().next().is_none() {
        return Some(Reason::NoId);
    }
    let ids = link.ids().flat_map(|(dialect, id)| [dialect.as_str(), id]);
    (!ids.chain(link.words()).all(is_storable)).then_some(Reason::Unfit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use interlingua_core::UserId;

    use super::*;
    use crate::UserLink;

    fn link(ids: &[(&str, &str)], login: Option<&str>) -> UserLink {
        let ids = ids.iter().map(|&(dialect, id)| (dialect.into(), UserId::new(id))).collect();
        UserLink { ids, login: login.map(Into::into), ..UserLink::default() }
    }

    /// The store holds `a 1 = b x` with the login `jo`.
    #[track_caller]
    fn check(links: &[UserLink], fresh: &[usize], unchanged: usize, taken: &[(usize, &str, Reason)]) {
        let mut stored = Table::default();
        stored.put(7, Arc::new(link(&[("a", "1"), ("b", "x")], Some("jo"))));
        let plan = plan(links, &stored);
        let found: Vec<_> = plan.taken.iter().map(|taken| (taken.position, taken.id.as_str(), taken.reason)).collect();
        assert_eq!((plan.fresh.as_slice(), plan.unchanged, found.as_slice()), (fresh, unchanged, taken));
    }

    #[test]
    fn links_are_new_or_known_or_taken() {
        check(&[link(&[("a", "2"), ("b", "y")], None)], &[0], 0, &[]);
        check(&[link(&[("a", "1"), ("b", "x")], None)], &[], 1, &[]);
        check(&[link(&[("a", "1"), ("b", "x")], Some("jo"))], &[], 1, &[]);
        check(&[link(&[("a", "1")], None)], &[], 1, &[]);
        check(
            &[link(&[("a", "1"), ("b", "x")], Some("al"))],
            &[],
            0,
            &[(0, "a 1", Reason::Differs), (0, "b x", Reason::Differs)],
        );
        check(&[link(&[("a", "2"), ("b", "x")], None)], &[], 0, &[(0, "b x", Reason::Linked)]);
        check(&[link(&[("a", "1"), ("c", "z")], None)], &[], 0, &[(0, "a 1", Reason::Linked)]);
    }

    #[test]
    fn links_are_planned_one_after_the_other() {
        let two = link(&[("a", "2"), ("b", "y")], None);
        check(&[two.clone(), two.clone()], &[0], 1, &[]);
        check(&[two, link(&[("a", "3"), ("b", "y")], None)], &[0], 0, &[(1, "b y", Reason::Repeated(0))]);
    }

    #[test]
    fn what_no_store_can_keep_is_refused() {
        check(&[UserLink::default()], &[], 0, &[(0, "", Reason::NoId)]);
        check(&[link(&[("a", "2")], Some("a\0b"))], &[], 0, &[(0, "a 2", Reason::Unfit)]);
        let long = "x".repeat(1025);
        check(&[link(&[("a", &long)], None)], &[], 0, &[(0, &format!("a {long}"), Reason::Unfit)]);
    }
}

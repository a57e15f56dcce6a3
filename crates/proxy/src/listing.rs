//! Lists of users: pages of one dialect from pages of another.
//!
//! Some dialects number their pages, others give each page a cursor to the next; sizes differ; and a filter may be one
//! that the upstream does not have. So a list is *walked*: one page of the upstream after the other, every user brought
//! to the face and tested by the query, until the client's page is full. Where that happened is a [`Position`]. A face
//! with cursors gives it to its client, as an opaque text, and nothing is kept here. For a face with numbers it is kept
//! for a while: without it the walk begins at the first page, which costs calls and loses nothing.

use std::{num::NonZeroU32, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use interlingua_core::{
    Command, Cursor, Document, Error, ErrorKind, Field, Note, Outcome, PageRequest, Place, Problem, Result, ScopeId,
    User, UserId, UserPage, UserQuery,
};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::{executor, route::Route, translate::Translation};

/// The most users on a page of a face whose clients cannot choose.
const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// A page of a list, and what it took.
pub(crate) struct Listed {
    pub(crate) page: UserPage,
    pub(crate) notes: Vec<Note>,
    pub(crate) calls: usize,
}

/// The page of users that a client asks for.
///
/// # Errors
///
/// The cursor is none of ours; a scope is not linked; the upstream refuses; or it would take more calls than a request
/// may make.
pub(crate) async fn list(translation: &Translation, query: UserQuery, page: PageRequest) -> Result<Listed> {
    let wanted = translation.route.pair().query_to_upstream(&query).await?;
    let narrow = match page {
        PageRequest::Numbered { number, .. } if number > NonZeroU32::MIN => Field::Page,
        _ => Field::Search,
    };
    let mut walk = Walk { translation, query: &query, wanted, narrow, calls: 0, notes: Vec::new() };
    let page = match page {
        PageRequest::At(cursor) => {
            let start = cursor.as_ref().map_or_else(|| Ok(Position::default()), Position::from_cursor)?;
            let (users, end) = walk.collect(start.clone(), PAGE_SIZE).await?;
            let next = end.as_ref().map(Position::to_cursor).transpose()?;
            // Whoever sees the whole list on one page can count it.
            let is_all = start == Position::default() && next.is_none();
            let total = is_all.then_some(users.len() as u64);
            UserPage { users, total, next, page: PageRequest::At(cursor), query: query.clone() }
        }
        PageRequest::Numbered { number, size } => {
            let mut users = walk.numbered(number, size).await?;
            if let (Some(login), 1) = (&query.login, number.get()) {
                walk.add_remembered(&mut users, login).await?;
            }
            let page = PageRequest::Numbered { number, size };
            UserPage { users, total: None, next: None, page, query: query.clone() }
        }
    };
    let Walk { calls, notes, .. } = walk;
    Ok(Listed { page, notes, calls })
}

/// The upstream's page at which the walk for a client's page begins, as far as the client's words tell.
///
/// # Errors
///
/// The cursor is none of ours.
pub(crate) fn first_page(page: &PageRequest) -> Result<PageRequest> {
    match page {
        PageRequest::At(Some(cursor)) => Position::from_cursor(cursor).map(|position| position.page()),
        PageRequest::At(None) | PageRequest::Numbered { .. } => Ok(PageRequest::At(None)),
    }
}

/// A place in the upstream's list: a page, and how far into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Position {
    /// The upstream's cursor of the page; `None` for the first.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// How many users of the page are behind it.
    #[serde(rename = "s", default)]
    skip: usize,
    /// The last of them, by which the place is found again when the page has changed.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl Position {
    /// As a text for clients, which says nothing to them.
    fn to_cursor(&self) -> Result<Cursor> {
        let json = serde_json::to_vec(self).map_err(|_| Error::new(ErrorKind::Internal, "a position has no form"))?;
        Ok(Cursor::new(BASE64_URL_SAFE_NO_PAD.encode(json)))
    }

    /// What a client brings back is the client's word: it is used to look, and decides nothing about what may be seen.
    fn from_cursor(cursor: &Cursor) -> Result<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor.as_str()).ok();
        let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        position.ok_or_else(|| {
            let expected = "expected what the page before gave as the next one";
            Error::invalid(vec![Problem::new(Field::Page, expected)])
        })
    }

    fn page(&self) -> PageRequest {
        PageRequest::At(self.cursor.as_deref().map(Cursor::new))
    }

    /// Which user of the page comes first.
    fn index(&self, users: &[User]) -> usize {
        let Some(last) = &self.last else { return self.skip.min(users.len()) };
        match users.iter().position(|user| user.id.as_str() == last) {
            Some(index) => index + 1,
            // Whoever was last is gone, and all behind have moved up; rather show somebody twice than nobody once.
            None => self.skip.saturating_sub(1).min(users.len()),
        }
    }
}

/// A walk through the upstream's list.
struct Walk<'a> {
    translation: &'a Translation,
    /// In the face's ids.
    query: &'a UserQuery,
    /// In the upstream's ids, and no narrower than the query.
    wanted: UserQuery,
    /// What the client can change when it takes too long.
    narrow: Field,
    calls: usize,
    notes: Vec<Note>,
}

impl Walk<'_> {
    fn route(&self) -> &Route {
        &self.translation.route
    }

    /// As many users as are `wanted`, or as there are, from a position on; and where the rest begins, if there is one.
    async fn collect(&mut self, mut position: Position, size: NonZeroU32) -> Result<(Vec<User>, Option<Position>)> {
        let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        loop {
            let page = self.fetch(&position).await?;
            let next = page.next.map(|next| Position { cursor: Some(next.as_str().to_owned()), ..Position::default() });
            let first = position.index(&page.users);
            let count = page.users.len();
            let ids: Vec<UserId> = page.users.iter().map(|user| user.id.clone()).collect();
            let mut rest = page.users.into_iter().skip(first);
            let mut behind = first;
            while behind < count {
                // No more than can be needed: whoever is brought to the face is given an id there.
                let some = rest.by_ref().take(size - found.len()).collect();
                for (user, notes) in self.route().pair().all_to_face(some).await? {
                    behind += 1;
                    let Some(user) = self.pick(user) else { continue };
                    found.push(user);
                    self.notes.extend(notes);
                }
                if found.len() == size {
                    let last = ids.get(behind - 1).map(|id| id.as_str().to_owned());
                    let here = Position { cursor: position.cursor, skip: behind, last };
                    return Ok((found, if behind < count { Some(here) } else { next }));
                }
            }
            match next {
                Some(next) => position = next,
                None => return Ok((found, None)),
            }
        }
    }

    /// The users of a page by its number, which is looked for from the nearest page before it whose place is known.
    async fn numbered(&mut self, number: NonZeroU32, size: NonZeroU32) -> Result<Vec<User>> {
        let places = &self.translation.route.places;
        let walk = Arc::new(Key::new(self.translation, self.query, size));
        let (mut at, mut position) = places.nearest(&walk, number);
        loop {
            let (users, end) = self.collect(position, size).await?;
            if let Some(end) = &end {
                places.keep(&walk, at.saturating_add(1), end.clone());
            }
            match end {
                _ if at == number => return Ok(users),
                Some(next) => position = next,
                None => return Ok(Vec::new()),
            }
            at = at.saturating_add(1);
        }
    }

    /// Adds the users whose login is not the vendor's word but ours.
    async fn add_remembered(&mut self, users: &mut Vec<User>, login: &interlingua_core::Text) -> Result<()> {
        for id in self.route().pair().remembered_by_login(login).await? {
            let executed = self.execute(&Command::GetUser { user: id }).await;
            let user = match executed {
                Ok(Outcome::User(user)) => *user,
                // Linked, and gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
                Ok(_) => continue,
            };
            for (user, notes) in self.route().pair().all_to_face(vec![user]).await? {
                let Some(user) = self.pick(user) else { continue };
                if users.iter().all(|known| known.id != user.id) {
                    users.push(user);
                    self.notes.extend(notes);
                }
            }
        }
        Ok(())
    }

    fn pick(&mut self, user: User) -> Option<User> {
        let face = Arc::clone(&self.translation.route.face);
        let covers = |scope: &ScopeId, other: &ScopeId| face.covers(scope, other);
        if user.grants.is_none() && self.query.asks_for_a_role() {
            self.query.whatever_the_role().pick(user, covers)?;
            let reason = "a user whose roles are not known is left out, as the search asks for roles";
            let note = Note::dropped(Place::Field(Document::Response, Field::Grants), reason);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return None;
        }
        self.query.pick(user, covers)
    }

    async fn fetch(&mut self, position: &Position) -> Result<UserPage> {
        let command = Command::FindUsers { query: self.wanted.clone(), page: position.page() };
        match self.execute(&command).await? {
            Outcome::Users(page) => Ok(page),
            _ => Err(Error::new(ErrorKind::Internal, "what came of a search is not a list")),
        }
    }

    async fn execute(&mut self, command: &Command) -> Result<Outcome> {
        let most = self.route().most_calls();
        let left = most.saturating_sub(self.calls);
        if left == 0 {
            let expected = format!(
                "expected a search that needs no more than {most} calls (limits.calls); narrow it, or take the pages in order"
            );
            return Err(Error::invalid(vec![Problem::new(self.narrow.clone(), expected)]));
        }
        let adapter = &*self.translation.route.upstream.adapter;
        let executed = executor::execute(adapter, command, self.translation, left, |_| Ok(())).await?;
        self.calls += executed.calls;
        self.notes.extend(executed.notes);
        Ok(executed.outcome)
    }
}

/// A list that somebody pages through by numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    client: Option<Arc<str>>,
    query: UserQuery,
    size: NonZeroU32,
}

impl Key {
    fn new(translation: &Translation, query: &UserQuery, size: NonZeroU32) -> Self {
        Self { client: translation.context.seen.client.get().cloned(), query: query.clone(), size }
    }
}

/// Where the pages of numbered lists begin, of those that were walked of late.
#[derive(Debug)]
pub(crate) struct Places(Cache<(Arc<Key>, NonZeroU32), Position>);

/// How many places are kept for a route.
const KEPT: usize = 50_000;

/// How far back a known place is looked for.
const NEAR: usize = 10_000;

impl Default for Places {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl Places {
    /// The last page up to `number` whose place is known, and the place.
    fn nearest(&self, walk: &Arc<Key>, number: NonZeroU32) -> (NonZeroU32, Position) {
        let numbers = (2..=number.get()).rev().filter_map(NonZeroU32::new).take(NEAR);
        let known = numbers.filter_map(|number| Some((number, self.0.get(&(Arc::clone(walk), number))?)));
        { known }.next().unwrap_or((NonZeroU32::MIN, Position::default()))
    }

    fn keep(&self, walk: &Arc<Key>, number: NonZeroU32, position: Position) {
        self.0.insert((Arc::clone(walk), number), position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(ids: &[&str]) -> Vec<User> {
        ids.iter().map(|id| User::new(UserId::new(*id))).collect()
    }

    #[test]
    fn a_position_survives_the_client() {
        let position = Position { cursor: Some("q=a&cursor=b".into()), skip: 2, last: Some("u2".into()) };
        let cursor = position.to_cursor().unwrap();
        assert_eq!(Position::from_cursor(&cursor).unwrap(), position);
        assert!(cursor.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        for nonsense in ["", "2", "{}", "e30", "////"] {
            let position = Position::from_cursor(&Cursor::new(nonsense));
            assert!(position.is_err() || position.is_ok_and(|position| position == Position::default()), "{nonsense}");
        }
    }

    #[test]
    fn a_position_is_found_again_when_the_page_has_changed() {
        let position = Position { cursor: None, skip: 2, last: Some("b".into()) };
        assert_eq!(position.index(&users(&["a", "b", "c"])), 2);
        assert_eq!(position.index(&users(&["b", "c"])), 1);
        assert_eq!(position.index(&users(&["x", "a", "b", "c"])), 3);
        assert_eq!(position.index(&users(&["a", "c", "d"])), 1, "the next is c");
        assert_eq!(Position { last: None, ..position.clone() }.index(&users(&["a", "b", "c"])), 2);
        assert_eq!(position.index(&users(&["a"])), 1);
    }

    #[test]
    fn the_nearest_known_place_is_the_last_before_the_page() {
        let places = Places::default();
        let walk = Arc::new(Key { client: None, query: UserQuery::default(), size: NonZeroU32::MIN });
        let number = |number| NonZeroU32::new(number).unwrap();
        let at = |skip| Position { skip, ..Position::default() };
        assert_eq!(places.nearest(&walk, number(7)), (number(1), at(0)));
        places.keep(&walk, number(2), at(1));
        places.keep(&walk, number(5), at(4));
        assert_eq!(places.nearest(&walk, number(1)), (number(1), at(0)));
        assert_eq!(places.nearest(&walk, number(4)), (number(2), at(1)));
        assert_eq!(places.nearest(&walk, number(5)), (number(5), at(4)));
        assert_eq!(places.nearest(&walk, number(7)), (number(5), at(4)));
        assert_eq!(places.nearest(&walk, number(u32::MAX)), (number(1), at(0)));
    }
}

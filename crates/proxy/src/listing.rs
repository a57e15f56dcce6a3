//! Lists of users: pages of one dialect from pages of another.
//!
//! Some dialects number their pages, others give each page a cursor to the next; sizes differ; and a filter may be one
//! that the upstream does not have. So a list is *walked*: one page of the upstream after the other, every user brought
//! to the face and tested by the query, until the client's page is full. Where that happened is a [`Position`]. A face
//! with cursors gives it to its client, as an opaque text, and nothing is kept here. For a face with numbers it is kept
//! for a while: without it the walk begins at the first page, which costs calls and loses nothing.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroU32,
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use interlingua_core::{
    Adapter, Command, Cursor, Document, Email, Error, ErrorKind, Field, Note, Outcome, PageRequest, Place, Problem,
    Result, ScopeId, Text, User, UserId, UserPage, UserQuery,
};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{executor::Executor, route::Route, translate::Translation};

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
            let start = Position::of(cursor.as_ref(), &query)?;
            let (users, end) = walk.collect(start.clone(), PAGE_SIZE).await?;
            let next = end.map(|end| end.to_cursor(&query));
            // Whoever sees the whole list on one page can count it.
            let is_all = start == Position::default() && next.is_none();
            let total = is_all.then_some(users.len() as u64);
            UserPage { users, total, next, page: PageRequest::At(cursor), query: query.clone() }
        }
        PageRequest::Numbered { number, size } => {
            let mut users = Vec::new();
            if let (Some(login), 1) = (&query.login, number.get()) {
                users = walk.remembered(login).await?;
            }
            if walk.may_find() {
                let mut others = walk.numbered(number, size).await?;
                others.retain(|other| users.iter().all(|user| user.id != other.id));
                users.append(&mut others);
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
pub(crate) fn first_page(query: &UserQuery, page: &PageRequest) -> Result<PageRequest> {
    match page {
        PageRequest::At(cursor) => Position::of(cursor.as_ref(), query).map(|position| position.page()),
        PageRequest::Numbered { .. } => Ok(PageRequest::At(None)),
    }
}

/// A place in the upstream's list: a page, and who of it is behind.
///
/// Not how many: users are taken out of a list while somebody pages through it, and all behind them move up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The upstream's cursor of the page; `None` for the first.
    cursor: Option<String>,
    /// The marks of those who are behind, one after the other.
    seen: String,
}

/// How long a mark is, in characters.
const MARK: usize = 8;

/// What a user is known by in a position: short, and no two alike in a page.
fn mark(user: &UserId) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(user.as_str())[..MARK / 4 * 3])
}

impl Position {
    fn new(cursor: Option<String>, seen: &[UserId]) -> Self {
        Self { cursor, seen: seen.iter().map(mark).collect() }
    }

    /// As a text for clients, which says nothing to them, and is good for this query.
    fn to_cursor(&self, query: &UserQuery) -> Cursor {
        let words = serde_json::json!([fingerprint(query), self.cursor, self.seen]);
        Cursor::new(BASE64_URL_SAFE_NO_PAD.encode(words.to_string()))
    }

    /// The position that a client brings back, or the first. It is the client's word: it is used to look, and decides
    /// nothing about what may be seen.
    fn of(cursor: Option<&Cursor>, query: &UserQuery) -> Result<Self> {
        let Some(cursor) = cursor else { return Ok(Self::default()) };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor.as_str()).ok();
        let words = bytes.and_then(|bytes| serde_json::from_slice::<(u64, Option<String>, String)>(&bytes).ok());
        let words = words.filter(|(fingerprint_of, ..)| *fingerprint_of == fingerprint(query));
        words.map(|(_, cursor, seen)| Self { cursor, seen }).ok_or_else(|| {
            let expected = "expected what the page before, of the same search, gave as the next one";
            Error::invalid(vec![Problem::new(Field::Page, expected)])
        })
    }

    fn page(&self) -> PageRequest {
        PageRequest::At(self.cursor.as_deref().map(Cursor::new))
    }

    /// Which user of the page comes first: the one behind all who were seen.
    fn index(&self, users: &[User]) -> usize {
        let is_behind = |user: &User| {
            let mark = mark(&user.id);
            self.seen.as_bytes().chunks(MARK).any(|seen| seen == mark.as_bytes())
        };
        users.iter().rposition(is_behind).map_or(0, |index| index + 1)
    }
}

/// What a cursor knows its query by. It need not be the same for ever: an old cursor may be refused.
fn fingerprint(query: &UserQuery) -> u64 {
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    hasher.finish()
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

    /// As many users as fit on a page, or as there are, from a position on; and where the rest begins, if there is one.
    async fn collect(&mut self, mut position: Position, size: NonZeroU32) -> Result<(Vec<User>, Option<Position>)> {
        let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        loop {
            let (page, mut said_of) = self.fetch(&position).await?;
            let next = page.next.map(|next| Position::new(Some(next.as_str().to_owned()), &[]));
            let first = position.index(&page.users);
            let count = page.users.len();
            let ids: Vec<UserId> = page.users.iter().map(|user| user.id.clone()).collect();
            let mut rest = page.users.into_iter().skip(first);
            let mut behind = first;
            while behind < count {
                // No more than can be needed: whoever is brought to the face is given an id there.
                let some = rest.by_ref().take(size - found.len()).collect();
                for (user, notes) in self.route().pair().all_to_face(some).await? {
                    let of_this_user = said_of.remove(&behind).unwrap_or_default();
                    behind += 1;
                    let Some(user) = self.pick(user) else { continue };
                    self.notes.extend(of_this_user);
                    self.tell(notes, found.len());
                    found.push(user);
                }
                if found.len() == size {
                    // Where pages are counted out, whoever moves up from the next page comes onto this one.
                    let counts_pages = self.route().upstream.adapter.dialect().counts_pages;
                    let end = match next {
                        None if behind == count => None,
                        next if behind == count && !counts_pages => next,
                        _ => Some(Position::new(position.cursor, &ids[..behind])),
                    };
                    return Ok((found, end));
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
            let (users, end) = match self.collect(position, size).await {
                // The list has changed so much that the upstream does not know the place any more.
                Err(error) if at > NonZeroU32::MIN && is_refusal(&error) => {
                    places.forget(&walk, at);
                    (at, position) = places.nearest(&walk, at);
                    continue;
                }
                result => result?,
            };
            let following = at.saturating_add(1);
            match &end {
                Some(end) => places.keep(&walk, following, end.clone()),
                None => places.forget(&walk, following),
            }
            match end {
                _ if at == number => return Ok(users),
                Some(next) => position = next,
                None => return Ok(Vec::new()),
            }
            at = following;
        }
    }

    /// Whether the upstream can know anybody whom the query asks for. Where it shows no login, the e-mail address stands
    /// for it, and nobody has one that is none.
    fn may_find(&self) -> bool {
        let fields = self.route().upstream.adapter.dialect().fields;
        let shows_logins =
            fields.iter().any(|support| support.field == Field::Login.name() && !support.shown.is_empty());
        shows_logins || self.query.login.as_ref().is_none_or(|login| Email::parse(login).is_ok())
    }

    /// The users whose login is not the vendor's word but ours.
    async fn remembered(&mut self, login: &Text) -> Result<Vec<User>> {
        let mut found = Vec::new();
        for id in self.route().pair().remembered_by_login(login).await? {
            let user = match self.execute(&Command::GetUser { user: id }).await {
                Ok((outcome, notes)) => {
                    self.notes.extend(notes);
                    outcome.user()
                }
                // Linked, and gone since, or out of our reach.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => None,
                Err(error) => return Err(error),
            };
            for (user, notes) in self.route().pair().all_to_face(user.into_iter().collect()).await? {
                let Some(user) = self.pick(user) else { continue };
                self.tell(notes, found.len());
                found.push(user);
            }
        }
        Ok(found)
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

    /// Notes about the user of this number in the client's list.
    fn tell(&mut self, notes: Vec<Note>, index: usize) {
        let face = Arc::clone(&self.translation.route.face);
        self.notes.extend(notes.into_iter().map(|note| match &note.place {
            Place::Field(document @ Document::Response, field) => {
                let pointer = face.in_list(&face.pointer(field, *document), index);
                Note { place: Place::Pointer(*document, pointer.into()), ..note }
            }
            _ => note,
        }));
    }

    /// A page of the upstream, and what is noted about each of its users. What is noted about the page itself is kept.
    async fn fetch(&mut self, position: &Position) -> Result<(UserPage, HashMap<usize, Vec<Note>>)> {
        let command = Command::FindUsers { query: self.wanted.clone(), page: position.page() };
        let (outcome, notes) = self.execute(&command).await?;
        let Outcome::Users(page) = outcome else {
            return Err(Error::new(ErrorKind::Internal, "what came of a search is not a list"));
        };
        let (of_the_page, of_users) = by_user(&*self.route().upstream.adapter, notes, page.users.len());
        self.notes.extend(of_the_page);
        Ok((page, of_users))
    }

    async fn execute(&mut self, command: &Command) -> Result<(Outcome, Vec<Note>)> {
        let most = self.route().most_calls();
        let left = most.saturating_sub(self.calls);
        if left == 0 {
            let expected = format!(
                "expected a search that needs no more than {most} calls (limits.calls); narrow it, or take the pages in order"
            );
            return Err(Error::invalid(vec![Problem::new(self.narrow.clone(), expected)]));
        }
        let executor = Executor { most_calls: left, ..self.route().executor(self.translation) };
        let executed = executor.read(command).await?;
        self.calls += executed.calls;
        Ok((executed.outcome, executed.notes))
    }
}

/// Notes about a page of the upstream: about the page, and about each of its users by number. Nobody is to be told about
/// users who are not shown.
fn by_user(upstream: &dyn Adapter, notes: Vec<Note>, count: usize) -> (Vec<Note>, HashMap<usize, Vec<Note>>) {
    let user = upstream.pointer(&Field::User, Document::Upstream);
    let whole = user.rsplit_once('/').map_or("", |(whole, _)| whole);
    let members: Vec<_> = (0..count).map(|index| upstream.in_list(whole, index)).collect();
    let (mut of_the_page, mut of_users) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    for note in notes {
        let is_within = |member: &String| match &note.place {
            Place::Pointer(_, pointer) => {
                let below = pointer.strip_prefix(member.as_str());
                below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            }
            Place::Field(..) => false,
        };
        match members.iter().position(is_within) {
            Some(index) => of_users.entry(index).or_default().push(note),
            None => of_the_page.push(note),
        }
    }
    (of_the_page, of_users)
}

/// Whether the upstream understood a call and will not do it.
fn is_refusal(error: &Error) -> bool {
    error.upstream().is_some() && matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound)
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

    fn forget(&self, walk: &Arc<Key>, number: NonZeroU32) {
        self.0.remove(&(Arc::clone(walk), number));
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

    fn ids(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| UserId::new(*id)).collect()
    }

    #[test]
    fn a_position_survives_the_client_and_is_good_for_one_search() {
        let query = UserQuery { text: Some("a".into()), ..UserQuery::default() };
        let position = Position::new(Some("q=a&cursor=b".into()), &ids(&["u1", "u2"]));
        let cursor = position.to_cursor(&query);
        assert_eq!(Position::of(Some(&cursor), &query).unwrap(), position);
        assert!(Position::of(Some(&cursor), &UserQuery::default()).is_err());
        assert!(cursor.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        for nonsense in ["", "2", "{}", "e30", "////", "WzAsbnVsbCwiIl0"] {
            assert!(Position::of(Some(&Cursor::new(nonsense)), &query).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_position_is_found_again_when_the_page_has_changed() {
        let position = Position::new(None, &ids(&["a", "b", "c"]));
        let first = |ids: &[&str]| position.index(&users(ids));
        assert_eq!(first(&["a", "b", "c", "d"]), 3);
        assert_eq!(first(&["b", "c", "d"]), 2, "one of them is gone");
        assert_eq!(first(&["a", "b", "d"]), 2, "the last of them is gone");
        assert_eq!(first(&["d", "e"]), 0, "all of them are gone");
        assert_eq!(first(&["x", "a", "b", "c", "d"]), 4, "somebody has come before them");
        assert_eq!(first(&["a", "b", "c"]), 3);
        assert_eq!(first(&[]), 0);
        assert_eq!(Position::default().index(&users(&["a"])), 0);
    }

    #[test]
    fn notes_are_of_the_page_or_of_one_user() {
        let check = |adapter: &dyn Adapter, of_first: &str, of_tenth: &str, of_page: &str| {
            let notes = [of_first, of_tenth, of_page].map(|at| Note::dropped(Place::upstream(at), "")).to_vec();
            let (page, users) = by_user(adapter, notes.clone(), 11);
            assert_eq!((&page[..], &users[&1][..], &users[&10][..]), (&notes[2..], &notes[..1], &notes[1..2]));
        };
        check(&interlingua_ecgrid::Ecgrid::new(), "/data/1/shoeSize", "/data/10/shoeSize", "/trace");
        check(&interlingua_textus::Textus::new(), "/members/1/shoeSize", "/members/10/shoeSize", "/totalItems");
    }

    #[test]
    fn the_nearest_known_place_is_the_last_before_the_page() {
        let places = Places::default();
        let walk = Arc::new(Key { client: None, query: UserQuery::default(), size: NonZeroU32::MIN });
        let number = |number| NonZeroU32::new(number).unwrap();
        let at = |page: usize| Position { cursor: (page > 0).then(|| page.to_string()), seen: String::new() };
        assert_eq!(places.nearest(&walk, number(7)), (number(1), at(0)));
        places.keep(&walk, number(2), at(1));
        places.keep(&walk, number(5), at(4));
        assert_eq!(places.nearest(&walk, number(1)), (number(1), at(0)));
        assert_eq!(places.nearest(&walk, number(4)), (number(2), at(1)));
        assert_eq!(places.nearest(&walk, number(5)), (number(5), at(4)));
        assert_eq!(places.nearest(&walk, number(7)), (number(5), at(4)));
        assert_eq!(places.nearest(&walk, number(u32::MAX)), (number(1), at(0)));
        places.forget(&walk, number(5));
        assert_eq!(places.nearest(&walk, number(7)), (number(2), at(1)));
    }
}

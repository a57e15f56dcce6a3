//! From the ids of one dialect to those of another.

use std::{num::NonZeroU32, sync::Arc};

use interlingua_core::{
    Adapter, Command, Document, Error, ErrorKind, Field, Grant, Known, NewUser, Note, Place, Problem, Result, Role,
    Scope, ScopeId, Text, User, UserId, UserQuery,
};
use interlingua_links::{Links, Remembered, StoreError, StoreErrorKind, UserFilter, UserLink};

use crate::translate::overloaded;

/// The two dialects of a translation.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) links: &'a dyn Links,
    pub(crate) face: &'a dyn Adapter,
    pub(crate) upstream: &'a dyn Adapter,
}

/// What is done about a user all of whose roles are in scopes that are not linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlinked {
    /// Whoever asks for this user gets an error that names them.
    Refuse,
    /// The user is shown without roles, which is noted: a write is done by then, and one user is no reason to refuse a
    /// list of many.
    LeaveOut,
}

impl Pair<'_> {
    /// The upstream's id of a user that the face names.
    ///
    /// # Errors
    ///
    /// The user is not linked.
    pub(crate) async fn user_to_upstream(&self, user: &UserId) -> Result<UserId> {
        let upstream = self.upstream.dialect().name;
        let link = self.link(self.face.dialect().name, user).await?;
        link.and_then(|link| link.ids.get(upstream).cloned()).ok_or_else(|| {
            let expected = format!("{user} is not linked to a user of {upstream}; link it in [[links.users]]");
            Error::new(ErrorKind::NotFound, "there is no such user").with_problem(Problem::new(Field::User, expected))
        })
    }

    /// A face's command in the ids of the upstream; `user` is the upstream's id of the user that it is about.
    ///
    /// # Errors
    ///
    /// A scope is not linked; every one that is not is named.
    pub(crate) async fn to_upstream(&self, command: Command, user: Option<UserId>) -> Result<Command> {
        let mut linked: Vec<(ScopeId, Scope)> = Vec::new();
        let mut problems = Vec::new();
        for scope in command.scopes() {
            match self.scope_to_upstream(&scope.id).await? {
                Some(counterpart) => linked.push((scope.id.clone(), counterpart)),
                None => problems.push(scope_problem(&scope.id)),
            }
        }
        if !problems.is_empty() {
            return Err(Error::invalid(problems));
        }
        let user = |_| user.ok_or_else(|| Error::new(ErrorKind::Internal, "a user that was not looked up"));
        command.relink(user, |scope| {
            let counterpart = linked.iter().find(|(id, _)| *id == scope.id).map(|(_, counterpart)| counterpart.clone());
            counterpart.ok_or_else(|| Error::invalid(vec![scope_problem(&scope.id)]))
        })
    }

    /// A face's query in the ids of the upstream, as far as every upstream understands it: it must not let less through
    /// than the query itself, by which its answer is filtered again. A scope becomes all linked ones that it covers.
    ///
    /// # Errors
    ///
    /// A scope covers none that is linked; every one that does not is named.
    pub(crate) async fn query_to_upstream(&self, query: &UserQuery) -> Result<UserQuery> {
        let (face, upstream) = (self.face.dialect().name, self.upstream.dialect().name);
        let mut scopes = Vec::new();
        let mut unlinked: Vec<_> = query.scopes.iter().map(|scope| &scope.id).collect();
        let mut page = None;
        while !query.scopes.is_empty() {
            let links = self.links.scopes(page, MANY).await.map_err(|error| store_error(&error))?;
            for link in links.links {
                let Some((here, there)) = link.scopes.get(face).zip(link.scope(upstream)) else { continue };
                if query.scopes.iter().any(|asked| self.face.covers(&asked.id, &here.id)) {
                    unlinked.retain(|asked| !self.face.covers(asked, &here.id));
                    scopes.push(there);
                }
            }
            page = links.next;
            if page.is_none() {
                break;
            }
        }
        if !unlinked.is_empty() {
            let problems = unlinked.into_iter().map(|scope| Problem::new(Field::SearchScope, not_linked(scope)));
            return Err(Error::invalid(problems.collect()));
        }
        Ok(UserQuery { text: query.text.clone(), login: query.login.clone(), scopes, ..UserQuery::default() })
    }

    /// The upstream's ids of the users whose links remember this login, and who have an id on both sides.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    pub(crate) async fn remembered_by_login(&self, login: &Text) -> Result<Vec<UserId>> {
        let upstream = self.upstream.dialect().name;
        let filter = UserFilter {
            has: Some(self.face.dialect().name.into()),
            login: Some(login.clone()),
            ..UserFilter::default()
        };
        let page = self.links.users(&filter, None, MANY).await.map_err(|error| store_error(&error))?;
        Ok(page.links.iter().filter_map(|link| link.ids.get(upstream).cloned()).collect())
    }

    /// Makes sure that the store can keep what is to be remembered, has an id left, and can write it down: nobody is to be
    /// created who cannot be linked.
    ///
    /// # Errors
    ///
    /// It cannot, or has none.
    pub(crate) async fn can_link(&self, new: &NewUser) -> Result<()> {
        let remembered = Remembered { login: new.login.clone().into(), ..Remembered::default() };
        remembered.check().map_err(|error| Error::invalid(vec![Problem::new(Field::Login, error.to_string())]))?;
        let may = self.links.may_hand_out(self.face.dialect().name, &|number| self.face.fresh_user_id(number)).await;
        may.map_err(|error| store_error(&error))
    }

    /// An upstream's user in the ids of the face, with what the link remembers of it.
    ///
    /// # Errors
    ///
    /// It is another user than the one asked for, or none of its roles is in a linked scope and that is to be refused.
    pub(crate) async fn to_face(&self, user: User, asked: &UserId, unlinked: Unlinked) -> Result<(User, Vec<Note>)> {
        let link = self.link(self.upstream.dialect().name, &user.id).await?;
        let link = link.filter(|link| link.ids.get(self.face.dialect().name) == Some(asked));
        let link = link.ok_or_else(|| Error::new(ErrorKind::BadReply, "the upstream answered with another user"))?;
        self.shown(user, &link, asked, unlinked).await
    }

    /// Users of the upstream in the ids of the face. Those that have no id there get a fresh one, for good.
    ///
    /// # Errors
    ///
    /// There are no fresh ids.
    pub(crate) async fn all_to_face(&self, users: Vec<User>) -> Result<Vec<(User, Vec<Note>)>> {
        let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
        let (face, upstream) = (self.face.dialect().name, self.upstream.dialect().name);
        let links = self.links.foreign_users(upstream, &ids, face, &|number| self.face.fresh_user_id(number)).await;
        let links = links.map_err(|error| store_error(&error))?;
        let mut shown = Vec::with_capacity(users.len());
        for (user, link) in users.into_iter().zip(links) {
            let id = link.ids.get(face).ok_or_else(|| Error::new(ErrorKind::Internal, "a link without an id"))?;
            shown.push(self.shown(user, &link, id, Unlinked::LeaveOut).await?);
        }
        Ok(shown)
    }

    /// An upstream's user as the face shows it, under this id.
    async fn shown(&self, user: User, link: &UserLink, id: &UserId, unlinked: Unlinked) -> Result<(User, Vec<Note>)> {
        let mut notes = Vec::new();
        let grants = match user.grants {
            None => None,
            Some(grants) => self.grants_to_face(grants, unlinked, &mut notes).await?,
        };
        let primary_scope = match self.remembered_scope(link, grants.as_deref().unwrap_or_default()).await? {
            Some(scope) => Some(scope),
            None => match &user.primary_scope {
                Some(scope) => self.scope_to_face(&scope.id).await?,
                None => None,
            },
        };
        let user = User {
            id: id.clone(),
            login: remembered(user.login, link.login.as_ref()),
            created: remembered(user.created, link.created.as_ref()),
            grants,
            primary_scope,
            ..user
        };
        Ok((user, notes))
    }

    async fn grants_to_face(
        &self,
        grants: Vec<Grant>,
        unlinked: Unlinked,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Vec<Grant>>> {
        let mut shown = Vec::with_capacity(grants.len());
        let mut hidden = Vec::new();
        for grant in grants {
            match self.scope_to_face(&grant.scope.id).await? {
                Some(scope) => shown.push(Grant { scope, id: None, ..grant }),
                // Nothing is lost with a role that allows nothing, and a system-wide one is never shown.
                None if matches!(grant.role, Role::None | Role::System) => {}
                None => hidden.push(grant.scope.id),
            }
        }
        let nothing_to_show = shown.is_empty() && !hidden.is_empty();
        if nothing_to_show && unlinked == Unlinked::Refuse {
            return Err(Error::invalid(hidden.iter().map(scope_problem).collect()));
        }
        notes.extend(hidden.iter().map(|scope| {
            Note::dropped(Place::Field(Document::Response, Field::Grants), format!("a role in {}", not_linked(scope)))
        }));
        Ok((!nothing_to_show).then_some(shown))
    }

    /// The scope that was set last, where the user still has a role in it.
    async fn remembered_scope(&self, link: &UserLink, grants: &[Grant]) -> Result<Option<Scope>> {
        let Some((dialect, id)) = &link.scope else { return Ok(None) };
        let face = self.face.dialect().name;
        let id =
            if dialect == face { Some(id.clone()) } else { self.scope(dialect, id, face).await?.map(|scope| scope.id) };
        let grant = grants.iter().find(|grant| Some(&grant.scope.id) == id.as_ref() && grant.role > Role::None);
        Ok(grant.map(|grant| grant.scope.clone()))
    }

    async fn scope_to_upstream(&self, id: &ScopeId) -> Result<Option<Scope>> {
        self.scope(self.face.dialect().name, id, self.upstream.dialect().name).await
    }

    async fn scope_to_face(&self, id: &ScopeId) -> Result<Option<Scope>> {
        self.scope(self.upstream.dialect().name, id, self.face.dialect().name).await
    }

    async fn scope(&self, from: &str, id: &ScopeId, to: &str) -> Result<Option<Scope>> {
        let link = match self.links.peek_scope(from, id) {
            None => self.links.scope(from, id).await.map_err(|error| store_error(&error))?,
            at_hand => at_hand,
        };
        Ok(link.and_then(|link| link.scope(to)))
    }

    async fn link(&self, dialect: &str, user: &UserId) -> Result<Option<Arc<UserLink>>> {
        match self.links.peek_user(dialect, user) {
            None => self.links.user(dialect, user).await.map_err(|error| store_error(&error)),
            at_hand => Ok(at_hand),
        }
    }
}

/// What the upstream says, and where it does not say, what the link remembers.
fn remembered<T: Clone>(said: Known<T>, remembered: Option<&T>) -> Known<T> {
    match (said, remembered) {
        (Known::Unknown, Some(value)) => Known::Value(value.clone()),
        (said, _) => said,
    }
}

/// How many links are asked for at once.
const MANY: NonZeroU32 = NonZeroU32::new(500).unwrap();

fn scope_problem(scope: &ScopeId) -> Problem {
    Problem::new(Field::Scope, not_linked(scope))
}

fn not_linked(scope: &ScopeId) -> String {
    format!("{scope} is not linked; link it in [[links.accounts]]")
}

/// A store that does not answer is our trouble and will pass; what else can be wrong with one will not.
pub(crate) fn store_error(error: &StoreError) -> Error {
    // What a database says names tables and columns, not what is in them.
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if error.is_retryable() {
        tracing::warn!(error.message = %error, reason, "the link store does not answer");
        return overloaded(error.to_string());
    }
    if matches!(error.kind(), StoreErrorKind::NoRange | StoreErrorKind::Exhausted) {
        tracing::error!(error.message = %error, "no id can be handed out");
        return Error::new(ErrorKind::Internal, format!("{error}; see [links.ids]"));
    }
    tracing::error!(error.message = %error, reason, "the link store needs attention");
    Error::new(ErrorKind::Internal, "the link store needs attention")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Mutex,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(error: &StoreError, kind: ErrorKind, level: &str, logged: &str) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let told = tracing::subscriber::with_default(subscriber, || store_error(error));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(told.kind(), kind);
        assert!(log.contains(level) && log.contains(logged), "{log}");
        assert!(!told.to_string().contains(logged), "for the log only: {told}");
    }

    #[test]
    fn what_the_database_said_is_logged_and_not_told() {
        let full = "(code: 13) database or disk is full";
        check(&StoreError::unavailable(full), ErrorKind::Overloaded, " WARN ", full);
        let columns = "no column found for name: login";
        check(&StoreError::unusable("its tables").because(columns), ErrorKind::Internal, "ERROR ", columns);
    }
}

//! From the ids of one dialect to those of another.

use interlingua_core::{
    Access, Command, Document, Error, ErrorKind, Field, Grant, Known, Note, Place, Problem, Result, Role, Scope,
    ScopeId, User, UserId,
};
use interlingua_links::{Links, StoreError, UserLink};

use crate::translate::overloaded;

/// The two dialects of a translation.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) links: &'a dyn Links,
    pub(crate) face: &'static str,
    pub(crate) upstream: &'static str,
}

impl Pair<'_> {
    /// The upstream's id of a user that the face names.
    ///
    /// # Errors
    ///
    /// The user is not linked.
    pub(crate) async fn user_to_upstream(&self, user: &UserId) -> Result<UserId> {
        let link = self.links.user(self.face, user).await.map_err(|error| store_error(&error))?;
        link.and_then(|link| link.ids.get(self.upstream).cloned()).ok_or_else(|| {
            let expected = format!("{user} is not linked to a user of {}; link it in [[links.users]]", self.upstream);
            Error::new(ErrorKind::NotFound, "there is no such user").with_problem(Problem::new(Field::User, expected))
        })
    }

    /// A face's command in the ids of the upstream.
    ///
    /// # Errors
    ///
    /// The user, or a scope, is not linked; every scope that is not is named.
    pub(crate) async fn to_upstream(&self, command: Command, user: UserId) -> Result<Command> {
        let mut linked: Vec<(ScopeId, Scope)> = Vec::new();
        let mut problems = Vec::new();
        for scope in command.grants().scopes() {
            match self.scope(self.face, &scope.id, self.upstream).await? {
                Some(counterpart) => linked.push((scope.id.clone(), counterpart)),
                None => problems.push(Problem::new(Field::Scope, not_linked(&scope.id))),
            }
        }
        if !problems.is_empty() {
            return Err(Error::invalid(problems));
        }
        command.relink(user, |scope| {
            let counterpart = linked.iter().find(|(id, _)| *id == scope.id).map(|(_, counterpart)| counterpart.clone());
            counterpart.ok_or_else(|| Error::invalid(vec![Problem::new(Field::Scope, not_linked(&scope.id))]))
        })
    }

    /// An upstream's user in the ids of the face, with what the link remembers of it.
    ///
    /// A role in a scope that is not linked cannot be shown. A read that can show no role at all for that reason is
    /// refused; a write is done by then, and its answer leaves the roles out.
    ///
    /// # Errors
    ///
    /// It is another user than the one asked for, or see above.
    pub(crate) async fn to_face(&self, user: User, asked: &UserId, access: Access) -> Result<(User, Vec<Note>)> {
        let link = self.links.user(self.upstream, &user.id).await.map_err(|error| store_error(&error))?;
        let link = link.filter(|link| link.ids.get(self.face) == Some(asked));
        let link = link.ok_or_else(|| Error::new(ErrorKind::BadReply, "the upstream answered with another user"))?;
        let mut notes = Vec::new();
        let grants = match user.grants {
            None => None,
            Some(grants) => self.grants_to_face(grants, access, &mut notes).await?,
        };
        let primary_scope = match self.remembered_scope(&link, grants.as_deref().unwrap_or_default()).await? {
            Some(scope) => Some(scope),
            None => match &user.primary_scope {
                Some(scope) => self.scope(self.upstream, &scope.id, self.face).await?,
                None => None,
            },
        };
        let user = User {
            id: asked.clone(),
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
        access: Access,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Vec<Grant>>> {
        let mut shown = Vec::with_capacity(grants.len());
        let mut unlinked = Vec::new();
        for grant in grants {
            match self.scope(self.upstream, &grant.scope.id, self.face).await? {
                Some(scope) => shown.push(Grant { scope, id: None, ..grant }),
                // Nothing is lost with a role that allows nothing, and a system-wide one is never shown.
                None if matches!(grant.role, Role::None | Role::System) => {}
                None => unlinked.push(grant.scope.id),
            }
        }
        if shown.is_empty() && !unlinked.is_empty() && access == Access::Read {
            let problems = unlinked.iter().map(|scope| Problem::new(Field::Scope, not_linked(scope)));
            return Err(Error::invalid(problems.collect()));
        }
        let nothing_to_show = shown.is_empty() && !unlinked.is_empty();
        notes.extend(unlinked.iter().map(|scope| {
            Note::dropped(Place::Field(Document::Response, Field::Grants), format!("a role in {}", not_linked(scope)))
        }));
        Ok((!nothing_to_show).then_some(shown))
    }

    /// The scope that was set last, where the user still has a role in it.
    async fn remembered_scope(&self, link: &UserLink, grants: &[Grant]) -> Result<Option<Scope>> {
        let Some((dialect, id)) = &link.scope else { return Ok(None) };
        let id = if dialect == self.face {
            Some(id.clone())
        } else {
            self.scope(dialect, id, self.face).await?.map(|scope| scope.id)
        };
        let grant = grants.iter().find(|grant| Some(&grant.scope.id) == id.as_ref() && grant.role > Role::None);
        Ok(grant.map(|grant| grant.scope.clone()))
    }

    async fn scope(&self, from: &str, id: &ScopeId, to: &str) -> Result<Option<Scope>> {
        let link = self.links.scope(from, id).await.map_err(|error| store_error(&error))?;
        Ok(link.and_then(|link| link.scope(to)))
    }
}

/// What the upstream says, and where it does not say, what the link remembers.
fn remembered<T: Clone>(said: Known<T>, remembered: Option<&T>) -> Known<T> {
    match (said, remembered) {
        (Known::Unknown, Some(value)) => Known::Value(value.clone()),
        (said, _) => said,
    }
}

fn not_linked(scope: &ScopeId) -> String {
    format!("{scope} is not linked; link it in [[links.accounts]]")
}

/// A store that does not answer is our trouble and will pass; what else can be wrong with one will not.
pub(crate) fn store_error(error: &StoreError) -> Error {
    if error.is_retryable() {
        return overloaded(error.to_string());
    }
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(error.message = %error, reason, "the link store needs attention");
    Error::new(ErrorKind::Internal, "the link store needs attention")
}

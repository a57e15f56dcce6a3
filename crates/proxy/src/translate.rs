//! The way of a translated request: read it, link it, plan it, carry it out, answer it.

use std::sync::Arc;

use http::HeaderMap;
use interlingua_core::{
    Access, Call, Command, Error, ErrorKind, Field, Grant, GrantChange, Note, OnLoss, Outcome, Problem, Reply, Request,
    Response, Result, Role, Target, User, UserId,
};
use tokio::time::Instant;

use crate::{
    executor::{self, Executed, Transport},
    linking::{Pair, store_error},
    prefer::Handling,
    report::{self, Entry},
    route::Route,
    trace::Context,
    turns::Turn,
};

/// What a request means, and what could not be taken along so far.
#[derive(Debug)]
pub(crate) struct Understood {
    pub(crate) operation: String,
    pub(crate) access: Access,
    pub(crate) command: Command,
    pub(crate) notes: Vec<Note>,
}

/// An answer to a client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) operation: String,
    /// What the translation could not carry.
    pub(crate) entries: Vec<Entry>,
    /// How many calls it took.
    pub(crate) calls: usize,
}

/// Validates a request against the face's schemas and reads what it means.
///
/// # Errors
///
/// It is not valid, means nothing that can be translated, or asks for what no translation gives.
pub(crate) fn understand(route: &Route, request: &Request) -> Result<Understood> {
    let (operation, mut notes) = route.validator.request(route.face.dialect(), request)?;
    let access = operation.access;
    let reading = route.face.read(request)?;
    if reading.command.grants().highest() == Some(Role::System) {
        let expected = Problem::new(Field::Role, "expected a role that is not system-wide");
        let message = "a system-wide role is never the result of a translation";
        return Err(Error::new(ErrorKind::Forbidden, message).with_problem(expected));
    }
    notes.extend(reading.notes);
    Ok(Understood { operation: reading.operation.into_owned(), access, command: reading.command, notes })
}

/// Translates a request and its answer.
///
/// # Errors
///
/// In the words of the canonical model; the face writes them down.
pub(crate) async fn translate(
    route: Arc<Route>,
    request: Request,
    headers: &HeaderMap,
    context: Context,
    deadline: Instant,
) -> Result<Answer> {
    let understood = understand(&route, &request)?;
    context.is_for(&understood.operation);
    let preferred = Handling::of(headers).map(Handling::on_loss);
    let access = understood.access;
    let translation = Translation { route, context, deadline, preferred };
    match access {
        Access::Read => translation.carry_out(understood).await,
        // In a task of its own: a client that goes away must not leave half a write behind.
        Access::Write => Arc::clone(&translation.route.shared)
            .writes
            .spawn(async move { translation.carry_out(understood).await })
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the gateway failed").with_effect(UNKNOWN))),
    }
}

const UNKNOWN: interlingua_core::Effect = interlingua_core::Effect::Unknown;

struct Translation {
    route: Arc<Route>,
    context: Context,
    deadline: Instant,
    preferred: Option<OnLoss>,
}

impl Translation {
    async fn carry_out(&self, mut understood: Understood) -> Result<Answer> {
        let access = understood.access;
        self.judge(&understood.notes, access)?;
        let pair = self.pair();
        let asked = understood.command.user().clone();
        let user = pair.user_to_upstream(&asked).await?;
        // One writer per user at a time: a plan may read, change and write back.
        let _turn = match access {
            Access::Write => Some(self.turn(&user).await?),
            Access::Read => None,
        };
        understood.command = self.complete(understood.command, &user, &asked).await?;
        let command = pair.to_upstream(understood.command.clone(), user).await?;
        let executed = self.execute(&command, access).await?;
        let wrote = executed.wrote;
        // Whatever is wrong with the answer to a write comes after the write.
        let answer = self.answer(understood, executed).await;
        answer.map_err(|error| if wrote { error.with_effect(UNKNOWN) } else { error })
    }

    /// Tells the client what came of its request.
    async fn answer(&self, understood: Understood, executed: Executed) -> Result<Answer> {
        let Understood { operation, access, command, mut notes } = understood;
        notes.extend(executed.notes);
        let Outcome::User(user) = executed.outcome else {
            return Err(Error::new(ErrorKind::Internal, "the outcome is not a user"));
        };
        let (mut user, more) = self.pair().to_face(*user, command.user(), access).await?;
        notes.extend(more);
        if let Some(Target::Scope(scope)) = command.grants().target() {
            self.show_what_was_set(&mut user, command.grants(), scope.clone()).await?;
        }
        let writing = self.route.face.write(&operation, &Outcome::User(Box::new(user)))?;
        notes.extend(writing.notes);
        if access == Access::Read {
            self.judge(&notes, access)?;
        }
        let problems = self.route.validator.response(&operation, &writing.response).err();
        if let Some(problems) = problems {
            // Our fault, whatever the upstream sent: the pointers say which field, to whoever reads the log.
            let places: Vec<_> = problems.iter().map(|problem| problem.place.to_string()).collect();
            tracing::error!(operation, places = places.join(" "), "an answer is not valid against its own schema");
        }
        Ok(Answer { response: writing.response, operation, entries: self.entries(&notes), calls: executed.calls })
    }

    async fn turn(&self, user: &UserId) -> Result<Turn> {
        let turn = self.route.shared.turns.take(&self.route.upstream.name, user);
        tokio::time::timeout_at(self.deadline, turn)
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, "others were writing the same user for too long"))
    }

    fn pair(&self) -> Pair<'_> {
        Pair {
            links: &*self.route.shared.links,
            face: self.route.face.dialect().name,
            upstream: self.route.upstream.adapter.dialect().name,
        }
    }

    /// Fills in the scope of a role where the client left it to be the user's only one.
    async fn complete(&self, command: Command, user: &UserId, asked: &UserId) -> Result<Command> {
        let Command::UpdateUser { user: face_user, mut patch } = command else { return Ok(command) };
        if matches!(patch.grants.target(), Some(Target::Only { .. })) {
            let get = Command::GetUser { user: user.clone() };
            let executed = executor::execute(&*self.route.upstream.adapter, &get, self, |_| Ok(())).await?;
            let Outcome::User(present) = executed.outcome else {
                return Err(Error::new(ErrorKind::Internal, "the outcome is not a user"));
            };
            let (present, unlinked) = self.pair().to_face(*present, asked, Access::Read).await?;
            if !unlinked.is_empty() {
                let expected = "required: the user has roles in several scopes, some of which are not linked";
                return Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]));
            }
            patch.grants = patch.grants.complete(&present)?;
        }
        Ok(Command::UpdateUser { user: face_user, patch })
    }

    async fn execute(&self, command: &Command, access: Access) -> Result<Executed> {
        executor::execute(&*self.route.upstream.adapter, command, self, |notes| self.judge(notes, access)).await
    }

    /// The answer to a changed role shows that role, and so do later answers.
    async fn show_what_was_set(
        &self,
        user: &mut User,
        change: &GrantChange,
        scope: interlingua_core::Scope,
    ) -> Result<()> {
        let removed = matches!(change, GrantChange::Remove(_));
        if let (true, Some(grants)) = (removed, &mut user.grants) {
            grants.push(Grant { role: Role::None, scope: scope.clone(), id: None });
        }
        let remembered = (!removed).then_some(&scope.id);
        let links = &self.route.shared.links;
        let face = self.route.face.dialect().name;
        links.remember_scope(face, &user.id, remembered).await.map_err(|error| store_error(&error))?;
        user.primary_scope = Some(scope);
        Ok(())
    }

    fn judge(&self, notes: &[Note], access: Access) -> Result<()> {
        let (face, upstream) = (&*self.route.face, &*self.route.upstream.adapter);
        self.route.loss.judge(notes, access, self.preferred, |note| report::pointer(note, face, upstream))
    }

    fn entries(&self, notes: &[Note]) -> Vec<Entry> {
        let (face, upstream) = (&*self.route.face, &*self.route.upstream.adapter);
        notes.iter().map(|note| Entry::new(note, face, upstream)).collect()
    }
}

impl Transport for Translation {
    async fn send(&self, call: &Call) -> Result<Reply> {
        self.route.upstream.call(call, &self.context, self.deadline).await
    }
}

//! The way of a translated request: read it, link it, plan it, carry it out, answer it.
//!
//! What few requests need is boxed, so that the others need not carry its size along.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::HeaderMap;
use interlingua_core::{
    Access, Call, Command, Document, Error, ErrorKind, Field, Grant, GrantChange, Known, NewUser, Note, OnLoss,
    Outcome, Password, Patch, Problem, Removal, Reply, Request, Response, Result, Role, Scope, Target, Timestamp, User,
    UserId,
};
use interlingua_links::Remembered;
use rand::distr::{Alphanumeric, SampleString};
use tokio::time::Instant;

use crate::{
    again,
    executor::{Executed, Stage, Transport},
    linking::{Unlinked, store_error},
    listing::{self, Listed},
    locks::Held,
    prefer::Handling,
    report::Entry,
    route::Route,
    trace::Context,
    version::{IfMatch, Version, no_match, unless_there},
};

/// What a request means, and what could not be taken along so far.
#[derive(Debug)]
pub(crate) struct Understood {
    pub(crate) operation: Cow<'static, str>,
    pub(crate) access: Access,
    pub(crate) command: Command,
    pub(crate) notes: Vec<Note>,
}

/// An answer to a client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// The version of the user that it is about.
    pub(crate) version: Option<Version>,
    pub(crate) operation: Cow<'static, str>,
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
    let (operation, mut notes, reading) = route.validator.read(&*route.face, request)?;
    let access = operation.access;
    let reading = reading?;
    if reading.command.highest_role() == Some(Role::System) {
        let expected = Problem::new(Field::Role, "expected a role that is not system-wide");
        let message = "a system-wide role is never the result of a translation";
        return Err(Error::new(ErrorKind::Forbidden, message).with_problem(expected));
    }
    notes.extend(reading.notes);
    Ok(Understood { operation: reading.operation, access, command: reading.command, notes })
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
    route.shared.clients.may_grant(context.client(), understood.command.highest_role())?;
    let preferred = Handling::of(headers).map(Handling::on_loss);
    let if_match = IfMatch::on(understood.access, headers)?;
    unless_there(&understood.command, understood.access, headers)?;
    let translation = Translation { route, context, deadline, preferred, if_match, held: OnceLock::new() };
    translation.carry_out(understood).await
}

/// The answer to a write that was carried out, made from how things are now; `None` where that does not tell.
///
/// # Errors
///
/// The upstream or the store does not tell.
pub(crate) async fn show(
    route: Arc<Route>,
    request: &Request,
    headers: &HeaderMap,
    context: Context,
    deadline: Instant,
) -> Result<Option<Answer>> {
    let understood = understand(&route, request)?;
    let preferred = Handling::of(headers).map(Handling::on_loss);
    Translation { route, context, deadline, preferred, if_match: None, held: OnceLock::new() }.show(understood).await
}

/// Our trouble, and it will pass.
pub(crate) fn overloaded(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Overloaded, message).with_retry_after(Some(Duration::from_secs(1)))
}

/// A command with what the configuration has to add: who the client is, how users are removed, and a password for a user
/// to whom nobody gave one.
///
/// # Errors
///
/// Nobody says who the client is.
pub(crate) async fn for_this_route(route: &Route, context: &Context, command: Command) -> Result<Command> {
    Ok(match command {
        Command::GetSelf => Command::GetUser { user: route.own_user(context).await? },
        Command::DeleteUser { user, removal: Removal::Reversible } => {
            Command::DeleteUser { user, removal: route.removal }
        }
        Command::CreateUser(mut new) => {
            new.password.get_or_insert_with(password);
            Command::CreateUser(new)
        }
        command => command,
    })
}

/// The most notes of one request that a report holds; a request made for it has as many as it has members.
const MOST_ENTRIES: usize = 200;

/// Fills in the scope of a role where the client left it to be the user's only one, which is read first.
///
/// # Errors
///
/// The user has no scope, or several.
pub(crate) async fn complete(
    route: &Route,
    transport: &impl Transport,
    command: Command,
    user: &UserId,
    asked: &UserId,
) -> Result<Command> {
    let Command::UpdateUser { user: face_user, mut patch } = command else { return Ok(command) };
    let get = Command::GetUser { user: user.clone() };
    let executed = route.executor(transport).read(&get).await?;
    let present = executed.outcome.user().ok_or_else(no_user)?;
    let (present, unlinked) = route.pair().to_face(present, asked, Unlinked::Refuse).await?;
    let grants = route.upstream.adapter.pointer(&Field::Grants, Document::Upstream);
    let unknown = executed.notes.iter().any(|note| route.pointer(note).starts_with(&grants));
    if unknown || !unlinked.is_empty() {
        let expected = "required: the user has roles that are not known here, or in scopes that are not linked";
        return Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]));
    }
    patch.grants = patch.grants.complete(&present)?;
    Ok(Command::UpdateUser { user: face_user, patch })
}

fn no_user() -> Error {
    Error::new(ErrorKind::Internal, "what came of the command is not a user")
}

/// One request on its way.
pub(crate) struct Translation {
    pub(crate) route: Arc<Route>,
    pub(crate) context: Context,
    deadline: Instant,
    preferred: Option<OnLoss>,
    /// What the client says that the user must be.
    if_match: Option<IfMatch>,
    /// What nobody else writes meanwhile.
    held: OnceLock<Held>,
}

impl Translation {
    async fn carry_out(&self, mut understood: Understood) -> Result<Answer> {
        match for_this_route(&self.route, &self.context, understood.command).await? {
            Command::FindUsers { query, page } => {
                let Listed { page, notes, calls } = Box::pin(listing::list(self, query, page)).await?;
                understood.notes.extend(notes);
                self.write(understood.operation, understood.access, Outcome::Users(page), understood.notes, calls)
            }
            command => {
                understood.command = command;
                self.about_one_user(understood).await
            }
        }
    }

    async fn about_one_user(&self, mut understood: Understood) -> Result<Answer> {
        let access = understood.access;
        let pair = self.route.pair();
        let asked = understood.command.user().cloned();
        let user = match &asked {
            Some(asked) => Some(pair.user_to_upstream(asked).await?),
            None => None,
        };
        if access == Access::Write {
            let held = self.route.lock(&understood.command, user.as_ref(), self.deadline).await?;
            // Nobody else sets it.
            let _ = self.held.set(held);
        }
        if let Some(if_match) = &self.if_match {
            let (Some(user), Some(asked)) = (&user, &asked) else { return Err(no_match()) };
            if_match.check(Box::pin(self.version(user, asked)).await?.as_ref())?;
        }
        if let (Some(Target::Only { .. }), Some(user), Some(asked)) =
            (understood.command.grants().target(), &user, &asked)
        {
            self.judge(&understood.notes, access)?;
            understood.command = Box::pin(complete(&self.route, self, understood.command, user, asked)).await?;
        }
        let command = pair.to_upstream(understood.command.clone(), user).await?;
        if let Command::CreateUser(new) = &command {
            pair.can_link(new).await?;
            Box::pin(self.login_is_free(new)).await?;
        }
        let judge = |notes: &[Note]| self.judge(&[&understood.notes, notes].concat(), access);
        let journal = self.route.shared.links.writes();
        let care = self.route.care(&journal, &self.context, self.held.get());
        let executed = self.route.executor(self).carry_out(&command, judge, &care).await?;
        let applied = executed.applied.clone();
        // Whatever is wrong with the answer to a write comes after the write, and does not undo it.
        let answer = match self.remember_what_was_set(&understood.command).await {
            Ok(()) => self.answer(understood, executed).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| if applied.is_empty() { error } else { Error::partial(applied, error) })
    }

    async fn show(&self, understood: Understood) -> Result<Option<Answer>> {
        let access = understood.access;
        let executed = match &understood.command {
            Command::UpdateUser { user, .. } => {
                let get = Command::GetUser { user: self.route.pair().user_to_upstream(user).await? };
                self.route.executor(self).read(&get).await?
            }
            Command::CreateUser(new) => {
                let Some(user) = again::find(&self.route, self, new).await? else { return Ok(None) };
                let (notes, applied) = (Vec::new(), Vec::new());
                Executed { outcome: Outcome::User(Box::new(user)), notes, calls: 0, applied }
            }
            _ => {
                return self.write(understood.operation, access, Outcome::Done, understood.notes, 0).map(Some);
            }
        };
        self.answer(understood, executed).await.map(Some)
    }

    /// The version that the user has now; none where too little is known of it.
    async fn version(&self, user: &UserId, asked: &UserId) -> Result<Option<Version>> {
        let executed = self.route.executor(self).read(&Command::GetUser { user: user.clone() }).await?;
        let present = executed.outcome.user().ok_or_else(no_user)?;
        let (present, _) = self.route.pair().to_face(present, asked, Unlinked::LeaveOut).await?;
        Ok(Version::translated(&Outcome::User(Box::new(present))))
    }

    /// Makes sure that a login that only we remember is not that of another user, as its own vendor would.
    async fn login_is_free(&self, new: &NewUser) -> Result<()> {
        let Some(login) = &new.login else { return Ok(()) };
        for user in self.route.pair().remembered_by_login(login).await? {
            let get = Command::GetUser { user };
            match self.route.executor(self).read(&get).await {
                // Linked, and gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    let taken = Problem::new(Field::Login, "another user signs in with it");
                    return Err(Error::new(ErrorKind::Conflict, "the login is taken").with_problem(taken));
                }
            }
        }
        Ok(())
    }

    /// Tells the client what came of its request.
    async fn answer(&self, understood: Understood, executed: Executed) -> Result<Answer> {
        let Understood { operation, access, command, mut notes } = understood;
        notes.extend(executed.notes);
        let outcome = match (executed.outcome, &command) {
            (Outcome::User(user), Command::CreateUser(new)) => {
                let (user, more) = Box::pin(self.created(*user, new)).await?;
                notes.extend(more);
                Outcome::User(Box::new(user))
            }
            (Outcome::User(user), _) => {
                let unlinked = if access == Access::Read { Unlinked::Refuse } else { Unlinked::LeaveOut };
                let asked = command.user().ok_or_else(no_user)?;
                let (mut user, more) = self.route.pair().to_face(*user, asked, unlinked).await?;
                notes.extend(more);
                if let Some(scope) = command.grants().shown_scope() {
                    show_what_was_set(&mut user, command.grants(), scope.clone());
                }
                Outcome::User(Box::new(user))
            }
            (outcome @ (Outcome::Users(_) | Outcome::Done), _) => outcome,
            _ => return Err(no_user()),
        };
        self.write(operation, access, outcome, notes, executed.calls)
    }

    /// A user that was just created, with an id of the face, and with what only we know remembered.
    ///
    /// To give up would leave half a write: a store that does not answer is asked until the request's time is over.
    async fn created(&self, user: User, new: &NewUser) -> Result<(User, Vec<Note>)> {
        let asked = async {
            loop {
                match self.linked(user.clone(), new).await {
                    Err(error) if error.kind() == ErrorKind::Overloaded => tokio::time::sleep(PAUSE).await,
                    result => return result,
                }
            }
        };
        let too_late = |_| Err(overloaded("the link store does not answer"));
        tokio::time::timeout_at(self.deadline, asked).await.unwrap_or_else(too_late)
    }

    async fn linked(&self, user: User, new: &NewUser) -> Result<(User, Vec<Note>)> {
        let pair = self.route.pair();
        let upstream_id = user.id.clone();
        let (mut user, notes) = pair.all_to_face(vec![user]).await?.pop().ok_or_else(no_user)?;
        let login = new.login.clone().filter(|_| user.login.is_unknown());
        let created = user.created.is_unknown().then(now);
        if login.is_some() || created.is_some() {
            let links = &self.route.shared.links;
            let scope = Patch::Keep;
            let remembered = Remembered { login: login.clone().into(), created: created.clone().into(), scope };
            let done = links.remember(pair.upstream.dialect().name, &upstream_id, &remembered).await;
            done.map_err(|error| store_error(&error))?;
            user.login = login.map_or(user.login, Known::Value);
            user.created = created.map_or(user.created, Known::Value);
        }
        Ok((user, notes))
    }

    /// The answer in the client's dialect.
    fn write(
        &self,
        operation: Cow<'static, str>,
        access: Access,
        outcome: Outcome,
        mut notes: Vec<Note>,
        calls: usize,
    ) -> Result<Answer> {
        let writing = self.route.face.write(&operation, &outcome)?;
        notes.extend(writing.notes);
        if access == Access::Read {
            self.judge(&notes, access)?;
        }
        // That an adapter writes nothing else is one of its laws. To parse every answer again costs more than to write it.
        if cfg!(debug_assertions)
            && let Err(problems) = self.route.validator.response(&operation, &writing.response)
        {
            // Our fault, whatever the upstream sent: the pointers say which field, to whoever reads the log.
            let places: Vec<_> = problems.iter().map(|problem| problem.place.to_string()).collect();
            tracing::error!(
                operation = &*operation,
                places = places.join(" "),
                "an answer is not valid against its own schema"
            );
        }
        let entries = self.entries(&notes, access);
        let version = Version::translated(&outcome);
        Ok(Answer { response: writing.response, version, operation, entries, calls })
    }

    /// Later answers show the role that was set last, too.
    async fn remember_what_was_set(&self, command: &Command) -> Result<()> {
        let change = command.grants();
        let (Some(user), Some(scope)) = (command.user(), change.shown_scope()) else { return Ok(()) };
        let removed = matches!(change, GrantChange::Remove(_));
        let set_last = if removed { Patch::Clear } else { Patch::Set(scope.id.clone()) };
        let remembered = Remembered { scope: set_last, ..Remembered::default() };
        let links = &self.route.shared.links;
        let face = self.route.face.dialect().name;
        links.remember(face, user, &remembered).await.map_err(|error| store_error(&error))
    }

    fn judge(&self, notes: &[Note], access: Access) -> Result<()> {
        self.route.loss.judge(notes, access, self.preferred, |note| self.route.pointer(note))
    }

    fn entries(&self, notes: &[Note], access: Access) -> Vec<Entry> {
        let entry = |note| {
            let pointer = self.route.pointer(note);
            let told = self.route.loss.tells(note, &pointer, access, self.preferred);
            Entry::new(note, pointer, told)
        };
        notes.iter().take(MOST_ENTRIES).map(entry).collect()
    }
}

/// The answer to a changed role shows that role. Made anew, it must not say that a role is gone that was given again.
fn show_what_was_set(user: &mut User, change: &GrantChange, scope: Scope) {
    let removed = matches!(change, GrantChange::Remove(_));
    if let (true, Some(grants)) = (removed, &mut user.grants)
        && grants.iter().all(|grant| grant.scope.id != scope.id)
    {
        grants.push(Grant { role: Role::None, scope: scope.clone(), id: None });
    }
    user.primary_scope = Some(scope);
}

/// How long a store that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// A password that nobody knows, of all kinds of characters that vendors ask for.
fn password() -> Password {
    let random = Alphanumeric.sample_string(&mut rand::rng(), 24);
    Password::generated(format!("{random}-aA1"))
}

/// The time in seconds, as vendors show it.
fn now() -> Timestamp {
    let seconds = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
    Timestamp::parse(&seconds.to_string()).expect("a time is spelled as one")
}

impl Transport for Translation {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        if let (Access::Write, Some(held)) = (call.access, self.held.get()) {
            held.check().await?;
        }
        let deadline = match stage {
            Stage::First | Stage::Begun => self.deadline,
            Stage::Settling(until) => until,
        };
        self.route.upstream.call(call, stage, &self.context, deadline).await
    }
}

//! The way of a request between two sides of one dialect: checked, and forwarded as it came.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, TRAILER},
};
use std::sync::atomic::{AtomicBool, Ordering};

use interlingua_core::{
    Access, Call, Command, Document, Effect, Error, ErrorKind, Field, Findings, Note, Outcome, Reading, Reply, Request,
    Result, Step, User, UserId,
};
use interlingua_links::State;
use tokio::time::Instant;

use crate::{
    again, answer,
    body::{self, Body},
    executor::{Stage, Transport},
    headers,
    ledger::Ledger,
    prefer::PREFER,
    route::Route,
    settle::state_after,
    trace::Context,
    upstream::Message,
    version::{IfMatch, Version, no_match},
};

/// A request on its way through.
pub(crate) struct Passing {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// The bytes as they came.
    pub(crate) body: Bytes,
}

/// Checks a request against the schemas of the dialect and forwards it byte for byte; members that the schemas do not
/// know are the upstream's to judge.
///
/// # Errors
///
/// The request is not valid, or the upstream does not answer.
pub(crate) async fn pass(
    route: &Route,
    request: &Request,
    passing: Passing,
    context: &Context,
    deadline: Instant,
) -> Result<Response<Body>> {
    let (operation, notes, reading) = route.validator.read(&*route.face, request)?;
    if operation.access == Access::Write {
        may_grant(route, context, &notes, reading.as_ref())?;
    }
    let Passing { method, mut target, headers, body } = passing;
    let command = reading.map(|reading| reading.command);
    if let Ok(Command::GetSelf) = command {
        // Whoever has the credential that goes upstream is not the client.
        let show = Command::GetUser { user: route.own_user(context).await? };
        if let Step::Send { calls, .. } = route.face.plan(&show, &[])? {
            target = calls.into_iter().next().map_or(target, |call| call.target);
        }
    }
    let if_match = IfMatch::on(operation.access, &headers)?;
    let mut headers = request_headers(route, headers, !body.is_empty());
    // A translated request for the same user may be reading, changing and writing back.
    // Where the dialect cannot tell who that is, it is the upstream's to say what is wrong with the request.
    let held = match (operation.access, &command) {
        (Access::Write, Ok(command)) => Some(route.lock(command, command.user(), deadline).await?),
        _ => None,
    };
    if let Some(if_match) = &if_match {
        if let Ok(Command::CreateUser(_)) = command {
            return Err(no_match());
        }
        let upstream = Straight::new(route, context);
        let version = upstream.version(command.as_ref().ok()).await?;
        if !upstream.has_versions.into_inner() {
            if_match.check(version.as_ref())?;
            // An upstream without versions can make nothing of ours.
            headers.remove(IF_MATCH);
        }
    }
    if let Some(held) = &held {
        held.check().await?;
    }
    let access = operation.access;
    let journal = route.shared.links.writes();
    let mut ledger = match access {
        Access::Write => {
            let write = write(&method, &target, command.as_ref().ok());
            let user = command.as_ref().ok().and_then(Command::user);
            let care = route.care(&journal, context, held.as_ref());
            let mut ledger = Ledger::open(&care, user, vec![write], vec![None]).await?;
            if let Err(error) = ledger.sending(0).await {
                // Nothing was sent, even if the journal has taken the mark.
                ledger.mark(0, State::NotSent).await;
                ledger.close(Some(error.message())).await;
                return Err(error);
            }
            Some(ledger)
        }
        Access::Read => None,
    };
    // Of a write nobody here knows whether twice has the effect of once.
    let message = Message { method, target, headers, body, access, repeatable: access == Access::Read, begun: false };
    let reply = route.upstream.send(message, context, deadline).await;
    let mut not_done = None;
    if let Some(ledger) = &mut ledger {
        let (state, why) = came_of(route, &ledger.writes()[0].call, &reply);
        not_done = why;
        ledger.mark(0, state).await;
        ledger.close(None).await;
    }
    let mut reply = reply.map_err(|error| match access {
        Access::Read => error.with_effect(Effect::NothingSent),
        Access::Write => error,
    })?;
    if let (Ok(command), false) = (&command, reply.headers.contains_key(ETAG))
        && let Some(version) = shown(route, command, &reply)
    {
        reply.headers.insert(ETAG, version.header());
    }
    headers::remove_hop_by_hop(&mut reply.headers);
    reply.headers.remove(TRAILER);
    let mut response = Response::new(body::whole(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if let Some(not_done) = not_done {
        response.extensions_mut().insert(not_done);
    }
    Ok(response)
}

/// Makes sure that the client may give the roles that a write gives, also where it is the upstream that reads it.
fn may_grant(route: &Route, context: &Context, notes: &[Note], reading: Result<&Reading, &Error>) -> Result<()> {
    let clients = &route.shared.clients;
    if clients.may_grant_all(context.client()) {
        return Ok(());
    }
    let forbidden =
        || Error::new(ErrorKind::Forbidden, "nobody can tell which roles this gives, and the client may not give all");
    match reading {
        Ok(reading) => clients.may_grant(context.client(), reading.command.highest_role())?,
        // It is known, and none of the users' roles is its affair.
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        Err(_) => return Err(forbidden()),
    }
    // A member that is not known here may be known to the vendor, in other letters or at this operation, too.
    let last = |pointer: &str| pointer.rsplit('/').next().unwrap_or_default().to_lowercase();
    let of_roles: Vec<_> = [Field::Role, Field::Grants]
        .iter()
        .flat_map(|field| {
            [Document::Request, Document::Response].map(|document| last(&route.face.pointer(field, document)))
        })
        .collect();
    let may_hide =
        notes.len() >= Findings::MOST || notes.iter().any(|note| of_roles.contains(&last(&route.pointer(note))));
    if may_hide { Err(forbidden()) } else { Ok(()) }
}

/// A write that passes, as the journal has it: without its body, which is not kept, and its query, which may be personal.
fn write(method: &Method, target: &str, command: Option<&Command>) -> Call {
    let path = target.split('?').next().unwrap_or_default();
    let call = Call::write(method.clone(), path, Bytes::new(), Vec::new());
    // A method says it of HTTP, and what it means says it of POST: a change is what is to be, and not one more.
    let is_repeatable = *method == Method::PUT || matches!(command, Some(Command::UpdateUser { .. }));
    if is_repeatable { call.repeatable() } else { call }
}

/// What an upstream's answer that passes says of a write, where it does not say that it was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDone {
    pub(crate) kind: ErrorKind,
    pub(crate) effect: Effect,
}

/// What came of a write that passed, and why it was not done, where the answer says so.
fn came_of(route: &Route, write: &Call, reply: &Result<Reply>) -> (State, Option<NotDone>) {
    match reply.as_ref().map(|reply| accepted(route, write, reply)) {
        Ok(Ok(())) => (State::Applied, None),
        Ok(Err(error)) => (state_after(&error), Some(NotDone { kind: error.kind(), effect: error.effect() })),
        Err(error) => (state_after(error), None),
    }
}

fn accepted(route: &Route, write: &Call, reply: &Reply) -> Result<()> {
    let body = body::decoded(reply, LARGEST_USER).unwrap_or_else(|_| reply.body.clone());
    let accepted = route.upstream.adapter.accepted(write, &Reply { body, ..reply.clone() });
    // An answer that nobody understands tells nothing.
    accepted.map_err(|error| match error.effect() {
        Effect::NothingSent => error.with_effect(Effect::Unknown),
        Effect::Refused | Effect::Unknown => error,
    })
}

/// The calls of our own beside a request that passes.
pub(crate) struct Straight<'a> {
    route: &'a Route,
    context: &'a Context,
    /// Whether the upstream has shown a version of its own, which is then the one that counts.
    has_versions: AtomicBool,
}

impl<'a> Straight<'a> {
    pub(crate) fn new(route: &'a Route, context: &'a Context) -> Self {
        Self { route, context, has_versions: AtomicBool::new(false) }
    }

    async fn user(&self, user: UserId) -> Result<Option<User>> {
        let executed = self.route.executor(self).read(&Command::GetUser { user }).await?;
        Ok(executed.outcome.user())
    }

    /// The version that the user has now; none where there is no user yet, or nobody can tell whom the request is about.
    async fn version(&self, command: Option<&Command>) -> Result<Option<Version>> {
        let Some(user) = command.and_then(Command::user).cloned() else { return Ok(None) };
        Ok(self.user(user).await?.as_ref().and_then(Version::of))
    }
}

impl Transport for Straight<'_> {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        let deadline = match stage {
            Stage::First | Stage::Begun => answer::deadline(self.route, self.context),
            Stage::Settling(until) => until,
        };
        let reply = self.route.upstream.call(call, stage, self.context, deadline).await?;
        self.has_versions.fetch_or(reply.headers.contains_key(ETAG), Ordering::Relaxed);
        Ok(reply)
    }
}

/// The answer to a write that was carried out, made from how things are now; `None` where that does not tell.
///
/// # Errors
///
/// The upstream does not tell.
pub(crate) async fn show(route: &Route, request: &Request, context: &Context) -> Result<Option<Response<Body>>> {
    let (operation, _, reading) = route.validator.read(&*route.face, request)?;
    let upstream = Straight::new(route, context);
    let user = match reading.map(|reading| reading.command) {
        Ok(Command::UpdateUser { user, .. }) => upstream.user(user).await?,
        Ok(Command::CreateUser(new)) => again::find(route, &upstream, &new).await?,
        Ok(Command::DeleteUser { .. } | Command::SendMessage { .. }) => {
            let writing = route.face.write(operation.name, &Outcome::Done)?;
            return Ok(Some(answer::to_http(route.face.dialect(), writing.response)));
        }
        _ => None,
    };
    let Some(user) = user else { return Ok(None) };
    let version = Version::of(&user);
    let writing = route.face.write(operation.name, &Outcome::User(Box::new(user)))?;
    let mut response = answer::to_http(route.face.dialect(), writing.response);
    if let Some(version) = version {
        response.headers_mut().insert(ETAG, version.header());
    }
    Ok(Some(response))
}

/// The most bytes of a document that is looked at for one user.
const LARGEST_USER: usize = 1 << 20;

/// The version of the one user whom a reply shows, where it shows one.
fn shown(route: &Route, command: &Command, reply: &Reply) -> Option<Version> {
    // Whatever was asked, a reply that shows the user shows it as the reply to a read does.
    let command = match command {
        Command::CreateUser(_) | Command::GetSelf => command.clone(),
        about => Command::GetUser { user: about.user()?.clone() },
    };
    let reply = Reply { body: body::decoded(reply, LARGEST_USER).ok()?, ..reply.clone() };
    match route.face.plan(&command, &[reply]) {
        Ok(Step::Done { outcome: Outcome::User(user), .. }) => Version::of(&user),
        _ => None,
    }
}

/// The client's headers for a body that was read whole, its trailers being gone.
fn request_headers(route: &Route, mut headers: HeaderMap, has_body: bool) -> HeaderMap {
    headers::remove_ours(&mut headers, &route.shared.credential_headers);
    for name in [CONTENT_LENGTH, TRAILER, PREFER] {
        headers.remove(name);
    }
    if has_body && body::names_no_json(&headers) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(route.face.dialect().media_type));
    }
    headers
}

//! Requests that clients may send again (`Idempotency-Key`): each is carried out once, however often it comes.
//!
//! A write with such a key is begun in the store before anything else is done about it. What came of it is kept, where
//! it is definite, and is the answer to every repeat; where nothing was done, it is forgotten, and a repeat is as good as
//! the first. Where nobody knows what was done, the journal's entry tells how far it came: [`Repeatable::resume`].
//!
//! The store tells processes apart, and not their tasks: one task at a time is at a request, and at an entry (`busy.rs`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION, RETRY_AFTER},
};
use http_body_util::BodyExt;
use interlingua_core::{Command, Effect, Error, ErrorKind, Result};
use interlingua_links::{Begun, Ending, Entry, EntryId, State, StoreError, StoreErrorKind, Write};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::{
    again, answer,
    body::{self, Body, ReadBody},
    busy::Work,
    layers::refusal,
    linking::store_error,
    pass::NotDone,
    prefer::{PREFER, PREFERENCE_APPLIED},
    recovery::{self, Stuck},
    repeat_key::RepeatKey,
    report::FIDELITY,
    route::Route,
    trace::Context,
};

/// Tells that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The headers that are kept of an answer: those that say something about what was done.
const KEPT: [HeaderName; 7] = [CONTENT_TYPE, ETAG, LOCATION, ALLOW, RETRY_AFTER, FIDELITY, PREFERENCE_APPLIED];

/// When to come back for the answer to a request that somebody is at.
const SOON: Duration = Duration::from_secs(1);

/// How long a store that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// Carries a write out, or tells what came of it before.
///
/// # Errors
///
/// The write's own; somebody is at the same request; the key was given to another one; the store does not answer.
pub(crate) async fn once(route: Arc<Route>, key: RepeatKey, request: Request<ReadBody>) -> Result<Response<Body>> {
    let context = Context::on(&request);
    let client = context.client().to_owned();
    let fingerprint = fingerprint(&route, &request);
    let work = Work::Request(client.clone(), key.clone());
    let _entered = route.shared.busy.enter(work).ok_or_else(in_progress)?;
    let this = Repeatable { route, context, client, key, fingerprint };
    match this.begin().await? {
        Begun::Fresh | Begun::Own(None) => this.carry_out(request).await,
        Begun::InProgress => Err(in_progress()),
        Begun::Differs => {
            Err(Error::new(ErrorKind::KeyReused, "the Idempotency-Key was given to another request before"))
        }
        Begun::Answered(answer) => Ok(replayed(as_kept(answer))),
        Begun::AnswerNotKept(status) if status.is_success() => this.show(&request, status).await.map(replayed),
        Begun::AnswerNotKept(status) => Ok(replayed(this.refused_before(status))),
        Begun::Interrupted(entry) | Begun::Own(Some(entry)) => this.resume(entry, request).await,
    }
}

/// All that makes one request differ from another; the client is told apart by the store.
fn fingerprint(route: &Route, request: &Request<ReadBody>) -> [u8; 32] {
    let server = &route.upstream.server;
    // What two routes between the same sides may do otherwise.
    let policy = format!("{:?}", (&route.loss, route.removal, route.on_partial));
    let uri = request.uri();
    let parts = [
        route.face.dialect().name.as_bytes(),
        server.as_bytes(),
        policy.as_bytes(),
        request.method().as_str().as_bytes(),
        uri.path().as_bytes(),
        uri.query().unwrap_or_default().as_bytes(),
        &request.body().decoded,
    ];
    let names = [PREFER, IF_MATCH];
    let headers = names.iter().flat_map(|name| {
        let values = request.headers().get_all(name).iter();
        values.flat_map(|value| [name.as_str().as_bytes(), value.as_bytes()])
    });
    let mut hash = Sha256::new();
    for part in parts.into_iter().chain(headers) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What becomes of a request once something came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// Its answer is that to every repeat.
    Kept,
    /// Nothing was done, and a repeat may go better.
    Forgotten,
    /// Nobody knows, or only a part was done.
    Open,
}

impl Settled {
    /// By an answer; of those that pass, some are refusals.
    fn by_answer(response: &Response<Body>) -> Self {
        let not_done: Option<&NotDone> = response.extensions().get();
        not_done.map_or(Self::Kept, |not_done| Self::by_failure(not_done.kind, not_done.effect))
    }

    fn by_failure(kind: ErrorKind, effect: Effect) -> Self {
        match (kind, effect) {
            (ErrorKind::Partial, _) | (_, Effect::Unknown) => Self::Open,
            // That is what the client asked to be told. Whatever else was refused before anything was sent, such as a
            // user that is not linked, somebody may put right.
            (ErrorKind::PreconditionFailed, _) => Self::Kept,
            (_, Effect::NothingSent) => Self::Forgotten,
            // About the gateway's own credential, or its rate.
            (ErrorKind::RateLimited | ErrorKind::Unavailable, Effect::Refused) => Self::Forgotten,
            (_, Effect::Refused) => Self::Kept,
        }
    }
}

/// A request with a key.
struct Repeatable {
    route: Arc<Route>,
    context: Context,
    client: String,
    key: RepeatKey,
    fingerprint: [u8; 32],
}

impl Repeatable {
    async fn begin(&self) -> Result<Begun> {
        let (shared, key) = (&self.route.shared, self.key.as_str());
        let begun = shared.links.writes().begin(&self.client, key, &self.fingerprint, shared.keep_answers).await;
        begun.map_err(|error| store_error(&error))
    }

    /// Carries the request out, which is the caller's to do, and keeps what came of it.
    async fn carry_out(self, request: Request<ReadBody>) -> Result<Response<Body>> {
        // Nobody else sets it.
        let _ = self.context.seen.repeat.set(self.key.clone());
        match answer::by_route(Arc::clone(&self.route), request).await {
            Ok(response) => {
                match Settled::by_answer(&response) {
                    Settled::Kept => return self.keep(response).await,
                    Settled::Forgotten => self.settle(None).await,
                    Settled::Open => {}
                }
                Ok(response)
            }
            Err(error) => {
                match Settled::by_failure(error.kind(), error.effect()) {
                    Settled::Kept => drop(self.keep(refusal(Some(&self.route), &error)).await),
                    Settled::Forgotten => self.settle(None).await,
                    Settled::Open => {}
                }
                Err(error)
            }
        }
    }

    /// Keeps an answer, and gives it back.
    async fn keep(&self, response: Response<Body>) -> Result<Response<Body>> {
        let (parts, body) = response.into_parts();
        let broken = |_| Error::new(ErrorKind::BadReply, "the answer broke off").with_effect(Effect::Unknown);
        let body: Bytes = body.collect().await.map_err(broken)?.to_bytes();
        let headers = KEPT.into_iter().filter_map(|name| Some((name.clone(), parts.headers.get(name)?.clone())));
        let answer =
            interlingua_core::Response { status: parts.status, headers: headers.collect(), body: body.clone() };
        self.settle(Some(&answer)).await;
        Ok(Response::from_parts(parts, body::whole(body)))
    }

    /// Keeps the answer to all repeats, or forgets the request where there is none. The store is asked until it answers, or
    /// the request's time is over.
    ///
    /// What was done was done, whether that could be kept or not: a repeat finds the journal's entry, or has to wait until
    /// nobody can be at it any more.
    async fn settle(&self, answer: Option<&interlingua_core::Response>) {
        let writes = self.route.shared.links.writes();
        let (client, key) = (&self.client, self.key.as_str());
        let deadline = answer::deadline(&self.route, &self.context);
        loop {
            let settled = match answer {
                Some(answer) => writes.answer(client, key, answer).await,
                None => writes.forget(client, key).await,
            };
            match settled {
                Err(error) if error.is_retryable() && Instant::now() < deadline => sleep(PAUSE).await,
                // Another repeat has gone on with it.
                Err(error) if error.kind() == StoreErrorKind::Lost => return,
                Err(error) => {
                    store_error(&error);
                    return;
                }
                Ok(()) => return,
            }
        }
    }

    // === What was begun before, and has no answer ===

    /// Goes on with a request whose first attempt came to no definite end, at the first call that was not done.
    async fn resume(self, entry: EntryId, request: Request<ReadBody>) -> Result<Response<Body>> {
        let _entered = self.route.shared.busy.enter(Work::Entry(entry)).ok_or_else(in_progress)?;
        let writes = self.route.shared.links.writes();
        let failed = |error: StoreError| store_error(&error);
        let answered = match writes.take_over(entry).await.map_err(failed)? {
            Some(entry) => self.bring_to_end(entry, &request).await?,
            None => {
                let entry = writes.entry(entry).await.map_err(failed)?.filter(|entry| entry.closed.is_some());
                self.answer_for(entry.ok_or_else(in_progress)?, &request).await.map_err(|stuck| stuck.error)?
            }
        };
        if let Some(response) = answered {
            return Ok(response);
        }
        self.settle(None).await;
        match self.begin().await? {
            Begun::Fresh => self.carry_out(request).await,
            // A repeat at another gateway was faster.
            _ => Err(in_progress()),
        }
    }

    /// Answers for an entry that was taken over, and closes it. Where it cannot be closed, it is left, so that others can
    /// see to it.
    async fn bring_to_end(&self, entry: Entry, request: &Request<ReadBody>) -> Result<Option<Response<Body>>> {
        let (writes, number) = (self.route.shared.links.writes(), entry.id);
        let answered = self.answer_for(entry, request).await;
        let ended = match &answered {
            Ok(Some(_)) => writes.close(number, Ending::Done, None).await,
            Ok(None) => writes.close(number, Ending::Resolved, Some("repeated by its client")).await,
            Err(Stuck { fence, .. }) => writes.release(number, *fence).await,
        };
        if ended.is_err() {
            // Whoever went on with the writes has closed it already.
            let _ = writes.release(number, None).await;
        }
        match (ended, answered) {
            // To send again what somebody else may send, too, would be to send it twice.
            (Err(error), Ok(None)) => Err(store_error(&error)),
            (_, answered) => answered.map_err(|stuck| stuck.error),
        }
    }

    /// The answer for an entry, which is kept; `None` where the request is to be carried out once more.
    async fn answer_for(&self, entry: Entry, request: &Request<ReadBody>) -> Result<Option<Response<Body>>, Stuck> {
        let is_conditional = request.headers().contains_key(IF_MATCH);
        let shown = match next(&entry, again::command(&self.route, request).as_ref(), is_conditional) {
            Next::Show => Some(self.show(request, StatusCode::OK).await?),
            Next::GoOn => {
                recovery::go_on(&self.route, entry).await?;
                Some(self.show(request, StatusCode::OK).await?)
            }
            Next::LookFirst => again::show(&self.route, &self.context, request).await?,
            Next::Again => None,
            Next::Unclear => {
                let message = "nobody knows what the first attempt did, and to repeat it could do it twice";
                return Err(Error::new(ErrorKind::Partial, message).with_effect(Effect::Unknown).into());
            }
        };
        match shown {
            Some(shown) => Ok(Some(self.keep(replayed(shown)).await?)),
            None => Ok(None),
        }
    }

    /// The answer to a request that was carried out with this status, made anew from how things are.
    async fn show(&self, request: &Request<ReadBody>, status: StatusCode) -> Result<Response<Body>> {
        again::show(&self.route, &self.context, request).await?.ok_or_else(|| {
            let message = format!(
                "the request was carried out before, and answered with {}; that answer is not kept and cannot be given again",
                status.as_u16()
            );
            Error::new(ErrorKind::InProgress, message)
        })
    }

    /// The refusal that a request got of which only the status was kept.
    fn refused_before(&self, status: StatusCode) -> Response<Body> {
        let message = "the request was refused before; why is not kept";
        let error = Error::new(ErrorKind::of_refusal(status), message).with_effect(Effect::Refused);
        let mut response = refusal(Some(&self.route), &error);
        *response.status_mut() = status;
        response
    }
}

/// What to do about a request that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// All of it was done: tell how things are.
    Show,
    /// Some of it was done, and the rest is known: send that.
    GoOn,
    /// Nothing of it was done, or doing it again has the effect of once.
    Again,
    /// Somebody may have been created: look, and create nobody twice.
    LookFirst,
    /// Nobody knows, and doing it again could do it twice.
    Unclear,
}

/// A request is conditional that has an `If-Match`.
fn next(entry: &Entry, command: Option<&Command>, is_conditional: bool) -> Next {
    let undone = |state: &State| matches!(state, State::NotSent | State::Refused | State::Undone);
    let open = entry.intent.writes.iter().zip(&entry.states).filter(|(_, state)| **state != State::Applied);
    match open.count() {
        0 if !entry.states.is_empty() => Next::Show,
        _ if entry.states.iter().all(undone) => Next::Again,
        // Its condition held when it began, and what has come since is not looked at.
        _ if can_go_on(entry) => Next::GoOn,
        // What was to be compared may be what the first attempt has made.
        _ if is_conditional => Next::Unclear,
        _ if matches!(command, Some(Command::CreateUser(_))) => Next::LookFirst,
        _ if entry.intent.writes.iter().all(|write| write.repeatable) => Next::Again,
        _ => Next::Unclear,
    }
}

/// Whether some of the writes were done, none failed, and what the others are is known.
fn can_go_on(entry: &Entry) -> bool {
    let writes = entry.intent.writes.iter().zip(&entry.states);
    let knows = |(write, state): (&Write, &State)| match state {
        State::Applied => true,
        State::NotSent => write.body.is_some(),
        State::Sending | State::Unknown => write.body.is_some() && write.repeatable,
        State::Refused | State::Undone => false,
    };
    entry.closed.is_none() && entry.states.contains(&State::Applied) && writes.into_iter().all(knows)
}

fn in_progress() -> Error {
    Error::new(ErrorKind::InProgress, "the request with this Idempotency-Key is being carried out")
        .with_retry_after(Some(SOON))
}

fn as_kept(answer: interlingua_core::Response) -> Response<Body> {
    let mut response = Response::new(body::whole(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn replayed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use interlingua_core::{Email, Name, NewUser, Refusal, Text, http::Method};
    use interlingua_links::Intent;

    use super::*;

    /// An entry of two writes in these states.
    fn entry(states: [State; 2], is_open: bool, repeatable: bool, body: Option<Bytes>) -> Entry {
        let write = Write { method: Method::PUT, target: "/".into(), body, fields: Vec::new(), repeatable, undo: None };
        let text = || Text::from("x");
        let intent = Intent {
            request: text(),
            upstream: text(),
            user: None,
            fence: None,
            operation: text(),
            client: text(),
            writes: vec![write.clone(), write],
        };
        let now = SystemTime::now();
        let closed = (!is_open).then_some((now, Ending::Partial, None));
        Entry { id: "1".parse().unwrap(), opened: now, intent, states: states.to_vec(), closed }
    }

    #[test]
    fn what_is_done_next_depends_on_how_far_it_came() {
        use State::{Applied, NotSent, Refused, Sending, Unknown};
        let next = |states, is_open, repeatable, body: Option<&'static str>| {
            next(&entry(states, is_open, repeatable, body.map(Bytes::from)), None, false)
        };
        assert_eq!(next([Applied, Applied], true, false, None), Next::Show);
        assert_eq!(next([Applied, NotSent], true, false, Some("{}")), Next::GoOn);
        assert_eq!(next([Applied, Sending], true, true, None), Next::Again);
        assert_eq!(next([Applied, Unknown], false, true, None), Next::Again);
        assert_eq!(next([Applied, Unknown], false, false, None), Next::Unclear);
        assert_eq!(next([NotSent, NotSent], true, false, None), Next::Again);
        assert_eq!(next([Refused, NotSent], false, false, None), Next::Again);
        assert_eq!(next([Unknown, NotSent], false, false, None), Next::Unclear);
        let new = NewUser {
            login: None,
            email: Email::parse("a@example.com").unwrap(),
            name: Name::default(),
            password: None,
            grants: Vec::new(),
        };
        let create = Command::CreateUser(Box::new(new));
        assert_eq!(super::next(&entry([Unknown, NotSent], true, false, None), Some(&create), false), Next::LookFirst);
    }

    /// What was to be compared may be what the first attempt has made.
    #[test]
    fn what_has_a_condition_is_not_sent_again_once_something_may_be_done() {
        use State::{Applied, NotSent, Refused, Sending, Unknown};
        let next = |states| next(&entry(states, true, true, Some("{}".into())), None, true);
        for (states, expected) in [
            ([Applied, Applied], Next::Show),
            ([Unknown, NotSent], Next::Unclear),
            ([Sending, NotSent], Next::Unclear),
            ([Applied, Refused], Next::Unclear),
            ([Applied, NotSent], Next::GoOn),
            ([Refused, NotSent], Next::Again),
        ] {
            assert_eq!(next(states), expected, "{states:?}");
        }
    }

    #[test]
    fn what_is_definite_is_kept() {
        let refused = |kind, status| Error::refused(kind, Refusal { status, code: None, text: None });
        for (error, settled) in [
            (Error::new(ErrorKind::Overloaded, ""), Settled::Forgotten),
            (Error::new(ErrorKind::NotFound, ""), Settled::Forgotten),
            (Error::new(ErrorKind::PreconditionFailed, ""), Settled::Kept),
            (Error::new(ErrorKind::Timeout, "").with_effect(Effect::Unknown), Settled::Open),
            (refused(ErrorKind::Conflict, StatusCode::CONFLICT), Settled::Kept),
            (refused(ErrorKind::RateLimited, StatusCode::TOO_MANY_REQUESTS), Settled::Forgotten),
            (refused(ErrorKind::Unavailable, StatusCode::BAD_GATEWAY), Settled::Open),
            (Error::partial(Vec::new(), Error::new(ErrorKind::Unavailable, "")), Settled::Open),
        ] {
            assert_eq!(Settled::by_failure(error.kind(), error.effect()), settled, "{error:?}");
        }
    }
}

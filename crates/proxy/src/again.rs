//! A write whose first attempt is over, and whose answer nobody has: what it meant, and how things are now.

use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use interlingua_core::{
    Command, Error, ErrorKind, Known, NewUser, Outcome, PageRequest, Result, Text, User, UserQuery,
};

use crate::{
    answer::{self, read, translated},
    body::{Body, ReadBody},
    executor::{Executor, Transport},
    pass,
    prefer::Handling,
    route::Route,
    trace::Context,
    translate,
};

/// What a request means, where it means something canonical.
pub(crate) fn command(route: &Route, request: &Request<ReadBody>) -> Option<Command> {
    route.face.read(&read(request)).ok().map(|reading| reading.command)
}

/// The answer to a request that was carried out, made from how things are now; `None` where that does not tell.
///
/// # Errors
///
/// The upstream or the store does not tell.
pub(crate) async fn show(
    route: &Arc<Route>,
    context: &Context,
    request: &Request<ReadBody>,
) -> Result<Option<Response<Body>>> {
    let (read, headers): (_, &HeaderMap) = (read(request), request.headers());
    if route.passes() {
        return pass::show(route, &read, context).await;
    }
    let deadline = answer::deadline(route, context);
    let answer = translate::show(Arc::clone(route), &read, headers, context.clone(), deadline).await?;
    Ok(answer.map(|answer| translated(route, context, answer, Handling::of(headers))))
}

/// The user at the upstream whom this would be, were it created: the one with its e-mail address and, where the upstream
/// knows logins, its login. The upstream would not have let another create it, so a name that others could have, too, is
/// not looked at.
///
/// # Errors
///
/// The upstream does not tell, or not within the calls that a request may take.
pub(crate) async fn find(route: &Route, transport: &impl Transport, new: &NewUser) -> Result<Option<User>> {
    let email = new.email.as_str();
    let login = new.login.as_deref().unwrap_or(email);
    let is_new = |user: &User| {
        let same =
            |known: &Known<Text>, text: &str| known.value().is_some_and(|known| known.eq_ignore_ascii_case(text));
        same(&user.email, email) && (user.login.value().is_none() || same(&user.login, login))
    };
    let mut names = vec![login, email];
    names.dedup();
    let mut calls_left = route.most_calls();
    for name in names {
        let query = UserQuery { login: Some(name.into()), ..UserQuery::default() };
        let mut next = Some(PageRequest::At(None));
        while let Some(page) = next {
            let command = Command::FindUsers { query: query.clone(), page };
            let found = match (Executor { most_calls: calls_left, ..route.executor(transport) }).read(&command).await {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                found => found?,
            };
            calls_left -= found.calls;
            let Outcome::Users(page) = found.outcome else {
                return Err(Error::new(ErrorKind::Internal, "what came of a search is not a page of users"));
            };
            if let Some(user) = page.users.into_iter().find(is_new) {
                return Ok(Some(user));
            }
            next = page.next.map(|cursor| PageRequest::At(Some(cursor)));
        }
    }
    Ok(None)
}

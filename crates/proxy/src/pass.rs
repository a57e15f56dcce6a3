//! The way of a request between two sides of one dialect: checked, and forwarded as it came.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER},
};
use interlingua_core::{Access, Command, Effect, Request, Result, Step};
use tokio::time::Instant;

use crate::{
    body::{self, Body},
    headers,
    prefer::PREFER,
    route::Route,
    trace::Context,
    upstream::Message,
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
    let (operation, _) = route.validator.request(route.face.dialect(), request)?;
    context.is_for(operation.name);
    let Passing { method, mut target, headers, body } = passing;
    let command = route.face.read(request).map(|reading| reading.command);
    if let Ok(Command::GetSelf) = command {
        // Whoever has the credential that goes upstream is not the client.
        let show = Command::GetUser { user: route.own_user(context).await? };
        if let Step::Send { calls, .. } = route.face.plan(&show, &[])? {
            target = calls.into_iter().next().map_or(target, |call| call.target);
        }
    }
    let headers = request_headers(route, headers, !body.is_empty());
    // A translated request for the same user may be reading, changing and writing back.
    // Where the dialect cannot tell who that is, it is the upstream's to say what is wrong with the request.
    let _turn = match (operation.access, command.as_ref().ok().and_then(Command::user)) {
        (Access::Write, Some(user)) => Some(route.turn(user, deadline).await?),
        _ => None,
    };
    let access = operation.access;
    // Of a write nobody here knows whether twice has the effect of once.
    let message = Message { method, target, headers, body, access, repeatable: access == Access::Read };
    let reply = route.upstream.send(message, context, deadline).await;
    let mut reply = reply.map_err(|error| match access {
        Access::Read => error.with_effect(Effect::NothingSent),
        Access::Write => error,
    })?;
    headers::remove_hop_by_hop(&mut reply.headers);
    reply.headers.remove(TRAILER);
    let mut response = Response::new(body::whole(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
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

//! The way of a request that is for none of the dialect's own operations: to a server of the same dialect, as it came.
//!
//! Nothing of it is read, checked, decompressed or limited in size. Both bodies pass as they arrive (see `relay`);
//! of the headers those stay behind that are for one connection, every dialect's credentials, `Host` and `Expect`, and
//! the upstream's credential, the request's id and its trace are set. `Upgrade` is not supported: the header is one of
//! those that stay behind.
//!
//! Trailers go on, too, as far as HTTP/1.1 has them: those that `Trailer` announces, and those of an answer to clients
//! that say `TE: trailers`. A client of HTTP/1.0 cannot be told that an answer without a length has broken off.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING},
};
use hyper::body::{Body as _, Incoming};
use interlingua_core::{Access, Effect, ErrorKind, Result};

use crate::{
    body::{Body, whole},
    headers,
    layers::InFlight,
    relay::{Exchange, Relayed},
    route::Route,
    trace::{Context, Success},
    upstream::{Message, Upstream, lost},
};

/// The operation of these requests, in logs.
const OPERATION: &str = "fallback";

/// Passes a request on, and gives the answer as soon as its head is there; its body is still arriving then, and has the
/// request's place until it has arrived.
///
/// # Errors
///
/// The upstream does not answer, or wants to speak another protocol.
pub(crate) async fn fall_back(
    request: Request<Incoming>,
    upstream: &Upstream,
    place: InFlight,
) -> Result<Response<Body>> {
    let route = Arc::clone(Route::of(&request)?);
    let context = Context::on(&request);
    context.is_for(OPERATION);
    // Nobody else sets it.
    let _ = context.seen.upstream.set(upstream.name.clone());
    let (parts, body) = request.into_parts();

    let safe = parts.method.is_safe();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let headers = request_headers(&route, parts.headers, &body);
    let access = if safe { Access::Read } else { Access::Write };
    let (mut exchange, body) = Exchange::new(body, upstream.timeout);
    let message = Message { method: parts.method, target, headers, body, access, repeatable: false, begun: false };
    let response = exchange.wait(upstream.open(message, &context)).await;
    let response = response.map_err(|error| if safe { error.with_effect(Effect::NothingSent) } else { error })?;

    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(lost(ErrorKind::BadReply, "the upstream changes to a protocol that nobody asked for"));
    }
    headers::remove_hop_by_hop(&mut head.headers);
    // Nobody else sets it.
    let _ = context.seen.success.set(Success { calls: 1, dropped: 0, narrowed: 0 });
    let body = if body.is_end_stream() && exchange.is_uploaded() {
        whole(Bytes::new())
    } else {
        let (to, relayed) = Relayed::new();
        tokio::spawn(async move {
            let carried = exchange.carry(body, to, route.shared.limits.deadline).await;
            carried.unwrap_or_else(|error| context.fails(&error));
            context.tell(Some(&route), head.status);
            drop(place);
        });
        Body::Right(relayed)
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// The client's headers for a body that is passed on as it arrives.
fn request_headers(route: &Route, mut headers: HeaderMap, body: &Incoming) -> HeaderMap {
    let credentials = &route.shared.credential_headers;
    let takes_trailers = headers::list(&headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    headers::remove_ours(&mut headers, credentials);
    if takes_trailers {
        // We do, where the client does; `TE` is always for one connection (RFC 9110, section 10.1.4).
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // A key is not the upstream's to see in the trailers either; what is not announced is not sent.
    if headers::list(&headers, &TRAILER).any(|name| headers::is_ours(&name.to_ascii_lowercase(), credentials)) {
        headers.remove(TRAILER);
    }
    set_length(&mut headers, body);
    headers
}

/// Says how long the body is: by its length where there is one and no trailers follow, else in chunks. Left to hyper, a
/// `GET` would lose a body without a length, and a `POST` its `Content-Length: 0`.
fn set_length(headers: &mut HeaderMap, body: &Incoming) {
    let announced = headers.remove(CONTENT_LENGTH).is_some();
    let has_trailers = headers.contains_key(TRAILER);
    match body.size_hint().exact() {
        Some(length) if !has_trailers || body.is_end_stream() => {
            if announced {
                headers.insert(CONTENT_LENGTH, length.into());
            }
        }
        _ => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

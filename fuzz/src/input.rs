//! How inputs are written: a request or a reply is its first line and the rest, a list has a record separator (0x1E)
//! between its parts.

use interlingua_core::{
    Reply, Request,
    http::{HeaderValue, Method, StatusCode, header::RETRY_AFTER},
};

/// What stands between the parts of a list.
pub(crate) const SEPARATOR: char = '\u{1e}';

/// The parts of a list.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| char::from(byte) == SEPARATOR)
}

/// `METHOD path?query`, and the body; nothing where that is no request.
pub(crate) fn request(bytes: &[u8]) -> Option<Request> {
    let (line, body) = first_line(bytes)?;
    let (method, target) = line.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method: Method = method.parse().ok()?;
    Some(Request::new(method, path, body.to_vec()).with_query(query))
}

/// `STATUS`, or `STATUS RETRY-AFTER`, and the body; any status that is none is 200.
pub(crate) fn reply(bytes: &[u8]) -> Reply {
    let (line, body) = first_line(bytes).unwrap_or(("", bytes));
    let (status, retry_after) = line.split_once(' ').unwrap_or((line, ""));
    let mut reply = Reply::new(status.parse().unwrap_or(StatusCode::OK), body.to_vec());
    reply.headers.extend(HeaderValue::try_from(retry_after).ok().map(|value| (RETRY_AFTER, value)));
    reply
}

fn first_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let line = str::from_utf8(&bytes[..end]).ok()?;
    Some((line, bytes.get(end + 1..).unwrap_or_default()))
}

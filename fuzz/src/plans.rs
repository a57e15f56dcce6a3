//! Whatever an upstream answers, a plan goes on, ends or refuses, and what it ends with can be written.

use interlingua_core::{
    Call, Error, ErrorKind, Outcome, Reply, Request, Result,
    laws::{self, carry_out},
};
use serde_json::Value;

use crate::{Side, commands, input, keep};

/// Plans a command, with replies that the upstream gives one after the other, and then no more.
pub fn plans(upstream: &'static Side, bytes: &[u8]) {
    let mut parts = input::parts(bytes);
    let Some(command) = parts.next().and_then(|part| commands::command(upstream, part)) else { return };
    let replies: Vec<_> = parts.map(input::reply).collect();
    let adapter = &*upstream.adapter;
    keep(laws::total_replies(adapter, &command, &replies));
    keep(laws::plan_is_a_list(adapter, &command, &mut in_turn(&replies)));
    let run = carry_out(adapter, &command, &mut in_turn(&replies));
    for call in &run.calls {
        is_valid(call, upstream, &replies);
    }
    tell(upstream, run.end);
}

/// The schemas accept the call, but for words of the upstream's own, which go back to it as they came: a membership with a
/// role that we do not know stays as it is.
fn is_valid(call: &Call, upstream: &Side, replies: &[Reply]) {
    let path = call.target.split('?').next().unwrap_or_default();
    let request = Request::new(call.method.clone(), path, call.body.clone());
    let checked = upstream.validator.request(upstream.adapter.dialect(), &request);
    // The vendor may have endpoints that the adapter does not serve.
    let Err(error) = checked.map_err(|error| (error.kind() == ErrorKind::Invalid).then_some(error)) else { return };
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    for problem in error.iter().flat_map(Error::problems) {
        let said =
            body.pointer(&problem.place.to_string()).is_some_and(|word| replies.iter().any(|reply| says(reply, word)));
        assert!(said, "{} {}: {}: {}", call.method, call.target, problem.place, problem.expected);
    }
}

fn says(reply: &Reply, word: &Value) -> bool {
    fn holds(document: &Value, word: &Value) -> bool {
        let mut members: Box<dyn Iterator<Item = &Value>> = match document {
            Value::Array(items) => Box::new(items.iter()),
            Value::Object(members) => Box::new(members.values()),
            _ => return document == word,
        };
        members.any(|member| holds(member, word))
    }
    // What an adapter passes over may be no text, or a number that is too large: that keeps it from nothing.
    let text = String::from_utf8_lossy(&reply.body);
    let literally = || text.contains(&word.to_string());
    word.is_string() && serde_json::from_str(&text).map_or_else(|_| literally(), |document| holds(&document, word))
}

/// What comes of it is told to clients of both dialects.
fn tell(upstream: &'static Side, end: Result<Outcome>) {
    let other = upstream.other();
    match end {
        Ok(outcome) => {
            show(upstream, &outcome);
            show(other, &commands::shown_to(other, outcome));
        }
        Err(error) => {
            for face in [upstream, other] {
                keep(laws::valid_errors(&*face.adapter, &face.validator, &error));
            }
        }
    }
}

fn show(face: &Side, outcome: &Outcome) {
    let [user, users, nothing] = face.shows;
    let operation = match outcome {
        Outcome::User(_) => user,
        Outcome::Users(_) => users,
        _ => nothing,
    };
    keep(laws::valid_answers(&*face.adapter, &face.validator, operation, outcome));
}

/// An upstream that gives these replies, and empty ones when it has none left.
fn in_turn(replies: &[Reply]) -> impl FnMut(&Call) -> Reply {
    let mut replies = replies.iter();
    move |_| replies.next().cloned().unwrap_or_else(|| input::reply(b""))
}

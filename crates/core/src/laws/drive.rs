//! Carrying a command out against somebody who answers calls.

use http::StatusCode;
use serde_json::Value;

use crate::{
    adapter::{Adapter, Step},
    command::{Access, Command, Outcome},
    error::{Error, ErrorKind, Result},
    message::{Call, Reply},
    note::Note,
    user::{User, UserId},
};

/// Whoever answers calls: a stand-in for the vendor, or a list of replies.
pub type Vendor<'a> = dyn FnMut(&Call) -> Reply + 'a;

/// More calls than any plan makes.
pub(super) const ENDLESS: usize = 64;

/// How a command went.
#[derive(Debug)]
pub struct Run {
    /// The calls that were sent, in order.
    pub calls: Vec<Call>,
    /// What the plan noted last.
    pub notes: Vec<Note>,
    /// What came of it.
    pub end: Result<Outcome>,
}

impl Run {
    /// Whether a call that may change something was sent.
    pub fn wrote(&self) -> bool {
        self.calls.iter().any(|call| call.access == Access::Write)
    }

    /// The user that it ended with.
    pub fn user(&self) -> Option<&User> {
        match &self.end {
            Ok(Outcome::User(user)) => Some(user),
            _ => None,
        }
    }
}

/// Carries a command out as an executor does: the first of the calls, then asks again.
pub fn carry_out(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Run {
    let (mut calls, mut replies, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let end = loop {
        match adapter.plan(command, &replies) {
            Ok(Step::Send { calls: next, notes: found }) => {
                notes = found;
                let Some(call) = next.into_iter().next().filter(|_| calls.len() < ENDLESS) else {
                    break Err(Error::new(ErrorKind::Internal, "the plan has no end, or sends nothing"));
                };
                replies.push(vendor(&call));
                calls.push(call);
            }
            Ok(Step::Done { outcome, notes: found }) => {
                notes = found;
                break Ok(outcome);
            }
            Err(error) => break Err(error),
        }
    };
    Run { calls, notes, end }
}

/// The user that a document shows, when it is the reply to a read of `user`.
///
/// # Errors
///
/// The adapter's, when the document is not a user's.
pub fn read_reply(adapter: &dyn Adapter, user: &UserId, document: &[u8]) -> Result<(User, Vec<Note>)> {
    let reply = Reply::new(StatusCode::OK, document.to_vec());
    let run = carry_out(adapter, &Command::GetUser { user: user.clone() }, &mut |_| reply.clone());
    Ok((shown(run.end?)?, run.notes))
}

/// The user as it is at the vendor: the document, and what it means.
pub(super) fn look(adapter: &dyn Adapter, user: &UserId, vendor: &mut Vendor<'_>) -> Result<(Value, User)> {
    let mut last = None;
    let run = carry_out(adapter, &Command::GetUser { user: user.clone() }, &mut |call| {
        let reply = vendor(call);
        last = serde_json::from_slice(&reply.body).ok();
        reply
    });
    Ok((last.unwrap_or_default(), shown(run.end?)?))
}

fn shown(outcome: Outcome) -> Result<User> {
    outcome.user().ok_or_else(|| Error::new(ErrorKind::Internal, "what came of the command is no user"))
}

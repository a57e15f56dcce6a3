//! Finding users: a plan reads one page.
//!
//! What makes it more than one call are users whose memberships the page only points at: they are read one by one.

use interlingua_core::{
    Call, Error, ErrorKind, Field, Note, Outcome, PageRequest, Problem, Reply, Result, Step, User, UserPage, UserQuery,
    http::Method,
};

use super::{account_iri, read_call};
use crate::{Textus, query, read, routes::Op, write};

pub(super) fn plan(textus: &Textus, query: &UserQuery, page: &PageRequest, replies: &[Reply]) -> Result<Step> {
    let asked = asked(query, page)?;
    let Some((reply, again)) = replies.split_first() else {
        return Ok(Step::Send { calls: vec![list_call(&asked)], notes: Vec::new() });
    };
    let found = read::users(textus, reply)?;
    if found.next.as_ref().is_some_and(|next| next.as_str() == asked) {
        return Err(Error::new(ErrorKind::BadReply, "the upstream says that a page is followed by itself"));
    }
    let (mut users, mut notes, mut calls) = (Vec::new(), found.notes, Vec::new());
    let mut again = again.iter();
    for (position, member) in found.users.into_iter().enumerate() {
        let complete = match member {
            member if member.0.grants.is_some() => Some(member),
            (user, _) => match again.next() {
                Some(reply) => still_there(read::user(textus, &user.id, reply))?,
                None => {
                    calls.push(read_call(&user.id));
                    None
                }
            },
        };
        if let Some((user, found)) = complete {
            users.push(user);
            notes.extend(found.into_iter().map(|note| write::of_list(note, position)));
        }
    }
    if !calls.is_empty() {
        return Ok(Step::Send { calls, notes: Vec::new() });
    }
    let page = UserPage { query: query.clone(), page: page.clone(), users, total: found.total, next: found.next };
    Ok(Step::Done { outcome: Outcome::Users(page), notes })
}

/// The query string of the call. What the vendor cannot be asked for (a role, a status) is for the caller to look at.
fn asked(query: &UserQuery, page: &PageRequest) -> Result<String> {
    match page {
        PageRequest::At(Some(cursor)) if query::is_query(cursor.as_str()) => Ok(cursor.as_str().to_owned()),
        PageRequest::At(Some(_)) => {
            let expected = "expected where a page of TextUs begins, as the page before told";
            Err(Error::invalid(vec![Problem::new(Field::Page, expected)]))
        }
        PageRequest::Numbered { number, .. } if number.get() > 1 => {
            Err(Error::new(ErrorKind::Unsupported, "TextUs has no numbered pages"))
        }
        PageRequest::At(None) | PageRequest::Numbered { .. } => {
            let accounts = query.scopes.iter().map(|scope| account_iri(&scope.id)).collect::<Result<Vec<_>>>()?;
            // Users sign in by e-mail, which the text is looked for in.
            let text = query.text.as_deref().or(query.login.as_deref());
            Ok(query::of_a_call(text, &accounts))
        }
    }
}

fn list_call(query: &str) -> Call {
    let path = Op::ListUsers.path().fill(&[]);
    Call::read(Method::GET, if query.is_empty() { path } else { format!("{path}?{query}") })
}

/// A user that was on the page, and is gone when it is read again, is none of those found.
fn still_there(read: Result<(User, Vec<Note>)>) -> Result<Option<(User, Vec<Note>)>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

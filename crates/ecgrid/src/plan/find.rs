//! Finding users: the one who asks, those of a login, and pages of those whom a query asks for.
//!
//! A page here is a page of the vendor's. What the vendor cannot filter by is not sent: the caller filters again, and
//! needs to see every user that may match.

use interlingua_core::{
    Call, Cursor, Error, Field, Level, Outcome, PageRequest, Problem, Reply, Result, Role, Scope, Step, Text, UserPage,
    UserQuery,
};

use super::{ask, network_mailbox, single};
use crate::{
    Ecgrid,
    codes::{self, AuthLevel},
    read,
    routes::Op,
    wire::{self, GetUserByName, ListUsers},
};

/// How many users to ask for at once, where nobody says.
const PAGE_SIZE: u32 = 100;

pub(super) fn plan_self(ecgrid: &Ecgrid, replies: &[Reply]) -> Result<Step> {
    let call = Call::read(Op::GetMe.method(), Op::GetMe.path().fill(&[]));
    single(call, Vec::new(), replies, |reply| {
        let (user, notes) = read::user(ecgrid, None, reply)?;
        Ok((Outcome::User(Box::new(user)), notes))
    })
}

pub(super) fn plan(ecgrid: &Ecgrid, query: &UserQuery, page: &PageRequest, replies: &[Reply]) -> Result<Step> {
    match only_login(query) {
        Some(login) => by_login(ecgrid, login, query, page, replies),
        None => list(ecgrid, query, page, replies),
    }
}

// === By login ===

fn only_login(query: &UserQuery) -> Option<&Text> {
    let login = query.login.as_ref().filter(|login| !login.is_empty())?;
    let nothing_else = *query == UserQuery { login: query.login.clone(), ..UserQuery::default() };
    nothing_else.then_some(login)
}

/// The vendor answers with all of them at once.
fn by_login(ecgrid: &Ecgrid, login: &Text, query: &UserQuery, page: &PageRequest, replies: &[Reply]) -> Result<Step> {
    let (before, most) = match page {
        PageRequest::At(None) => (0, usize::MAX),
        PageRequest::At(Some(_)) => return Err(wrong_page("expected no cursor: all users of a login are on one page")),
        PageRequest::Numbered { number, size } => {
            let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
            let pages = usize::try_from(number.get() - 1).unwrap_or(usize::MAX);
            (pages.saturating_mul(size), size)
        }
    };
    let call = ask(Op::GetUserByName, &GetUserByName { login: login.clone() });
    single(call, Vec::new(), replies, |reply| {
        let (users, notes) = read::users(ecgrid, reply)?;
        let users = users.into_iter().skip(before).take(most).collect();
        let page = UserPage { query: query.clone(), page: page.clone(), users, total: None, next: None };
        Ok((Outcome::Users(page), notes))
    })
}

// === By page ===

fn list(ecgrid: &Ecgrid, query: &UserQuery, page: &PageRequest, replies: &[Reply]) -> Result<Step> {
    let (number, size) = numbered(page)?;
    let filters = filters(ecgrid, query)?;
    let wire = ListUsers { page_no: Some(number.into()), records_per_page: Some(size.into()), ..filters };
    single(ask(Op::ListUsers, &wire), Vec::new(), replies, |reply| {
        let (users, notes) = read::users(ecgrid, reply)?;
        // The vendor counts nothing: only a page that is not full is the last.
        let more = users.len() >= size as usize && number < wire::LAST_PAGE && matches!(page, PageRequest::At(_));
        let next = more.then(|| Cursor::new((number + 1).to_string()));
        let page = UserPage { query: query.clone(), page: page.clone(), users, total: None, next };
        Ok((Outcome::Users(page), notes))
    })
}

/// The page's number, and how many users it has at most. A cursor of this vendor's is the number.
fn numbered(page: &PageRequest) -> Result<(u32, u32)> {
    let (number, size) = match page {
        PageRequest::At(None) => (1, PAGE_SIZE),
        PageRequest::At(Some(cursor)) => {
            let number = cursor.as_str().parse().ok().filter(|number: &u32| number.to_string() == cursor.as_str());
            (number.unwrap_or_default(), PAGE_SIZE)
        }
        PageRequest::Numbered { number, size } => (number.get(), size.get()),
    };
    if !(1..=wire::LAST_PAGE).contains(&number) {
        return Err(wrong_page("expected a page that the page before names, or the first"));
    }
    if size > wire::LARGEST_PAGE {
        return Err(wrong_page(format!("expected at most {} users on a page", wire::LARGEST_PAGE)));
    }
    Ok((number, size))
}

fn wrong_page(expected: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(vec![Problem::new(Field::Page, expected)])
}

// === Filters ===

/// What of the query the vendor can filter by, without losing a user that matches.
fn filters(ecgrid: &Ecgrid, query: &UserQuery) -> Result<ListUsers> {
    let status = query.status.map(|status| codes::status_word(status).into());
    // A user without a role in some scopes may have one anywhere else.
    let anywhere = query.roles == [Role::None];
    if anywhere && !query.scopes.is_empty() {
        return Ok(ListUsers { status, ..ListUsers::default() });
    }
    let width = query.level.filter(|_| !anywhere);
    let (network_id, mailbox_id) = place(&query.scopes)?;
    let auth_level = only_word(ecgrid, &query.roles, width).map(|level| level.word().into());
    Ok(ListUsers { network_id, mailbox_id, auth_level, status, ..ListUsers::default() })
}

/// The network that all of the scopes are in, and the mailbox where they are one.
fn place(scopes: &[Scope]) -> Result<(Option<i64>, Option<i64>)> {
    let scopes: Vec<_> = scopes.iter().map(network_mailbox).collect::<Result<_>>()?;
    let Some(first) = scopes.first() else { return Ok((None, None)) };
    let network = scopes.iter().all(|scope| scope.network == first.network).then_some(first.network);
    let mailbox = first.mailbox.filter(|_| scopes.iter().all(|scope| scope == first));
    Ok((network, mailbox))
}

/// The only word that a user with one of these roles can have.
fn only_word(ecgrid: &Ecgrid, roles: &[Role], width: Option<Level>) -> Option<AuthLevel> {
    if roles.is_empty() && width.is_none() {
        return None;
    }
    match AuthLevel::held_by(roles, width, &ecgrid.roles)[..] {
        [level] => Some(level),
        _ => None,
    }
}

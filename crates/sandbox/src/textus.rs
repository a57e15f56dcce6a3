//! A stand-in for the users area of the TextUs Next API.

mod change;
mod query;
mod wire;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use self::change::{Change, Wanted, object};
use self::query::Query;
use self::wire::{Collection, Memberships, Message, View};
pub(crate) use self::wire::{Role, Settings};
use crate::assumed::textus as assumed;
use crate::directory;
use crate::sequence::opaque_id;
use crate::vendor::{Misrouted, Vendor, bearer, json, pick, set};

type Answer = Result<Response<Bytes>, Failure>;

/// TextUs as a state machine: users, their memberships, accounts, the user schema, sending a message.
///
/// A fresh one knows the users of [`directory`] and the tokens [`directory::TEXTUS_TOKEN`] (an admin of every account)
/// and [`directory::TEXTUS_SELF_TOKEN`] (a plain user).
pub struct Textus {
    tokens: HashMap<String, String>,
    rate_limit: u64,
    rate_reset: u64,
    retry_after: u64,
    page_size: usize,
    memberships_as_iri: bool,
    discarded_readable: bool,
    clock: Timestamp,
    start: State,
    state: State,
}

/// All that calls can change.
#[derive(Clone)]
struct State {
    accounts: Vec<Account>,
    /// In the order they were created; none is ever taken out, so a position stays true.
    users: Vec<User>,
    by_id: HashMap<String, usize>,
    /// Keys in lower case.
    by_email: HashMap<String, usize>,
    /// How many ids were made.
    made: u64,
    /// Requests by the user they act as; those without a known token under the empty text.
    spent: HashMap<String, u64>,
}

/// An account of the vendor.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) slug: &'static str,
    pub(crate) name: &'static str,
    pub(crate) phone: &'static str,
}

/// A user of the vendor.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) discarded: bool,
    pub(crate) settings: Settings,
    pub(crate) memberships: Vec<Membership>,
}

/// A user's place in an account, which is named by its slug.
#[derive(Clone)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) account: String,
}

/// Who calls.
struct Caller {
    id: String,
    /// The slugs of the accounts where the caller is admin.
    administers: BTreeSet<String>,
}

/// A refusal, on its way to become an answer.
struct Failure {
    status: StatusCode,
    description: String,
    allow: Option<String>,
}

enum Endpoint<'a> {
    List,
    Create,
    Show(&'a str),
    Update(&'a str),
    Delete(&'a str),
    Memberships(&'a str),
    Accounts,
    UserSchema(&'a str),
    SendMessage,
}

impl Textus {
    /// The starting data, the two default tokens, pages of 25, and a rate limit that nobody reaches.
    pub fn new() -> Textus {
        let mut state = State {
            accounts: directory::textus_accounts(),
            users: Vec::new(),
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            made: 0,
            spent: HashMap::new(),
        };
        directory::textus_users().into_iter().for_each(|user| state.add(user));
        let textus = Textus {
            tokens: HashMap::new(),
            rate_limit: 1_000_000,
            rate_reset: assumed::RATE_RESET,
            retry_after: assumed::RETRY_AFTER,
            page_size: assumed::PAGE_SIZE,
            memberships_as_iri: false,
            discarded_readable: false,
            clock: Timestamp::constant(1_767_225_600, 0),
            start: state.clone(),
            state,
        };
        textus
            .token(directory::TEXTUS_TOKEN, directory::TEXTUS_ADMIN)
            .token(directory::TEXTUS_SELF_TOKEN, directory::TEXTUS_SELF)
    }

    /// Accepts one more bearer token, acting as a user.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>, user: impl Into<String>) -> Textus {
        self.tokens.insert(token.into(), user.into());
        self
    }

    /// Answers 429 once a user has spent this many requests; the window never ends by itself, see
    /// [`renew_rate_window`](Textus::renew_rate_window).
    #[must_use]
    pub fn rate_limit(mut self, requests: u64) -> Textus {
        self.rate_limit = requests;
        self
    }

    /// What `X-RateLimit-Reset` says: seconds since 1970.
    #[must_use]
    pub fn rate_reset(mut self, epoch_seconds: u64) -> Textus {
        self.rate_reset = epoch_seconds;
        self
    }

    /// What `Retry-After` says beside a 429, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Textus {
        self.retry_after = seconds;
        self
    }

    /// How many users a page of the list holds; zero counts as one.
    #[must_use]
    pub fn page_size(mut self, users: usize) -> Textus {
        self.page_size = users.max(1);
        self
    }

    /// Whether every `PUT` answers `memberships` as an IRI, not only that of a user who updates itself.
    #[must_use]
    pub fn memberships_as_iri(mut self, always: bool) -> Textus {
        self.memberships_as_iri = always;
        self
    }

    /// Whether a deleted user is shown with `discarded: true` instead of a 404.
    #[must_use]
    pub fn discarded_readable(mut self, readable: bool) -> Textus {
        self.discarded_readable = readable;
        self
    }

    /// Dates messages from this time on, a second later for each thing made.
    #[must_use]
    pub fn clock(mut self, time: Timestamp) -> Textus {
        self.clock = time;
        self
    }

    /// Adds the first n made-up people of a seed to the starting data, as members of `example_network` and with the
    /// ids of [`directory::textus_id`].
    #[must_use]
    pub fn generate(mut self, n: usize, seed: u64) -> Textus {
        directory::textus_people(n, seed).for_each(|user| self.start.add(user));
        self.state = self.start.clone();
        self
    }

    /// Starts a new rate window: all requests are forgotten.
    pub fn renew_rate_window(&mut self) {
        self.state.spent.clear();
    }

    fn answer(&mut self, request: &Request<Bytes>, caller: Option<String>, spent: u64) -> Answer {
        let id = caller.ok_or_else(|| Failure::of(StatusCode::UNAUTHORIZED, "The token is missing or not known"))?;
        if spent > self.rate_limit {
            return Err(Failure::of(StatusCode::TOO_MANY_REQUESTS, "The rate limit is exceeded"));
        }
        let caller = Caller { administers: self.state.administered_by(&id), id };
        match pick(request.method(), endpoints(request.uri().path()))? {
            Endpoint::List => self.list(&caller, request.uri().query().unwrap_or_default()),
            Endpoint::Create => self.create(&caller, &body(request)?),
            Endpoint::Show(id) => self.show(&caller, id),
            Endpoint::Update(id) => self.update(&caller, id, &body(request)?),
            Endpoint::Delete(id) => self.delete(&caller, id),
            Endpoint::Memberships(id) => self.memberships(&caller, id),
            Endpoint::Accounts => self.accounts(&caller),
            Endpoint::UserSchema(slug) => self.user_schema(&caller, slug),
            Endpoint::SendMessage => self.send_message(&caller, &body(request)?),
        }
    }

    // === Reading ===

    fn list(&self, caller: &Caller, query: &str) -> Answer {
        if caller.administers.is_empty() {
            return Err(Failure::forbidden());
        }
        let (state, query) = (&self.state, Query::read(query));
        let from = match &query.cursor {
            Some(id) => state.position(id).ok_or_else(|| Failure::of(StatusCode::BAD_REQUEST, "Unknown cursor"))?,
            None => 0,
        };
        let listed = |user: &User| !user.discarded && caller.shares_account(user) && query.matches(user);
        let found: Vec<usize> = (0..state.users.len()).filter(|at| listed(&state.users[*at])).collect();
        let start = found.partition_point(|at| *at < from);
        let page = found[start..].iter().take(self.page_size);
        let members = page.map(|at| state.users[*at].document(state.embedded(*at))).collect();
        let view = self.view(&query, &found, start);
        Ok(ok(&Collection::page(query.iri(None), members, found.len(), view)))
    }

    fn view(&self, query: &Query, found: &[usize], start: usize) -> View {
        let link = |at: usize| query.iri(Some(&self.state.users[at].id));
        let next = found.get(start + self.page_size).map(|at| link(*at));
        let previous = match start {
            0 => None,
            start if start <= self.page_size => Some(query.iri(None)),
            start => Some(link(found[start - self.page_size])),
        };
        View::new(query.iri(query.cursor.as_deref()), query.iri(None), next, previous)
    }

    fn show(&self, caller: &Caller, id: &str) -> Answer {
        let at = self.readable(caller, id)?;
        Ok(ok(&self.state.users[at].document(self.state.embedded(at))))
    }

    fn memberships(&self, caller: &Caller, id: &str) -> Answer {
        let at = self.readable(caller, id)?;
        Ok(ok(&self.state.users[at].memberships_document(&self.state.accounts)))
    }

    fn accounts(&self, caller: &Caller) -> Answer {
        let documents = self.state.accounts.iter().filter_map(|account| {
            let role = self.state.role(&caller.id, account.slug)?;
            Some(account.document(role))
        });
        Ok(ok(&Collection::accounts(documents.collect())))
    }

    fn user_schema(&self, caller: &Caller, slug: &str) -> Answer {
        let account = self.state.accounts.iter().find(|account| account.slug == slug).ok_or_else(Failure::not_found)?;
        self.state.role(&caller.id, slug).ok_or_else(Failure::forbidden)?;
        Ok(ok(&account.schema(&self.state.users)))
    }

    // === Writing ===

    fn create(&mut self, caller: &Caller, body: &Map<String, Value>) -> Answer {
        let mut change = Change::read(body, &self.state.accounts)?;
        let name = change.name.take().ok_or_else(|| Failure::invalid("Name can't be blank"))?;
        let email = change.email.take().ok_or_else(|| Failure::invalid("Email can't be blank"))?;
        let wanted = change.memberships.take().filter(|wanted| !wanted.is_empty());
        let wanted = wanted.ok_or_else(|| Failure::invalid("Memberships can't be blank"))?;
        self.state.check_email(&email, None)?;
        let memberships = self.state.replaced(caller, &[], wanted)?;
        let id = self.state.new_id();
        let mut user = User { id, name, email, discarded: false, settings: Settings::default(), memberships };
        change.merge_settings(&mut user.settings);
        self.state.add(user);
        let at = self.state.users.len() - 1;
        Ok(json(StatusCode::CREATED, assumed::MEDIA_TYPE, &self.state.users[at].document(self.state.embedded(at))))
    }

    fn update(&mut self, caller: &Caller, id: &str, body: &Map<String, Value>) -> Answer {
        let at = self.writable(caller, id)?;
        let mut change = Change::read(body, &self.state.accounts)?;
        if let Some(email) = &change.email {
            self.state.check_email(email, Some(at))?;
        }
        if let Some(wanted) = change.memberships.take() {
            let now = self.state.users[at].memberships.clone();
            self.state.users[at].memberships = self.state.replaced(caller, &now, wanted)?;
        }
        if let Some(email) = change.email.take() {
            self.state.set_email(at, email);
        }
        let user = &mut self.state.users[at];
        set(&mut user.name, change.name.take());
        change.merge_settings(&mut user.settings);
        let shown = self.updated_memberships(caller, at);
        Ok(ok(&self.state.users[at].document(shown)))
    }

    /// Takes away the memberships that the caller can reach; without any left the user is discarded.
    fn delete(&mut self, caller: &Caller, id: &str) -> Answer {
        let at = self.writable(caller, id)?;
        let user = &mut self.state.users[at];
        if !caller.reaches(user) {
            return Err(Failure::forbidden());
        }
        user.memberships.retain(|membership| !caller.administers.contains(&membership.account));
        user.discarded = user.memberships.is_empty();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn send_message(&mut self, caller: &Caller, body: &Map<String, Value>) -> Answer {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        if !text("to").is_some_and(is_e164) {
            return Err(Failure::invalid("To must be a phone number"));
        }
        let message = text("body").filter(|text| !text.is_empty());
        let message = message.ok_or_else(|| Failure::invalid("Body can't be blank"))?;
        let sender = self.sender(caller, text("from"), text("email"))?;
        let (id, conversation) = (self.state.new_id(), self.state.new_id());
        let time = self.now();
        let document = Message::new(&id, &conversation, &sender, message, &time);
        Ok(json(StatusCode::CREATED, assumed::MEDIA_TYPE, &document))
    }

    // === Small steps ===

    /// The user a message comes from: a number of an account or the address of a member.
    fn sender(&self, caller: &Caller, from: Option<&str>, email: Option<&str>) -> Result<String, Failure> {
        let owned = |number: &str| self.state.accounts.iter().any(|account| account.phone == number);
        match (from, email) {
            (Some(number), _) if owned(number) => Ok(caller.id.clone()),
            (Some(_), _) => Err(Failure::invalid("From is not a number of an account")),
            (None, Some(email)) => {
                let at = self.state.by_email.get(&email.to_lowercase());
                let user = at.map(|at| &self.state.users[*at]).filter(|user| !user.memberships.is_empty());
                user.map(|user| user.id.clone()).ok_or_else(|| Failure::invalid("Email is not that of a member"))
            }
            (None, None) => Err(Failure::invalid("From or email can't be blank")),
        }
    }

    fn readable(&self, caller: &Caller, id: &str) -> Result<usize, Failure> {
        let at = self.state.position(id).ok_or_else(Failure::not_found)?;
        let user = &self.state.users[at];
        if user.discarded && !self.discarded_readable {
            return Err(Failure::not_found());
        }
        if user.id == caller.id || caller.reaches(user) { Ok(at) } else { Err(Failure::forbidden()) }
    }

    fn writable(&self, caller: &Caller, id: &str) -> Result<usize, Failure> {
        let at = self.readable(caller, id)?;
        if self.state.users[at].discarded { Err(Failure::not_found()) } else { Ok(at) }
    }

    fn updated_memberships(&self, caller: &Caller, at: usize) -> Memberships<'_> {
        let user = &self.state.users[at];
        if self.memberships_as_iri || user.id == caller.id {
            return Memberships::Iri(user.memberships_iri());
        }
        self.state.embedded(at)
    }

    fn caller(&self, headers: &HeaderMap) -> Option<String> {
        let id = self.tokens.get(bearer(headers)?)?;
        let at = self.state.position(id)?;
        (!self.state.users[at].discarded).then(|| id.clone())
    }

    fn now(&self) -> String {
        let seconds = i64::try_from(self.state.made).unwrap_or(i64::MAX);
        let time = self.clock.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        format!("{time:.3}")
    }

    fn with_rate(&self, mut response: Response<Bytes>, spent: u64) -> Response<Bytes> {
        let status = response.status();
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", self.rate_limit.into());
        headers.insert("x-ratelimit-remaining", self.rate_limit.saturating_sub(spent).into());
        headers.insert("x-ratelimit-reset", self.rate_reset.into());
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, self.retry_after.into());
        }
        response
    }
}

impl Default for Textus {
    fn default() -> Textus {
        Textus::new()
    }
}

impl Vendor for Textus {
    fn handle(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let caller = self.caller(request.headers());
        let spent = self.state.spend(caller.as_deref().unwrap_or_default());
        let answer = self.answer(request, caller, spent);
        self.with_rate(answer.unwrap_or_else(|failure| failure.response()), spent)
    }

    fn error(&self, status: StatusCode) -> Response<Bytes> {
        let reason = status.canonical_reason().unwrap_or("Error");
        self.with_rate(Failure::of(status, reason).response(), 0)
    }

    fn reset(&mut self) {
        self.state = self.start.clone();
    }

    fn stored_config(&self, _user: &str) -> Option<Value> {
        None
    }
}

impl fmt::Debug for Textus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Textus").field("users", &self.state.users.len()).finish_non_exhaustive()
    }
}

impl State {
    fn add(&mut self, user: User) {
        self.by_id.insert(user.id.clone(), self.users.len());
        self.by_email.insert(user.email.to_lowercase(), self.users.len());
        self.users.push(user);
    }

    fn set_email(&mut self, at: usize, email: String) {
        self.by_email.remove(&self.users[at].email.to_lowercase());
        self.by_email.insert(email.to_lowercase(), at);
        self.users[at].email = email;
    }

    fn new_id(&mut self) -> String {
        self.made += 1;
        opaque_id(self.made)
    }

    fn spend(&mut self, caller: &str) -> u64 {
        match self.spent.get_mut(caller) {
            Some(spent) => {
                *spent += 1;
                *spent
            }
            None => *self.spent.entry(caller.to_owned()).or_insert(1),
        }
    }

    /// The memberships after a replacement, in the order asked for; an account that stays keeps its membership's id.
    ///
    /// Assumed: only accounts that the caller administers are touched; to ask for a change elsewhere is forbidden.
    fn replaced(
        &mut self,
        caller: &Caller,
        now: &[Membership],
        wanted: Vec<Wanted>,
    ) -> Result<Vec<Membership>, Failure> {
        let kept = |account: &str| now.iter().find(|membership| membership.account == account);
        let reachable = |account: &str| caller.administers.contains(account);
        let unchanged = |wish: &Wanted| kept(&wish.account).is_some_and(|membership| membership.role == wish.role);
        if !wanted.iter().all(|wish| reachable(&wish.account) || unchanged(wish)) {
            return Err(Failure::forbidden());
        }
        let named = |membership: &&Membership| wanted.iter().any(|wish| wish.account == membership.account);
        let untouched = now.iter().filter(|membership| !reachable(&membership.account) && !named(membership));
        let untouched: Vec<Membership> = untouched.cloned().collect();
        let mut after = Vec::with_capacity(wanted.len() + untouched.len());
        for Wanted { role, account } in wanted {
            let id = kept(&account).map_or_else(|| self.new_id(), |membership| membership.id.clone());
            after.push(Membership { id, role, account });
        }
        after.extend(untouched);
        Ok(after)
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    fn embedded(&self, at: usize) -> Memberships<'_> {
        Memberships::Embedded(self.users[at].memberships_document(&self.accounts))
    }

    fn role(&self, user: &str, account: &str) -> Option<Role> {
        let user = &self.users[self.position(user)?];
        user.memberships.iter().find(|membership| membership.account == account).map(|membership| membership.role)
    }

    fn administered_by(&self, user: &str) -> BTreeSet<String> {
        let memberships = self.position(user).map_or(&[][..], |at| &self.users[at].memberships);
        let admin = memberships.iter().filter(|membership| membership.role == Role::Admin);
        admin.map(|membership| membership.account.clone()).collect()
    }

    fn check_email(&self, email: &str, owner: Option<usize>) -> Result<(), Failure> {
        match self.by_email.get(&email.to_lowercase()) {
            Some(at) if Some(*at) != owner => Err(Failure::invalid("Email has already been taken")),
            _ => Ok(()),
        }
    }
}

impl Caller {
    fn shares_account(&self, user: &User) -> bool {
        user.memberships.iter().any(|membership| self.administers.contains(&membership.account))
    }

    /// Assumed: a user without memberships can be reached by every admin, or nobody could bring it back.
    fn reaches(&self, user: &User) -> bool {
        self.shares_account(user) || (user.memberships.is_empty() && !self.administers.is_empty())
    }
}

impl Failure {
    fn of(status: StatusCode, description: &str) -> Failure {
        Failure { status, description: description.to_owned(), allow: None }
    }

    fn invalid(problem: &str) -> Failure {
        Failure::of(StatusCode::UNPROCESSABLE_ENTITY, &format!("Validation failed: {problem}"))
    }

    fn forbidden() -> Failure {
        Failure::of(StatusCode::FORBIDDEN, "Not an admin of the account")
    }

    fn not_found() -> Failure {
        Failure::of(StatusCode::NOT_FOUND, "Not found")
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = assumed::error_document(self.status, &self.description);
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

impl From<Misrouted> for Failure {
    fn from(misrouted: Misrouted) -> Failure {
        match misrouted {
            Misrouted::Path => Failure::not_found(),
            Misrouted::Method(allow) => {
                Failure { allow: Some(allow), ..Failure::of(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed") }
            }
        }
    }
}

/// What a path offers, by method.
fn endpoints(path: &str) -> Vec<(Method, Endpoint<'_>)> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments[..] {
        ["users"] => vec![(Method::GET, Endpoint::List), (Method::POST, Endpoint::Create)],
        ["users", id] if !id.is_empty() => vec![
            (Method::GET, Endpoint::Show(id)),
            (Method::PUT, Endpoint::Update(id)),
            (Method::DELETE, Endpoint::Delete(id)),
        ],
        ["users", id, "memberships"] => vec![(Method::GET, Endpoint::Memberships(id))],
        ["accounts"] => vec![(Method::GET, Endpoint::Accounts)],
        ["messages"] => vec![(Method::POST, Endpoint::SendMessage)],
        [slug, "user_schema"] => vec![(Method::GET, Endpoint::UserSchema(slug))],
        _ => vec![],
    }
}

/// The fields of a request body, once its type and its form are right.
fn body(request: &Request<Bytes>) -> Result<Map<String, Value>, Failure> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !assumed::BODY_TYPES.contains(&media_type.as_str()) {
        return Err(Failure::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/vnd.textus+jsonld"));
    }
    let document: Result<Value, _> = serde_json::from_slice(request.body());
    let document = document.map_err(|_| Failure::of(StatusCode::BAD_REQUEST, "The body is not valid JSON"))?;
    object(&document, "The body").cloned()
}

fn ok(document: &impl Serialize) -> Response<Bytes> {
    json(StatusCode::OK, assumed::MEDIA_TYPE, document)
}

/// Whether a text is a phone number with a plus sign and up to 15 digits.
fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;
    use crate::testing::{Seen, call};

    const ADMIN: (&str, &str) = ("Authorization", "Bearer sandbox-textus-upstream-token");
    const CHUCK: (&str, &str) = ("Authorization", "Bearer sandbox-textus-self-token");
    /// The example of the vendor's pages, as it is on the wire.
    const CHUCK_DOCUMENT: &str = concat!(
        r#"{"@type":"User","@context":"/contexts/User.jsonld","id":"/users/wqyODPA","name":"Chuck Norris","#,
        r#""firstName":"Chuck","lastName":"Norris","email":"chuck@textus.example","avatar":null,"#,
        r#""automatedActor":false,"hasPassword":false,"discarded":false,"#,
        r#""settings":{"notifications":{"email":true},"customSettings":{}},"memberships":MEMBERSHIPS}"#,
    );
    const CHUCK_MEMBERSHIPS: &str = concat!(
        r#"{"@type":"hydra:Collection","@context":"/contexts/hydra:Collection.jsonld","#,
        r#""id":"/users/wqyODPA/memberships","members":[{"@type":"Membership","#,
        r#""@context":"/contexts/Membership.jsonld","id":"/users/wqyODPA/memberships/PWApBE3","role":"user","#,
        r#""user":"/users/wqyODPA","account":{"@type":"Account","@context":"/contexts/Account.jsonld","#,
        r#""id":"/accounts/my_account","name":"Example Account"}}],"totalItems":1}"#,
    );

    fn send(textus: &mut Textus, line: &str, body: &str) -> Seen {
        call(textus, ADMIN, line, body)
    }

    /// One call of a fresh stand-in by the admin; looks at one place of the answer.
    #[track_caller]
    fn check(line: &str, body: &str, status: u16, pointer: &str, expected: Value) {
        let seen = send(&mut Textus::new(), line, body);
        assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
        assert_eq!(seen.at(pointer), expected, "{}", seen.text);
    }

    /// One call of a fresh stand-in by the admin that is refused.
    #[track_caller]
    fn refuses(line: &str, body: &str, status: u16) {
        check(line, body, status, "/@type", value!("hydra:Error"));
    }

    /// One call of a fresh stand-in by a plain user.
    #[track_caller]
    fn as_chuck(line: &str, body: &str, status: u16) {
        let seen = call(&mut Textus::new(), CHUCK, line, body);
        assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
    }

    /// Ids of the memberships in an answer, by account.
    fn membership_ids(seen: &Seen) -> Vec<(String, String)> {
        let members = seen.at("/memberships/members");
        let text = |value: &Value| value.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        members.as_array().unwrap().iter().map(|m| (text(&m["account"]["id"]), text(&m["id"]))).collect()
    }

    #[test]
    fn the_user_has_the_order_of_the_pages() {
        let embedded = CHUCK_DOCUMENT.replace("MEMBERSHIPS", CHUCK_MEMBERSHIPS);
        let seen = send(&mut Textus::new(), "GET /users/wqyODPA", "");
        assert_eq!(seen.text, embedded);
        assert_eq!(seen.headers["content-type"], "application/vnd.textus+jsonld; charset=utf-8");
        assert_eq!(send(&mut Textus::new(), "PUT /users/wqyODPA", "{}").text, embedded);
        assert_eq!(send(&mut Textus::new(), "GET /users/wqyODPA/memberships", "").text, CHUCK_MEMBERSHIPS);
        let itself = call(&mut Textus::new(), CHUCK, "PUT /users/wqyODPA", "{}");
        assert_eq!(itself.text, CHUCK_DOCUMENT.replace("MEMBERSHIPS", r#""/users/wqyODPA/memberships""#));
    }

    #[test]
    fn settings_have_the_order_of_the_pages() {
        let body = r#"{"defaultMessagingAccount":"my_account","settings":{"analyticsReports":[{"account":
            "/accounts/my_account","schedule":"FREQ=MONTHLY;BYDAY=1FR","timePeriod":"previous_month",
            "reports":["users_by_organization"],"more":1}],"customSettings":{"/textus/user_schema/calendar":"x"},
            "notifications":{"audio":false}}}"#;
        let seen = send(&mut Textus::new(), "PUT /users/wqyODPA", body);
        let expected = concat!(
            r#""settings":{"notifications":{"email":true,"audio":false},"#,
            r#""customSettings":{"/textus/user_schema/calendar":"x"},"#,
            r#""defaultMessagingAccount":"/accounts/my_account","#,
            r#""analyticsReports":[{"account":"/accounts/my_account","schedule":"FREQ=MONTHLY;BYDAY=1FR","#,
            r#""timePeriod":"previous_month","reports":["users_by_organization"],"more":1}]}"#,
        );
        assert!(seen.text.contains(expected), "{}", seen.text);
    }

    #[test]
    fn memberships_come_as_an_iri_when_told() {
        let mut textus = Textus::new().memberships_as_iri(true);
        let seen = send(&mut textus, "PUT /users/PWApBE3", "{}");
        assert_eq!(seen.at("/memberships"), "/users/PWApBE3/memberships");
        assert_eq!(send(&mut textus, "GET /users/PWApBE3", "").at("/memberships/totalItems"), 1);
    }

    #[test]
    fn the_error_document() {
        let seen = send(&mut Textus::new(), "GET /users/nobody0", "");
        let expected = concat!(
            r#"{"@type":"hydra:Error","@context":"/contexts/hydra:Error.jsonld","hydra:title":"Not Found","#,
            r#""hydra:description":"Not found"}"#,
        );
        assert_eq!((seen.status.as_u16(), seen.text.as_str()), (404, expected));
        assert_eq!(seen.headers["content-type"], "application/vnd.textus+jsonld; charset=utf-8");
    }

    #[test]
    fn checks_the_caller() {
        #[track_caller]
        fn status(header: (&str, &str), expected: u16) {
            assert_eq!(call(&mut Textus::new(), header, "GET /users/wqyODPA", "").status.as_u16(), expected);
        }
        status(ADMIN, 200);
        status(CHUCK, 200);
        status(("Authorization", "Bearer other"), 401);
        status(("Authorization", "Basic sandbox-textus-upstream-token"), 401);
        status(("X-API-Key", "sandbox-textus-upstream-token"), 401);
    }

    #[test]
    fn the_caller_needs_rights() {
        as_chuck("GET /users", "", 403);
        as_chuck("GET /users/PWApBE3", "", 403);
        as_chuck("GET /users/nobody0", "", 404);
        as_chuck("PUT /users/PWApBE3", "{}", 403);
        as_chuck("DELETE /users/PWApBE3", "", 403);
        as_chuck("DELETE /users/wqyODPA", "", 403);
        as_chuck("GET /users/wqyODPA/memberships", "", 200);
        as_chuck("GET /other_account/user_schema", "", 403);
        as_chuck("GET /my_account/user_schema", "", 200);
        let create = |account: &str| {
            format!(r#"{{"name":"N","email":"n@example.com","memberships":[{{"role":"user","account":"{account}"}}]}}"#)
        };
        as_chuck("POST /users", &create("/accounts/my_account"), 403);
        let membership = |role: &str, account: &str| {
            format!(r#"{{"memberships":[{{"role":"{role}","account":"/accounts/{account}"}}]}}"#)
        };
        as_chuck("PUT /users/wqyODPA", &membership("user", "my_account"), 200);
        as_chuck("PUT /users/wqyODPA", &membership("admin", "my_account"), 403);
        as_chuck("PUT /users/wqyODPA", &membership("user", "other_account"), 403);
    }

    #[test]
    fn an_admin_touches_only_its_accounts() {
        let mut textus = Textus::new().token("part", "wqyODPA");
        let part = ("Authorization", "Bearer part");
        let membership = |role: &str, account: &str| value!({"role": role, "account": format!("/accounts/{account}")});
        let admin = value!({"memberships": [membership("admin", "my_account")]}).to_string();
        send(&mut textus, "PUT /users/wqyODPA", &admin);
        let both = value!({"memberships": [membership("user", "my_account"), membership("user", "other_account")]});
        send(&mut textus, "PUT /users/PWApBE3", &both.to_string());
        assert_eq!(call(&mut textus, part, "GET /users", "").at("/totalItems"), 3);
        let seen = call(&mut textus, part, "PUT /users/PWApBE3", r#"{"memberships":[]}"#);
        assert_eq!(membership_ids(&seen)[0].0, "other_account");
        assert_eq!(call(&mut textus, part, "GET /users/PWApBE3", "").status, StatusCode::FORBIDDEN);
        let outside = value!({"memberships": [membership("user", "other_account")]}).to_string();
        let seen = call(&mut textus, part, "PUT /users/wqyODPA", &outside);
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn knows_its_paths() {
        refuses("GET /", "", 404);
        refuses("GET /users/", "", 404);
        refuses("GET /users/a/b", "", 404);
        refuses("GET /nowhere/user_schema", "", 404);
        refuses("PATCH /users/wqyODPA", "{}", 405);
        refuses("DELETE /users", "", 405);
        refuses("GET /messages", "", 405);
        assert_eq!(send(&mut Textus::new(), "DELETE /users", "").headers["allow"], "GET, POST");
    }

    #[test]
    fn checks_the_body() {
        #[track_caller]
        fn status(content_type: Option<&str>, body: &'static str, expected: u16) {
            let mut request = Request::put("/users/wqyODPA").header(ADMIN.0, ADMIN.1);
            if let Some(content_type) = content_type {
                request = request.header("Content-Type", content_type);
            }
            let response = Textus::new().handle(&request.body(Bytes::from_static(body.as_bytes())).unwrap());
            assert_eq!(response.status().as_u16(), expected);
        }
        status(Some("application/vnd.textus+jsonld"), "{}", 200);
        status(Some("application/vnd.textus+jsonld; charset=utf-8"), "{}", 200);
        status(Some("Application/JSON;charset=utf-8"), "{}", 200);
        status(Some("application/x-www-form-urlencoded"), "{}", 415);
        status(Some("text/plain"), "{}", 415);
        status(None, "{}", 415);
        status(Some("application/json"), "", 400);
        status(Some("application/json"), "{", 400);
        status(Some("application/json"), "[]", 422);
    }

    #[test]
    fn lists_what_is_asked_for() {
        #[track_caller]
        fn found(query: &str, names: &[&str]) {
            let seen = send(&mut Textus::new(), &format!("GET /users{query}"), "");
            let members = seen.at("/members");
            let seen_names: Vec<&str> =
                members.as_array().unwrap().iter().filter_map(|m| m["firstName"].as_str()).collect();
            assert_eq!(seen_names, names);
            assert_eq!(seen.at("/totalItems"), names.len());
        }
        found("", &["Chuck", "Eddie", "Zoe", "Ann"]);
        found("?q=CHUCK", &["Chuck"]);
        found("?q=textus.example", &["Chuck", "Eddie", "Zoe", "Ann"]);
        found("?q=eddie%40textus", &["Eddie"]);
        found("?q=nobody", &[]);
        found("?accounts[]=my_account", &["Chuck", "Ann"]);
        found("?accounts%5B%5D=/accounts/my_account_child", &["Eddie", "Ann"]);
        found("?accounts[]=my_account&accounts[]=/accounts/other_account", &["Chuck", "Zoe", "Ann"]);
        found("?accounts[]=my_account&q=chuck", &["Chuck"]);
        found("?accounts[]=nowhere", &[]);
        refuses("GET /users?cursor=nobody0", "", 400);
    }

    #[test]
    fn the_list_is_that_of_the_pages() {
        let seen = send(&mut Textus::new(), "GET /users?q=chuck", "");
        let start = r#"{"@type":"hydra:Collection","@context":"/contexts/hydra:Collection.jsonld","id":"/users?q=chuck","members":[{"#;
        let end = concat!(
            r#"}],"totalItems":1,"view":{"@type":"hydra:PartialCollectionView","#,
            r#""@context":"/contexts/hydra:PartialCollectionView.jsonld","id":"/users?q=chuck","#,
            r#""first":"/users?q=chuck","next":null,"previous":null}}"#,
        );
        assert!(seen.text.starts_with(start) && seen.text.ends_with(end), "{}", seen.text);
    }

    #[test]
    fn follows_next_to_the_end_and_back() {
        let mut textus = Textus::new().generate(8, 1).page_size(5);
        let mut page = |path: &str| {
            let seen = send(&mut textus, &format!("GET {path}"), "");
            let view = |key: &str| seen.at(&format!("/view/{key}")).as_str().map(str::to_owned);
            (seen.at("/members").as_array().unwrap().len(), seen.at("/totalItems"), view("next"), view("previous"))
        };
        let (count, total, next, previous) = page("/users");
        assert_eq!((count, total, previous), (5, value!(12), None));
        let second = next.unwrap();
        let (count, _, next, previous) = page(&second);
        assert_eq!((count, previous.as_deref()), (5, Some("/users")));
        let (count, _, next, previous) = page(&next.unwrap());
        assert_eq!((count, next, previous), (2, None, Some(second)));
    }

    #[test]
    fn pages_are_stable_while_users_come_and_go() {
        let mut textus = Textus::new().generate(8, 1).page_size(5);
        let next = send(&mut textus, "GET /users", "").at("/view/next");
        let line = format!("GET {}", next.as_str().unwrap());
        let before = send(&mut textus, &line, "").at("/members");
        send(&mut textus, "POST /users", &eddie(""));
        send(&mut textus, "DELETE /users/wqyODPA", "");
        assert_eq!(send(&mut textus, &line, "").at("/members"), before);
        let first = before[0]["id"].as_str().unwrap().to_owned();
        send(&mut textus, &format!("DELETE {first}"), "");
        assert_eq!(send(&mut textus, &line, "").at("/members/0"), before[1]);
    }

    fn eddie(extra: &str) -> String {
        let memberships = r#"[{"account":"/accounts/my_account","role":"admin"}]"#;
        format!(r#"{{"name":"Eddie","email":"edmund@bravo.example","memberships":{memberships}{extra}}}"#)
    }

    #[test]
    fn creates() {
        let mut textus = Textus::new();
        let seen = send(&mut textus, "POST /users", &eddie(r#","avatar":1,"what":[]"#));
        assert_eq!(seen.status, StatusCode::CREATED);
        let id = seen.at("/id").as_str().unwrap().to_owned();
        assert_eq!(id.len(), "/users/".len() + 7);
        assert_eq!((seen.at("/firstName"), seen.at("/lastName")), (value!("Eddie"), value!("")));
        assert_eq!(seen.at("/settings"), value!({"customSettings": {}}));
        assert_eq!(seen.at("/memberships/members/0/role"), "admin");
        assert_eq!(send(&mut textus, &format!("GET {id}"), "").text, seen.text);
        assert_eq!(send(&mut textus, "POST /users", &eddie("")).status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn creates_only_what_is_complete() {
        let line = "POST /users";
        let member = r#"[{"account":"/accounts/my_account","role":"user"}]"#;
        refuses(line, &format!(r#"{{"email":"n@example.com","memberships":{member}}}"#), 422);
        refuses(line, &format!(r#"{{"name":"N","memberships":{member}}}"#), 422);
        refuses(line, &format!(r#"{{"name":"N","email":"bad","memberships":{member}}}"#), 422);
        refuses(line, &format!(r#"{{"name":"N","email":"CHUCK@textus.example","memberships":{member}}}"#), 422);
        refuses(line, r#"{"name":"N","email":"n@example.com"}"#, 422);
        refuses(line, r#"{"name":"N","email":"n@example.com","memberships":[]}"#, 422);
    }

    #[test]
    fn updates_what_is_named() {
        let line = "PUT /users/PWApBE3";
        let page = r#"{"name":"Not Chuck","email":"not+chuck@textus.example"}"#;
        check(line, page, 200, "/id", value!("/users/PWApBE3"));
        check(line, page, 200, "/firstName", value!("Not"));
        check(line, page, 200, "/lastName", value!("Chuck"));
        check(line, page, 200, "/email", value!("not+chuck@textus.example"));
        check(line, page, 200, "/memberships/totalItems", value!(1));
        check(line, r#"{"email":"eddie@textus.example"}"#, 200, "/email", value!("eddie@textus.example"));
        check(line, r#"{"email":"EDDIE@textus.example"}"#, 200, "/email", value!("EDDIE@textus.example"));
        check(line, r#"{"firstName":"X","id":"/users/x","discarded":true}"#, 200, "/name", value!("Eddie Bravo"));
        check(line, r#"{"name":"Mary Ann Major"}"#, 200, "/lastName", value!("Ann Major"));
        refuses(line, r#"{"name":""}"#, 422);
        refuses(line, r#"{"name":null}"#, 422);
        refuses(line, r#"{"name":1}"#, 422);
        refuses(line, r#"{"email":null}"#, 422);
        refuses(line, r#"{"email":"bad"}"#, 422);
        refuses(line, r#"{"email":"chuck@textus.example"}"#, 422);
        refuses("PUT /users/nobody0", "{}", 404);
    }

    #[test]
    fn an_address_that_was_left_is_free() {
        let mut textus = Textus::new();
        send(&mut textus, "PUT /users/PWApBE3", r#"{"email":"new@textus.example"}"#);
        let seen = send(&mut textus, "PUT /users/wqyODPA", r#"{"email":"eddie@textus.example"}"#);
        assert_eq!(seen.status, StatusCode::OK);
        let seen = send(&mut textus, "PUT /users/wqyODPA", r#"{"email":"new@textus.example"}"#);
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn merges_settings() {
        let line = "PUT /users/wqyODPA";
        let notifications = "/settings/notifications";
        check(line, r#"{"settings":{}}"#, 200, notifications, value!({"email": true}));
        let audio = r#"{"settings":{"notifications":{"audio":true}}}"#;
        check(line, audio, 200, notifications, value!({"email": true, "audio": true}));
        check(line, r#"{"notifications":{"email":false}}"#, 200, notifications, value!({"email": false}));
        let both = r#"{"notifications":{"email":false,"audio":false},"settings":{"notifications":{"email":true}}}"#;
        check(line, both, 200, notifications, value!({"email": true, "audio": false}));
        let default = "/settings/defaultMessagingAccount";
        check(line, r#"{"defaultMessagingAccount":"my_account"}"#, 200, default, value!("/accounts/my_account"));
        check(
            line,
            r#"{"defaultMessagingAccount":"/accounts/my_account"}"#,
            200,
            default,
            value!("/accounts/my_account"),
        );
        let inside = r#"{"settings":{"defaultMessagingAccount":"my_account"}}"#;
        check(line, inside, 200, default, value!("/accounts/my_account"));
        check(line, r#"{"settings":{"customSettings":{"/a":5}}}"#, 200, "/settings/customSettings/~1a", value!(5));
        refuses(line, r#"{"defaultMessagingAccount":"nowhere"}"#, 422);
        refuses(line, r#"{"defaultMessagingAccount":null}"#, 422);
        refuses(line, r#"{"settings":null}"#, 422);
        refuses(line, r#"{"settings":{"notifications":{"email":"yes"}}}"#, 422);
        refuses(line, r#"{"settings":{"notifications":{"email":null}}}"#, 422);
        refuses(line, r#"{"notifications":[]}"#, 422);
        refuses(line, r#"{"settings":{"customSettings":[]}}"#, 422);
        refuses(line, r#"{"settings":{"customSettings":{"/a":{}}}}"#, 422);
        refuses(line, r#"{"settings":{"analyticsReports":{}}}"#, 422);
        refuses(line, r#"{"settings":{"analyticsReports":["x"]}}"#, 422);
    }

    #[test]
    fn null_deletes_a_custom_setting() {
        let mut textus = Textus::new();
        let mut custom = |settings: &str| {
            let body = format!(r#"{{"settings":{{"customSettings":{settings}}}}}"#);
            call(&mut textus, CHUCK, "PUT /users/wqyODPA", &body).at("/settings/customSettings")
        };
        assert_eq!(custom(r#"{"/a":"1","/b":"2"}"#), value!({"/a": "1", "/b": "2"}));
        assert_eq!(custom(r#"{"/a":"3"}"#), value!({"/a": "3", "/b": "2"}));
        assert_eq!(custom(r#"{"/b":null,"/c":null}"#), value!({"/a": "3"}));
    }

    #[test]
    fn replaces_memberships() {
        let mut textus = Textus::new();
        let mut put = |memberships: Value| {
            send(&mut textus, "PUT /users/PWApBE3", &value!({"memberships": memberships}).to_string())
        };
        let membership = |role: &str, account: &str| value!({"role": role, "account": format!("/accounts/{account}")});
        let seen = put(value!([membership("user", "my_account"), membership("support", "my_account_child")]));
        let both = membership_ids(&seen);
        assert_eq!([&*both[0].0, &*both[1].0, &*both[1].1], ["my_account", "my_account_child", "AP1yemE"]);
        assert_eq!(seen.at("/memberships/members/1/role"), "support");
        let seen = put(value!([membership("admin", "my_account")]));
        assert_eq!(membership_ids(&seen), both[..1]);
        let seen = put(value!([]));
        assert_eq!((seen.at("/memberships/members"), seen.at("/memberships/totalItems")), (value!([]), value!(0)));
        assert_eq!(put(value!([membership("user", "my_account")])).status, StatusCode::OK);
    }

    #[test]
    fn refuses_bad_memberships() {
        let line = "PUT /users/PWApBE3";
        refuses(line, r#"{"memberships":null}"#, 422);
        refuses(line, r#"{"memberships":"/users/PWApBE3/memberships"}"#, 422);
        refuses(line, r#"{"memberships":["x"]}"#, 422);
        refuses(line, r#"{"memberships":[{"account":"/accounts/my_account"}]}"#, 422);
        refuses(line, r#"{"memberships":[{"role":"owner","account":"/accounts/my_account"}]}"#, 422);
        refuses(line, r#"{"memberships":[{"role":"user"}]}"#, 422);
        refuses(line, r#"{"memberships":[{"role":"user","account":"/accounts/nowhere"}]}"#, 422);
        refuses(line, r#"{"memberships":[{"role":"user","account":"my_account"}]}"#, 422);
        let twice = r#"{"role":"user","account":"/accounts/my_account"}"#;
        refuses(line, &format!(r#"{{"memberships":[{twice},{twice}]}}"#), 422);
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let mut textus = Textus::new();
        let before = send(&mut textus, "GET /users/PWApBE3", "").text;
        let body = r#"{"name":"X","email":"x@textus.example","memberships":[],"settings":{"notifications":1}}"#;
        send(&mut textus, "PUT /users/PWApBE3", body);
        assert_eq!(send(&mut textus, "GET /users/PWApBE3", "").text, before);
    }

    #[test]
    fn deletes() {
        let mut textus = Textus::new();
        let seen = send(&mut textus, "DELETE /users/PWApBE3", "");
        assert_eq!((seen.status.as_u16(), seen.text.as_str()), (204, ""));
        for line in ["GET /users/PWApBE3", "PUT /users/PWApBE3", "DELETE /users/PWApBE3"] {
            assert_eq!(send(&mut textus, line, "{}").status, StatusCode::NOT_FOUND, "{line}");
        }
        assert_eq!(send(&mut textus, "GET /users", "").at("/totalItems"), 3);
        let again = eddie("").replace("edmund@bravo.example", "eddie@textus.example");
        assert_eq!(send(&mut textus, "POST /users", &again).status, StatusCode::UNPROCESSABLE_ENTITY);
        refuses("DELETE /users/nobody0", "", 404);
    }

    #[test]
    fn a_deleted_user_can_stay_readable() {
        let mut textus = Textus::new().discarded_readable(true);
        send(&mut textus, "DELETE /users/PWApBE3", "");
        let seen = send(&mut textus, "GET /users/PWApBE3", "");
        assert_eq!((seen.at("/discarded"), seen.at("/memberships/totalItems")), (value!(true), value!(0)));
        assert_eq!(send(&mut textus, "PUT /users/PWApBE3", "{}").status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_deleted_caller_is_nobody() {
        let mut textus = Textus::new();
        send(&mut textus, "DELETE /users/wqyODPA", "");
        assert_eq!(call(&mut textus, CHUCK, "GET /accounts", "").status, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn shows_accounts_and_their_schema() {
        check("GET /accounts", "", 200, "/@type", value!("AccountCollection"));
        check("GET /accounts", "", 200, "/totalItems", value!(4));
        let seen = call(&mut Textus::new(), CHUCK, "GET /accounts", "");
        let expected = concat!(
            r#"{"@type":"Account","@context":"/contexts/Account.jsonld","id":"/accounts/my_account","#,
            r#""name":"Example Account","slug":"my_account","logo":null,"phoneNumbers":["(303) 555-0102"],"#,
            r#""effectiveRole":"user","type":"standard","analytics":"/accounts/my_account/analytics"}"#,
        );
        assert!(seen.text.contains(expected), "{}", seen.text);
        check("GET /my_account/user_schema", "", 200, "/fields/members/0/slug", value!("calendar"));
        check("GET /my_account/user_schema", "", 200, "/fields/members/0/inUse", value!(false));
    }

    #[test]
    fn sends_a_message() {
        let line = "POST /messages";
        let from = r#"{"from":"+13035550102","to":"+13035550199","body":"a < b"}"#;
        check(line, from, 201, "/sender", value!("/users/aDm1n00"));
        check(line, from, 201, "/formattedBody", value!("<div>a &lt; b</div>"));
        check(line, from, 201, "/displayTimestamp", value!("2026-01-01T00:00:02.000Z"));
        let email = r#"{"email":"chuck@textus.example","to":"+13035550199","body":"hi"}"#;
        check(line, email, 201, "/sender", value!("/users/wqyODPA"));
        refuses(line, r#"{"from":"+13035550102","to":"3035550199","body":"hi"}"#, 422);
        refuses(line, r#"{"from":"+13035550102","to":"+13035550199","body":""}"#, 422);
        refuses(line, r#"{"from":"+19995550102","to":"+13035550199","body":"hi"}"#, 422);
        refuses(line, r#"{"email":"nobody@textus.example","to":"+13035550199","body":"hi"}"#, 422);
        refuses(line, r#"{"to":"+13035550199","body":"hi"}"#, 422);
    }

    #[test]
    fn counts_requests_per_user() {
        let mut textus = Textus::new().rate_limit(2).rate_reset(1000).retry_after(7);
        let rate = |seen: &Seen| {
            let number = |name: &str| seen.headers[name].to_str().unwrap().parse::<u64>().unwrap();
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(number)
        };
        assert_eq!(rate(&send(&mut textus, "GET /users", "")), [2, 1, 1000]);
        assert_eq!(rate(&send(&mut textus, "GET /nowhere", "")), [2, 0, 1000]);
        let seen = send(&mut textus, "GET /users", "");
        assert_eq!((seen.status.as_u16(), rate(&seen)), (429, [2, 0, 1000]));
        assert_eq!(
            (&seen.headers["retry-after"], seen.at("/@type")),
            (&HeaderValue::from_static("7"), value!("hydra:Error"))
        );
        assert_eq!(call(&mut textus, CHUCK, "GET /accounts", "").status, StatusCode::OK);
        assert_eq!(rate(&call(&mut textus, ("accept", "*/*"), "GET /users", "")), [2, 1, 1000]);
        textus.renew_rate_window();
        assert_eq!(send(&mut textus, "GET /users", "").status, StatusCode::OK);
    }

    #[test]
    fn injected_errors_speak_the_vendors_language() {
        let response = Textus::new().error(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "300");
        assert!(response.headers().contains_key("x-ratelimit-reset"));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["hydra:title"], "Too Many Requests");
    }

    #[test]
    fn a_reset_goes_back_to_the_start() {
        let mut textus = Textus::new().generate(2, 1);
        let before = send(&mut textus, "GET /users", "").text;
        send(&mut textus, "POST /users", &eddie(""));
        send(&mut textus, "DELETE /users/wqyODPA", "");
        textus.reset();
        assert_eq!(send(&mut textus, "GET /users", "").text, before);
    }

    #[test]
    fn debug_shows_no_people() {
        assert_eq!(format!("{:?}", Textus::new()), "Textus { users: 4, .. }");
    }
}

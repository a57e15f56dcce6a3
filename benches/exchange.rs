//! An exchange as the gateway carries it out, without sockets, link store and log: the steps between the documents.

use std::borrow::Cow;

use interlingua_core::{
    Adapter, Bytes, Call, Command, Grant, Known, Mapping, Outcome, Reply, Request, Response, Scope, Step, Text,
    Timestamp, User, UserId, UserPage, Validator,
    http::{Method, StatusCode},
};
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;
use serde_json::{Value, json};

macro_rules! document {
    ($path:literal) => {
        include_bytes!(concat!("../tests/documents/", $path)).as_slice()
    };
}

pub(crate) const ECGRID_UPDATE: &[u8] = document!("ecgrid/update-user-example.request.json");
pub(crate) const ECGRID_USER: &[u8] = document!("ecgrid/update-user-example.response.json");
pub(crate) const ECGRID_CONFIG: &[u8] = document!("ecgrid/update-config-example.response.json");
pub(crate) const TEXTUS_UPDATE: &[u8] = document!("textus/update-user-updating-another-user.request.json");
pub(crate) const TEXTUS_USER: &[u8] = document!("textus/update-user-updating-another-user.response.json");

/// One dialect, with its ids for the one user and the one account that are linked.
pub(crate) struct Side {
    adapter: Box<dyn Adapter>,
    validator: Validator,
    user: UserId,
    scope: Scope,
}

impl Side {
    fn ecgrid() -> Self {
        let preferences = [("emailNotification", "notifications.email"), ("audioNotification", "notifications.audio")];
        let preferences = preferences.map(|(name, key)| (Text::from(name), Text::from(key)));
        let mapping = Mapping { preferences: preferences.into(), ..Mapping::default() };
        let adapter = Ecgrid::new().configured(&mapping).expect("the mapping is one that ECGrid takes");
        Self::new(adapter, &json!(1042), &json!({"network": 1, "mailbox": 101}))
    }

    fn textus() -> Self {
        Self::new(Box::new(Textus::new()), &json!("wqyODPA"), &json!("my_account"))
    }

    fn new(adapter: Box<dyn Adapter>, user: &Value, scope: &Value) -> Self {
        let scope = adapter.scope(scope).expect("the scope is spelled as the dialect spells it");
        Self {
            validator: Validator::new(adapter.dialect()).expect("the dialect's own schemas compile"),
            user: adapter.user_id(user).expect("the id is spelled as the dialect spells it"),
            scope: Scope { name: Some("Example Account".into()), ..scope },
            adapter,
        }
    }
}

/// A client of one dialect has something done in the other.
pub(crate) struct Exchange {
    pub(crate) face: Side,
    upstream: Side,
    operation: Cow<'static, str>,
    pub(crate) request: Request,
    pub(crate) replies: Vec<Reply>,
    /// What the request means, in the upstream's ids.
    command: Command,
    /// What the link remembers for answers that the upstream cannot give.
    login: Text,
    created: Timestamp,
}

impl Exchange {
    /// Sets e-mail address and both halves of the name. It takes one call.
    pub(crate) fn ecgrid_to_textus() -> Self {
        let request = Request::new(Method::PUT, "/v2/users", ECGRID_UPDATE);
        Self::new(Side::ecgrid(), Side::textus(), request, vec![Bytes::from_static(TEXTUS_USER)])
    }

    /// Sets e-mail address, name and two notifications. It takes two calls.
    pub(crate) fn textus_to_ecgrid() -> Self {
        let request = Request::new(Method::PUT, "/users/wqyODPA", TEXTUS_UPDATE);
        let replies = [ECGRID_USER, ECGRID_CONFIG].map(Bytes::from_static);
        Self::new(Side::textus(), Side::ecgrid(), request, replies.into())
    }

    /// Shows a page of so many users.
    pub(crate) fn ecgrid_page_of_textus(users: usize) -> Self {
        let request = Request::new(Method::POST, "/v2/users/list", format!(r#"{{"recordsPerPage": {users}}}"#));
        let mut page = parsed(document!("textus/list-users.response.json"));
        page["members"] = vec![parsed(TEXTUS_USER); users].into();
        page["totalItems"] = users.into();
        Self::new(Side::ecgrid(), Side::textus(), request, vec![page.to_string().into()])
    }

    /// Shows a page of so many users.
    pub(crate) fn textus_page_of_ecgrid(users: usize) -> Self {
        let mut page = parsed(ECGRID_USER);
        page["data"] = vec![page["data"].clone(); users].into();
        Self::new(Side::textus(), Side::ecgrid(), Request::get("/users"), vec![page.to_string().into()])
    }

    fn new(face: Side, upstream: Side, request: Request, replies: Vec<Bytes>) -> Self {
        let reading = face.adapter.read(&request).expect("the vendor's own request is readable");
        Self {
            command: relink(reading.command, &face, &upstream),
            operation: reading.operation,
            replies: replies.into_iter().map(|body| Reply::new(StatusCode::OK, body)).collect(),
            login: "jsmith".into(),
            created: Timestamp::parse("2024-03-15T10:22:00Z").expect("it is a time"),
            face,
            upstream,
            request,
        }
    }

    /// What the gateway does with a request: it reads one that is valid, links it and plans the calls.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let read = self.face.validator.read(&*self.face.adapter, &self.request);
        let (_, _, reading) = read.expect("the vendor's own request is valid");
        self.plan(reading.expect("the vendor's own request is readable").command)
    }

    /// The same where the schema is asked first, as for a request that the adapter does not vouch for.
    pub(crate) fn calls_by_schema(&self) -> Vec<Call> {
        let (face, request) = (&self.face, &self.request);
        face.validator.request(face.adapter.dialect(), request).expect("the vendor's own request is valid");
        self.plan(face.adapter.read(request).expect("the vendor's own request is readable").command)
    }

    fn plan(&self, command: Command) -> Vec<Call> {
        self.first_calls(&relink(command, &self.face, &self.upstream))
    }

    /// The last of these steps alone: to plan the calls of a request that was read and linked before.
    pub(crate) fn planned(&self) -> Vec<Call> {
        self.first_calls(&self.command)
    }

    fn first_calls(&self, command: &Command) -> Vec<Call> {
        match self.upstream.adapter.plan(command, &[]) {
            Ok(Step::Send { calls, .. }) => calls,
            other => panic!("the calls are all that is to be done, and not {other:?}"),
        }
    }

    /// What the gateway does with the replies: it takes the plan from the first to its outcome, links that and writes
    /// the answer.
    pub(crate) fn answer(&self) -> Response {
        let received = 1..=self.replies.len();
        let steps = received.map(|received| self.upstream.adapter.plan(&self.command, &self.replies[..received]));
        let outcome = match steps.last() {
            Some(Ok(Step::Done { outcome: Outcome::User(user), .. })) => Outcome::User(Box::new(self.to_face(*user))),
            Some(Ok(Step::Done { outcome: Outcome::Users(page), .. })) => {
                let users = page.users.into_iter().map(|user| self.to_face(user)).collect();
                Outcome::Users(UserPage { users, ..page })
            }
            other => panic!("the replies are all that the plan needs, but it says {other:?}"),
        };
        self.face.adapter.write(&self.operation, &outcome).expect("a linked user can be written").response
    }

    /// The same with a check of the answer against its schema, as debug builds of the gateway do it.
    pub(crate) fn answer_by_schema(&self) -> Response {
        let answer = self.answer();
        self.face.validator.response(&self.operation, &answer).expect("an adapter writes what its schemas allow");
        answer
    }

    fn to_face(&self, user: User) -> User {
        assert_eq!(user.id, self.upstream.user);
        let link = |scope| counterpart(&scope, &self.upstream, &self.face);
        let grants = user.grants.map(|grants| {
            let linked = grants.into_iter().map(|grant| Grant { scope: link(grant.scope), id: None, ..grant });
            linked.collect()
        });
        User {
            id: self.face.user.clone(),
            login: if user.login.is_unknown() { Known::Value(self.login.clone()) } else { user.login },
            created: if user.created.is_unknown() { Known::Value(self.created.clone()) } else { user.created },
            grants,
            primary_scope: user.primary_scope.map(link),
            ..user
        }
    }
}

/// Finds out what is wrong with a request, and writes the error document.
pub(crate) fn refuse(face: &Side, request: &Request) -> Response {
    let error = face.validator.request(face.adapter.dialect(), request).expect_err("the request is a wrong one");
    face.adapter.write_error(&error)
}

fn relink(command: Command, from: &Side, to: &Side) -> Command {
    assert!(command.user().is_none_or(|user| *user == from.user));
    let link = |scope| Ok::<_, std::convert::Infallible>(counterpart(&scope, from, to));
    let Ok(command) = command.relink(|_| Ok(to.user.clone()), link);
    command
}

fn counterpart(scope: &Scope, from: &Side, to: &Side) -> Scope {
    assert_eq!(scope.id, from.scope.id);
    to.scope.clone()
}

fn parsed(document: &[u8]) -> Value {
    serde_json::from_slice(document).expect("the vendor's own document is JSON")
}

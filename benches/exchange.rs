//! An exchange as the gateway carries it out, without sockets, link store and log: the steps between the documents.

use interlingua_core::{
    Adapter, Call, Command, Grant, Known, Mapping, Outcome, Reply, Request, Response, Scope, Step, Text, Timestamp,
    User, UserId, Validator,
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

const UPDATE_USER: &str = "update-user";

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

/// A client of one dialect updates a user of the other.
pub(crate) struct Exchange {
    pub(crate) face: Side,
    upstream: Side,
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
        let request = document!("ecgrid/update-user-example.request.json");
        let reply = document!("textus/update-user-updating-another-user.response.json");
        Self::new(Side::ecgrid(), Side::textus(), Request::new(Method::PUT, "/v2/users", request), &[reply])
    }

    /// Sets e-mail address, name and two notifications. It takes two calls.
    pub(crate) fn textus_to_ecgrid() -> Self {
        let request = document!("textus/update-user-updating-another-user.request.json");
        let user = document!("ecgrid/update-user-example.response.json");
        let config = document!("ecgrid/update-config-example.response.json");
        let request = Request::new(Method::PUT, "/users/wqyODPA", request);
        Self::new(Side::textus(), Side::ecgrid(), request, &[user, config])
    }

    fn new(face: Side, upstream: Side, request: Request, replies: &[&'static [u8]]) -> Self {
        let command = face.adapter.read(&request).expect("the vendor's own request is readable").command;
        Self {
            command: relink(command, &face, &upstream),
            replies: replies.iter().map(|&body| Reply::new(StatusCode::OK, body)).collect(),
            login: "jsmith".into(),
            created: Timestamp::parse("2024-03-15T10:22:00Z").expect("it is a time"),
            face,
            upstream,
            request,
        }
    }

    /// The first step for every request.
    pub(crate) fn validate_request(&self, request: &Request) {
        self.face.validator.request(self.face.adapter.dialect(), request).expect("the vendor's own request is valid");
    }

    /// Reads a request, links it and plans the calls.
    pub(crate) fn translate_request(&self, request: &Request) -> Vec<Call> {
        let reading = self.face.adapter.read(request).expect("the vendor's own request is readable");
        let command = relink(reading.command, &self.face, &self.upstream);
        match self.upstream.adapter.plan(&command, &[]) {
            Ok(Step::Send { calls, .. }) => calls,
            other => panic!("an update is sent, and not {other:?}"),
        }
    }

    /// Takes the plan from the first reply to its outcome, links that and writes the answer.
    pub(crate) fn translate_replies(&self, replies: &[Reply]) -> Response {
        let steps = (1..=replies.len()).map(|received| self.upstream.adapter.plan(&self.command, &replies[..received]));
        let outcome = match steps.last() {
            Some(Ok(Step::Done { outcome: Outcome::User(user), .. })) => Outcome::User(Box::new(self.to_face(*user))),
            other => panic!("the replies are all that the plan needs, but it says {other:?}"),
        };
        self.face.adapter.write(UPDATE_USER, &outcome).expect("a linked user can be written").response
    }

    /// The last step for every answer.
    pub(crate) fn validate_answer(&self, answer: &Response) {
        self.face.validator.response(UPDATE_USER, answer).expect("an adapter writes what its schemas allow");
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
    assert_eq!(command.user(), Some(&from.user));
    let link = |scope| Ok::<_, std::convert::Infallible>(counterpart(&scope, from, to));
    let Ok(command) = command.relink(|_| Ok(to.user.clone()), link);
    command
}

fn counterpart(scope: &Scope, from: &Side, to: &Side) -> Scope {
    assert_eq!(scope.id, from.scope.id);
    to.scope.clone()
}

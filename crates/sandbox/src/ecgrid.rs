//! A stand-in for the users area of the ECGrid REST API v2.

mod params;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::params::{Params, required};
pub(crate) use self::wire::{AuthLevel, Network, Status, User};
use self::wire::{Failure, success};
use crate::assumed::ecgrid as assumed;
use crate::directory;
use crate::sequence::{password, uuid};
use crate::vendor::{Vendor, bearer, pick, set};

type Answer = Result<Response<Bytes>, Failure>;

/// ECGrid as a state machine: the sixteen endpoints of its users area and `GET /v2/auth/version`.
///
/// A fresh one knows the users of [`directory`] and the key [`directory::ECGRID_KEY`]. A key is accepted as `X-API-Key`
/// and as a bearer token.
pub struct Ecgrid {
    keys: HashMap<String, i32>,
    clock: Timestamp,
    start: State,
    state: State,
}

/// All that calls can change.
#[derive(Clone)]
struct State {
    networks: Vec<Network>,
    users: BTreeMap<i32, User>,
    /// Keys that the API handed out, and whom they act as.
    issued: HashMap<String, i32>,
    /// How many users, keys and passwords were made.
    made: u64,
}

/// Who calls.
#[derive(Clone, Copy)]
struct Caller {
    user_id: i32,
    network_id: i32,
    mailbox_id: i32,
    auth_level: AuthLevel,
}

/// What a method and a path ask for; path parameters are still text.
enum Endpoint<'a> {
    Version,
    Get(&'a str),
    Me,
    ByName,
    List,
    Create,
    Update,
    UpdateConfig,
    SetRole,
    SetNetworkMailbox,
    UpdatePassword,
    GeneratePassword,
    Key(&'a str),
    GenerateKey(&'a str),
    ResetSessions(&'a str),
    SendSms,
    Terminate(&'a str),
}

impl Ecgrid {
    /// The starting data and the default key; users created later are dated from 2026-01-01T00:00:00Z on.
    pub fn new() -> Ecgrid {
        let users = directory::ecgrid_users().into_iter().map(|user| (user.user_id, user)).collect();
        let networks = directory::ecgrid_networks();
        let state = State { networks, users, issued: HashMap::new(), made: 0 };
        Ecgrid {
            keys: HashMap::from([(directory::ECGRID_KEY.to_owned(), directory::ECGRID_SYSOP)]),
            clock: Timestamp::constant(1_767_225_600, 0),
            start: state.clone(),
            state,
        }
    }

    /// Accepts exactly these keys, each acting as [`directory::ECGRID_SYSOP`].
    #[must_use]
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Ecgrid {
        self.keys = keys.into_iter().map(|key| (key.into(), directory::ECGRID_SYSOP)).collect();
        self
    }

    /// Accepts one more key, acting as a user.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>, user_id: i32) -> Ecgrid {
        self.keys.insert(key.into(), user_id);
        self
    }

    /// Dates new users from this time on, a second later for each.
    #[must_use]
    pub fn clock(mut self, time: Timestamp) -> Ecgrid {
        self.clock = time;
        self
    }

    /// Adds the first n made-up people of a seed to the starting data, with the ids of [`directory::ecgrid_id`].
    #[must_use]
    pub fn generate(mut self, n: usize, seed: u64) -> Ecgrid {
        self.start.users.extend(directory::ecgrid_people(n, seed).map(|user| (user.user_id, user)));
        self.state = self.start.clone();
        self
    }

    fn answer(&mut self, request: &Request<Bytes>) -> Answer {
        let endpoint = pick(request.method(), endpoints(request.uri().path()))?;
        if let Endpoint::Version = endpoint {
            return Ok(success(&json!({"version": "2.6"})));
        }
        let caller = self.caller(request.headers())?;
        self.dispatch(&endpoint, caller, request.body())
    }

    fn dispatch(&mut self, endpoint: &Endpoint, caller: Caller, body: &[u8]) -> Answer {
        match endpoint {
            Endpoint::Version => Ok(success(&json!({"version": "2.6"}))),
            Endpoint::Get(id) => self.get(path_id(id)?),
            Endpoint::Me => self.get(caller.user_id),
            Endpoint::ByName => self.by_name(&Params::read(body)?),
            Endpoint::List => self.list(caller, &Params::read_optional(body)?),
            Endpoint::Create => self.create(caller, &Params::read(body)?),
            Endpoint::Update => self.update(&Params::read(body)?),
            Endpoint::UpdateConfig => self.update_config(Params::read(body)?),
            Endpoint::SetRole => self.set_role(caller, &Params::read(body)?),
            Endpoint::SetNetworkMailbox => self.set_network_mailbox(caller, &Params::read(body)?),
            Endpoint::UpdatePassword => self.update_password(caller, &Params::read(body)?),
            Endpoint::GeneratePassword => self.generate_password(&Params::read_optional(body)?),
            Endpoint::Key(id) => self.api_key(caller, path_id(id)?),
            Endpoint::GenerateKey(id) => self.generate_key(caller, path_id(id)?),
            Endpoint::ResetSessions(id) => self.reset_sessions(path_id(id)?),
            Endpoint::SendSms => self.send_sms(&Params::read(body)?),
            Endpoint::Terminate(id) => self.terminate(path_id(id)?),
        }
    }

    // === The caller ===

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        if let Some(key) = headers.get("x-api-key") {
            let key = key.to_str().unwrap_or_default();
            return self.known(key).ok_or_else(|| Failure::unauthorized("InvalidAPIKey", "the API key is not known"));
        }
        let Some(token) = bearer(headers) else {
            return Err(Failure::unauthorized("InvalidAPIKey", "an API key is required"));
        };
        self.known(token).ok_or_else(|| Failure::unauthorized("InvalidSession", "the session is not known"))
    }

    fn known(&self, key: &str) -> Option<Caller> {
        let user_id = self.keys.get(key).or_else(|| self.state.issued.get(key))?;
        let user = self.state.users.get(user_id)?;
        let User { network_id, mailbox_id, auth_level, .. } = *user;
        Some(Caller { user_id: *user_id, network_id, mailbox_id, auth_level })
    }

    // === Reading ===

    fn get(&self, id: i32) -> Answer {
        Ok(success(self.state.user(id)?))
    }

    fn by_name(&self, params: &Params) -> Answer {
        let login = params.required_text("login")?;
        let users: Vec<&User> = self.state.users.values().filter(|user| user.login == login).collect();
        Ok(success(&users))
    }

    fn list(&self, caller: Caller, params: &Params) -> Answer {
        let (network, mailbox) = (params.integer("networkId")?, params.integer("mailboxId")?);
        let (level, status) = (params.auth_level()?, params.word::<Status>("status")?);
        let (page, size) = (params.count("pageNo", 1)?, params.count("recordsPerPage", 25)?);
        let network = network.map(|id| caller.network(id));
        self.state.check_filter(network, mailbox)?;
        let wanted = |user: &&User| {
            network.is_none_or(|id| id == user.network_id)
                && mailbox.is_none_or(|id| id == user.mailbox_id)
                && level.is_none_or(|level| level == user.auth_level)
                && status.is_none_or(|status| status == user.status)
        };
        let skipped = (page - 1).saturating_mul(size);
        let users: Vec<&User> = self.state.users.values().filter(wanted).skip(skipped).take(size).collect();
        Ok(success(&users))
    }

    // === Writing ===

    fn create(&mut self, caller: Caller, params: &Params) -> Answer {
        let login = params.required_text("login")?;
        params.password("password")?;
        let email = required("email", params.email()?)?;
        let (first_name, last_name) = (params.text("firstName")?, params.text("lastName")?);
        let auth_level = params.auth_level()?.unwrap_or(AuthLevel::MailboxUser);
        let at = (caller.network_id, caller.mailbox_id);
        let (network_id, mailbox_id) = self.state.scope(caller, at, params)?;
        self.state.check_login(&login, network_id)?;
        let user = User {
            user_id: self.state.next_id(),
            login,
            email,
            first_name: first_name.unwrap_or_default(),
            last_name: last_name.unwrap_or_default(),
            network_id,
            mailbox_id,
            auth_level,
            status: Status::Active,
            created: self.now().to_string(),
            config: serde_json::Map::new(),
            key: None,
        };
        let answer = success(&user);
        self.state.users.insert(user.user_id, user);
        Ok(answer)
    }

    fn update(&mut self, params: &Params) -> Answer {
        let id = params.user_id()?;
        let (email, first, last) = (params.email()?, params.text("firstName")?, params.text("lastName")?);
        let user = self.state.user_mut(id)?;
        set(&mut user.email, email);
        set(&mut user.first_name, first);
        set(&mut user.last_name, last);
        Ok(success(user))
    }

    fn update_config(&mut self, params: Params) -> Answer {
        let user = self.state.user_mut(params.user_id()?)?;
        user.config.extend(params.into_config());
        Ok(success(&true))
    }

    fn set_role(&mut self, caller: Caller, params: &Params) -> Answer {
        let id = params.user_id()?;
        if !params.has("authLevel") {
            return Err(Failure::parameter("authLevel", "is required"));
        }
        let level = params.auth_level()?;
        let scope = self.scope_of(id, caller, params)?;
        let user = self.state.user_mut(id)?;
        set(&mut user.auth_level, level);
        (user.network_id, user.mailbox_id) = scope;
        Ok(success(user))
    }

    fn set_network_mailbox(&mut self, caller: Caller, params: &Params) -> Answer {
        let id = params.user_id()?;
        let scope = self.scope_of(id, caller, params)?;
        let user = self.state.user_mut(id)?;
        (user.network_id, user.mailbox_id) = scope;
        Ok(success(user))
    }

    fn terminate(&mut self, id: i32) -> Answer {
        self.state.user_mut(id)?.status = Status::Terminated;
        Ok(success(&true))
    }

    // === Passwords, keys, sessions, messages ===

    /// Checks the new password and keeps nothing: no endpoint could show it.
    fn update_password(&self, caller: Caller, params: &Params) -> Answer {
        caller.administers()?;
        let id = params.user_id()?;
        params.password("newPassword")?;
        self.state.user(id)?;
        Ok(success(&true))
    }

    fn generate_password(&mut self, params: &Params) -> Answer {
        let length = params.integer("length")?.unwrap_or(12);
        if !assumed::PASSWORD_LENGTHS.contains(&length) {
            return Err(Failure::parameter("length", "must be between 4 and 128"));
        }
        self.state.made += 1;
        let length = usize::try_from(length).unwrap_or_default();
        Ok(success(&password(self.state.made, length)))
    }

    fn api_key(&mut self, caller: Caller, id: i32) -> Answer {
        caller.administers()?;
        match &self.state.user(id)?.key {
            Some(key) => Ok(success(key)),
            None => self.generate_key(caller, id),
        }
    }

    fn generate_key(&mut self, caller: Caller, id: i32) -> Answer {
        caller.administers()?;
        self.state.made += 1;
        let key = uuid(self.state.made);
        let old = self.state.user_mut(id)?.key.replace(key.clone());
        if let Some(old) = old {
            self.state.issued.remove(&old);
        }
        self.state.issued.insert(key.clone(), id);
        Ok(success(&key))
    }

    fn reset_sessions(&self, id: i32) -> Answer {
        self.state.user(id)?;
        Ok(success(&true))
    }

    fn send_sms(&self, params: &Params) -> Answer {
        let id = params.user_id()?;
        params.required_text("message")?;
        let config = &self.state.user(id)?.config;
        for field in assumed::SMS_FIELDS {
            let text = config.get(field).and_then(Value::as_str).unwrap_or_default();
            if text.is_empty() || assumed::NO_CARRIER.contains(&text) {
                return Err(Failure::parameter(field, "is not set in the user's configuration"));
            }
        }
        Ok(success(&true))
    }

    // === Small steps ===

    fn scope_of(&self, id: i32, caller: Caller, params: &Params) -> Result<(i32, i32), Failure> {
        let user = self.state.user(id)?;
        self.state.scope(caller, (user.network_id, user.mailbox_id), params)
    }

    /// A second later for each thing made.
    fn now(&mut self) -> Timestamp {
        let seconds = i64::try_from(self.state.made).unwrap_or(i64::MAX);
        self.state.made += 1;
        self.clock.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }
}

impl Default for Ecgrid {
    fn default() -> Ecgrid {
        Ecgrid::new()
    }
}

impl Vendor for Ecgrid {
    fn handle(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request).unwrap_or_else(|failure| failure.response())
    }

    fn error(&self, status: StatusCode) -> Response<Bytes> {
        Failure::of(status).response()
    }

    fn reset(&mut self) {
        self.state = self.start.clone();
    }

    fn stored_config(&self, user: &str) -> Option<Value> {
        let user = self.state.users.get(&user.parse().ok()?)?;
        Some(Value::Object(user.config.clone()))
    }
}

impl fmt::Debug for Ecgrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecgrid").field("users", &self.state.users.len()).finish_non_exhaustive()
    }
}

impl State {
    fn user(&self, id: i32) -> Result<&User, Failure> {
        self.users.get(&id).ok_or_else(|| Failure::not_found("user", id))
    }

    fn user_mut(&mut self, id: i32) -> Result<&mut User, Failure> {
        self.users.get_mut(&id).ok_or_else(|| Failure::not_found("user", id))
    }

    fn network(&self, id: i32) -> Result<&Network, Failure> {
        self.networks.iter().find(|network| network.id == id).ok_or_else(|| Failure::not_found("network", id))
    }

    fn next_id(&self) -> i32 {
        self.users.last_key_value().map_or(1, |(id, _)| id.saturating_add(1))
    }

    fn check_login(&self, login: &str, network_id: i32) -> Result<(), Failure> {
        let taken = self.users.values().any(|user| user.login == login && user.network_id == network_id);
        if taken { Err(Failure::duplicate("login is taken in this network")) } else { Ok(()) }
    }

    /// The network and mailbox that a request asks for, given those that hold now.
    ///
    /// Assumed: a mailbox stays while its network does, and becomes 0 (none) with another network.
    fn scope(&self, caller: Caller, now: (i32, i32), params: &Params) -> Result<(i32, i32), Failure> {
        let (network, mailbox) = (params.integer("networkId")?, params.integer("mailboxId")?);
        let network = self.network(network.map_or(now.0, |id| caller.network(id)))?;
        match mailbox {
            Some(id) if id != 0 && !network.mailboxes.contains(&id) => Err(Failure::not_found("mailbox", id)),
            Some(id) => Ok((network.id, id)),
            None if network.id == now.0 => Ok(now),
            None => Ok((network.id, 0)),
        }
    }

    fn check_filter(&self, network: Option<i32>, mailbox: Option<i32>) -> Result<(), Failure> {
        if let Some(id) = network {
            self.network(id)?;
        }
        match mailbox {
            Some(id) if id != 0 && !self.networks.iter().any(|network| network.mailboxes.contains(&id)) => {
                Err(Failure::not_found("mailbox", id))
            }
            _ => Ok(()),
        }
    }
}

impl Caller {
    /// The network that an id in a request means: 0 is the caller's own.
    fn network(self, id: i32) -> i32 {
        if id == 0 { self.network_id } else { id }
    }

    fn administers(self) -> Result<(), Failure> {
        if self.auth_level <= AuthLevel::NetworkAdmin {
            return Ok(());
        }
        Err(Failure::denied("NetworkAdmin or higher is required"))
    }
}

/// What a path offers, by method.
fn endpoints(path: &str) -> Vec<(Method, Endpoint<'_>)> {
    let Some(path) = path.strip_prefix("/v2/") else { return vec![] };
    let segments: Vec<&str> = path.split('/').collect();
    let post = |endpoint| vec![(Method::POST, endpoint)];
    match segments[..] {
        ["auth", "version"] => vec![(Method::GET, Endpoint::Version)],
        ["users"] => vec![(Method::POST, Endpoint::Create), (Method::PUT, Endpoint::Update)],
        ["users", "me"] => vec![(Method::GET, Endpoint::Me)],
        ["users", "by-name"] => post(Endpoint::ByName),
        ["users", "list"] => post(Endpoint::List),
        ["users", "update-config"] => post(Endpoint::UpdateConfig),
        ["users", "role"] => post(Endpoint::SetRole),
        ["users", "set-network-mailbox"] => post(Endpoint::SetNetworkMailbox),
        ["users", "password"] => post(Endpoint::UpdatePassword),
        ["users", "generate-password"] => post(Endpoint::GeneratePassword),
        ["users", "send-sms"] => post(Endpoint::SendSms),
        ["users", "key", id] => vec![(Method::GET, Endpoint::Key(id))],
        ["users", "key-generate", id] => post(Endpoint::GenerateKey(id)),
        ["users", "reset", id] => post(Endpoint::ResetSessions(id)),
        ["users", id] if !id.is_empty() => {
            vec![(Method::GET, Endpoint::Get(id)), (Method::DELETE, Endpoint::Terminate(id))]
        }
        _ => vec![],
    }
}

fn path_id(text: &str) -> Result<i32, Failure> {
    text.parse().map_err(|_| Failure::parameter("userId", "must be an integer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Seen, call};

    const KEY: (&str, &str) = ("X-API-Key", directory::ECGRID_KEY);
    const JOHN: &str = concat!(
        r#"{"success":true,"data":{"userId":1042,"login":"jsmith","email":"john.smith@example.com","firstName":"John","#,
        r#""lastName":"Smith","networkId":1,"mailboxId":101,"authLevel":"MailboxAdmin","status":"Active","#,
        r#""created":"2024-03-15T10:22:00Z"}}"#,
    );

    fn send(ecgrid: &mut Ecgrid, line: &str, body: &str) -> Seen {
        call(ecgrid, KEY, line, body)
    }

    /// One call of a fresh stand-in that goes well; looks at one place of `data`.
    #[track_caller]
    fn accepts(line: &str, body: &str, pointer: &str, expected: Value) {
        let seen = send(&mut Ecgrid::new(), line, body);
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
        assert_eq!(seen.at("/success"), true);
        assert_eq!(seen.at(&format!("/data{pointer}")), expected, "{}", seen.text);
    }

    /// One call of a fresh stand-in that is refused, with a message that begins as told.
    #[track_caller]
    fn refuses(line: &str, body: &str, status: u16, code: &str, message: &str) {
        refusal(&send(&mut Ecgrid::new(), line, body), status, code, message);
    }

    #[track_caller]
    fn refusal(seen: &Seen, status: u16, code: &str, message: &str) {
        assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
        assert_eq!(seen.at("/errorCode"), code, "{}", seen.text);
        assert!(seen.at("/message").as_str().is_some_and(|text| text.starts_with(message)), "{}", seen.text);
        assert_eq!((seen.at("/success"), seen.json().get("data")), (Value::Bool(false), Some(&Value::Null)));
    }

    #[track_caller]
    fn ids(body: &str, expected: &[i32]) {
        let seen = send(&mut Ecgrid::new(), "POST /v2/users/list", body);
        let users = seen.at("/data");
        let ids: Vec<Value> = users.as_array().unwrap().iter().map(|user| user["userId"].clone()).collect();
        assert_eq!(ids, expected.iter().map(|id| json!(id)).collect::<Vec<_>>());
    }

    #[test]
    fn the_user_has_the_order_of_the_pages() {
        let seen = send(&mut Ecgrid::new(), "GET /v2/users/1042", "");
        assert_eq!(seen.text, JOHN);
        assert_eq!(seen.headers["content-type"], "application/json; charset=utf-8");
        let same = send(&mut Ecgrid::new(), "PUT /v2/users", r#"{"userId":1042}"#);
        assert_eq!(same.text, JOHN);
    }

    #[test]
    fn the_error_envelope() {
        let seen = send(&mut Ecgrid::new(), "GET /v2/users/7", "");
        let expected =
            r#"{"success":false,"errorCode":"ObjectNotFound","message":"user 7 does not exist","data":null}"#;
        assert_eq!(seen.text, expected);
        assert_eq!(seen.headers["content-type"], "application/json; charset=utf-8");
    }

    #[test]
    fn checks_the_caller() {
        #[track_caller]
        fn check(header: (&str, &str), status: u16, code: Value) {
            let seen = call(&mut Ecgrid::new(), header, "GET /v2/users/me", "");
            assert_eq!((seen.status.as_u16(), seen.at("/errorCode")), (status, code));
        }
        check(KEY, 200, Value::Null);
        check(("authorization", "Bearer sandbox-ecgrid-upstream-key"), 200, Value::Null);
        check(("x-api-key", "other"), 401, json!("InvalidAPIKey"));
        check(("authorization", "Bearer other"), 401, json!("InvalidSession"));
        check(("authorization", "Basic other"), 401, json!("InvalidAPIKey"));
        check(("accept", "*/*"), 401, json!("InvalidAPIKey"));
    }

    #[test]
    fn the_keys_can_be_replaced() {
        let mut ecgrid = Ecgrid::new().keys(["a", "b"]).key("c", 1042);
        let mut me = |key| call(&mut ecgrid, ("x-api-key", key), "GET /v2/users/me", "").at("/data/userId");
        assert_eq!([me("a"), me("b"), me("c")], [json!(1044), json!(1044), json!(1042)]);
        assert_eq!(me(directory::ECGRID_KEY), Value::Null);
    }

    #[test]
    fn the_version_needs_no_key() {
        let seen = call(&mut Ecgrid::new(), ("accept", "*/*"), "GET /v2/auth/version", "");
        assert_eq!(seen.text, r#"{"success":true,"data":{"version":"2.6"}}"#);
    }

    #[test]
    fn knows_its_paths() {
        refuses("GET /", "", 404, "ObjectNotFound", "");
        refuses("GET /v2/networks", "", 404, "ObjectNotFound", "");
        refuses("GET /v2/users/", "", 404, "ObjectNotFound", "");
        refuses("GET /v2/users/1/2", "", 404, "ObjectNotFound", "");
        refuses("GET /v2/users", "", 405, "MethodNotAllowed", "");
        refuses("PATCH /v2/users/1042", "{}", 405, "MethodNotAllowed", "");
        refuses("GET /v2/users/role", "", 405, "MethodNotAllowed", "");
        let seen = send(&mut Ecgrid::new(), "DELETE /v2/users", "");
        assert_eq!(seen.headers["allow"], "POST, PUT");
    }

    #[test]
    fn reads_users() {
        accepts("GET /v2/users/1043", "", "/login", json!("mmajor"));
        accepts("GET /v2/users/me", "", "/userId", json!(1044));
        accepts("POST /v2/users/by-name", r#"{"login":"unlinked"}"#, "/0/userId", json!(2001));
        accepts("POST /v2/users/by-name", r#"{"login":"nobody"}"#, "", json!([]));
        refuses("GET /v2/users/9", "", 404, "ObjectNotFound", "user 9");
        refuses("GET /v2/users/x", "", 400, "InvalidParameter", "userId");
        refuses("GET /v2/users/9999999999", "", 400, "InvalidParameter", "userId");
        refuses("POST /v2/users/by-name", "{}", 400, "InvalidParameter", "login");
        refuses("POST /v2/users/by-name", r#"{"login":1}"#, 400, "InvalidParameter", "login");
    }

    #[test]
    fn lists_by_filter_and_page() {
        ids("", &[1042, 1043, 1044, 2001]);
        ids("{}", &[1042, 1043, 1044, 2001]);
        ids(r#"{"networkId":2}"#, &[2001]);
        ids(r#"{"networkId":0}"#, &[1042, 1043, 1044]);
        ids(r#"{"mailboxId":102}"#, &[1043]);
        ids(r#"{"mailboxId":0}"#, &[1044]);
        ids(r#"{"authLevel":"MailboxUser"}"#, &[1043, 2001]);
        ids(r#"{"authLevel":"NoChange","status":null}"#, &[1042, 1043, 1044, 2001]);
        ids(r#"{"status":"Terminated"}"#, &[]);
        ids(r#"{"networkId":1,"authLevel":"MailboxUser"}"#, &[1043]);
        ids(r#"{"recordsPerPage":2}"#, &[1042, 1043]);
        ids(r#"{"recordsPerPage":3,"pageNo":2}"#, &[2001]);
        ids(r#"{"recordsPerPage":3,"pageNo":3}"#, &[]);
        refuses("POST /v2/users/list", r#"{"pageNo":0}"#, 400, "InvalidParameter", "pageNo");
        refuses("POST /v2/users/list", r#"{"recordsPerPage":"9"}"#, 400, "InvalidParameter", "recordsPerPage");
        refuses("POST /v2/users/list", r#"{"status":"Asleep"}"#, 400, "InvalidParameter", "status");
        refuses("POST /v2/users/list", r#"{"authLevel":"root"}"#, 400, "InvalidParameter", "authLevel");
        refuses("POST /v2/users/list", r#"{"networkId":9}"#, 404, "ObjectNotFound", "network 9");
        refuses("POST /v2/users/list", r#"{"mailboxId":9}"#, 404, "ObjectNotFound", "mailbox 9");
    }

    #[test]
    fn the_list_pages_by_25() {
        let mut ecgrid = Ecgrid::new().generate(30, 1);
        let seen = send(&mut ecgrid, "POST /v2/users/list", "{}");
        assert_eq!(seen.at("/data").as_array().unwrap().len(), 25);
        let seen = send(&mut ecgrid, "POST /v2/users/list", r#"{"pageNo":2}"#);
        assert_eq!(seen.at("/data/8/userId"), directory::ecgrid_id(29));
    }

    #[test]
    fn updates_what_is_named() {
        let line = "PUT /v2/users";
        accepts(line, r#"{"userId":1042,"firstName":"Jo"}"#, "/firstName", json!("Jo"));
        accepts(line, r#"{"userId":1042,"firstName":"Jo"}"#, "/lastName", json!("Smith"));
        accepts(line, r#"{"userId":1042,"lastName":null,"email":null}"#, "/lastName", json!("Smith"));
        accepts(line, r#"{"userId":1042,"email":"a@b.example"}"#, "/email", json!("a@b.example"));
        accepts(line, r#"{"userId":1042,"lastName":""}"#, "/lastName", json!(""));
        accepts(line, r#"{"userId":1042,"login":"x","status":"Suspended","what":[1]}"#, "/login", json!("jsmith"));
        refuses(line, "{}", 400, "InvalidParameter", "userId is required");
        refuses(line, r#"{"userId":null}"#, 400, "InvalidParameter", "userId is required");
        refuses(line, r#"{"userId":"1042"}"#, 400, "InvalidParameter", "userId must be an integer");
        refuses(line, r#"{"userId":1042.5}"#, 400, "InvalidParameter", "userId must be an integer");
        refuses(line, r#"{"userId":4294967296}"#, 400, "InvalidParameter", "userId must be an integer");
        refuses(line, r#"{"userId":9}"#, 404, "ObjectNotFound", "user 9");
        refuses(line, r#"{"userId":1042,"email":"john"}"#, 400, "InvalidParameter", "email");
        refuses(line, r#"{"userId":1042,"email":""}"#, 400, "InvalidParameter", "email");
        refuses(line, r#"{"userId":1042,"email":1}"#, 400, "InvalidParameter", "email");
        refuses(line, r#"{"userId":1042,"firstName":["Jo"]}"#, 400, "InvalidParameter", "firstName");
        refuses(line, r#"{"userId":1042"#, 400, "InvalidParameter", "body");
        refuses(line, "", 400, "InvalidParameter", "body");
        refuses(line, "[]", 400, "InvalidParameter", "body");
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let mut ecgrid = Ecgrid::new();
        send(&mut ecgrid, "PUT /v2/users", r#"{"userId":1042,"firstName":"Jo","email":"bad"}"#);
        assert_eq!(send(&mut ecgrid, "GET /v2/users/1042", "").text, JOHN);
    }

    #[test]
    fn creates() {
        let full = r#"{"login":"new","password":"Abc123!x","email":"n@example.com","firstName":"N","lastName":"W",
            "networkId":2,"mailboxId":201,"authLevel":"NetworkUser"}"#;
        let mut ecgrid = Ecgrid::new();
        let seen = send(&mut ecgrid, "POST /v2/users", full);
        let expected = concat!(
            r#"{"success":true,"data":{"userId":2002,"login":"new","email":"n@example.com","firstName":"N","#,
            r#""lastName":"W","networkId":2,"mailboxId":201,"authLevel":"NetworkUser","status":"Active","#,
            r#""created":"2026-01-01T00:00:00Z"}}"#
        );
        assert_eq!(seen.text, expected);
        assert_eq!(send(&mut ecgrid, "GET /v2/users/2002", "").text, expected);
        refusal(&send(&mut ecgrid, "POST /v2/users", full), 400, "DuplicateObject", "login");
        let elsewhere = full.replace("\"networkId\":2,\"mailboxId\":201,", "");
        assert_eq!(send(&mut ecgrid, "POST /v2/users", &elsewhere).at("/data/userId"), 2003);
        let namesakes = send(&mut ecgrid, "POST /v2/users/by-name", r#"{"login":"new"}"#);
        assert_eq!(namesakes.at("/data").as_array().unwrap().len(), 2);
    }

    #[test]
    fn creates_with_defaults() {
        let with = |extra: &str| format!(r#"{{"login":"new","password":"Abc123!x","email":"n@example.com"{extra}}}"#);
        let line = "POST /v2/users";
        accepts(line, &with(""), "/networkId", json!(1));
        accepts(line, &with(""), "/mailboxId", json!(0));
        accepts(line, &with(""), "/authLevel", json!("MailboxUser"));
        accepts(line, &with(""), "/firstName", json!(""));
        accepts(line, &with(r#","networkId":0"#), "/networkId", json!(1));
        accepts(line, &with(r#","networkId":2"#), "/mailboxId", json!(0));
        refuses(line, &with(r#","networkId":9"#), 404, "ObjectNotFound", "network 9");
        refuses(line, &with(r#","mailboxId":201"#), 404, "ObjectNotFound", "mailbox 201");
        refuses(line, &with(r#","authLevel":"Boss""#), 400, "InvalidParameter", "authLevel");
        refuses(line, r#"{"password":"Abc123!x","email":"n@example.com"}"#, 400, "InvalidParameter", "login");
        refuses(line, r#"{"login":"new","email":"n@example.com"}"#, 400, "InvalidParameter", "password");
        refuses(line, r#"{"login":"n","password":"abc","email":"n@example.com"}"#, 400, "InvalidParameter", "password");
        refuses(line, r#"{"login":"new","password":"Abc123!x"}"#, 400, "InvalidParameter", "email");
    }

    #[test]
    fn stores_config() {
        let mut ecgrid = Ecgrid::new();
        let mut store = |body: &str| send(&mut ecgrid, "POST /v2/users/update-config", body).text;
        let yes = r#"{"success":true,"data":true}"#;
        assert_eq!(store(r#"{"userId":1042}"#), yes);
        assert_eq!(store(r#"{"userId":1042,"phone":"1","notify":{"email":true}}"#), yes);
        assert_eq!(store(r#"{"userId":1042,"phone":null,"company":"Example"}"#), yes);
        let expected = json!({"phone": "1", "notify": {"email": true}, "company": "Example"});
        assert_eq!(ecgrid.stored_config("1042"), Some(expected));
        assert_eq!(ecgrid.stored_config("1043"), Some(json!({})));
        assert_eq!((ecgrid.stored_config("9"), ecgrid.stored_config("x")), (None, None));
        assert_eq!(send(&mut ecgrid, "GET /v2/users/1042", "").text, JOHN);
        refuses("POST /v2/users/update-config", r#"{"phone":"1"}"#, 400, "InvalidParameter", "userId");
        refuses("POST /v2/users/update-config", r#"{"userId":9}"#, 404, "ObjectNotFound", "user 9");
    }

    #[test]
    fn sets_a_role_and_its_scope() {
        let line = "POST /v2/users/role";
        let page = r#"{"userId":1042,"authLevel":"NetworkAdmin","networkId":1}"#;
        let seen = send(&mut Ecgrid::new(), line, page);
        assert_eq!(seen.text, JOHN.replace("MailboxAdmin", "NetworkAdmin"));
        let with = |rest: &str| format!(r#"{{"userId":1042,"authLevel":"MailboxUser"{rest}}}"#);
        accepts(line, &with(""), "/authLevel", json!("MailboxUser"));
        accepts(line, &with(r#","mailboxId":102"#), "/mailboxId", json!(102));
        accepts(line, &with(r#","mailboxId":0"#), "/mailboxId", json!(0));
        accepts(line, &with(r#","networkId":2,"mailboxId":201"#), "/networkId", json!(2));
        accepts(line, &with(r#","networkId":2"#), "/mailboxId", json!(0));
        accepts(line, r#"{"userId":1042,"authLevel":"NoChange"}"#, "/authLevel", json!("MailboxAdmin"));
        refuses(line, &with(r#","networkId":9"#), 404, "ObjectNotFound", "network 9");
        refuses(line, &with(r#","mailboxId":201"#), 404, "ObjectNotFound", "mailbox 201");
        refuses(line, &with(r#","networkId":"1""#), 400, "InvalidParameter", "networkId");
        refuses(line, r#"{"userId":1042}"#, 400, "InvalidParameter", "authLevel is required");
        refuses(line, r#"{"userId":1042,"authLevel":null}"#, 400, "InvalidParameter", "authLevel is required");
        refuses(line, r#"{"userId":1042,"authLevel":"admin"}"#, 400, "InvalidParameter", "authLevel");
        refuses(line, r#"{"userId":1042,"authLevel":3}"#, 400, "InvalidParameter", "authLevel");
        refuses(line, r#"{"authLevel":"General"}"#, 400, "InvalidParameter", "userId");
        refuses(line, r#"{"userId":9,"authLevel":"General"}"#, 404, "ObjectNotFound", "user 9");
        for level in ["Root", "TechOps", "NetOps", "NetworkUser", "MailboxAdmin", "TPUser", "General"] {
            accepts(line, &format!(r#"{{"userId":1042,"authLevel":"{level}"}}"#), "/authLevel", json!(level));
        }
    }

    #[test]
    fn sets_network_and_mailbox() {
        let line = "POST /v2/users/set-network-mailbox";
        accepts(line, r#"{"userId":1042,"networkId":2,"mailboxId":201}"#, "/mailboxId", json!(201));
        accepts(line, r#"{"userId":1042,"mailboxId":102}"#, "/mailboxId", json!(102));
        accepts(line, r#"{"userId":2001,"networkId":0}"#, "/networkId", json!(1));
        accepts(line, r#"{"userId":1042}"#, "/mailboxId", json!(101));
        refuses(line, r#"{"userId":1042,"networkId":7}"#, 404, "ObjectNotFound", "network 7");
        refuses(line, r#"{"userId":1042,"networkId":2,"mailboxId":101}"#, 404, "ObjectNotFound", "mailbox 101");
        refuses(line, r#"{"networkId":1}"#, 400, "InvalidParameter", "userId");
    }

    #[test]
    fn terminates_for_good() {
        let mut ecgrid = Ecgrid::new();
        assert_eq!(send(&mut ecgrid, "DELETE /v2/users/1042", "").text, r#"{"success":true,"data":true}"#);
        assert_eq!(send(&mut ecgrid, "GET /v2/users/1042", "").text, JOHN.replace("Active", "Terminated"));
        let seen = send(&mut ecgrid, "POST /v2/users/list", r#"{"status":"Terminated"}"#);
        assert_eq!(seen.at("/data/0/userId"), 1042);
        refuses("DELETE /v2/users/9", "", 404, "ObjectNotFound", "user 9");
    }

    #[test]
    fn handles_passwords_and_sessions() {
        let line = "POST /v2/users/password";
        accepts(line, r#"{"userId":1042,"newPassword":"Abc123!x"}"#, "", json!(true));
        refuses(line, r#"{"userId":1042,"newPassword":"abc"}"#, 400, "InvalidParameter", "newPassword");
        refuses(line, r#"{"userId":1042}"#, 400, "InvalidParameter", "newPassword");
        refuses(line, r#"{"userId":9,"newPassword":"Abc123!x"}"#, 404, "ObjectNotFound", "user 9");
        accepts("POST /v2/users/reset/1042", "", "", json!(true));
        refuses("POST /v2/users/reset/9", "", 404, "ObjectNotFound", "user 9");
    }

    #[test]
    fn generates_passwords() {
        let mut ecgrid = Ecgrid::new();
        let mut made = |body: &str| send(&mut ecgrid, "POST /v2/users/generate-password", body).at("/data");
        let (default, other, long) = (made(""), made("{}"), made(r#"{"length":20}"#));
        assert_eq!(default.as_str().unwrap().len(), 12);
        assert_ne!(default, other);
        assert_eq!(long.as_str().unwrap().len(), 20);
        refuses("POST /v2/users/generate-password", r#"{"length":3}"#, 400, "InvalidParameter", "length");
    }

    #[test]
    fn a_new_key_ends_the_old_one() {
        let mut ecgrid = Ecgrid::new();
        let first = send(&mut ecgrid, "GET /v2/users/key/1042", "").at("/data");
        assert_eq!(send(&mut ecgrid, "GET /v2/users/key/1042", "").at("/data"), first);
        let second = send(&mut ecgrid, "POST /v2/users/key-generate/1042", "").at("/data");
        assert_ne!(first, second);
        let mut me = |key: &Value| call(&mut ecgrid, ("x-api-key", key.as_str().unwrap()), "GET /v2/users/me", "");
        assert_eq!(me(&first).status, StatusCode::UNAUTHORIZED);
        assert_eq!(me(&second).at("/data/userId"), 1042);
        refuses("GET /v2/users/key/9", "", 404, "ObjectNotFound", "user 9");
    }

    #[test]
    fn keys_and_passwords_are_for_administrators() {
        #[track_caller]
        fn check(user: i32, line: &str, status: u16) {
            let mut ecgrid = Ecgrid::new().key("other", user);
            let seen = call(&mut ecgrid, ("x-api-key", "other"), line, r#"{"userId":1042,"newPassword":"Abc123!x"}"#);
            assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
        }
        check(1042, "GET /v2/users/key/1042", 403);
        check(1042, "POST /v2/users/key-generate/1042", 403);
        check(1042, "POST /v2/users/password", 403);
        check(1044, "POST /v2/users/password", 200);
        check(1042, "PUT /v2/users", 200);
    }

    #[test]
    fn a_text_message_needs_a_phone() {
        #[track_caller]
        fn check(config: &str, status: u16) {
            let mut ecgrid = Ecgrid::new();
            send(&mut ecgrid, "POST /v2/users/update-config", &format!(r#"{{"userId":1042{config}}}"#));
            let seen = send(&mut ecgrid, "POST /v2/users/send-sms", r#"{"userId":1042,"message":"hi"}"#);
            assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
        }
        check("", 400);
        check(r#","cellPhone":"13035550101""#, 400);
        check(r#","cellCarrier":"Verizon""#, 400);
        check(r#","cellPhone":"13035550101","cellCarrier":"Undefined""#, 400);
        check(r#","cellPhone":"13035550101","cellCarrier":"Verizon""#, 200);
        refuses("POST /v2/users/send-sms", r#"{"userId":1042}"#, 400, "InvalidParameter", "message");
        refuses("POST /v2/users/send-sms", r#"{"userId":1042,"message":"hi"}"#, 400, "InvalidParameter", "cellPhone");
    }

    #[test]
    fn injected_errors_speak_the_vendors_language() {
        #[track_caller]
        fn check(status: u16, code: &str) {
            let response = Ecgrid::new().error(StatusCode::from_u16(status).unwrap());
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!((response.status().as_u16(), &body["errorCode"]), (status, &json!(code)));
            assert_eq!(response.headers().contains_key("retry-after"), status == 429);
        }
        check(400, "InvalidParameter");
        check(401, "InvalidAPIKey");
        check(403, "AccessDenied");
        check(404, "ObjectNotFound");
        check(429, "RateLimitExceeded");
        check(500, "InternalError");
        check(503, "InternalError");
    }

    #[test]
    fn a_reset_goes_back_to_the_start() {
        let mut ecgrid = Ecgrid::new().generate(3, 1);
        send(&mut ecgrid, "PUT /v2/users", r#"{"userId":1042,"firstName":"Jo"}"#);
        send(&mut ecgrid, "POST /v2/users/update-config", r#"{"userId":1042,"phone":"1"}"#);
        ecgrid.reset();
        assert_eq!(send(&mut ecgrid, "GET /v2/users/1042", "").text, JOHN);
        assert_eq!(ecgrid.stored_config("1042"), Some(json!({})));
        assert_eq!(send(&mut ecgrid, "GET /v2/users/100002", "").status, StatusCode::OK);
    }

    #[test]
    fn debug_shows_no_people() {
        assert_eq!(format!("{:?}", Ecgrid::new()), "Ecgrid { users: 4, .. }");
    }
}

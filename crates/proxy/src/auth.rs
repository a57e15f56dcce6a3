//! Who a client is: by its key, of which the configuration holds the hash, or by a session that it logged in for. And what
//! it may do, and how often.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue, Method};
use interlingua_core::{
    Access, CredentialStyle, Dialect, Error, ErrorKind, Field, Login, Problem, Result, Role, Text, UserId,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::time::Instant;

use crate::{
    config::{self, Grant, PasswordHash, Rate},
    logins::{FailedLogins, network_number},
    passwords::Passwords,
    tokens::{NoSession, Session, Tokens},
};

/// The clients that may call.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Vec<Arc<Client>>,
    /// Every key: its hash, from when on it is none any more, and whose it is.
    keys: Vec<Key>,
    logins: Vec<KnownLogin>,
    failed: FailedLogins,
    passwords: Passwords,
    pub(crate) tokens: Tokens,
}

/// A login, with what tells it from all others, and whose it is.
#[derive(Debug)]
struct KnownLogin {
    config: config::ClientLogin,
    fingerprint: String,
    client: usize,
}

/// Without a debug print of the hash.
struct Key {
    digest: [u8; 32],
    expires: Option<Timestamp>,
    client: usize,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Who calls.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) client: Arc<Client>,
    /// By which it is known, where it has shown no key. Nobody has asked the store yet whether it was ended.
    pub(crate) session: Option<Session>,
}

/// Somebody who may call.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Arc<str>,
    config: config::Client,
    pub(crate) allowance: Option<Allowance>,
    /// From which network it called last.
    network: AtomicU64,
}

impl Clients {
    /// So many wrong keys and passwords may come from one address in a minute.
    pub(crate) fn new(clients: Vec<config::Client>, failed_logins: u32, tokens: Tokens) -> Self {
        let keys = clients.iter().enumerate().flat_map(|(client, config)| {
            config.keys.iter().map(move |key| Key { digest: key.digest, expires: key.expires, client })
        });
        let keys = keys.collect();
        let logins = clients.iter().enumerate().flat_map(|(client, config)| {
            let known = move |login: &config::ClientLogin| KnownLogin {
                config: login.clone(),
                fingerprint: login.fingerprint(),
                client,
            };
            config.logins.iter().map(known)
        });
        let logins = logins.collect();
        let clients = clients.into_iter().map(|config| {
            let (name, allowance) = (config.name.as_str().into(), config.rate.map(Allowance::new));
            Arc::new(Client { name, allowance, network: AtomicU64::default(), config })
        });
        let failed = FailedLogins::new(failed_logins);
        Self { clients: clients.collect(), keys, logins, failed, passwords: Passwords::new(), tokens }
    }

    /// The client whose key a request carries at one of the places that its dialect has for it, or the token of whose
    /// session.
    ///
    /// From an address with too many wrong keys, only those are known who have called from it before: so nobody learns
    /// anything by trying, and nobody who shares the address is kept out.
    ///
    /// # Errors
    ///
    /// There is no key, more than one, or nobody's; or there were too many that were wrong.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        dialect: &Dialect,
        address: Option<IpAddr>,
    ) -> Result<Caller> {
        let styles = dialect.credentials;
        let Some((style, key)) = styles.iter().find_map(|style| Some((style, credential(headers, style)?))) else {
            let places: Vec<_> = styles.iter().map(place).collect();
            return Err(Error::unauthenticated(None, format!("a key is required: {}", places.join(" or "))));
        };
        let pause = self.pause(address);
        let owner = key.and_then(|key| self.owner(key));
        if let (Some(token), None, Some(_)) = (key, owner, style.scheme) {
            // Nobody makes one by trying, so that none is counted.
            match self.tokens.read(dialect.name, token) {
                Ok(session) => return self.in_session(session, style, address),
                Err(NoSession::Expired) => return Err(refused(style, "has expired")),
                Err(NoSession::Foreign) => return Err(refused(style, "is not known")),
                Err(NoSession::Shapeless) => {}
            }
        }
        let client = match owner {
            Some(key) => {
                let client = &self.clients[key.client];
                let number = address.map_or(0, network_number);
                if pause.is_some() && client.network.load(Relaxed) != number {
                    Err("")
                } else if key.expires.is_some_and(|end| end <= Timestamp::now()) {
                    tracing::info!(client = &*client.name, "a key was used that has expired");
                    return Err(refused(style, "has expired"));
                } else {
                    client.network.store(number, Relaxed);
                    Ok(Caller { client: Arc::clone(client), session: None })
                }
            }
            None => Err("is not known"),
        };
        client.map_err(|why| match pause {
            Some(pause) => too_many(pause),
            None => {
                self.count(address);
                refused(style, why)
            }
        })
    }

    /// The client of a session, unless the login with which it began is none any more.
    fn in_session(&self, session: Session, style: &CredentialStyle, address: Option<IpAddr>) -> Result<Caller> {
        let known = self.logins.iter().find(|login| login.fingerprint == session.login);
        let client = known.map(|login| &self.clients[login.client]);
        let client = client.filter(|client| client.is_anybody() && *client.name == *session.client);
        let client = client.ok_or_else(|| refused(style, "is for a login that is none any more"))?;
        client.network.store(address.map_or(0, network_number), Relaxed);
        Ok(Caller { client: Arc::clone(client), session: Some(session) })
    }

    /// A new session for the client with this login and this password.
    ///
    /// A name that nobody has takes as long as a wrong password. From an address with too many that were wrong, no
    /// password is compared, not even a right one's.
    ///
    /// # Errors
    ///
    /// They are not known; or there were too many that were wrong, or there are too many at once.
    pub(crate) async fn log_in(
        &self,
        login: Login,
        face: &str,
        address: Option<IpAddr>,
    ) -> Result<(Arc<Client>, Session)> {
        let turn = self.passwords.turn().await?;
        // Asked when it is its turn, as those before it may have been wrong.
        self.may_log_in(address)?;
        let wrong = || Error::unauthenticated(None, "the login or the password is not known");
        let known = self.logins.iter().find(|known| known.config.name == *login.name);
        let known = known.filter(|known| self.clients[known.client].is_anybody());
        let hash = known.map(|known| &known.config.password).or_else(|| self.decoy()).ok_or_else(wrong)?;
        let is_right = turn.compare(hash.clone(), login.password).await?;
        let Some(known) = known.filter(|_| is_right) else {
            self.count(address);
            return Err(wrong());
        };
        let client = &self.clients[known.client];
        client.network.store(address.map_or(0, network_number), Relaxed);
        let session = self.tokens.begin(face, &client.name, known.fingerprint.clone());
        Ok((Arc::clone(client), session))
    }

    /// Makes sure that passwords from this address are listened to.
    ///
    /// # Errors
    ///
    /// Too many were wrong.
    pub(crate) fn may_log_in(&self, address: Option<IpAddr>) -> Result<()> {
        self.pause(address).map_or(Ok(()), |pause| Err(too_many(pause)))
    }

    /// Whether anybody can log in.
    pub(crate) fn have_logins(&self) -> bool {
        !self.logins.is_empty()
    }

    /// What the password is compared with where the name is not known: what takes longest of all that there is.
    fn decoy(&self) -> Option<&PasswordHash> {
        self.logins.iter().map(|login| &login.config.password).max_by_key(|hash| hash.cost())
    }

    fn pause(&self, address: Option<IpAddr>) -> Option<Duration> {
        self.failed.pause(address?)
    }

    fn count(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.failed.count(address);
        }
    }

    /// The user that the client of this name is: a dialect, and its id there.
    pub(crate) fn user(&self, name: &str) -> Option<&(Text, UserId)> {
        self.of(name)?.config.user.as_ref()
    }

    /// Makes sure that the client of this name may give a role.
    ///
    /// # Errors
    ///
    /// It may not.
    pub(crate) fn may_grant(&self, name: &str, role: Option<Role>) -> Result<()> {
        let most = match self.of(name).map(|client| client.config.grant) {
            Some(Grant::Administrator) | None => return Ok(()),
            Some(Grant::Ordinary) => Role::Support,
            Some(Grant::None) => Role::None,
        };
        if role.is_none_or(|role| role <= most) {
            return Ok(());
        }
        let message = "the client may not give this role; see `grant` in [[clients]]";
        let expected = Problem::new(Field::Role, format!("expected a role that is not above {}", most.name()));
        Err(Error::new(ErrorKind::Forbidden, message).with_problem(expected))
    }

    /// Whether the client of this name may give every role that a route lets anybody give.
    pub(crate) fn may_grant_all(&self, name: &str) -> bool {
        self.of(name).is_none_or(|client| client.config.grant == Grant::Administrator)
    }

    fn of(&self, name: &str) -> Option<&Client> {
        self.clients.iter().map(|client| &**client).find(|client| &*client.name == name)
    }

    /// Looks at every key, so that the time it takes says nothing about it.
    fn owner(&self, key: &[u8]) -> Option<&Key> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let mut found = 0_u64;
        let mut any = Choice::from(0);
        for (position, key) in self.keys.iter().enumerate() {
            let same = key.digest.ct_eq(&hash);
            found.conditional_assign(&(position as u64), same);
            any |= same;
        }
        let position = usize::try_from(found).ok()?;
        bool::from(any).then(|| &self.keys[position])
    }
}

fn too_many(pause: Duration) -> Error {
    let message = "too many keys or passwords from this address were wrong";
    Error::new(ErrorKind::RateLimited, message).with_retry_after(Some(pause))
}

fn refused(style: &CredentialStyle, why: &str) -> Error {
    Error::unauthenticated(Some(style.header), format!("the key in {} {why}", style.header))
}

impl Client {
    /// Whether it can log in.
    pub(crate) fn has_logins(&self) -> bool {
        !self.config.logins.is_empty()
    }

    /// Whether it still is somebody: whose keys have all expired is locked out, with all its logins.
    fn is_anybody(&self) -> bool {
        let (keys, now) = (&self.config.keys, Timestamp::now());
        keys.is_empty() || keys.iter().any(|key| key.expires.is_none_or(|end| end > now))
    }

    /// Makes sure that the client may use the route of this face to this upstream.
    ///
    /// # Errors
    ///
    /// It may not.
    pub(crate) fn may_use(&self, face: &Dialect, upstream: &str) -> Result<()> {
        let routes = self.config.routes.as_ref();
        if routes.is_some_and(|routes| !routes.iter().any(|route| route.is(face.name, upstream))) {
            return forbidden("the client may not use this route; see `routes` in [[clients]]");
        }
        Ok(())
    }

    /// Makes sure that the client may use the route of this face to this upstream for this.
    ///
    /// # Errors
    ///
    /// It may not.
    pub(crate) fn may(&self, face: &Dialect, upstream: &str, method: &Method, path: &str) -> Result<()> {
        self.may_use(face, upstream)?;
        let Some(allowed) = &self.config.allow else { return Ok(()) };
        let is_allowed = match face.find(method, path) {
            Ok((operation, _)) => {
                let kind = if operation.access == Access::Read { "read" } else { "write" };
                allowed.contains(kind) || allowed.contains(operation.name)
            }
            // What is no operation falls back, or is refused for that.
            Err(_) => allowed.contains("fallback"),
        };
        if is_allowed { Ok(()) } else { forbidden("the client may not do this; see `allow` in [[clients]]") }
    }
}

fn forbidden(message: &'static str) -> Result<()> {
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// How often a client may call: as often as its rate says at once, and then as they come back, evenly in time. One number
/// holds it, the time at which all would be there again (GCRA), so that to take one is a compare-and-swap.
#[derive(Debug)]
pub(crate) struct Allowance {
    rate: Rate,
    start: Instant,
    /// In nanoseconds since the start.
    full: AtomicU64,
}

/// What a client is told of its allowance, in the words of draft-ietf-httpapi-ratelimit-headers.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// `RateLimit-Policy`.
    pub(crate) policy: HeaderValue,
    /// `RateLimit`.
    pub(crate) left: HeaderValue,
}

impl Allowance {
    fn new(rate: Rate) -> Self {
        Self { rate, start: Instant::now(), full: AtomicU64::default() }
    }

    /// Takes one call, and tells what is left.
    ///
    /// # Errors
    ///
    /// None is left.
    pub(crate) fn take(&self) -> (Told, Result<()>) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (now, per) = (nanos(self.start.elapsed()), nanos(self.rate.per));
        let each = (per / u64::from(self.rate.calls.get())).max(1);
        let taken = self.full.fetch_update(Relaxed, Relaxed, |full| {
            let full = full.max(now) + each;
            (full - now <= per.max(each)).then_some(full)
        });
        let full = self.full.load(Relaxed).max(now);
        let left = per.saturating_sub(full - now) / each;
        let told = self.told(left, Duration::from_nanos(full - now));
        match taken {
            Ok(_) => (told, Ok(())),
            Err(_) => {
                let message = "the client has made as many calls as it may; see `rate` in [[clients]]";
                let next = Duration::from_nanos((full + each).saturating_sub(now + per));
                let delay = Duration::from_secs(seconds(next).max(1));
                (told, Err(Error::new(ErrorKind::RateLimited, message).with_retry_after(Some(delay))))
            }
        }
    }

    fn told(&self, left: u64, full_in: Duration) -> Told {
        let value = |text: String| HeaderValue::try_from(text).expect("digits, letters and a few marks");
        Told {
            policy: value(format!("\"client\";q={};w={}", self.rate.calls, self.rate.per.as_secs())),
            left: value(format!("\"client\";r={left};t={}", seconds(full_in))),
        }
    }
}

/// Rather one second more than one less.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The credential at one place: `None` when there is none, `Some(None)` when there is something else.
fn credential<'a>(headers: &'a HeaderMap, style: &CredentialStyle) -> Option<Option<&'a [u8]>> {
    let mut values = headers.get_all(style.header).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return Some(None);
    }
    let Some(scheme) = style.scheme else { return Some(Some(value)) };
    let key = value.split_at_checked(scheme.len()).filter(|(start, _)| start.eq_ignore_ascii_case(scheme.as_bytes()));
    Some(key.and_then(|(_, rest)| rest.strip_prefix(b" ")).map(<[u8]>::trim_ascii))
}

fn place(style: &CredentialStyle) -> String {
    match style.scheme {
        Some(scheme) => format!("{}: {scheme} <key>", style.header),
        None => format!("{}: <key>", style.header),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use tokio::time::advance;

    use super::*;
    use crate::config::{ClientKey, ClientRoute};

    fn dialect() -> &'static Dialect {
        use interlingua_core::Adapter;
        static ECGRID: std::sync::LazyLock<interlingua_ecgrid::Ecgrid> = std::sync::LazyLock::new(Default::default);
        ECGRID.dialect()
    }

    fn client(name: &str, keys: &[(&str, Option<&str>)]) -> config::Client {
        let key = |&(key, expires): &(&str, Option<&str>)| ClientKey {
            digest: Sha256::digest(key).into(),
            expires: expires.map(|time| time.parse().unwrap()),
        };
        config::Client {
            name: name.into(),
            keys: keys.iter().map(key).collect(),
            logins: Vec::new(),
            user: None,
            allow: None,
            routes: None,
            grant: Grant::default(),
            rate: None,
        }
    }

    fn clients() -> Clients {
        let past_and_future =
            [("old", Some("2020-01-01T00:00:00Z")), ("new", Some("2999-01-01T00:00:00Z")), ("two", None)];
        of(vec![client("first", &[("one", None)]), client("second", &past_and_future)], 3)
    }

    fn of(clients: Vec<config::Client>, failed_logins: u32) -> Clients {
        let (lifetime, longest) = (Duration::from_secs(60), Duration::from_secs(600));
        let tokens = Tokens::new(&config::Sessions { key: None, lifetime, longest }, &[1; 32].into());
        Clients::new(clients, failed_logins, tokens)
    }

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[track_caller]
    fn check(with: &[(&'static str, &'static str)], expected: Result<&str, Option<&str>>) {
        match (clients().authenticate(&headers(with), dialect(), None), expected) {
            (Ok(caller), Ok(expected)) => assert_eq!(&*caller.client.name, expected),
            (Err(error), Err(header)) => {
                assert_eq!(error.credential(), header);
                assert!(!error.message().contains("one"), "{error}");
            }
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn keys() {
        check(&[("x-api-key", "one")], Ok("first"));
        check(&[("authorization", "Bearer two")], Ok("second"));
        check(&[("authorization", "bearer  two")], Ok("second"));
        check(&[("x-api-key", "one"), ("authorization", "Bearer nobody")], Ok("first"));
        check(&[], Err(None));
        check(&[("x-api-key", "")], Err(Some("x-api-key")));
        check(&[("x-api-key", "One")], Err(Some("x-api-key")));
        check(&[("x-api-key", "one"), ("x-api-key", "one")], Err(Some("x-api-key")));
        check(&[("authorization", "two")], Err(Some("authorization")));
        check(&[("authorization", "Basic two")], Err(Some("authorization")));
        check(&[("authorization", "Bearertwo")], Err(Some("authorization")));
    }

    #[test]
    fn a_key_counts_until_it_expires() {
        check(&[("x-api-key", "new")], Ok("second"));
        check(&[("x-api-key", "old")], Err(Some("x-api-key")));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_tries_too_many_keys_learns_nothing_more() {
        let clients = clients();
        let [here, there] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address| Some(IpAddr::from(address)));
        let ask = |key: &str, from| clients.authenticate(&headers(&[("x-api-key", key)]), dialect(), from).map(|_| ());
        ask("one", here).unwrap();
        for _ in 0..3 {
            assert_eq!(ask("guess", here).unwrap_err().kind(), ErrorKind::Unauthenticated);
        }
        let errors = ["guess", "two", "old"].map(|key| ask(key, here).unwrap_err());
        for error in errors {
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(60))));
        }
        ask("one", here).unwrap();
        ask("two", there).unwrap();
        advance(Duration::from_secs(60)).await;
        ask("two", here).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowance_comes_back_evenly() {
        let rate = Rate { calls: 4.try_into().unwrap(), per: Duration::from_secs(2) };
        let allowance = Allowance::new(rate);
        let left = |told: &Told| told.left.to_str().unwrap().to_owned();
        let (told, taken) = allowance.take();
        taken.unwrap();
        assert_eq!((told.policy.to_str().unwrap(), &*left(&told)), ("\"client\";q=4;w=2", "\"client\";r=3;t=1"));
        for _ in 0..3 {
            allowance.take().1.unwrap();
        }
        let (told, refused) = allowance.take();
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(1))));
        assert_eq!(left(&told), "\"client\";r=0;t=2");
        advance(Duration::from_millis(500)).await;
        allowance.take().1.unwrap();
        assert!(allowance.take().1.is_err());
        advance(Duration::from_secs(60)).await;
        assert_eq!((0..9).filter(|_| allowance.take().1.is_ok()).count(), 4);
    }

    #[test]
    fn a_client_may_do_what_it_is_allowed() {
        let allowed = |allow: &[&str], method: Method, path: &str| {
            let allow = Some(allow.iter().map(|word| (*word).to_owned()).collect());
            let clients = of(vec![config::Client { allow, ..client("a", &[]) }], 1);
            let dialect = interlingua_core::Adapter::dialect(&interlingua_textus::Textus::new()).name;
            assert_eq!(dialect, "textus");
            let textus = interlingua_textus::Textus::new();
            clients.clients[0].may(interlingua_core::Adapter::dialect(&textus), "u", &method, path).is_ok()
        };
        assert!(allowed(&["read"], Method::GET, "/users/a"));
        assert!(!allowed(&["read"], Method::PUT, "/users/a"));
        assert!(allowed(&["write"], Method::PUT, "/users/a"));
        assert!(!allowed(&["write"], Method::GET, "/users"));
        assert!(allowed(&["update-user"], Method::PUT, "/users/a"));
        assert!(!allowed(&["update-user"], Method::DELETE, "/users/a"));
        assert!(!allowed(&["read", "write"], Method::GET, "/a/messages"));
        assert!(allowed(&["fallback"], Method::GET, "/a/messages"));
        assert!(!allowed(&[], Method::GET, "/users/a"));
    }

    #[test]
    fn a_client_may_use_the_routes_that_it_has() {
        let textus = interlingua_textus::Textus::new();
        let dialect = interlingua_core::Adapter::dialect(&textus);
        let may = |face: Option<&str>, upstream: Option<&str>| {
            let route = ClientRoute { face: face.map(Into::into), upstream: upstream.map(Into::into) };
            let config = config::Client { routes: Some(vec![route]), ..client("a", &[]) };
            let clients = of(vec![config], 1);
            clients.clients[0].may(dialect, "ecgrid", &Method::GET, "/users").is_ok()
        };
        assert!(may(Some("textus"), Some("ecgrid")) && may(None, Some("ecgrid")) && may(Some("textus"), None));
        assert!(!may(Some("ecgrid"), None) && !may(None, Some("textus")));
    }

    #[test]
    fn a_client_gives_no_role_beyond_its_grant() {
        let most = |grant| {
            let clients = of(vec![config::Client { grant, ..client("a", &[]) }], 1);
            let roles = [Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator, Role::System];
            clients.may_grant("a", None).unwrap();
            roles.into_iter().filter(|role| clients.may_grant("a", Some(*role)).is_ok()).max()
        };
        assert_eq!(most(Grant::None), Some(Role::None));
        assert_eq!(most(Grant::Ordinary), Some(Role::Support));
        assert_eq!(most(Grant::Administrator), Some(Role::System));
    }
}

//! Configurations as a whole: what becomes of good ones, and what is said of bad ones.

use std::borrow::Cow;

use interlingua_core::{
    Access, Command, CredentialStyle, Dialect, Document, Error, Field, Level, Mapping, OnLoss, Operation, Outcome,
    Problem, Reading, Reply, Request, Response, Role, Scope, ScopeId, Step, Template, Translated, UserId, Writing,
};
use interlingua_links::IdRange;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

/// An adapter that knows no more than what configuration asks it.
#[derive(Clone, Debug)]
struct Fake {
    dialect: Arc<Dialect>,
    #[expect(dead_code, reason = "the tests see it in the debug output")]
    mapping: Mapping,
}

impl Fake {
    fn boxed(name: &'static str, prefix: &'static str) -> Box<dyn Adapter> {
        const CREDENTIALS: &[CredentialStyle] = &[CredentialStyle { header: "authorization", scheme: None }];
        let dialect = Dialect {
            name,
            prefix,
            media_type: "application/json",
            credentials: CREDENTIALS,
            operations: vec![operation()],
            reserved: &[],
            error_schema: "{}",
            fields: &[],
            counts_pages: false,
            fresh_ids: 1..=2_147_483_647,
            files: &[],
            rate_headers: None,
        };
        Box::new(Self { dialect: Arc::new(dialect), mapping: Mapping::default() })
    }
}

/// One that clients may be allowed.
fn operation() -> Operation {
    Operation {
        name: "update-user",
        method: http::Method::PUT,
        path: Template::new("/users"),
        access: Access::Write,
        query: &[],
        request_schema: None,
        response_schema: None,
        translated: Translated::Carried,
    }
}

impl Adapter for Fake {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// No word means more than a member, and no preference is called `forbidden`.
    fn configured(&self, mapping: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>> {
        let at = |pointer: String| interlingua_core::Place::request(pointer);
        let raised = mapping.roles.iter().filter(|(_, role)| **role > Role::Member);
        let raised = raised.map(|(word, _)| {
            Problem::new(at(format!("/roles/{}/{word}", self.dialect.name)), "expected at most member")
        });
        let forbidden = mapping.preferences.keys().filter(|name| *name == "forbidden");
        let forbidden =
            forbidden.map(|name| Problem::new(at(format!("/mapping/preferences/{name}")), "expected another name"));
        let problems: Vec<_> = raised.chain(forbidden).collect();
        if problems.is_empty() {
            Ok(Box::new(Self { dialect: Arc::clone(&self.dialect), mapping: mapping.clone() }))
        } else {
            Err(problems)
        }
    }

    fn user_id(&self, id: &serde_json::Value) -> Result<UserId, Cow<'static, str>> {
        match (self.dialect.name, id.as_i64(), id.as_str()) {
            ("ecgrid", Some(number @ 1..), _) => Ok(UserId::new(number.to_string())),
            ("ecgrid", ..) => Err("expected an integer".into()),
            (_, _, Some(text)) => Ok(UserId::new(text)),
            (_, _, None) => Err("expected a string".into()),
        }
    }

    fn scope(&self, id: &serde_json::Value) -> Result<Scope, Cow<'static, str>> {
        match (id, &id["network"], &id["mailbox"]) {
            (serde_json::Value::String(text), ..) => Ok(Scope::new(ScopeId::new(text.as_str()))),
            (_, serde_json::Value::Number(network), mailbox) => {
                let level = if mailbox.is_null() { Level::Organisation } else { Level::Unit };
                Ok(Scope { level: Some(level), ..Scope::new(ScopeId::new(format!("{network}/{mailbox}"))) })
            }
            _ => Err("expected a network".into()),
        }
    }

    fn fresh_user_id(&self, number: u64) -> UserId {
        UserId::new(number.to_string())
    }

    fn pointer(&self, _: &Field, _: Document) -> String {
        unreachable!("configuration asks for no pointer")
    }

    fn read(&self, _: &Request) -> interlingua_core::Result<Reading> {
        unreachable!("configuration reads no request")
    }

    fn write(&self, _: &str, _: &Outcome) -> interlingua_core::Result<Writing> {
        unreachable!("configuration writes no answer")
    }

    fn write_error(&self, _: &Error) -> Response {
        unreachable!("configuration writes no answer")
    }

    fn accepted(&self, _: &interlingua_core::Call, _: &interlingua_core::Reply) -> interlingua_core::Result<()> {
        unreachable!("nothing is sent")
    }

    fn plan(&self, _: &Command, _: &[Reply]) -> interlingua_core::Result<Step> {
        unreachable!("configuration plans nothing")
    }
}

/// The least that loads.
const LEAST: &str = r#"
[upstreams.partner]
dialect = "textus"
base_url = "http://127.0.0.1:8102"
credential = { env = "TOKEN" }

[[listeners]]
address = "127.0.0.1:8080"
routes = [{ face = "ecgrid", upstream = "partner" }]
"#;

const VARIABLES: &[(&str, &str)] = &[
    ("TOKEN", "hush-token"),
    ("EMPTY", ""),
    ("BROKEN", "hush\nhush"),
    ("TEXTUS_TOKEN", "hush-textus"),
    ("ECGRID_API_KEY", "hush-ecgrid"),
    ("ERP_KEY", "hush-erp"),
    ("ERP_ECGRID_KEY", "hush-erp-ecgrid"),
    ("JOURNAL_KEY", "0707070707070707070707070707070707070707070707070707070707070707"),
    ("SESSIONS_KEY", "0808080808080808080808080808080808080808080808080808080808080808"),
    ("PASSWORD_HASH", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dSk/rRZ4CRhPtbMryZJRaa8um3g1+KCg1cxbRpRYrX0"),
];

fn load_file(path: Option<&Path>, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let all = VARIABLES.iter().chain(variables);
    let environment = all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let adapters = [Fake::boxed("ecgrid", "/v2/"), Fake::boxed("textus", "/")];
    Config::load_in(&environment, path, &adapters)
}

fn load(text: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "hush-file\n").unwrap();
    tls_files(folder.path());
    let path = folder.path().join("x.toml");
    std::fs::write(&path, text).unwrap();
    load_file(Some(&path), variables).map_err(|errors| {
        let errors = errors.to_string().replace(&format!("{}/", folder.path().display()), "");
        assert!(!errors.contains("hush"), "{errors}");
        errors
    })
}

/// The files for TLS that the example names, and some that are of no use.
fn tls_files(folder: &Path) {
    let own = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    let folder = folder.join("tls");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [
        ("gateway.pem", own.cert.pem()),
        ("gateway.key", own.signing_key.serialize_pem()),
        ("other.key", other.signing_key.serialize_pem()),
        ("clients-ca.pem", own.cert.pem()),
        ("partner-ca.pem", other.cert.pem()),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----\n".to_owned()),
        ("empty.pem", String::new()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// What is said of a text, without the name of the file.
#[track_caller]
fn check(text: &str, expected: &str) {
    let errors = load(text, &[]).unwrap_err().replace("x.toml:", "");
    assert_eq!(errors, expected, "{text}");
}

/// What is said of the least that loads, and more.
#[track_caller]
fn check_more(more: &str, expected: &str) {
    check(&format!("{LEAST}\n{more}"), expected);
}

/// What is said of the least that loads with something else in the place of `from`.
#[track_caller]
fn check_other(from: &str, to: &str, expected: &str) {
    assert!(LEAST.contains(from), "{from}");
    check(&LEAST.replacen(from, to, 1), expected);
}

#[test]
fn every_file_that_we_ship_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        // In a folder with the files that it names.
        if let Err(errors) = load(std::fs::read(&path).unwrap(), &[]) {
            panic!("{}: {errors}", path.display());
        }
    }
}

#[test]
fn without_a_file_it_is_the_sandbox() {
    let config = load_file(None, &[]).unwrap();
    let digest = |key| <[u8; 32]>::from(Sha256::digest(key));
    let client = |name: &str, key, user: Option<(&str, &str)>| Client {
        name: name.into(),
        keys: vec![ClientKey { digest: digest(key), expires: None }],
        logins: Vec::new(),
        user: user.map(|(dialect, id)| (dialect.into(), UserId::new(id))),
        allow: None,
        routes: None,
        grant: Grant::Administrator,
        rate: None,
    };
    assert_eq!(config.clients[0], client("sandbox-ecgrid", "sandbox-ecgrid-key", Some(("ecgrid", "1042"))));
    assert_eq!(config.clients[1], client("sandbox-textus", "sandbox-textus-token", None));
    let login = &config.clients[2].logins[0];
    assert!(login.name == "sandbox" && login.password.is_of("Sandbox-Password-1") && !login.password.is_cheap());
    assert_eq!(config.upstreams["ecgrid"].credential.expose(), "sandbox-ecgrid-upstream-key");
    assert_eq!(config.upstreams["textus"].base_url.to_string(), "http://127.0.0.1:8102");
    assert_eq!(config.sandbox.ecgrid, Some(([127, 0, 0, 1], 8101).into()));
    assert_eq!(config.sandbox.people, 1000);
    let routes = config.listeners.iter().map(|listener| {
        let routes = listener.routes.iter().map(|route| format!("{}>{}", route.face, route.upstream));
        format!("{} {}", listener.address, routes.collect::<Vec<_>>().join(" "))
    });
    let expected = ["127.0.0.1:8080 ecgrid>textus textus>ecgrid", "127.0.0.1:8081 ecgrid>ecgrid textus>textus"];
    assert_eq!(routes.collect::<Vec<_>>(), expected);
    assert_eq!(config.users[0].ids["textus"], UserId::new("wqyODPA"));
    assert_eq!(config.users[1].created.as_ref().unwrap().as_str(), "2024-04-02T08:00:00Z");
    assert_eq!(config.scopes[2].name.as_deref(), Some("My Account Child"));
    assert_eq!(config.scopes[0].scopes["ecgrid"].level, Some(Level::Organisation));
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = load(LEAST, &[]).unwrap();
    assert_eq!(config.admin, ([127, 0, 0, 1], 9090).into());
    let limits = Limits {
        head: 32_768,
        body: 1_048_576,
        bodies: 67_108_864,
        calls: 64.try_into().unwrap(),
        in_flight: 1024.try_into().unwrap(),
        lag: Duration::from_millis(100),
        connections: 10_000.try_into().unwrap(),
        connections_per_address: 2500.try_into().unwrap(),
        failed_logins: 60.try_into().unwrap(),
        patience: Duration::from_secs(30),
        deadline: Duration::from_secs(30),
        drain: Duration::from_secs(30),
    };
    assert_eq!(config.limits, limits);
    let partner = &config.upstreams["partner"];
    let seconds = [partner.timeout, partner.connect_timeout, partner.first_byte_timeout].map(|time| time.as_secs());
    assert_eq!((seconds, partner.retries, partner.concurrency.get(), partner.rate), ([10, 3, 5], 2, 256, None));
    assert_eq!(partner.breaker, Breaker { failures: 10.try_into().unwrap(), pause: Duration::from_secs(5) });
    assert_eq!(config.listeners[0].routes[0].loss, LossPolicy::default());
    assert_eq!(config.listeners[0].routes[0].removal, Removal::Reversible);
    assert_eq!(config.store.to_string(), "sqlite:interlingua.db");
    assert_eq!(config.repeats.keep, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.ids["textus"], IdRange::new(1, 2_147_483_647).unwrap());
    assert_eq!(config.listeners[0].routes[0].fallback, None);
    assert_eq!(config.sandbox, Sandbox::default());
    let shown = format!("{:?}", config.adapters["textus"]);
    assert!(shown.contains(r#""emailNotification": "notifications.email""#), "{shown}");
}

#[test]
fn what_is_said_counts() {
    let config = load(
        format!(
            r#"{LEAST}
            [limits]
            body = "64KiB"
            drain = "0s"
            [upstreams.other]
            dialect = "ecgrid"
            base_url = "http://partner.example/api/"
            credential = {{ file = "token" }}
            timeout = "500ms"
            connect_timeout = "50ms"
            first_byte_timeout = "200ms"
            retries = 0
            concurrency = 8
            breaker = {{ failures = 3 }}
            rate = {{ calls = 1000, per = "5m" }}
            [[listeners]]
            address = "127.0.0.1:0"
            [[listeners.routes]]
            face = "textus"
            upstream = "other"
            fallback = "partner"
            on_loss = "warn"
            [listeners.routes.fields]
            "/settings/x" = "allow"
            [[listeners]]
            address = "127.0.0.1:0"
            routes = [{{ face = "textus", upstream = "partner" }}, {{ face = "ecgrid", upstream = "partner" }}]
            [repeats]
            keep = "90m"
            [mapping.preferences]
            mobile = "cell"
            [roles.ecgrid]
            MailboxUser = "restricted"
            [[links.users]]
            ecgrid = 1
            textus = "a"
            created = 2024-03-15T10:22:00+01:00
            "#
        ),
        &[],
    )
    .unwrap();
    assert_eq!((config.limits.body, config.limits.drain), (65_536, Duration::ZERO));
    assert_eq!(config.repeats.keep, Duration::from_secs(90 * 60));
    let other = &config.upstreams["other"];
    assert_eq!((other.credential.expose(), other.timeout), ("hush-file", Duration::from_millis(500)));
    let milliseconds = [other.connect_timeout, other.first_byte_timeout].map(|time| time.as_millis());
    assert_eq!((milliseconds, other.retries, other.concurrency.get()), ([50, 200], 0, 8));
    assert_eq!(other.breaker, Breaker { failures: 3.try_into().unwrap(), pause: Duration::from_secs(5) });
    assert_eq!(other.rate, Some(Rate { calls: 1000.try_into().unwrap(), per: Duration::from_secs(300) }));
    assert_eq!((other.base_url.authority().as_str(), other.base_url.prefix()), ("partner.example", "/api"));
    let loss = LossPolicy { default: Some(OnLoss::Warn), fields: [("/settings/x".into(), OnLoss::Allow)].into() };
    assert_eq!(config.listeners[1].routes[0].loss, loss);
    assert_eq!(config.listeners[1].routes[0].fallback.as_deref(), Some("partner"));
    let shown = format!("{:?}", config.adapters["ecgrid"]);
    assert!(shown.contains(r#"preferences: {"mobile": "cell"}, roles: {"MailboxUser": Restricted}"#), "{shown}");
    assert!(format!("{:?}", config.adapters["textus"]).contains("roles: {}"));
    assert_eq!(config.users[0].created.as_ref().unwrap().as_str(), "2024-03-15T10:22:00+01:00");
}

#[test]
fn variables_come_before_the_file() {
    let variables = [
        ("INTERLINGUA_LIMITS__IN_FLIGHT", "8"),
        ("INTERLINGUA_LIMITS__BODY", "12345"),
        ("INTERLINGUA_UPSTREAMS__PARTNER__CREDENTIAL", "{ value = \"12345\" }"),
        ("INTERLINGUA_LISTENERS", "[{ address = '[::1]:1', routes = [{ face = 'textus', upstream = 'partner' }] }]"),
    ];
    let text = LEAST.replace("credential = { env = \"TOKEN\" }", "");
    let config = load(format!("{text}[limits]\nin_flight = 7"), &variables).unwrap();
    assert_eq!((config.limits.in_flight.get(), config.limits.body), (8, 12_345));
    assert_eq!(config.upstreams["partner"].credential.expose(), "12345");
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].address.port(), 1);
}

#[test]
fn nothing_that_is_secret_or_personal_is_shown() {
    let client = "[[clients]]\nname = \"erp\"\nkey = { env = \"ERP_KEY\" }\n";
    let user = "[[links.users]]\necgrid = 1\ntextus = \"a\"\nlogin = \"jsmith\"\n";
    let config = load([LEAST, client, user].concat(), &[]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush") && !shown.contains("jsmith") && shown.contains("erp"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", config.clients[0].keys[0].digest)), "{shown}");
}

#[test]
fn files_that_cannot_be_read() {
    let errors = load_file(Some(Path::new("no/such.toml")), &[]).unwrap_err().to_string();
    assert!(errors.starts_with("no/such.toml: cannot be read: "), "{errors}");
    assert_eq!(load(b"[admin]\n# \xc3\xbc\xff\n", &[]).unwrap_err(), "x.toml:2:4: not UTF-8 text");
    check("[admin\naddress", "1:7: not TOML: unclosed table, expected `]`");
    check("[admin]\naddress = \"a\"\naddress = \"b\"", "3:1: not TOML: duplicate key");
}

#[test]
fn unknown_keys() {
    check_more("[adnim]", "11:2: adnim: unknown key; did you mean `admin`?");
    check_more("[Admin]", "11:2: Admin: unknown key; did you mean `admin`?");
    check_more("[limits]\nbudy = 1", "12:1: limits.budy: unknown key; did you mean `body`?");
    check_other("base_url", "bse_url", "4:1: upstreams.partner.bse_url: unknown key; did you mean `base_url`?");
    check_other("env =", "enw =", "5:16: upstreams.partner.credential.enw: unknown key; did you mean `env`?");
    check_other(
        "upstream =",
        "server = 1, upstream =",
        "9:30: listeners[0].routes[0].server: unknown key; known are `face`, `upstream`, `fallback`, `on_loss`, `delete`, `on_partial`, `fields`",
    );
    check_more("[sandbox.scim]", "11:10: sandbox.scim: unknown key; known are `people`, `ecgrid`, `textus`");
}

#[test]
fn values_of_the_wrong_kind() {
    check_more("[admin]\naddress = 1", "12:1: admin.address: expected text, not a number");
    check_more(
        "[admin]\naddress = \"localhost:80\"",
        "12:1: admin.address: expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080",
    );
    check_more("[limits]\nbody = true", "12:1: limits.body: expected a whole number or text");
    check_more("[limits]\nin_flight = 0", "12:1: limits.in_flight: expected a whole number of at least 1");
    check_more("[limits]\nin_flight = 99999999999999999999", "12:1: limits.in_flight: the number is too large");
    check_more("[clients]", "11:2: clients: expected a list, not a table");
    check_more("[links]\nusers = [1]", "12:10: links.users[0]: expected a table, not a number");
    check_other(
        "{ env = \"TOKEN\" }",
        "\"hush\"",
        "5:1: upstreams.partner.credential: expected { env = \"NAME\" }, { file = \"PATH\" } or { value = \"…\" }, \
         not text",
    );
    let span = "expected a length of time with its unit, such as \"500ms\", \"10s\" or \"2m\", and at most \"24h\"";
    check_more("[log]\nformat = \"xml\"", "12:1: log.format: nothing is called `xml`; known are `json`, `text`");
    check_more("[traces]\nratio = 1.5", "12:1: traces.ratio: expected a number from 0 to 1, such as 0.1");
    check_more(
        "[traces]\nendpoint = \"http://127.0.0.1:4317/v1/traces\"",
        "12:1: traces.endpoint: expected no path: OTLP over gRPC has its own",
    );
    check_more("[limits]\ndeadline = 30", &format!("12:1: limits.deadline: {span}"));
    check_more(
        "[limits]\ndeadline = \"0s\"",
        "12:1: limits.deadline: expected more than 0: nothing can be done in no time",
    );
    check_more(
        "[limits]\npatience = \"0s\"",
        "12:1: limits.patience: expected more than 0: nothing can be done in no time",
    );
    check_more("[limits]\nhead = \"2MiB\"", "12:1: limits.head: expected at most 1MiB");
    check_more(
        "[limits]\nbodies = \"1KiB\"",
        "12:1: limits.bodies: expected at least as much as limits.body: a body that is allowed has to find room",
    );
}

#[test]
fn upstreams() {
    let at = "upstreams.partner";
    check_other(
        "\"textus\"",
        "\"textuss\"",
        &format!("3:1: {at}.dialect: no dialect is called `textuss`; did you mean `textus`?"),
    );
    check_other(
        "dialect = \"textus\"",
        "",
        &format!("2:12: {at}.dialect: missing; name the dialect that this server speaks"),
    );
    check_other(
        "http://",
        "http://me:hush@",
        &format!(
            "4:1: {at}.base_url: expected no user name and no password in the address; \
             `credential` is the place for them"
        ),
    );
    check_other(
        "credential",
        "timeout = \"0s\"\ncredential",
        &format!("5:1: {at}.timeout: expected more than 0: nothing can be done in no time"),
    );
}

#[test]
fn protections_of_upstreams() {
    let check_line = |line: &str, expected: &str| {
        check_other(
            "credential",
            &format!("{line}\ncredential"),
            &format!("5:{}", expected.replace('@', "upstreams.partner")),
        );
    };
    let no_time = "expected more than 0: nothing can be done in no time";
    check_line("connect_timeout = \"0s\"", &format!("1: @.connect_timeout: {no_time}"));
    check_line("first_byte_timeout = \"0s\"", &format!("1: @.first_byte_timeout: {no_time}"));
    check_line("conect_timeout = \"1s\"", "1: @.conect_timeout: unknown key; did you mean `connect_timeout`?");
    check_line("retries = -1", "1: @.retries: expected a whole number, 0 or more");
    check_line("concurrency = 0", "1: @.concurrency: expected a whole number of at least 1");
    check_line("breaker = { pause = \"0s\" }", &format!("13: @.breaker.pause: {no_time}"));
    check_line("breaker = { failure = 1 }", "13: @.breaker.failure: unknown key; did you mean `failures`?");
    check_line("breaker = 3", "1: @.breaker: expected a table with `failures` and `pause`, not a number");
    check_line("rate = { calls = 9 }", "1: @.rate.per: missing; say in which time they are allowed");
    check_line("rate = { per = \"1m\" }", "1: @.rate.calls: missing; say how many calls are allowed");
    check_line("rate = { calls = 9, per = \"0s\" }", &format!("21: @.rate.per: {no_time}"));
}

#[test]
fn secrets() {
    let check_source = |source, expected: &str| {
        check_other("{ env = \"TOKEN\" }", source, &format!("5:{expected}"));
    };
    let one = "1: upstreams.partner.credential: expected exactly one of `env`, `file` and `value`";
    check_source("{}", one);
    check_source("{ env = \"TOKEN\", value = \"hush\" }", one);
    check_source("{ env = \"NO\" }", "1: upstreams.partner.credential: the environment variable NO is not set");
    check_source(
        "{ env = \"EMPTY\" }",
        "1: upstreams.partner.credential: in the environment variable EMPTY: the secret is empty",
    );
    check_source(
        "{ env = \"BROKEN\" }",
        "1: upstreams.partner.credential: in the environment variable BROKEN: the secret has a character \
         that no header can hold",
    );
    check_source("{ value = 12345 }", "16: upstreams.partner.credential.value: expected text, not a number");
    check_source(
        "{ file = \"none\" }",
        "1: upstreams.partner.credential: none cannot be read: No such file or directory (os error 2)",
    );
    check_source(
        "{ file = \"/dev/zero\" }",
        "1: upstreams.partner.credential: /dev/zero cannot be read: it is no regular file",
    );
    check(
        &LEAST.replace("{ env = \"TOKEN\" }", "{ value = \"hush\" }").replace("127.0.0.1:8102", "partner.example"),
        "5:16: upstreams.partner.credential.value: a secret in the file is only for servers on this \
         machine; use `env` or `file`",
    );
}

#[test]
fn clients() {
    let digest = "00".repeat(32);
    let client = |name: &str, key: &str| format!("[[clients]]\nname = \"{name}\"\nkey = {{ {key} }}\n");
    let same = client("a", "env = \"ERP_KEY\"") + &client("a", "env = \"TOKEN\"");
    check_more(&same, "15:1: clients[1].name: the same as clients[0].name; every client needs its own");
    let same = client("a", "env = \"TOKEN\"") + &client("b", "file = \"token\"") + &client("c", "env = \"TOKEN\"");
    check_more(&same, "19:1: clients[2].key: the same as clients[0].key; every client needs its own");
    check_more(
        &client("a", "sha256 = \"hush\""),
        "13:1: clients[0].key: expected `sha256` to be 64 hexadecimal digits",
    );
    check_more(&client("", &format!("sha256 = \"{digest}\"")), "12:1: clients[0].name: the name is empty");
    check_more("[[clients]]\nname = \"a\"", "11:1: clients[0].key: missing; say where the client's key is kept");
}

#[test]
fn logins() {
    let login = |name: &str, login: &str| {
        format!("[[clients]]\nname = \"{name}\"\nuser = {{ ecgrid = 1 }}\nlogins = [{login}]\n")
    };
    let hashed = "{ login = \"jsmith\", env = \"PASSWORD_HASH\" }";
    let sessions = "[sessions]\nkey = { env = \"SESSIONS_KEY\" }\nlifetime = \"90s\"\nlongest = \"2h\"\n";
    let config = load([LEAST, "\n", &login("a", hashed), sessions].concat(), &[]).unwrap();
    let (a, sessions) = (&config.clients[0], &config.sessions);
    assert_eq!((a.keys.len(), a.logins.len(), a.logins[0].name.as_str()), (0, 1, "jsmith"));
    assert_eq!([sessions.lifetime, sessions.longest].map(|span| span.as_secs()), [90, 7200]);
    assert_eq!(sessions.key.as_ref().unwrap().expose(), [8; 32]);
    let shown = format!("{config:?} {:?}", a.logins);
    assert!(!shown.contains("jsmith") && !shown.contains("c2FsdHNhbHQ"), "{shown}");
    assert_eq!(load(LEAST, &[]).unwrap().sessions.key, None);

    let same = login("a", hashed) + &login("b", hashed);
    check_more(
        &same,
        "18:13: clients[1].logins[0].login: the same as clients[0].logins[0].login; every client needs its own",
    );
    check_more(
        &login("a", hashed).replace("user = { ecgrid = 1 }\n", ""),
        "11:1: clients[0].user: missing; whoever logs in is told which user that is",
    );
    check_more(
        &login("a", "{ login = \"jsmith\", password_hash = \"hush\" }"),
        "14:11: clients[0].logins[0]: expected an argon2id hash, $argon2id$v=19$…, as of `argon2 \"$(openssl rand -hex \
         16)\" -id -e`",
    );
    check_more(
        &login("a", "{ login = \"jsmith\" }"),
        "14:11: clients[0].logins[0]: expected exactly one of `env`, `file` and `password_hash`",
    );
    check_more(
        "[sessions]\nlifetime = \"2h\"\nlongest = \"1h\"",
        "13:1: sessions.longest: expected at least as much as sessions.lifetime, that of one token",
    );
    check_more(
        "[sessions]\nlifetime = \"500ms\"",
        "12:1: sessions.lifetime: expected whole seconds, and more than 0, such as \"1h\"",
    );
}

#[test]
fn what_a_client_may_do() {
    let client = |more: &str| format!("[[clients]]\nname = \"a\"\nkey = {{ env = \"ERP_KEY\" }}\n{more}");
    let digest = "07".repeat(32);
    let all = format!(
        "keys = [{{ sha256 = \"{digest}\", expires = 2027-01-01T00:00:00Z }}, {{ env = \"TOKEN\" }}]\n\
         allow = [\"update-user\", \"fallback\"]\nroutes = [{{ upstream = \"partner\" }}]\ngrant = \"none\"\n\
         rate = {{ calls = 100, per = \"1s\" }}\ncredentials = {{ partner = {{ env = \"TEXTUS_TOKEN\" }} }}"
    );
    let config = load(format!("{LEAST}\n{}", client(&all)), &[]).unwrap();
    let a = &config.clients[0];
    let expires: Vec<_> = a.keys.iter().map(|key| key.expires.map(|time| time.to_string())).collect();
    assert_eq!(expires, [None, Some("2027-01-01T00:00:00Z".to_owned()), None]);
    assert_eq!(a.keys[1].digest, [7; 32]);
    assert_eq!(a.allow, Some(["fallback", "update-user"].map(str::to_owned).into()));
    assert_eq!(a.routes, Some(vec![ClientRoute { face: None, upstream: Some("partner".into()) }]));
    assert_eq!((a.grant, a.rate.unwrap().calls.get()), (Grant::None, 100));
    assert_eq!(config.upstreams["partner"].credentials["a"].expose(), "hush-textus");
    assert_eq!(load(format!("{LEAST}\n{}", client("")), &[]).unwrap().clients[0].grant, Grant::Ordinary);

    check_more(
        &client("keys = [{ env = \"ERP_KEY\" }]"),
        "14:9: clients[0].keys[0]: the same as clients[0].key; every client needs its own",
    );
    check_more(
        &client("keys = [{ env = \"TOKEN\", expires = 2027-01-01 }]"),
        "14:9: clients[0].keys[0]: expected `expires` to be a time with its offset, such as 2027-01-01T00:00:00Z",
    );
    check_more(
        &client("allow = [\"reed\"]"),
        "14:10: clients[0].allow[0]: nothing is called `reed`; did you mean `read`?",
    );
    check_more(
        &client("routes = [{ face = \"textus\" }]"),
        "14:11: clients[0].routes[0]: no listener has such a route; there are { face = \"ecgrid\", upstream = \
         \"partner\" }",
    );
    check_more(
        &client("grant = \"all\""),
        "14:1: clients[0].grant: nothing is called `all`; known are `none`, `ordinary`, `administrator`",
    );
    check_more(
        &client("rate = { calls = 1, per = \"1500ms\" }"),
        "14:21: clients[0].rate.per: expected whole seconds, such as \"1s\" or \"1m\"",
    );
    check_more(
        &client("credentials = { partnr = { env = \"TOKEN\" } }"),
        "14:17: clients[0].credentials.partnr: no upstream is called `partnr`; did you mean `partner`?",
    );
}

#[test]
fn listeners() {
    let (upstreams, _) = LEAST.split_once("[[listeners]]").unwrap();
    let errors = load(upstreams, &[]).unwrap_err();
    assert_eq!(errors, "x.toml: listeners: missing; add [[listeners]], for without one nobody can call");
    check_other(
        "routes = [{ face = \"ecgrid\", upstream = \"partner\" }]",
        "",
        "7:1: listeners[0].routes: missing; add [[listeners.routes]], for without one nothing is served here",
    );
    check_other(
        "\"ecgrid\"",
        "\"ecgird\"",
        "9:13: listeners[0].routes[0].face: no dialect is called `ecgird`; did you mean `ecgrid`?",
    );
    check_other(
        "\"ecgrid\"",
        "\"ECGrid\"",
        "9:13: listeners[0].routes[0].face: no dialect is called `ECGrid`; did you mean `ecgrid`?",
    );
    check_other(
        "\"partner\"",
        "\"partnr\"",
        "9:30: listeners[0].routes[0].upstream: no upstream is called `partnr`; did you mean `partner`?",
    );
    check_other(
        "\"partner\" }",
        "\"partner\", fallback = \"partnr\" }",
        "9:52: listeners[0].routes[0].fallback: no upstream is called `partnr`; did you mean `partner`?",
    );
    check_other(
        "\"partner\" }",
        "\"partner\", fallback = \"partner\" }",
        "9:52: listeners[0].routes[0].fallback: `partner` speaks textus; name an upstream that speaks ecgrid, as the \
         clients do",
    );
    check_other(
        "\"partner\" }",
        "\"partner\", on_loss = \"alow\" }",
        "9:52: listeners[0].routes[0].on_loss: nothing is called `alow`; did you mean `allow`?",
    );
    check_other(
        "\"partner\" }",
        "\"partner\", fields = { x = \"allow\" } }",
        "9:63: listeners[0].routes[0].fields.x: expected a JSON Pointer into the client's documents, \
         such as /settings/x",
    );
    check_other(
        "\"partner\" }",
        "\"partner\" }, { face = \"ecgrid\", upstream = \"partner\" }",
        "9:56: listeners[0].routes[1].face: paths under /v2/ are served by listeners[0].routes[0].face already; use \
         a listener for each",
    );
}

#[test]
fn addresses() {
    check_more(
        "[sandbox.textus]\naddress = \"127.0.0.1:8080\"",
        "12:1: sandbox.textus.address: 127.0.0.1:8080 is taken by listeners[0].address; choose another port",
    );
    check_other(
        "8080",
        "9090",
        "8:1: listeners[0].address: 127.0.0.1:9090 is taken by admin.address; choose another port",
    );
    check_more(
        "[sandbox.textus]\naddress = \"0.0.0.0:8080\"",
        "12:1: sandbox.textus.address: 0.0.0.0:8080 is taken by listeners[0].address; choose another port",
    );
    check_other(
        "127.0.0.1:8080",
        "0.0.0.0:9090",
        "8:1: listeners[0].address: 0.0.0.0:9090 is taken by admin.address; choose another port",
    );
    check_more("[sandbox.textus]", "11:10: sandbox.textus.address: missing; a stand-in needs one");
}

#[test]
fn the_meaning_of_words() {
    check_more(
        "[roles.ecgird]\nx = \"none\"",
        "11:8: roles.ecgird: no dialect is called `ecgird`; did you mean `ecgrid`?",
    );
    check_more(
        "[roles.ecgrid]\nX = \"membre\"",
        "12:1: roles.ecgrid.X: no role is called `membre`; did you mean `member`?",
    );
    check_more("[roles.ecgrid]\nX = \"administrator\"", "12:1: roles.ecgrid.X: expected at most member");
    check_more(
        "[mapping.preferences]\nforbidden = \"x\"",
        "12:1: mapping.preferences.forbidden: expected another name",
    );
}

#[test]
fn links() {
    check_more(
        "[links]\nstore = \"mysql://me:hush@db/links\"",
        "12:1: links.store: the link store cannot be used: expected \"memory\", \"sqlite:PATH\" or \"postgres://…\"",
    );
    let user =
        |ecgrid: &str, more: &str| format!("[[links.users]]\necgrid = {ecgrid}\ntextus = \"{ecgrid}\"\n{more}\n");
    check_more(&user("true", ""), "12:1: links.users[0].ecgrid: expected an integer");
    check_more(&user("1", "login = 5"), "14:1: links.users[0].login: expected a text that is not empty");
    check_more(
        &user("1", "created = 2024-03-15"),
        "14:1: links.users[0].created: not an RFC 3339 time such as 2024-03-15T10:22:00Z",
    );
    check_more(
        &user("1", "textis = \"a\""),
        "14:1: links.users[0].textis: unknown key, and no dialect; did you mean `textus`?",
    );
    check_more("[[links.users]]\necgrid = 1", "11:1: links.users[0]: expected the ids of at least two dialects");
    check_more(
        &user("1", "").repeat(3),
        "15:1: links.users[1]: ecgrid 1 is linked already; an id belongs to one entry\n\
         19:1: links.users[2]: ecgrid 1 is linked already; an id belongs to one entry",
    );
    check_more("[[links.accounts]]\necgrid = {}\ntextus = \"a\"", "12:1: links.accounts[0].ecgrid: expected a network");
}

#[test]
fn variables() {
    let check = |name: &str, value: &str, expected: &str| {
        let errors = load(LEAST, &[(name, value)]).unwrap_err();
        assert_eq!(errors, format!("environment variable {name}: {expected}"));
    };
    check("INTERLINGUA_LIMITS__BUDY", "1", "limits.budy: unknown key; did you mean `body`?");
    check("INTERLINGUA_LIMITS__DRAIN__X", "1", "limits.drain: expected a whole number or text");
    check("INTERLINGUA_LIMITS", "hush", "limits: expected a table, not text");
    check(
        "INTERLINGUA_UPSTREAMS__PARTNER__DIALECT",
        "x",
        "upstreams.partner.dialect: no dialect is called `x`; known are `ecgrid`, `textus`",
    );
    check(
        "INTERLINGUA_LISTENERS",
        "[{}]",
        "listeners[0].address: missing; say where to listen\n\
         environment variable INTERLINGUA_LISTENERS: listeners[0].routes: missing; add \
         [[listeners.routes]], for without one nothing is served here",
    );
    check("INTERLINGUA_", "", "not a key; a key is spelled like INTERLINGUA_LIMITS__BODY");
}

#[test]
fn all_problems_are_found_at_once() {
    check(
        "[limits]\nbudy = 1\ndrain = 1\n[upstreams.a]\nbase_url = 1\n[[listeners]]\n\
         routes = [{ face = \"x\", upstream = \"a\" }]\n",
        "2:1: limits.budy: unknown key; did you mean `body`?\n\
         3:1: limits.drain: expected a length of time with its unit, such as \"500ms\", \"10s\" or \"2m\", \
         and at most \"24h\"\n\
         4:12: upstreams.a.credential: missing; say where the server's key or token is kept\n\
         4:12: upstreams.a.dialect: missing; name the dialect that this server speaks\n\
         5:1: upstreams.a.base_url: expected text, not a number\n\
         6:1: listeners[0].address: missing; say where to listen\n\
         7:13: listeners[0].routes[0].face: no dialect is called `x`; known are `ecgrid`, `textus`",
    );
}

#[test]
fn the_search_for_problems_ends() {
    let errors = load(format!("{LEAST}[links]\nusers = [{}]", "1,".repeat(1000)), &[]).unwrap_err();
    assert_eq!(errors.lines().count(), MOST);
    let same = "[[links.users]]\necgrid = 1\ntextus = \"a\"\n".repeat(1000);
    let errors = load(format!("{LEAST}{same}"), &[]).unwrap_err();
    assert_eq!(errors.lines().count(), MOST);
}

#[test]
fn ids_are_made_where_the_dialect_has_them() {
    let config = load(format!("{LEAST}\n[links.ids.ecgrid]\nfirst = 7\nlast = 9"), &[]).unwrap();
    assert_eq!(config.ids["ecgrid"], IdRange::new(7, 9).unwrap());
    check_more(
        "[links.ids.ecgrid]\nlast = 2147483648",
        "12:1: links.ids.ecgrid.last: expected at most 2147483647: ecgrid has no ids beyond",
    );
    check_more(
        "[links.ids.ecgrid]\nfirst = 0",
        "12:1: links.ids.ecgrid.first: expected a number that ecgrid has an id of, not 0",
    );
    check_more(
        "[links.ids.ecgrid]\nfirst = 9\nlast = 8",
        "11:12: links.ids.ecgrid: not a range: the first number must not be above the last, nor the last above 2^63 - 2",
    );
}

#[test]
fn a_client_is_one_user() {
    let client =
        |user: &str| format!("[[clients]]\nname = \"a\"\nkey = {{ sha256 = \"{}\" }}\nuser = {user}", "0".repeat(64));
    let config = load(format!("{LEAST}\n{}", client("{ ecgrid = 1042 }")), &[]).unwrap();
    assert_eq!(config.clients[0].user, Some(("ecgrid".into(), UserId::new("1042"))));
    check_more(&client("{ ecgrid = \"x\" }"), "14:10: clients[0].user.ecgrid: expected an integer");
    check_more(
        &client("{}"),
        "14:1: clients[0].user: expected one id, such as { ecgrid = 1042 }; the links tell the others",
    );
    check_more(
        &client("{ ecgird = 1 }"),
        "14:10: clients[0].user.ecgird: no dialect is called `ecgird`; did you mean `ecgrid`?",
    );
}

#[test]
fn ids_reach_the_adapter_as_they_were_written() {
    let ids: BTreeMap<String, serde_json::Value> = {
        let layer = Layer::toml("file", "a = 2147483648\nb = \"x\"\nc = { network = 1 }\nd = -1").unwrap();
        let values = Figment::from(&layer).find_value("").unwrap();
        values.deserialize().unwrap()
    };
    assert_eq!(json!(ids), json!({"a": 2_147_483_648_i64, "b": "x", "c": {"network": 1}, "d": -1}));
}

/// What is said of TLS on the listener.
#[track_caller]
fn check_listener_tls(tls: &str, expected: &str) {
    check_other("address = \"127.0.0.1:8080\"", &format!("address = \"127.0.0.1:8080\"\ntls = {{ {tls} }}"), expected);
}

/// What is said of TLS to the upstream.
#[track_caller]
fn check_upstream_tls(tls: &str, expected: &str) {
    let upstream = format!("base_url = \"https://partner.example\"\ntls = {{ {tls} }}");
    check_other("base_url = \"http://127.0.0.1:8102\"", &upstream, expected);
}

#[test]
fn tls_is_checked_with_its_files() {
    const GOOD: &str = "certificates = [{ chain = 'tls/gateway.pem', key = 'tls/gateway.key' }]";
    let advice = r#"missing; name one, such as { chain = "gateway.pem", key = "gateway.key" }"#;
    check_listener_tls("", &format!("9:1: listeners[0].tls.certificates: {advice}"));
    check_listener_tls(
        "certificates = [{ chain = 'tls/gateway.pem', key = 'tls/other.key' }]",
        "9:54: listeners[0].tls.certificates[0].key: the key is not that of the certificate in `chain`",
    );
    check_listener_tls(
        "certificates = [{ chain = 'tls/empty.pem', key = 'tls/gateway.pem' }]",
        "9:27: listeners[0].tls.certificates[0].chain: tls/empty.pem holds no certificate in PEM\n\
         9:52: listeners[0].tls.certificates[0].key: tls/gateway.pem holds no private key in PEM without a password",
    );
    check_listener_tls(
        "certificates = [{ chain = 'tls/none.pem' }]",
        "9:25: listeners[0].tls.certificates[0].key: missing; name the file with the certificate's key\n\
         9:27: listeners[0].tls.certificates[0].chain: tls/none.pem cannot be read: No such file or directory (os error 2)",
    );
    check_listener_tls(
        &format!("{GOOD}, client_ca = 'tls/broken.pem'"),
        "9:82: listeners[0].tls.client_ca: tls/broken.pem holds a certificate that cannot be read",
    );
    check_listener_tls(
        &format!("{GOOD}, min_version = '1.1'"),
        "9:82: listeners[0].tls.min_version: expected \"1.2\" or \"1.3\"; what came before them is not safe",
    );
    check_upstream_tls(
        "ca = 'tls/empty.pem'",
        "5:9: upstreams.partner.tls.ca: tls/empty.pem holds no certificate in PEM",
    );
    check_upstream_tls(
        "client_ca = 'x'",
        "5:9: upstreams.partner.tls.client_ca: unknown key; known are `ca`, `certificate`, `min_version`",
    );
    check_other(
        "base_url = \"http://127.0.0.1:8102\"",
        "base_url = \"http://127.0.0.1:8102\"\ntls = { min_version = '1.3' }",
        "5:1: upstreams.partner.tls: TLS is for servers whose base_url starts with https://; name it so, or take this out",
    );
}

#[test]
fn tls_is_plain_http_unless_something_is_said() {
    let config = load(LEAST, &[]).unwrap();
    assert!(config.listeners[0].tls.is_none() && config.upstreams["partner"].tls.is_none());
    let text = LEAST.replace("http://127.0.0.1:8102", "https://[::1]:8102").replace(
        "address =",
        "tls = { certificates = [{ chain = 'tls/gateway.pem', key = 'tls/gateway.key' }], hsts = '90d' }\naddress =",
    );
    let load = |more: &str| load(text.replace("credential =", &format!("{more}\ncredential =")), &[]).unwrap();
    let own_ca = load("tls = { ca = 'tls/partner-ca.pem' }");
    assert_eq!(own_ca.listeners[0].tls.as_ref().unwrap().hsts, Some(Duration::from_secs(90 * 24 * 60 * 60)));
    let shown = format!("{:?}{:?}", own_ca.listeners, own_ca.upstreams);
    assert!(!shown.contains("PRIVATE") && !shown.contains("rustls::"), "{shown}");
    assert_ne!(own_ca.upstreams, load("tls = { ca = 'tls/partner-ca.pem', min_version = '1.3' }").upstreams);
}

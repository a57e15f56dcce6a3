//! The commands for the operator: what they print, and their exit codes.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::{
    authority::Authority,
    cli::{Ran, aside, run, stand_ins},
    served::file,
};

/// The hash of a password.
const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dSk/rRZ4CRhPtbMryZJRaa8um3g1+KCg1cxbRpRYrX0";

const SANDBOX: &str = include_str!("../../config/sandbox.toml");

// === ping ===

fn findings(ran: &Ran) -> Vec<(String, String)> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (word(&row, "upstream"), word(&row, "found"))).collect()
}

/// What was found, and what the stand-ins were asked for.
async fn ping(change: impl FnOnce(String) -> String) -> (Ran, Vec<String>) {
    let (ecgrid, textus, config) = stand_ins().await;
    let text = change(std::fs::read_to_string(config.path()).unwrap());
    let ran = aside(move || {
        let config = file(&text);
        run(&["ping", "--json", "--config", config.path().to_str().unwrap()], "")
    })
    .await;
    let calls = ecgrid.calls().into_iter().chain(textus.calls());
    (ran, calls.map(|call| format!("{} {}", call.method, call.path())).collect())
}

fn found(ecgrid: &str, textus: &str) -> Vec<(String, String)> {
    vec![("ecgrid".to_owned(), ecgrid.to_owned()), ("textus".to_owned(), textus.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ping_finds_upstreams_good_and_writes_nothing() {
    let (ran, calls) = ping(|text| text).await;
    assert_eq!((ran.code, findings(&ran)), (Some(0), found("good", "good")), "{ran:?}");
    assert_eq!(calls, ["POST /v2/users/list", "GET /users"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ping_tells_a_wrong_credential_from_a_server_that_is_not_there() {
    let (ran, _) = ping(|text| text.replace("sandbox-textus-upstream-token", "wrong-token")).await;
    assert_eq!((ran.code, findings(&ran)), (Some(69), found("good", "credential refused")), "{ran:?}");
    assert!(!ran.out.contains("wrong-token") && ran.err.contains("1 of 2"), "{ran:?}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let elsewhere = move |text: String| {
        let lines = text.lines().map(|line| match line.strip_prefix("base_url = ") {
            Some(_) => format!("base_url = \"http://{nobody}\"\nretries = 0"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let (ran, _) = ping(elsewhere).await;
    assert_eq!((ran.code, findings(&ran)), (Some(69), found("unreachable", "unreachable")), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ping_finds_a_server_of_another_dialect_strange() {
    // Both stand-ins serve `/users` in no common way; ECGrid's knows no such path.
    let (ran, _) = ping(|text| {
        let (ecgrid, textus) = (address(&text, "[upstreams.ecgrid]"), address(&text, "[upstreams.textus]"));
        text.replace(&textus, &ecgrid)
    })
    .await;
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert_ne!(findings(&ran)[1].1, "good", "{ran:?}");
}

fn address(text: &str, table: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != table);
    lines.filter_map(|line| line.strip_prefix("base_url = ")).next().unwrap().to_owned()
}

// === matrix ===

#[test]
fn the_matrix_has_every_pair_from_code() {
    let ran = run(&["matrix", "--json"], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let matrix: Value = serde_json::from_str(&ran.out).unwrap();
    let pairs = matrix["pairs"].as_array().unwrap();
    let names: Vec<_> = pairs.iter().map(|pair| [pair["face"].as_str(), pair["upstream"].as_str()]).collect();
    let [e, t] = [Some("ecgrid"), Some("textus")];
    assert_eq!(names, [[e, e], [e, t], [t, e], [t, t]]);
    let named = |list: &Value, name: &str| list.as_array().unwrap().iter().find(|row| row["name"] == name).cloned();
    let crossed = &pairs[1];
    assert_eq!(named(&crossed["operations"], "update-user").unwrap()["becomes"], "carried");
    assert_eq!(named(&crossed["operations"], "get-api-key").unwrap()["becomes"], "refused");
    assert_eq!(named(&pairs[0]["operations"], "get-api-key").unwrap()["becomes"], "passed");
    let login = named(&crossed["fields"], "login").unwrap();
    assert_eq!([&login["request"], &login["answer"]], ["lost", "unknown"]);
    let avatar = named(&crossed["fields"], "avatar").unwrap();
    assert_eq!([&avatar["request"], &avatar["answer"]], ["–", "lost"]);
    assert_eq!(named(&pairs[3]["fields"], "preferences").unwrap()["request"], "carried");
}

/// `UPDATE_GOLDEN=1` writes it.
#[test]
fn the_matrix_in_the_documentation_is_up_to_date() {
    golden("docs/reference/matrix.md", &run(&["matrix"], "").out);
}

/// Compares with a file of the repository, or writes it.
pub(crate) fn golden(path: &str, text: &str) {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{path} is not up to date; run this test with UPDATE_GOLDEN=1");
}

// === config ===

#[test]
fn the_schema_is_printed() {
    let ran = run(&["config", "schema"], "");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), include_str!("../../config/schema.json")));
}

#[test]
fn what_is_shown_is_the_configuration_as_it_counts_without_secrets() {
    let ran = run(&["config", "show"], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for piece in ["timeout = \"10s\"", "on_partial = \"report\"", "store = \"memory\"", "body = \"1MiB\"", "[hidden]"] {
        assert!(ran.out.contains(piece), "{piece} is not in: {}", ran.out);
    }
    for secret in ["upstream-key", "upstream-token", "9f3f5fc2d24e56bb", "73eb8ea6cd2aa631", "$argon2id"] {
        assert!(!ran.out.contains(secret), "{secret}");
    }
}

/// Whatever fills in what is hidden has the same configuration.
#[test]
fn what_is_shown_is_a_configuration() {
    let shown = run(&["config", "show"], "").out;
    let filled = shown.replace("value = \"[hidden]\"", "value = \"x\"");
    let filled = filled.replace("password_hash = \"[hidden]\"", &format!("password_hash = \"{CHEAP}\""));
    let filled = filled.replacen("[hidden]", &"a".repeat(64), 1).replacen("[hidden]", &"b".repeat(64), 1);
    let config = file(&filled);
    let again = run(&["config", "show", "--config", config.path().to_str().unwrap()], "");
    assert_eq!((again.code, again.out), (Some(0), shown), "{}", again.err);
}

/// Keys that are there when the operator has something to say, and have no words of their own.
const OF_THE_OPERATOR: &[&str] = &[
    "/clients/0/user",
    "/links/accounts",
    "/links/users",
    "/listeners/0/routes/0/fields",
    "/log",
    "/roles",
    "/sandbox",
];

/// Every key that the schema has is among `shown`, with the value that the schema says, unless its words say what it means
/// that it is absent.
fn all_is_shown(root: &Value, schema: &Value, shown: &Value, at: &str) {
    let schema = schema["$ref"].as_str().map_or(schema, |reference| root.pointer(&reference[1..]).unwrap());
    // Of places for a secret there is one.
    if schema["maxProperties"] == 1 {
        return;
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        let words = schema["description"].as_str().unwrap_or_default();
        let value = &shown[name];
        if value.is_null() {
            assert!(words.contains("Absent") || OF_THE_OPERATOR.contains(&&*at), "{at} is not shown: {words}");
            continue;
        }
        if let Some((_, default)) = words.split_once("Default: ")
            && !default.starts_with("as here")
        {
            assert!(default.starts_with(&value.to_string()), "{at} is {value}: {words}");
        }
        all_is_shown(root, schema, value, &at);
    }
    let (items, entries) = (shown.as_array(), shown.as_object());
    for (position, item) in items.into_iter().flatten().enumerate() {
        all_is_shown(root, &schema["items"], item, &format!("{at}/{position}"));
    }
    for (name, entry) in entries.into_iter().flatten().filter(|_| schema["additionalProperties"].is_object()) {
        all_is_shown(root, &schema["additionalProperties"], entry, &format!("{at}/{name}"));
    }
}

#[test]
fn every_setting_is_shown_with_what_counts() {
    let (authority, secret) = (Authority::new("test"), file("hush"));
    let config = file(&format!(
        r#"
        clients = [{{ name = "b", key = {{ file = '{secret}' }} }}]
        [upstreams.a]
        dialect = "textus"
        base_url = "https://a.example"
        credential = {{ file = '{secret}' }}
        tls = {{ ca = '{}' }}
        [[listeners]]
        address = "127.0.0.1:8080"
        tls = {{ certificates = [{}] }}
        routes = [{{ face = "ecgrid", upstream = "a" }}]
        "#,
        authority.file().display(),
        authority.issue("own", &["gateway.example"]).table(),
        secret = secret.path().display(),
    ));
    let ran = run(&["config", "show", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let schema: Value = serde_json::from_str(include_str!("../../config/schema.json")).unwrap();
    let shown: Value = toml::from_str(&ran.out).unwrap();
    all_is_shown(&schema, &schema, &shown, "");
    assert_eq!(shown["links"]["ids"]["ecgrid"]["first"], 1_000_000_000);
    assert_eq!(shown["upstreams"]["a"]["breaker"], json!({ "failures": 10, "pause": "5s" }));
}

#[test]
fn a_password_of_the_database_is_not_shown() {
    let store = "store = \"postgres://gateway:hush-hush@db.example.com/links\"";
    let config = file(&SANDBOX.replace("store = \"memory\"", store));
    let ran = run(&["config", "show", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("db.example.com") && !ran.out.contains("hush-hush"), "{ran:?}");
    let bad = file("[admin]\nadress = 1");
    assert_eq!(run(&["config", "show", "--config", bad.path().to_str().unwrap()], "").code, Some(78));
}

// === check ===

#[track_caller]
fn advises(text: &str, expected: &[&str]) {
    let config = file(text);
    let ran = run(&["check", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warnings = ran.err.lines().filter_map(|line| line.strip_prefix("warning: ")?.split(": ").next());
    assert_eq!(warnings.collect::<Vec<_>>(), expected, "{ran:?}");
}

#[test]
fn check_warns_of_what_is_unwise() {
    advises(SANDBOX, &[]);
    let lines = SANDBOX.lines().filter(|line| !line.starts_with("[sandbox") && !line.starts_with("people = "));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.replace("address = \"127.0.0.1:8101\"", "").replace("address = \"127.0.0.1:8102\"", "");
    advises(&text, &["links.store", "sessions.key"]);
    let kept = text.replace("store = \"memory\"", "store = \"sqlite:links.db\"");
    advises(&kept, &["journal.key", "sessions.key"]);
    let cheap = format!("name = \"other\"\nlogins = [{{ login = \"other\", password_hash = \"{CHEAP}\" }}]");
    let expired = "keys = [{ sha256 = \"0707070707070707070707070707070707070707070707070707070707070707\", expires = 2020-01-01T00:00:00Z }]";
    let other = format!("{SANDBOX}\n[[clients]]\n{cheap}\n{expired}\nuser = {{ ecgrid = 1043 }}");
    advises(&other, &["clients.other.keys", "clients.other.logins", "clients"]);
    let exposed = SANDBOX.replace("http://127.0.0.1:8101", "http://ecgrid.example.com");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "x").unwrap();
    let credential = format!("file = \"{}\"", token.path().display());
    let exposed = exposed.replace("value = \"sandbox-ecgrid-upstream-key\"", &credential);
    advises(&exposed, &["upstreams.ecgrid.base_url"]);
}

// === completion and man ===

#[test]
fn shells_and_readers_have_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completion", shell], "");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("journal") && ran.out.contains("lenient"), "{shell}");
    }
    assert_eq!(run(&["completion", "abacus"], "").code, Some(2));
    let man = run(&["man"], "");
    assert_eq!(man.code, Some(0), "{man:?}");
    for words in [".TH interlingua 1", "COMMAND SERVE", "COMMAND JOURNAL", "Exit codes"] {
        assert!(man.out.contains(words), "{words} is not in: {}", man.out);
    }
}

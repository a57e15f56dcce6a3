//! The binary: its commands, what they print where, and their exit codes.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use interlingua_sandbox::{self as sandbox, Server};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    client::Client,
    harness::{ECGRID_KEY, any_port, document, writes},
    served::{BINARY, Served, file, on_free_ports},
};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary with a document on its standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever refuses the command line reads no document.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Stand-ins, and a configuration file with their addresses.
pub(crate) async fn stand_ins() -> (Server, Server, NamedTempFile) {
    let ecgrid = sandbox::serve(any_port(), sandbox::Ecgrid::new()).await.unwrap();
    let textus = sandbox::serve(any_port(), sandbox::Textus::new()).await.unwrap();
    let config = file(&on_free_ports(SANDBOX, ecgrid.address(), textus.address()));
    (ecgrid, textus, config)
}

/// Does what blocks while the stand-ins of the test go on answering.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

// === help and check ===

#[test]
fn help_lists_the_commands() {
    let help = run(&["--help"], "");
    assert_eq!(help.code, Some(0));
    for word in ["serve", "check", "translate", "plan", "links", "journal", "Exit codes", "RUST_LOG"] {
        assert!(help.out.contains(word), "{word} is not in: {}", help.out);
    }
    for command in ["serve", "check", "translate", "plan", "links", "journal"] {
        assert!(run(&[command, "--help"], "").out.contains("--config"));
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for arguments in [&[][..], &["dance"], &["check", "--fast"], &["translate", "--from", "ecgrid"]] {
        let ran = run(arguments, "");
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    }
}

#[test]
fn the_configurations_in_the_repository_are_good() {
    let path = |name: &str| format!("{}/../../config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    for arguments in [&["check"][..], &["check", "--config", &path("sandbox")]] {
        let ran = run(arguments, "");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.out, "");
    }
}

/// Good elsewhere, perhaps, so it is no error.
#[test]
fn more_connections_than_the_process_can_have_are_told() {
    let config = file(&format!("{SANDBOX}\n[limits]\nconnections = 4294967295\n"));
    let ran = run(&["check", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("is good") && ran.err.contains("limits.connections"), "{ran:?}");
}

#[test]
fn a_bad_configuration_is_told_by_file_and_line() {
    let bad = file(&SANDBOX.replace("[admin]\naddress", "[admin]\nadress"));
    let line = SANDBOX.lines().position(|line| line == "[admin]").unwrap() + 2;
    for command in ["check", "serve", "plan", "translate"] {
        let mut arguments = vec![command, "--config", bad.path().to_str().unwrap()];
        if !matches!(command, "check" | "serve") {
            arguments.extend(["--from", "ecgrid", "--to", "textus", "--operation", "update-user"]);
        }
        let ran = run(&arguments, "{}");
        assert_eq!((ran.code, ran.out.as_str()), (Some(78), ""), "{ran:?}");
        let place = format!("{}:{line}", bad.path().display());
        assert!(ran.err.contains(&place) && ran.err.contains("adress"), "{place} is not in: {}", ran.err);
    }
    let nowhere = run(&["check", "--config", "/nowhere.toml"], "");
    assert_eq!(nowhere.code, Some(78), "{nowhere:?}");
}

#[test]
fn a_configured_role_that_raises_a_rank_is_refused() {
    let bad = file(&format!("{SANDBOX}\n[roles.ecgrid]\nNetworkUser = \"administrator\"\n"));
    let ran = run(&["check", "--config", bad.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.err.contains("never raise"), "{ran:?}");
}

// === translate ===

fn translate(arguments: &[&str], input: &str) -> Ran {
    run(&[&["translate"], arguments].concat(), input)
}

#[test]
fn translate_turns_a_document_into_the_others() {
    let request = document("ecgrid/update-user-example.request");
    let ran = translate(&["--from", "ecgrid", "--to", "textus", "--operation", "update-user"], &request);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let made: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(made, json!({"name": "John Smith", "email": "john.smith@example.com"}));
}

#[test]
fn translate_tells_what_it_drops_on_standard_error() {
    let request = document("textus/update-user-schedules-analytics.request");
    let to = ["--from", "textus", "--to", "ecgrid", "--operation", "update-user", "--user", "wqyODPA"];
    let ran = translate(&to, &request);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("dropped: request /settings/analyticsReports"), "{ran:?}");
    let made: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        made,
        json!({"userId": 1042, "email": "chuck@textus.example", "firstName": "Chuck", "lastName": "Norris"})
    );
}

#[test]
fn translate_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    let config = file(&SANDBOX.replace("store = \"memory\"", &store));
    let config = config.path().to_str().unwrap();
    let request = document("ecgrid/update-user-example.request");
    let ran =
        translate(&["--config", config, "--from", "ecgrid", "--to", "textus", "--operation", "update-user"], &request);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn translate_turns_a_reply_into_an_answer() {
    let reply = document("ecgrid/update-user-example.response");
    let to = ["--reply", "--from", "ecgrid", "--to", "textus", "--operation", "update-user", "--user", "1042"];
    let ran = translate(&to, &reply);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let made: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!([&made["id"], &made["name"]], ["/users/wqyODPA", "John Smith"]);
    assert_eq!(made["memberships"]["members"][0]["role"], "admin");
}

#[test]
fn translate_refuses_what_the_gateway_would_refuse() {
    let to = |operation| ["--from", "ecgrid", "--to", "textus", "--operation", operation];
    for (arguments, input, words) in [
        (to("update-user"), r#"{"userId": "1042"}"#, "/userId: expected an integer"),
        (to("update-user"), "{", "not a JSON document"),
        (to("update-user"), r#"{"userId": 2001, "firstName": "Una"}"#, "/userId: 2001 is not linked"),
        (to("set-role"), r#"{"userId": 1042, "authLevel": "Root", "networkId": 1}"#, "system-wide"),
        (to("dance"), "{}", "update-config"),
        (["--from", "klingon", "--to", "textus", "--operation", "update-user"], "{}", "ecgrid, textus"),
    ] {
        let ran = translate(&arguments, input);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(words), "{words} is not in: {}", ran.err);
    }
}

#[test]
fn translate_says_what_it_would_have_to_ask() {
    let to = ["--from", "ecgrid", "--to", "textus", "--operation", "set-role"];
    let ran = translate(&to, r#"{"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1}"#);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    let needs = "this needs the answer to GET /users/wqyODPA; `interlingua plan` asks for it";
    assert!(ran.err.contains(needs), "{}", ran.err);
    let ran = translate(&to, r#"{"userId": 1042, "authLevel": "NoChange", "networkId": 1}"#);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
}

// === plan ===

/// The calls that a plan prints, as `access METHOD target`.
fn planned(ran: &Ran) -> Vec<String> {
    let calls = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let word = |call: &Value, name: &str| call[name].as_str().unwrap().to_owned();
    calls.map(|call| ["access", "method", "target"].map(|name| word(&call, name)).join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_reads_and_does_not_write() {
    let (_ecgrid, textus, config) = stand_ins().await;
    let ran = aside(move || {
        let file = config.path().to_str().unwrap();
        let to = ["plan", "--config", file, "--from", "ecgrid", "--to", "textus", "--operation", "set-role"];
        run(&to, &document("ecgrid/set-role-example.request"))
    })
    .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(planned(&ran), ["read GET /users/wqyODPA", "write PUT /users/wqyODPA"]);
    let put: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(put["carries"], json!(["/authLevel"]));
    assert_eq!(put["body"]["memberships"].as_array().map(Vec::len), Some(2));
    assert_eq!(textus.calls().len(), 1);
    assert_eq!(writes(&textus), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_prints_every_call_and_what_is_lost() {
    let (ecgrid, _textus, config) = stand_ins().await;
    let ran = aside(move || {
        let file = config.path().to_str().unwrap();
        let to = ["plan", "--config", file, "--from", "textus", "--to", "ecgrid", "--operation", "update-user"];
        let profile = document("textus/update-user-own-profile.request");
        let strict = [&to[..], &["--user", "wqyODPA"]].concat();
        let refused = run(&strict, &profile);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "as the gateway would: {refused:?}");
        assert!(refused.err.contains("/defaultMessagingAccount"), "{refused:?}");
        run(&[&strict[..], &["--lenient"]].concat(), &profile)
    })
    .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(planned(&ran), ["write PUT /v2/users", "write POST /v2/users/update-config"]);
    assert!(ran.err.contains("dropped: request /defaultMessagingAccount"), "{ran:?}");
    assert_eq!(writes(&ecgrid), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_shows_what_the_gateway_would_do_on_this_route() {
    let (ecgrid, _textus, config) = stand_ins().await;
    let text = std::fs::read_to_string(config.path()).unwrap();
    let from_textus = "face = \"textus\"\nupstream = \"ecgrid\"";
    assert!(text.contains(from_textus));
    let terminating = file(&text.replace(from_textus, &format!("{from_textus}\ndelete = \"terminate\"")));
    let plan = |config: &NamedTempFile, arguments: [&str; 6], input: &str| {
        let config = config.path().to_str().unwrap();
        let [from, to, operation, rest @ ..] = arguments;
        let arguments = ["plan", "--config", config, "--from", from, "--to", to, "--operation", operation];
        let rest = rest.into_iter().filter(|argument| !argument.is_empty());
        run(&arguments.into_iter().chain(rest).collect::<Vec<_>>(), input)
    };
    let checked = aside(move || {
        let hugo = json!({"name": "Hugo Ito", "email": "hugo.ito@example.com",
            "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
        let created = plan(&config, ["textus", "ecgrid", "create-user", "", "", ""], &hugo.to_string());
        assert_eq!(planned(&created), ["write POST /v2/users"], "{created:?}");
        assert!(created.err.contains("defaulted: request /password"), "{created:?}");

        let delete = ["textus", "ecgrid", "delete-user", "--user", "wqyODPA", ""];
        let demoted = plan(&config, delete, "");
        assert_eq!(planned(&demoted), ["read GET /v2/users/1042", "write POST /v2/users/role"], "{demoted:?}");
        let terminated = plan(&terminating, delete, "");
        assert_eq!(planned(&terminated), ["read GET /v2/users/1042", "write DELETE /v2/users/1042"], "{terminated:?}");

        let second = plan(&config, ["ecgrid", "textus", "list-users", "", "", ""], r#"{"pageNo": 2}"#);
        assert_eq!(planned(&second), ["read GET /users"], "every walk begins at the first page: {second:?}");
        let own = plan(&config, ["ecgrid", "textus", "get-me", "", "", ""], "");
        assert!(own.code == Some(1) && own.err.contains("by its id"), "{own:?}");
    });
    checked.await;
    assert_eq!(writes(&ecgrid), [""; 0]);
}

#[test]
fn plan_without_its_upstream_says_so() {
    let config = file(&on_free_ports(SANDBOX, ([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 1).into()));
    let file = config.path().to_str().unwrap();
    let to = ["plan", "--config", file, "--from", "ecgrid", "--to", "textus", "--operation", "set-role"];
    let ran = run(&to, &document("ecgrid/set-role-example.request"));
    assert_eq!(ran.code, Some(69), "{ran:?}");
}

// === serve ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_works_until_it_is_told_to_stop() {
    let (_ecgrid, _textus, config) = stand_ins().await;
    let (served, config) = aside(move || (Served::start(&config, &[("RUST_LOG", "info")]), config)).await;
    let [crossed, _, admin] = served.addresses;
    Client::new(admin).get("/readyz").await.expect(200);
    let user = Client::ecgrid(crossed, ECGRID_KEY).get("/v2/users/1042").await.expect(200);
    assert_eq!(user.at("/data/email"), "chuck@textus.example");
    let (code, log) = aside(move || served.terminate()).await;
    drop(config);
    assert_eq!(code, Some(0), "{log}");
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let answered = log.lines().map(event).find(|event| event["message"] == "request answered").unwrap();
    assert_eq!([&answered["face"], &answered["upstream"], &answered["client"]], ["ecgrid", "textus", "sandbox-ecgrid"]);
    assert_eq!(
        [&answered["operation"], &answered["status"], &answered["calls"]],
        [&json!("get-user"), &json!(200), &json!(1)]
    );
}

#[test]
fn serve_on_a_port_that_is_taken_says_which() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let text = on_free_ports(SANDBOX, any_port(), any_port()).replacen("127.0.0.1:0", &address.to_string(), 1);
    // Port 0 is no address to call, but nothing is called.
    let config = file(&text.replace("http://127.0.0.1:0", "http://127.0.0.1:1"));
    let ran = run(&["serve", "--config", config.path().to_str().unwrap()], "");
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(ran.err.contains(&address.to_string()), "{ran:?}");
}

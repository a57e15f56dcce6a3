//! `interlingua journal`: what a gateway that was killed has left, looked at and settled from outside.

use std::{fs, net::SocketAddr, path::PathBuf, thread, time::Duration};

use interlingua_sandbox::{self as sandbox, Server, serve};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::{
    cli::{Ran, run},
    client::{Answer, Client},
    harness::{ECGRID_KEY, TEXTUS_TOKEN, any_port, writes},
    served::{Served, file, on_free_ports},
};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");
/// When others may take over what a gateway has left.
const LEASE: Duration = Duration::from_millis(300);

/// A gateway over a file, that was killed in the middle of a request.
struct Left {
    ecgrid: Server,
    config: NamedTempFile,
    folder: TempDir,
}

impl Left {
    /// The second of three writes was being sent. With a `key`, what was to be sent is kept.
    async fn new(key: bool) -> Self {
        Self::killed_at(2, key, |addresses| change(addresses[0])).await
    }

    /// It was killed while the write of this number was being sent.
    async fn killed_at<F>(write: usize, key: bool, ask: impl FnOnce([SocketAddr; 3]) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let ecgrid = serve(any_port(), sandbox::Ecgrid::new()).await.unwrap();
        let file_of = |name: &str| folder.path().join(name).display().to_string();
        let mut text = on_free_ports(SANDBOX, ecgrid.address(), ecgrid.address());
        text = text.replace("store = \"memory\"", &format!("store = \"sqlite:{}\"", file_of("links.db")));
        text += &format!("\n[journal]\nlease = \"{}ms\"\n", LEASE.as_millis());
        if key {
            fs::write(file_of("key"), "07".repeat(32)).unwrap();
            text += &format!("key = {{ file = \"{}\" }}\n", file_of("key"));
        }
        let left = Self { ecgrid, config: file(&text), folder };
        left.ecgrid.hang_write(write);
        let gateway = Served::start(&left.config, &[("RUST_LOG", "info")]);
        let asked = tokio::spawn(ask(gateway.addresses));
        while writes(&left.ecgrid).len() < write {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.kill();
        asked.abort();
        thread::sleep(LEASE * 2);
        left
    }

    fn journal(&self, arguments: &[&str]) -> Ran {
        let config = self.config.path().to_str().unwrap().to_owned();
        let mut all = vec!["journal"];
        all.extend(arguments);
        all.extend(["--config", &config]);
        run(&all, "")
    }

    /// The only entry that somebody has to see to, as JSON.
    fn entry(&self) -> Option<Value> {
        let mut entries = self.journal(&["list", "--json"]).expect(0).documents();
        assert!(entries.len() <= 1, "{entries:?}");
        entries.pop()
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("links.db")
    }
}

async fn change(address: SocketAddr) {
    let request = json!({
        "name": "Jon Doe",
        "settings": {"notifications": {"email": true}},
        "memberships": [{"role": "user", "account": "/accounts/my_account"}],
    });
    Client::textus(address, TEXTUS_TOKEN).ask("PUT /users/wqyODPA", &request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_is_told_and_finished() {
    let left = Left::new(true).await;
    let entry = left.entry().unwrap();
    for (name, expected) in [
        ("state", "abandoned"),
        ("upstream", "ecgrid"),
        ("operation", "update-user"),
        ("user", "1042"),
        ("client", "sandbox-textus"),
        ("writes", "applied, outcome unknown, not sent"),
    ] {
        assert_eq!(entry[name], expected, "{entry}");
    }
    let number = entry["entry"].as_str().unwrap().to_owned();
    let shown = left.journal(&["show", &number]).expect(0).out;
    for words in ["/v2/users/update-config", "preferences[notifications.email]", "outcome unknown"] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(!shown.contains("Jon"), "{shown}");

    left.journal(&["resolve", &number, "--finish"]).expect(0);
    let sent = writes(&left.ecgrid);
    let expected =
        ["PUT /v2/users", "POST /v2/users/update-config", "POST /v2/users/update-config", "POST /v2/users/role"];
    assert_eq!(sent, expected);
    assert_eq!(left.ecgrid.stored_config("1042"), Some(json!({"emailNotification": true})));
    assert_eq!(left.entry(), None);
    assert!(left.journal(&["list", "--all"]).expect(0).out.contains("done"));
    assert!(left.journal(&["resolve", &number, "--finish"]).expect(1).err.contains("erased"));
    assert!(left.journal(&["resolve", &number]).expect(1).err.contains("settled already"));
}

/// What was to be sent is old, once somebody has written the user: with a write that no journal knows of, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_does_not_overwrite_what_came_later() {
    let left = Left::new(true).await;
    let number = left.entry().unwrap()["entry"].as_str().unwrap().to_owned();
    let gateway = Served::start(&left.config, &[("RUST_LOG", "info")]);
    let later = json!({"email": "later@example.com"});
    Client::textus(gateway.addresses[0], TEXTUS_TOKEN).ask("PUT /users/wqyODPA", &later).await.expect(200);
    let (code, log) = gateway.terminate();
    assert_eq!(code, Some(0));
    assert!(log.contains("left half done"), "{log}");
    let sent = writes(&left.ecgrid);
    for way in ["--finish", "--undo"] {
        let refused = left.journal(&["resolve", &number, way]).expect(1);
        assert!(refused.err.contains("written the user since"), "{refused:?}");
    }
    assert_eq!(writes(&left.ecgrid), sent);
    assert_eq!(left.entry().unwrap()["state"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_is_told_and_can_be_noted_as_seen_to() {
    let left = Left::new(false).await;
    let number = left.entry().unwrap()["entry"].as_str().unwrap().to_owned();
    assert!(left.journal(&["resolve", &number, "--finish"]).expect(1).err.contains("journal.key"));
    assert_eq!(writes(&left.ecgrid).len(), 2);
    left.journal(&["resolve", &number, "--note", "done by hand"]).expect(0);
    assert_eq!(left.entry(), None);
    assert!(left.journal(&["list", "--all"]).expect(0).out.contains("resolved"));
    // No body, and no name, was ever in the file.
    let bytes = fs::read(left.store()).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"Jon Doe"));
}

/// A message that may have been sent: whoever repeats it is told so each time, and the operator finds it.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unclear_can_be_seen_to() {
    async fn text(address: SocketAddr) -> Answer {
        let message = json!({"userId": 1042, "message": "see you at seven"});
        let client = Client::ecgrid(address, ECGRID_KEY).header("idempotency-key", "text");
        client.ask("POST /v2/users/send-sms?to=john.smith@example.com", &message).await
    }
    let left = Left::killed_at(1, true, |addresses| async move { drop(text(addresses[1]).await) }).await;
    let gateway = Served::start(&left.config, &[("RUST_LOG", "info")]);
    for _ in 0..2 {
        let refused = text(gateway.addresses[1]).await.expect(502);
        assert_eq!(refused.at("/errorCode"), "PartialUpdate", "{}", refused.text());
    }
    let entry = left.entry().unwrap();
    assert_eq!((&entry["state"], &entry["writes"]), (&json!("abandoned"), &json!("outcome unknown")));
    let number = entry["entry"].as_str().unwrap().to_owned();
    // What passes is not kept, key or not, and so is not sent by anybody else.
    for way in ["--finish", "--undo"] {
        assert!(left.journal(&["resolve", &number, way]).expect(1).err.contains("not kept"));
    }
    assert_eq!(writes(&left.ecgrid).len(), 1);
    left.journal(&["resolve", &number, "--note", "asked the user"]).expect(0);
    assert_eq!(left.entry(), None);
    gateway.terminate();
    let bytes = fs::read(left.store()).unwrap();
    for personal in ["see you", "john.smith"] {
        assert!(!bytes.windows(personal.len()).any(|window| window == personal.as_bytes()), "{personal}");
    }
}

#[test]
fn there_must_be_a_journal_that_lasts() {
    assert!(run(&["journal", "list"], "").expect(78).err.contains("ends with the gateway"));
}

//! What comes of a write when the network, the upstream or the store fails: every fault on every kind of write.
//!
//! What a client is told and what the vendor then holds is the table in ARCHITECTURE.md, which is compared with what is
//! seen here; `UPDATE_GOLDEN=1` writes it anew. What must hold whatever the table says is in `Seen::is_honest`.

use std::{fmt, fs, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use interlingua_sandbox::{self as sandbox, Cable, Deed, Moment, Server, directory, serve};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    client::{Answer, Client},
    harness::{Setup, World, any_port},
};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(1);

// === What is written ===

/// A client's write, of which the last call is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// An ECGrid client's, in one call to TextUs, which may be repeated.
    Change,
    /// An ECGrid client's, in one call to TextUs, which must not be repeated.
    Create,
    /// A TextUs client's, in two calls to ECGrid.
    TwoCalls,
    /// The same where what was applied is undone: profile and role, which both show.
    Undone,
    /// An ECGrid client's, to ECGrid.
    Passed,
}

impl Write {
    const ALL: [Self; 5] = [Self::Change, Self::Create, Self::TwoCalls, Self::Undone, Self::Passed];

    fn heading(self) -> &'static str {
        match self {
            Self::Change => "change at TextUs",
            Self::Create => "creation at TextUs",
            Self::TwoCalls => "two calls at ECGrid, the second struck",
            Self::Undone => "two calls at ECGrid, with `undo`",
            Self::Passed => "change passed to ECGrid",
        }
    }

    /// The vendor that is called.
    async fn vendor(self) -> Server {
        match self {
            Self::Change | Self::Create => serve(any_port(), sandbox::Textus::new()).await.unwrap(),
            Self::TwoCalls | Self::Undone | Self::Passed => serve(any_port(), sandbox::Ecgrid::new()).await.unwrap(),
        }
    }

    /// The gateway's world, with the cable between it and the vendor.
    fn behind(self, cable: &Cable) -> Setup {
        let setup = Setup::new().call_timeout(&format!("{}ms", PATIENCE.as_millis()));
        match self {
            Self::Change | Self::Create => setup.textus_at(cable.address()),
            Self::TwoCalls | Self::Passed => setup.ecgrid_at(cable.address()),
            Self::Undone => {
                let route = "face = \"textus\"\nupstream = \"ecgrid\"";
                setup.ecgrid_at(cable.address()).replace(route, &format!("{route}\non_partial = \"undo\""))
            }
        }
    }

    /// A field that each of its calls carries, as the client's dialect names it.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Change | Self::Create | Self::Passed => &["/email"],
            Self::TwoCalls => &["/email", "/settings/notifications/email"],
            Self::Undone => &["/email", "/memberships"],
        }
    }

    /// Which write of the plan is struck.
    fn struck(self) -> usize {
        if matches!(self, Self::TwoCalls | Self::Undone) { 2 } else { 1 }
    }

    async fn send(self, world: &World) -> Answer {
        let change = json!({"userId": 1042, "email": "new@example.com"});
        match self {
            Self::Change => world.crossed_ecgrid().ask("PUT /v2/users", &change).await,
            Self::Passed => world.pass_ecgrid().ask("PUT /v2/users", &change).await,
            Self::Create => {
                let user = json!({
                    "login": "new", "password": "Correct-Horse-1", "email": "new@example.com", "firstName": "Ann",
                    "lastName": "Lee", "networkId": 1, "mailboxId": 101, "authLevel": "MailboxUser",
                });
                world.crossed_ecgrid().ask("POST /v2/users", &user).await
            }
            Self::TwoCalls => {
                let change = json!({
                    "email": "new@example.com", "settings": {"notifications": {"email": true}},
                });
                world.crossed_textus().ask("PUT /users/wqyODPA", &change).await
            }
            Self::Undone => {
                let change = json!({
                    "email": "new@example.com", "memberships": [{"role": "user", "account": "/accounts/my_account"}],
                });
                world.crossed_textus().ask("PUT /users/wqyODPA", &change).await
            }
        }
    }

    /// What the vendor holds of each call's fields, asked past cable and gateway.
    async fn held(self, vendor: &Server) -> Vec<bool> {
        let textus = Client::textus(vendor.address(), directory::TEXTUS_TOKEN);
        let ecgrid = Client::ecgrid(vendor.address(), directory::ECGRID_KEY);
        let new = |email: Value| email == "new@example.com";
        match self {
            Self::Change => vec![new(textus.get("/users/wqyODPA").await.at("/email"))],
            Self::Create => vec![new(textus.get("/users?q=new@example.com").await.at("/members/0/email"))],
            Self::Passed => vec![new(ecgrid.get("/v2/users/1042").await.at("/data/email"))],
            Self::TwoCalls => {
                let config = vendor.stored_config("1042").unwrap();
                vec![new(ecgrid.get("/v2/users/1042").await.at("/data/email")), config["emailNotification"] == true]
            }
            Self::Undone => {
                let user = ecgrid.get("/v2/users/1042").await.at("/data");
                vec![new(user["email"].clone()), user["authLevel"] == "MailboxUser"]
            }
        }
    }
}

// === What fails ===

/// A fault, by the name that the table gives it.
struct Fault(&'static str, Strike);

enum Strike {
    /// A call that writes is struck on its way.
    Cable(Moment, Deed),
    /// Nobody listens.
    Unplug,
    /// The file of the link store is removed.
    Store,
}

const UNSEEN: Moment = Moment::Request(0);
const DONE: Moment = Moment::Answer(0);

/// All faults. Those of `elsewhere` would lead the gateway to another server.
fn faults(elsewhere: &str) -> Vec<Fault> {
    let cable = |name, moment, deed| Fault(name, Strike::Cable(moment, deed));
    let says = |status: &str, headers: &str, body: &str| Deed::Say(http(status, headers, body));
    let redirect = |status| says(status, &format!("location: http://{elsewhere}/v2/users\r\n"), "");
    let refusal = r#"{"success": false, "errorCode": "AccessDenied", "message": "no", "data": null}"#;
    let of_no_form = r#"{"success": true, "data": [7], "@type": 7, "id": 7}"#;
    vec![
        cable("none", DONE, Deed::Delay(Duration::ZERO)),
        Fault("nobody listens", Strike::Unplug),
        cable("reset before the call", UNSEEN, Deed::Reset),
        cable("reset in the middle of the call", Moment::Request(80), Deed::Reset),
        cable("reset after the call", DONE, Deed::Reset),
        cable("end instead of an answer", DONE, Deed::Close),
        cable("half-close instead of an answer", DONE, Deed::HalfClose),
        cable("end in the middle of the answer", Moment::Answer(150), Deed::Close),
        cable("reset in the middle of the answer", Moment::Answer(150), Deed::Reset),
        cable("time-out before the call arrives", UNSEEN, Deed::Hang),
        cable("time-out after it arrived", DONE, Deed::Hang),
        cable("time-out in the middle of the answer", Moment::Answer(150), Deed::Hang),
        cable("an answer that drips for too long", DONE, Deed::Drip(PATIENCE / 20)),
        cable("an answer that is late", DONE, Deed::Delay(PATIENCE / 10)),
        cable("not HTTP", DONE, Deed::Say(Bytes::from_static(b"\x16\x03\x01\0\xa5 garbage\r\n\r\n"))),
        cable("an answer that is not JSON", DONE, says("200 OK", "", "<html>")),
        cable("an answer that is half JSON", DONE, says("200 OK", "", r#"{"success": true, "da"#)),
        cable("an answer of another form", DONE, says("200 OK", "", of_no_form)),
        cable("an answer without a body", DONE, says("200 OK", "", "")),
        cable("an answer of 9 MiB", DONE, says("200 OK", "", &" ".repeat(9 << 20))),
        cable("200 with `success: false`", UNSEEN, says("200 OK", "", refusal)),
        cable("403", UNSEEN, says("403 Forbidden", "", refusal)),
        cable("429 with `Retry-After`", UNSEEN, says("429 Too Many Requests", "retry-after: 30\r\n", "")),
        cable("429 without", UNSEEN, says("429 Too Many Requests", "", "")),
        cable("500", UNSEEN, says("500 Internal Server Error", "", "")),
        cable("503 with `Retry-After`", UNSEEN, says("503 Service Unavailable", "retry-after: 30\r\n", "")),
        cable("307 to another host", UNSEEN, redirect("307 Temporary Redirect")),
        cable("303 to another host", DONE, redirect("303 See Other")),
        Fault("the link store is gone", Strike::Store),
    ]
}

fn http(status: &str, headers: &str, body: &str) -> Bytes {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}");
    format!("{head}\r\nconnection: close\r\n\r\n{body}").into()
}

// === What is seen ===

/// What came of a write.
struct Seen {
    answer: Answer,
    /// What the vendor holds, call by call.
    held: Vec<bool>,
    /// How often the vendor was told to write.
    writes: usize,
}

impl Write {
    async fn under(self, fault: &Fault) -> Seen {
        let vendor = self.vendor().await;
        let cable = Cable::to(vendor.address()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("links.db");
        let kept = format!("store = \"sqlite:{}\"", store.display());
        let world = self.behind(&cable).replace("store = \"memory\"", &kept).start().await;
        let cable = match &fault.1 {
            Strike::Cable(moment, deed) => {
                cable.strike_write(self.struck(), *moment, deed.clone());
                Some(cable)
            }
            Strike::Unplug => {
                cable.unplug().await;
                None
            }
            Strike::Store => {
                folder.close().unwrap();
                Some(cable)
            }
        };
        let answer = self.send(&world).await;
        drop(cable);
        let held = self.held(&vendor).await;
        let writes = vendor.calls().iter().filter(|call| call.method != Method::GET).count();
        Seen { answer, held, writes }
    }
}

impl Seen {
    fn says(&self, word: &str) -> bool {
        self.answer.text().contains(word)
    }

    /// A success, in the words of the dialect, too.
    fn is_done(&self) -> bool {
        let document = serde_json::from_slice(&self.answer.body).unwrap_or(Value::Null);
        self.answer.status < 300 && (document["success"] == true || document["@type"] == "User")
    }

    /// What the client is told of a field: a list of them stands behind the word for it.
    fn told(&self, field: &str) -> Told {
        let document = serde_json::from_slice(&self.answer.body).unwrap_or(Value::Null);
        let words = ["message", "hydra:description"].map(|name| document[name].as_str().unwrap_or_default());
        let lists = words.iter().flat_map(|words| words.split("; ")).filter_map(|words| words.rsplit_once(": "));
        let mut states = lists.filter(|(_, fields)| fields.split(", ").any(|one| one == field));
        match states.next().map(|(state, _)| state.rsplit(": ").next().unwrap_or_default()) {
            Some("applied") => Told::Done,
            Some("outcome unknown") => Told::Unknown,
            Some(_) => Told::NotDone,
            None if self.is_done() => Told::Done,
            None if self.says("unknown") => Told::Unknown,
            None => Told::NotDone,
        }
    }

    /// The contract of a write: what is told is true, and what must not be done twice is not.
    #[track_caller]
    fn is_honest(&self, write: Write, fault: &str) {
        for (field, held) in write.fields().iter().zip(&self.held) {
            let is_true = match self.told(field) {
                Told::Done => *held,
                Told::NotDone => !held || write == Write::Passed, // there, the vendor's own words are told
                Told::Unknown => true,
            };
            assert!(is_true, "{write:?}, {fault}: {field} is held: {held}; {}", self.answer.text());
        }
        assert!(write != Write::Create || self.writes <= 1, "{write:?}, {fault}: done {} times", self.writes);
    }
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

/// A cell of the table.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.answer.status)?;
        let document = serde_json::from_slice(&self.answer.body).unwrap_or(Value::Null);
        if let Some(code) = document["errorCode"].as_str().filter(|code| !code.is_empty()) {
            write!(f, " {code}")?;
        }
        match self.answer.header("retry-after") {
            "" => {}
            seconds => write!(f, ", retry after {seconds} s")?,
        }
        for (word, told) in [("applied:", ", applied"), ("undone:", ", undone"), ("unknown", ", outcome unknown")] {
            if self.says(word) {
                f.write_str(told)?;
            }
        }
        let held = match self.held[..] {
            [true] | [true, true] => "all",
            [true, false] => "the first",
            [false, true] => "the second",
            _ => "nothing",
        };
        write!(f, " → {held}")
    }
}

// === The table ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_tells_what_comes_of_every_fault() {
    let elsewhere = TcpListener::bind(any_port()).await.unwrap();
    let faults = faults(&elsewhere.local_addr().unwrap().to_string());
    let rows = stream::iter(&faults).map(async |fault| {
        let mut cells = vec![fault.0.to_owned()];
        for write in Write::ALL {
            let seen = write.under(fault).await;
            seen.is_honest(write, fault.0);
            cells.push(seen.to_string());
        }
        format!("| {} |", cells.join(" | "))
    });
    let rows: Vec<_> = rows.buffered(6).collect().await;
    let followed = timeout(Duration::from_millis(1), elsewhere.accept()).await;
    assert!(followed.is_err(), "a redirect was followed");
    let headings = Write::ALL.map(Write::heading).join(" | ");
    is_in_the_book(&format!("| fault | {headings} |\n|---|---|---|---|---|---|\n{}", rows.join("\n")));
}

/// Compares the table with the one in ARCHITECTURE.md.
#[track_caller]
fn is_in_the_book(table: &str) {
    const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    const MARKERS: [&str; 2] = ["<!-- faults -->", "<!-- /faults -->"];
    let book = fs::read_to_string(BOOK).unwrap();
    let (before, rest) = book.split_once(MARKERS[0]).unwrap();
    let (_, after) = rest.split_once(MARKERS[1]).unwrap();
    let expected = format!("{before}{}\n\n{table}\n\n{}{after}", MARKERS[0], MARKERS[1]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(BOOK, expected).unwrap();
    } else {
        let new: Vec<_> = table.lines().filter(|row| !book.contains(row)).collect();
        assert!(book == expected, "run with UPDATE_GOLDEN=1 and look at the difference: {new:#?}");
    }
}

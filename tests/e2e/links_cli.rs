//! `interlingua links`: lists in and out, and links one by one, over a store in a file.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use interlingua_sandbox::{self as sandbox, directory};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cli::{Ran, aside, run},
    client::Client,
    harness::{Setup, any_port},
    recorder::{Recorder, ok},
    served::{BINARY, on_free_ports},
};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");

/// What the configuration of the sandbox says.
const IN_MEMORY: &str = "store = \"memory\"";

const PEOPLE: &str = "ecgrid,textus,login,created\n\
                      1001,annAAAA,ann@example.com,2024-03-15T10:22:00Z\n\
                      1002,0000007,,\n\
                      1003,benBBBB,\"Ben \"\"B\"\", of example.com\",\n";

const ACCOUNTS: &str = "ecgrid,textus,name\n1,example_network,Example Network\n1/101,my_account,\n";

/// A store in a folder of its own, and the configuration that names it.
struct Kept(TempDir);

impl Kept {
    fn new() -> Self {
        let kept = Self(tempfile::tempdir().unwrap());
        fs::write(kept.config(), SANDBOX.replace(IN_MEMORY, &kept.store())).unwrap();
        kept
    }

    /// With these lists in it.
    fn with(users: &str, accounts: &str) -> Self {
        let kept = Self::new();
        kept.import(&[], users).expect(0);
        kept.import(&["--accounts"], accounts).expect(0);
        kept
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.file("gateway.toml")
    }

    /// Where it is, in the place of [`IN_MEMORY`].
    fn store(&self) -> String {
        format!("store = \"sqlite:{}\"", self.file("links.db").display())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let config = self.config();
        run(&[&["links", "--config", config.to_str().unwrap()], arguments].concat(), input)
    }

    /// Imports a list in CSV.
    fn import(&self, arguments: &[&str], list: &str) -> Ran {
        self.run_with(&[&["import", "--format", "csv", "-"], arguments].concat(), list)
    }

    /// The users, as a list in CSV.
    fn users(&self) -> String {
        self.run(&["export"]).expect(0).out
    }

    /// The binary, to be started by hand.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("links").arg("--config").arg(self.config()).args(arguments).env_clear();
        command
    }
}

impl Ran {
    /// The same, if the exit code is as expected.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// What was said, line by line.
    fn said(&self) -> Vec<&str> {
        self.err.lines().collect()
    }

    /// The documents that were printed.
    pub(crate) fn documents(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

// === import and export ===

#[test]
fn what_comes_out_is_what_went_in() {
    for format in ["csv", "jsonl"] {
        let (kept, other) = (Kept::with(PEOPLE, ACCOUNTS), Kept::new());
        for (kind, count) in [(&[][..], 3), (&["--accounts"], 2)] {
            let list = kept.run(&[&["export", "--format", format], kind].concat()).expect(0);
            assert_eq!(list.err, "", "no word and no bar where nobody sees them");
            let again = [&["import", "--format", format, "-"], kind].concat();
            assert_eq!(other.run_with(&again, &list.out).expect(0).err, format!("{count} added, 0 there already\n"));
            assert_eq!(other.run_with(&again, &list.out).expect(0).err, format!("0 added, {count} there already\n"));
        }
        assert_eq!(other.users(), PEOPLE);
        assert_eq!(other.run(&["export", "--accounts"]).expect(0).out, ACCOUNTS);
    }
}

#[test]
fn json_lines_are_as_the_configuration_spells_links() {
    let kept = Kept::with(PEOPLE, ACCOUNTS);
    let users = kept.run(&["export", "--format", "jsonl"]).documents();
    let ann = json!({
        "ecgrid": 1001, "textus": "annAAAA", "login": "ann@example.com", "created": "2024-03-15T10:22:00Z",
    });
    assert_eq!(users[..2], [ann, json!({"ecgrid": 1002, "textus": "0000007"})]);
    let accounts = kept.run(&["export", "--accounts", "--format", "jsonl"]).documents();
    let network = json!({"ecgrid": {"network": 1}, "textus": "example_network", "name": "Example Network"});
    let mailbox = json!({"ecgrid": {"network": 1, "mailbox": 101}, "textus": "my_account"});
    assert_eq!(accounts, [network, mailbox]);
}

#[test]
fn the_name_of_a_file_tells_its_format() {
    let kept = Kept::new();
    let file = |name: &str| kept.file(name).to_str().unwrap().to_owned();
    fs::write(file("people.csv"), PEOPLE).unwrap();
    fs::write(file("more.jsonl"), "\u{feff}{\"ecgrid\": 1009, \"textus\": \"ninNNNN\"}\r\n\r\n").unwrap();
    fs::write(file("people.txt"), PEOPLE).unwrap();
    kept.run(&["import", &file("people.csv")]).expect(0);
    kept.run(&["import", &file("more.jsonl")]).expect(0);
    assert!(kept.run(&["import", &file("people.txt")]).expect(2).err.contains("--format"));
    assert!(kept.run(&["import", "-"]).expect(2).err.contains("--format"));
    assert!(kept.run(&["import", &file("nowhere.csv")]).expect(1).err.contains("cannot be read"));
    assert_eq!(kept.users(), format!("{PEOPLE}1009,ninNNNN,,\n"));
    // As a spreadsheet writes it.
    let list = "\u{feff}textus,ecgrid\r\nninNNNN,1009\r\n";
    assert_eq!(kept.import(&["--json"], list).expect(0).documents(), [json!({"added": 0, "unchanged": 1})]);
}

#[test]
fn everything_wrong_with_a_list_is_told_by_line() {
    let kept = Kept::with(PEOPLE, ACCOUNTS);
    let before = kept.users();
    let list = "ecgrid,textus,login,created\n\
                1010,tenTTTT,ten@example.com,\n\
                1001,otherAA,,\n\
                x,abcABCD,,2024-03-15\n\
                1011\n\
                1010,tenTTTT,other@example.com,\n\
                1012,tenTTTT,,\n\
                1013,,,\n\
                1001,annAAAA,other@example.com,\n\
                1014,forFFFF,\"ann@example.com,\n\
                1015,fifFFFF,ben@example.com,\n";
    let ran = kept.import(&[], list).expect(1);
    let expected = [
        "-:3: ecgrid 1001 is linked already",
        "-:4: created: not an RFC 3339 time such as 2024-03-15T10:22:00Z",
        "-:4: ecgrid: expected an integer between 1 and 2147483647",
        "-:5: expected 4 cells, one for each column, not 1",
        "-:6: ecgrid 1010 is linked already, with other details",
        "-:6: textus tenTTTT is linked already, with other details",
        "-:7: textus tenTTTT is linked in line 2 already",
        "-:8: expected the ids of at least two dialects",
        "-:9: ecgrid 1001 is linked already, with other details",
        "-:9: textus annAAAA is linked already, with other details",
        "-:10: expected 4 cells, one for each column, not 3",
        "nothing was added; problems: 11",
    ];
    assert_eq!((ran.said(), ran.out.as_str()), (expected.to_vec(), ""));
    assert!(!ran.err.contains("example.com"), "what is personal is not told");
    let ran = kept.import(&[], "ecgrid,textus,login\n1014,forFFFF,\"ann\n1015,fifFFFF,ben\n").expect(1);
    assert!(ran.said()[0].starts_with("-:2: a cell goes over more than one line"), "{ran:?}");
    let list = "{\"ecgrid\": 1010, \"textus\": \"tenTTTT\"}\n[]\n{\"ecgrid\": 1, \"ecgrid\": 2}\nnot JSON\n\
                {\"ecgrid\": \"1001\", \"textus\": \"x\", \"logn\": \"ann\"}\n";
    let ran = kept.run_with(&["import", "--format", "jsonl", "-"], list).expect(1);
    let expected = [
        "-:2: expected a JSON object",
        "-:3: not a JSON document in which every member stands once",
        "-:4: not a JSON document in which every member stands once",
        "-:5: ecgrid: expected an integer between 1 and 2147483647",
        "-:5: logn: unknown key, and no dialect; did you mean `login`?",
        "nothing was added; problems: 5",
    ];
    assert_eq!(ran.said(), expected);
    let ran = kept.import(&["--accounts"], "ecgrid,textus\n1/x,a\n1,other\n").expect(1);
    assert!(ran.said()[0].starts_with("-:2: ecgrid: expected { network = N }"), "{ran:?}");
    assert_eq!(ran.said()[1..], ["-:3: ecgrid 1 is linked already", "nothing was added; problems: 2"]);
    assert_eq!(kept.users(), before);
}

#[test]
fn columns_must_be_known() {
    let kept = Kept::new();
    for (list, problem) in [
        ("ecgrid,textsu,login\n1001,x,\n", "unknown column `textsu`; did you mean `textus`?"),
        ("ecgrid,textus,name\n", "unknown column `name`; known are `ecgrid`, `textus`, `login`, `created`"),
        ("ecgrid,textus,ecgrid\n", "the column `ecgrid` stands twice"),
        ("", "expected the names of the columns"),
    ] {
        let ran = kept.import(&[], list).expect(1);
        assert_eq!(ran.said(), [&format!("-:1: {problem}"), "nothing was added; problems: 1"]);
    }
}

#[test]
fn of_many_problems_a_hundred_are_told() {
    let list = format!("ecgrid,textus\n{}", "0,x\n".repeat(250));
    let ran = Kept::new().import(&[], &list).expect(1);
    assert_eq!(ran.said().len(), 101);
    assert_eq!(ran.said()[100], "nothing was added; problems: 250, of which the first 100 are shown");
}

#[test]
fn a_dry_run_only_says_what_would_happen() {
    let kept = Kept::new();
    assert_eq!(kept.import(&["--dry-run"], PEOPLE).expect(0).err, "3 to add, 0 there already\n");
    assert!(!kept.file("links.db").exists());
    kept.import(&[], PEOPLE).expect(0);
    let more = format!("{PEOPLE}1004,carCCCC,,\n");
    let ran = kept.import(&["--dry-run", "--json"], &more).expect(0);
    assert_eq!(ran.err, "1 to add, 3 there already\n");
    assert_eq!(ran.documents(), [json!({"added": 1, "unchanged": 3})]);
    kept.import(&["--dry-run"], "ecgrid,textus\n1001,other\n").expect(1);
    assert_eq!(kept.users(), PEOPLE);
}

/// A list that takes a while.
fn many(count: usize) -> String {
    let line = |number: usize| format!("{},wqy{number:07},user{number}@example.com,\n", 1_000_000 + number);
    let lines: String = (0..count).map(line).collect();
    format!("ecgrid,textus,login,created\n{lines}")
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_and_a_second_run_finishes() {
    let (kept, list) = (Kept::new(), many(12_000));
    let (file, log) = (kept.file("many.csv"), kept.file("links.db-wal"));
    fs::write(&file, &list).unwrap();
    let import = ["import", file.to_str().unwrap()];
    let mut child = kept.command(&import).stderr(Stdio::null()).spawn().unwrap();
    // The tables take much less: it is writing links.
    let begun = Instant::now();
    while fs::metadata(&log).map_or(0, |log| log.len()) < 150_000 {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Nothing, unless the machine was so busy that the end came before the signal.
    let said = match kept.users() {
        users if users == list => "0 added, 12000 there already\n",
        users => {
            assert_eq!(users, "ecgrid,textus,login,created\n");
            "12000 added, 0 there already\n"
        }
    };
    assert_eq!(kept.run(&import).expect(0).err, said);
    assert_eq!(kept.users(), list);
    // Whoever reads only the beginning has had enough.
    for format in ["csv", "jsonl"] {
        let mut child = kept.command(&["export", "--format", format]).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_list_that_cannot_be_written_is_no_success() {
    let kept = Kept::with(PEOPLE, ACCOUNTS);
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(kept.command(&["export"]).stdout(full).status().unwrap().code(), Some(69));
}

// === list, show, add, remove ===

#[test]
fn links_are_listed_in_pages() {
    let kept = Kept::with(PEOPLE, ACCOUNTS);
    let table = "ecgrid  textus   login                    created\n\
                 1001    annAAAA  ann@example.com          2024-03-15T10:22:00Z\n\
                 1002    0000007  -                        -\n\
                 1003    benBBBB  Ben \"B\", of example.com  -\n";
    let all = kept.run(&["list"]).expect(0);
    assert_eq!((all.out.as_str(), all.err.as_str()), (table, ""));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let place = after.as_ref().map_or(vec![], |cursor: &String| vec!["--after", cursor]);
        let page = kept.run(&[&["list", "--json", "--limit", "2"], &place[..]].concat()).expect(0);
        seen.push(page.documents());
        after = page.err.strip_prefix("there are more; go on with --after ").map(|cursor| cursor.trim().to_owned());
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(seen.concat(), kept.run(&["export", "--format", "jsonl"]).documents());
    let accounts = "ecgrid  textus           name\n\
                    1       example_network  Example Network\n\
                    1/101   my_account       -\n";
    assert_eq!(kept.run(&["list", "--accounts"]).expect(0).out, accounts);
    kept.run(&["list", "--after", "here"]).expect(2);
    kept.run(&["list", "--limit", "0"]).expect(2);
}

#[test]
fn filters_let_through_what_they_say() {
    let kept = Kept::with(PEOPLE, ACCOUNTS);
    let check = |filter: &[&str], expected: &[i64]| {
        let found = kept.run(&[&["list", "--json"], filter].concat()).expect(0).documents();
        let ids: Vec<_> = found.iter().map(|link| link["ecgrid"].as_i64().unwrap()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    };
    check(&["--has", "ecgrid"], &[1001, 1002, 1003]);
    check(&["--lacks", "textus"], &[]);
    check(&["--login", "ann@example.com"], &[1001]);
    check(&["--containing", "example.com"], &[1001, 1003]);
    check(&["--containing", "BBB", "--has", "textus"], &[1003]);
    assert!(kept.run(&["list", "--has", "textis"]).expect(1).err.contains("ecgrid, textus"));
    kept.run(&["list", "--accounts", "--has", "ecgrid"]).expect(2);
}

#[test]
fn links_are_added_shown_and_removed_one_by_one() {
    let kept = Kept::new();
    let ann = ["add", "ecgrid=1001", "textus=annAAAA", "login=ann=\u{1b}[31m", "created=2024-03-15T10:22:00Z"];
    assert_eq!(kept.run(&ann).expect(0).err, "1 added, 0 there already\n");
    let again = kept.run(&[&ann[..], &["--json"]].concat()).expect(0);
    assert_eq!(again.documents(), [json!({"added": 0, "unchanged": 1})]);
    let shown = "ecgrid   1001\n\
                 textus   annAAAA\n\
                 login    ann=\u{fffd}[31m\n\
                 created  2024-03-15T10:22:00Z\n";
    assert_eq!(kept.run(&["show", "ecgrid", "1001"]).expect(0).out, shown);
    let document = json!({
        "ecgrid": 1001, "textus": "annAAAA", "login": "ann=\u{1b}[31m", "created": "2024-03-15T10:22:00Z",
    });
    assert_eq!(kept.run(&["show", "--json", "textus", "annAAAA"]).expect(0).documents()[0], document);
    for (keys, problem) in [
        (&["ecgrid=1001", "textus=other"][..], "ecgrid 1001 is linked already"),
        (&["ecgrid=1002"], "expected the ids of at least two dialects"),
        (&["ecgrid=x", "textus=other"], "ecgrid: expected an integer between 1 and 2147483647"),
        (&["ecgrid=1", "textis=other"], "textis: unknown key, and no dialect; did you mean `textus`?"),
        (&["ecgrid=1", "ecgrid=2"], "ecgrid: stands twice"),
    ] {
        let ran = kept.run(&[&["add"], keys].concat()).expect(1);
        assert!(ran.said().contains(&problem), "{problem} is not in: {ran:?}");
    }
    kept.run(&["add", "ecgrid"]).expect(2);
    for action in ["show", "remove"] {
        assert_eq!(kept.run(&[action, "ecgrid", "1002"]).expect(1).err, "ecgrid 1002 is not linked\n");
        assert!(kept.run(&[action, "ecgrid", "x"]).expect(1).err.contains("expected an integer"));
        assert!(kept.run(&[action, "klingon", "x"]).expect(1).err.contains("ecgrid, textus"));
    }
    let removed = kept.run(&["remove", "--json", "textus", "annAAAA"]).expect(0);
    assert_eq!(removed.documents(), [document]);
    kept.run(&["show", "ecgrid", "1001"]).expect(1);
    let account = ["--accounts", "ecgrid=1/101", "textus=my_account", "name=Example Account"];
    kept.run(&[&["add"], &account[..]].concat()).expect(0);
    let shown = "ecgrid  1/101\ntextus  my_account\nname    Example Account\n";
    assert_eq!(kept.run(&["remove", "--accounts", "ecgrid", "1/101"]).expect(0).out, shown);
    kept.run(&["show", "--accounts", "textus", "my_account"]).expect(1);
}

// === the store ===

#[test]
fn a_store_that_cannot_be_had_says_so() {
    let kept = Kept::new();
    for action in [&["list"][..], &["export"], &["show", "ecgrid", "1"], &["remove", "ecgrid", "1"]] {
        assert!(kept.run(action).expect(69).err.contains("there is no such file"));
    }
    assert!(!kept.file("links.db").exists(), "to look does not make it");
    fs::write(kept.file("links.db"), "this is no database\n".repeat(100)).unwrap();
    for action in [&["list"][..], &["add", "ecgrid=1", "textus=a"]] {
        let ran = kept.run(action).expect(69);
        assert!(ran.err.contains("links.db: the link store cannot be used"), "{ran:?}");
    }
    let at = |store: &str| {
        let output = kept.command(&["list"]).env("INTERLINGUA_LINKS__STORE", store).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = at("postgres://jo:secret@127.0.0.1:1/links");
    assert_eq!(code, Some(69), "{said}");
    assert!(said.starts_with("postgres://127.0.0.1:1/links: the link store does not answer"), "{said}");
    let (code, said) = at("memory");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("links.store") && said.contains("sqlite:PATH"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_at_work_and_the_command_see_what_the_other_does() {
    let kept = Kept::new();
    let world = Setup::new().replace(IN_MEMORY, &kept.store()).start().await;
    let client = world.crossed_ecgrid();
    let role = json!({"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1});
    client.ask("POST /v2/users/role", &role).await.expect(200);
    let kept = aside(move || {
        let removed = kept.run(&["remove", "textus", "wqyODPA"]).expect(0).out;
        assert!(removed.starts_with("ecgrid   1042\n") && removed.ends_with("scope    ecgrid 1\n"), "{removed}");
        kept.run(&["add", "ecgrid=7001", "textus=wqyODPA"]).expect(0);
        kept
    })
    .await;
    assert_eq!(client.get("/v2/users/7001").await.expect(200).at("/data/userId"), 7001);
    let role = json!({"userId": 7001, "authLevel": "NetworkAdmin", "networkId": 1});
    client.ask("POST /v2/users/role", &role).await.expect(200);
    let exported = aside(move || kept.run(&["export"]).expect(0)).await;
    assert!(exported.out.contains("7001,wqyODPA,,\n"), "{exported:?}");
    assert_eq!(exported.err, "a list does not hold the scope that was set last; users with one: 1\n");
    world.stop().await;
}

// === match ===

#[tokio::test]
async fn whoever_is_alone_with_an_address_at_each_vendor_is_matched() {
    const PEOPLE: usize = 230;
    let ecgrid = sandbox::serve(any_port(), sandbox::Ecgrid::new().generate(PEOPLE, 1)).await.unwrap();
    let textus = sandbox::serve(any_port(), sandbox::Textus::new().generate(PEOPLE, 1)).await.unwrap();
    let kept = Kept::new();
    let text = fs::read_to_string(kept.config()).unwrap();
    fs::write(kept.config(), on_free_ports(&text, ecgrid.address(), textus.address())).unwrap();
    let person = |index| directory::people(PEOPLE, 1).nth(index).unwrap();

    // One has the address of another, in capitals; one is linked with nobody that is there.
    let twin = json!({"login": "twin", "password": "Correct-Horse-1", "email": person(7).email.to_uppercase()});
    Client::ecgrid(ecgrid.address(), directory::ECGRID_KEY).ask("POST /v2/users", &twin).await.expect(200);
    aside(move || {
        kept.run(&["add", &format!("ecgrid={}", directory::ecgrid_id(8)), "textus=nobody0"]).expect(0);
        let shown = kept.run(&["match", "--by", "email", "--json"]).expect(0);
        // Three of the configuration's links are of people who have other addresses.
        assert_eq!(shown.said(), [format!("{} match, 1 taken, 1 ambiguous, 8 alone", PEOPLE - 2)]);
        let found = shown.documents();
        let of = |email: &str| found.iter().find(|found| found["email"] == email).cloned();
        let third = json!({"finding": "match", "ecgrid": directory::ecgrid_id(3).to_string(),
            "textus": directory::textus_id(3), "email": person(3).email});
        assert_eq!(of(&person(3).email), Some(third));
        assert_eq!(of(&person(7).email).unwrap()["finding"], "ambiguous");
        assert_eq!(of(&person(8).email).unwrap()["finding"], "taken");
        assert_eq!(of("sysop@example.com").unwrap()["finding"], "alone");
        assert_eq!(kept.users().lines().count(), 2, "nothing was written");

        let applied = kept.run(&["match", "--by", "email", "--apply"]).expect(0);
        assert_eq!(applied.said().last().copied(), Some(&*format!("{} added", PEOPLE - 2)));
        let row =
            format!("{},{},{},2024-03-15T10:22:00Z", directory::ecgrid_id(3), directory::textus_id(3), person(3).login);
        assert!(kept.users().lines().any(|line| line == row), "with what ECGrid knows of the user: {row}");
        let again = kept.run(&["match", "--by", "email", "--apply"]).expect(0);
        assert_eq!(
            again.said(),
            [format!("{} linked, 1 taken, 1 ambiguous, 8 alone", PEOPLE - 2), "0 added".to_owned()]
        );
        assert_eq!(kept.run(&["match", "--by", "email", "--accounts"]).code, Some(2));
        assert_eq!(kept.run(&["match", "--by", "email", "--between", "ecgrid", "nobody"]).code, Some(2));
        assert_eq!(kept.run(&["match", "--by", "email", "--between", "ecgrid", "ecgrid"]).code, Some(2));
    })
    .await;
}

#[tokio::test]
async fn a_list_that_goes_round_in_circles_is_no_list() {
    let full: Vec<_> = (1..=100).map(|id| json!({"userId": id, "email": format!("{id}@example.com")})).collect();
    let ran = matched_with(json!(full)).await.expect(69);
    assert!(ran.err.starts_with("ecgrid: ") && ran.err.contains("round in circles"), "{ran:?}");
    assert_eq!(ran.out, "");
}

#[tokio::test]
async fn users_without_an_address_are_counted() {
    let ran = matched_with(json!([{"userId": 1}, {"userId": 2, "email": null}])).await.expect(0);
    assert_eq!(ran.said()[0], "ecgrid: 2 users have no address, and are left out", "{ran:?}");
}

/// What comes of matching users of TextUs with those of an ECGrid whose every page is this one.
async fn matched_with(page: Value) -> Ran {
    let ecgrid = Recorder::start().await;
    let textus = sandbox::serve(any_port(), sandbox::Textus::new()).await.unwrap();
    let kept = Kept::new();
    let text = fs::read_to_string(kept.config()).unwrap();
    fs::write(kept.config(), on_free_ports(&text, ecgrid.address, textus.address())).unwrap();
    ecgrid.always(ok(&json!({"success": true, "data": page}).to_string()));
    aside(move || kept.run(&["match", "--by", "email"])).await
}

#[tokio::test]
async fn a_vendor_that_is_away_is_told() {
    let kept = Kept::new();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = fs::read_to_string(kept.config()).unwrap();
    fs::write(kept.config(), on_free_ports(&text, nowhere, nowhere)).unwrap();
    let ran = aside(move || kept.run(&["match", "--by", "email", "--apply"])).await.expect(69);
    assert!(ran.err.starts_with("ecgrid: ") && ran.out.is_empty(), "{ran:?}");
}

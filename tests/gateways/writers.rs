//! Many who write the same users at once, through two gateways over one store.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use http::StatusCode;
use interlingua_sandbox::directory;
use serde_json::{Value, json};

use crate::{
    FOREIGN, World,
    client::{Answer, Client},
    patiently, people, until,
};

/// How many users are written.
const USERS: usize = 20;
/// How many write each of them, at once.
const WRITERS: usize = 10;
/// How long all of it may take, on a slow machine, too.
const BOUND: Duration = Duration::from_secs(120);

/// Of many who make a user of one login at once, one does, although the vendor does not know logins at all.
pub(crate) async fn made_once(store: &str) {
    let world = World::start(store, 2).await;
    let made = join_all((0..12).map(async |number| {
        let user = json!({"login": "only.one", "password": "Correct-Horse-1", "email": format!("{number}@example.com"),
            "firstName": "Una", "lastName": "Only", "networkId": 1, "mailboxId": 101});
        patiently(async || world.ecgrid(number).ask("POST /v2/users", &user).await).await
    }))
    .await;
    let (done, refused): (Vec<Answer>, Vec<_>) = made.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1);
    for answer in refused {
        assert_eq!(answer.at("/errorCode"), "DuplicateObject", "{}", answer.text());
    }
    world.stop();
}

/// What was answered by one gateway is what the other answers to a repeat, and nobody is made twice.
pub(crate) async fn done_once(store: &str) {
    let world = World::start(store, 2).await;
    let user = json!({"login": "una", "password": "Correct-Horse-1", "email": "una@example.com", "firstName": "Una",
        "lastName": "New", "networkId": 1, "mailboxId": 101});
    let once = |gateway, key| world.ecgrid(gateway).header("idempotency-key", key);
    let first = once(0, "create").ask("POST /v2/users", &user).await.expect(200);
    let calls = world.vendors[1].calls().iter().filter(|call| call.method == "POST").count();
    let again = once(1, "create").ask("POST /v2/users", &user).await.expect(200);
    assert_eq!((again.text(), again.header("idempotency-replayed")), (first.text(), "true"));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(world.vendors[1].calls().iter().filter(|call| call.method == "POST").count(), calls);
    let other = json!({"userId": 1042, "firstName": "Jo"});
    once(1, "create").ask("PUT /v2/users", &other).await.expect(422);

    // Of many who send the same at once, all are told the same in the end, and it is done once.
    let before = world.vendors[1].calls().iter().filter(|call| call.method == "PUT").count();
    let answers = join_all((0..20).map(async |number| {
        loop {
            let answer = once(number, "rename").ask("PUT /v2/users", &other).await;
            if !matches!(answer.status, 409 | 503) {
                return answer.expect(200).text();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }))
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.vendors[1].calls().iter().filter(|call| call.method == "PUT").count(), before + 1);
    world.stop();
}

/// A gateway is killed while it waits for the answer to a creation: the client asks another one again with the same key,
/// and nobody is made twice, whether the vendor had done it or not.
pub(crate) async fn made_once_though_killed(store: &str, was_done: bool) {
    let mut world = World::start_with(store, 2, "[journal]\nlease = \"1s\"\n").await;
    let user = json!({"login": "una", "password": "Correct-Horse-1", "email": "una@example.com", "firstName": "Una",
        "lastName": "New", "networkId": 1, "mailboxId": 101});
    let creations = |world: &World| {
        let calls = world.vendors[1].calls();
        calls.iter().filter(|call| call.method == "POST" && call.path() == "/users").count()
    };
    world.vendors[1].hang_write(1);
    let client = world.ecgrid(0).header("idempotency-key", "create");
    let asking = tokio::spawn({
        let user = user.clone();
        async move { client.try_send("POST /v2/users", user.to_string()).await.map(drop) }
    });
    until(async || creations(&world) == 1).await;
    world.gateways.remove(0).kill();
    assert!(asking.await.unwrap().is_err());
    if was_done {
        // The call that nobody answered, done after all.
        let done = json!({"name": "Una New", "email": "una@example.com",
            "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
        textus_itself(&world).ask("POST /users", &done).await.expect(201);
    }

    let client = world.ecgrid(0).header("idempotency-key", "create");
    let answer = answered(&client, "POST /v2/users", &user).await.expect(200);
    assert_eq!(answer.at("/data/email"), "una@example.com");
    assert_eq!(creations(&world), 2, "the one that hung, and one more");
    let again = client.ask("POST /v2/users", &user).await.expect(200);
    assert_eq!((again.text(), creations(&world)), (answer.text(), 2));
    world.stop();
}

/// A gateway is killed in the middle of three writes: the client asks another one again with the same key, and that goes
/// on at the first write that was not done.
pub(crate) async fn resumed(store: &str) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "07".repeat(32)).unwrap();
    let tables = format!("[journal]\nlease = \"1s\"\nkey = {{ file = \"{}\" }}\n", key.display());
    let mut world = World::start_with(store, 2, &tables).await;
    let request = json!({"name": "Jon Doe", "settings": {"notifications": {"email": true}},
        "memberships": [{"role": "user", "account": "/accounts/my_account"}]});
    let config = "/v2/users/update-config";
    let writes = |world: &World| {
        let calls = world.vendors[0].calls();
        calls.iter().filter(|call| call.method != "GET").map(|call| call.path().to_owned()).collect::<Vec<_>>()
    };
    world.vendors[0].hang_write(2);
    let client = world.textus(0).header("idempotency-key", "change");
    let asking = tokio::spawn({
        let request = request.clone();
        async move { client.try_send("PUT /users/wqyODPA", request.to_string()).await.map(drop) }
    });
    until(async || writes(&world).len() == 2).await;
    world.gateways.remove(0).kill();
    assert!(asking.await.unwrap().is_err());

    // The first repeat gets no further: nobody else has written the user by that, and the next one goes on.
    (1..100).for_each(|write| world.vendors[0].fail_write(write, StatusCode::SERVICE_UNAVAILABLE));
    let client = world.textus(0).header("idempotency-key", "change");
    let answer = answered(&client, "PUT /users/wqyODPA", &request).await;
    assert!(answer.status >= 500, "{answer:?}");
    let tried = writes(&world);
    assert!(tried[0] == "/v2/users" && tried[1..].iter().all(|write| write == config), "{tried:?}");
    world.vendors[0].clear_faults();
    world.vendors[0].clear_calls();
    let answer = answered(&client, "PUT /users/wqyODPA", &request).await;
    assert_eq!(answer.expect(200).at("/name"), "Jon Doe");
    assert_eq!(writes(&world), [config, "/v2/users/role"]);
    assert_eq!(world.vendors[0].stored_config("1042"), Some(json!({"emailNotification": true})));
    world.stop();
}

/// The answer to a request that is repeated for as long as another attempt at it may be under way.
async fn answered(client: &Client, line: &str, body: &Value) -> Answer {
    let mut answer = client.ask(line, body).await;
    until(async || {
        if answer.status == 409 {
            answer = client.ask(line, body).await;
        }
        answer.status != 409
    })
    .await;
    answer
}

/// What one writer wants, and what came of it.
struct Written {
    user: usize,
    change: Change,
    status: u16,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    /// A role in a mailbox, which is an account of its own at TextUs: the list of memberships is read and written whole.
    Role(u32, &'static str),
    /// A name that nobody else gives.
    Name(String),
    /// An e-mail address that nobody else gives, if the user is as it was at the start.
    EmailIfUnchanged(String),
}

impl Change {
    /// That of the writer of this number: the roles of three mailboxes, names, and addresses on a condition.
    fn of(user: usize, writer: usize) -> Self {
        match writer {
            0..3 => Self::Role(ACCOUNTS[writer].0, ["MailboxUser", "MailboxAdmin"][(user + writer) % 2]),
            3..6 => Self::Name(format!("N{user}x{writer}")),
            _ => Self::EmailIfUnchanged(format!("e{user}.{writer}@example.com")),
        }
    }

    async fn write(&self, client: Client, id: &Value, version: &str) -> Answer {
        match self {
            Self::Role(mailbox, role) => {
                let role = json!({"userId": id, "authLevel": role, "networkId": 1, "mailboxId": mailbox});
                client.ask("POST /v2/users/role", &role).await
            }
            Self::Name(name) => client.ask("PUT /v2/users", &json!({"userId": id, "lastName": name})).await,
            Self::EmailIfUnchanged(email) => {
                let client = client.header("if-match", version);
                client.ask("PUT /v2/users", &json!({"userId": id, "email": email})).await
            }
        }
    }
}

/// One more mailbox that is an account.
const THIRD: &str = "[[links.accounts]]\necgrid = { network = 1, mailbox = 103 }\ntextus = \"other_account\"\n";

/// The accounts that the writers set roles in, by mailbox.
const ACCOUNTS: [(u32, &str); 3] = [(101, "my_account"), (102, "my_account_child"), (103, "other_account")];

/// The last state of each user is that of its accepted writes, one after the other in some order: no role is lost, names
/// and addresses are somebody's who was told that they are, and whoever was refused changed nothing.
pub(crate) async fn in_some_order(store: &str) {
    let world = World::start_with(store, 2, THIRD).await;
    let at_textus = ids_at_textus(&world).await;
    let made_up = |user: &&Value| at_textus.contains_key(user["email"].as_str().unwrap());
    let users = world.ecgrid(0).ask("POST /v2/users/list", &json!({"pageNo": 1})).await.expect(200).at("/data");
    let users = users.as_array().unwrap().iter().filter(made_up).take(USERS);
    let ids: Vec<_> = users.map(|user| user["userId"].clone()).collect();
    assert_eq!(ids.len(), USERS);
    let before = join_all(ids.iter().map(async |id| shown(&world, 0, id).await)).await;

    let writers = (0..USERS * WRITERS).map(async |number| {
        let (user, writer) = (number / WRITERS, number % WRITERS);
        let change = Change::of(user, writer);
        let version = before[user].header("etag");
        let write = async || change.write(world.ecgrid(number + user), &ids[user], version).await;
        let status = patiently(write).await.status;
        Written { user, change, status }
    });
    let written = tokio::time::timeout(BOUND, join_all(writers)).await.expect("some writer waits for ever");

    for (user, id) in ids.iter().enumerate() {
        let mine: Vec<_> = written.iter().filter(|written| written.user == user).collect();
        let email = before[user].at("/data/email");
        let at_textus = textus_itself(&world).get(&at_textus[email.as_str().unwrap()]).await.expect(200).json();
        check(&before[user], &shown(&world, 1, id).await, &at_textus, &mine);
    }
    world.stop();
}

/// A user as a gateway shows it.
async fn shown(world: &World, gateway: usize, id: &Value) -> Answer {
    world.ecgrid(gateway).get(&format!("/v2/users/{id}")).await.expect(200)
}

/// A client of TextUs that goes past all gateways.
fn textus_itself(world: &World) -> Client {
    Client::textus(world.vendors[1].address(), directory::TEXTUS_TOKEN)
}

/// The paths of the made-up people at TextUs, by e-mail address: not of whom the gateway's own token is.
async fn ids_at_textus(world: &World) -> BTreeMap<String, String> {
    let (mut ids, mut next) = (BTreeMap::new(), Some("/users".to_owned()));
    while let Some(page) = next {
        let page = textus_itself(world).get(&page).await.expect(200);
        ids.extend(people(&page.at("/members"), "id"));
        next = page.at("/view/next").as_str().map(str::to_owned);
    }
    let made_up: BTreeSet<_> = (0..FOREIGN).map(|index| format!("/users/{}", directory::textus_id(index))).collect();
    let ids = ids.into_iter().map(|(email, id)| (email, id.trim_matches('"').to_owned()));
    ids.filter(|(_, id)| made_up.contains(id)).collect()
}

/// Whether a user is what the accepted ones of `written` make of it in some order.
#[track_caller]
fn check(before: &Answer, after: &Answer, at_textus: &Value, written: &[&Written]) {
    let accepted = |of: fn(&Change) -> bool| {
        let mine = written.iter().filter(move |written| of(&written.change));
        mine.filter(|written| written.status == 200).map(|written| &written.change).collect::<Vec<_>>()
    };
    let roles = accepted(|change| matches!(change, Change::Role(..)));
    let names = accepted(|change| matches!(change, Change::Name(_)));
    let emails = accepted(|change| matches!(change, Change::EmailIfUnchanged(_)));
    for Written { change, status, .. } in written {
        let may_be = if matches!(change, Change::EmailIfUnchanged(_)) { [200, 412] } else { [200, 200] };
        assert!(may_be.contains(status), "{change:?}: {status}");
    }

    // Everybody sets the role in another account, so that each that was accepted is there, whatever the order.
    let held: BTreeMap<_, _> = memberships(at_textus)
        .into_iter()
        .filter(|(account, _)| ACCOUNTS.iter().any(|(_, known)| known == account))
        .collect();
    let wanted = roles.iter().map(|change| match change {
        Change::Role(mailbox, role) => {
            let account = ACCOUNTS.iter().find(|(known, _)| known == mailbox).unwrap().1;
            (account.to_owned(), if *role == "MailboxAdmin" { "admin" } else { "user" }.to_owned())
        }
        other => panic!("{other:?} is no role"),
    });
    assert_eq!(held, wanted.collect());

    // One of those who were told that the name is theirs was the last.
    let name = after.at("/data/lastName");
    assert!(names.contains(&&Change::Name(name.as_str().unwrap().to_owned())), "{name} is nobody's");

    // The condition held for nobody but whoever came first of all.
    assert!(emails.len() <= 1, "{emails:?} all came first");
    let email = after.at("/data/email");
    match emails.first() {
        Some(first) => assert_eq!(**first, Change::EmailIfUnchanged(email.as_str().unwrap().to_owned())),
        None => assert_eq!(email, before.at("/data/email"), "whoever was refused has changed it"),
    }
}

/// The role in each account.
fn memberships(user: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let members = user["memberships"]["members"].as_array().unwrap().iter();
    members.map(|one| (text(&one["account"]["id"]).replace("/accounts/", ""), text(&one["role"]))).collect()
}

//! Gateways over one store of links: real processes, real databases, many clients at once.
//!
//! The PostgreSQL server is started here, from Debian's package; where that is missing its tests are counted as ignored.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests, without #[test]")]

#[path = "../e2e/client.rs"]
#[expect(dead_code, reason = "the end-to-end tests need more of it")]
mod client;
mod killed;
#[path = "../../crates/links/tests/conformance/server.rs"]
#[expect(dead_code, reason = "the tests of the store need more of it")]
mod postgres;
#[path = "../e2e/served.rs"]
mod served;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use client::{Answer, Client};
use futures_util::future::join_all;
use interlingua_sandbox::{self as sandbox, Server, serve};
use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::{Value, json};
use served::{BINARY, Served, file, on_free_ports};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");

/// How many clients there are at once.
const CLIENTS: usize = 64;
/// How many users each of them makes at each vendor.
const EACH: usize = 3;
/// How many users there are at each vendor from the start.
const FOREIGN: usize = 300;
/// Long enough for whatever does not take for ever.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && postgres::binaries().is_none() {
        eprintln!("\n*** {} The tests over PostgreSQL are IGNORED. ***\n", postgres::MISSING);
    }
    let trials = vec![
        Trial::test("one_over_sqlite", || {
            let folder = tempfile::tempdir().unwrap();
            runtime().block_on(at_once(&format!("sqlite:{}", folder.path().join("links.db").display()), 1));
            Ok(())
        }),
        over_postgres("two_over_postgres", || {
            runtime().block_on(async { at_once(&postgres::database().await, 2).await });
        }),
        over_postgres("what_one_unlinks_the_other_forgets", || {
            runtime().block_on(async { forgets(&postgres::database().await).await });
        }),
        over_postgres("of_many_who_make_a_user_one_does", || {
            runtime().block_on(async { writers::made_once(&postgres::database().await).await });
        }),
        over_postgres("what_is_sent_to_both_is_done_once", || {
            runtime().block_on(async { writers::done_once(&postgres::database().await).await });
        }),
        over_postgres("who_may_have_been_made_by_a_gateway_that_is_gone_is_not_made_twice", || {
            for was_done in [true, false] {
                runtime().block_on(async {
                    writers::made_once_though_killed(&postgres::database().await, was_done).await;
                });
            }
        }),
        over_postgres("a_repeat_goes_on_at_the_first_write_that_was_not_done", || {
            runtime().block_on(async { writers::resumed(&postgres::database().await).await });
        }),
        over_postgres("many_writers_leave_what_some_order_of_them_leaves", || {
            runtime().block_on(async { writers::in_some_order(&postgres::database().await).await });
        }),
        Trial::test("many_writers_of_two_over_sqlite_leave_what_some_order_of_them_leaves", || {
            let folder = tempfile::tempdir().unwrap();
            let store = format!("sqlite:{}", folder.path().join("links.db").display());
            runtime().block_on(writers::in_some_order(&store));
            Ok(())
        }),
        Trial::test("killed_at_any_moment_nothing_is_done_twice_or_forgotten", || {
            runtime().block_on(killed::at_any_moment());
            Ok(())
        }),
        over_postgres("without_the_store_the_others_go_on", || runtime().block_on(store_down())),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    postgres::stop_shared();
    conclusion.exit_code()
}

fn over_postgres(name: &str, test: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        if postgres::binaries().is_none() {
            return Ok(Completion::ignored_with(postgres::MISSING));
        }
        test();
        Ok(Completion::Completed)
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// Both vendors, and gateways before them that share a store.
struct World {
    vendors: [Server; 2],
    gateways: Vec<Served>,
    config: tempfile::NamedTempFile,
    store: String,
}

impl World {
    async fn start(store: &str, gateways: usize) -> Self {
        Self::start_with(store, gateways, "").await
    }

    /// The same with more tables in the configuration.
    async fn start_with(store: &str, gateways: usize, tables: &str) -> Self {
        let any = ([127, 0, 0, 1], 0).into();
        let ecgrid = serve(any, sandbox::Ecgrid::new().generate(FOREIGN, 1)).await.unwrap();
        let textus = serve(any, sandbox::Textus::new().generate(FOREIGN, 2).page_size(100)).await.unwrap();
        let config = file(&on_free_ports(&format!("{SANDBOX}\n{tables}"), ecgrid.address(), textus.address()));
        let variables = [("RUST_LOG", "warn,interlingua=info"), ("INTERLINGUA_LINKS__STORE", store)];
        let gateways = (0..gateways).map(|_| Served::start(&config, &variables)).collect();
        Self { vendors: [ecgrid, textus], gateways, config, store: store.to_owned() }
    }

    fn ecgrid(&self, gateway: usize) -> Client {
        Client::ecgrid(self.gateways[gateway % self.gateways.len()].addresses[0], "sandbox-ecgrid-key")
    }

    fn textus(&self, gateway: usize) -> Client {
        Client::textus(self.gateways[gateway % self.gateways.len()].addresses[0], "sandbox-textus-token")
    }

    /// A client of ECGrid that talks to ECGrid: nobody needs a link for that.
    fn straight(&self, gateway: usize) -> Client {
        Client::ecgrid(self.gateways[gateway % self.gateways.len()].addresses[1], "sandbox-ecgrid-key")
    }

    /// Runs `interlingua links` over the same store.
    fn links(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new(BINARY);
        command.arg("links").args(arguments).arg("--config").arg(self.config.path()).env_clear();
        let output = command.env("INTERLINGUA_LINKS__STORE", &self.store).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn stop(self) {
        for gateway in self.gateways {
            let (code, log) = gateway.terminate();
            assert_eq!(code, Some(0), "{log}");
        }
    }
}

/// What a vendor's own client does, too: whoever is told that it is too much now asks again.
async fn patiently(ask: impl AsyncFn() -> Answer) -> Answer {
    loop {
        let answer = ask().await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One of the clients: makes users at both vendors and looks at lists. The ids that it was given, by e-mail address.
async fn busy(world: &World, client: usize) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (ecgrid, textus) = (world.ecgrid(client), world.textus(client));
    let (mut there, mut here) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..EACH {
        let email = format!("there.{client}.{number}@example.com");
        let user = json!({"login": format!("u{client}x{number}"), "password": "Correct-Horse-1", "email": email,
            "firstName": "Una", "lastName": "Unlinked", "networkId": 1, "mailboxId": 101});
        let made = patiently(async || ecgrid.ask("POST /v2/users", &user).await).await.expect(200);
        there.insert(email, made.at("/data/userId").to_string());

        let page = json!({"pageNo": 1 + (client + number) % 4, "recordsPerPage": 100});
        let page = patiently(async || ecgrid.ask("POST /v2/users/list", &page).await).await.expect(200);
        there.extend(people(&page.at("/data"), "userId"));

        let email = format!("here.{client}.{number}@example.com");
        let user = json!({"name": "Hal Here", "email": email,
            "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
        let made = patiently(async || textus.ask("POST /users", &user).await).await.expect(201);
        here.insert(email, made.at("/id").to_string());
        let page = patiently(async || textus.get("/users").await).await.expect(200);
        here.extend(people(&page.at("/members"), "id"));
    }
    (there, here)
}

/// The ids on a page, by e-mail address.
fn people(page: &Value, id: &str) -> BTreeMap<String, String> {
    let users = page.as_array().unwrap().iter();
    users.map(|user| (user["email"].as_str().unwrap().to_owned(), user[id].to_string())).collect()
}

/// Everybody at one vendor, as a gateway shows them: the ids by e-mail address.
async fn everybody(world: &World, gateway: usize) -> [BTreeMap<String, String>; 2] {
    let mut there = BTreeMap::new();
    for number in 1.. {
        let page = json!({"pageNo": number, "recordsPerPage": 500});
        let page =
            people(&world.ecgrid(gateway).ask("POST /v2/users/list", &page).await.expect(200).at("/data"), "userId");
        let is_last = page.len() < 500;
        there.extend(page);
        if is_last {
            break;
        }
    }
    let mut here = BTreeMap::new();
    let mut next = Some("/users".to_owned());
    while let Some(iri) = next {
        let page = world.textus(gateway).get(&iri).await.expect(200);
        here.extend(people(&page.at("/members"), "id"));
        next = page.at("/view/next").as_str().map(str::to_owned);
    }
    [there, here]
}

/// Many clients at once are given ids; all gateways agree on them, and nobody has another's.
async fn at_once(store: &str, gateways: usize) {
    let world = World::start(store, gateways).await;
    let given = join_all((0..CLIENTS).map(|client| busy(&world, client))).await;

    let [there, here] = everybody(&world, 0).await;
    for gateway in 1..gateways {
        assert_eq!(everybody(&world, gateway).await, [there.clone(), here.clone()]);
    }
    // The 4 of the start are at both vendors.
    assert_eq!(there.len(), CLIENTS * EACH + FOREIGN + 4);
    assert_eq!(here.len(), CLIENTS * EACH + FOREIGN + 4);
    for shown in [&there, &here] {
        let ids: BTreeSet<_> = shown.values().collect();
        assert_eq!(ids.len(), shown.len(), "an id was handed out twice");
    }
    for (once_there, once_here) in &given {
        assert!(once_there.iter().all(|(email, id)| there.get(email) == Some(id)), "an id did not last");
        assert!(once_here.iter().all(|(email, id)| here.get(email) == Some(id)), "an id did not last");
    }
    // Whoever was made by one gateway is known to the others.
    for (client, (once_there, _)) in given.iter().enumerate() {
        let id = &once_there[&format!("there.{client}.0@example.com")];
        let user = world.ecgrid(client + 1).get(&format!("/v2/users/{id}")).await.expect(200);
        assert_eq!(user.at("/data/login"), format!("u{client}x0"));
    }
    world.stop();
}

/// A link that is taken away is no longer known to gateways that had it at hand, nor is one that is changed.
async fn forgets(store: &str) {
    let world = World::start(store, 2).await;
    for gateway in 0..2 {
        world.ecgrid(gateway).get("/v2/users/1042").await.expect(200);
    }
    world.links(&["remove", "ecgrid", "1042"]);
    for gateway in 0..2 {
        until(async || world.ecgrid(gateway).get("/v2/users/1042").await.status == 404).await;
    }
    world.links(&["add", "ecgrid=1042", "textus=PWApBE9"]);
    world.links(&["add", "ecgrid=77", "textus=wqyODPA"]);
    for gateway in 0..2 {
        world.ecgrid(gateway).get("/v2/users/77").await.expect(200);
    }
    world.stop();
}

/// While the store is away, whoever needs a link gets the dialect's 503; whoever needs none notices nothing.
async fn store_down() {
    let mut server = postgres::Server::start();
    let world = World::start(&server.database().await, 1).await;
    world.ecgrid(0).get("/v2/users/1042").await.expect(200);
    world.textus(0).get("/users/wqyODPA").await.expect(200);
    server.stop();

    // One who was never seen: the store has to be asked.
    let refused = world.ecgrid(0).ask("POST /v2/users/list", &json!({})).await.expect(503);
    assert_eq!((refused.at("/success"), refused.at("/errorCode")), (json!(false), json!("InternalError")));
    assert_eq!(refused.header("retry-after"), "1");
    let refused = world.textus(0).get("/users").await.expect(503);
    assert_eq!(refused.at("/@type"), "hydra:Error");
    // Its account is at hand, and still nobody is created who could not be linked.
    let created = json!({"name": "Hal", "email": "hal@example.com",
        "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
    let before = world.vendors[0].calls().len();
    world.textus(0).ask("POST /users", &created).await.expect(503);
    assert_eq!(world.vendors[0].calls().len(), before);
    // Who reads past all links notices nothing; who writes has to keep others away.
    world.straight(0).get("/v2/users/1042").await.expect(200);
    let before = world.vendors[0].calls().len();
    let changed = json!({"userId": 1042, "firstName": "Jo"});
    let refused = world.straight(0).ask("PUT /v2/users", &changed).await.expect(503);
    assert_eq!((refused.at("/errorCode"), refused.header("retry-after")), (json!("InternalError"), "1"));
    assert_eq!(world.vendors[0].calls().len(), before);

    server.go_on();
    until(async || world.ecgrid(0).ask("POST /v2/users/list", &json!({})).await.status == 200).await;
    world.stop();
}

/// Waits until something holds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it does not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

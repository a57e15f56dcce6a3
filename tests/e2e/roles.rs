//! Roles, from one vendor's way of having them to the other's.

use interlingua_core::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Setup, World, calls, memberships, writes},
    refusals::{Face, refuses},
};

const ROLE: &str = "POST /v2/users/role";
const PUT: &str = "PUT /users/wqyODPA";

/// Gives TextUs's user these memberships, past the gateway.
async fn at_textus(world: &World, roles: &[(&str, &str)]) {
    let list = roles.iter().map(|(account, role)| json!({"role": role, "account": format!("/accounts/{account}")}));
    let body = json!({"memberships": list.collect::<Vec<_>>()});
    world.textus_itself().ask(PUT, &body).await.expect(200);
    world.textus.clear_calls();
}

/// The role that an answer shows: level, network, mailbox.
fn shown(answer: &Answer) -> (Value, Value, Value) {
    (answer.at("/data/authLevel"), answer.at("/data/networkId"), answer.at("/data/mailboxId"))
}

// === An ECGrid client in front of TextUs ===

/// A Set Role for user 1042, what the answer shows, and what TextUs has then.
struct SetRole {
    level: &'static str,
    network: Option<u32>,
    mailbox: Option<u32>,
    shows: (&'static str, u32, u32),
    leaves: &'static [&'static str],
}

const fn set_role(level: &'static str, network: Option<u32>, mailbox: Option<u32>) -> SetRole {
    SetRole { level, network, mailbox, shows: ("", 0, 0), leaves: &[] }
}

impl SetRole {
    const fn shows(self, level: &'static str, network: u32, mailbox: u32) -> Self {
        Self { shows: (level, network, mailbox), ..self }
    }

    const fn leaves(self, leaves: &'static [&'static str]) -> Self {
        Self { leaves, ..self }
    }

    fn request(&self) -> Value {
        // As the vendor's C# client sends it: what it does not give is null.
        json!({"userId": 1042, "authLevel": self.level, "networkId": self.network, "mailboxId": self.mailbox})
    }

    async fn check(&self, before: &[(&str, &str)]) {
        let world = World::start().await;
        at_textus(&world, before).await;
        let answer = world.crossed_ecgrid().ask(ROLE, &self.request()).await.expect(200);
        let (level, network, mailbox) = self.shows;
        assert_eq!(shown(&answer), (level.into(), network.into(), mailbox.into()), "{}", self.request());
        assert_eq!(world.memberships("wqyODPA").await, self.leaves, "{}", self.request());
    }
}

/// The user's only membership, as the sandbox has it.
const ONE: &[(&str, &str)] = &[("my_account", "user")];
const TWO: &[(&str, &str)] = &[("my_account", "user"), ("my_account_child", "support")];

#[tokio::test]
async fn a_role_is_set_in_its_scope_and_all_others_stand() {
    for (before, case) in [
        (
            ONE,
            set_role("NetworkUser", Some(1), None)
                .shows("NetworkUser", 1, 101)
                .leaves(&["example_network: user", "my_account: user"]),
        ),
        (
            ONE,
            set_role("MailboxAdmin", Some(1), Some(101)).shows("MailboxAdmin", 1, 101).leaves(&["my_account: admin"]),
        ),
        (
            ONE,
            set_role("MailboxAdmin", Some(1), Some(102))
                .shows("MailboxAdmin", 1, 102)
                .leaves(&["my_account: user", "my_account_child: admin"]),
        ),
        (
            TWO,
            set_role("MailboxUser", Some(1), Some(102))
                .shows("MailboxUser", 1, 102)
                .leaves(&["my_account: user", "my_account_child: user"]),
        ),
        (&[], set_role("MailboxUser", Some(1), Some(101)).shows("MailboxUser", 1, 101).leaves(&["my_account: user"])),
    ] {
        case.check(before).await;
    }
}

#[tokio::test]
async fn general_takes_the_role_away() {
    set_role("General", Some(1), Some(101)).shows("General", 1, 101).leaves(&[]).check(ONE).await;
    set_role("General", Some(1), Some(101))
        .shows("General", 1, 101)
        .leaves(&["my_account_child: support"])
        .check(TWO)
        .await;
    set_role("General", None, None).shows("General", 1, 101).leaves(&[]).check(ONE).await;
}

#[tokio::test]
async fn without_a_scope_it_is_the_only_one() {
    set_role("MailboxAdmin", None, None).shows("MailboxAdmin", 1, 101).leaves(&["my_account: admin"]).check(ONE).await;
    let network = &[("example_network", "user")];
    let case = set_role("NetworkAdmin", None, None).shows("NetworkAdmin", 1, 0);
    case.leaves(&["example_network: admin"]).check(network).await;
}

#[tokio::test]
async fn without_a_scope_and_with_no_telling_which_it_is_refused() {
    for (before, level, words) in [
        (TWO, "MailboxAdmin", &["/networkId: required", "several scopes: 1/101, 1/102"][..]),
        (TWO, "General", &["/networkId: required", "several scopes: 1/101, 1/102"]),
        (ONE, "NetworkAdmin", &["/networkId: required", "1/101, is not of the width"]),
        (&[], "MailboxUser", &["/networkId: required", "no role in any scope"]),
        (&[("my_account", "user"), ("other_account", "user")], "MailboxAdmin", &["/networkId: required"]),
    ] {
        let world = World::start().await;
        at_textus(&world, before).await;
        let answer = world.crossed_ecgrid().ask(ROLE, &set_role(level, None, None).request()).await;
        refuses(Face::Ecgrid, &answer, 400, "InvalidParameter", words);
        assert_eq!(writes(&world.textus), [""; 0]);
    }
}

#[tokio::test]
async fn no_change_changes_nothing_and_answers_the_user() {
    let world = World::start().await;
    let request = json!({"userId": 1042, "authLevel": "NoChange"});
    let answer = world.crossed_ecgrid().ask(ROLE, &request).await.expect(200);
    assert_eq!(shown(&answer), ("MailboxUser".into(), 1.into(), 101.into()));
    assert_eq!(calls(&world.textus), ["GET /users/wqyODPA"]);
}

#[tokio::test]
async fn a_role_that_is_there_already_is_not_written_again() {
    let world = World::start().await;
    let request = set_role("MailboxUser", Some(1), Some(101)).request();
    world.crossed_ecgrid().ask(ROLE, &request).await.expect(200);
    assert_eq!(writes(&world.textus), [""; 0]);
}

#[tokio::test]
async fn a_role_that_textus_does_not_have_is_a_loss() {
    let world = World::start().await;
    let request = set_role("TPUser", Some(1), Some(101)).request();
    let answer = world.crossed_ecgrid().ask(ROLE, &request).await;
    refuses(Face::Ecgrid, &answer, 400, "InvalidParameter", &["/authLevel: TextUs has no role for `restricted`"]);

    let lenient = world.crossed_ecgrid().header("prefer", "handling=lenient");
    let answer = lenient.ask(ROLE, &request).await.expect(200);
    let fidelity = answer.header("interlingua-fidelity");
    assert!(fidelity.starts_with("lossy; dropped=1"), "{fidelity}");
    assert_eq!(shown(&answer).0, "MailboxUser", "not a role that was not given");
    assert_eq!(writes(&world.textus), [""; 0]);
}

#[tokio::test]
async fn the_scope_that_was_set_last_is_shown_from_then_on() {
    let world = World::start().await;
    at_textus(&world, TWO).await;
    let client = world.crossed_ecgrid();
    let read = || async { shown(&client.get("/v2/users/1042").await.expect(200)) };
    for (network, mailbox, level) in
        [(1, Some(101), "MailboxUser"), (1, None, "NetworkUser"), (1, Some(102), "MailboxUser")]
    {
        client.ask(ROLE, &set_role(level, Some(network), mailbox).request()).await.expect(200);
        assert_eq!(read().await.0, level);
        if let Some(mailbox) = mailbox {
            assert_eq!(read().await.2, mailbox);
        }
    }
    // What is gone is not shown: of what is left, the highest.
    client.ask(ROLE, &set_role("General", Some(1), Some(102)).request()).await.expect(200);
    assert_eq!(read().await.0, "NetworkUser");
}

#[tokio::test]
async fn of_several_roles_one_is_shown_and_the_others_are_told() {
    let world = World::start().await;
    at_textus(&world, &[("my_account", "user"), ("my_account_child", "admin")]).await;
    let answer = world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    assert_eq!(shown(&answer), ("MailboxAdmin".into(), 1.into(), 102.into()));
    let report = world.admin().get(&answer.report()).await.json();
    let notes = report["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["kind"] == "dropped" && note["pointer"] == "/data/authLevel"), "{report}");
}

/// No call of twenty at once undoes what another one has done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_set_at_once_do_not_undo_each_other() {
    let other = "[[links.accounts]]\necgrid = { network = 2 }\ntextus = \"other_account\"";
    let world = Setup::new().with(other).start().await;
    at_textus(&world, &[]).await;
    let scopes = [
        (1, None, "NetworkAdmin"),
        (1, Some(101), "MailboxUser"),
        (1, Some(102), "MailboxAdmin"),
        (2, None, "NetworkUser"),
    ];
    let asks: Vec<_> = (0..20)
        .map(|number| {
            let (network, mailbox, level) = scopes[number % 4];
            let (client, request) = (world.crossed_ecgrid(), set_role(level, Some(network), mailbox).request());
            tokio::spawn(async move { client.ask(ROLE, &request).await })
        })
        .collect();
    for ask in asks {
        ask.await.unwrap().expect(200);
    }
    assert_eq!(
        world.memberships("wqyODPA").await,
        ["example_network: admin", "my_account: user", "my_account_child: admin", "other_account: user"]
    );
    assert_eq!(writes(&world.textus).len(), 4, "a role is set once, and found there nineteen times");
}

// === A TextUs client in front of ECGrid ===

/// The memberships of a request.
fn replacement(roles: &[(&str, &str)]) -> Value {
    let entry = |(account, role): &(&str, &str)| json!({"role": role, "account": format!("/accounts/{account}")});
    json!({"memberships": roles.iter().map(entry).collect::<Vec<_>>()})
}

const SET: &str = "POST /v2/users/role";
const MOVE: &str = "POST /v2/users/set-network-mailbox";

#[tokio::test]
async fn a_list_of_memberships_becomes_a_role_and_a_place() {
    // ECGrid's user 1042 is MailboxAdmin in mailbox 101.
    for (list, writes_of, level, mailbox) in [
        (&[("my_account", "admin")][..], &[][..], "MailboxAdmin", 101),
        (&[("my_account", "user")], &[SET], "MailboxUser", 101),
        (&[("my_account_child", "admin")], &[MOVE], "MailboxAdmin", 102),
        // Less before the move, more after it: never more than either allows.
        (&[("my_account_child", "user")], &[SET, MOVE], "MailboxUser", 102),
        (&[("example_network", "admin")], &[SET], "NetworkAdmin", 101),
        (&[], &[SET], "General", 101),
    ] {
        let world = World::start().await;
        let answer = world.crossed_textus().ask(PUT, &replacement(list)).await.expect(200);
        assert_eq!(writes(&world.ecgrid), writes_of, "{list:?}");
        let user = world.at_ecgrid(1042).await;
        assert_eq!([&user["authLevel"], &user["mailboxId"]], [&json!(level), &json!(mailbox)], "{list:?}");
        let wanted: Vec<_> = list.iter().map(|(account, role)| format!("{account}: {role}")).collect();
        assert_eq!(memberships(&answer.json()), wanted);
    }
}

#[tokio::test]
async fn a_higher_role_elsewhere_is_given_after_the_move() {
    let world = World::start().await;
    let list = replacement(&[("my_account", "admin")]);
    // 1043 is MailboxUser in mailbox 102.
    world.crossed_textus().ask("PUT /users/PWApBE3", &list).await.expect(200);
    assert_eq!(writes(&world.ecgrid), [MOVE, SET]);
    let user = world.at_ecgrid(1043).await;
    assert_eq!([&user["authLevel"], &user["mailboxId"]], [&json!("MailboxAdmin"), &json!(101)]);
}

#[tokio::test]
async fn support_becomes_less_and_never_more() {
    let world = World::start().await;
    let answer = world.crossed_textus().ask(PUT, &replacement(&[("my_account", "support")])).await.expect(200);
    assert!(answer.header("interlingua-fidelity").contains("narrowed=1"), "{}", answer.header("interlingua-fidelity"));
    assert_eq!(world.at_ecgrid(1042).await["authLevel"], "MailboxUser");
    assert_eq!(memberships(&answer.json()), ["my_account: user"], "the answer shows what is");
}

#[tokio::test]
async fn two_memberships_are_more_than_ecgrid_shows() {
    let world = World::start().await;
    let list = replacement(&[("my_account", "user"), ("my_account_child", "admin")]);
    let answer = world.crossed_textus().ask(PUT, &list).await;
    refuses(Face::Textus, &answer, 422, "Unprocessable Entity", &["/memberships: "]);
    assert_eq!(writes(&world.ecgrid), [""; 0]);

    let answer = world.crossed_textus().header("prefer", "handling=lenient").ask(PUT, &list).await.expect(200);
    assert!(answer.header("interlingua-fidelity").starts_with("lossy; dropped=1"));
    assert_eq!(writes(&world.ecgrid), [SET, MOVE, SET]);
    assert_eq!(memberships(&answer.json()), ["my_account_child: admin"], "the last of them");
}

#[tokio::test]
async fn a_route_may_warn_instead() {
    let route = "face = \"textus\"\nupstream = \"ecgrid\"";
    let world = Setup::new().replace(route, &format!("{route}\non_loss = \"warn\"")).start().await;
    let list = replacement(&[("my_account", "user"), ("my_account_child", "admin")]);
    world.crossed_textus().ask(PUT, &list).await.expect(200);
    let strict = world.crossed_textus().header("prefer", "handling=strict");
    assert_eq!(Face::Textus.refusal(&strict.ask(PUT, &list).await).0, 422);

    let fields = format!("{route}\non_loss = \"warn\"\n[listeners.routes.fields]\n\"/memberships\" = \"reject\"");
    let world = Setup::new().replace(route, &fields).start().await;
    assert_eq!(Face::Textus.refusal(&world.crossed_textus().ask(PUT, &list).await).0, 422);
}

/// ECGrid's user 1044 is Root; TextUs has nothing like it, and a TextUs client must not meddle with it.
#[tokio::test]
async fn a_system_wide_role_is_neither_shown_nor_touched() {
    let world = World::start().await;
    let client = world.crossed_textus();
    let answer = client.get("/users/sYsOp00").await.expect(200);
    assert_eq!(memberships(&answer.json()), [""; 0]);
    assert!(answer.header("interlingua-fidelity").starts_with("lossy; dropped=1"));
    let lenient = client.header("prefer", "handling=lenient");
    for list in [replacement(&[("my_account", "user")]), replacement(&[("example_network", "admin")])] {
        let answer = lenient.ask("PUT /users/sYsOp00", &list).await;
        refuses(Face::Textus, &answer, StatusCode::FORBIDDEN.as_u16(), "Forbidden", &["system-wide"]);
    }
    assert_eq!(writes(&world.ecgrid), [""; 0]);
    assert_eq!(world.at_ecgrid(1044).await["authLevel"], "Root");
}

#[tokio::test]
async fn a_configured_role_is_lower_and_a_higher_one_is_refused_at_the_start() {
    let world = Setup::new().with("[roles.ecgrid]\nNetworkAdmin = \"member\"").start().await;
    let request = set_role("NetworkAdmin", Some(1), None).request();
    world.crossed_ecgrid().ask(ROLE, &request).await.expect(200);
    assert_eq!(world.memberships("wqyODPA").await, ["example_network: user", "my_account: user"]);
}

/// A role that the configuration takes for less is still what it is at the vendor: it must not move as what it is not.
#[tokio::test]
async fn a_lowered_role_does_not_rise_when_its_user_moves() {
    let world = Setup::new().with("[roles.ecgrid]\nMailboxAdmin = \"member\"").start().await;
    let list = replacement(&[("my_account_child", "user")]);
    world.crossed_textus().ask(PUT, &list).await.expect(200);
    let user = world.at_ecgrid(1042).await;
    assert_eq!((&user["authLevel"], &user["mailboxId"]), (&json!("MailboxUser"), &json!(102)));
}

#[tokio::test]
async fn a_role_that_is_taken_for_less_is_told() {
    let world = Setup::new().with("[roles.ecgrid]\nMailboxAdmin = \"member\"\nNetworkAdmin = \"none\"").start().await;
    let client = world.crossed_ecgrid();
    let answer = client.ask(ROLE, &set_role("MailboxAdmin", Some(1), Some(101)).request()).await.expect(200);
    assert!(answer.header("interlingua-fidelity").contains("narrowed=1"), "{answer:?}");
    // One that is taken for none is refused, and takes none away.
    at_textus(&world, &[("example_network", "admin")]).await;
    let answer = client.ask(ROLE, &set_role("NetworkAdmin", Some(1), None).request()).await;
    assert_eq!(Face::Ecgrid.refusal(&answer).0, 400);
    assert_eq!(world.memberships("wqyODPA").await, ["example_network: admin"]);
}

/// Memberships passed to TextUs and a role translated for it: neither undoes the other.
#[tokio::test]
async fn a_pass_route_waits_for_its_turn() {
    let world = World::start().await;
    world.textus.hang(2);
    let (crossed, passed) = (world.crossed_ecgrid(), world.pass_textus());
    let body = set_role("MailboxAdmin", Some(1), Some(102)).request();
    let translated = tokio::spawn(async move { crossed.ask(ROLE, &body).await });
    while calls(&world.textus).len() < 2 {
        tokio::task::yield_now().await;
    }
    // The role has been read and is being written: the other write has to wait until that one has failed.
    let list = replacement(&[("my_account", "support")]);
    let waiting = tokio::spawn(async move { passed.ask(PUT, &list).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls(&world.textus).len(), 2, "the passed write is not sent while the translated one is under way");
    waiting.abort();
    translated.abort();
}

/// The scope that was set last is kept with the link, where links are kept.
#[tokio::test]
async fn a_set_scope_outlives_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    let both = [("example_network", "admin"), ("my_account", "user")];
    let world = Setup::new().replace("store = \"memory\"", &store).start().await;
    at_textus(&world, &both).await;
    assert_eq!(world.crossed_ecgrid().get("/v2/users/1042").await.expect(200).at("/data/authLevel"), "NetworkAdmin");
    let request = set_role("MailboxUser", Some(1), Some(101)).request();
    world.crossed_ecgrid().ask(ROLE, &request).await.expect(200);
    world.stop().await;

    let world = Setup::new().replace("store = \"memory\"", &store).start().await;
    at_textus(&world, &both).await;
    let answer = world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    assert_eq!(shown(&answer), (json!("MailboxUser"), json!(1), json!(101)));
}

/// A link of the configuration that says something else than the one that is kept is not guessed about.
#[tokio::test]
async fn links_that_contradict_those_that_are_kept_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    Setup::new().replace("store = \"memory\"", &store).start().await.stop().await;
    let changed =
        Setup::new().replace("store = \"memory\"", &store).replace("textus = \"PWApBE3\"", "textus = \"PWApBE4\"");
    let error = changed.try_start().await.err().expect("a refusal");
    assert!(error.to_string().contains("contradict"), "{error}");
}

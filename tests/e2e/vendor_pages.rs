//! Every example request of the vendors' pages, translated and passed, with the answers that the pages show.

use interlingua_sandbox::directory;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Setup, World, calls, document, memberships, names, writes},
    refusals::{Face, refuses},
};

// === ECGrid's pages ===

fn ecgrid_page(name: &str) -> (String, Value) {
    let read = |part: &str| document(&format!("ecgrid/{name}.{part}"));
    (read("request"), serde_json::from_str(&read("response")).unwrap())
}

/// The answer has the members that the page shows, and no others.
#[track_caller]
fn is_shaped_as(answer: &Answer, page: &Value) {
    let shown = answer.json();
    assert_eq!(names(&shown), names(page), "{}", answer.text());
    assert_eq!(names(&shown["data"]), names(&page["data"]), "{}", answer.text());
    assert_eq!(shown["success"], true);
}

#[tokio::test]
async fn update_user_answers_the_changed_user() {
    for crossed in [true, false] {
        let world = World::start().await;
        let client = if crossed { world.crossed_ecgrid() } else { world.pass_ecgrid() };
        let (request, page) = ecgrid_page("update-user-example");
        let answer = client.send("PUT /v2/users", request).await.expect(200);
        is_shaped_as(&answer, &page);
        for member in
            ["userId", "login", "email", "firstName", "lastName", "networkId", "mailboxId", "status", "created"]
        {
            let pointer = format!("/data/{member}");
            assert_eq!(Some(&answer.at(&pointer)), page.pointer(&pointer), "{member}, crossed: {crossed}");
        }
        let level = if crossed { "MailboxUser" } else { "MailboxAdmin" };
        assert_eq!(answer.at("/data/authLevel"), level);
        let told = [world.at_ecgrid(1042).await["email"].clone(), world.at_textus("wqyODPA").await["email"].clone()];
        let chuck = if crossed { "john.smith@example.com" } else { "chuck@textus.example" };
        assert_eq!(told, ["john.smith@example.com", chuck]);
    }
}

#[tokio::test]
async fn update_user_arrives_at_textus_as_one_name() {
    let world = World::start().await;
    world.crossed_ecgrid().send("PUT /v2/users", ecgrid_page("update-user-example").0).await.expect(200);
    let user = world.at_textus("wqyODPA").await;
    assert_eq!([&user["name"], &user["firstName"], &user["lastName"]], ["John Smith", "John", "Smith"]);
}

#[tokio::test]
async fn update_config_answers_true() {
    for crossed in [true, false] {
        let world = World::start().await;
        let client = if crossed { world.crossed_ecgrid() } else { world.pass_ecgrid() };
        let (request, page) = ecgrid_page("update-config-example");
        let answer = client.send("POST /v2/users/update-config", request).await.expect(200);
        assert_eq!(answer.json(), page);
        assert_eq!(writes(&world.textus), [""; 0], "nothing is to be changed");
    }
}

#[tokio::test]
async fn set_role_answers_the_new_role_and_other_memberships_stand() {
    let world = World::start().await;
    let before = world.at_textus("wqyODPA").await["memberships"]["members"][0].clone();
    let (request, page) = ecgrid_page("set-role-example");
    let answer = world.crossed_ecgrid().send("POST /v2/users/role", request).await.expect(200);
    is_shaped_as(&answer, &page);
    let shown = |name: &str| answer.at(&format!("/data/{name}"));
    assert_eq!([shown("userId"), shown("networkId"), shown("mailboxId")], [1042, 1, 101]);
    assert_eq!(shown("authLevel"), "NetworkAdmin");
    let user = world.at_textus("wqyODPA").await;
    assert_eq!(memberships(&user), ["example_network: admin", "my_account: user"]);
    assert!(user["memberships"]["members"].as_array().unwrap().contains(&before), "the other one is the same");
}

#[tokio::test]
async fn set_role_passes_to_ecgrid() {
    let world = World::start().await;
    let (request, page) = ecgrid_page("set-role-example");
    let answer = world.pass_ecgrid().send("POST /v2/users/role", request).await.expect(200);
    is_shaped_as(&answer, &page);
    assert_eq!(answer.at("/data/authLevel"), "NetworkAdmin");
    assert_eq!(world.at_ecgrid(1042).await["authLevel"], "NetworkAdmin");
}

#[tokio::test]
async fn what_is_read_is_what_the_pages_show() {
    let world = World::start().await;
    let (_, page) = ecgrid_page("update-user-example");
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        is_shaped_as(&client.get("/v2/users/1042").await.expect(200), &page);
    }
    let page: Value = serde_json::from_str(&document("textus/update-user-updating-another-user.response")).unwrap();
    for client in [world.crossed_textus(), world.pass_textus()] {
        let user = client.get("/users/wqyODPA").await.expect(200).json();
        assert_eq!(names(&user), names(&page));
        assert_eq!(user["id"], "/users/wqyODPA");
    }
}

#[tokio::test]
async fn a_bearer_token_will_do_for_ecgrid() {
    let world = World::start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        let client = client.without("x-api-key").header("authorization", "Bearer sandbox-ecgrid-key");
        assert_eq!(client.get("/v2/users/1042").await.expect(200).at("/data/userId"), 1042);
    }
}

// === TextUs's page ===

/// An example of the page: whom it is for, and what becomes of it when ECGrid stands behind.
struct Example {
    name: &'static str,
    user: &'static str,
    /// What ECGrid has no place for, by pointer.
    lost: &'static [&'static str],
    /// The writes that are left when that is dropped.
    writes: &'static [&'static str],
}

const CALENDAR: &str = "/settings/customSettings/~1textus~1user_schema~1calendar";

const EXAMPLES: &[Example] = &[
    Example {
        name: "updating-another-user",
        user: "PWApBE3",
        lost: &[],
        writes: &["PUT /v2/users", "POST /v2/users/update-config"],
    },
    Example {
        name: "adding-a-membership",
        user: "PWApBE3",
        lost: &["/memberships"],
        writes: &["PUT /v2/users", "POST /v2/users/set-network-mailbox", "POST /v2/users/set-network-mailbox"],
    },
    Example {
        name: "removing-a-membership",
        user: "PWApBE3",
        lost: &[],
        writes: &["PUT /v2/users", "POST /v2/users/role"],
    },
    Example {
        name: "own-profile",
        user: "wqyODPA",
        lost: &["/defaultMessagingAccount"],
        writes: &["PUT /v2/users", "POST /v2/users/update-config"],
    },
    Example { name: "creates-custom-value", user: "wqyODPA", lost: &[CALENDAR], writes: &[] },
    Example { name: "updates-custom-value", user: "wqyODPA", lost: &[CALENDAR], writes: &[] },
    Example {
        name: "removes-custom-value",
        user: "wqyODPA",
        lost: &[CALENDAR, "/settings/customSettings/~1textus~1user_schema~1second-field"],
        writes: &[],
    },
    Example {
        name: "schedules-analytics",
        user: "wqyODPA",
        lost: &["/settings/analyticsReports"],
        writes: &["PUT /v2/users"],
    },
];

impl Example {
    fn line(&self) -> String {
        format!("PUT /users/{}", self.user)
    }

    fn request(&self) -> String {
        document(&format!("textus/update-user-{}.request", self.name))
    }

    fn response(&self) -> Value {
        serde_json::from_str(&document(&format!("textus/update-user-{}.response", self.name))).unwrap()
    }
}

/// What curl sends with `-d`, what TextUs asks for, and nothing at all.
const CONTENT_TYPES: [Option<&str>; 3] =
    [Some("application/x-www-form-urlencoded"), Some("application/vnd.textus+jsonld"), None];

#[tokio::test]
async fn every_textus_example_passes_whatever_it_calls_itself() {
    for content_type in CONTENT_TYPES {
        let world = World::start().await;
        for example in EXAMPLES {
            let client = world.pass_textus().content_type(content_type);
            let answer = client.send(&example.line(), example.request()).await.expect(200);
            assert_eq!(names(&answer.json()), names(&example.response()), "{}", example.name);
            assert_eq!(answer.at("/id"), format!("/users/{}", example.user));
        }
        assert_eq!(writes(&world.textus).len(), EXAMPLES.len());
        assert_eq!(calls(&world.ecgrid), [""; 0]);
    }
}

/// TextUs answers a user who changes itself without the memberships; the page shows both forms.
#[tokio::test]
async fn ones_own_profile_passes_with_memberships_as_an_iri() {
    let world = Setup::new().replace(directory::TEXTUS_TOKEN, directory::TEXTUS_SELF_TOKEN).start().await;
    let example = EXAMPLES.iter().find(|example| example.name == "own-profile").unwrap();
    let answer = world.pass_textus().send(&example.line(), example.request()).await.expect(200);
    assert_eq!(answer.at("/memberships"), example.response()["memberships"]);
    assert_eq!(answer.at("/settings"), example.response()["settings"]);
}

#[tokio::test]
async fn what_ecgrid_cannot_hold_is_refused_by_name_and_nothing_is_written() {
    for content_type in CONTENT_TYPES {
        let world = World::start().await;
        for example in EXAMPLES.iter().filter(|example| !example.lost.is_empty()) {
            let client = world.crossed_textus().content_type(content_type);
            let answer = client.send(&example.line(), example.request()).await;
            refuses(Face::Textus, &answer, 422, "Unprocessable Entity", example.lost);
        }
        assert_eq!(writes(&world.ecgrid), [""; 0]);
    }
}

#[tokio::test]
async fn what_ecgrid_can_hold_works() {
    for example in EXAMPLES.iter().filter(|example| example.lost.is_empty()) {
        for content_type in CONTENT_TYPES {
            let world = World::start().await;
            let client = world.crossed_textus().content_type(content_type);
            let answer = client.send(&example.line(), example.request()).await.expect(200);
            assert_eq!(names(&answer.json()), names(&example.response()), "{}", example.name);
            assert_eq!(writes(&world.ecgrid), example.writes, "{}", example.name);
        }
    }
}

#[tokio::test]
async fn whoever_prefers_it_gets_the_rest_and_a_report_on_what_was_dropped() {
    for example in EXAMPLES.iter().filter(|example| !example.lost.is_empty()) {
        let world = World::start().await;
        let client = world.crossed_textus().header("prefer", "handling=lenient");
        let answer = client.send(&example.line(), example.request()).await.expect(200);
        assert_eq!(answer.header("preference-applied"), "handling=lenient", "{}", example.name);
        let fidelity = answer.header("interlingua-fidelity");
        assert!(fidelity.starts_with(&format!("lossy; dropped={};", example.lost.len())), "{fidelity}");
        assert_eq!(dropped(&world.admin().get(&answer.report()).await.expect(200).json()), example.lost);
        assert_eq!(writes(&world.ecgrid), example.writes, "{}", example.name);
    }
}

/// The pointers into the request that a report lists as dropped.
fn dropped(report: &Value) -> Vec<&str> {
    let notes = report["notes"].as_array().unwrap();
    let dropped = notes.iter().filter(|note| note["kind"] == "dropped" && note["document"] == "request");
    dropped.map(|note| note["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn names_and_notifications_arrive_at_ecgrid() {
    let world = World::start().await;
    let example = &EXAMPLES[0];
    let answer = world.crossed_textus().send(&example.line(), example.request()).await.expect(200);
    assert_eq!(answer.at("/name"), "Not Chuck");
    assert_eq!(answer.at("/settings/notifications"), json!({"email": true, "audio": true}));
    let user = world.at_ecgrid(1043).await;
    assert_eq!([&user["firstName"], &user["lastName"], &user["email"]], ["Not", "Chuck", "not+chuck@textus.example"]);
    let config = json!({"emailNotification": true, "audioNotification": true});
    assert_eq!(world.ecgrid.stored_config("1043"), Some(config));
}

#[tokio::test]
async fn a_mapped_custom_value_arrives_at_ecgrid_and_comes_from_there() {
    let world = World::start().await;
    let request = json!({"settings": {"customSettings": {"/textus/user_schema/cell_phone": "+13035550100"}}});
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &request).await.expect(200);
    assert_eq!(answer.at("/settings/customSettings"), request["settings"]["customSettings"]);
    assert_eq!(world.ecgrid.stored_config("1042"), Some(json!({"cellPhone": "+13035550100"})));

    let request = json!({"userId": 1042, "cellPhone": "+13035550199", "emailNotification": false});
    let answer = world.crossed_ecgrid().ask("POST /v2/users/update-config", &request).await.expect(200);
    assert_eq!(answer.json(), json!({"success": true, "data": true}));
    let settings = world.at_textus("wqyODPA").await["settings"].clone();
    assert_eq!(settings["customSettings"], json!({"/textus/user_schema/cell_phone": "+13035550199"}));
    assert_eq!(settings["notifications"]["email"], false);
}

#[tokio::test]
async fn a_configuration_field_without_a_meaning_is_refused_by_name() {
    let world = World::start().await;
    let request = json!({"userId": 1042, "company": "Example", "cellPhone": "+13035550199"});
    let client = world.crossed_ecgrid();
    let answer = client.ask("POST /v2/users/update-config", &request).await;
    refuses(Face::Ecgrid, &answer, 400, "InvalidParameter", &["/company", "[mapping.preferences]"]);
    assert_eq!(calls(&world.textus), [""; 0]);

    let lenient = client.header("prefer", "handling=lenient");
    let answer = lenient.ask("POST /v2/users/update-config", &request).await.expect(200);
    assert_eq!(dropped(&world.admin().get(&answer.report()).await.json()), ["/company"]);
    assert_eq!(writes(&world.textus), ["PUT /users/wqyODPA"]);
}

//! A dialect of somebody else's, served and called through the real gateway without a change to anything.

mod acme;
mod laws;
mod server;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use self::{
    acme::Acme,
    server::{Directory, TOKEN, serve},
};
use crate::{
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, World, memberships, writes},
    refusals::{Face, refuses},
};

/// The gateway with Acme as a face of TextUs, with ECGrid as a face of Acme, and with Acme on both sides.
struct Acmes {
    world: World,
    directory: Arc<Mutex<Directory>>,
}

impl Acmes {
    async fn start() -> Self {
        let directory = Arc::new(Mutex::new(Directory::new()));
        let address = serve(Arc::clone(&directory)).await;
        let setup = Setup::new().adapter(Acme::new()).with(&format!(
            r#"
            [upstreams.acme]
            dialect = "acme"
            base_url = "http://{address}"
            credential = {{ value = "{TOKEN}" }}

            [[listeners]]
            address = "127.0.0.1:0"
            routes = [{{ face = "acme", upstream = "textus" }}, {{ face = "ecgrid", upstream = "acme" }}]

            [[listeners]]
            address = "127.0.0.1:0"
            routes = [{{ face = "acme", upstream = "acme" }}]
            "#
        ));
        let links = [("wqyODPA", "a1"), ("my_account", "desk"), ("example_network", "hq")];
        let world = links.into_iter().fold(setup, |setup, (textus, acme)| {
            let link = format!("textus = \"{textus}\"");
            setup.replace(&link, &format!("{link}\nacme = \"{acme}\""))
        });
        Self { world: world.start().await, directory }
    }

    /// An Acme client in front of TextUs.
    fn face(&self) -> Client {
        Client::new(self.world.address(2)).header("x-acme-token", ECGRID_KEY)
    }

    /// An ECGrid client in front of Acme.
    fn ecgrid(&self) -> Client {
        Client::ecgrid(self.world.address(2), ECGRID_KEY)
    }

    fn calls(&self) -> Vec<String> {
        self.directory.lock().unwrap().calls.clone()
    }

    fn breaks(&self, path: &'static str) {
        self.directory.lock().unwrap().broken = Some(path);
    }

    fn person(&self) -> Value {
        self.directory.lock().unwrap().answer("/acme/look-up", br#"{"who": "a1"}"#).1
    }
}

// === Served ===

#[tokio::test]
async fn its_clients_read_and_write_what_textus_has() {
    let acmes = Acmes::start().await;
    let client = acmes.face();
    let seen = client.ask("POST /acme/look-up", &json!({"who": "a1"})).await.expect(200);
    let rights = json!([{"place": "desk", "may": "look"}]);
    let chuck = json!({"who": "a1", "name": "Chuck Norris", "mail": "chuck@textus.example", "rights": rights});
    assert_eq!(seen.json(), chuck);

    let named = client.ask("POST /acme/rename", &json!({"who": "a1", "name": "Ada Lovely"})).await.expect(200);
    assert_eq!(named.at("/name"), "Ada Lovely");
    client.ask("POST /acme/readdress", &json!({"who": "a1", "mail": "ada@example.com"})).await.expect(200);
    let rights = json!([{"place": "hq", "may": "manage"}, {"place": "desk", "may": "look"}]);
    let allowed = client.ask("POST /acme/allow", &json!({"who": "a1", "rights": rights})).await.expect(200);
    assert_eq!(allowed.at("/rights").as_array().map(Vec::len), Some(2));

    let user = acmes.world.at_textus("wqyODPA").await;
    assert_eq!([&user["name"], &user["email"]], ["Ada Lovely", "ada@example.com"]);
    assert_eq!(memberships(&user), ["example_network: admin", "my_account: user"]);
}

/// Acme's error document.
#[track_caller]
fn says(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let problem = answer.at("/problem");
    assert!(problem.as_str().is_some_and(|problem| problem.contains(words)), "{problem}");
}

#[tokio::test]
async fn its_clients_are_refused_in_its_own_words() {
    let acmes = Acmes::start().await;
    let client = acmes.face();
    let nobody = client.clone().without("x-acme-token");
    says(&nobody.ask("POST /acme/look-up", &json!({"who": "a1"})).await, 401, "x-acme-token");
    says(&client.ask("POST /acme/look-up", &json!({})).await, 400, "/who: required");
    says(&client.ask("POST /acme/readdress", &json!({"who": "a1", "mail": "ada"})).await, 400, "/mail: expected");
    says(&client.ask("POST /acme/look-up", &json!({"who": "a9"})).await, 404, "/who: a9 is not linked");
    let rights = json!([{"place": "moon", "may": "look"}]);
    says(
        &client.ask("POST /acme/allow", &json!({"who": "a1", "rights": rights})).await,
        400,
        "/rights: moon is not linked",
    );
    says(&client.ask("POST /acme/dance", &json!({"who": "a1"})).await, 404, "no such path");
    assert_eq!(writes(&acmes.world.textus), [""; 0]);
}

// === Called ===

#[tokio::test]
async fn an_ecgrid_client_updates_its_people() {
    let acmes = Acmes::start().await;
    let update = json!({"userId": 1042, "firstName": "Jon", "email": "jon@example.com"});
    let answer = acmes.ecgrid().ask("PUT /v2/users", &update).await.expect(200);
    assert_eq!([answer.at("/data/login"), answer.at("/data/email")], ["jsmith", "jon@example.com"]);
    assert_eq!([answer.at("/data/firstName"), answer.at("/data/lastName")], ["Jon", "Lovely"]);
    assert_eq!(acmes.calls(), ["/acme/look-up", "/acme/rename", "/acme/readdress"]);
    assert_eq!(acmes.person()["name"], "Jon Lovely");
}

#[tokio::test]
async fn an_ecgrid_client_sets_a_role_at_its_places() {
    let acmes = Acmes::start().await;
    let role = json!({"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1});
    let answer = acmes.ecgrid().ask("POST /v2/users/role", &role).await.expect(200);
    assert_eq!([answer.at("/data/authLevel"), answer.at("/data/mailboxId")], [json!("NetworkAdmin"), json!(101)]);
    assert_eq!(acmes.person()["rights"], json!([{"place": "desk", "may": "look"}, {"place": "hq", "may": "manage"}]));
}

#[tokio::test]
async fn what_it_cannot_hold_is_a_loss() {
    let acmes = Acmes::start().await;
    let config = json!({"userId": 1042, "emailNotification": true});
    let answer = acmes.ecgrid().ask("POST /v2/users/update-config", &config).await;
    refuses(Face::Ecgrid, &answer, 400, "InvalidParameter", &["/emailNotification: Acme has no call for it"]);
    assert_eq!(acmes.calls(), [""; 0]);
}

#[tokio::test]
async fn the_second_of_its_writes_failing_is_a_partial_update() {
    let acmes = Acmes::start().await;
    acmes.breaks("/acme/readdress");
    let update = json!({"userId": 1042, "firstName": "Jon", "lastName": "Doe", "email": "jon@example.com"});
    let answer = acmes.ecgrid().ask("PUT /v2/users", &update).await;
    let words = ["applied: /firstName, /lastName", "outcome unknown: /email", "the upstream answered 500"];
    refuses(Face::Ecgrid, &answer, 502, "PartialUpdate", &words);
    let read = acmes.ecgrid().get("/v2/users/1042").await.expect(200);
    assert_eq!([read.at("/data/firstName"), read.at("/data/email")], ["Jon", "ada@example.com"]);
}

#[tokio::test]
async fn the_first_of_its_writes_failing_is_not() {
    let acmes = Acmes::start().await;
    acmes.breaks("/acme/rename");
    let update = json!({"userId": 1042, "firstName": "Jon", "lastName": "Doe", "email": "jon@example.com"});
    let answer = acmes.ecgrid().ask("PUT /v2/users", &update).await;
    refuses(Face::Ecgrid, &answer, 502, "InternalError", &["the upstream answered 500"]);
    // Nobody knows what the write did, so the user is looked at.
    assert_eq!(acmes.calls(), ["/acme/rename", "/acme/look-up"]);
}

// === Passed ===

#[tokio::test]
async fn it_passes_to_itself() {
    let acmes = Acmes::start().await;
    let client = Client::new(acmes.world.address(3)).header("x-acme-token", ECGRID_KEY);
    let answer = client.ask("POST /acme/look-up", &json!({"who": "a2"})).await.expect(200);
    assert_eq!(answer.at("/name"), "Bob Bold");
    says(&client.ask("POST /acme/look-up", &json!({"who": 2})).await, 400, "/who: expected a string");
}

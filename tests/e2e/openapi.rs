//! The OpenAPI documents: at the admin listener, and the same in the repository. `UPDATE_GOLDEN=1` writes the latter.

use serde_json::Value;

use crate::{harness::World, operator_cli::golden};

const PAIRS: [&str; 4] = ["ecgrid-ecgrid", "ecgrid-textus", "textus-ecgrid", "textus-textus"];

#[tokio::test]
async fn every_pair_has_its_document() {
    let world = World::start().await;
    for pair in PAIRS {
        let document = world.admin().get(&format!("/openapi/{pair}.json")).await.expect(200).json();
        assert_eq!(document["openapi"], "3.1.0");
        golden(&format!("openapi/{pair}.json"), &format!("{document:#}\n"));
    }
    for nothing in ["/openapi/ecgrid.json", "/openapi/ecgrid-textus", "/openapi/", "/openapi/klingon-textus.json"] {
        world.admin().get(nothing).await.expect(404);
    }
}

#[tokio::test]
async fn a_document_says_what_becomes_of_operations() {
    let world = World::start().await;
    let document = world.admin().get("/openapi/ecgrid-textus.json").await.expect(200).json();
    let statuses = |path: &str, method: &str| {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap().keys();
        responses.cloned().collect::<Vec<_>>()
    };
    let has = |path, method, status: &str| statuses(path, method).iter().any(|other| other == status);
    assert!(has("/v2/users/{userId}", "get", "200") && has("/v2/users/{userId}", "get", "304"));
    assert!(has("/v2/users", "put", "412") && !has("/v2/users", "put", "304"));
    // What TextUs has no counterpart for is never done.
    assert!(has("/v2/users/password", "post", "501") && !has("/v2/users/password", "post", "200"));

    let document = world.admin().get("/openapi/textus-ecgrid.json").await.expect(200).json();
    let responses = &document["paths"]["/users"]["post"]["responses"];
    assert!(responses["201"]["headers"]["ETag"].is_object());
    assert_eq!(document["paths"]["/users/{user}"]["delete"]["responses"]["204"]["content"], Value::Null);
}

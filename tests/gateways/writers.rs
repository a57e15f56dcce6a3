//! Many who write the same users at once, through two gateways over one store.

use futures_util::future::join_all;
use serde_json::json;

use crate::{World, client::Answer, patiently};

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

//! What the tests of this adapter share: the adapter, a vendor, and the vendor's page.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::sync::LazyLock;

use interlingua_core::{
    Adapter, Bytes, Call, Command, Reply, Request, Scope, UserId, UserPatch, Validator,
    http::{self, Method},
};
use interlingua_sandbox::{Vendor, directory};
use interlingua_textus::Textus;
use serde_json::{Value, json};

pub(crate) static ADAPTER: LazyLock<Textus> = LazyLock::new(Textus::new);

pub(crate) static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(ADAPTER.dialect()).unwrap());

/// The vendor, with its four users.
pub(crate) fn vendor() -> impl FnMut(&Call) -> Reply {
    answering(interlingua_sandbox::Textus::new())
}

/// The vendor, with pages of two users.
pub(crate) fn vendor_of_small_pages() -> impl FnMut(&Call) -> Reply {
    answering(interlingua_sandbox::Textus::new().page_size(2))
}

/// The vendor after a user was given these memberships, and a number; it may answer a write with the memberships as an
/// IRI. Its pages have two users.
pub(crate) fn vendor_where(memberships: &[(&str, &str)], as_iri: bool) -> impl FnMut(&Call) -> Reply {
    let mut vendor = answering(interlingua_sandbox::Textus::new().memberships_as_iri(as_iri).page_size(2));
    let memberships = memberships.iter().map(|(account, role)| json!({"account": iri(account), "role": role}));
    let settings = json!({"customSettings": {CELL_PHONE: "+13035550199"}});
    let body = json!({"memberships": memberships.collect::<Vec<_>>(), "settings": settings});
    let reply = vendor(&Call::write(Method::PUT, "/users/PWApBE3", body.to_string(), Vec::new()));
    assert_eq!(reply.status, 200);
    vendor
}

fn iri(account: &str) -> String {
    format!("/accounts/{account}")
}

fn answering(mut stand_in: impl Vendor) -> impl FnMut(&Call) -> Reply {
    move |call| {
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(&call.target)
            .header("authorization", format!("Bearer {}", directory::TEXTUS_TOKEN))
            .header("content-type", "application/vnd.textus+jsonld")
            .body(call.body.clone())
            .unwrap();
        let (parts, body) = stand_in.handle(&request).into_parts();
        Reply { headers: parts.headers, ..Reply::new(parts.status, body) }
    }
}

/// Where the user of [`vendor_where`] has its number.
pub(crate) const CELL_PHONE: &str = "/textus/user_schema/cell_phone";

/// The user whom every test may change.
pub(crate) fn eddie() -> UserId {
    UserId::new("PWApBE3")
}

pub(crate) fn update(patch: UserPatch) -> Command {
    Command::UpdateUser { user: eddie(), patch }
}

pub(crate) fn account(slug: &str) -> Scope {
    ADAPTER.scope(&json!(slug)).unwrap()
}

/// The request and the answer of each example of the vendor's page.
pub(crate) fn page() -> [(Request, &'static str); 8] {
    macro_rules! example {
        ($path:literal, $name:literal) => {
            (
                Request::new(
                    Method::PUT,
                    $path,
                    Bytes::from_static(include_bytes!(concat!(
                        "../../../../tests/documents/textus/update-user-",
                        $name,
                        ".request.json"
                    ))),
                ),
                include_str!(concat!("../../../../tests/documents/textus/update-user-", $name, ".response.json")),
            )
        };
    }
    [
        example!("/users/PWApBE3", "updating-another-user"),
        example!("/users/PWApBE3", "adding-a-membership"),
        example!("/users/PWApBE3", "removing-a-membership"),
        example!("/users/wqyODPA", "own-profile"),
        example!("/users/wqyODPA", "creates-custom-value"),
        example!("/users/wqyODPA", "updates-custom-value"),
        example!("/users/wqyODPA", "removes-custom-value"),
        example!("/users/wqyODPA", "schedules-analytics"),
    ]
}

/// The answer of the vendor's page "List users", and the request of "Create user".
pub(crate) const LIST: &str = include_str!("../../../../tests/documents/textus/list-users.response.json");
pub(crate) const CREATE: &str = include_str!("../../../../tests/documents/textus/create-user.request.json");

pub(crate) fn create_request(body: impl Into<Bytes>) -> Request {
    Request::new(Method::POST, "/users", body)
}

/// A document of the vendor's in our spelling, which has no spaces.
pub(crate) fn compact(document: &str) -> String {
    document.lines().map(|line| line.trim_start().replace("\": ", "\":")).collect()
}

pub(crate) fn create_documents() -> Vec<Value> {
    let membership = json!({"role": "user", "account": "/accounts/other_account"});
    let others = json!({"name": "A B", "email": "a@textus.example", "memberships": [membership]});
    vec![serde_json::from_str(CREATE).unwrap(), others]
}

pub(crate) fn list_documents() -> Vec<Value> {
    let first: Value = serde_json::from_str(LIST).unwrap();
    let mut second = first.clone();
    second["members"][0]["memberships"] = json!("/users/wqyODPA/memberships");
    second["view"]["next"] = json!("/users?cursor=wqyODPA");
    vec![first, second]
}

pub(crate) fn user_documents() -> Vec<Value> {
    page().into_iter().map(|(_, response)| serde_json::from_str(response).unwrap()).collect()
}

pub(crate) fn request_documents() -> Vec<Value> {
    let shown = page().map(|(request, _)| serde_json::from_slice(&request.body).unwrap());
    let others = [
        json!({"id": "/users/wqyODPA", "notifications": {"audio": true}, "settings": {"customSettings": {"plain": "x"}}}),
        json!({"settings": {"defaultMessagingAccount": "/accounts/my_account", "notifications": {}}}),
    ];
    shown.into_iter().chain(others).collect()
}

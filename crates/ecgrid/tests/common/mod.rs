//! What the tests of this adapter share: the adapter as an operator configures it, a vendor, and the vendor's pages.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::sync::LazyLock;

use interlingua_core::{
    Adapter, Bytes, Call, Command, Mapping, NOTIFY_AUDIO, NOTIFY_EMAIL, Reply, Request, Scope, UserId, UserPatch,
    Validator,
    http::{self, Method},
};
use interlingua_ecgrid::Ecgrid;
use interlingua_sandbox::{Vendor, directory};
use serde_json::{Value, json};

/// The custom value that stands for `cellPhone`.
pub(crate) const CELL_PHONE: &str = "/textus/user_schema/cell_phone";

/// The adapter with names for three preferences.
pub(crate) static ADAPTER: LazyLock<Box<dyn Adapter>> = LazyLock::new(|| {
    let preferences =
        [("cellPhone", CELL_PHONE), ("emailNotification", NOTIFY_EMAIL), ("audioNotification", NOTIFY_AUDIO)];
    let preferences = preferences.map(|(field, key)| (field.into(), key.into())).into();
    Ecgrid::new().configured(&Mapping { preferences, ..Mapping::default() }).unwrap()
});

pub(crate) static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(ADAPTER.dialect()).unwrap());

/// The vendor, with its four users.
pub(crate) fn vendor() -> impl FnMut(&Call) -> Reply {
    answering(interlingua_sandbox::Ecgrid::new())
}

/// The vendor after user 1042 was given a role in a scope.
pub(crate) fn vendor_where(level: &str, network: i32, mailbox: i32) -> impl FnMut(&Call) -> Reply {
    let mut vendor = vendor();
    let role = json!({"userId": 1042, "authLevel": level, "networkId": network, "mailboxId": mailbox});
    let reply = vendor(&Call::write(Method::POST, "/v2/users/role", role.to_string(), Vec::new()));
    assert_eq!(reply.status, 200);
    vendor
}

/// The vendor, with a hundred and fifty users besides.
pub(crate) fn crowded_vendor() -> impl FnMut(&Call) -> Reply {
    answering(interlingua_sandbox::Ecgrid::new().generate(150, 7))
}

fn answering(mut stand_in: impl Vendor) -> impl FnMut(&Call) -> Reply {
    move |call| {
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(&call.target)
            .header("x-api-key", directory::ECGRID_KEY)
            .header("content-type", "application/json")
            .body(call.body.clone())
            .unwrap();
        let (parts, body) = stand_in.handle(&request).into_parts();
        Reply { headers: parts.headers, ..Reply::new(parts.status, body) }
    }
}

/// User 1042, whom every test may change.
pub(crate) fn john() -> UserId {
    UserId::new("1042")
}

pub(crate) fn update(patch: UserPatch) -> Command {
    Command::UpdateUser { user: john(), patch }
}

/// A network or a mailbox in it.
pub(crate) fn scope(network: i32, mailbox: Option<i32>) -> Scope {
    let id = match mailbox {
        Some(mailbox) => json!({"network": network, "mailbox": mailbox}),
        None => json!({"network": network}),
    };
    Ecgrid::new().scope(&id).unwrap()
}

/// The request and the answer of each of the vendor's pages.
pub(crate) fn pages() -> [(Request, &'static str); 3] {
    macro_rules! page {
        ($method:ident $path:literal, $name:literal) => {
            (
                Request::new(
                    Method::$method,
                    $path,
                    Bytes::from_static(include_bytes!(concat!(
                        "../../../../tests/documents/ecgrid/",
                        $name,
                        ".request.json"
                    ))),
                ),
                include_str!(concat!("../../../../tests/documents/ecgrid/", $name, ".response.json")),
            )
        };
    }
    [
        page!(PUT "/v2/users", "update-user-example"),
        page!(POST "/v2/users/role", "set-role-example"),
        page!(POST "/v2/users/update-config", "update-config-example"),
    ]
}

/// The pages' answers that show a user, and some that the vendor's pages do not show.
pub(crate) fn user_documents() -> Vec<Value> {
    let shown = pages().into_iter().take(2).map(|(_, response)| serde_json::from_str(response).unwrap());
    let others = [
        json!({"success": true, "errorCode": "", "message": null, "data": {"userId": 7, "loginName": "x", "authLevel": "General"}}),
        json!({"success": true, "data": {
            "userId": 1044, "login": "sysop", "email": null, "firstName": "", "networkId": 1, "mailboxId": 0,
            "authLevel": "Root", "status": "Suspended", "created": "2024-03-15T10:22:00.5Z", "company": "Example",
        }}),
    ];
    shown.chain(others).collect()
}

/// A request to every operation.
pub(crate) fn requests() -> Vec<Request> {
    let with = |path: &str, body: Value| Request::new(Method::POST, path, body.to_string());
    let without = |method, path: &str| Request::new(method, path, Bytes::new());
    let password = "Abc123!x";
    let others = [
        without(Method::GET, "/v2/users/me"),
        without(Method::GET, "/v2/users/1042"),
        with("/v2/users/by-name", json!({"login": "jsmith"})),
        with(
            "/v2/users/list",
            json!({"networkId": 1, "mailboxId": 101, "authLevel": "MailboxUser", "status": "Active"}),
        ),
        with("/v2/users", new_user()),
        with("/v2/users/set-network-mailbox", json!({"userId": 1042, "networkId": 1, "mailboxId": 102})),
        with("/v2/users/password", json!({"userId": 1042, "newPassword": password})),
        with("/v2/users/generate-password", json!({"length": 16})),
        without(Method::GET, "/v2/users/key/1042"),
        without(Method::POST, "/v2/users/key-generate/1042"),
        without(Method::POST, "/v2/users/reset/1042"),
        with("/v2/users/send-sms", json!({"userId": 1042, "message": "See you"})),
        without(Method::DELETE, "/v2/users/1042"),
    ];
    pages().map(|(request, _)| request).into_iter().chain(others).collect()
}

/// A user to be created.
pub(crate) fn new_user() -> Value {
    json!({
        "login": "jdoe", "password": "Abc123!x", "email": "jane.doe@example.com", "firstName": "Jane",
        "lastName": "Doe", "networkId": 1, "mailboxId": 101, "authLevel": "MailboxAdmin",
    })
}

/// Bodies of requests to every operation that has one.
pub(crate) fn request_documents() -> Vec<Value> {
    let bodies = requests().into_iter().filter(|request| !request.body.is_empty());
    let others = [
        json!({"userId": 1042, "cellPhone": "+13035550100", "emailNotification": true, "shoeSize": 43}),
        json!({"userId": 1042, "authLevel": "MailboxUser", "networkId": 1, "mailboxId": 102}),
        json!({"userId": 1042, "authLevel": "NoChange", "networkId": null}),
        json!({"pageNo": 2, "recordsPerPage": 10, "networkId": 0, "authLevel": "General"}),
    ];
    bodies.map(|request| serde_json::from_slice(&request.body).unwrap()).chain(others).collect()
}

/// Answers that show several users.
pub(crate) fn list_documents() -> Vec<Value> {
    let users = user_documents().into_iter().map(|mut document| document["data"].take()).collect();
    [Vec::new(), users].map(|users| json!({"success": true, "data": users})).into()
}

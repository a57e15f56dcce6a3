//! What does a translation cost, beside parsing and writing the same bytes?
//!
//! How to run it and how to read it: README.md, beside this file.

mod exchange;
mod typed;

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use interlingua_core::{Bytes, Reply, Request, http::Method};
use serde_json::Value;

use crate::{
    exchange::{Exchange, Side, refuse},
    typed::{Envelope, RoundTrip, TextusUpdate, TextusUser, TextusUsers, UpdateUser, UserIdInfo, round_trip},
};

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (ecgrid, textus) = (Exchange::ecgrid_to_textus(), Exchange::textus_to_ecgrid());

    let (textus_page, ecgrid_page) = (Exchange::ecgrid_page_of_textus(100), Exchange::textus_page_of_ecgrid(100));

    requests(
        criterion.benchmark_group("request/ecgrid-to-textus"),
        &ecgrid,
        round_trip::<UpdateUser>,
        &[r#"{"name": "John Smith", "email": "john.smith@example.com"}"#],
    );
    requests(
        criterion.benchmark_group("request/textus-to-ecgrid"),
        &textus,
        round_trip::<TextusUpdate>,
        &[
            r#"{"userId": 1042, "email": "not+chuck@textus.example", "firstName": "Not", "lastName": "Chuck"}"#,
            r#"{"userId": 1042, "emailNotification": true, "audioNotification": true}"#,
        ],
    );
    replies(
        criterion.benchmark_group("reply/textus-to-ecgrid"),
        &ecgrid,
        &[round_trip::<TextusUser>],
        r#"{
            "success": true,
            "data": {
                "userId": 1042,
                "login": "jsmith",
                "email": "chuck@textus.example",
                "firstName": "Chuck",
                "lastName": "Norris",
                "networkId": 1,
                "mailboxId": 101,
                "authLevel": "MailboxUser",
                "status": "Active",
                "created": "2024-03-15T10:22:00Z"
            }
        }"#,
    );
    replies(
        criterion.benchmark_group("reply/ecgrid-to-textus"),
        &textus,
        &[round_trip::<Envelope<UserIdInfo>>, round_trip::<Envelope<bool>>],
        r#"{
            "@type": "User",
            "@context": "/contexts/User.jsonld",
            "id": "/users/wqyODPA",
            "name": "John Smith",
            "firstName": "John",
            "lastName": "Smith",
            "email": "john.smith@example.com",
            "avatar": null,
            "automatedActor": false,
            "hasPassword": true,
            "discarded": false,
            "settings": {"notifications": {"email": true, "audio": true}, "customSettings": {}},
            "memberships": {
                "@type": "hydra:Collection",
                "@context": "/contexts/hydra:Collection.jsonld",
                "id": "/users/wqyODPA/memberships",
                "members": [{
                    "@type": "Membership",
                    "@context": "/contexts/Membership.jsonld",
                    "id": "/users/wqyODPA/memberships/my_account",
                    "role": "admin",
                    "user": "/users/wqyODPA",
                    "account": {
                        "@type": "Account",
                        "@context": "/contexts/Account.jsonld",
                        "id": "/accounts/my_account",
                        "name": "Example Account"
                    }
                }],
                "totalItems": 1
            }
        }"#,
    );
    pages(criterion.benchmark_group("page/textus-to-ecgrid"), &textus_page, round_trip::<TextusUsers>);
    pages(criterion.benchmark_group("page/ecgrid-to-textus"), &ecgrid_page, round_trip::<Envelope<Vec<UserIdInfo>>>);
    refusals(
        criterion.benchmark_group("refused/ecgrid"),
        &ecgrid.face,
        &Request::new(Method::PUT, "/v2/users", r#"{"userId": "1042", "email": "john.smith", "firstName": "John"}"#),
        &["/userId", "/email"],
    );
    refusals(
        criterion.benchmark_group("refused/textus"),
        &textus.face,
        &Request::new(
            Method::PUT,
            "/users/wqyODPA",
            r#"{"email": "not.chuck", "memberships": [{"role": "owner", "account": "/accounts/my_account"}]}"#,
        ),
        &["/email", "/memberships/0/role"],
    );

    criterion.final_summary();
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// A client's document in, the documents of all calls to the upstream out.
fn requests(mut group: Group<'_>, exchange: &Exchange, typed: RoundTrip, expected: &[&str]) {
    let request = &exchange.request;
    for calls in [exchange.calls(), exchange.calls_by_schema()] {
        assert_eq!(calls.len(), expected.len());
        for (call, expected) in calls.iter().zip(expected) {
            assert_eq!(value(&call.body), value(expected.as_bytes()));
        }
    }

    group.throughput(Throughput::Bytes(request.body.len() as u64));
    group.bench_function("gateway", |bencher| bencher.iter(|| black_box(exchange).calls()));
    group.bench_function("by-schema", |bencher| bencher.iter(|| black_box(exchange).calls_by_schema()));
    group.bench_function("plan", |bencher| bencher.iter(|| black_box(exchange).planned()));
    floors(&mut group, &[(&request.body, typed)]);
    group.finish();
}

/// The upstream's documents in, the answer to the client out.
fn replies(mut group: Group<'_>, exchange: &Exchange, typed: &[RoundTrip], expected: &str) {
    let replies = exchange.replies.as_slice();
    assert_eq!(value(&exchange.answer_by_schema().body), value(expected.as_bytes()));

    group.throughput(Throughput::Bytes(replies.iter().map(|reply| reply.body.len() as u64).sum()));
    group.bench_function("gateway", |bencher| bencher.iter(|| black_box(exchange).answer()));
    group.bench_function("by-schema", |bencher| bencher.iter(|| black_box(exchange).answer_by_schema()));
    assert_eq!(replies.len(), typed.len());
    let bodies = replies.iter().map(|Reply { body, .. }| body);
    floors(&mut group, &bodies.zip(typed.iter().copied()).collect::<Vec<_>>());
    group.finish();
}

/// The upstream's page of a hundred users in, the client's out.
fn pages(mut group: Group<'_>, exchange: &Exchange, typed: RoundTrip) {
    let [page] = exchange.replies.as_slice() else { panic!("a page is read by one call") };
    let answer = value(&exchange.answer_by_schema().body);
    let users = answer.get("data").or(answer.get("members")).and_then(Value::as_array).map(Vec::len);
    assert_eq!(users, Some(100));

    group.throughput(Throughput::Bytes(page.body.len() as u64));
    group.bench_function("gateway", |bencher| bencher.iter(|| black_box(exchange).answer()));
    floors(&mut group, &[(&page.body, typed)]);
    group.finish();
}

/// A client's document in, the error document out: one that is JSON and wrong, and the same without its last byte.
fn refusals(mut group: Group<'_>, face: &Side, invalid: &Request, pointers: &[&str]) {
    let malformed = Request { body: invalid.body.slice(..invalid.body.len() - 1), ..invalid.clone() };
    let told = String::from_utf8_lossy(&refuse(face, invalid).body).into_owned();
    assert!(pointers.iter().all(|pointer| told.contains(pointer)), "{told}");
    let told = String::from_utf8_lossy(&refuse(face, &malformed).body).into_owned();
    assert!(told.contains("is not a JSON document"), "{told}");

    group.throughput(Throughput::Bytes(invalid.body.len() as u64));
    group.bench_function("invalid", |bencher| bencher.iter(|| refuse(face, black_box(invalid))));
    group.bench_function("malformed", |bencher| bencher.iter(|| refuse(face, black_box(&malformed))));
    untyped_floors(&mut group, &[&invalid.body]);
    group.finish();
}

/// What nobody can do without who handles these documents, and the same with the types known beforehand.
fn floors(group: &mut Group<'_>, documents: &[(&Bytes, RoundTrip)]) {
    for (document, typed) in documents {
        assert_eq!(value(&typed(document)), value(document), "the typed floor loses a member");
    }
    group.bench_function("serde_json-typed", |bencher| {
        bencher.iter(|| black_box(documents).iter().for_each(|(document, typed)| drop(black_box(typed(document)))));
    });
    let documents: Vec<_> = documents.iter().map(|(document, _)| *document).collect();
    untyped_floors(group, &documents);
}

fn untyped_floors(group: &mut Group<'_>, documents: &[&Bytes]) {
    group.bench_function("serde_json-value", |bencher| {
        let each = |document: &&Bytes| drop(black_box(round_trip::<Value>(document)));
        bencher.iter(|| black_box(documents).iter().for_each(each));
    });
    group.bench_function("memcpy", |bencher| {
        let each = |document: &&Bytes| drop(black_box(document.to_vec()));
        bencher.iter(|| black_box(documents).iter().for_each(each));
    });
}

fn value(document: &[u8]) -> Value {
    serde_json::from_slice(document).expect("the documents of this file are JSON")
}

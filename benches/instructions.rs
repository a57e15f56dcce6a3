//! How many instructions and allocations does a translation take, beside parsing and writing the same bytes?
//!
//! How to run it and how to read it: README.md, beside this file.

#![expect(missing_docs, reason = "gungraun makes a public module of every bench")]

mod exchange;
mod typed;
mod whole;

use std::hint::black_box;

use gungraun::{Dhat, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use interlingua_core::{Request, http::Method};

use crate::{
    exchange::{Exchange, refuse},
    typed::{Envelope, RoundTrip, TextusUpdate, TextusUser, TextusUsers, UpdateUser, UserIdInfo, round_trip},
    whole::{Way, Whole},
};

/// What happens only the first time is none of a translation's costs, and neither is to tidy up the heap after what was
/// made ready.
fn warm<T: 'static>(subject: T, run: fn(&T)) -> &'static T {
    let subject = Box::leak(Box::new(subject));
    (0..20).for_each(|_| run(subject));
    subject
}

fn ready(exchange: Exchange) -> &'static Exchange {
    warm(exchange, |exchange| {
        drop((exchange.calls(), exchange.calls_by_schema(), exchange.answer(), exchange.answer_by_schema()));
    })
}

#[library_benchmark(setup = ready)]
#[bench::ecgrid_to_textus(Exchange::ecgrid_to_textus())]
#[bench::textus_to_ecgrid(Exchange::textus_to_ecgrid())]
fn request(exchange: &'static Exchange) {
    black_box(black_box(exchange).calls());
}

#[library_benchmark(setup = ready)]
#[bench::ecgrid_to_textus(Exchange::ecgrid_to_textus())]
#[bench::textus_to_ecgrid(Exchange::textus_to_ecgrid())]
fn request_by_schema(exchange: &'static Exchange) {
    black_box(black_box(exchange).calls_by_schema());
}

#[library_benchmark(setup = ready)]
#[bench::ecgrid_to_textus(Exchange::ecgrid_to_textus())]
#[bench::textus_to_ecgrid(Exchange::textus_to_ecgrid())]
fn plan(exchange: &'static Exchange) {
    black_box(black_box(exchange).planned());
}

#[library_benchmark(setup = ready)]
#[bench::textus_to_ecgrid(Exchange::ecgrid_to_textus())]
#[bench::ecgrid_to_textus(Exchange::textus_to_ecgrid())]
#[bench::textus_to_ecgrid_100(Exchange::ecgrid_page_of_textus(100))]
#[bench::ecgrid_to_textus_100(Exchange::textus_page_of_ecgrid(100))]
fn reply(exchange: &'static Exchange) {
    black_box(black_box(exchange).answer());
}

#[library_benchmark(setup = ready)]
#[bench::textus_to_ecgrid(Exchange::ecgrid_to_textus())]
#[bench::ecgrid_to_textus(Exchange::textus_to_ecgrid())]
fn reply_by_schema(exchange: &'static Exchange) {
    black_box(black_box(exchange).answer_by_schema());
}

/// A request that is wrong, and who refuses it.
type Wrong = (Exchange, Request);

fn wrong((exchange, request): Wrong) -> &'static Wrong {
    warm((exchange, request), |(exchange, request)| drop(refuse(&exchange.face, request)))
}

#[library_benchmark(setup = wrong)]
#[bench::ecgrid((
    Exchange::ecgrid_to_textus(),
    Request::new(Method::PUT, "/v2/users", r#"{"userId": "1042", "email": "john.smith", "firstName": "John"}"#),
))]
#[bench::textus((
    Exchange::textus_to_ecgrid(),
    Request::new(
        Method::PUT,
        "/users/wqyODPA",
        r#"{"email": "not.chuck", "memberships": [{"role": "owner", "account": "/accounts/my_account"}]}"#,
    ),
))]
fn refused(wrong: &'static Wrong) {
    let (exchange, request) = black_box(wrong);
    black_box(refuse(&exchange.face, request));
}

/// Documents, with the type that the floor reads them as.
type Floor = Vec<(Vec<u8>, RoundTrip)>;

fn request_floor(exchange: Exchange, typed: RoundTrip) -> &'static Floor {
    let documents = vec![(exchange.request.body.to_vec(), typed)];
    drop(exchange);
    warm(documents, each)
}

fn reply_floor(exchange: Exchange, typed: &[RoundTrip]) -> &'static Floor {
    let bodies = exchange.replies.iter().map(|reply| reply.body.to_vec());
    let documents = bodies.zip(typed.iter().copied()).collect();
    drop(exchange);
    warm(documents, each)
}

fn each(documents: &Floor) {
    documents.iter().for_each(|(document, typed)| drop(black_box(typed(document))));
}

#[library_benchmark]
#[bench::request_ecgrid(request_floor(Exchange::ecgrid_to_textus(), round_trip::<UpdateUser>))]
#[bench::request_textus(request_floor(Exchange::textus_to_ecgrid(), round_trip::<TextusUpdate>))]
#[bench::reply_textus(reply_floor(Exchange::ecgrid_to_textus(), &[round_trip::<TextusUser>]))]
#[bench::reply_ecgrid(reply_floor(
    Exchange::textus_to_ecgrid(),
    &[round_trip::<Envelope<UserIdInfo>>, round_trip::<Envelope<bool>>],
))]
#[bench::reply_textus_100(reply_floor(Exchange::ecgrid_page_of_textus(100), &[round_trip::<TextusUsers>]))]
#[bench::reply_ecgrid_100(reply_floor(
    Exchange::textus_page_of_ecgrid(100),
    &[round_trip::<Envelope<Vec<UserIdInfo>>>],
))]
fn serde_json_typed(documents: &'static Floor) {
    each(black_box(documents));
}

/// How many requests are counted together, so that none of them stands out.
const REQUESTS: usize = 10;

fn served(gateway: Whole) -> &'static Whole {
    warm(gateway, |gateway| gateway.answer(REQUESTS))
}

#[library_benchmark(setup = served)]
#[bench::pass_read(Whole::ecgrid_reads(Way::Straight))]
#[bench::pass_write(Whole::ecgrid_writes(Way::Straight))]
#[bench::translated_read(Whole::ecgrid_reads(Way::Crossed))]
#[bench::translated_write(Whole::ecgrid_writes(Way::Crossed))]
#[bench::translated_write_of_two(Whole::textus_writes(Way::Crossed))]
fn gateway(gateway: &'static Whole) {
    gateway.answer(REQUESTS);
}

library_benchmark_group!(
    name = translate;
    benchmarks = request, request_by_schema, plan, reply, reply_by_schema, refused, serde_json_typed, gateway
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Dhat::default());
    library_benchmark_groups = translate
);

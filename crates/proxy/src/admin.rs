//! The admin listener: is it alive, is it ready, and what was lost in a request. Never under a face's paths.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use serde_json::json;

use crate::{
    body::{self, Body},
    problem,
    route::Shared,
    upstream::{self, Upstream},
};

/// What the admin listener can tell.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) ready: Arc<AtomicBool>,
}

impl Admin {
    /// Answers a request.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return problem::method_not_allowed();
        }
        match request.uri().path() {
            "/livez" => document(&json!({"status": "alive"})),
            "/readyz" if self.ready.load(Ordering::Relaxed) => document(&json!({"status": "ready"})),
            "/readyz" => {
                let mut response = document(&json!({"status": "stopping"}));
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                response
            }
            "/metrics" => self.metrics(),
            path => match path.strip_prefix("/reports/").map(|id| self.shared.reports.document(id)) {
                Some(Some(report)) => document(&report),
                Some(None) => problem::not_found("no report of this id is kept; the latest thousand are"),
                None => problem::not_found("the admin listener has /livez, /readyz, /metrics and /reports/{id}"),
            },
        }
    }

    /// How well the cache of links and the upstreams do, in the text format of Prometheus. Links in memory need no cache.
    fn metrics(&self) -> Response<Body> {
        let stats = self.shared.links.cache_stats().unwrap_or_default();
        let metrics = [
            ("link_cache_hits_total", "counter", "Links that were at hand.", stats.hits),
            ("link_cache_misses_total", "counter", "Links that the store was asked for.", stats.misses),
            ("link_cache_entries", "gauge", "Ids whose links are at hand.", stats.entries),
        ];
        let mut text: String = metrics
            .iter()
            .map(|(name, kind, help, value)| {
                let name = format!("interlingua_{name}");
                format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
            })
            .collect();
        text.push_str(&upstream::metrics(self.upstreams.iter().map(|upstream| &**upstream)));
        let mut response = Response::new(body::whole(text));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
        response
    }
}

fn document(document: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(body::whole(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

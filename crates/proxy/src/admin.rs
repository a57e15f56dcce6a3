//! The admin listener: is it alive, is it ready, what was lost in a request, and the order to read the configuration again.
//! Never under a face's paths.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use crate::{
    body::{self, Body},
    gateway::Service,
    problem::{self, problem},
    reload::{NotReloaded, Reloads},
    upstream,
};

/// What the admin listener can tell.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) service: Arc<ArcSwap<Service>>,
    pub(crate) reloads: Arc<Reloads>,
    pub(crate) ready: Arc<AtomicBool>,
}

impl Admin {
    /// Answers a request.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/reload") => self.reload().await,
            (_, "/reload") => problem::method_not_allowed("POST"),
            (&Method::GET | &Method::HEAD, path) => self.show(path),
            _ => problem::method_not_allowed("GET"),
        }
    }

    async fn reload(&self) -> Response<Body> {
        match self.reloads.order().await {
            Ok(()) => document(&json!({"status": "reloaded"})),
            Err(NotReloaded::Refused(why)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why),
            Err(NotReloaded::Stopping) => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
            Err(NotReloaded::Fixed) => {
                problem(StatusCode::NOT_IMPLEMENTED, "nobody knows where this gateway's configuration came from")
            }
        }
    }

    fn show(&self, path: &str) -> Response<Body> {
        match path {
            "/livez" => document(&json!({"status": "alive"})),
            "/readyz" if self.ready.load(Ordering::Relaxed) => match self.reloads.problem() {
                None => document(&json!({"status": "ready"})),
                Some(why) => document(&json!({
                    "status": "ready",
                    "detail": format!("the last good configuration is at work; the one after it is refused: {why}"),
                })),
            },
            "/readyz" => {
                let mut response = document(&json!({"status": "stopping"}));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }
            "/metrics" => self.metrics(),
            path if path.starts_with("/openapi/") => {
                let name = path.strip_prefix("/openapi/").and_then(|name| name.strip_suffix(".json"));
                match name.and_then(|name| self.service.load().openapi(name)) {
                    Some(description) => document(&description),
                    None => problem::not_found("there is no such pair; a name is like /openapi/<face>-<upstream>.json"),
                }
            }
            path => match path.strip_prefix("/reports/").map(|id| self.service.load().shared.reports.document(id)) {
                Some(Some(report)) => document(&report),
                Some(None) => problem::not_found("no report of this id is kept; the latest thousand are"),
                None => problem::not_found(
                    "the admin listener has /livez, /readyz, /metrics, /reports/{id}, /openapi/{face}-{upstream}.json and \
                     POST /reload",
                ),
            },
        }
    }

    /// How requests, the cache of links and the upstreams do, in the text format of Prometheus. Links in memory need no
    /// cache.
    fn metrics(&self) -> Response<Body> {
        let service = self.service.load();
        let stats = service.shared.links.cache_stats().unwrap_or_default();
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
        let calls = service.upstreams.values().map(|upstream| (&*upstream.name, upstream.calls()));
        text.push_str(&service.shared.metrics.text(calls));
        text.push_str(&upstream::metrics(service.upstreams.values().map(|upstream| &**upstream)));
        text.push_str(&self.reloads.metrics());
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

//! Traces for OpenTelemetry: a span for each request, and one below it for each call that is made for it.
//!
//! A span holds names of the configuration and of dialects, templates of paths, numbers, and the request's id; never what
//! else a client or a vendor wrote. Attributes have OpenTelemetry's names for HTTP, or start with `interlingua.`.
//!
//! Where traces are off there is no span, and a trace that a client has goes on as it came.

mod outbox;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderValue, Method, StatusCode};
use interlingua_core::{ErrorKind, Fault, Template};
use opentelemetry::{
    Context as Parents, KeyValue, Value,
    trace::{
        Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer as _, TracerProvider,
    },
};
use opentelemetry_otlp::{
    ExporterBuildError, WithExportConfig, WithTonicConfig, tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanExporter as _},
};
use tokio::task::JoinHandle;

use crate::{
    config,
    metrics::{self, Verb},
    route::Route,
    server::within,
    trace::Context,
    upstream::Upstream,
};
use outbox::Outbox;

/// How long the collector may take for some spans.
const DELIVERY: Duration = Duration::from_secs(5);

// === To the collector ===

/// What takes spans to a collector.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    delivery: JoinHandle<()>,
}

impl Traces {
    /// # Errors
    ///
    /// The machine trusts no authority, or the environment asks OpenTelemetry for what we do not have.
    pub(crate) fn start(config: &config::Traces) -> Result<Self, ExporterBuildError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
        let exporter = exporter.with_endpoint(config.endpoint.to_string()).with_timeout(DELIVERY);
        let exporter = if config.endpoint.is_secure() {
            exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
        } else {
            exporter
        };
        let mut exporter = exporter.build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("interlingua").with_attribute(version).build();
        exporter.set_resource(&resource);
        let (outbox, delivery) = Outbox::emptied_by(exporter);
        // Who has begun a trace has decided whether it is kept.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio)));
        let provider = SdkTracerProvider::builder().with_span_processor(outbox).with_sampler(sampler);
        Ok(Self { provider: provider.with_resource(resource).build(), delivery })
    }

    /// What makes spans.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("interlingua")
    }

    /// Delivers what has not been delivered yet, and gives up after `limit`.
    pub(crate) async fn stop(self, limit: Duration) {
        // It only closes the outbox.
        let _ = self.provider.shutdown();
        let Self { mut delivery, .. } = self;
        // A task that has panicked delivers nothing any more.
        let delivered = within(limit, async { drop((&mut delivery).await) }).await;
        if !delivered {
            delivery.abort();
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

// === Of requests ===

/// The span of a request, and what makes those of its calls.
#[derive(Clone, Debug)]
pub(crate) struct RequestSpan {
    tracer: SdkTracer,
    /// The span is its innermost.
    parents: Parents,
    /// How many calls were made so far.
    calls: Arc<AtomicU32>,
}

impl RequestSpan {
    /// Begins one, as part of the trace that a client has, where it has one. Where the client goes away, no more is told of
    /// it than this.
    pub(crate) fn begin(tracer: &SdkTracer, method: Verb, id: &str, traceparent: Option<&HeaderValue>) -> Self {
        let remote = traceparent.and_then(parent).map(|remote| Parents::new().with_remote_span_context(remote));
        let id = KeyValue::new("interlingua.request.id", id.to_owned());
        let span = tracer.span_builder(name(method, None)).with_kind(SpanKind::Server);
        let span = span.with_attributes([KeyValue::new(METHOD, method.name()), id]);
        let span = tracer.build_with_context(span, &remote.unwrap_or_default());
        Self { tracer: tracer.clone(), parents: Parents::new().with_span(span), calls: Arc::default() }
    }

    /// Ends it with what became of the request.
    pub(crate) fn end(&self, request: &Context, route: Option<&Route>, status: StatusCode, fault: Option<Fault>) {
        let span = self.parents.span();
        if !span.is_recording() {
            return;
        }
        let seen = &*request.seen;
        let operation = seen.operation.get().copied().unwrap_or_default();
        let template = route.and_then(|route| route.face.dialect().operation(operation)).map(|found| found.path);
        span.update_name(name(request.method, template));
        let mut attributes = vec![answered(status), KeyValue::new("interlingua.operation", operation)];
        attributes.extend(template.map(|template| KeyValue::new("http.route", template.to_string())));
        attributes.push(KeyValue::new("interlingua.calls", i64::from(self.calls.load(Relaxed))));
        if let Some(route) = route {
            let upstream = request.upstream(route);
            attributes.push(KeyValue::new("interlingua.face", route.face.dialect().name));
            attributes.push(KeyValue::new("interlingua.upstream", upstream.to_owned()));
            if let Some(outcome) = route.metrics_of(upstream).outcome(seen) {
                attributes.push(KeyValue::new("interlingua.outcome", outcome));
            }
        }
        if let Some(fault) = fault {
            attributes.push(KeyValue::new("interlingua.fault", fault.name()));
        }
        if status.is_server_error() {
            let kind = seen.failure.get().map(|failure| failure.kind);
            attributes.push(error(kind.ok_or(status)));
            span.set_status(Status::error(""));
        }
        span.set_attributes(attributes);
        span.end();
    }

    fn call(&self, method: &Method, target: &str, upstream: &Upstream) -> Span {
        self.calls.fetch_add(1, Relaxed);
        let verb = Verb::of(method);
        let path = target.split('?').next().unwrap_or_default();
        let template = upstream.adapter.dialect().find(method, path).ok().map(|(operation, _)| operation.path);
        let mut attributes = vec![KeyValue::new(METHOD, verb.name())];
        attributes.extend(template.map(|template| KeyValue::new("url.template", template.to_string())));
        let host = upstream.authority.host().trim_matches(['[', ']']);
        attributes.push(KeyValue::new("server.address", host.to_owned()));
        attributes.extend(upstream.authority.port_u16().map(|port| KeyValue::new("server.port", i64::from(port))));
        attributes.push(KeyValue::new("interlingua.upstream", upstream.name.clone()));
        let span = self.tracer.span_builder(name(verb, template)).with_kind(SpanKind::Client);
        self.tracer.build_with_context(span.with_attributes(attributes), &self.parents)
    }
}

/// The span that a client's header names (W3C Trace Context, section 3.2). Its `tracestate` goes on and is in no span: what
/// stands in it is for others.
fn parent(header: &HeaderValue) -> Option<SpanContext> {
    let mut parts = header.to_str().ok()?.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

// === Of calls ===

/// The span of a call, with all its tries; none where traces are off. One that is given up has no status.
#[derive(Debug)]
pub(crate) struct CallSpan(Option<Span>);

impl CallSpan {
    /// Begins one below the span of the request that the call is made for.
    pub(crate) fn begin(request: &Context, method: &Method, target: &str, upstream: &Upstream) -> Self {
        Self(request.span.as_ref().map(|span| span.call(method, target, upstream)))
    }

    /// None.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// What tells the server that it is the parent of all that happens there.
    pub(crate) fn traceparent(&self) -> Option<HeaderValue> {
        let context = self.0.as_ref()?.span_context();
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}")).ok()
    }

    /// Ends it with what came of the call.
    pub(crate) fn end(self, came: Result<StatusCode, ErrorKind>) {
        let Some(mut span) = self.0.filter(Span::is_recording) else { return };
        if let Ok(status) = came {
            span.set_attribute(answered(status));
        }
        let kind = match came {
            Ok(status) => (status.is_client_error() || status.is_server_error()).then_some(Err(status)),
            Err(kind) => Some(Ok(kind)),
        };
        if let Some(kind) = kind {
            span.set_attribute(error(kind));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

// === What both have ===

const METHOD: &str = "http.request.method";

/// What OpenTelemetry calls spans of HTTP.
fn name(method: Verb, template: Option<Template>) -> String {
    let method = if method.is_known() { method.name() } else { "HTTP" };
    template.map_or_else(|| method.to_owned(), |template| format!("{method} {template}"))
}

fn answered(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

/// Of which kind an error is: ours, or a status.
fn error(kind: Result<ErrorKind, StatusCode>) -> KeyValue {
    let kind = kind.map_or_else(|status| status.as_str().to_owned(), metrics::word);
    KeyValue::new("error.type", Value::from(kind))
}

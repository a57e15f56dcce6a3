//! A collector of traces: OTLP over gRPC, and no more of it than is needed to look at what comes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, time::sleep};

use crate::{harness::any_port, recorder::LONG};

/// What every message has before it: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A collector that keeps what comes, byte for byte.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Bytes>>>::default();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let keep = service_fn(move |request| keep(request, Arc::clone(&kept)));
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), keep));
            }
        });
        Self { address, received }
    }

    /// The configuration that sends traces here.
    pub(crate) fn table(&self) -> String {
        format!("[traces]\nendpoint = \"http://{}\"", self.address)
    }

    /// All that came, as far as it is text.
    pub(crate) fn text(&self) -> String {
        let received = self.received.lock().unwrap();
        received.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The spans that came, in the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let exports = received.iter().map(|bytes| ExportTraceServiceRequest::decode(&bytes[PREFIX..]).unwrap());
        let scopes = exports.flat_map(|export| export.resource_spans).flat_map(|resource| resource.scope_spans);
        let mut spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// The same, when there are so many.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Span> {
        let start = Instant::now();
        loop {
            let spans = self.spans();
            if spans.len() >= count {
                return spans;
            }
            assert!(start.elapsed() < LONG, "{count} spans do not come: {spans:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn keep(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Bytes>>>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let message = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((message[0], (&message[1..]).get_u32() as usize), (0, message.len() - PREFIX), "one message");
    kept.lock().unwrap().push(message);
    // A message without a member, and that all is well.
    let end = HeaderMap::from_iter([("grpc-status".try_into().unwrap(), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from_static(&[0; PREFIX])), Frame::trailers(end)];
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames.map(Ok))));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// An attribute as text; empty where there is none.
pub(crate) fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    found.map(text).unwrap_or_default()
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The names of a span's attributes, sorted.
pub(crate) fn names(span: &Span) -> Vec<&str> {
    let mut names: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    names.sort_unstable();
    names
}

/// An id as headers have it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

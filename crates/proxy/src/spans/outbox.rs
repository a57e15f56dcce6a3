//! The way of spans to a collector: a queue and a task, so that no request waits for it.
//!
//! The SDK has such a thing, too. It drops in silence what it cannot deliver, and to stop it blocks a thread.

use std::{mem, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use crate::rarely::Rarely;

/// How many spans wait at most; one more is dropped.
const QUEUE: usize = 8192;
/// How many are sent at once.
const BATCH: usize = 512;
/// How long others are waited for where there were fewer.
const PAUSE: Duration = Duration::from_millis(100);

/// Where spans that have ended go; see the module.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Until it is told to stop.
    queue: ArcSwapOption<mpsc::Sender<SpanData>>,
    lost: Arc<Lost>,
}

/// Counts the spans that are not delivered, and tells of them once in a while.
#[derive(Debug, Default)]
struct Lost(Rarely);

impl Lost {
    fn tell(&self, count: usize, reason: &str) {
        if let Some(spans) = self.0.tell_of(count as u64) {
            tracing::warn!(spans, error.message = reason, "spans were not delivered to the collector");
        }
    }
}

impl Outbox {
    /// One that is emptied by `exporter`, and the task that does it, which ends when all is delivered after the order to
    /// stop.
    pub(super) fn emptied_by(exporter: impl SpanExporter + 'static) -> (Self, JoinHandle<()>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let lost = Arc::<Lost>::default();
        let task = tokio::spawn(deliver(exporter, spans, Arc::clone(&lost)));
        (Self { queue: ArcSwapOption::from_pointee(queue), lost }, task)
    }
}

impl SpanProcessor for Outbox {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let queue = self.queue.load();
        if queue.as_ref().is_none_or(|queue| queue.try_send(span).is_err()) {
            self.lost.tell(1, "too many wait for it");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.queue.store(None);
        Ok(())
    }
}

async fn deliver(exporter: impl SpanExporter, mut spans: mpsc::Receiver<SpanData>, lost: Arc<Lost>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let count = spans.recv_many(&mut batch, BATCH).await;
        if count == 0 {
            return;
        }
        if let Err(error) = exporter.export(mem::take(&mut batch)).await {
            lost.tell(count, &error.to_string());
        }
        if count < BATCH {
            sleep(PAUSE).await;
        }
    }
}

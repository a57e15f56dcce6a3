//! Writes go on when their client goes away: half a write must not be left behind, nor a lock be given back too early.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use interlingua_core::{Error, Result};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{layers::BoxFuture, route::Shared, trace::Context, translate::overloaded};

/// Does a write. If nobody waits for it any longer, it goes on in a task of its own, and what came of it is told in the
/// log.
///
/// # Errors
///
/// The write's own, or there are too many at once.
pub(crate) async fn to_its_end<T: Send + 'static>(
    shared: &Arc<Shared>,
    context: Context,
    write: BoxFuture<T, Error>,
) -> Result<T> {
    if shared.writes.len() >= shared.limits.in_flight.get() as usize {
        return Err(overloaded("too many writes at once"));
    }
    let running = shared.writes.token();
    Write { write: Some(write), shared: Arc::clone(shared), context, _running: running }.await
}

/// A write that somebody waits for.
struct Write<T: Send + 'static> {
    /// Until it is done.
    write: Option<BoxFuture<T, Error>>,
    shared: Arc<Shared>,
    context: Context,
    _running: TaskTrackerToken,
}

impl<T: Send + 'static> Future for Write<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        // Taken out meanwhile: one that panics is not gone on with.
        let mut write = self.write.take().expect("nobody asks again for what was answered");
        let polled = write.as_mut().poll(cx);
        if polled.is_pending() {
            self.write = Some(write);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Write<T> {
    fn drop(&mut self) {
        let Some(write) = self.write.take() else { return };
        let context = self.context.clone();
        self.shared.writes.spawn(async move {
            let result = write.await;
            let (id, operation) = (context.id(), context.seen.operation.get().copied().unwrap_or_default());
            match result {
                Ok(_) => tracing::info!(request.id = id, operation, "a write was done after its client went away"),
                Err(error) => tracing::warn!(
                    request.id = id, operation, error.kind = ?error.kind(), error.effect = error.effect().name(),
                    // As text, which a line break in it cannot make two lines of.
                    error.message = error.to_string(), "a write failed after its client went away"
                ),
            }
        });
    }
}

//! Writes go on when their client goes away: half a write must not be left behind, nor a lock be given back too early.

use std::sync::Arc;

use interlingua_core::{Effect, Error, ErrorKind, Result};
use tokio::sync::oneshot;

use crate::{route::Shared, trace::Context, translate::overloaded};

/// Does a write in a task of its own. What came of it is told in the log when there is nobody left to tell it to.
///
/// # Errors
///
/// The write's own, or there are too many at once.
pub(crate) async fn in_a_task<T: Send + 'static>(
    shared: &Arc<Shared>,
    context: Context,
    write: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if shared.writes.len() >= shared.limits.in_flight.get() as usize {
        return Err(overloaded("too many writes at once"));
    }
    let (answer, answered) = oneshot::channel();
    shared.writes.spawn(async move {
        let Err(unheard) = answer.send(write.await) else { return };
        let (id, operation) = (context.id(), context.seen.operation.get().map_or("", String::as_str));
        match unheard {
            Ok(_) => tracing::info!(request.id = id, operation, "a write was done after its client went away"),
            Err(error) => tracing::warn!(
                request.id = id, operation, error.kind = ?error.kind(), error.effect = error.effect().name(),
                error.message = %error, "a write failed after its client went away"
            ),
        }
    });
    // A task that ends without an answer has panicked.
    answered
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the gateway failed").with_effect(Effect::Unknown)))
}

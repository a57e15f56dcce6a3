//! What the journal is told of a write that passes: one write in one entry, and only for a request that may come again.

use std::sync::Arc;

use interlingua_core::{Access, Bytes, Call, Command, Effect, Reply, Result, http::Method};
use interlingua_links::{Ending, EntryId, Intent, State, StoreError, Write, Writes};

use crate::{linking::store_error, route::Route, trace::Context};

/// An entry that is open while its write is under way.
pub(crate) struct Entered {
    writes: Arc<dyn Writes>,
    entry: EntryId,
    call: Call,
}

impl Entered {
    /// Opens an entry for a request with a key; `None` for one without.
    ///
    /// # Errors
    ///
    /// The store does not answer, and nothing may be sent.
    pub(crate) async fn open(
        route: &Route,
        context: &Context,
        command: Option<&Command>,
        method: &Method,
        target: &str,
        body: &Bytes,
    ) -> Result<Option<Self>> {
        let seen = &context.seen;
        let Some(key) = seen.repeat.get() else { return Ok(None) };
        // A method says it of HTTP, and what it means says it of POST: a change is what is to be, and not one more.
        let repeatable =
            matches!(*method, Method::PUT | Method::DELETE) || matches!(command, Some(Command::UpdateUser { .. }));
        let write = Write {
            method: method.clone(),
            target: target.to_owned(),
            body: Some(body.clone()),
            fields: Vec::new(),
            repeatable,
            undo: None,
        };
        let intent = Intent {
            request: context.id().into(),
            upstream: route.upstream.name.as_str().into(),
            user: command.and_then(Command::user).cloned(),
            operation: seen.operation.get().map_or("", String::as_str).into(),
            client: context.client().into(),
            writes: vec![write],
        };
        let writes = route.shared.links.writes();
        let entry = writes.open(&intent, Some(key.as_str())).await.map_err(|error| store_error(&error))?;
        writes.mark(entry, 0, State::Sending).await.map_err(|error| store_error(&error))?;
        let call = Call { access: Access::Write, ..Call::write(method.clone(), target, body.clone(), Vec::new()) };
        Ok(Some(Self { writes, entry, call }))
    }

    /// Notes what came of the write.
    pub(crate) async fn ended(self, route: &Route, reply: &Result<Reply>) {
        let accepted = reply.as_ref().map(|reply| route.upstream.adapter.accepted(&self.call, reply));
        let (state, ending) = match accepted
            .map_or_else(|error| Err(error.effect()), |accepted| accepted.map_err(|error| error.effect()))
        {
            Ok(()) => (State::Applied, Ending::Done),
            Err(Effect::NothingSent) if reply.is_err() => (State::NotSent, Ending::Refused),
            Err(Effect::Refused) => (State::Refused, Ending::Refused),
            // An answer that nobody understands tells nothing.
            Err(Effect::NothingSent | Effect::Unknown) => (State::Unknown, Ending::Partial),
        };
        let noted = async {
            self.writes.mark(self.entry, 0, state).await?;
            self.writes.close(self.entry, ending, None).await
        };
        if let Err(error) = noted.await {
            tell(&error);
        }
    }
}

fn tell(error: &StoreError) {
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(error.message = %error, reason, "the journal was not told what came of a write");
}

//! Changes that other processes make, as PostgreSQL tells them.

use std::{sync::Arc, time::Duration};

use interlingua_core::{ScopeId, Text, UserId};
use serde_json::json;
use sqlx::{
    Executor, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{failed, within};
use crate::{Change, StoreError, changes::Watchers};

const CHANNEL: &str = "interlingua_links";

/// How long nothing may be heard before the connection is tried: a dead one is silent, too.
const SILENCE: Duration = Duration::from_secs(1);

/// How long to wait between two attempts to connect again.
const PAUSE: Duration = Duration::from_millis(250);

const NOTIFY: &str = "SELECT pg_notify($1, q) FROM json_array_elements_text($2::text::json) AS q";

/// Tells the other processes of changes, when the transaction commits.
pub(super) async fn notify(connection: &mut PgConnection, changes: &[Change]) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = changes.iter().map(word).collect();
    sqlx::query(NOTIFY).bind(CHANNEL).bind(json!(words).to_string()).execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Tells `watchers` what other processes change, from now on until the task is ended.
///
/// # Errors
///
/// The database does not answer.
pub(super) async fn start(
    connect: PgConnectOptions,
    limit: Duration,
    watchers: Arc<Watchers>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut listener = listen(&connect, limit).await?;
    Ok(tokio::spawn(async move {
        loop {
            let lost = follow(&mut listener, limit, &watchers).await;
            watchers.tell(&Change::Blind);
            tracing::warn!(
                error = &lost as &dyn std::error::Error,
                "changes of links by other processes cannot be followed; nothing is cached until they can"
            );
            listener = again(&connect, limit).await;
            watchers.tell(&Change::Everything);
            tracing::info!("changes of links by other processes are followed again");
        }
    }))
}

async fn listen(connect: &PgConnectOptions, limit: Duration) -> Result<PgListener, StoreError> {
    within(limit, async {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
        let pool = pool.idle_timeout(None).max_lifetime(None).connect_with(connect.clone()).await.map_err(failed)?;
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await.map_err(failed)?;
        Ok(listener)
    })
    .await
}

async fn again(connect: &PgConnectOptions, limit: Duration) -> PgListener {
    loop {
        match listen(connect, limit).await {
            Ok(listener) => return listener,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Tells of changes until the connection is lost, and why it is.
async fn follow(listener: &mut PgListener, limit: Duration, watchers: &Watchers) -> StoreError {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => watchers.tell(&change(notification.payload()).unwrap_or(Change::Everything)),
            Ok(Ok(None)) => return StoreError::unavailable("the connection was closed"),
            Ok(Err(error)) => return failed(error),
            Err(_) => {
                let alive = within(limit, async { listener.execute("SELECT 1").await.map_err(failed) });
                if let Err(error) = alive.await {
                    return error;
                }
            }
        }
    }
}

/// A change in a word: its kind, the length of the dialect's name, the name, the id.
fn word(change: &Change) -> String {
    match change {
        Change::User(dialect, id) => format!("u{}:{dialect}{id}", dialect.len()),
        Change::Scope(dialect, id) => format!("s{}:{dialect}{id}", dialect.len()),
        Change::Everything | Change::Blind => "everything".into(),
    }
}

/// The change that a word tells; another version may know other words.
fn change(word: &str) -> Option<Change> {
    let (head, rest) = word.split_once(':')?;
    let (kind, length) = head.split_at_checked(1)?;
    let (dialect, id) = rest.split_at_checked(length.parse().ok()?)?;
    let dialect = Text::from(dialect);
    match kind {
        "u" => Some(Change::User(dialect, UserId::new(id))),
        "s" => Some(Change::Scope(dialect, ScopeId::new(id))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Change>) {
        assert_eq!(change(text), expected);
        if let Some(change) = expected {
            assert_eq!(word(&change), text);
        }
    }

    #[test]
    fn changes_are_told_in_words() {
        check("u6:textuswqy:OPÄ", Some(Change::User("textus".into(), UserId::new("wqy:OPÄ"))));
        check("s0:", Some(Change::Scope("".into(), ScopeId::new(""))));
        for other in ["everything", "x1:ab", "u:a", "u9:a", "u1:ä", ""] {
            check(other, None);
        }
    }
}

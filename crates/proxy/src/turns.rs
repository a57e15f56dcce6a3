//! One writer per user at a time, within this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use interlingua_core::UserId;
use tokio::sync::OwnedMutexGuard;

type Key = (String, UserId);
type Queues = Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>;

/// The users that are being written.
#[derive(Debug, Default)]
pub(crate) struct Turns(Arc<Queues>);

/// The right to write a user, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    key: Key,
    queues: Arc<Queues>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else writes this user of this upstream.
    pub(crate) async fn take(&self, upstream: &str, user: &UserId) -> Turn {
        let key = (upstream.to_owned(), user.clone());
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(queues.entry(key.clone()).or_default())
        };
        let mut turn = Turn { key, queues: Arc::clone(&self.0), guard: None };
        turn.guard = Some(queue.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    /// Forgets the user when nobody else is waiting.
    fn drop(&mut self) {
        self.guard = None;
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_kept() {
        let turns = Arc::new(Turns::default());
        let inside = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
                tokio::spawn(async move {
                    let _turn = turns.take("a", &UserId::new((number % 3).to_string())).await;
                    *inside.lock().unwrap() += 1;
                    tokio::task::yield_now().await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*inside.lock().unwrap(), 50);
        assert!(turns.0.lock().unwrap().is_empty());

        let held = turns.take("a", &UserId::new("1")).await;
        let user = UserId::new("1");
        let second = turns.take("a", &user);
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(second.as_mut().now_or_never().is_some());
    }
}

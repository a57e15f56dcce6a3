//! Repeats: requests that a client may send again without a second effect.

use std::time::Duration;

use async_trait::async_trait;
use interlingua_core::{Response, http::StatusCode};
use sha2::{Digest, Sha256};

use crate::{EntryId, StoreError};
#[cfg(doc)]
use crate::{Journal, Options, StoreErrorKind};

/// Where the answers to requests are kept that clients may repeat, by the keys that clients give them.
///
/// A request is begun before anything is done about it, and then either answered or forgotten. Keys are kept as
/// hashes.
#[async_trait]
pub trait Repeats: Send + Sync {
    /// Begins a request, or tells what came of it before. Of all who begin the same at once, one is told
    /// [`Fresh`](Begun::Fresh).
    ///
    /// `fingerprint` is a hash of all that makes one request differ from another. What comes of the request is told for
    /// as long as `keep` from now on.
    ///
    /// # Errors
    ///
    /// The store does not answer. Then nothing may be done.
    async fn begin(&self, client: &str, key: &str, fingerprint: &[u8; 32], keep: Duration)
    -> Result<Begun, StoreError>;

    /// Keeps the answer to a request that is in progress, for those who repeat it, before the journal's entry is closed.
    /// If that was closed first, the request counts as interrupted until it is answered.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: the request is not begun, or somebody else's, or answered. The store does not answer.
    async fn answer(&self, client: &str, key: &str, answer: &Response) -> Result<(), StoreError>;

    /// Forgets a request that is in progress, and of which nothing was done, so that it can be begun afresh.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    async fn forget(&self, client: &str, key: &str) -> Result<(), StoreError>;
}

/// What there is of a request that was begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// Nothing: it is begun now, and the caller's to answer.
    Fresh,
    /// Somebody else is at it.
    InProgress,
    /// The caller has begun it, or has taken it over, and it has no answer; this entry of the [journal](Journal), where
    /// there is one, tells how far it came. Of its tasks the store knows nothing: a caller with one task at a time at a
    /// request knows by this that the last one broke off.
    Own(Option<EntryId>),
    /// Something else was asked with the same key.
    Differs,
    /// This was answered.
    Answered(Response),
    /// An answer with this status was given, but is not kept: the store has [no key](Options::key), or another one.
    AnswerNotKept(StatusCode),
    /// Whoever was at it is gone, or has closed the entry without an answer. This entry of the [journal](Journal) tells
    /// how far it came; whoever knows what came of it can answer or forget it.
    Interrupted(EntryId),
}

/// What a key of a client is kept as.
pub(crate) fn hash(client: &str, key: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((client.len() as u64).to_be_bytes());
    hash.update(client);
    hash.update(key);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_each_clients_own() {
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
        assert_eq!(hash("a", "b"), hash("a", "b"));
    }
}

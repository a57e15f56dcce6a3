//! Log-outs: sessions of clients that ended before their time.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreError;

/// Where all processes over one database know which sessions were ended.
///
/// Sessions themselves are not kept: they are the clients' to show, and end by themselves.
#[async_trait]
pub trait LogOuts: Send + Sync {
    /// Ends a session. It is known for as long as `keep` from now on, which is until it would have ended by itself.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn log_out(&self, session: &[u8; 16], keep: Duration) -> Result<(), StoreError>;

    /// Whether somebody has ended a session.
    ///
    /// # Errors
    ///
    /// The store does not answer. Then nobody knows.
    async fn is_logged_out(&self, session: &[u8; 16]) -> Result<bool, StoreError>;
}

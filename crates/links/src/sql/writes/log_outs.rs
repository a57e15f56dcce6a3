//! Log-outs in databases.

use std::time::Duration;

use async_trait::async_trait;

use super::{Argument, Database, Kept, Session, within};
use crate::{LogOuts, StoreError};

/// When a session would have ended by itself does not change.
const LOG_OUT: &str = "
    INSERT INTO logged_out (session, expires) SELECT $1, now + $2 FROM clock WHERE true
    ON CONFLICT (session) DO NOTHING
    RETURNING expires";
const FIND: &str = "SELECT expires FROM logged_out WHERE session = $1";

#[async_trait]
impl<D: Database> LogOuts for Kept<D> {
    async fn log_out(&self, session: &[u8; 16], keep: Duration) -> Result<(), StoreError> {
        within(self.timeout, async {
            let mut writer = self.database.writer().await?;
            let _: Option<(i64,)> = writer.row(LOG_OUT, &[Argument::Bytes(Some(session)), keep.into()]).await?;
            Ok(())
        })
        .await
    }

    async fn is_logged_out(&self, session: &[u8; 16]) -> Result<bool, StoreError> {
        within(self.timeout, async {
            let mut reader = self.database.reader().await?;
            let found: Option<(i64,)> = reader.row(FIND, &[Argument::Bytes(Some(session))]).await?;
            Ok(found.is_some())
        })
        .await
    }
}

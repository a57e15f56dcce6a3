//! `interlingua links remove`: one link less.

use clap::Args;

use super::{Store, kind::Kind, output::Output, show::Named};
use crate::cli::{Failed, say};

/// `interlingua links remove`.
#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
}

impl Remove {
    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        let (dialect, id) = store.id::<L>(&self.named)?;
        let link = L::remove(&*store.links, dialect, &id).await.map_err(|error| store.failed(&error))?;
        let link = link.ok_or_else(|| self.named.not_linked())?;
        say("removed:");
        self.output.link(&*link, &store.dialects);
        Ok(())
    }
}

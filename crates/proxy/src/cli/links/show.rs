//! `interlingua links show`: one link.

use clap::Args;

use super::{Store, kind::Kind, output::Output};
use crate::cli::{Failed, REFUSED};

/// Whose link it is.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// A dialect.
    pub(super) dialect: String,
    /// An id in that dialect; an ECGrid account is `1` for a network and `1/101` for a mailbox in it.
    pub(super) id: String,
}

/// `interlingua links show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
}

impl Named {
    pub(super) fn not_linked(&self) -> Failed {
        Failed::new(REFUSED, format!("{} {} is not linked", self.dialect, self.id))
    }
}

impl Show {
    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        let (dialect, id) = store.id::<L>(&self.named)?;
        let link = L::find(&*store.links, dialect, &id).await.map_err(|error| store.failed(&error))?;
        let link = link.ok_or_else(|| self.named.not_linked())?;
        self.output.link(&*link, &store.dialects);
        Ok(())
    }
}

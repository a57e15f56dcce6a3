//! `interlingua links list`: some of the links.

use std::num::NonZeroU32;

use clap::Args;
use interlingua_core::Text;
use interlingua_links::{Cursor, UserFilter};

use super::{Store, kind::Kind, output::Output};
use crate::cli::{Failed, dialect, say};

/// `interlingua links list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those with an id in this dialect.
    #[arg(long, value_name = "DIALECT", conflicts_with = "accounts")]
    has: Option<String>,
    /// Only those without an id in this dialect.
    #[arg(long, value_name = "DIALECT", conflicts_with = "accounts")]
    lacks: Option<String>,
    /// Only those with this login.
    #[arg(long, value_name = "LOGIN", conflicts_with = "accounts")]
    login: Option<Text>,
    /// Only those with this in one of the ids, or in the login; upper and lower case differ.
    #[arg(long, value_name = "TEXT", conflicts_with = "accounts")]
    containing: Option<Text>,
    /// The most links to print.
    #[arg(long, value_name = "N", default_value = "100")]
    limit: NonZeroU32,
    /// Go on where another list ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
    #[command(flatten)]
    output: Output,
}

impl List {
    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        let dialect =
            |name: &Option<String>| name.as_ref().map(|name| dialect(store.config, name).map(Text::from)).transpose();
        let filter = UserFilter {
            has: dialect(&self.has)?,
            lacks: dialect(&self.lacks)?,
            login: self.login.clone(),
            containing: self.containing.clone(),
        };
        let page = L::page(&*store.links, &filter, self.after, self.limit).await;
        let page = page.map_err(|error| store.failed(&error))?;
        self.output.links(&page.links, &store.dialects);
        if let Some(next) = page.next {
            say(format_args!("there are more; go on with --after {next}"));
        }
        Ok(())
    }
}

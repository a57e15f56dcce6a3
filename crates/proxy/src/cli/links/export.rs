//! `interlingua links export`: all links as a list.

use std::{
    io::{self, IsTerminal},
    num::NonZeroU32,
};

use clap::Args;
use indicatif::ProgressBar;
use interlingua_links::{StoreError, UserFilter};

use super::{
    Store,
    format::{Format, Writer},
    kind::Kind,
    progress,
};
use crate::cli::{Failed, UNAVAILABLE, say};

/// How many links are asked for at once.
const PAGE: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not 0");

/// `interlingua links export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// How the list is written.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

/// Why a list ends too early.
enum Stopped {
    Store(StoreError),
    Output(io::Error),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Export {
    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        match self.write::<L>(store).await {
            Ok(0) => Ok(()),
            Ok(left_out) => {
                say(format_args!("a list does not hold the scope that was set last; users with one: {left_out}"));
                Ok(())
            }
            Err(Stopped::Store(error)) => Err(store.failed(&error)),
            // A reader that has gone away has had enough.
            Err(Stopped::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(Stopped::Output(error)) => {
                Err(Failed::new(UNAVAILABLE, format!("the list cannot be written: {error}")))
            }
        }
    }

    /// Writes all links, and tells of how many something was left out.
    async fn write<L: Kind>(&self, store: &Store<'_>) -> Result<u64, Stopped> {
        let output = io::stdout().lock();
        let progress = match output.is_terminal() {
            true => ProgressBar::hidden(), // it would stand in the list
            false => progress::links("exporting", L::count(store.links.counts().await?)),
        };
        let mut list = Writer::new::<L>(self.format, output, &store.dialects)?;
        let (mut after, mut left_out) = (None, 0);
        loop {
            let page = L::page(&*store.links, &UserFilter::default(), after, PAGE).await?;
            for link in &page.links {
                list.write(&**link, &store.dialects)?;
                left_out += u64::from(link.aside().is_some());
                progress.inc(1);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        list.finish()?;
        progress.finish_and_clear();
        Ok(left_out)
    }
}

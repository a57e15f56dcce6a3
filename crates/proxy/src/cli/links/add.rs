//! `interlingua links add`: one link more.

use clap::Args;
use interlingua_links::AddError;

use super::{Store, kind::Kind, output::Output};
use crate::{
    cli::{Failed, REFUSED},
    config::entry::{self, Entry},
};

/// `interlingua links add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The ids, by dialect, and what is known besides, such as `ecgrid=1042 textus=wqyODPA login=jsmith`.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    keys: Vec<(String, String)>,
    #[command(flatten)]
    output: Output,
}

fn key_and_value(argument: &str) -> Result<(String, String), &'static str> {
    let (key, value) = argument.split_once('=').ok_or("expected a key, `=` and its value")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Add {
    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        let link: L =
            store.read(&self.entry::<L>(store)?).map_err(|problems| Failed::new(REFUSED, problems.join("\n")))?;
        let added = L::add(&*store.links, vec![link]).await.map_err(|error| match error {
            AddError::Store(error) => store.failed(&error),
            AddError::Taken(taken) => {
                let taken: Vec<_> = taken.iter().map(ToString::to_string).collect();
                Failed::new(REFUSED, taken.join("\n"))
            }
        })?;
        self.output.added(added, "added");
        Ok(())
    }

    fn entry<L: Kind>(&self, store: &Store<'_>) -> Result<Entry, Failed> {
        let mut entry = Entry::new();
        for (key, text) in &self.keys {
            if entry.insert(key.clone(), entry::value::<L>(key, text, &store.dialects)).is_some() {
                return Err(Failed::new(REFUSED, format!("{key}: stands twice")));
            }
        }
        Ok(entry)
    }
}

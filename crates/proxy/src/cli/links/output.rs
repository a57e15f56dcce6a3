//! What commands print.

use std::{collections::BTreeSet, iter, sync::Arc};

use clap::Args;
use interlingua_core::Text;
use interlingua_links::Added;
use serde_json::json;

use super::kind::Kind;
use crate::{
    cli::{print, say},
    config::entry::{self, Dialects},
};

/// How data is printed.
#[derive(Debug, Args)]
pub(in crate::cli) struct Output {
    /// Print JSON, one document a line.
    #[arg(long)]
    json: bool,
}

impl Output {
    /// Prints some links: a table, with the names of the columns in the first line.
    pub(super) fn links<L: Kind>(&self, links: &[Arc<L>], dialects: &Dialects<'_>) {
        if self.json {
            links.iter().for_each(|link| print_json(&**link, dialects));
            return;
        }
        let linked = links.iter().flat_map(|link| link.ids().keys()).map(Text::as_str);
        let ids: BTreeSet<&str> = dialects.keys().copied().chain(linked).collect();
        let columns: Vec<&str> = ids.into_iter().chain(entry::details::<L>()).collect();
        let header = columns.iter().map(|name| (*name).to_owned()).collect();
        let row = |link: &Arc<L>| columns.iter().map(|name| cell(entry::text(&**link, name).unwrap_or("-"))).collect();
        print_table(&iter::once(header).chain(links.iter().map(row)).collect::<Vec<_>>());
    }

    /// Prints one link: a line for each thing that is known.
    pub(super) fn link<L: Kind>(&self, link: &L, dialects: &Dialects<'_>) {
        if self.json {
            return print_json(link, dialects);
        }
        let lines = entry::texts(link).map(|(name, text)| vec![name.to_owned(), cell(text)]);
        let aside = link.aside().map(|(name, text)| vec![name.to_owned(), cell(&text)]);
        print_table(&lines.chain(aside).collect::<Vec<_>>());
    }

    /// Prints findings: a table, with the names of the columns in the first line.
    pub(in crate::cli) fn rows(&self, names: &[&str], rows: &[Vec<String>]) {
        if self.json {
            for row in rows {
                let document: serde_json::Map<_, _> =
                    names.iter().zip(row).map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
                print(json!(document).to_string().as_bytes());
            }
            return;
        }
        let header = names.iter().map(|name| (*name).to_owned()).collect();
        let row = |row: &Vec<String>| row.iter().map(|text| cell(if text.is_empty() { "-" } else { text })).collect();
        print_table(&iter::once(header).chain(rows.iter().map(row)).collect::<Vec<_>>());
    }

    /// Tells how many of some links are new. They were `added`, or whatever became of them instead.
    pub(super) fn added(&self, links: Added, added: &str) {
        say(format_args!("{} {added}, {} there already", links.added, links.unchanged));
        if self.json {
            print(json!({ "added": links.added, "unchanged": links.unchanged }).to_string().as_bytes());
        }
    }
}

fn print_json<L: Kind>(link: &L, dialects: &Dialects<'_>) {
    print(json!(entry::write(link, dialects)).to_string().as_bytes());
}

/// A text that does nothing to a terminal, nor to the order in which one reads it.
fn cell(text: &str) -> String {
    let acts = |character: char| {
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        character.is_control() || turns
    };
    text.chars().map(|character| if acts(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// Prints rows, of which each column is as wide as it must be.
fn print_table(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..).map_while(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        print(cells.collect::<Vec<_>>().join("  ").trim_end().as_bytes());
    }
}

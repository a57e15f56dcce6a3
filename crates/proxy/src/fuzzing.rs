//! Doors for fuzz targets to what no caller of this library reaches; there in no other build.

use interlingua_core::{Adapter, Bytes, Result};
use interlingua_links::{ScopeLink, UserLink};

use crate::{
    body,
    cli::links::format::{Format, Writer},
    config::entry::{self, Dialects, Written},
};

/// A request's body without its gzip, in at most `limit` bytes.
///
/// # Errors
///
/// It is not gzip, or larger.
pub fn gunzip(raw: &[u8], limit: usize) -> Result<Bytes> {
    body::gunzip(raw, limit)
}

/// Imports a list of links, as CSV or JSON Lines. What `interlingua links export` then writes must be imported as the
/// same links.
///
/// # Panics
///
/// It is not.
pub fn import(list: &[u8], csv: bool, adapters: &[Box<dyn Adapter>]) {
    let dialects = adapters.iter().map(|adapter| (adapter.dialect().name, &**adapter)).collect();
    let format = if csv { Format::Csv } else { Format::Jsonl };
    survives_the_export::<UserLink>(format, list, &dialects);
    survives_the_export::<ScopeLink>(format, list, &dialects);
}

fn survives_the_export<L: Written + PartialEq + std::fmt::Debug>(format: Format, list: &[u8], dialects: &Dialects<'_>) {
    let links = read::<L>(format, list, dialects);
    let mut exported = Vec::new();
    let mut writer = Writer::new::<L>(format, &mut exported, dialects).expect("a vector takes everything");
    for link in &links {
        writer.write(link, dialects).expect("a link that was read has ids of known dialects only");
    }
    writer.finish().expect("a vector takes everything");
    assert_eq!(read::<L>(format, &exported, dialects), links, "{}", String::from_utf8_lossy(&exported));
}

/// The lines in which nothing is wrong.
fn read<L: Written>(format: Format, list: &[u8], dialects: &Dialects<'_>) -> Vec<L> {
    let mut links = Vec::new();
    let read = format.read::<L>(list, dialects, |(_, entry)| {
        let Ok(entry) = entry else { return };
        let mut sound = true;
        let link = entry::read(&entry, dialects, |_, _| sound = false);
        links.extend(sound.then_some(link));
    });
    read.expect("a slice can be read to its end");
    links
}

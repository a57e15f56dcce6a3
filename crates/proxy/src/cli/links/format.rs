//! Lists of links, as files hold them.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use clap::ValueEnum;
use csv::StringRecord;
use interlingua_core::json;
use serde_json::Value;

use crate::config::entry::{self, Dialects, Entry, Written};

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Cells with commas between them, with the names of the columns in the first line.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

/// A line of a list: its number, counted from 1, and what is in it, or what is wrong with it.
pub(crate) type Line = (u64, Result<Entry, String>);

impl Format {
    /// The format that the end of a file's name tells.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// Reads a list and tells `each` of its lines.
    ///
    /// # Errors
    ///
    /// It cannot be read on.
    pub(crate) fn read<L: Written>(
        self,
        input: impl Read,
        dialects: &Dialects<'_>,
        each: impl FnMut(Line),
    ) -> io::Result<()> {
        match self {
            Self::Csv => read_csv::<L>(input, dialects, each),
            Self::Jsonl => read_jsonl(BufReader::new(input), each),
        }
    }
}

// === CSV ===

fn read_csv<L: Written>(input: impl Read, dialects: &Dialects<'_>, mut each: impl FnMut(Line)) -> io::Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns = match reader.headers() {
        Ok(columns) => columns.clone(),
        Err(error) => return not_text(error).map(each),
    };
    let wrong = wrong_columns::<L>(&columns, dialects);
    if !wrong.is_empty() {
        wrong.into_iter().for_each(|problem| each((1, Err(problem))));
        return Ok(()); // without its columns, no line makes sense
    }
    for row in reader.into_records() {
        each(match row {
            Ok(row) => (row.position().map_or(0, csv::Position::line), cells::<L>(&columns, &row, dialects)),
            Err(error) => not_text(error)?,
        });
    }
    Ok(())
}

/// The line that is no text.
///
/// # Errors
///
/// It is not the line: there is no reading on.
fn not_text(error: csv::Error) -> io::Result<Line> {
    match error.position() {
        Some(position) => Ok((position.line(), Err("not UTF-8 text".to_owned()))),
        None => Err(as_io(error)),
    }
}

fn wrong_columns<L: Written>(columns: &StringRecord, dialects: &Dialects<'_>) -> Vec<String> {
    if columns.is_empty() {
        return vec!["expected the names of the columns".to_owned()];
    }
    let wrong = columns.iter().enumerate().filter_map(|(position, name)| {
        if !entry::keys::<L>(dialects).any(|known| known == name) {
            Some(format!("unknown column `{name}`; {}", entry::nearest_key::<L>(name, dialects)))
        } else if columns.iter().take(position).any(|earlier| earlier == name) {
            Some(format!("the column `{name}` stands twice"))
        } else {
            None
        }
    });
    wrong.collect()
}

fn cells<L: Written>(columns: &StringRecord, row: &StringRecord, dialects: &Dialects<'_>) -> Result<Entry, String> {
    if row.len() != columns.len() {
        return Err(format!("expected {} cells, one for each column, not {}", columns.len(), row.len()));
    }
    // A quotation mark that is missing would make one cell of many lines.
    if row.iter().any(|cell| cell.contains(['\n', '\r'])) {
        return Err("a cell goes over more than one line; is there a quotation mark too many?".to_owned());
    }
    let filled = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    Ok(filled.map(|(name, cell)| (name.to_owned(), entry::value::<L>(name, cell, dialects))).collect())
}

/// csv's own conversion forgets what kind of error it was.
fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::Error::other("not UTF-8 text"),
    }
}

// === JSON Lines ===

fn read_jsonl(input: impl BufRead, mut each: impl FnMut(Line)) -> io::Result<()> {
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let line = line?;
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line);
        if !line.trim_ascii().is_empty() {
            each((number, object(line)));
        }
    }
    Ok(())
}

fn object(line: &[u8]) -> Result<Entry, String> {
    match json::parse(line) {
        Ok(Value::Object(members)) => Ok(members.into_iter().collect()),
        Ok(_) => Err("expected a JSON object".to_owned()),
        Err(_) => Err("not a JSON document in which every member stands once".to_owned()),
    }
}

// === Writing ===

/// A list that is being written.
pub(crate) enum Writer<W: Write> {
    Csv(Box<csv::Writer<W>>, Vec<&'static str>),
    Jsonl(BufWriter<W>),
}

impl<W: Write> Writer<W> {
    /// Begins a list.
    ///
    /// # Errors
    ///
    /// Nobody reads it, or it cannot be written.
    pub(crate) fn new<L: Written>(format: Format, output: W, dialects: &Dialects<'_>) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(output);
                let columns: Vec<_> = entry::keys::<L>(dialects).collect();
                writer.write_record(&columns).map_err(as_io)?;
                Self::Csv(Box::new(writer), columns)
            }
            Format::Jsonl => Self::Jsonl(BufWriter::new(output)),
        })
    }

    /// Writes a link.
    ///
    /// # Errors
    ///
    /// As above; or it has an id for which there is no column.
    pub(crate) fn write<L: Written>(&mut self, link: &L, dialects: &Dialects<'_>) -> io::Result<()> {
        match self {
            Self::Csv(writer, columns) => {
                if let Some(dialect) = link.ids().keys().find(|dialect| !columns.contains(&dialect.as_str())) {
                    let advice =
                        format!("a link has an id of `{dialect}`, for which there is no column; export as jsonl");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, advice));
                }
                let cells = columns.iter().map(|name| entry::text(link, name).unwrap_or_default());
                writer.write_record(cells).map_err(as_io)?;
            }
            Self::Jsonl(writer) => {
                serde_json::to_writer(&mut *writer, &entry::write(link, dialects))?;
                writer.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Ends the list.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut writer, _) => writer.flush(),
            Self::Jsonl(mut writer) => writer.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Adapter, UserId};
    use interlingua_ecgrid::Ecgrid;
    use interlingua_links::UserLink;

    use super::*;

    #[test]
    fn no_id_is_left_out_for_want_of_a_column() {
        let ecgrid = Ecgrid::new();
        let dialects: Dialects<'_> = [("ecgrid", &ecgrid as &dyn Adapter)].into();
        let ids = [("ecgrid".into(), UserId::new("1001")), ("acme".into(), UserId::new("7"))].into();
        let link = UserLink { ids, ..UserLink::default() };
        let mut list = Writer::new::<UserLink>(Format::Csv, Vec::new(), &dialects).unwrap();
        assert!(list.write(&link, &dialects).unwrap_err().to_string().contains("`acme`"));
        let mut output = Vec::new();
        let mut list = Writer::new::<UserLink>(Format::Jsonl, &mut output, &dialects).unwrap();
        list.write(&link, &dialects).unwrap();
        list.finish().unwrap();
        assert_eq!(output, b"{\"acme\":\"7\",\"ecgrid\":1001}\n");
    }
}

//! `interlingua links import`: a list of links into the store.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use interlingua_links::{AddError, Added, Reason, Taken};

use super::{Store, format::Format, kind::Kind, output::Output, progress};
use crate::cli::{Failed, REFUSED, USAGE};

/// The most problems that are told one by one.
const MOST: usize = 100;

/// `interlingua links import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The list, or `-` for standard input.
    file: PathBuf,
    /// How it is written; without it, the end of the file's name tells.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
}

/// A list that has been read.
struct List<L> {
    links: Vec<L>,
    /// On which line each of the links stands.
    lines: Vec<u64>,
    /// What is wrong, with the line where it is.
    problems: Vec<(u64, String)>,
}

impl Import {
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(super) async fn run<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        let List { links, lines, mut problems } = self.read::<L>(store)?;
        // A list of which nothing can be added is compared, too, so that one run tells everything.
        let compare = self.dry_run || !problems.is_empty();
        let working = progress::spinner(if compare { "comparing" } else { "adding" });
        let done = match compare {
            true => L::check(&*store.links, links).await,
            false => L::add(&*store.links, links).await,
        };
        working.finish_and_clear();
        let added = match done {
            Ok(added) => added,
            Err(AddError::Store(error)) => return Err(store.failed(&error)),
            Err(AddError::Taken(taken)) => {
                problems.extend(taken.iter().map(|taken| (lines[taken.position], obstacle(taken, &lines))));
                Added::default()
            }
        };
        if !problems.is_empty() {
            return Err(Failed::new(REFUSED, told(problems, &self.file)));
        }
        self.output.added(added, if self.dry_run { "to add" } else { "added" });
        Ok(())
    }

    fn read<L: Kind>(&self, store: &Store<'_>) -> Result<List<L>, Failed> {
        let name = self.file.display();
        let format = self.format.or_else(|| Format::of(&self.file));
        let format =
            format.ok_or_else(|| Failed::new(USAGE, format!("{name}: say how it is written, with --format")))?;
        let mut list = List { links: Vec::new(), lines: Vec::new(), problems: Vec::new() };
        let read = self.open().and_then(|input| {
            format.read::<L>(input, &store.dialects, |(line, entry)| {
                match entry.map_err(|problem| vec![problem]).and_then(|entry| store.read(&entry)) {
                    Ok(link) => list.push(line, link),
                    Err(problems) => list.problems.extend(problems.into_iter().map(|problem| (line, problem))),
                }
            })
        });
        read.map_err(|error| Failed::new(REFUSED, format!("{name}: cannot be read: {error}")))?;
        Ok(list)
    }

    /// The list, with a bar that follows its being read.
    fn open(&self) -> io::Result<Box<dyn Read>> {
        if self.file == Path::new("-") {
            return Ok(Box::new(progress::spinner("reading").wrap_read(io::stdin())));
        }
        let file = File::open(&self.file)?;
        Ok(Box::new(progress::bytes("reading", file.metadata()?.len()).wrap_read(file)))
    }
}

impl<L> List<L> {
    fn push(&mut self, line: u64, link: L) {
        self.lines.push(line);
        self.links.push(link);
    }
}

/// Why a link cannot be added.
fn obstacle(taken: &Taken, lines: &[u64]) -> String {
    match taken.reason {
        Reason::Repeated(earlier) => format!("{} is linked in line {} already", taken.id, lines[earlier]),
        _ => taken.to_string(),
    }
}

/// What is wrong with a list, line by line.
fn told(mut problems: Vec<(u64, String)>, file: &Path) -> String {
    problems.sort();
    let first = problems.iter().take(MOST);
    let mut told: Vec<_> = first.map(|(line, problem)| format!("{}:{line}: {problem}", file.display())).collect();
    let rest = if problems.len() > MOST { format!(", of which the first {MOST} are shown") } else { String::new() };
    told.push(format!("nothing was added; problems: {}{rest}", problems.len()));
    told.join("\n")
}

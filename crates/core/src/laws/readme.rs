//! The tables of an adapter's README, made from what its dialect declares.

use std::fmt::Write as _;

use crate::adapter::{Dialect, Operation};

/// The README with its tables as the dialect declares them: what stands between `<!-- fields -->` and
/// `<!-- /fields -->`, and between `<!-- operations -->` and `<!-- /operations -->`, is replaced.
///
/// `None` when a marker is missing.
pub fn with_tables(readme: &str, dialect: &Dialect) -> Option<String> {
    let readme = replace(readme, "operations", &operations(dialect))?;
    replace(&readme, "fields", &fields(dialect))
}

fn replace(text: &str, name: &str, table: &str) -> Option<String> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&open)?;
    let (_, after) = rest.split_once(&close)?;
    Some(format!("{before}{open}\n\n{table}\n{close}{after}"))
}

/// What the dialect can do.
pub fn operations(dialect: &Dialect) -> String {
    let row = |operation: &Operation| {
        let (word, remark) = operation.translated.words();
        [
            format!("`{}`", operation.name),
            format!("`{} {}`", operation.method, operation.path),
            operation.access.to_string(),
            word.to_owned(),
            remark.to_owned(),
        ]
    };
    table(["operation", "request", "access", "translated", "remark"], dialect.operations.iter().map(row))
}

/// What the dialect carries of a user.
pub fn fields(dialect: &Dialect) -> String {
    let cell = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
    let rows = dialect
        .fields
        .iter()
        .map(|field| [format!("`{}`", field.field), cell(field.set), cell(field.shown), field.remark.to_owned()]);
    table(["field", "set by", "shown in", "remark"], rows)
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        // To a text, writing always succeeds.
        let _ = writeln!(table, "| {} |", row.join(" | ").trim_end());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_markers_is_replaced() {
        let table = table(["a", "b"], [["1".to_owned(), "2".to_owned()]].into_iter());
        assert_eq!(table, "| a | b |\n|---|---|\n| 1 | 2 |\n");
        let readme = "x\n<!-- t -->\nold\n<!-- /t -->\ny";
        let expected = format!("x\n<!-- t -->\n\n{table}\n<!-- /t -->\ny");
        assert_eq!(replace(readme, "t", &table), Some(expected.clone()));
        assert_eq!(replace(&expected, "t", &table), Some(expected));
        assert_eq!(replace("x", "t", &table), None);
    }
}

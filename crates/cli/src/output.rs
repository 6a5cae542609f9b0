//! The one place that prints: results on standard output, failures on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use commutator::rules::LeftOut;
use serde::Serialize;

/// Prints a line of a result.
pub(crate) fn line(text: impl Display) {
    // Whoever reads may have gone, such as `head`; that is no failure of the command.
    let _gone = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a part of a line, for results that are too long to be held at once.
pub(crate) fn part(text: impl Display) {
    let _gone = write!(io::stdout().lock(), "{text}");
}

/// Prints a result as one line of JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => failure(format_args!("error: the result cannot be written as JSON: {error}")),
    }
}

/// Prints a failure.
pub(crate) fn failure(text: impl Display) {
    let _gone = writeln!(io::stderr().lock(), "{text}");
}

/// Rows of text in aligned columns, as people read them.
#[derive(Debug, Default)]
pub struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// Creates a grid with a heading.
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.into_iter().map(str::to_owned).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (i, row) in self.rows.iter().enumerate() {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
            }
            write!(f, "{}{}", if i == 0 { "" } else { "\n" }, text.trim_end())?;
        }
        Ok(())
    }
}

/// Returns a number of bytes for people, such as `12.3 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match UNITS.into_iter().find(|&(_, size)| count >= size) {
        Some((unit, size)) => {
            let tenths = u128::from(count) * 10 / u128::from(size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

/// Returns a number with its thousands set apart, such as `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns what rules left out, in words: nothing for nothing.
pub(crate) fn left_out(left_out: &LeftOut) -> Option<String> {
    let LeftOut { filtered_rows, unmatched_rows, discarded_rows, discarded_values } = *left_out;
    let parts = [
        (filtered_rows, "rows filtered"),
        (unmatched_rows, "rows of no part"),
        (discarded_rows, "rows discarded"),
        (discarded_values, "values discarded"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns a time span for people, in its two largest units, such as `23 h 59 min`.
pub(crate) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 1023, 1024, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.0 KB", "1.5 KB", "5.0 GB"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([7, 59_999, 61_000, 86_399_000].map(span), ["7 ms", "59 s", "1 min 1 s", "23 h 59 min"]);
    }

    #[test]
    fn what_was_left_out_is_told_if_there_is_any() {
        assert_eq!(left_out(&LeftOut::default()), None);
        let some = LeftOut { filtered_rows: 1200, discarded_values: 3, ..LeftOut::default() };
        assert_eq!(left_out(&some).unwrap(), "1,200 rows filtered, 3 values discarded");
    }

    #[test]
    fn a_grid_is_aligned_without_trailing_blanks() {
        let mut grid = Grid::new(["table", "rows"]);
        grid.row(["orders".to_owned(), "7".to_owned()]);
        assert_eq!(grid.to_string(), "table   rows\norders  7");
    }
}

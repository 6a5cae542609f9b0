//! A page of the documentation, and the parts of it that are generated.

use std::fmt::Write as _;
use std::path::PathBuf;

use commutator_conformance::{Value, rows_of};
use commutator_core::{ChangeBatch, Column};

/// Compares the parts of a page between `<!-- generated: NAME -->` and `<!-- end -->` with what they should be.
///
/// # Panics
///
/// If a part differs, is missing or is not known; the message says how to bring the page up to date.
pub(crate) fn check(page: &str, parts: &[(&str, String)]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut wanted = text.clone();
    for (name, part) in parts {
        let begin = format!("<!-- generated: {name} -->\n");
        let start = wanted.find(&begin).unwrap_or_else(|| panic!("{page} has no part {name}")) + begin.len();
        let end = start + wanted[start..].find("<!-- end -->").unwrap_or_else(|| panic!("{page}: {name} has no end"));
        wanted.replace_range(start..end, &format!("\n{}\n\n", part.trim_end()));
    }
    assert_eq!(text.matches("<!-- generated: ").count(), parts.len(), "{page} has parts that nothing generates");
    if std::env::var_os("COMMUTATOR_UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let differs = text.lines().zip(wanted.lines()).find(|(is, shall)| is != shall);
    assert!(
        text == wanted,
        "docs/{page} is not what the program does; COMMUTATOR_UPDATE_DOCS=1 writes it: {differs:#?}"
    );
}

/// Returns rows as a Markdown table under their columns and types, ordered by their keys.
pub(crate) fn table(rows: &ChangeBatch) -> String {
    let columns = rows.schema().columns();
    let mut found: Vec<Vec<String>> = rows_of(rows)
        .into_iter()
        .map(|row| columns.iter().map(|column| cell(row.columns.get(&column.name))).collect())
        .collect();
    found.sort();
    grid(&columns.iter().map(heading).collect::<Vec<_>>(), &found)
}

/// Returns a Markdown table.
pub(crate) fn grid(heading: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | ")).replace("  ", " ")
    };
    let mut text = format!("{}\n|{}\n", line(heading), "---|".repeat(heading.len()));
    for row in rows {
        writeln!(text, "{}", line(row)).unwrap();
    }
    text
}

fn heading(column: &Column) -> String {
    format!("`{}` {}", column.name, column.ty)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Number(text) | Value::Text(text)) if text.len() > 40 => {
            format!("{}… ({} characters)", &text[..text.floor_char_boundary(12)], text.len())
        }
        Some(Value::Number(text) | Value::Text(text)) => text.clone(),
        Some(Value::Json(text)) => format!("`{text}`"),
        Some(Value::Binary(bytes)) => format!("{} bytes", bytes.len()),
    }
}

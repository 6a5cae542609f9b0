//! The statements that snapshots show.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// In which SQL a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    BigQuery,
    DuckDb,
    Redshift,
    Snowflake,
}

impl Dialect {
    const ALL: [Self; 4] = [Self::BigQuery, Self::DuckDb, Self::Redshift, Self::Snowflake];

    /// What `sqlfluff` and the folders of destinations call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::BigQuery => "bigquery",
            Self::DuckDb => "duckdb",
            Self::Redshift => "redshift",
            Self::Snowflake => "snowflake",
        }
    }

    /// The name of a section of a snapshot that shows all dialects.
    fn heading(self) -> &'static str {
        match self {
            Self::BigQuery => "BigQuery",
            Self::DuckDb => "DuckDB",
            Self::Redshift => "Redshift",
            Self::Snowflake => "Snowflake",
        }
    }

    /// A statement as `sqlfluff` reads it: it knows neither parameters of Redshift and Snowflake nor backslashes in a text of Redshift, nor that
    /// the list of `NULL_IF` may be empty (docs.snowflake.com/en/sql-reference/sql/copy-into-table).
    pub(super) fn for_parsing(self, statement: &str) -> String {
        match self {
            Self::BigQuery | Self::DuckDb => statement.to_owned(),
            Self::Snowflake => statement.replace('?', "'p'").replace("NULL_IF = ()", "NULL_IF = ('p')"),
            Self::Redshift => {
                let plain = statement.replace(r"\\", "/").replace(r"\'", "''");
                (1..=9).rev().fold(plain, |text, n| text.replace(&format!(":p{n}"), "'p'"))
            }
        }
    }
}

/// A statement, without a semicolon at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) dialect: Dialect,
    /// The snapshot's name.
    pub(super) name: String,
    pub(super) text: String,
}

/// Returns those of all crates, in order of their files.
pub(super) fn all(root: &Path) -> Result<Vec<Statement>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("snap") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    let mut statements = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let own = Dialect::ALL.into_iter().find(|dialect| {
            file.components().any(|part| part.as_os_str().to_str() == Some(&format!("destination-{}", dialect.word())))
        });
        statements.extend(in_snapshot(name, own, &text));
    }
    Ok(statements)
}

/// Takes a snapshot apart: sections under the names of dialects, or, of a destination's own crate, the whole.
fn in_snapshot(name: &str, own: Option<Dialect>, snapshot: &str) -> Vec<Statement> {
    let Some((_, body)) = snapshot.trim_start_matches("---\n").split_once("\n---\n") else { return Vec::new() };
    let mut dialect = own;
    let mut statements: Vec<Statement> = Vec::new();
    let mut open = String::new();
    for line in body.lines() {
        if let Some(found) = Dialect::ALL.into_iter().find(|one| line.strip_prefix("-- ") == Some(one.heading())) {
            (dialect, open) = (Some(found), String::new());
            continue;
        }
        let Some(dialect) = dialect else { continue };
        if !open.is_empty() {
            open.push('\n');
        }
        open.push_str(line);
        if let Some(text) = open.trim().strip_suffix(';') {
            statements.push(Statement { dialect, name: name.to_owned(), text: whole(dialect, text) });
            open.clear();
        }
    }
    statements
}

/// Makes a statement of an expression that is shown with the types that it is for: `bool to text: CAST(v AS VARCHAR)`.
fn whole(dialect: Dialect, text: &str) -> String {
    let Some((types, expression)) = text.split_once(": ") else { return text.to_owned() };
    let Some((from, _)) = types.split_once(" to ").filter(|(from, _)| !from.contains(['\'', '`', '\n', '='])) else {
        return text.to_owned();
    };
    let from = match from {
        _ if dialect != Dialect::BigQuery => return format!("SELECT {expression} FROM t"),
        "bool" => "BOOL",
        "int64" => "INT64",
        "float64" => "FLOAT64",
        "binary" => "BYTES",
        // Documents are text or JSON.
        "json" if expression.contains("JSON_TYPE(") => "JSON",
        decimal if decimal.starts_with("decimal(") => "BIGNUMERIC",
        _ => "STRING",
    };
    format!("SELECT {expression} FROM (SELECT CAST(NULL AS {from}) AS v)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_statements_are_found() {
        let snapshot = "---\nsource: x\nexpression: y\n---\n-- DuckDB\nSELECT 1;\nSELECT\n  2;\n\n-- BigQuery\nSELECT 'a: b to c';\nbool to text: CAST(v AS STRING);\n";
        let found: Vec<_> = in_snapshot("s", None, snapshot).into_iter().map(|one| (one.dialect, one.text)).collect();
        let expected = [
            (Dialect::DuckDb, "SELECT 1".to_owned()),
            (Dialect::DuckDb, "SELECT\n  2".to_owned()),
            (Dialect::BigQuery, "SELECT 'a: b to c'".to_owned()),
            (Dialect::BigQuery, "SELECT CAST(v AS STRING) FROM (SELECT CAST(NULL AS BOOL) AS v)".to_owned()),
        ];
        assert_eq!(found, expected);
        let own = in_snapshot("s", Some(Dialect::Snowflake), "---\nsource: x\n---\nSELECT ?;\n");
        assert_eq!(own[0].dialect.for_parsing(&own[0].text), "SELECT 'p'");
        assert_eq!(in_snapshot("s", None, "---\nsource: x\n---\nno statement;\n"), []);
    }
}

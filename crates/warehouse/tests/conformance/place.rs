//! A warehouse and a staging area of its own for each test, and a way to read tables that shares nothing with the destination.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::sql::SqlHarness;
use commutator_conformance::{Harness, Row, Value, row_of_texts};
use commutator_core::{Capabilities, CommitInterval, Destination, Target};
use commutator_sql::{DUCKDB, Dialect};
use commutator_warehouse::{Form, Loader, Staging, StagingConfig, capabilities};

use crate::duck::{APART, Duck, Mistake};

/// A warehouse that can do everything, and Parquet files.
pub(crate) type Plain = On<false>;

/// A warehouse that can do little, and JSON lines.
pub(crate) type Apart = On<true>;

/// A warehouse of one of the two kinds.
pub(crate) struct On<const APART: bool>(Place);

/// A warehouse in memory, and a folder for staged files that goes with this.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) duck: Duck,
}

impl Place {
    pub(crate) fn new(dialect: &'static Dialect, form: Form, mistake: Mistake) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let duck = Duck::new(dialect, form, folder.path().to_owned(), mistake);
        Self { folder, duck }
    }

    pub(crate) fn plain() -> Self {
        Self::new(&DUCKDB, Form::PARQUET, Mistake::None)
    }

    pub(crate) fn apart() -> Self {
        // DuckDB reads numbers out of JSON as doubles.
        Self::new(&APART, Form { decimals_as_text: true, ..Form::JSON_LINES }, Mistake::None)
    }

    pub(crate) fn loader(&self) -> Loader {
        let config = StagingConfig::new(format!("file://{}", self.folder.path().display()));
        let staging = Staging::connect(&config, None).expect("the settings are fine");
        // Batches share files in JSON lines only, so that both come about: a file of many batches, and many files.
        let staging = if self.duck.is_parquet() { staging.with_file_bytes(1) } else { staging };
        Loader::new(Arc::new(self.duck.clone()), staging, duck_capabilities())
    }

    pub(crate) fn execute(&self, statements: &str) {
        self.duck.execute(statements).unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// Returns the rows of a query, each value as text and null as `-`.
    pub(crate) fn query(&self, query: &str) -> Vec<String> {
        query_texts(&self.duck, query)
            .iter()
            .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Returns the files that are staged.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() { folders.push(entry) } else { files.push(entry.display().to_string()) }
            }
        }
        files
    }
}

fn duck_capabilities() -> Capabilities {
    let common = capabilities("duck", &DUCKDB);
    let commit_interval =
        CommitInterval { max_bytes: 128 << 20, max_rows: 500_000, max_delay: std::time::Duration::from_secs(1) };
    Capabilities { commit_interval, ..common }
}

fn query_texts(duck: &Duck, query: &str) -> Vec<Vec<Option<String>>> {
    duck.select(&format!("SELECT COLUMNS(*)::VARCHAR FROM ({query})")).unwrap_or_else(|e| panic!("{query}: {e:?}"))
}

#[async_trait]
impl<const APART: bool> Harness for On<APART> {
    async fn fresh() -> Option<Self> {
        Some(Self(if APART { Place::apart() } else { Place::plain() }))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.loader())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read(&self.0.duck, target)
    }
}

#[async_trait]
impl<const APART: bool> SqlHarness for On<APART> {
    async fn execute(&self, statements: &str) {
        self.0.execute(statements);
    }

    async fn query(&self, query: &str) -> Vec<String> {
        self.0.query(query)
    }

    fn shares_checkpoints(&self) -> bool {
        false
    }

    fn conflicts(&self) -> &'static [&'static str] {
        &["ALTER TABLE t ALTER COLUMN b TYPE BLOB USING encode(b)"]
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn read(duck: &Duck, target: &Target) -> Vec<Row> {
    let found = format!(
        "SELECT schema_name, column_name, data_type FROM duckdb_columns() WHERE table_name = '{}' AND database_name <> 'temp' \
         ORDER BY column_index",
        target.name.replace('\'', "''")
    );
    let columns = query_texts(duck, &found);
    let Some(schema) = columns.first().and_then(|column| column[0].clone()) else { return Vec::new() };
    let text = |cell: &Option<String>| cell.clone().expect("the catalog has no nulls");
    let columns: Vec<(String, String)> = columns.iter().map(|column| (text(&column[1]), text(&column[2]))).collect();
    let list: Vec<_> = columns
        .iter()
        .map(|(name, ty)| match ty.as_str() {
            "TIMESTAMP WITH TIME ZONE" => format!("epoch_us({0}) AS {0}", quoted(name)),
            "BLOB" => format!("hex({0}) AS {0}", quoted(name)),
            _ => quoted(name),
        })
        .collect();
    let query = format!("SELECT {} FROM {}.{}", list.join(", "), quoted(&schema), quoted(&target.name));
    let numbers = numbers(duck, &schema, target);
    let columns: Vec<_> = columns
        .into_iter()
        .map(|(name, ty)| if numbers.contains(&name) { (name, "DIGITS".to_owned()) } else { (name, ty) })
        .collect();
    query_texts(duck, &query)
        .iter()
        .map(|cells| {
            let cells =
                columns.iter().zip(cells).map(|((name, ty), cell)| (name.as_str(), ty.as_str(), cell.as_deref()));
            row_of_texts(cells, |micros| micros.parse().expect("microseconds"), value)
        })
        .collect()
}

/// Returns the columns that hold the text of numbers, as the table of checkpoints says for whoever reads it.
fn numbers(duck: &Duck, schema: &str, target: &Target) -> Vec<String> {
    let plain = format!("_ct_checkpoint_{}", target.name);
    // A long name has a number in its place.
    let found = format!(
        "SELECT table_name FROM duckdb_tables() WHERE table_name = '{0}' OR (length('{0}') > 255 AND table_name LIKE '_ct_checkpoint_%')",
        plain.replace('\'', "''")
    );
    let table = query_texts(duck, &found)[0][0].clone().expect("a name");
    let columns = format!(
        "SELECT c->>'name' FROM (SELECT unnest(from_json(columns, '[\"JSON\"]')) AS c FROM (\
         SELECT string_agg(content, '' ORDER BY piece) AS columns FROM {}.{} WHERE part = 'columns' AND target IS NULL)) \
         WHERE c->>'type' = 'number'",
        quoted(schema),
        quoted(&table)
    );
    query_texts(duck, &columns).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

fn value(ty: &str, text: &str) -> Value {
    match ty {
        "BOOLEAN" => Value::Bool(text == "true"),
        "BIGINT" | "DOUBLE" | "DIGITS" => Value::number(text),
        "JSON" => Value::json(text),
        "VARCHAR" => Value::text(text),
        "BLOB" => Value::hex(text),
        decimal if decimal.starts_with("DECIMAL(") => Value::number(text),
        other => panic!("no logical type is a {other}"),
    }
}

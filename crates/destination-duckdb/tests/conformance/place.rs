//! A database of its own for each test, and a way to read it that shares nothing with the destination but the connection: no second
//! process can have the file open.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::sql::SqlHarness;
use commutator_conformance::{Harness, Row, Value, row_of_texts};
use commutator_core::{Destination, Target};
use commutator_destination_duckdb::{Config, DuckDb};

/// A database in a file, in a folder that goes with this. Every connection opens it anew, unless another holds it open.
pub(crate) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("shop.duckdb")
    }

    pub(crate) fn config(&self) -> Config {
        Config { threads: Some(2), ..Config::new(self.path()) }
    }

    pub(crate) async fn duckdb(&self) -> DuckDb {
        self.config().connect().await.expect("the settings are fine")
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, statements: &str) {
        let connection = self.duckdb().await.connection().await.expect("a connection");
        connection.execute_batch(statements).unwrap_or_else(|e| panic!("{statements}: {e}"));
    }

    /// Returns the rows of a query, each value as text and null as `-`.
    pub(crate) async fn query(&self, query: &str) -> Vec<String> {
        query_texts(&self.duckdb().await, query)
            .await
            .iter()
            .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

async fn query_texts(duckdb: &DuckDb, query: &str) -> Vec<Vec<Option<String>>> {
    let connection = duckdb.connection().await.expect("a connection");
    let mut statement = connection
        .prepare(&format!("SELECT COLUMNS(*)::VARCHAR FROM ({query})"))
        .unwrap_or_else(|e| panic!("{query}: {e}"));
    let mut rows = statement.query([]).unwrap_or_else(|e| panic!("{query}: {e}"));
    let mut all = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let count = row.as_ref().column_count();
        all.push((0..count).map(|i| row.get(i).expect("text")).collect());
    }
    all
}

#[async_trait]
impl Harness for File {
    async fn fresh() -> Option<Self> {
        Some(Self::new())
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.duckdb().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read(&self.duckdb().await, &self.config().schema, target).await
    }
}

#[async_trait]
impl SqlHarness for File {
    async fn execute(&self, statements: &str) {
        self.execute(statements).await;
    }

    async fn query(&self, query: &str) -> Vec<String> {
        self.query(query).await
    }

    fn conflicts(&self) -> &'static [&'static str] {
        &["ALTER TABLE t ALTER COLUMN b TYPE BLOB USING encode(b)"]
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns all rows of a target's table in a schema; none if there is no table.
pub(crate) async fn read(duckdb: &DuckDb, schema: &str, target: &Target) -> Vec<Row> {
    let found = format!(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{}' AND schema_name = '{schema}' \
         AND database_name = current_database() ORDER BY column_index",
        target.name.replace('\'', "''")
    );
    let columns = query_texts(duckdb, &found).await;
    if columns.is_empty() {
        return Vec::new();
    }
    let text = |cell: &Option<String>| cell.clone().expect("the catalog has no nulls");
    let columns: Vec<(String, String)> = columns.iter().map(|column| (text(&column[0]), text(&column[1]))).collect();
    let list: Vec<_> = columns
        .iter()
        .map(|(name, ty)| match ty.as_str() {
            "TIMESTAMP WITH TIME ZONE" => format!("epoch_us({0}) AS {0}", quoted(name)),
            "BLOB" => format!("hex({0}) AS {0}", quoted(name)),
            _ => quoted(name),
        })
        .collect();
    let query = format!("SELECT {} FROM {}.{}", list.join(", "), quoted(schema), quoted(&target.name));
    let numbers = numbers(duckdb, schema, target).await;
    let columns: Vec<_> = columns
        .into_iter()
        .map(|(name, ty)| if numbers.contains(&name) { (name, "DIGITS".to_owned()) } else { (name, ty) })
        .collect();
    query_texts(duckdb, &query)
        .await
        .iter()
        .map(|cells| {
            let cells =
                columns.iter().zip(cells).map(|((name, ty), cell)| (name.as_str(), ty.as_str(), cell.as_deref()));
            row_of_texts(cells, |micros| micros.parse().expect("microseconds"), value)
        })
        .collect()
}

/// Returns the columns that hold the text of numbers, as the table of checkpoints says for whoever reads it.
async fn numbers(duckdb: &DuckDb, schema: &str, target: &Target) -> Vec<String> {
    let columns = format!(
        "SELECT c->>'name' FROM (SELECT unnest(from_json(columns, '[\"JSON\"]')) AS c FROM {}._ct_checkpoints WHERE target = '{}') \
         WHERE c->>'type' = 'number'",
        quoted(schema),
        target.name.replace('\'', "''")
    );
    query_texts(duckdb, &columns).await.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
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

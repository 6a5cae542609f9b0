//! Where trials run: over the double, or in the cluster or workgroup that `COMMUTATOR_TEST_REDSHIFT_CONFIG` names; and how tables are read there,
//! which shares nothing with the destination but the Data API.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, Value, row_of_texts};
use commutator_core::{Destination, Target};
use commutator_destination_redshift::{Config, Documents};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::reader::Reader;

/// A place in which documents are text.
pub(crate) struct Text(Place);

/// A place in which documents are `SUPER`.
pub(crate) struct Super(Place);

/// A schema of a trial's own.
struct Place {
    config: Config,
    reader: Reader,
    /// What it is over, unless it is an account.
    cluster: Option<Cluster>,
}

impl Place {
    async fn fresh(documents: Documents) -> Option<Self> {
        let (config, cluster) = if let Ok(path) = std::env::var("COMMUTATOR_TEST_REDSHIFT_CONFIG") {
            let text = std::fs::read_to_string(path).expect("the file that COMMUTATOR_TEST_REDSHIFT_CONFIG names");
            let config: Config = serde_json::from_str(&text).expect("the settings of an account");
            (Config { schema: format!("ct_test_{}", Uuid::new_v4().simple()), documents, ..config }, None)
        } else {
            let cluster = Cluster::fresh(documents).await?;
            (cluster.config(), Some(cluster))
        };
        let reader = Reader::new(&config).await;
        Some(Self { config, reader, cluster })
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(Box::pin(self.config.clone().connect()).await.expect("the settings are fine"))
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let columns = self.columns(target).await;
        if columns.is_empty() {
            return Vec::new();
        }
        let list: Vec<_> = columns.iter().map(|column| as_text(&quoted(&column.found), &column.ty)).collect();
        let table = format!("{}.{}", quoted(&self.config.schema), quoted(&target.name));
        let rows = self.reader.query(&format!("SELECT {} FROM {table}", list.join(", "))).await;
        rows.iter()
            .map(|cells| {
                let cells = columns.iter().zip(cells);
                let cells = cells.map(|(column, cell)| (column.name.as_str(), column.kind.as_str(), cell.as_deref()));
                row_of_texts(cells, micros, value)
            })
            .collect()
    }

    /// Returns the columns that there are, under the names and with the types that were recorded for whoever reads them.
    async fn columns(&self, target: &Target) -> Vec<Column> {
        let (schema, name) = (literal(&self.config.schema), literal(&target.name.to_ascii_lowercase()));
        let found = format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {schema} AND c.relname = {name} AND a.attnum > 0 AND NOT a.attisdropped"
        );
        let found = self.reader.query(&found).await;
        if found.is_empty() {
            return Vec::new();
        }
        let recorded = self.recorded(target).await;
        let column = |cells: Vec<Option<String>>| {
            let [found, ty]: [_; 2] = cells.try_into().expect("two columns");
            let (found, ty) = (found.expect("a name"), ty.expect("a type"));
            let ours = recorded.iter().find(|(name, _)| name.to_ascii_lowercase() == found);
            let kind = ours.map(|(_, kind)| kind.clone()).unwrap_or_default();
            Column { name: ours.map_or_else(|| found.clone(), |(name, _)| name.clone()), found, ty, kind }
        };
        found.into_iter().map(column).collect()
    }

    /// Returns the columns that are recorded, with their logical types.
    async fn recorded(&self, target: &Target) -> Vec<(String, String)> {
        let tables = format!(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {}",
            literal(&self.config.schema)
        );
        let tables = self.reader.query(&tables).await.into_iter().filter_map(|row| row.into_iter().next().flatten());
        for table in tables.filter(|table| table.starts_with("_ct_checkpoint")) {
            let table = format!("{}.{}", quoted(&self.config.schema), quoted(&table));
            let rows =
                self.reader.query(&format!("SELECT target, part, content FROM {table} ORDER BY part, piece")).await;
            if !rows.iter().any(|row| row[0].as_deref() == Some(&target.name)) {
                continue;
            }
            let pieces =
                rows.iter().filter(|row| row[1].as_deref() == Some("columns")).filter_map(|row| row[2].as_deref());
            let whole: String = pieces.collect();
            if whole.is_empty() {
                continue;
            }
            let columns: Vec<serde_json::Value> = serde_json::from_str(&whole).expect("columns are JSON");
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            return columns.iter().map(|column| (text(&column["name"]), text(&column["type"]))).collect();
        }
        Vec::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.cluster.is_some() {
            // It drops what it made itself.
            return;
        }
        let config = self.config.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(&config.schema));
                Reader::new(&config).await.try_query(&drop).await.ok();
            });
        });
        dropped.join().expect("a thread");
    }
}

/// A column as it is read.
struct Column {
    /// Its name in the catalog.
    found: String,
    /// The name that was recorded, in its own case.
    name: String,
    /// Its type in the catalog.
    ty: String,
    /// The logical type that was recorded; empty for what is not the user's.
    kind: String,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The expression that makes a text of a column's value.
fn as_text(column: &str, ty: &str) -> String {
    match ty {
        "timestamp with time zone" => format!("TO_CHAR({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"),
        "super" => format!("CASE WHEN {column} IS NOT NULL THEN JSON_SERIALIZE({column}) END"),
        "boolean" => format!("CASE WHEN {column} THEN 'true' WHEN NOT {column} THEN 'false' END"),
        ty if ty.starts_with("binary varying") => format!("FROM_VARBYTE({column}, 'hex')"),
        ty if ty.starts_with("character varying") => column.to_owned(),
        _ => format!("CAST({column} AS VARCHAR(100))"),
    }
}

/// The microseconds since 1970 of `2026-11-28 09:30:00.000001`.
fn micros(text: &str) -> i64 {
    let parts: Vec<i64> = text.split(['-', ' ', ':', '.']).map(|part| part.parse().expect("a number")).collect();
    let [year, month, day, hour, minute, second, micros] = parts[..] else { panic!("{text} is no time") };
    // Days in the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros
}

#[test]
fn times_are_read() {
    assert_eq!(micros("1970-01-01 00:00:00.000000"), 0);
    assert_eq!(micros("2000-02-29 12:00:01.000007"), 951_825_601_000_007);
    assert_eq!(micros("2026-11-28 09:30:00.500000"), 1_795_858_200_500_000);
}

fn value(kind: &str, text: &str) -> Value {
    match kind {
        "bool" => Value::Bool(text == "true"),
        "json" => Value::json(text),
        "text" => Value::text(text),
        "binary" => Value::hex(text),
        _ => Value::number(text),
    }
}

#[async_trait]
impl Harness for Text {
    async fn fresh() -> Option<Self> {
        Place::fresh(Documents::Text).await.map(Self)
    }

    fn left_out() -> &'static [(&'static str, &'static str)] {
        &[
            (
                "types::text_is_exact",
                "a VARCHAR holds 65,535 bytes, and longer texts are refused; layout.rs tries shorter ones",
            ),
            (
                "types::json_is_exact",
                "so are longer documents as text; documents.rs tries shorter ones, and long ones as SUPER",
            ),
        ]
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        self.0.connect().await
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

#[async_trait]
impl Harness for Super {
    async fn fresh() -> Option<Self> {
        Place::fresh(Documents::Super).await.map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        self.0.connect().await
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

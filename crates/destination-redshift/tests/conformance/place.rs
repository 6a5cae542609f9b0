//! A schema, a staging folder and a Data API of its own for each test, and a way to read tables that shares nothing with the destination.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, Validity, Value};
use commutator_core::{Destination, Secret, Target};
use commutator_destination_redshift::{Config, Documents, Patience, Redshift, StagingConfig};

use crate::api::Api;
use crate::postgres::Postgres;
use crate::rewrite::{Short, short};

pub(crate) struct Cluster {
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) api: Api,
    pub(crate) folder: tempfile::TempDir,
    documents: Documents,
}

/// A place in which documents are text.
pub(crate) struct Text(Cluster);

/// A place in which documents are `SUPER`.
pub(crate) struct Super(Cluster);

impl Cluster {
    /// Returns a place of the test's own, or nothing where there is no Postgres.
    pub(crate) async fn fresh(documents: Documents) -> Option<Self> {
        let postgres = Arc::new(Postgres::fresh().await?);
        let api = Api::start(Arc::clone(&postgres)).await;
        Some(Self { postgres, api, folder: tempfile::tempdir().expect("a folder"), documents })
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            cluster: Some("main".to_owned()),
            database: "dev".to_owned(),
            schema: self.postgres.schema.clone(),
            db_user: Some("loader".to_owned()),
            staging: StagingConfig::new(format!("file://{}", self.folder.path().display())),
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some("AKIA".to_owned()),
            secret_access_key: Some(Secret::new("s".to_owned())),
            endpoint_url: Some(self.api.url.clone()),
            documents: self.documents,
            patience: Patience {
                repeats: 6,
                pause: Duration::from_millis(1),
                longest: Duration::from_millis(5),
                poll: Duration::from_millis(2),
                longest_poll: Duration::from_millis(20),
            },
            ..Config::default()
        }
    }

    pub(crate) async fn redshift(&self) -> Redshift {
        Box::pin(self.config().connect()).await.expect("the settings are fine")
    }

    /// Returns the rows of a query in the schema as Postgres writes them.
    pub(crate) async fn query(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let replies =
            self.postgres.client().await.simple_query(query).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
        let row = |reply: &tokio_postgres::SimpleQueryMessage| match reply {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect())
            }
            _ => None,
        };
        replies.iter().filter_map(row).collect()
    }
}

impl Cluster {
    async fn rows(&self, target: &Target) -> Vec<Row> {
        let mut names = Short::new();
        let table = short(&target.name, &mut names);
        let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
        let found = format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             WHERE c.relnamespace = {}::regnamespace AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped",
            literal(&self.postgres.schema),
            literal(&table)
        );
        let columns = self.query(&found).await;
        if columns.is_empty() {
            return Vec::new();
        }
        let recorded = self.recorded(target).await;
        let columns: Vec<(String, String, String)> = columns
            .into_iter()
            .map(|cells| {
                let [name, ty]: [_; 2] = cells.try_into().expect("two columns");
                let (name, ty) = (name.expect("a name"), ty.expect("a type"));
                let ours = recorded.iter().find(|(recorded, _)| short(recorded, &mut names) == name);
                let (shown, ty) = match ours {
                    Some((recorded, kind)) if kind == "number" => (recorded.clone(), "digits".to_owned()),
                    Some((recorded, kind)) if kind == "json" => (recorded.clone(), "super".to_owned()),
                    Some((recorded, _)) => (recorded.clone(), ty),
                    None => (name.clone(), ty),
                };
                (name, shown, ty)
            })
            .collect();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let list: Vec<_> = columns
            .iter()
            .map(|(name, _, ty)| match ty.as_str() {
                "timestamp with time zone" => format!("(extract(epoch FROM {}) * 1000000)::bigint", quoted(name)),
                "varbyte" => format!("encode({}, 'hex')", quoted(name)),
                _ => quoted(name),
            })
            .collect();
        let rows = self.query(&format!("SELECT {} FROM {}", list.join(", "), quoted(&table))).await;
        rows.iter().map(|cells| row_of(&columns, cells)).collect()
    }

    /// Returns the columns that are recorded, with their types, as the table of checkpoints says for whoever reads it.
    async fn recorded(&self, target: &Target) -> Vec<(String, String)> {
        let tables = "SELECT tablename FROM pg_tables WHERE tablename LIKE '\\_ct\\_checkpoint%' AND schemaname = current_schema()";
        for table in self.query(tables).await {
            let table = table[0].clone().expect("a name").replace('"', "\"\"");
            let name = target.name.replace('\'', "''");
            let columns = format!(
                "SELECT string_agg(content, '' ORDER BY piece) FROM \"{table}\" WHERE part = 'columns' \
                 AND EXISTS (SELECT 1 FROM \"{table}\" WHERE target = '{name}')"
            );
            if let Some(text) = self.query(&columns).await[0][0].clone() {
                let columns: Vec<serde_json::Value> = serde_json::from_str(&text).expect("columns are JSON");
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                return columns.iter().map(|column| (text(&column["name"]), text(&column["type"]))).collect();
            }
        }
        Vec::new()
    }
}

#[async_trait]
impl Harness for Text {
    async fn fresh() -> Option<Self> {
        Cluster::fresh(Documents::Text).await.map(Self)
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
        Arc::new(self.0.redshift().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

#[async_trait]
impl Harness for Super {
    async fn fresh() -> Option<Self> {
        Cluster::fresh(Documents::Super).await.map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.redshift().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

fn row_of(columns: &[(String, String, String)], cells: &[Option<String>]) -> Row {
    let mut read = Row::new(BTreeMap::new(), "0".repeat(48).parse().expect("an order key"));
    let mut times = BTreeMap::new();
    let mut current = None;
    let flag = |text: &Option<String>| text.as_ref().map(|text| text == "t");
    for ((_, name, ty), text) in columns.iter().zip(cells) {
        match (name.as_str(), text) {
            ("_ct_order", Some(text)) => read.order = text.parse().expect("an order key"),
            ("_ct_op", text) => read.op.clone_from(text),
            ("_ct_deleted", text) => read.deleted = flag(text),
            ("_ct_current", text) => current = flag(text),
            (time, text) if time.starts_with("_ct_") => {
                times.extend(text.as_ref().map(|micros| (time, micros.parse::<i64>().expect("microseconds"))));
            }
            (_, text) => {
                read.columns.insert(name.clone(), text.as_ref().map_or(Value::Null, |text| value(ty, text)));
            }
        }
    }
    let time = |name: &str| times.get(name).copied();
    if let (Some(synced_at), Some(from), Some(current)) = (time("_ct_synced_at"), time("_ct_valid_from"), current) {
        let (changed_at, to) = (time("_ct_changed_at"), time("_ct_valid_to"));
        read.validity = Some(Validity { changed_at, synced_at, from, to, current });
    }
    read
}

fn value(ty: &str, text: &str) -> Value {
    match ty {
        "boolean" => Value::Bool(text == "t"),
        "bigint" | "double precision" | "digits" => Value::number(text),
        "super" => Value::json(text),
        "varbyte" => {
            let byte = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hex");
            Value::binary((0..text.len()).step_by(2).map(byte).collect::<Vec<_>>())
        }
        text_type if text_type.starts_with("character varying") => Value::text(text),
        decimal if decimal.starts_with("numeric(") => Value::number(text),
        other => panic!("no logical type is a {other}"),
    }
}

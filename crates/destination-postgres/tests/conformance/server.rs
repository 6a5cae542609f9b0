//! A schema of its own on the test server, and a way to read it that shares nothing with the destination.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::sql::SqlHarness;
use commutator_conformance::{Harness, Row, Value, row_of_texts};
use commutator_core::{Destination, Target};
use commutator_destination_postgres::{Config, Postgres};
use tokio_postgres::{Client, NoTls};

/// A schema that is dropped with this.
pub(crate) struct Server {
    url: String,
    schema: String,
}

/// Returns the test server's address, `None` if there is none; where the environment variable `CI` is `true`, that is a failure.
pub(crate) fn url() -> Option<String> {
    let url = std::env::var("COMMUTATOR_TEST_POSTGRES_URL").ok();
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(url.is_some() || !required, "COMMUTATOR_TEST_POSTGRES_URL is not set");
    url
}

/// Returns a fresh schema, or says that the test is skipped.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub(crate) fn fresh(test: &str) -> Option<Server> {
    let Some(url) = url() else {
        eprintln!("skipped: {test} needs COMMUTATOR_TEST_POSTGRES_URL");
        return None;
    };
    Some(Server { url, schema: format!("trial_{}", uuid::Uuid::new_v4().simple()) })
}

/// Connects without the destination's own code.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

impl Server {
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the configuration of a destination in the schema, whose connections can be told by its name.
    pub(crate) fn config(&self) -> Config {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}application_name={}", self.url, self.schema);
        Config { schema: self.schema.clone(), ..Config::from_url(url) }
    }

    pub(crate) async fn postgres(&self) -> Postgres {
        self.config().connect().await.expect("the settings are fine")
    }

    /// Runs statements in the schema.
    pub(crate) async fn execute(&self, statements: &str) {
        let client = client(&self.url).await;
        let search_path = format!("SET search_path = \"{}\"", self.schema);
        client.batch_execute(&search_path).await.expect("the path is set");
        client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// Returns the rows of a query in the schema, each value as the server's text.
    pub(crate) async fn query(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let client = client(&self.url).await;
        let search_path = format!("SET search_path = \"{}\"", self.schema);
        client.batch_execute(&search_path).await.expect("the path is set");
        let replies = client.simple_query(query).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
        let row = |reply: &tokio_postgres::SimpleQueryMessage| match reply {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect())
            }
            _ => None,
        };
        replies.iter().filter_map(row).collect()
    }

    /// Returns the same, each row as one text with spaces between the values, and null as `-`.
    pub(crate) async fn lines(&self, query: &str) -> Vec<String> {
        let line = |row: &Vec<Option<String>>| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
        };
        self.query(query).await.iter().map(line).collect()
    }
}

impl Drop for Server {
    /// On a runtime of its own: the test's may be shutting down, and with it connections that still hold locks.
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let clean = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let clean = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{schema}';
                     SET lock_timeout = '10s';
                     DROP SCHEMA IF EXISTS \"{schema}\" CASCADE"
                );
                // A schema that stays behind is no reason to fail a test.
                client(&url).await.batch_execute(&clean).await.ok();
            });
        };
        std::thread::spawn(clean).join().ok();
    }
}

#[async_trait]
impl Harness for Server {
    async fn fresh() -> Option<Self> {
        fresh("the conformance suite")
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.postgres().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let client = client(&self.url).await;
        let columns = client
            .query(
                "SELECT column_name::text, data_type::text FROM information_schema.columns
                 WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
                &[&self.schema, &target.name],
            )
            .await
            .expect("the catalog is read");
        if columns.is_empty() {
            return Vec::new();
        }
        let columns: Vec<(String, String)> = columns.iter().map(|row| (row.get(0), row.get(1))).collect();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let list: Vec<_> = columns
            .iter()
            .map(|(name, ty)| match ty.as_str() {
                "timestamp with time zone" => {
                    format!("round(extract(epoch FROM {}) * 1000000)::bigint::text", quoted(name))
                }
                _ => format!("{}::text", quoted(name)),
            })
            .collect();
        let query = format!("SELECT {} FROM {}.{}", list.join(", "), quoted(&self.schema), quoted(&target.name));
        let rows = client.query(&query, &[]).await.expect("the table is read");
        rows.iter()
            .map(|row| {
                let cells = columns.iter().enumerate().map(|(i, (name, ty))| (name.as_str(), ty.as_str(), row.get(i)));
                row_of_texts(cells, |micros| micros.parse().expect("microseconds"), value)
            })
            .collect()
    }
}

#[async_trait]
impl SqlHarness for Server {
    async fn execute(&self, statements: &str) {
        self.execute(statements).await;
    }

    async fn query(&self, query: &str) -> Vec<String> {
        self.lines(query).await
    }

    fn conflicts(&self) -> &'static [&'static str] {
        &["ALTER TABLE t ALTER COLUMN b TYPE varchar(10)"]
    }
}

fn value(ty: &str, text: &str) -> Value {
    match ty {
        "boolean" => Value::Bool(text == "true"),
        "bigint" | "numeric" | "double precision" => Value::number(text),
        "text" => Value::text(text),
        "jsonb" => Value::json(text),
        "bytea" => Value::hex(text.strip_prefix("\\x").expect("bytea in hex")),
        other => panic!("no logical type is a {other}"),
    }
}

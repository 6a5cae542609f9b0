//! What executes the statements: a schema of a real Postgres with what Redshift has and Postgres has not.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStoreExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use serde_json::{Map, Value};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::rewrite::{Short, statement};

pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// A schema that is dropped with this.
pub(crate) struct Postgres {
    url: String,
    pub(crate) schema: String,
    names: Mutex<Short>,
    /// Whether the role that reads staged files may not.
    locked: AtomicBool,
    idle: Mutex<Vec<Client>>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// What Redshift has.
const PRELUDE: &str = "
    CREATE DOMAIN super AS jsonb;
    CREATE DOMAIN varbyte AS bytea;
    CREATE FUNCTION json_parse(t text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS 'SELECT t::jsonb';
    CREATE FUNCTION json_serialize(s jsonb) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT coalesce(s::text, ''null'')';
    CREATE FUNCTION len(t text) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT length(t)';
    CREATE FUNCTION is_varchar(s jsonb) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT jsonb_typeof(s) = ''string''';
    CREATE FUNCTION from_varbyte(b bytea, form text) RETURNS text IMMUTABLE LANGUAGE sql AS
      'SELECT replace(encode(b, form), chr(10), '''')';";

impl Postgres {
    pub(crate) async fn fresh() -> Option<Self> {
        let url = std::env::var("COMMUTATOR_TEST_POSTGRES_URL").ok()?;
        let schema = format!("redshift_{}", uuid::Uuid::new_v4().simple());
        let new = Self { url, schema, names: Mutex::default(), locked: AtomicBool::new(false), idle: Mutex::default() };
        let (client, connection) = tokio_postgres::connect(&new.url, NoTls).await.expect("the test server answers");
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE SCHEMA {}", new.schema)).await.expect("a schema");
        new.client().await.batch_execute(PRELUDE).await.expect("what Redshift has");
        Some(new)
    }

    /// Takes from the role that reads staged files its right to.
    pub(crate) fn lock_files(&self) {
        self.locked.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the test server answers");
        tokio::spawn(connection);
        let path = format!("SET search_path = {}; SET client_min_messages = error; SET timezone = 'UTC'", self.schema);
        client.batch_execute(&path).await.expect("a path");
        client
    }

    /// Runs statements in one transaction and returns the rows of the last one, or which failed and why.
    pub(crate) async fn transact(&self, statements: &[String]) -> Result<Option<Rows>, (usize, String)> {
        // A connection takes a while to make, and nothing of a transaction stays in it.
        let idle = self.idle.lock().unwrap().pop();
        let client = match idle {
            Some(client) => client,
            None => self.client().await,
        };
        let ended = self.transact_on(&client, statements).await;
        if client.batch_execute("ROLLBACK").await.is_ok() {
            self.idle.lock().unwrap().push(client);
        }
        ended
    }

    async fn transact_on(&self, client: &Client, statements: &[String]) -> Result<Option<Rows>, (usize, String)> {
        client.batch_execute("BEGIN").await.map_err(|e| (0, said(&e)))?;
        let mut last = None;
        // The columns with bytes of the transaction's staging table.
        let mut bytes = HashSet::new();
        for (number, one) in statements.iter().enumerate() {
            last = self.execute(client, one, &mut bytes).await.map_err(|said| (number, said))?;
        }
        client.batch_execute("COMMIT").await.map_err(|e| (statements.len(), said(&e)))?;
        Ok(last)
    }

    async fn execute(&self, client: &Client, sql: &str, bytes: &mut HashSet<String>) -> Result<Option<Rows>, String> {
        if sql.starts_with("COPY ") {
            return self.copy(client, sql, bytes).await.map(|()| None);
        }
        let rewritten = statement(sql, &mut self.names.lock().unwrap());
        if rewritten.starts_with("CREATE TEMPORARY TABLE") {
            let columns = rewritten.lines().filter(|line| line.contains(" varbyte"));
            let names = columns.filter_map(|line| line.trim().split(' ').next().map(str::to_owned));
            bytes.extend(names);
        }
        let replies = client.simple_query(&rewritten).await.map_err(|e| said(&e))?;
        let has_rows = replies.iter().any(|reply| matches!(reply, SimpleQueryMessage::RowDescription(_)));
        let names = self.names.lock().unwrap();
        let cell = |text: &str| match text {
            "varbyte" => "binary varying(1024000)".to_owned(),
            text => names.get(text).cloned().unwrap_or_else(|| text.to_owned()),
        };
        let rows = replies.iter().filter_map(|reply| match reply {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(cell)).collect()),
            _ => None,
        });
        Ok(has_rows.then(|| rows.collect()))
    }

    /// Reads the files of a manifest into the staging table, as `COPY … MANIFEST FORMAT AS JSON 'auto' GZIP` does.
    async fn copy(&self, client: &Client, sql: &str, bytes: &HashSet<String>) -> Result<(), String> {
        for part in ["IAM_ROLE default", "MANIFEST", "FORMAT AS JSON 'auto'", "GZIP"] {
            assert!(sql.contains(part), "{sql}");
        }
        if self.locked.load(Ordering::Relaxed) {
            // As the service says it (docs.aws.amazon.com/redshift/latest/dg/s3serviceexception-error.html, "Access denied error").
            return Err(
                "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1"
                    .to_owned(),
            );
        }
        let manifest = sql.split('\'').nth(1).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&read(manifest).await?).expect("a manifest is JSON");
        for entry in manifest["entries"].as_array().expect("entries") {
            assert_eq!(entry["mandatory"], true);
            let mut text = String::new();
            let packed = read(entry["url"].as_str().expect("a url")).await?;
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
            let lines: Vec<_> = text.lines().map(|line| line_of(line, bytes)).collect();
            // No literal: its text is as long as the rows are.
            let insert = "INSERT INTO _ct_stage SELECT * FROM json_populate_recordset(NULL::_ct_stage, $1::text::json)";
            let rows = format!("[{}]", lines.join(","));
            client.execute(insert, &[&rows]).await.map_err(|e| said(&e))?;
        }
        Ok(())
    }
}

/// Reads a file on this machine, or on the S3 of the tests.
async fn read(url: &str) -> Result<Vec<u8>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("ERROR: S3ServiceException:{e},Status 404,Error NoSuchKey");
    if let Some(path) = url.strip_prefix("file://") {
        return std::fs::read(path).map_err(|e| failed(&e));
    }
    let (bucket, path) = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).expect("an address on S3");
    let of = |name: &str| std::env::var(name).expect("there is an S3");
    let store = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region("us-east-1")
        .with_endpoint(of("COMMUTATOR_TEST_S3_ENDPOINT"))
        .with_allow_http(true)
        .with_access_key_id(of("COMMUTATOR_TEST_S3_ACCESS_KEY"))
        .with_secret_access_key(of("COMMUTATOR_TEST_S3_SECRET_KEY"))
        .build()
        .expect("an S3");
    let read = async { store.get(&Path::parse(path)?).await?.bytes().await };
    read.await.map(|bytes| bytes.to_vec()).map_err(|e| failed(&e))
}

/// Returns a line with bytes as Postgres reads them.
fn line_of(line: &str, bytes: &HashSet<String>) -> String {
    if bytes.is_empty() {
        return line.to_owned();
    }
    let mut row: Map<String, Value> = serde_json::from_str(line).expect("a line is JSON");
    for (name, value) in &mut row {
        if let (true, Value::String(hex)) = (bytes.contains(name), &*value) {
            *value = Value::String(format!("\\x{hex}"));
        }
    }
    Value::Object(row).to_string()
}

/// What Redshift would say: the message alone.
fn said(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| format!("ERROR: {}", error.message()))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.idle.get_mut().unwrap().clear();
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let clean = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the test server answers");
                tokio::spawn(connection);
                // A schema that stays behind is no reason to fail a test.
                client.batch_execute(&format!("SET lock_timeout = '10s'; DROP SCHEMA {schema} CASCADE")).await.ok();
            });
        };
        std::thread::spawn(clean).join().ok();
    }
}

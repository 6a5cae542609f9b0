//! Into files that a warehouse would load: all of the warehouses' shared path, but for the loading.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use async_trait::async_trait;
use commutator_core::{Error, ErrorKind, Result, Secret, SyncMode, TableSchema, Until};
use commutator_destination_duckdb::duckdb::{self, Connection};
use commutator_sql::{DUCKDB, Dialect, SchemaRef};
use commutator_warehouse::{
    Failure, Form, Found, Loader, Row, Script, Staged, Staging, StagingConfig, Warehouse, capabilities,
};
use tokio::sync::Mutex;

use super::{Done, ours};

/// Stages a scan in a new `folder`, or under a new prefix in the bucket of the S3 server that the environment names (`s3`).
pub(super) async fn pipeline(area: &str, url: &str, out: &str) -> anyhow::Result<Done> {
    let config = match area {
        "folder" => {
            std::fs::create_dir_all(out)?;
            StagingConfig::new(format!("file://{}", Path::new(out).display()))
        }
        "s3" => bucket(out)?,
        _ => bail!("there is no staging area `{area}`"),
    };
    let warehouse = Unread::new()?;
    let bytes = Arc::clone(&warehouse.bytes);
    let loader = Loader::new(Arc::new(warehouse), Staging::connect(&config, None)?, capabilities("bench", &DUCKDB));
    let rows = ours::replicate(Arc::new(loader), SyncMode::Mirror, Until::SnapshotEnd, url).await?;
    Ok(Done { rows, bytes: bytes.load(Ordering::Relaxed) })
}

fn bucket(prefix: &str) -> anyhow::Result<StagingConfig> {
    let variable = |name: &str| ours::variable(&format!("COMMUTATOR_TEST_S3_{name}"));
    let mut config = StagingConfig::new(format!("s3://{}/{prefix}", variable("BUCKET")?));
    config.endpoint_url = Some(variable("ENDPOINT")?);
    config.region = Some("us-east-1".to_owned());
    config.allow_http = true;
    config.access_key_id = Some(variable("ACCESS_KEY")?);
    config.secret_access_key = Some(Secret::new(variable("SECRET_KEY")?));
    Ok(config)
}

/// A warehouse that counts what it is to load and does not read it; a `DuckDB` in memory keeps its checkpoints and empty tables.
struct Unread {
    session: Mutex<Connection>,
    schema: SchemaRef,
    bytes: Arc<AtomicU64>,
}

impl Unread {
    fn new() -> duckdb::Result<Self> {
        let session = Mutex::new(Connection::open_in_memory()?);
        Ok(Self { session, schema: SchemaRef::new(&DUCKDB, &["memory", "bench"]), bytes: Arc::default() })
    }

    async fn execute<'a>(&self, statements: impl IntoIterator<Item = &'a String>) -> Result<()> {
        let session = self.session.lock().await;
        statements.into_iter().try_for_each(|statement| session.execute_batch(statement)).map_err(failed)
    }

    async fn select(&self, query: &str) -> Result<Vec<Row>> {
        let session = self.session.lock().await;
        let read = || -> duckdb::Result<Vec<Row>> {
            let mut statement = session.prepare(query)?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let count = row.as_ref().column_count();
                all.push((0..count).map(|i| row.get(i)).collect::<duckdb::Result<_>>()?);
            }
            Ok(all)
        };
        read().map_err(failed)
    }
}

impl std::fmt::Debug for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unread")
    }
}

#[async_trait]
impl Warehouse for Unread {
    fn dialect(&self) -> &'static Dialect {
        &DUCKDB
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn address(&self) -> String {
        "bench".to_owned()
    }

    async fn greet(&self) -> Result<String> {
        Ok(DUCKDB.name.to_owned())
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        if statement.starts_with("SELECT") {
            return self.select(&format!("SELECT COLUMNS(*)::VARCHAR FROM ({statement})")).await;
        }
        self.execute([&statement.to_owned()]).await?;
        Ok(Vec::new())
    }

    async fn run(&self, script: &Script, _id: &str) -> std::result::Result<(), Failure> {
        let bytes = script.files.iter().map(|file| file.bytes).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let drop = format!("DROP TABLE IF EXISTS {}", DUCKDB.stage.name);
        let whole = script.stage.iter().chain(&script.apply).chain([&drop]);
        self.execute(whole).await.map_err(Failure::Refused)
    }

    async fn alter(&self, statements: &[String], _id: &str) -> std::result::Result<(), Failure> {
        self.execute(statements).await.map_err(Failure::Refused)
    }

    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let rows = self
            .select(&format!(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'bench' AND table_name = {} ORDER BY column_index",
                (DUCKDB.literal)(table)
            ))
            .await?;
        let found = rows.into_iter().map(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            Found { name: cells.next().unwrap_or_default(), native: cells.next().unwrap_or_default() }
        });
        let found: Vec<_> = found.collect();
        Ok((!found.is_empty()).then_some(found))
    }

    fn form(&self, _columns: &TableSchema) -> Form {
        Form::PARQUET
    }

    fn load(&self, _columns: &TableSchema, _staged: &Staged) -> Vec<String> {
        Vec::new()
    }
}

fn failed(error: duckdb::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "DuckDB refused a statement").with_source(error)
}

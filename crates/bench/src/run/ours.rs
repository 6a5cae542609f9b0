//! The product: its source alone, and its pipeline into a destination, with everything at its default.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use commutator_core::{
    Budget, ChangeBatch, Checkpoint, Destination, Extras, OnBadRecord, PipelineId, ReadRequest, Secret, Source,
    SourceEvent, SyncMode, Until,
};
use commutator_destination_parquet as parquet;
use commutator_destination_postgres as postgres;
use commutator_pipeline::{CancellationToken, Options, Pipeline, TableOptions, TableOutcome};
use commutator_source_dynamodb as dynamodb;
use futures_util::StreamExt as _;

use super::{ACCESS_KEY, Done, REGION, parquet_bytes};

/// The source's part of the budget that the program has if nothing else is said.
const BUDGET: usize = 32 << 20;

/// The source of every table that this endpoint has.
pub(crate) async fn source(url: &str) -> Result<dynamodb::DynamoDb> {
    let config = dynamodb::Config {
        region: Some(REGION.to_owned()),
        access_key_id: Some(Secret::new(ACCESS_KEY.to_owned())),
        secret_access_key: Some(Secret::new(ACCESS_KEY.to_owned())),
        endpoint_url: Some(url.to_owned()),
        tables: vec!["*".to_owned()],
        ..dynamodb::Config::default()
    };
    Ok(config.connect(Budget::new(BUDGET)).await?)
}

/// Scans the only table and drops the batches.
pub(super) async fn arrow(url: &str) -> Result<Done> {
    let mut rows = 0;
    scan(url, |batch| {
        rows += u64::try_from(batch.len())?;
        Ok(())
    })
    .await?;
    Ok(Done { rows, bytes: 0 })
}

/// Scans the only table and hands the batches on.
pub(super) async fn scan(url: &str, mut take: impl FnMut(&ChangeBatch) -> Result<()>) -> Result<()> {
    let source = source(url).await?;
    let table = source.discover().await?.into_iter().next().context("no table")?;
    let request = ReadRequest {
        table: table.name,
        from: Checkpoint::default(),
        until: Until::SnapshotEnd,
        on_bad_record: OnBadRecord::Fail,
        extras: Extras::default(),
    };
    let mut events = source.read(request).await?;
    while let Some(event) = events.next().await {
        if let SourceEvent::Batch(batch) = event? {
            batch.changes.as_ref().map_or(Ok(()), &mut take)?;
        }
    }
    Ok(())
}

/// Runs a pipeline into a destination: `mirror` and `append` into a folder of Parquet, `s3` into a bucket, `postgres` into a schema;
/// `changes_postgres` and `changes_parquet` follow the stream to its end as well.
pub(super) async fn pipeline(to: &str, url: &str, out: &str) -> Result<Done> {
    let (mode, until) = match to {
        "append" => (SyncMode::Append, Until::SnapshotEnd),
        "changes_append" => (SyncMode::Append, Until::CaughtUp),
        "changes_postgres" => (SyncMode::Mirror, Until::CaughtUp),
        _ => (SyncMode::Mirror, Until::SnapshotEnd),
    };
    let destination: Arc<dyn Destination> = match to {
        "mirror" | "append" | "changes_append" => Arc::new(parquet::Config::new(out).connect().await?),
        "s3" => Arc::new(bucket(out)?.connect().await?),
        "postgres" | "changes_postgres" => Arc::new(postgres(out).await?),
        _ => bail!("there is no destination `{to}`"),
    };
    let rows = replicate(destination, mode, until, url).await?;
    let folder = Path::new(out);
    Ok(Done { rows, bytes: if folder.is_dir() { parquet_bytes(folder)? } else { 0 } })
}

/// Runs a pipeline of all tables into a destination, closes that, and returns the number of rows.
pub(super) async fn replicate(
    destination: Arc<dyn Destination>,
    mode: SyncMode,
    until: Until,
    url: &str,
) -> Result<u64> {
    let defaults = TableOptions { mode, ..TableOptions::default() };
    let options = Options { defaults, until, ..Options::default() };
    let pipeline = Pipeline::new(PipelineId::new("bench")?, Arc::new(source(url).await?), destination, options);
    let report = pipeline.run(&CancellationToken::new()).await?;
    let mut rows = 0;
    for table in report.tables {
        rows += table.rows;
        if let TableOutcome::Failed(error) = table.outcome {
            return Err(error.into());
        }
    }
    Ok(rows)
}

/// A prefix in the bucket of the S3 server that the environment names.
fn bucket(prefix: &str) -> Result<parquet::Config> {
    let variable = |name: &str| variable(&format!("COMMUTATOR_TEST_S3_{name}"));
    let mut config = parquet::Config::new(format!("s3://{}/{prefix}", variable("BUCKET")?));
    config.endpoint_url = Some(variable("ENDPOINT")?);
    config.region = Some("us-east-1".to_owned());
    config.allow_http = true;
    config.access_key_id = Some(variable("ACCESS_KEY")?);
    config.secret_access_key = Some(Secret::new(variable("SECRET_KEY")?));
    Ok(config)
}

/// A schema on the Postgres server that the environment names.
pub(crate) async fn postgres(schema: &str) -> Result<postgres::Postgres> {
    let config = postgres::Config { schema: schema.to_owned(), ..postgres::Config::from_url(postgres_url()?) };
    Ok(config.connect().await?)
}

/// The Postgres server that the environment names.
pub(crate) fn postgres_url() -> Result<String> {
    variable("COMMUTATOR_TEST_POSTGRES_URL")
}

/// A variable that says where a server is.
pub(super) fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; `cargo xtask bench` sets it"))
}

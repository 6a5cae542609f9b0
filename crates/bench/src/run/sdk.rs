//! What a Rust program does with the SDK and Arrow's own writer: items as the SDK's types, appended to builders.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{ACCESS_KEY, Done, REGION, SEGMENTS};
use crate::columns::Columns;
use crate::sdk::items;

/// Scans and drops the batches.
pub(super) async fn arrow(url: &str) -> Result<Done> {
    scan(url, &Arc::new(Mutex::new(None)), None).await
}

/// Scans into one file with zstd at level 1, and all else as `ArrowWriter` has it by default.
pub(super) async fn parquet(url: &str, out: &str) -> Result<Done> {
    std::fs::create_dir_all(out)?;
    let path = std::path::Path::new(out).join("table.parquet");
    let writer = Arc::new(Mutex::new(None));
    let done = scan(url, &writer, Some(File::create(&path)?)).await?;
    if let Some(Open { writer, .. }) = writer.lock().await.take() {
        writer.close()?;
    }
    Ok(Done { bytes: std::fs::metadata(path)?.len(), ..done })
}

/// The file, once the first page has shown the columns.
struct Open {
    schema: SchemaRef,
    writer: ArrowWriter<File>,
}

async fn scan(url: &str, writer: &Arc<Mutex<Option<Open>>>, file: Option<File>) -> Result<Done> {
    let file = file.map(Arc::new);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::from_keys(ACCESS_KEY, ACCESS_KEY, None))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let table = client.list_tables().send().await?.table_names.unwrap_or_default().into_iter().next();
    let table = table.context("no table")?;
    let mut segments = JoinSet::new();
    for segment in 0..SEGMENTS {
        let (client, table, writer, file) = (client.clone(), table.clone(), Arc::clone(writer), file.clone());
        segments.spawn(async move {
            let (mut columns, mut rows, mut start) = (Columns::default(), 0, None);
            loop {
                let (segment, segments) = (segment.cast_signed(), SEGMENTS.cast_signed());
                let request = client.scan().table_name(&table).segment(segment).total_segments(segments);
                let page = request.set_exclusive_start_key(start).send().await?;
                let batch = items(page.items(), &mut columns)?;
                rows += u64::try_from(batch.num_rows())?;
                if let Some(file) = &file {
                    write(&mut *writer.lock().await, file, &batch)?;
                }
                start = page.last_evaluated_key;
                if start.is_none() {
                    return Ok::<_, anyhow::Error>(rows);
                }
            }
        });
    }
    let mut rows = 0;
    while let Some(segment) = segments.join_next().await {
        rows += segment??;
    }
    Ok(Done { rows, bytes: 0 })
}

fn write(open: &mut Option<Open>, file: &Arc<File>, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    let open = if let Some(open) = open {
        open
    } else {
        let schema = declared(&batch.schema());
        let compression = Compression::ZSTD(ZstdLevel::try_new(1)?);
        let properties = WriterProperties::builder().set_compression(compression).build();
        let writer = ArrowWriter::try_new(file.try_clone()?, Arc::clone(&schema), Some(properties))?;
        open.insert(Open { schema, writer })
    };
    let column = |field: &Arc<Field>| -> Result<ArrayRef> {
        Ok(match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
            Some(column) => cast(column, field.data_type())?,
            None => new_null_array(field.data_type(), batch.num_rows()),
        })
    };
    let columns = open.schema.fields().iter().map(column).collect::<Result<_>>()?;
    open.writer.write(&RecordBatch::try_new(Arc::clone(&open.schema), columns)?)?;
    Ok(())
}

/// The columns that somebody would declare who knows the data: decimals of up to 18 digits where those of the first page are shorter.
fn declared(first: &SchemaRef) -> SchemaRef {
    let wide = |field: &Arc<Field>| match field.data_type() {
        DataType::Decimal128(precision, scale) => {
            let precision = if *precision < 18 { 18 } else { 38 };
            Arc::new(field.as_ref().clone().with_data_type(DataType::Decimal128(precision, *scale)))
        }
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(first.fields().iter().map(wide).collect::<Vec<_>>()))
}

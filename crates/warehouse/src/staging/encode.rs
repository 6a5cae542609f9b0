//! Batches as a file, with the columns of the staging table: `c0`, `c1`, …, then `_ct_order`, `_ct_changed_at` and `_ct_op`.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use base64::Engine as _;
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::lines::Lines;
use super::{Form, Format, Texts};

/// More threads than cores would finish nothing sooner, and each holds what it works on.
static CORES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// Returns how many cores there are.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from).min(Semaphore::MAX_PERMITS)
}

/// Runs work on a thread of its own once a core is free for it.
pub(super) async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Result<T>, JoinError> {
    // Acquiring fails only for a closed semaphore, and nobody closes this one.
    let permit = CORES.acquire().await.ok();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    })
    .await
}

/// What Parquet's writer keeps of each column of each row group until the file ends, in bytes; about.
const CHUNK_BYTES: usize = 512;

/// A file that batches of the same columns are written to, in memory.
pub(super) struct File {
    form: Form,
    rows: u64,
    /// `None` before the first batch.
    body: Option<Body>,
}

enum Body {
    Parquet { schema: SchemaRef, writer: ArrowWriter<Vec<u8>> },
    Lines { schema: SchemaRef, lines: Lines },
}

impl File {
    pub(super) fn new(form: Form) -> Self {
        Self { form, rows: 0, body: None }
    }

    /// Adds the rows of a batch behind those that are there. After an error the file is of no use.
    pub(super) fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let rows = staged(batch, self.form)?;
        let body = match self.body.take() {
            Some(body) => body,
            None => self.begin(batch, &rows)?,
        };
        let body = self.body.insert(body);
        // The writer of Parquet would put one column's values into another.
        if *body.schema() != rows.schema() {
            return Err(Error::new(ErrorKind::Unexpected, "Rows of other columns cannot be staged in one file"));
        }
        match body {
            Body::Parquet { writer, .. } => {
                writer.write(&rows).map_err(failed)?;
                // A row group that waited for more rows would keep compressors and dictionaries of all columns meanwhile.
                writer.flush().map_err(failed)?;
            }
            Body::Lines { lines, .. } => lines.write(&rows)?,
        }
        self.rows += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn begin(&self, batch: &ChangeBatch, rows: &RecordBatch) -> Result<Body> {
        let schema = rows.schema();
        Ok(match self.form.format {
            Format::Parquet => Body::Parquet { writer: parquet(&schema)?, schema },
            Format::JsonLines => {
                let types = batch.schema().columns().iter().map(|column| column.ty);
                let documents = types.map(|ty| self.form.embedded && ty == LogicalType::Json).collect();
                Body::Lines { schema, lines: Lines::new(documents) }
            }
        })
    }

    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns about how many bytes of memory it takes while nobody writes to it.
    pub(super) fn memory(&self) -> usize {
        match &self.body {
            None => 0,
            Some(Body::Parquet { schema, writer }) => {
                writer.inner().capacity() + writer.flushed_row_groups().len() * schema.fields().len() * CHUNK_BYTES
            }
            Some(Body::Lines { lines, .. }) => lines.memory(),
        }
    }

    /// Returns the bytes of the file.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let mut bytes = match self.body {
            None => Vec::new(),
            Some(Body::Parquet { writer, .. }) => writer.into_inner().map_err(failed)?,
            Some(Body::Lines { lines, .. }) => lines.finish()?,
        };
        // It stays in memory until it is uploaded.
        bytes.shrink_to_fit();
        Ok(bytes)
    }
}

impl Body {
    fn schema(&self) -> &SchemaRef {
        match self {
            Self::Parquet { schema, .. } | Self::Lines { schema, .. } => schema,
        }
    }
}

/// Returns the rows as the staging table has them, in the form's types.
fn staged(batch: &ChangeBatch, form: Form) -> Result<RecordBatch> {
    let orders: StringArray = batch.orders().iter().map(|order| Some(order.to_string())).collect();
    let times = TimestampMicrosecondArray::from(batch.changed_at().to_vec()).with_timezone("UTC");
    let ops: StringArray = batch.ops().iter().map(|op| Some(op.as_str())).collect();
    let system =
        [("_ct_order", Arc::new(orders) as ArrayRef), ("_ct_changed_at", Arc::new(times)), ("_ct_op", Arc::new(ops))];
    let user = batch.rows().columns().iter().enumerate().map(|(i, column)| (format!("c{i}"), Arc::clone(column)));
    let all = user.chain(system.into_iter().map(|(name, column)| (name.to_owned(), column)));
    let (fields, columns): (Vec<_>, Vec<_>) = all
        .map(|(name, column)| {
            let column = in_form(column, form);
            (Field::new(name, column.data_type().clone(), true), column)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}

/// Makes text of the values that the form has as text.
fn in_form(column: ArrayRef, form: Form) -> ArrayRef {
    let lines = form.format == Format::JsonLines;
    let text: StringArray = match column.data_type() {
        DataType::Binary if form.binary != Texts::Never || lines => {
            column.as_binary::<i32>().iter().map(|bytes| bytes.map(|bytes| text_of(bytes, form.binary))).collect()
        }
        DataType::Decimal128(..) if form.decimals_as_text => {
            let decimals = column.as_primitive::<Decimal128Type>();
            (0..decimals.len()).map(|i| decimals.is_valid(i).then(|| decimals.value_as_string(i))).collect()
        }
        DataType::Int64 if form.integers_as_text => {
            column.as_primitive::<Int64Type>().iter().map(|number| number.map(|number| number.to_string())).collect()
        }
        DataType::Timestamp(..) if form.times_as_text || lines => {
            let times = column.as_primitive::<TimestampMicrosecondType>();
            let text =
                |i| times.value_as_datetime(i).map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string());
            (0..times.len()).map(|i| if times.is_valid(i) { text(i) } else { None }).collect()
        }
        _ => return column,
    };
    Arc::new(text)
}

fn text_of(bytes: &[u8], form: Texts) -> String {
    match form {
        Texts::Base64 => base64::engine::general_purpose::STANDARD.encode(bytes),
        Texts::Hex | Texts::Never => {
            let mut text = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // A `String` takes every write.
                write!(text, "{byte:02x}").ok();
            }
            text
        }
    }
}

fn parquet(schema: &SchemaRef) -> Result<ArrowWriter<Vec<u8>>> {
    let level = ZstdLevel::try_new(1).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_created_by(concat!("commutator ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        // Whoever loads a file reads all of it.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)).map_err(failed)
}

pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unexpected, "Rows cannot be encoded for staging").with_source(error)
}

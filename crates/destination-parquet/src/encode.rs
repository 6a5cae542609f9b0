//! Rows to Parquet files and back.

mod slices;

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use commutator_core::Result;
use object_store::PutPayload;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescPtr;

use crate::error;
use crate::native::Layout;
use crate::properties::{SAMPLE, properties};
use crate::sink::Sink;
use crate::types::memory_size;

/// Readers skip and spread work by row groups, and each that is being encoded is held in memory.
pub(crate) const ROW_GROUP_BYTES: usize = 24 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// A row group whose rows wait has so many bytes of them: one file of a bucket, most of the time.
const WAITING_BYTES: u64 = 32 << 20;
/// Rows whose documents are turned into structs and lists at a time.
const CONVERTED_ROWS: usize = 1024;
/// So many rows of the largest items, 400 KB, stay below the 2 GiB that one column of a batch can hold.
const BATCH_ROWS: usize = 4096;

/// How the files of one layout are encoded.
#[derive(Debug)]
pub(crate) struct Format {
    layout: Arc<Layout>,
    parquet: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    groups: ArrowRowGroupWriterFactory,
    compression_level: i32,
}

impl Format {
    /// The first rows decide which columns are worth a dictionary.
    pub(crate) fn new(layout: Layout, sample: Option<&RecordBatch>, compression_level: i32) -> Result<Self> {
        let sample = sample.filter(|_| !layout.is_wide());
        let sample = sample.map(|rows| layout.to_file(&rows.slice(0, rows.num_rows().min(SAMPLE)))).transpose()?;
        let properties = properties(layout.file(), sample.as_ref(), compression_level)?;
        Self::with_properties(layout, properties, compression_level)
    }

    fn with_properties(layout: Layout, properties: WriterProperties, compression_level: i32) -> Result<Self> {
        let (schema, properties) = (SchemaRef::clone(layout.file()), Arc::new(properties));
        // Readers take the columns from Parquet's own schema, the same for all of them, so the files do not hold Arrow's.
        let parquet = Arc::new(ArrowSchemaConverter::new().convert(&schema).map_err(error::encode)?);
        let empty = SerializedFileWriter::new(io::empty(), parquet.root_schema_ptr(), Arc::clone(&properties));
        let groups = ArrowRowGroupWriterFactory::new(&empty.map_err(error::encode)?, schema);
        Ok(Self { layout: Arc::new(layout), parquet, properties, groups, compression_level })
    }

    /// Begins a file.
    pub(crate) fn file(&self) -> Result<File> {
        let (schema, properties) = (self.parquet.root_schema_ptr(), Arc::clone(&self.properties));
        SerializedFileWriter::new(Sink::new(), schema, properties).map(|writer| File { writer }).map_err(error::encode)
    }

    /// Begins a row group of any file of this format.
    pub(crate) fn row_group(&self) -> Result<RowGroup> {
        let columns = if self.layout.is_wide() {
            Columns::Waiting { batches: Vec::new(), bytes: 0, compression_level: self.compression_level }
        } else {
            Columns::Open(self.writers()?)
        };
        Ok(RowGroup { layout: Arc::clone(&self.layout), columns, rows: 0 })
    }

    fn writers(&self) -> Result<Vec<ArrowColumnWriter>> {
        self.groups.create_column_writers(0).map_err(error::encode)
    }
}

/// A row group that is being encoded.
#[derive(Debug)]
pub(crate) struct RowGroup {
    layout: Arc<Layout>,
    columns: Columns,
    rows: usize,
}

#[derive(Debug)]
enum Columns {
    /// What they hold is compressed already.
    Open(Vec<ArrowColumnWriter>),
    /// The rows of a table with very many columns wait until the end, and are then encoded [a few columns at a time](slices).
    Waiting { batches: Vec<RecordBatch>, bytes: u64, compression_level: i32 },
}

impl RowGroup {
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows();
        match &mut self.columns {
            Columns::Waiting { batches, bytes, .. } => {
                *bytes += memory_size(rows);
                batches.push(rows.clone());
                Ok(())
            }
            Columns::Open(writers) => {
                // Native columns have a place for every member of every row, so they are made of a few rows at a time.
                let at_once = if self.layout.is_plain() { rows.num_rows().max(1) } else { CONVERTED_ROWS };
                for start in (0..rows.num_rows()).step_by(at_once) {
                    let rows = rows.slice(start, at_once.min(rows.num_rows() - start));
                    write_columns(writers, &self.layout.to_file(&rows)?)?;
                }
                Ok(())
            }
        }
    }

    /// Returns about how many bytes it has so far.
    pub(crate) fn size(&self) -> usize {
        match &self.columns {
            Columns::Open(writers) => writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum(),
            Columns::Waiting { .. } => 0,
        }
    }

    /// Returns how many bytes of memory it takes, with what waits to be compressed.
    pub(crate) fn memory_size(&self) -> usize {
        match &self.columns {
            Columns::Open(writers) => writers.iter().map(ArrowColumnWriter::memory_size).sum(),
            Columns::Waiting { bytes, .. } => usize::try_from(*bytes).unwrap_or(usize::MAX),
        }
    }

    /// Returns whether it has as many rows as one shall have.
    pub(crate) fn is_full(&self) -> bool {
        match &self.columns {
            Columns::Open(_) => self.rows >= ROW_GROUP_ROWS || self.size() >= ROW_GROUP_BYTES,
            Columns::Waiting { bytes, .. } => *bytes >= WAITING_BYTES,
        }
    }

    /// Encodes what is left.
    pub(crate) fn close(self) -> Result<Vec<ArrowColumnChunk>> {
        match self.columns {
            Columns::Open(writers) => writers.into_iter().map(|column| column.close().map_err(error::encode)).collect(),
            Columns::Waiting { batches, compression_level, .. } => {
                slices::encode(&self.layout, &batches, compression_level)
            }
        }
    }
}

/// Writes rows as they stand in a file.
fn write_columns(writers: &mut [ArrowColumnWriter], rows: &RecordBatch) -> Result<()> {
    let mut writers = writers.iter_mut();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let leaves = compute_leaves(field, column).map_err(error::encode)?;
        for (leaf, writer) in leaves.iter().zip(&mut writers) {
            writer.write(leaf).map_err(error::encode)?;
        }
    }
    Ok(())
}

/// A file in memory, put together from row groups.
#[derive(Debug)]
pub(crate) struct File {
    writer: SerializedFileWriter<Sink>,
}

impl File {
    pub(crate) fn append(&mut self, group: Vec<ArrowColumnChunk>) -> Result<()> {
        let mut writer = self.writer.next_row_group().map_err(error::encode)?;
        for column in group {
            column.append_to_row_group(&mut writer).map_err(error::encode)?;
        }
        writer.close().map(drop).map_err(error::encode)
    }

    /// Returns how many bytes the file has so far.
    pub(crate) fn size(&self) -> usize {
        self.writer.bytes_written()
    }

    pub(crate) fn finish(self) -> Result<PutPayload> {
        self.writer.into_inner().map(Sink::finish).map_err(error::encode)
    }
}

/// A file that is being encoded, one row group after the other.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: Format,
    file: File,
    group: Option<RowGroup>,
}

impl Encoder {
    /// Begins a file; the first rows decide which columns are worth a dictionary.
    pub(crate) fn new(layout: Layout, sample: Option<&RecordBatch>, compression_level: i32) -> Result<Self> {
        let format = Format::new(layout, sample, compression_level)?;
        Ok(Self { file: format.file()?, format, group: None })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut group = match self.group.take() {
            Some(group) => group,
            None => self.format.row_group()?,
        };
        group.write(rows)?;
        if group.is_full() {
            return self.file.append(group.close()?);
        }
        self.group = Some(group);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<PutPayload> {
        if let Some(group) = self.group {
            self.file.append(group.close()?)?;
        }
        self.file.finish()
    }
}

/// Rows as they are read from a file.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Returns the rows of a file in the layout it was written with.
pub(crate) fn decode(bytes: Bytes, layout: Layout) -> Result<Batches> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&bytes, options).map_err(error::decode)?;
    if layout.is_wide() {
        return Ok(Box::new(slices::decode(bytes, metadata, layout)));
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(error::decode)?;
    Ok(Box::new(reader.map(move |batch| layout.to_rows(batch.map_err(error::decode)?.columns().to_vec()))))
}

/// Returns batches as one file.
#[cfg(test)]
pub(crate) fn encode(layout: Layout, batches: &[RecordBatch], compression_level: i32) -> Result<Bytes> {
    let mut encoder = Encoder::new(layout, batches.first(), compression_level)?;
    batches.iter().try_for_each(|batch| encoder.write(batch))?;
    encoder.finish().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let decimals = Decimal128Array::from(vec![Some(123), None, Some(-5)]).with_precision_and_scale(12, 2).unwrap();
        let long =
            Decimal128Array::from(vec![Some(i128::MAX / 2), None, Some(0)]).with_precision_and_scale(38, 0).unwrap();
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(StringArray::from(vec!["a", "b", "ä\0"])) as ArrayRef, false),
            ("price", Arc::new(decimals), true),
            ("long", Arc::new(long), true),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), true),
        ])
        .unwrap();
        let bytes = encode(Layout::plain(&rows.schema()), std::slice::from_ref(&rows), 1).unwrap();
        let back: Vec<_> = decode(bytes, Layout::plain(&rows.schema())).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(back, [rows]);
    }

    #[test]
    fn a_file_without_rows_has_its_columns() {
        let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let bytes = encode(Layout::plain(&rows.schema()), &[], 1).unwrap();
        assert_eq!(decode(bytes, Layout::plain(&rows.schema())).unwrap().count(), 0);
    }
}

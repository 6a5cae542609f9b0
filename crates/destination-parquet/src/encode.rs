//! Rows to Parquet files and back.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow_array::{Array, GenericByteArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use commutator_core::Result;
use foldhash::fast::FixedState;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr};

use crate::error;

/// Readers skip and spread work by row groups, and each that is being encoded is held in memory.
pub(crate) const ROW_GROUP_BYTES: usize = 24 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Rows that decide whether a column is worth a dictionary.
const SAMPLE: usize = 2048;
/// So many rows of the largest items, 400 KB, stay below the 2 GiB that one column of a batch can hold.
const BATCH_ROWS: usize = 4096;

/// How the files of one schema are encoded.
#[derive(Debug)]
pub(crate) struct Layout {
    schema: SchemaRef,
    parquet: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    groups: ArrowRowGroupWriterFactory,
}

impl Layout {
    /// The first rows decide which columns are worth a dictionary.
    pub(crate) fn new(schema: SchemaRef, sample: Option<&RecordBatch>, compression_level: i32) -> Result<Self> {
        let properties = Arc::new(properties(&schema, sample, compression_level)?);
        // Readers take the columns from Parquet's own schema, the same for all of them, so the files do not hold Arrow's.
        let parquet = Arc::new(ArrowSchemaConverter::new().convert(&schema).map_err(error::encode)?);
        let empty = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::clone(&properties));
        let groups = ArrowRowGroupWriterFactory::new(&empty.map_err(error::encode)?, SchemaRef::clone(&schema));
        Ok(Self { schema, parquet, properties, groups })
    }

    /// Begins a file.
    pub(crate) fn file(&self) -> Result<File> {
        let (schema, properties) = (self.parquet.root_schema_ptr(), Arc::clone(&self.properties));
        SerializedFileWriter::new(Vec::new(), schema, properties).map(|writer| File { writer }).map_err(error::encode)
    }

    /// Begins a row group of any file of this layout.
    pub(crate) fn row_group(&self) -> Result<RowGroup> {
        let columns = self.groups.create_column_writers(0).map_err(error::encode)?;
        Ok(RowGroup { schema: SchemaRef::clone(&self.schema), columns, rows: 0 })
    }
}

/// A row group that is being encoded; what it holds is compressed already.
#[derive(Debug)]
pub(crate) struct RowGroup {
    schema: SchemaRef,
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl RowGroup {
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut columns = self.columns.iter_mut();
        for (field, column) in self.schema.fields().iter().zip(rows.columns()) {
            let leaves = compute_leaves(field, column).map_err(error::encode)?;
            for (leaf, writer) in leaves.iter().zip(&mut columns) {
                writer.write(leaf).map_err(error::encode)?;
            }
        }
        self.rows += rows.num_rows();
        Ok(())
    }

    /// Returns about how many bytes it has so far.
    pub(crate) fn size(&self) -> usize {
        self.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    /// Returns whether it has as many rows as one shall have.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROW_GROUP_ROWS || self.size() >= ROW_GROUP_BYTES
    }

    /// Encodes what is left.
    pub(crate) fn close(self) -> Result<Vec<ArrowColumnChunk>> {
        self.columns.into_iter().map(|column| column.close().map_err(error::encode)).collect()
    }
}

/// A file in memory, put together from row groups.
#[derive(Debug)]
pub(crate) struct File {
    writer: SerializedFileWriter<Vec<u8>>,
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

    pub(crate) fn finish(self) -> Result<Bytes> {
        self.writer.into_inner().map(Bytes::from).map_err(error::encode)
    }
}

/// A file that is being encoded, one row group after the other.
#[derive(Debug)]
pub(crate) struct Encoder {
    layout: Layout,
    file: File,
    group: Option<RowGroup>,
}

impl Encoder {
    /// Begins a file; the first rows decide which columns are worth a dictionary.
    pub(crate) fn new(schema: SchemaRef, sample: Option<&RecordBatch>, compression_level: i32) -> Result<Self> {
        let layout = Layout::new(schema, sample, compression_level)?;
        Ok(Self { file: layout.file()?, layout, group: None })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut group = match self.group.take() {
            Some(group) => group,
            None => self.layout.row_group()?,
        };
        group.write(rows)?;
        if group.is_full() {
            return self.file.append(group.close()?);
        }
        self.group = Some(group);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Bytes> {
        if let Some(group) = self.group {
            self.file.append(group.close()?)?;
        }
        self.file.finish()
    }
}

/// Returns the rows of a file under the schema it was written with.
pub(crate) fn decode(bytes: Bytes, schema: &SchemaRef) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(error::decode)?;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(error::decode)?;
    let schema = SchemaRef::clone(schema);
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(error::decode)?;
        RecordBatch::try_new(SchemaRef::clone(&schema), batch.columns().to_vec()).map_err(error::decode)
    }))
}

/// A dictionary is tried only where a sample repeats its values: hashing unique ones costs more than all compression.
fn properties(schema: &SchemaRef, sample: Option<&RecordBatch>, compression_level: i32) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(compression_level).map_err(error::encode)?;
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("commutator ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for (i, field) in schema.fields().iter().enumerate() {
        let repeats = sample.is_none_or(|rows| repeats(rows.column(i).as_ref()));
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(vec![field.name().clone()]), repeats);
    }
    Ok(builder.build())
}

/// Returns whether fewer than three of ten values in a sample are distinct.
fn repeats(column: &dyn Array) -> bool {
    let rows = column.len().min(SAMPLE);
    let distinct = match column.data_type() {
        DataType::Utf8 => distinct_bytes::<GenericStringType<i32>>(column.as_bytes(), rows),
        DataType::Binary => distinct_bytes::<GenericBinaryType<i32>>(column.as_bytes(), rows),
        _ => {
            let values = column.slice(0, rows).to_data();
            let Some(width) = column.data_type().primitive_width() else { return false };
            let Some(buffer) = values.buffers().first() else { return false };
            let start = values.offset() * width;
            let bytes = buffer.as_slice().get(start..start + rows * width).unwrap_or_default();
            bytes.chunks_exact(width).collect::<HashSet<_, FixedState>>().len()
        }
    };
    distinct * 10 < rows * 3
}

fn distinct_bytes<T: ByteArrayType>(column: &GenericByteArray<T>, rows: usize) -> usize {
    (0..rows).map(|row| AsRef::<[u8]>::as_ref(column.value(row))).collect::<HashSet<_, FixedState>>().len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray};

    use super::*;

    fn encode(schema: &SchemaRef, batches: &[RecordBatch], compression_level: i32) -> Result<Bytes> {
        let mut encoder = Encoder::new(SchemaRef::clone(schema), batches.first(), compression_level)?;
        batches.iter().try_for_each(|batch| encoder.write(batch))?;
        encoder.finish()
    }

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
        let bytes = encode(&rows.schema(), std::slice::from_ref(&rows), 1).unwrap();
        let back: Vec<_> = decode(bytes, &rows.schema()).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(back, [rows]);
    }

    #[test]
    fn only_values_that_repeat_get_a_dictionary() {
        let unique: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|i| i.to_string())));
        let states: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|i| (i % 5).to_string())));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|i| i % 7)));
        assert!(!repeats(&unique) && repeats(&states) && repeats(&numbers));
        assert!(repeats(&numbers.slice(50, 50)) && !repeats(&Int64Array::from_iter_values(0..100)));
    }

    #[test]
    fn a_file_without_rows_has_its_columns() {
        let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let bytes = encode(&rows.schema(), &[], 1).unwrap();
        assert_eq!(decode(bytes, &rows.schema()).unwrap().count(), 0);
    }
}

//! Rows to Parquet files and back.

use std::collections::HashSet;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow_array::{Array, GenericByteArray, RecordBatch, StructArray};
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use commutator_core::Result;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error;
use crate::native::Layout;

const ROW_GROUP_BYTES: usize = 64 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Rows that decide whether a column is worth a dictionary.
const SAMPLE: usize = 2048;
/// So many rows of the largest items, 400 KB, stay below the 2 GiB that one column of a batch can hold.
const BATCH_ROWS: usize = 4096;

/// A file that is being written into memory; what it holds is compressed already.
#[derive(Debug)]
pub(crate) struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    layout: Layout,
}

impl Encoder {
    /// Begins a file; the first rows decide which columns are worth a dictionary.
    pub(crate) fn new(layout: Layout, sample: Option<&RecordBatch>, compression_level: i32) -> Result<Self> {
        let sample = sample.map(|rows| layout.to_file(&rows.slice(0, rows.num_rows().min(SAMPLE)))).transpose()?;
        let schema = SchemaRef::clone(layout.file());
        let properties = properties(&schema, sample.as_ref(), compression_level)?;
        // Readers take the columns from Parquet's own schema, the same for all of them.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(error::encode)?;
        Ok(Self { writer, layout })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(&self.layout.to_file(rows)?).map_err(error::encode)
    }

    /// Returns about how many bytes the file has so far.
    pub(crate) fn size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    pub(crate) fn finish(self) -> Result<Bytes> {
        self.writer.into_inner().map(Bytes::from).map_err(error::encode)
    }
}

/// Returns batches as one file.
pub(crate) fn encode(layout: Layout, batches: &[RecordBatch], compression_level: i32) -> Result<Bytes> {
    let sample = batches.iter().max_by_key(|batch| batch.num_rows());
    let mut encoder = Encoder::new(layout, sample, compression_level)?;
    batches.iter().try_for_each(|batch| encoder.write(batch))?;
    encoder.finish()
}

/// Returns the rows of a file in the layout it was written with.
pub(crate) fn decode(bytes: Bytes, layout: Layout) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(error::decode)?;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(error::decode)?;
    Ok(reader.map(move |batch| layout.to_rows(batch.map_err(error::decode)?.columns().to_vec())))
}

/// A dictionary is tried only where a sample repeats its values: hashing unique ones costs more than all compression.
fn properties(schema: &SchemaRef, sample: Option<&RecordBatch>, compression_level: i32) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(compression_level).map_err(error::encode)?;
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("commutator ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let mut leaves = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        let sampled = sample.map(|rows| rows.column(i).as_ref());
        add_leaves(vec![field.name().clone()], field.data_type(), sampled, &mut leaves);
    }
    for (path, repeats) in leaves {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(path), repeats);
    }
    Ok(builder.build())
}

/// Adds the columns that a field becomes in the file, each with whether a sample of it repeats its values.
fn add_leaves(path: Vec<String>, ty: &DataType, sample: Option<&dyn Array>, leaves: &mut Vec<(Vec<String>, bool)>) {
    let inside =
        |names: &[&str]| path.iter().map(String::as_str).chain(names.iter().copied()).map(str::to_owned).collect();
    match ty {
        DataType::Struct(fields) => {
            let columns = sample.and_then(|sample| sample.as_struct_opt()).map(StructArray::columns);
            for (i, field) in fields.iter().enumerate() {
                let sampled = columns.and_then(|columns| columns.get(i)).map(AsRef::as_ref);
                add_leaves(inside(&[field.name()]), field.data_type(), sampled, leaves);
            }
        }
        DataType::List(element) => {
            let sampled = sample.and_then(|sample| sample.as_list_opt::<i32>()).map(|list| list.values().as_ref());
            add_leaves(inside(&["list", element.name()]), element.data_type(), sampled, leaves);
        }
        _ => leaves.push((path, sample.is_none_or(repeats))),
    }
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
            bytes.chunks_exact(width).collect::<HashSet<_>>().len()
        }
    };
    distinct * 10 < rows * 3
}

fn distinct_bytes<T: ByteArrayType>(column: &GenericByteArray<T>, rows: usize) -> usize {
    (0..rows).map(|row| AsRef::<[u8]>::as_ref(column.value(row))).collect::<HashSet<_>>().len()
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
        let bytes = encode(Layout::plain(&rows.schema()), &[], 1).unwrap();
        assert_eq!(decode(bytes, Layout::plain(&rows.schema())).unwrap().count(), 0);
    }
}

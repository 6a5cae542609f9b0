//! Which encoding each column of a file gets.

use std::collections::HashSet;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow_array::{Array, GenericByteArray, RecordBatch, StructArray};
use arrow_schema::{DataType, SchemaRef};
use commutator_core::Result;
use foldhash::fast::FixedState;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::error;

/// Rows that decide whether a column is worth a dictionary.
pub(crate) const SAMPLE: usize = 2048;

/// Values of fewer bytes than this get hardly smaller by compression: a frame of zstd alone has a dozen.
const FEW_BYTES: usize = 256;

/// A dictionary is tried only where a sample repeats its values: hashing unique ones costs more than all compression.
pub(crate) fn properties(
    schema: &SchemaRef,
    sample: Option<&RecordBatch>,
    compression_level: i32,
) -> Result<WriterProperties> {
    let mut builder = common(compression_level)?;
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

/// The same of all rows that the columns get: one with next to nothing in it is not compressed at all, which takes longer than the rest of
/// its encoding, at every reader as well.
pub(crate) fn properties_of(rows: &[RecordBatch], compression_level: i32) -> Result<WriterProperties> {
    let Some(sample) = rows.iter().max_by_key(|rows| rows.num_rows()) else {
        return Ok(common(compression_level)?.build());
    };
    let mut builder = common(compression_level)?;
    let mut leaves = Vec::new();
    for (i, field) in sample.schema_ref().fields().iter().enumerate() {
        let few = rows.iter().map(|rows| bytes_of(rows.column(i))).sum::<usize>() < FEW_BYTES;
        // Nor is it worth a look whether its values repeat.
        let sampled = (!few).then(|| sample.column(i).as_ref());
        add_leaves(vec![field.name().clone()], field.data_type(), sampled, &mut leaves);
        for (path, repeats) in leaves.drain(..) {
            let path = ColumnPath::from(path);
            if few {
                builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
            }
            builder = builder.set_column_dictionary_enabled(path, repeats && !few);
        }
    }
    Ok(builder.build())
}

/// Returns how many bytes the values take that are not null; those of Booleans and nested values as if none was.
fn bytes_of(column: &dyn Array) -> usize {
    let there = column.len() - column.null_count();
    match column.data_type() {
        _ if there == 0 => 0,
        DataType::Utf8 => bytes_between::<GenericStringType<i32>>(column.as_bytes()),
        DataType::Binary => bytes_between::<GenericBinaryType<i32>>(column.as_bytes()),
        ty => match ty.primitive_width() {
            Some(width) => there * width,
            None => column.get_array_memory_size(),
        },
    }
}

fn bytes_between<T: ByteArrayType<Offset = i32>>(column: &GenericByteArray<T>) -> usize {
    let ends = (column.value_offsets().first(), column.value_offsets().last());
    let (Some(first), Some(last)) = ends else { return 0 };
    usize::try_from(last - first).unwrap_or(usize::MAX)
}

fn common(compression_level: i32) -> Result<WriterPropertiesBuilder> {
    let level = ZstdLevel::try_new(compression_level).map_err(error::encode)?;
    Ok(WriterProperties::builder()
        .set_created_by(concat!("commutator ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk))
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

    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn only_values_that_repeat_get_a_dictionary() {
        let unique: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|i| i.to_string())));
        let states: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|i| (i % 5).to_string())));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|i| i % 7)));
        assert!(!repeats(&unique) && repeats(&states) && repeats(&numbers));
        assert!(repeats(&numbers.slice(50, 50)) && !repeats(&Int64Array::from_iter_values(0..100)));
    }
}

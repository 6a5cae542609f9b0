//! Row groups of tables with very many columns, a few columns at a time: what an encoder or a decoder holds for each column would
//! otherwise be many times the rows.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use commutator_core::Result;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowColumnChunk;

use super::{BATCH_ROWS, Format, write_columns};
use crate::error;
use crate::native::Layout;
use crate::properties::properties_of;

/// Returns the columns of a row group that has all of these rows.
pub(super) fn encode(layout: &Layout, rows: &[RecordBatch], compression_level: i32) -> Result<Vec<ArrowColumnChunk>> {
    let mut chunks = Vec::with_capacity(layout.file().fields().len());
    for (range, slice) in layout.slices() {
        let project = |rows: &RecordBatch| {
            let columns = rows.columns()[range.clone()].to_vec();
            slice.to_file(&RecordBatch::try_new(SchemaRef::clone(slice.rows()), columns).map_err(error::arrow)?)
        };
        let rows = rows.iter().map(project).collect::<Result<Vec<_>>>()?;
        let properties = properties_of(&rows, compression_level)?;
        let mut writers = Format::with_properties(slice, properties, compression_level)?.writers()?;
        rows.iter().try_for_each(|rows| write_columns(&mut writers, rows))?;
        for column in writers {
            chunks.push(column.close().map_err(error::encode)?);
        }
    }
    Ok(chunks)
}

/// Returns the rows of a file, row group by row group.
pub(super) fn decode(
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
    layout: Layout,
) -> impl Iterator<Item = Result<RecordBatch>> {
    let slices = layout.slices();
    let groups = 0..metadata.metadata().num_row_groups();
    groups.flat_map(move |group| match decode_group(&bytes, &metadata, group, &slices) {
        Ok(batches) => batches.into_iter().map(|columns| layout.to_batch(columns)).collect(),
        Err(error) => vec![Err(error)],
    })
}

/// Returns the columns of each batch of a row group, as they are in memory.
fn decode_group(
    bytes: &Bytes,
    metadata: &ArrowReaderMetadata,
    group: usize,
    slices: &[(Range<usize>, Layout)],
) -> Result<Vec<Vec<ArrayRef>>> {
    let mut batches: Vec<Vec<ArrayRef>> = Vec::new();
    for (range, slice) in slices {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), range.clone());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(error::decode)?;
        for (at, batch) in reader.enumerate() {
            let columns = slice.to_rows(batch.map_err(error::decode)?.columns().to_vec())?.columns().to_vec();
            match batches.get_mut(at) {
                Some(batch) => batch.extend(columns),
                None => batches.push(columns),
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests;

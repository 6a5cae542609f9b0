//! Rows as JSON lines.

use std::io::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::DataType;
use commutator_core::{Error, ErrorKind, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::encode::failed;

/// "(1 << (windowBits+2)) +  (1 << (memLevel+9))" bytes for the defaults of 15 and 8, in zlib's `zconf.h`.
const DEFLATE_BYTES: usize = (1 << 17) + (1 << 17);

/// A column, in the types that are left once everything else is text.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Text(&'a StringArray),
    /// Text that is JSON, and becomes a part of the line.
    Document(&'a StringArray),
}

/// A file of lines that grows.
pub(super) struct Lines {
    /// Of the first columns, whether they are embedded.
    documents: Vec<bool>,
    out: GzEncoder<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(documents: Vec<bool>) -> Self {
        // The fastest level: what is written is read once.
        Self { documents, out: GzEncoder::new(Vec::new(), Compression::fast()) }
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns = cells(rows, &self.documents)?;
        let mut line = Vec::new();
        for row in 0..rows.num_rows() {
            line.clear();
            line.push(b'{');
            for (name, column, cells) in &columns {
                if column.is_null(row) {
                    continue;
                }
                if line.len() > 1 {
                    line.push(b',');
                }
                line.extend_from_slice(name.as_bytes());
                cells.write(row, &mut line)?;
            }
            line.extend_from_slice(b"}\n");
            self.out.write_all(&line).map_err(failed)?;
        }
        Ok(())
    }

    /// Returns about how many bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        DEFLATE_BYTES + self.out.get_ref().capacity()
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.out.finish().map_err(failed)
    }
}

/// Returns of each column how its name begins a member of the line, and its values.
fn cells<'a>(rows: &'a RecordBatch, documents: &[bool]) -> Result<Vec<(String, &'a ArrayRef, Cells<'a>)>> {
    let schema = rows.schema();
    let columns = rows.columns().iter().enumerate().map(|(i, column)| {
        let cells = match column.data_type() {
            DataType::Boolean => Cells::Bool(column.as_boolean()),
            DataType::Int64 => Cells::Int64(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Cells::Float64(column.as_primitive::<Float64Type>()),
            DataType::Decimal128(..) => Cells::Decimal(column.as_primitive::<Decimal128Type>()),
            DataType::Utf8 if documents.get(i) == Some(&true) => Cells::Document(column.as_string()),
            DataType::Utf8 => Cells::Text(column.as_string()),
            other => {
                return Err(Error::new(ErrorKind::Unexpected, "A type has no form in JSON lines").with("type", other));
            }
        };
        Ok((format!("\"{}\":", schema.field(i).name()), column, cells))
    });
    columns.collect()
}

impl Cells<'_> {
    fn write(&self, row: usize, line: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Bool(cells) => line.extend_from_slice(if cells.value(row) { b"true" } else { b"false" }),
            Self::Int64(cells) => write!(line, "{}", cells.value(row)).map_err(failed)?,
            Self::Float64(cells) => serde_json::to_writer(line, &cells.value(row)).map_err(failed)?,
            Self::Decimal(cells) => line.extend_from_slice(cells.value_as_string(row).as_bytes()),
            Self::Text(cells) => serde_json::to_writer(line, cells.value(row)).map_err(failed)?,
            // Documents that the source sent hold no line break outside of strings, but a transform's may.
            Self::Document(cells) if cells.value(row).contains(['\n', '\r']) => {
                let parsed: serde_json::Value = serde_json::from_str(cells.value(row)).map_err(failed)?;
                serde_json::to_writer(line, &parsed).map_err(failed)?;
            }
            Self::Document(cells) => line.extend_from_slice(cells.value(row).as_bytes()),
        }
        Ok(())
    }
}

//! Rows in the binary COPY format, straight from Arrow columns.
//!
//! The format stands in the documentation of COPY, "Binary Format"; the values' forms in the server's `*_recv` functions.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use bytes::{BufMut, BytesMut};
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Op, OrderKey, Result};

use crate::config::NulPolicy;

mod nul;
mod numeric;

/// What precedes the rows: the signature, no flags, no header extension.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What follows the rows.
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];

/// Microseconds from 1970 to 2000, where the server's time begins.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// The table that rows are for, which decides the columns after those of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The temporary table, where rows are items: JSON as text; order, time, whether the row was removed.
    Stage,
    /// The temporary table, where rows are versions: JSON as text; order, time, operation.
    StagedChanges,
    /// A table of items: order, time.
    Items,
    /// A table of changes: order, time, operation.
    Changes,
}

impl Shape {
    /// Returns the system columns that are sent.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Stage => &["_ct_order", "_ct_changed_at", "_ct_removed"],
            Self::Items => &["_ct_order", "_ct_changed_at"],
            Self::StagedChanges | Self::Changes => &["_ct_order", "_ct_changed_at", "_ct_op"],
        }
    }

    /// Returns whether the rows are for the temporary table.
    pub(crate) fn is_staged(self) -> bool {
        matches!(self, Self::Stage | Self::StagedChanges)
    }
}

/// One batch on its way to the server.
pub(crate) struct Rows<'a> {
    names: Vec<&'a str>,
    cells: Vec<Cells<'a>>,
    keys: usize,
    fields: i16,
    shape: Shape,
    nul: NulPolicy,
    ops: &'a [Op],
    orders: &'a [OrderKey],
    changed_at: &'a [Option<i64>],
    next: usize,
    replaced: u64,
}

/// A column, downcast once per batch.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, u8),
    Number(&'a StringArray),
    Text(&'a StringArray),
    Json(&'a StringArray),
    Binary(&'a BinaryArray),
    Timestamp(&'a arrow_array::TimestampMicrosecondArray),
}

impl<'a> Rows<'a> {
    /// Starts at the batch's first row; its columns must be those of the table.
    pub(crate) fn new(batch: &'a ChangeBatch, shape: Shape, nul: NulPolicy) -> Result<Self> {
        let columns = batch.schema().columns();
        let fields = i16::try_from(columns.len() + shape.columns().len()).map_err(|e| {
            Error::new(ErrorKind::SchemaConflict, "A batch has more columns than a table can have").with_source(e)
        })?;
        Ok(Self {
            names: columns.iter().map(|column| column.name.as_str()).collect(),
            cells: columns.iter().enumerate().map(|(i, column)| Cells::of(batch.rows(), i, column.ty)).collect(),
            keys: batch.schema().keys().len(),
            fields,
            shape,
            nul,
            ops: batch.ops(),
            orders: batch.orders(),
            changed_at: batch.changed_at(),
            next: 0,
            replaced: 0,
        })
    }

    /// Returns how many values had a NUL that was replaced.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Appends rows until `out` has at least `limit` bytes; returns whether rows are left.
    pub(crate) fn fill(&mut self, out: &mut BytesMut, limit: usize) -> Result<bool> {
        while self.next < self.ops.len() && out.len() < limit {
            self.row(self.next, out)?;
            self.next += 1;
        }
        Ok(self.next < self.ops.len())
    }

    fn row(&mut self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_i16(self.fields);
        for (i, cells) in self.cells.iter().enumerate() {
            let replaced = cells.put(row, i < self.keys, self.shape, self.nul, out);
            self.replaced += u64::from(replaced.map_err(|e| e.with("column", self.names[i]))?);
        }
        put_bytes(&self.orders[row].text(), out)?;
        match self.changed_at[row] {
            None => out.put_i32(-1),
            Some(micros) => put_timestamp(micros, out)?,
        }
        match self.shape {
            Shape::Items => {}
            Shape::Stage => put_bytes(&[u8::from(self.ops[row].is_removal())], out)?,
            Shape::StagedChanges | Shape::Changes => put_bytes(self.ops[row].as_str().as_bytes(), out)?,
        }
        Ok(())
    }
}

impl<'a> Cells<'a> {
    /// `ChangeBatch` has made sure that the Arrow type is that of the logical type.
    fn of(rows: &'a RecordBatch, index: usize, ty: LogicalType) -> Self {
        let column = rows.column(index);
        match ty {
            LogicalType::Bool => Self::Bool(column.as_boolean()),
            LogicalType::Int64 => Self::Int64(column.as_primitive::<Int64Type>()),
            LogicalType::Float64 => Self::Float64(column.as_primitive::<Float64Type>()),
            LogicalType::Decimal { scale, .. } => Self::Decimal(column.as_primitive::<Decimal128Type>(), scale),
            LogicalType::Number => Self::Number(column.as_string()),
            LogicalType::Text => Self::Text(column.as_string()),
            LogicalType::Json => Self::Json(column.as_string()),
            LogicalType::Binary => Self::Binary(column.as_binary()),
            LogicalType::Timestamp => Self::Timestamp(column.as_primitive::<TimestampMicrosecondType>()),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Bool(a) => a,
            Self::Int64(a) => a,
            Self::Float64(a) => a,
            Self::Decimal(a, _) => a,
            Self::Number(a) | Self::Text(a) | Self::Json(a) => a,
            Self::Binary(a) => a,
            Self::Timestamp(a) => a,
        }
    }

    /// Appends one value with its length; returns whether a NUL was replaced.
    fn put(&self, row: usize, key: bool, shape: Shape, nul: NulPolicy, out: &mut BytesMut) -> Result<bool> {
        if self.array().is_null(row) {
            out.put_i32(-1);
            return Ok(false);
        }
        match self {
            Self::Bool(a) => put_bytes(&[u8::from(a.value(row))], out)?,
            Self::Int64(a) => put_bytes(&a.value(row).to_be_bytes(), out)?,
            Self::Float64(a) => put_bytes(&a.value(row).to_be_bytes(), out)?,
            Self::Decimal(a, scale) => numeric::put_decimal(a.value(row), *scale, out),
            Self::Number(a) => numeric::put_number(a.value(row), out)?,
            Self::Binary(a) => put_bytes(a.value(row), out)?,
            Self::Timestamp(a) => put_timestamp(a.value(row), out)?,
            Self::Text(a) => {
                let text = a.value(row).as_bytes();
                if let Some(clean) = nul::clean_text(text, key, nul)? {
                    put_bytes(&clean, out)?;
                    return Ok(true);
                }
                put_bytes(text, out)?;
            }
            Self::Json(a) => {
                let text = a.value(row).as_bytes();
                let clean = nul::clean_json(text, nul)?;
                let text = clean.as_deref().unwrap_or(text);
                if shape.is_staged() {
                    put_bytes(text, out)?;
                } else {
                    // The binary form of jsonb is its version, 1, and its text.
                    out.put_i32(length(text.len() + 1)?);
                    out.put_u8(1);
                    out.put_slice(text);
                }
                return Ok(clean.is_some());
            }
        }
        Ok(false)
    }
}

/// Returns the length in bytes of a batch's longest key, without its numbers, which are always short.
pub(crate) fn longest_key(batch: &ChangeBatch) -> usize {
    let columns: Vec<_> =
        batch.schema().keys().iter().enumerate().map(|(i, key)| Cells::of(batch.rows(), i, key.ty)).collect();
    let length = |cells: &Cells<'_>, row| match cells {
        Cells::Text(a) => a.value(row).len(),
        Cells::Binary(a) => a.value(row).len(),
        _ => 0,
    };
    (0..batch.len()).map(|row| columns.iter().map(|cells| length(cells, row)).sum()).max().unwrap_or(0)
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) -> Result<()> {
    out.put_i32(length(bytes.len())?);
    out.put_slice(bytes);
    Ok(())
}

fn put_timestamp(micros: i64, out: &mut BytesMut) -> Result<()> {
    let since_2000 = micros
        .checked_sub(EPOCH_2000)
        .ok_or_else(|| Error::new(ErrorKind::DataInvalid, "A time is earlier than Postgres can hold"))?;
    put_bytes(&since_2000.to_be_bytes(), out)
}

fn length(bytes: usize) -> Result<i32> {
    i32::try_from(bytes)
        .map_err(|e| Error::new(ErrorKind::DataInvalid, "A value is longer than Postgres can hold").with_source(e))
}

#[cfg(test)]
mod tests;

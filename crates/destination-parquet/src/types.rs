//! The columns of the files: a table's own as Arrow has them, then the system columns.
//!
//! | logical type | Parquet |
//! |---|---|
//! | `Bool` | `BOOLEAN` |
//! | `Int64` | `INT64` |
//! | `Float64` | `DOUBLE` |
//! | `Decimal(p, s)` | `DECIMAL(p, s)`, physically `INT32` or `INT64` up to 9 and 18 digits, else fixed bytes |
//! | `Number` | `STRING`: its digits, as no type of Parquet holds 38 digits at any scale |
//! | `Text` | `STRING` |
//! | `Binary` | `BYTE_ARRAY` |
//! | `Json` | `JSON` |
//! | `Timestamp` | `TIMESTAMP(MICROS)`, in UTC |

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use commutator_core::schema::conform;
use commutator_core::{ChangeBatch, Column, Epoch, LogicalType, Op, OrderKey, Result, SyncMode, TableSchema};

use crate::error;
use crate::validity;

pub(crate) const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
const OP: &str = "_ct_op";
const ORDER: &str = "_ct_order";
const CHANGED_AT: &str = "_ct_changed_at";
const SYNCED_AT: &str = "_ct_synced_at";
const DELETED: &str = "_ct_deleted";
const VALID_FROM: &str = "_ct_valid_from";
const VALID_TO: &str = "_ct_valid_to";
const CURRENT: &str = "_ct_current";

/// The operation of a deleted row with the values that it had last; it stands in no file that readers see.
pub(crate) const KEPT: &str = "kept";

/// Which system columns stand behind a table's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `_ct_order`, `_ct_changed_at`, `_ct_synced_at`: the files of a `mirror` table.
    Items,
    /// `_ct_op` in front of these: the files of an `append` table, pending changes, and rows in memory.
    Changes,
    /// `_ct_deleted` in front of these: the files of a `soft_delete` table.
    Marked,
    /// `_ct_op`, `_ct_order`, `_ct_valid_from`, `_ct_valid_to`, `_ct_current`, `_ct_changed_at`, `_ct_synced_at`: the files of a
    /// `history` table.
    Versions,
}

impl Shape {
    /// Returns the shape of the files that readers see.
    pub(crate) fn of(mode: SyncMode) -> Self {
        match mode {
            SyncMode::Mirror => Self::Items,
            SyncMode::SoftDelete => Self::Marked,
            SyncMode::History => Self::Versions,
            SyncMode::Append => Self::Changes,
        }
    }
}

/// Returns the Arrow schema of a table's rows in a shape.
pub(crate) fn arrow_schema(table: &TableSchema, shape: Shape) -> SchemaRef {
    let timestamp = || DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    let mut fields: Vec<_> = table.columns().iter().map(field).collect();
    match shape {
        Shape::Items => {}
        Shape::Changes | Shape::Versions => fields.push(Field::new(OP, DataType::Utf8, false)),
        Shape::Marked => fields.push(Field::new(DELETED, DataType::Boolean, false)),
    }
    fields.push(Field::new(ORDER, DataType::Utf8, false));
    if shape == Shape::Versions {
        fields.push(Field::new(VALID_FROM, timestamp(), false));
        fields.push(Field::new(VALID_TO, timestamp(), true));
        fields.push(Field::new(CURRENT, DataType::Boolean, false));
    }
    fields.push(Field::new(CHANGED_AT, timestamp(), true));
    fields.push(Field::new(SYNCED_AT, timestamp(), false));
    Arc::new(Schema::new(fields))
}

/// The JSON extension type counts only with its metadata, be it empty.
fn field(column: &Column) -> Field {
    let mut field = column.to_field();
    if column.ty == LogicalType::Json {
        field.metadata_mut().insert(EXTENSION_METADATA.to_owned(), String::new());
    }
    field
}

/// Returns changes as rows, under the columns of `table`, with the time at which they are synced in microseconds since 1970.
pub(crate) fn rows(changes: &ChangeBatch, table: &Arc<TableSchema>, synced_at: i64) -> Result<RecordBatch> {
    let changes = conform(changes, table)?;
    let count = changes.len();
    let mut order = StringBuilder::with_capacity(count, count * OrderKey::TEXT_LENGTH);
    // The rows of a snapshot all have the same one.
    for same in changes.orders().chunk_by(|a, b| a == b) {
        let text = same[0].text();
        let text = std::str::from_utf8(&text).unwrap_or_default();
        for _ in same {
            order.append_value(text);
        }
    }
    let mut columns = changes.rows().columns().to_vec();
    columns.push(Arc::new(StringArray::from_iter_values(changes.ops().iter().map(|op| op.as_str()))));
    columns.push(Arc::new(order.finish()));
    columns.push(Arc::new(TimestampMicrosecondArray::from(changes.changed_at().to_vec()).with_timezone("UTC")));
    columns.push(Arc::new(TimestampMicrosecondArray::from(vec![synced_at; count]).with_timezone("UTC")));
    RecordBatch::try_new(arrow_schema(table, Shape::Changes), columns).map_err(error::arrow)
}

/// Returns rows in the shape of a file; in `history` they are all versions of their keys.
pub(crate) fn stored(batches: Vec<RecordBatch>, shape: Shape, table: &TableSchema) -> Result<Vec<RecordBatch>> {
    let own = table.columns().len();
    let in_shape = |columns| RecordBatch::try_new(arrow_schema(table, shape), columns).map_err(error::arrow);
    match shape {
        Shape::Changes => Ok(batches),
        Shape::Items => batches
            .iter()
            .map(|rows| {
                let mut columns = rows.columns().to_vec();
                columns.remove(own);
                in_shape(columns)
            })
            .collect(),
        Shape::Marked => batches
            .iter()
            .map(|rows| {
                let versions = Versions::of(rows, table);
                let deleted = (0..rows.num_rows()).map(|row| Some(versions.is_removal(row)));
                let mut columns = rows.columns().to_vec();
                columns[own] = Arc::new(deleted.collect::<BooleanArray>());
                in_shape(columns)
            })
            .collect(),
        Shape::Versions => {
            let validities = validity::columns(&batches, table)?;
            let with = |(rows, validity): (&RecordBatch, [ArrayRef; 3])| {
                let mut columns = rows.columns().to_vec();
                columns.splice(own + 2..own + 2, validity);
                in_shape(columns)
            };
            batches.iter().zip(validities).map(with).collect()
        }
    }
}

/// Returns rows of a file, in its shape and columns, as rows in the columns of `table`.
///
/// The operation of a row that was stored without one is given as that of a snapshot, if it exists.
pub(crate) fn widened(
    stored: &RecordBatch,
    shape: Shape,
    from: &Arc<TableSchema>,
    table: &Arc<TableSchema>,
) -> Result<RecordBatch> {
    let (own, system) = stored.columns().split_at(from.columns().len());
    let mut columns = if from == table { own.to_vec() } else { widen(own, from, table)? };
    let op = |deleted: bool| if deleted { KEPT } else { Op::Snapshot.as_str() };
    let mut system = system.to_vec();
    match shape {
        Shape::Changes => {}
        Shape::Items => {
            let ops = std::iter::repeat_n(op(false), stored.num_rows());
            system.insert(0, Arc::new(StringArray::from_iter_values(ops)));
        }
        Shape::Marked => {
            let ops = system[0].as_boolean().iter().map(|deleted| op(deleted == Some(true)));
            system[0] = Arc::new(StringArray::from_iter_values(ops));
        }
        Shape::Versions => drop(system.drain(2..5)),
    }
    columns.append(&mut system);
    RecordBatch::try_new(arrow_schema(table, Shape::Changes), columns).map_err(error::arrow)
}

/// Widens the table's own columns by the one function that does so.
fn widen(own: &[ArrayRef], from: &Arc<TableSchema>, table: &Arc<TableSchema>) -> Result<Vec<ArrayRef>> {
    let batch = RecordBatch::try_new(from.to_arrow(), own.to_vec()).map_err(error::arrow)?;
    let count = batch.num_rows();
    let order = OrderKey::snapshot(Epoch::FIRST);
    let changes =
        ChangeBatch::new(Arc::clone(from), batch, vec![Op::Snapshot; count], vec![order; count], vec![None; count])?;
    Ok(conform(&changes, table)?.rows().columns().to_vec())
}

/// What decides between the versions of a key, read from rows in memory.
#[derive(Debug)]
pub(crate) struct Versions<'a> {
    op: &'a StringArray,
    order: &'a StringArray,
}

impl<'a> Versions<'a> {
    pub(crate) fn of(rows: &'a RecordBatch, table: &TableSchema) -> Self {
        let own = table.columns().len();
        Self { op: rows.column(own).as_string(), order: rows.column(own + 1).as_string() }
    }

    /// Returns the text of a row's order key, which compares like the key.
    pub(crate) fn order(&self, row: usize) -> &'a str {
        self.order.value(row)
    }

    pub(crate) fn is_removal(&self, row: usize) -> bool {
        matches!(self.op.value(row), "remove" | "expire" | KEPT)
    }

    /// Returns whether a row has values: it exists, or it is deleted and has those that it had last.
    pub(crate) fn has_image(&self, row: usize) -> bool {
        !self.is_removal(row) || self.op.value(row) == KEPT
    }

    /// Returns which rows a snapshot read in this epoch.
    pub(crate) fn read_by_snapshot(&self, epoch: Epoch) -> BooleanArray {
        let snapshot = OrderKey::snapshot(epoch).to_string();
        let is_read = |row| self.op.value(row) == Op::Snapshot.as_str() && self.order(row) == snapshot;
        (0..self.op.len()).map(|row| Some(is_read(row))).collect()
    }
}

/// Returns how many bytes the values of a batch take, without what its buffers hold besides.
pub(crate) fn memory_size(rows: &RecordBatch) -> u64 {
    let size = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0) as u64;
    rows.columns().iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;

    #[test]
    fn rows_keep_their_values_through_storage_and_widening() {
        let narrow = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64)]).unwrap());
        let wide = Arc::new(
            TableSchema::new(vec![
                Column::key("id", LogicalType::Decimal { precision: 21, scale: 2 }),
                Column::new("note", LogicalType::Json),
            ])
            .unwrap(),
        );
        let batch = RecordBatch::try_new(narrow.to_arrow(), vec![Arc::new(Int64Array::from(vec![7, 8]))]).unwrap();
        let orders = vec![OrderKey::snapshot(Epoch::FIRST), OrderKey::new(Epoch::FIRST, 5.into())];
        let changes =
            ChangeBatch::new(Arc::clone(&narrow), batch, vec![Op::Snapshot, Op::Remove], orders, vec![None, Some(3)])
                .unwrap();
        let stored = rows(&changes, &narrow, 9).unwrap();
        let wider = widened(&stored, Shape::Changes, &narrow, &wide).unwrap();
        assert_eq!(wider, rows(&changes, &wide, 9).unwrap());
        let versions = Versions::of(&wider, &wide);
        assert!(!versions.is_removal(0) && versions.is_removal(1));
        assert!(versions.read_by_snapshot(Epoch::FIRST).value(0) && !versions.read_by_snapshot(Epoch(2)).value(0));
        let items = super::stored(vec![stored.clone()], Shape::Items, &narrow).unwrap().remove(0);
        assert_eq!(items.schema(), arrow_schema(&narrow, Shape::Items));
        let again = widened(&items, Shape::Items, &narrow, &wide).unwrap();
        assert_eq!(again.columns()[..2], wider.columns()[..2]);
        assert_eq!(again.columns()[3..], wider.columns()[3..]);
    }
}

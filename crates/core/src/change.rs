//! Change batches: the rows that travel from a source to a destination.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_select::concat::concat_batches;
use arrow_select::{filter::filter_record_batch, take::take_record_batch};

use crate::{Error, ErrorKind, OrderKey, Result, TableSchema};

mod kept;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// A snapshot read the row; it may have existed for long.
    Snapshot,
    /// The row was inserted.
    Insert,
    /// The row existed and was modified.
    Modify,
    /// The row was removed by a user.
    Remove,
    /// The row was removed because its time to live had passed.
    Expire,
}

impl Op {
    /// Returns whether the row no longer exists; such a row carries only its key columns, all others are null.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::Remove | Self::Expire)
    }

    /// Returns the name that destinations store in `_ct_op`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Insert => "insert",
            Self::Modify => "modify",
            Self::Remove => "remove",
            Self::Expire => "expire",
        }
    }

    /// Returns the operation of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Snapshot, Self::Insert, Self::Modify, Self::Remove, Self::Expire];
        all.into_iter().find(|op| op.as_str() == name)
    }
}

/// Changes of one table under one schema: Arrow columns, and an operation, an order key and a time per row.
///
/// Rows of one partition stand in the order of their changes. Removals carry only the key columns. A key may appear several
/// times until it was compacted for a sync mode ([`compact`](Self::compact),
/// [`compact_keeping_images`](Self::compact_keeping_images)).
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    schema: Arc<TableSchema>,
    rows: RecordBatch,
    ops: Vec<Op>,
    orders: Vec<OrderKey>,
    changed_at: Vec<Option<i64>>,
}

impl ChangeBatch {
    /// Creates a batch.
    ///
    /// `changed_at` is the time of the change in microseconds since 1970 in UTC, if the source tells it; its grain may be a
    /// second, so it never orders anything.
    ///
    /// Returns [`Unexpected`](ErrorKind::Unexpected) if the lengths differ, the columns are not those of `schema`, there is no key
    /// column, a key column has a null, or a removal has more than its key: each would be a mistake of the caller, not of the data.
    pub fn new(
        schema: Arc<TableSchema>,
        rows: RecordBatch,
        ops: Vec<Op>,
        orders: Vec<OrderKey>,
        changed_at: Vec<Option<i64>>,
    ) -> Result<Self> {
        let wrong = |what| Err(Error::new(ErrorKind::Unexpected, "A change batch is malformed").with("problem", what));
        let lengths = [ops.len(), orders.len(), changed_at.len()];
        if lengths.iter().any(|&n| n != rows.num_rows()) {
            return wrong("lengths differ");
        }
        if schema.keys().is_empty() {
            return wrong("no key column");
        }
        let arrow = rows.schema();
        let same = arrow.fields().len() == schema.columns().len()
            && arrow
                .fields()
                .iter()
                .zip(schema.columns())
                .all(|(field, column)| *field.name() == column.name && *field.data_type() == column.data_type());
        if !same {
            return wrong("columns differ from the schema");
        }
        let (keys, others) = rows.columns().split_at(schema.keys().len());
        if keys.iter().any(|key| key.null_count() > 0) {
            return wrong("null in a key column");
        }
        let removals = || ops.iter().enumerate().filter(|(_, op)| op.is_removal());
        let mut filled = others.iter().filter(|column| column.null_count() < column.len());
        if filled.any(|column| removals().any(|(row, _)| !column.is_null(row))) {
            return wrong("a removal with more than its key");
        }
        Ok(Self { schema, rows, ops, orders, changed_at })
    }

    /// Returns the schema of the rows.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Returns the rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// Returns the operation of each row.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Returns the order key of each row.
    pub fn orders(&self) -> &[OrderKey] {
        &self.orders
    }

    /// Returns the time of each change in microseconds since 1970, where the source told it.
    pub fn changed_at(&self) -> &[Option<i64>] {
        &self.changed_at
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns about how many bytes the batch keeps in memory.
    pub fn memory_size(&self) -> usize {
        let row = size_of::<Op>() + size_of::<OrderKey>() + size_of::<Option<i64>>();
        self.rows.get_array_memory_size() + self.len() * row
    }

    /// Returns whether every row came from a snapshot, so that no key can be there twice.
    pub fn is_snapshot(&self) -> bool {
        self.ops.iter().all(|&op| op == Op::Snapshot)
    }

    /// Returns the key columns of every row in a form whose bytes are equal if and only if the keys are.
    ///
    /// Only rows under equal key types may be compared.
    pub fn keys(&self) -> Result<arrow_row::Rows> {
        let keys = &self.rows.columns()[..self.schema.keys().len()];
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        RowConverter::new(fields)
            .and_then(|converter| converter.convert_columns(keys))
            .map_err(|e| Error::new(ErrorKind::Unexpected, "Keys cannot be encoded").with_source(e))
    }

    /// Returns the rows for which `keep` is true; it has one entry per row.
    pub fn filter(&self, keep: &[bool]) -> Result<Self> {
        let rows = filter_record_batch(&self.rows, &BooleanArray::from(keep.to_vec())).map_err(selection_failed)?;
        Ok(Self {
            schema: Arc::clone(&self.schema),
            rows,
            ops: select(&self.ops, keep),
            orders: select(&self.orders, keep),
            changed_at: select(&self.changed_at, keep),
        })
    }

    /// Returns the rows at these indices, in this order; each index is below [`len`](Self::len).
    pub fn take(&self, indices: &[u32]) -> Result<Self> {
        let rows = take_record_batch(&self.rows, &UInt32Array::from(indices.to_vec())).map_err(selection_failed)?;
        Ok(Self {
            schema: Arc::clone(&self.schema),
            rows,
            ops: indices.iter().map(|&i| self.ops[i as usize]).collect(),
            orders: indices.iter().map(|&i| self.orders[i as usize]).collect(),
            changed_at: indices.iter().map(|&i| self.changed_at[i as usize]).collect(),
        })
    }

    /// Returns the rows of several batches of one schema as one, in their order; `batches` is not empty.
    ///
    /// Returns [`Unexpected`](ErrorKind::Unexpected) if the schemas differ.
    pub fn concat(batches: &[Self]) -> Result<Self> {
        let [first, rest @ ..] = batches else {
            return Err(Error::new(ErrorKind::Unexpected, "No batches to put together"));
        };
        if rest.is_empty() {
            return Ok(first.clone());
        }
        if rest.iter().any(|batch| batch.schema != first.schema) {
            return Err(Error::new(ErrorKind::Unexpected, "Batches of different schemas cannot be put together"));
        }
        let rows = concat_batches(&first.rows.schema(), batches.iter().map(|batch| &batch.rows));
        Ok(Self {
            schema: Arc::clone(&first.schema),
            rows: rows.map_err(selection_failed)?,
            ops: batches.iter().flat_map(|batch| &batch.ops).copied().collect(),
            orders: batches.iter().flat_map(|batch| &batch.orders).copied().collect(),
            changed_at: batches.iter().flat_map(|batch| &batch.changed_at).copied().collect(),
        })
    }

    /// Returns the same changes with other columns; the number of rows stays.
    pub fn with_rows(&self, schema: Arc<TableSchema>, rows: RecordBatch) -> Result<Self> {
        Self::new(schema, rows, self.ops.clone(), self.orders.clone(), self.changed_at.clone())
    }
}

fn select<T: Copy>(values: &[T], keep: &[bool]) -> Vec<T> {
    values.iter().zip(keep).filter(|&(_, &keep)| keep).map(|(&value, _)| value).collect()
}

fn selection_failed(source: arrow_schema::ArrowError) -> Error {
    Error::new(ErrorKind::Unexpected, "Rows cannot be selected").with_source(source)
}

#[cfg(test)]
mod tests;

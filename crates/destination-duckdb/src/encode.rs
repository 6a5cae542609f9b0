//! Changes in the form of the staging table.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use commutator_core::{ChangeBatch, Error, ErrorKind, Result};

/// Returns the rows as the staging table has them: the columns as `c0`, `c1`, …, then `_ct_order`, `_ct_changed_at` and `_ct_op`.
pub(crate) fn staged(batch: &ChangeBatch) -> Result<RecordBatch> {
    let orders: StringArray = batch.orders().iter().map(|order| Some(order.to_string())).collect();
    let times = TimestampMicrosecondArray::from(batch.changed_at().to_vec()).with_timezone("UTC");
    let ops: StringArray = batch.ops().iter().map(|op| Some(op.as_str())).collect();
    let system =
        [("_ct_order", Arc::new(orders) as ArrayRef), ("_ct_changed_at", Arc::new(times)), ("_ct_op", Arc::new(ops))];
    let user = batch.rows().columns().iter().enumerate().map(|(i, column)| (format!("c{i}"), Arc::clone(column)));
    let all = user.chain(system.into_iter().map(|(name, column)| (name.to_owned(), column)));
    let (fields, columns): (Vec<_>, Vec<_>) =
        all.map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column)).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "Rows cannot be staged").with_source(e))
}

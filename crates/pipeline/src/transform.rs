//! A user's own code on the way.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Result, TableName};

/// A user's own code that changes rows on their way from a source to a destination.
///
/// It sees each batch as the source gives it, with attributes as columns, before any rule: what it adds can be filtered, hashed or excluded
/// like every attribute. It must give a row for each row, in the same order, with the same operation, order and key; that is checked. It
/// must depend on nothing but the row: rows are read again after failures, and cut into other batches.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::cast::AsArray;
/// use arrow_array::types::Int64Type;
/// use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use commutator_core::{ChangeBatch, Column, LogicalType, Result, TableName, TableSchema};
/// use commutator_pipeline::Transform;
///
/// /// Adds `cents`, a hundred times `amount`, where that is a whole number.
/// #[derive(Debug)]
/// struct Cents;
///
/// impl Transform for Cents {
///     fn transform(&self, _: &TableName, batch: ChangeBatch) -> Result<ChangeBatch> {
///         let Some((at, amount)) = batch.schema().get("amount").filter(|(_, c)| c.ty == LogicalType::Int64) else {
///             return Ok(batch);
///         };
///         assert!(!amount.key);
///         let amounts = batch.rows().column(at).as_primitive::<Int64Type>();
///         let cents: Int64Array = amounts.iter().map(|amount| amount?.checked_mul(100)).collect();
///         let mut columns = batch.schema().columns().to_vec();
///         columns.push(Column::new("cents", LogicalType::Int64));
///         let mut arrays: Vec<ArrayRef> = batch.rows().columns().to_vec();
///         arrays.push(Arc::new(cents));
///         let schema = Arc::new(TableSchema::new(columns)?);
///         let rows = RecordBatch::try_new(schema.to_arrow(), arrays).expect("as many rows, and the schema's types");
///         batch.with_rows(schema, rows)
///     }
/// }
/// ```
pub trait Transform: Debug + Send + Sync + 'static {
    /// Returns the batch with other columns. An error stops the table.
    fn transform(&self, table: &TableName, batch: ChangeBatch) -> Result<ChangeBatch>;
}

/// Transforms a batch, and checks that it is still the same changes.
pub(crate) fn transformed(by: &dyn Transform, table: &TableName, batch: &ChangeBatch) -> Result<ChangeBatch> {
    let after = by.transform(table, batch.clone())?;
    let keys = |batch: &ChangeBatch| batch.rows().columns()[..batch.schema().keys().len()].to_vec();
    let same = Arc::ptr_eq(after.schema(), batch.schema()) || after.schema().keys() == batch.schema().keys();
    let same = same && after.ops() == batch.ops() && after.orders() == batch.orders();
    if same && after.changed_at() == batch.changed_at() && keys(&after) == keys(batch) {
        return finite(after).map_err(|e| e.with("table", table));
    }
    Err(Error::new(
        ErrorKind::Unexpected,
        "A transform changed which rows there are, their order or their keys; it may only change other columns",
    )
    .with("table", table))
}

/// Refuses doubles that are no numbers: they have no digits, which a column that is widened needs.
fn finite(batch: ChangeBatch) -> Result<ChangeBatch> {
    for (column, array) in batch.schema().columns().iter().zip(batch.rows().columns()) {
        if column.ty != LogicalType::Float64 {
            continue;
        }
        if array.as_primitive::<Float64Type>().iter().flatten().any(|value| !value.is_finite()) {
            return Err(Error::new(ErrorKind::DataInvalid, "A transform made a number that is infinite or none")
                .with("column", &column.name));
        }
    }
    Ok(batch)
}

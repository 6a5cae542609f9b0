//! Columns as the rows that are left need them.

use std::sync::Arc;

use arrow_array::Array as _;

use super::apply::{cells, with_columns};
use super::convert::{Strictness, build, infer};
use crate::{ChangeBatch, Column, LogicalType, Result};

/// Returns the batch without columns that are null in every row; the others keep their types, which are decided.
pub(super) fn without_empty(batch: &ChangeBatch) -> Result<ChangeBatch> {
    let columns = batch.schema().columns().iter().zip(batch.rows().columns());
    let filled = columns.filter(|(column, array)| column.key || array.null_count() < array.len());
    let (columns, arrays) = filled.map(|(column, array)| (column.clone(), Arc::clone(array))).unzip();
    with_columns(batch, columns, arrays)
}

/// Returns the batch without columns that are null in every row, and the others with the least type: what rows that were left out had
/// in a column must not decide what it is.
pub(super) fn tighten(batch: &ChangeBatch) -> Result<ChangeBatch> {
    let (mut columns, mut arrays) = (Vec::new(), Vec::new());
    for (column, array) in batch.schema().columns().iter().zip(batch.rows().columns()) {
        let widened = matches!(column.ty, LogicalType::Json | LogicalType::Number | LogicalType::Decimal { .. });
        if column.key || !widened {
            if column.key || array.null_count() < array.len() {
                columns.push(column.clone());
                arrays.push(Arc::clone(array));
            }
            continue;
        }
        let Some(ty) = infer(cells(array, column.ty)) else { continue };
        let same = ty == column.ty;
        arrays.push(if same {
            Arc::clone(array)
        } else {
            build(ty, cells(array, column.ty), Strictness::SameKind)?.array
        });
        columns.push(Column { ty, ..column.clone() });
    }
    with_columns(batch, columns, arrays)
}

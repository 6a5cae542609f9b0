//! Numbers that become doubles.

use std::sync::Arc;

use super::admit::Known;
use super::apply::{cells, with_columns};
use super::cell::Cell;
use super::compiled::{Field, Rules};
use super::convert::{Strictness, build};
use crate::schema::float::nearest_floats;
use crate::schema::{identity, nearest_float, write_float};
use crate::{ChangeBatch, Column, Error, ErrorKind, LogicalType, Result};

/// Returns a column in another type, which takes all of its values.
pub(super) fn brought(field: Field, wanted: LogicalType) -> Result<Field> {
    let Field { column, array } = field;
    let array = match wanted {
        wanted if wanted == column.ty => array,
        LogicalType::Float64 if column.ty.is_exact_number() => match nearest_floats(&array, column.ty) {
            Some(floats) => Arc::new(floats),
            None => {
                return Err(Error::new(ErrorKind::DataInvalid, "A number is beyond the range of doubles")
                    .with("column", identity::wanted(&column.name)));
            }
        },
        wanted => build(wanted, cells(&array, column.ty), Strictness::AnyKind)?.array,
    };
    Ok(Field { column: Column { ty: wanted, ..column }, array })
}

/// Returns a number as the shortest digits of its nearest double; what is none stays as it is.
pub(super) fn rounded(cell: Cell<'_>) -> Cell<'_> {
    let Cell::Number(text) = &cell else { return cell };
    let Some(float) = nearest_float(text) else { return cell };
    let mut digits = Vec::new();
    write_float(float, &mut digits);
    String::from_utf8(digits).map_or(cell, |digits| Cell::Number(digits.into()))
}

impl Rules {
    /// Returns rows to which the rules were applied before they were set aside, whose columns have identities, with doubles where these
    /// were: a dead letter has the digits of a double, which are a number like any other when it is read again.
    pub fn apply_again(&self, batch: &ChangeBatch, known: &dyn Known) -> Result<ChangeBatch> {
        let by = self.join();
        let (mut columns, mut arrays) = (Vec::new(), Vec::new());
        for (column, array) in batch.schema().columns().iter().zip(batch.rows().columns()) {
            let attribute = identity::attribute_of(&column.name);
            let cast = self.rule(attribute).and_then(|rule| rule.cast);
            let wanted = match cast {
                _ if column.key || !column.ty.is_exact_number() => column.ty,
                Some(LogicalType::Float64) => LogicalType::Float64,
                _ if self.is_made(attribute) => column.ty,
                _ => by.arriving(column.ty, known.column(&column.name)),
            };
            let field = brought(Field { column: column.clone(), array: Arc::clone(array) }, wanted)?;
            columns.push(field.column);
            arrays.push(field.array);
        }
        with_columns(batch, columns, arrays)
    }
}

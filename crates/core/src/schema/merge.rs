//! The schema that holds the rows of two others.

use super::TableSchema;
use crate::rules::TypeJoin;
use crate::{Error, ErrorKind, Result};

/// Returns the least schema that holds every row of both.
///
/// Columns of `a` keep their place and come first, those that only `b` has follow in its order; types are joined. So the
/// *set* of columns does not depend on the order of the arguments, and merging twice changes nothing.
///
/// Returns [`SchemaConflict`](ErrorKind::SchemaConflict) if a column is part of the key in one and not in the other, or a key
/// column's type would become `Json`: keys of several types cannot be compared.
pub fn merge(a: &TableSchema, b: &TableSchema) -> Result<TableSchema> {
    merge_by(a, b, TypeJoin::default())
}

/// Returns the least schema that holds every row of both, where the types of columns that are not part of the key join as `by` says.
///
/// Returns errors as [`merge`] does.
pub fn merge_by(a: &TableSchema, b: &TableSchema, by: TypeJoin) -> Result<TableSchema> {
    let known = a.by_name();
    let mut columns = a.columns().to_vec();
    for column in b.columns() {
        let Some(&(i, present)) = known.get(column.name.as_str()) else {
            columns.push(column.clone());
            continue;
        };
        let joined = if column.key { present.ty.join(column.ty) } else { by.join(present.ty, column.ty) };
        if present.key != column.key {
            return Err(Error::new(ErrorKind::SchemaConflict, "Two schemas of one table have different keys")
                .with("column", &column.name));
        }
        if column.key && joined != present.ty && joined == super::LogicalType::Json {
            return Err(Error::new(ErrorKind::SchemaConflict, "A key column's values have several types")
                .with("column", &column.name)
                .with("types", format_args!("{} and {}", present.ty, column.ty)));
        }
        columns[i].ty = joined;
    }
    TableSchema::new(columns)
}

//! What is really in the warehouse, compared with what was recorded.

use std::sync::Arc;

use commutator_core::{Column, Error, ErrorKind, LogicalType, Result, SyncMode, TableSchema};
use commutator_sql::{Dialect, system_columns};

use crate::Found;

/// Returns the catalog's column of a name; where names ignore case, so does this.
pub(crate) fn find<'a>(dialect: &Dialect, found: &'a [Found], name: &str) -> Option<&'a Found> {
    found.iter().find(|column| {
        if dialect.identifiers.case_sensitive { column.name == name } else { column.name.eq_ignore_ascii_case(name) }
    })
}

/// Returns the logical type that a column of the catalog has which was recorded as this one; `None` if it cannot be followed.
///
/// Several logical types may have one name in the catalog, so what was recorded says which it is. A column that someone gave a wider type
/// counts as widened.
pub(crate) fn type_of(dialect: &Dialect, recorded: LogicalType, native: &str) -> Option<LogicalType> {
    if native == dialect.native(recorded) {
        return Some(recorded);
    }
    dialect.logical(native).filter(|&wider| recorded.fits_in(wider))
}

/// Returns the columns the table has, of those this pipeline made; what others added is not ours and left alone.
///
/// A column that someone gave a wider type counts as widened. Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if a table of
/// this name is not this pipeline's, [`NotFound`](ErrorKind::NotFound) if it is gone, and
/// [`SchemaConflict`](ErrorKind::SchemaConflict) if it was changed in a way that cannot be followed.
pub(crate) fn reconcile(
    dialect: &Dialect,
    recorded: Option<&TableSchema>,
    found: Option<&[Found]>,
    mode: SyncMode,
) -> Result<Option<Arc<TableSchema>>> {
    let (recorded, found) = match (recorded, found) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(foreign()),
        (Some(_), None) => {
            return Err(Error::new(
                ErrorKind::NotFound,
                "Someone dropped or renamed the table; restore it, or drop its table of checkpoints, too, and `commutator run` loads it anew",
            ));
        }
        (Some(recorded), Some(found)) => (recorded, found),
    };
    let mut columns = Vec::with_capacity(recorded.columns().len());
    for column in recorded.columns() {
        match find(dialect, found, &column.name) {
            None if column.key => return Err(changed(&column.name, &dialect.native(column.ty), "nothing")),
            None => {}
            Some(Found { native, .. }) => match type_of(dialect, column.ty, native) {
                Some(ty) => columns.push(Column { ty, ..column.clone() }),
                None => return Err(changed(&column.name, &dialect.native(column.ty), native)),
            },
        }
    }
    system_columns_are_there(dialect, found, mode)?;
    TableSchema::new(columns).map(|schema| Some(Arc::new(schema)))
}

pub(crate) fn system_columns_are_there(dialect: &Dialect, found: &[Found], mode: SyncMode) -> Result<()> {
    for (name, ty, _) in system_columns(mode) {
        let expected = dialect.native(ty);
        match find(dialect, found, name) {
            Some(column) if column.native == expected => {}
            other => return Err(changed(name, &expected, other.map_or("nothing", |column| &column.native))),
        }
    }
    Ok(())
}

/// The error for a table that is not this pipeline's.
pub(crate) fn foreign() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "A table of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
    )
}

/// The error for a column that somebody else added, and that would have to be ours now.
pub(crate) fn foreign_column(name: &str) -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "The table has a column of this name that this pipeline did not make; drop or rename it, or `rename` the attribute",
    )
    .with("column", name)
}

pub(crate) fn changed(column: &str, expected: &str, found: &str) -> Error {
    Error::new(ErrorKind::SchemaConflict, "Someone changed a column of the table; change it back and fill it with `commutator resync`, or drop the table and its table of checkpoints, and `commutator run` loads it anew")
        .with("column", column)
        .with("expected", expected)
        .with("found", found)
}

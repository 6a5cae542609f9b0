//! What is really in the database, compared with what was recorded.

use std::sync::Arc;

use commutator_core::{Column, Error, ErrorKind, Result, SyncMode, TableSchema};
use commutator_sql::{Checkpoints, DUCKDB, SchemaRef, changes, system_columns};
use duckdb::{Connection, params};

use crate::error;
use crate::types;

/// A column as the catalog has it: name and type.
pub(crate) type Found = (String, String);

/// Selects a table's columns; parameters: database, schema, table.
pub(crate) const READ: &str = "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = $1 AND lower(schema_name) = lower($2) \
     AND lower(table_name) = lower($3) ORDER BY column_index";

/// Returns a table's columns, `None` if there is nothing of this name; names ignore case, as the database does.
pub(crate) fn read(connection: &Connection, catalog: &str, schema: &str, table: &str) -> Result<Option<Vec<Found>>> {
    let failed = |e| error::failed(e, "The catalog cannot be read");
    let mut statement = connection.prepare(READ).map_err(failed)?;
    let rows = statement.query_map(params![catalog, schema, table], |row| Ok((row.get(0)?, row.get(1)?)));
    let columns = rows.and_then(Iterator::collect::<duckdb::Result<Vec<Found>>>).map_err(failed)?;
    Ok((!columns.is_empty()).then_some(columns))
}

/// Creates the schema, the table of checkpoints and that of schema changes where they are missing.
pub(crate) fn prepare(connection: &Connection, schema: &SchemaRef) -> Result<()> {
    connection
        .execute_batch(&prepared(schema))
        .map_err(|e| error::failed(e, "The tables of checkpoints and of schema changes cannot be created"))
}

/// The statements that create them.
pub(crate) fn prepared(schema: &SchemaRef) -> String {
    let statements = [
        format!("CREATE SCHEMA IF NOT EXISTS {schema}"),
        Checkpoints::new(&DUCKDB, schema).create(),
        changes::create(&DUCKDB, schema),
    ];
    statements.join(";\n")
}

/// Returns the columns the table has, of those this pipeline made; what others added is not ours and left alone.
///
/// A column that someone gave a wider type counts as widened. Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if a table of
/// this name is not this pipeline's, [`NotFound`](ErrorKind::NotFound) if it is gone, and
/// [`SchemaConflict`](ErrorKind::SchemaConflict) if it was changed in a way that cannot be followed.
pub(crate) fn reconcile(
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
                "Someone dropped or renamed the table; restore it, or delete its row in _ct_checkpoints, and `commutator run` loads it anew",
            ));
        }
        (Some(recorded), Some(found)) => (recorded, found),
    };
    let native_of = |name: &str| found.iter().find(|(column, _)| column == name).map(|(_, ty)| ty.as_str());
    let mut columns = Vec::with_capacity(recorded.columns().len());
    for column in recorded.columns() {
        match native_of(&column.name) {
            None if column.key => return Err(changed(&column.name, &DUCKDB.native(column.ty), "nothing")),
            None => {}
            Some(native) => match types::found(column, native) {
                Some(ty) => columns.push(Column { ty, ..column.clone() }),
                None => return Err(changed(&column.name, &DUCKDB.native(column.ty), native)),
            },
        }
    }
    for (name, ty, _) in system_columns(mode) {
        let expected = DUCKDB.native(ty);
        match native_of(name) {
            Some(native) if native == expected => {}
            other => return Err(changed(name, &expected, other.unwrap_or("nothing"))),
        }
    }
    TableSchema::new(columns).map(|schema| Some(Arc::new(schema)))
}

/// The error for a table that is not this pipeline's.
pub(crate) fn foreign() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "A table of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
    )
}

fn changed(column: &str, expected: &str, found: &str) -> Error {
    Error::new(ErrorKind::SchemaConflict, "Someone changed a column of the table; change it back and fill it with `commutator resync`, or drop the table, delete its row in _ct_checkpoints, and `commutator run` loads it anew")
        .with("column", column)
        .with("expected", expected)
        .with("found", found)
}

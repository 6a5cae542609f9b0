//! What is really in the database, compared with what was recorded.

use std::sync::Arc;

use commutator_core::{Column, Error, ErrorKind, LogicalType, Result, SyncMode, TableSchema};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error;
use crate::statements::{self, checkpoints};
use crate::types::{logical, native};

/// A column as the catalog has it: name and type.
pub(crate) type Found = (String, String);

/// Selects a table's columns; parameters: schema, table.
pub(crate) const READ: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
             FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE n.nspname = $1 AND c.relname = $2 ORDER BY a.attnum";

/// Returns a table's columns, `None` if there is nothing of this name.
pub(crate) async fn read(client: &Client, schema: &str, table: &str) -> Result<Option<Vec<Found>>> {
    let rows = client
        .query_typed(READ, &[(&schema, Type::TEXT), (&table, Type::TEXT)])
        .await
        .map_err(|e| error::failed(e, "The catalog cannot be read"))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let column = |row: &tokio_postgres::Row| Some((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?));
    Ok(Some(rows.iter().filter_map(column).collect()))
}

/// Creates the schema, the table of checkpoints and that of schema changes where they are missing; needs no right to create what
/// exists.
pub(crate) async fn prepare(client: &Client, schema: &str) -> Result<()> {
    let failed = |e| error::failed(e, "The tables of checkpoints and of schema changes cannot be created");
    let found = client.query_typed(checkpoints::FIND_TABLES, &[(&schema, Type::TEXT)]).await.map_err(failed)?;
    if found.len() == 2 {
        return Ok(());
    }
    client.batch_execute(checkpoints::LOCK_CREATION).await.map_err(failed)?;
    let exists = client.query_typed_opt(checkpoints::FIND_SCHEMA, &[(&schema, Type::TEXT)]).await.map_err(failed)?;
    if exists.is_none() {
        client.batch_execute(&checkpoints::create_schema(schema)).await.map_err(failed)?;
    }
    client.batch_execute(&statements::create_checkpoints(schema)).await.map_err(failed)?;
    client.batch_execute(&statements::changes::create(schema)).await.map_err(failed)
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
        (None, Some(_)) => {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "A table of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
            ));
        }
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
            None if column.key => return Err(changed(&column.name, &native(column.ty), "nothing")),
            None => {}
            Some(ty) if ty == native(column.ty) => columns.push(column.clone()),
            Some(ty) => match logical(ty).filter(|&wider| column.ty.fits_in(wider)) {
                Some(ty) => columns.push(Column { ty, ..column.clone() }),
                None => return Err(changed(&column.name, &native(column.ty), ty)),
            },
        }
    }
    for (name, ty) in system_columns(mode) {
        match native_of(name) {
            Some(found) if found == native(ty) => {}
            found => return Err(changed(name, &native(ty), found.unwrap_or("nothing"))),
        }
    }
    TableSchema::new(columns).map(|schema| Some(Arc::new(schema)))
}

fn system_columns(mode: SyncMode) -> impl Iterator<Item = (&'static str, LogicalType)> {
    let of_mode: &[_] = match mode {
        SyncMode::Mirror => &[],
        SyncMode::SoftDelete => &[("_ct_deleted", LogicalType::Bool)],
        SyncMode::History => &[
            ("_ct_op", LogicalType::Text),
            ("_ct_valid_from", LogicalType::Timestamp),
            ("_ct_valid_to", LogicalType::Timestamp),
            ("_ct_current", LogicalType::Bool),
        ],
        SyncMode::Append => &[("_ct_op", LogicalType::Text)],
    };
    [
        ("_ct_order", LogicalType::Text),
        ("_ct_synced_at", LogicalType::Timestamp),
        ("_ct_changed_at", LogicalType::Timestamp),
    ]
    .into_iter()
    .chain(of_mode.iter().copied())
}

fn changed(column: &str, expected: &str, found: &str) -> Error {
    Error::new(ErrorKind::SchemaConflict, "Someone changed a column of the table; change it back and fill it with `commutator resync`, or drop the table, delete its row in _ct_checkpoints, and `commutator run` loads it anew")
        .with("column", column)
        .with("expected", expected)
        .with("found", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> TableSchema {
        TableSchema::new(vec![
            Column::key("id", LogicalType::Int64),
            Column::new("price", LogicalType::Decimal { precision: 5, scale: 2 }),
            Column::new("name", LogicalType::Text),
        ])
        .unwrap()
    }

    fn found(columns: &[(&str, &str)]) -> Vec<Found> {
        let system = [
            ("_ct_order", "text"),
            ("_ct_synced_at", "timestamp with time zone"),
            ("_ct_changed_at", "timestamp with time zone"),
        ];
        columns.iter().chain(&system).map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned())).collect()
    }

    fn reconciled(columns: &[(&str, &str)]) -> Result<Option<Arc<TableSchema>>> {
        reconcile(Some(&recorded()), Some(&found(columns)), SyncMode::Mirror)
    }

    #[test]
    fn what_was_made_is_found_again_and_what_others_added_is_left_alone() {
        let same = reconciled(&[("id", "bigint"), ("name", "text"), ("price", "numeric(5,2)"), ("theirs", "integer")]);
        assert_eq!(*same.unwrap().unwrap(), recorded());
        let wider = reconciled(&[("id", "numeric"), ("price", "numeric(5,2)")]).unwrap().unwrap();
        assert_eq!(wider.columns().len(), 2);
        assert_eq!(wider.keys()[0].ty, LogicalType::Number);
    }

    #[test]
    fn changes_that_cannot_be_followed_are_conflicts() {
        for columns in [
            &[("id", "bigint"), ("name", "character varying(10)")][..],
            &[("id", "bigint"), ("price", "numeric(5,1)")],
            &[("name", "text")],
        ] {
            assert_eq!(reconciled(columns).unwrap_err().kind(), ErrorKind::SchemaConflict, "{columns:?}");
        }
        assert_eq!(reconcile(Some(&recorded()), None, SyncMode::Mirror).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(reconcile(None, Some(&[]), SyncMode::Mirror).unwrap_err().kind(), ErrorKind::ConfigInvalid);
        assert_eq!(reconcile(None, None, SyncMode::Mirror).unwrap(), None);
    }
}

//! What a change of a column's type does to others: views that stand in its way, and rows that are written anew.

use commutator_core::{Error, ErrorKind, Result, SchemaAction};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error;
use crate::session::Place;

/// Refuses to widen columns that views use, directly or through other views: the server would refuse it, too, naming one of them.
///
/// The views' definitions are their owners': nothing here drops or restores what others made.
pub(super) async fn refuse_views(client: &Client, place: &Place, actions: &[SchemaAction]) -> Result<()> {
    let widened: Vec<&str> = actions
        .iter()
        .filter_map(|action| match action {
            SchemaAction::WidenColumn { name, .. } => Some(name.as_str()),
            SchemaAction::CreateTable { .. } | SchemaAction::AddColumn { .. } => None,
        })
        .collect();
    if widened.is_empty() {
        return Ok(());
    }
    let found = client
        .query_typed(
            VIEWS,
            &[(&&*place.schema, Type::TEXT), (&place.target.name, Type::TEXT), (&widened, Type::TEXT_ARRAY)],
        )
        .await
        .map_err(|e| error::failed(e, "Views on the table cannot be looked for"))?;
    if found.is_empty() {
        return Ok(());
    }
    let views: Vec<&str> = found.iter().map(|row| row.get(0)).collect();
    let mut columns: Vec<&str> = found.iter().flat_map(|row| row.get::<_, Vec<&str>>(1)).collect();
    columns.sort_unstable();
    columns.dedup();
    Err(Error::new(
        ErrorKind::SchemaConflict,
        "Views use a column that must be widened: keep their definitions (pg_get_viewdef), drop them, run again, and create them again",
    )
    .with("views", views.join(", "))
    .with("columns", columns.join(", ")))
}

/// Views and materialized views that use a column directly, with these columns, and those that use such a view.
pub(crate) const VIEWS: &str = "WITH RECURSIVE direct AS (
  SELECT r.ev_class AS view, a.attname::text AS used
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
    AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_rewrite'::regclass
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> c.oid
  WHERE s.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3)
), dependent AS (
  SELECT view FROM direct
  UNION
  SELECT r.ev_class
  FROM dependent u
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = u.view
    AND d.classid = 'pg_catalog.pg_rewrite'::regclass
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> u.view
)
SELECT format('%I.%I', n.nspname, v.relname),
  coalesce((SELECT array_agg(DISTINCT d.used) FROM direct d WHERE d.view = v.oid), '{}')
FROM dependent u
JOIN pg_catalog.pg_class v ON v.oid = u.view
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
ORDER BY format('%I.%I', n.nspname, v.relname) COLLATE \"C\"";

/// A table's rows and bytes, as the catalog has them; parameters: schema, table.
pub(crate) const SIZE: &str =
    "SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint END, pg_catalog.pg_table_size(c.oid)
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relname = $2";

/// Tells how large a table is that is about to be written anew, as the catalog has it.
pub(super) async fn tell_size(client: &Client, place: &Place) -> Result<()> {
    let row = client
        .query_typed_opt(SIZE, &[(&&*place.schema, Type::TEXT), (&place.target.name, Type::TEXT)])
        .await
        .map_err(|e| error::failed(e, "The table's size cannot be read"))?;
    let (rows, bytes): (Option<i64>, Option<i64>) = row.map_or((None, None), |row| (row.get(0), row.get(1)));
    let said = "all rows are written anew for a wider type, and readers wait until it is committed; rows are the server's estimate";
    tracing::info!(table = %place.target.table, rows, bytes, "{said}");
    Ok(())
}

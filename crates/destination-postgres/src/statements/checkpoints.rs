//! The statements on the table of checkpoints, which is the fence as well.

use super::{checkpoints, name};

/// Selects pipeline and table of another row with the same target; parameters: target, slice, pipeline, table.
pub(crate) fn select_rival(schema: &str) -> String {
    format!(
        "SELECT pipeline, table_name FROM {} WHERE target = $1 AND slice = $2 AND (pipeline, table_name) <> ($3, $4)",
        checkpoints(schema)
    )
}

/// Raises the owner of a target's row, or inserts it with its first one, and returns it; parameters: pipeline, table, slice, target, mode,
/// first owner.
pub(crate) fn take_over(schema: &str) -> String {
    format!(
        "INSERT INTO {} AS c (pipeline, table_name, slice, target, mode, owner) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (pipeline, table_name, slice) DO UPDATE SET owner = c.owner + 1, updated_at = now() \
         RETURNING c.owner, c.target, c.mode, c.checkpoint::text, c.columns::text, c.hashed, c.straight",
        checkpoints(schema)
    )
}

/// Ends other transactions that hold this target's lock.
pub(crate) fn end_others(mark: i64) -> String {
    let [high, low] = [mark >> 32 & 0xffff_ffff, mark & 0xffff_ffff];
    format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l
         JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
         JOIN pg_catalog.pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1
           AND l.classid = {high}::oid AND l.objid = {low}::oid
           AND a.usename = current_user AND l.pid <> pg_backend_pid()"
    )
}

/// Sets the mode of the row for which a condition holds; parameter: mode.
pub(crate) fn set_mode(schema: &str, row: &str) -> String {
    format!("UPDATE {} SET mode = $1 WHERE {row}", checkpoints(schema))
}

/// Writes the checkpoint if the owner is still this one; parameters: checkpoint, columns, hashed, straight, pipeline, table, slice, owner.
pub(crate) fn record(schema: &str) -> String {
    format!(
        "UPDATE {} SET checkpoint = $1::json, columns = $2::json, hashed = $3, straight = $4, updated_at = now() \
         WHERE pipeline = $5 AND table_name = $6 AND slice = $7 AND owner = $8",
        checkpoints(schema)
    )
}

/// Counts which of the tables of checkpoints and of schema changes exist; parameter: schema.
pub(crate) const FIND_TABLES: &str =
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relname IN ('_ct_checkpoints', '_ct_schema_changes')";

/// Keeps two sessions from creating them at the same time, from which IF NOT EXISTS does not.
pub(crate) const LOCK_CREATION: &str = "SELECT pg_advisory_xact_lock(7310593858020254049)";

/// Finds the schema; parameter: schema.
pub(crate) const FIND_SCHEMA: &str = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";

/// Creates the schema.
pub(crate) fn create_schema(schema: &str) -> String {
    format!("CREATE SCHEMA {}", name(schema))
}

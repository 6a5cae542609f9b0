//! A table that shall have another mode than before.

use commutator_core::{Result, SyncMode, TableSchema, Target};
use commutator_sql::recorded::ModeChange;
use duckdb::{Connection, params};

use super::{Place, catalog};
use crate::error;

/// Makes the change in the transaction that takes the table over; returns whether there are tombstones afterwards.
pub(super) fn make(
    change: ModeChange,
    connection: &Connection,
    place: &Place,
    recorded: Option<&TableSchema>,
    tombstones: bool,
) -> Result<bool> {
    let failed = |e| error::failed(e, "The table's mode cannot be changed");
    if let (ModeChange::KeepDeleted, Some(recorded)) = (change, recorded) {
        let found = place.look_up(connection, &place.target.name)?;
        catalog::reconcile(Some(recorded), found.as_deref(), SyncMode::Mirror)?;
    }
    for statement in statements(change, place, recorded, tombstones) {
        tracing::info!(table = %place.target.table, statement, "changing the mode of the destination's table");
        connection.execute_batch(&statement).map_err(failed)?;
    }
    let Target { pipeline, table, slice, mode, .. } = &place.target;
    let row = params![mode.as_str(), pipeline.as_str(), table.as_str(), slice.as_str()];
    connection.execute(&place.checkpoints().set_mode(), row).map_err(failed)?;
    Ok(tombstones && (change == ModeChange::Name || place.target.filtered))
}

/// Returns what the change does to the table; `tombstones` says whether it has a table of them.
pub(super) fn statements(
    change: ModeChange,
    place: &Place,
    recorded: Option<&TableSchema>,
    tombstones: bool,
) -> Vec<String> {
    let (ModeChange::KeepDeleted, Some(recorded)) = (change, recorded) else { return Vec::new() };
    let layout = place.layout();
    let mut statements = layout.add_deleted();
    // A filtered table goes on with them.
    if tombstones && !place.target.filtered {
        // A snapshot runs: its older rows must not bring back what was removed meanwhile.
        statements.extend([layout.tombstones_to_rows(recorded), layout.drop_tombstones()]);
    }
    statements
}

//! A table that shall have another mode than before.

use commutator_core::{Result, SyncMode, TableSchema};
use commutator_sql::recorded::ModeChange;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{Place, catalog};
use crate::error;
use crate::statements::checkpoints;

/// Makes the change in the transaction that takes the table over; returns whether there are tombstones afterwards.
pub(super) async fn make(
    change: ModeChange,
    client: &Client,
    place: &Place,
    recorded: Option<&TableSchema>,
    hashed: bool,
    tombstones: bool,
) -> Result<bool> {
    let failed = |e| error::failed(e, "The table's mode cannot be changed");
    if let (ModeChange::KeepDeleted, Some(recorded)) = (change, recorded) {
        let found = catalog::read(client, &place.schema, &place.target.name).await?;
        catalog::reconcile(Some(recorded), found.as_deref(), SyncMode::Mirror)?;
    }
    for statement in statements(change, place, recorded, hashed, tombstones) {
        tracing::info!(table = %place.target.table, statement, "changing the mode of the destination's table");
        client.batch_execute(&statement).await.map_err(failed)?;
    }
    let update = checkpoints::set_mode(&place.schema, &place.row());
    client.execute_typed(&update, &[(&place.target.mode.as_str(), Type::TEXT)]).await.map_err(failed)?;
    Ok(tombstones && (change == ModeChange::Name || place.target.filtered))
}

/// Returns what the change does to the table; `tombstones` says whether it has a table of them.
pub(super) fn statements(
    change: ModeChange,
    place: &Place,
    recorded: Option<&TableSchema>,
    hashed: bool,
    tombstones: bool,
) -> Vec<String> {
    let (ModeChange::KeepDeleted, Some(recorded)) = (change, recorded) else { return Vec::new() };
    let layout = place.layout(hashed);
    let mut statements = vec![layout.add_deleted()];
    // A filtered table goes on with them.
    if tombstones && !place.target.filtered {
        // A snapshot runs: its older rows must not bring back what was removed meanwhile.
        statements.extend([layout.tombstones_to_rows(recorded), layout.drop_tombstones()]);
    }
    statements
}

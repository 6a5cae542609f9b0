//! Keeps what became of a table's columns, in the transaction that changes them.

use commutator_core::{Epoch, Result, SchemaAction};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error;
use crate::session::Place;
use crate::statements::changes;

/// Adds a row for each column that a plan's steps make or widen.
pub(super) async fn record(client: &Client, place: &Place, epoch: Epoch, actions: &[SchemaAction]) -> Result<()> {
    let rows = changes::rows(actions);
    if rows.is_empty() {
        return Ok(());
    }
    let target = &place.target;
    let (named, columns): (Vec<_>, Vec<_>) = rows.iter().map(|row| (row.action, row.column)).unzip();
    let (from, to): (Vec<_>, Vec<_>) = rows.iter().map(|row| (row.from.as_deref(), &*row.to)).unzip();
    client
        .execute_typed(
            &changes::insert(&place.schema),
            &[
                (&target.pipeline.as_str(), Type::TEXT),
                (&target.table.as_str(), Type::TEXT),
                (&target.name, Type::TEXT),
                (&i64::from(epoch.0), Type::INT8),
                (&named, Type::TEXT_ARRAY),
                (&columns, Type::TEXT_ARRAY),
                (&from, Type::TEXT_ARRAY),
                (&to, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map(drop)
        .map_err(|e| error::failed(e, "The change of the table's columns cannot be recorded in _ct_schema_changes"))
}

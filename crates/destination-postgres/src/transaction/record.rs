//! The end of a transaction: the checkpoint is written, if the table is still ours and still what the rows were made for.

use commutator_core::{Checkpoint, Column, Error, ErrorKind, Result, TableSchema};
use tokio_postgres::types::Type;

use super::PgTransaction;
use crate::error;
use crate::session::{catalog, fenced, forgotten};
use crate::statements::checkpoints;

impl PgTransaction<'_> {
    /// Refuses rows that went into other columns than they were made for: the server would round a number that no longer fits.
    ///
    /// Whoever writes rows holds a lock that keeps the columns as they are until the commit.
    pub(super) async fn compare(&self) -> Result<()> {
        let place = &self.session.place;
        let found = catalog::read(self.client()?, &place.schema, &place.target.name).await?;
        let found = catalog::reconcile(self.state.recorded.as_ref(), found.as_deref(), place.target.mode)?;
        if found.as_deref().map(by_name) == self.state.actual.as_deref().map(by_name) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "Someone changed the table's columns while rows were written; the table is opened again",
        ))
    }

    /// Writes the checkpoint if the table is still ours; the row's lock keeps it so until the commit.
    pub(super) async fn record(&self, checkpoint: &Checkpoint) -> Result<()> {
        let failed = |e| error::failed(e, "The checkpoint cannot be written");
        let text = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::new(ErrorKind::Unexpected, "The checkpoint cannot be written").with_source(e))
        };
        let checkpoint = text(serde_json::to_string(checkpoint))?;
        let columns = self.state.recorded.as_ref().map(|recorded| text(serde_json::to_string(recorded))).transpose()?;
        let place = &self.session.place;
        let update = checkpoints::record(&place.schema);
        let updated = self
            .client()?
            .execute_typed(
                &update,
                &[
                    (&checkpoint, Type::TEXT),
                    (&columns, Type::TEXT),
                    (&self.state.hashed, Type::BOOL),
                    (&self.state.straight.to_column(), Type::INT8),
                    (&place.target.pipeline.as_str(), Type::TEXT),
                    (&place.target.table.as_str(), Type::TEXT),
                    (&place.target.slice.as_str(), Type::TEXT),
                    (&self.session.owner, Type::INT8),
                ],
            )
            .await
            .map_err(failed)?;
        match updated {
            1 => Ok(()),
            _ if self.is_recorded().await? => Err(fenced()),
            _ => Err(forgotten()),
        }
    }

    /// Returns whether the target has a row among the checkpoints, whoever owns it.
    async fn is_recorded(&self) -> Result<bool> {
        let place = &self.session.place;
        let select = format!("SELECT 1 FROM {} WHERE {}", checkpoints(&place.schema), place.row());
        let row = self.client()?.query_typed_opt(&select, &[]).await;
        row.map(|row| row.is_some()).map_err(|e| error::failed(e, "The checkpoint cannot be read"))
    }
}

/// Returns the columns in an order that does not depend on when they were added.
fn by_name(columns: &TableSchema) -> Vec<&Column> {
    let mut columns: Vec<_> = columns.columns().iter().collect();
    columns.sort_unstable_by_key(|column| &column.name);
    columns
}
